package main

import "context"

func waits(ctx context.Context, s *suite) error     { return nil }
func downloads(ctx context.Context, s *suite) error { return nil }
func memory(ctx context.Context, s *suite) error    { return nil }
