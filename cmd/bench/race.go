package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// contender is a program that sends some files, the same as the others.
type contender struct {
	name string
	send func(ctx context.Context) (processor time.Duration, err error)
}

// race is one figure of exports.
type race struct {
	name, unit string
	amount     float64 // sent at a time, in the unit
	aim        float64
	server     string // its script
	contenders []contender
}

// took is what one contender needed, turn by turn.
type took struct {
	rate              series
	processor, server []time.Duration
}

// compare lets the contenders send in turns, and reports the first against the best of the others. The first turn does not count.
func (s *suite) compare(ctx context.Context, r race) error {
	all := make([]took, len(r.contenders))
	for round := range s.rounds + 1 {
		for i, c := range r.contenders {
			served, began := s.serverTime(r.server), time.Now()
			processor, err := c.send(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round == 0 {
				continue
			}
			all[i].rate.add(r.amount/time.Since(began).Seconds(), nil)
			all[i].processor = append(all[i].processor, processor)
			all[i].server = append(all[i].server, s.serverTime(r.server)-served)
		}
	}
	best := 1
	for i := range all {
		if i > 1 && all[i].rate.median() > all[best].rate.median() {
			best = i
		}
	}
	s.report.rate(r.name, r.unit, all[0].rate, r.unit+", "+r.contenders[best].name, all[best].rate, r.aim)
	var lines []string
	for i, c := range r.contenders {
		lines = append(lines, fmt.Sprintf("%s %.0f %s, %.2f s (the server %.2f s)", c.name, all[i].rate.median(), r.unit,
			median(all[i].processor).Seconds(), median(all[i].server).Seconds()))
	}
	s.report.note("rate, processor time: %s", strings.Join(lines, "; "))
	return nil
}
