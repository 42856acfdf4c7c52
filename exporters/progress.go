package exporters

import "sync"

// meter shows how far all deliveries of a task are, by bytes. What it shows never goes back, and passes 99 only by the end
// of the task.
type meter struct {
	show  func(percent int)
	total int64

	mu    sync.Mutex
	sent  int64
	shown int
}

// add counts n bytes, or takes them back.
func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += n
	percent := 99
	if m.total > 0 {
		percent = int(min(99, float64(99*m.sent)/float64(m.total)))
	}
	if percent > m.shown {
		m.shown = percent
		m.show(percent)
	}
}

// share is what one delivery has added to the meter.
type share struct {
	meter *meter
	mu    sync.Mutex
	sent  int64
}

func (s *share) add(n int) {
	s.mu.Lock()
	s.sent += int64(n)
	s.mu.Unlock()
	s.meter.add(int64(n))
}

// set makes the share n bytes, whatever it was.
func (s *share) set(n int64) {
	s.mu.Lock()
	change := n - s.sent
	s.sent = n
	s.mu.Unlock()
	s.meter.add(change)
}
