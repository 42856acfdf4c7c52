package office

import "time"

// SetSilence sets how long a worker may go without a sign of life.
func (e *Engine) SetSilence(d time.Duration) { e.silence = d }
