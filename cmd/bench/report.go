package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// report prints figures.
type report struct{ out io.Writer }

// figure is one line of the report.
type figure struct {
	name, value, peer, peerName string
	ratio                       float64
	aim                         string
	reached                     bool
}

func (r *report) head() {
	fmt.Fprintf(r.out, "%-42s %16s   %-38s %7s   %s\n", "figure", "gantry", "peer in the same run", "ratio", "aim")
}

func (r *report) print(f figure) {
	ratio, aim := fmt.Sprintf("%.1fx", f.ratio), f.aim
	if f.ratio < 10 {
		ratio = fmt.Sprintf("%.2fx", f.ratio)
	}
	switch {
	case aim == "":
		aim = "-"
	case f.reached:
		aim += ": reached"
	default:
		aim += ": MISSED"
	}
	fmt.Fprintf(r.out, "%-42s %16s   %-38s %7s   %s\n", f.name, f.value, f.peer+" "+f.peerName, ratio, aim)
}

// series are the rates of one thing, round by round.
type series struct {
	rates []float64
	err   error // the first one
}

func (s *series) add(rate float64, err error) {
	s.rates = append(s.rates, rate)
	if s.err == nil {
		s.err = err
	}
}

// median is the middle one of the rates.
func (s *series) median() float64 { return median(slices.Clone(s.rates)) }

// rate is a figure of which more is better; aim is the ratio wanted, zero for none. The ratio is the median of those of
// the rounds, as figure and peer of a round share the machine's mood.
func (r *report) rate(name, unit string, ours series, peerName string, peer series, aim float64) {
	var ratios []float64
	for i := range ours.rates {
		ratios = append(ratios, ours.rates[i]/peer.rates[i])
	}
	ratio := median(ratios)
	f := figure{name: name, value: fmt.Sprintf("%.0f %s", ours.median(), unit),
		peer: fmt.Sprintf("%.0f", peer.median()), peerName: peerName, ratio: ratio, reached: ratio >= aim}
	if aim > 0 {
		f.aim = fmt.Sprintf("at least %.1fx", aim)
	}
	r.print(f)
}

// note prints what helps to understand the figures before it.
func (r *report) note(format string, args ...any) { fmt.Fprintf(r.out, "  "+format+"\n", args...) }

// duration is a figure of which less is better; below is the time wanted, zero for none.
func (r *report) duration(name string, ours time.Duration, peerName string, peer, below time.Duration) {
	f := figure{name: name, value: short(ours), peer: short(peer), peerName: peerName,
		ratio: float64(ours) / float64(peer), reached: ours < below}
	if below > 0 {
		f.aim = "under " + below.String()
	}
	r.print(f)
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// median returns the middle one of values, which it sorts.
func median[T float64 | time.Duration](values []T) T { return quantile(values, 0.5) }

// quantile returns the value below which the share q of the values lies.
func quantile[T float64 | time.Duration](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}
