package exporters

import (
	"slices"
	"testing"
)

// TestMeter sends one file, takes it back as a failed try does, and sends it again.
func TestMeter(t *testing.T) {
	var shown []int
	m := &meter{total: 200, show: func(percent int) { shown = append(shown, percent) }}
	a, b := &share{meter: m}, &share{meter: m}
	a.add(50)
	a.add(50)
	a.set(0) // a try failed
	a.add(60)
	b.add(100)
	a.add(40)
	a.add(1000) // a driver that reads twice
	if want := []int{24, 49, 79, 99}; !slices.Equal(shown, want) {
		t.Errorf("shown %v, want %v", shown, want)
	}
}

func TestMeterOfNothing(t *testing.T) {
	var shown []int
	m := &meter{show: func(percent int) { shown = append(shown, percent) }}
	(&share{meter: m}).add(0)
	if want := []int{99}; !slices.Equal(shown, want) {
		t.Errorf("shown %v, want %v", shown, want)
	}
}
