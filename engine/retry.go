package engine

import (
	"math/rand/v2"
	"time"
)

const (
	maxTries      = 5 // of what Retryable says
	internalTries = 2 // of what nobody expected
	maxLosses     = 3 // workers a task may outlive
	maxRetryAfter = 15 * time.Minute
)

// retry decides what to do about the error of a try: how long to wait before the next, or that there is none.
func retry(err *Error, tries int) (wait time.Duration, again bool) {
	allowed := 1
	switch {
	case Retryable(err):
		allowed = maxTries
	case err.Code == Internal:
		allowed = internalTries
	}
	if tries >= allowed {
		return 0, false
	}
	if err.RetryAfter > 0 {
		return min(err.RetryAfter, maxRetryAfter), true
	}
	base := time.Second << (2 * min(tries-1, 4)) // 1 s, 4 s, 16 s, 64 s
	return base + rand.N(base/4), true
}
