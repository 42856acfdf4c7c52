package convert

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errTime = errors.New("must be hh:mm:ss, mm:ss or seconds, such as 00:01:30 or 90.5")

// ParseTime reads a place in a recording, "hh:mm:ss", "mm:ss" or seconds, each with a fraction if need be. Nothing is its
// beginning. The error says what is wrong as the rest of a sentence that begins with its field.
func ParseTime(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, nil
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, errTime
	}
	total := 0.0
	for i, part := range parts {
		last := i == len(parts)-1
		if part == "" || strings.Trim(part, "0123456789.") != "" || !last && strings.Contains(part, ".") {
			return 0, errTime
		}
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n > 1e8 || i > 0 && n >= 60 {
			return 0, errTime
		}
		total = total*60 + n
	}
	return time.Duration(total * float64(time.Second)), nil
}
