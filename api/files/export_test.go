package files

import "time"

// ParseDuration is parseDuration, for tests.
func ParseDuration(text string) (time.Duration, bool) { return parseDuration(text) }

// Message is message, for tests.
func Message(body []byte) (contentType string, data []byte, ok bool) { return message(body) }
