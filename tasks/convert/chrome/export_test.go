package chrome

import "time"

// SetPatience sets how long a page may take, and returns how long it was.
func (e *Engine) SetPatience(d time.Duration) (before time.Duration) {
	before, e.browser.patience = e.browser.patience, d
	return before
}
