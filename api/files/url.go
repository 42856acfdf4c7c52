package files

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/link"
	"github.com/gantry-engine/gantry/engine/param"
)

// defaultLife is how long a URL lives of which nobody said more.
const defaultLife = time.Hour

const durationField = "expire_duration"

var durationSchema = map[string]any{"type": "object", "properties": map[string]any{
	durationField: map[string]any{"type": "string", "examples": []string{"3600s", "3.5s"},
		"description": "How long the URL lives, in seconds with an s; an hour by default."},
}}

func (h *handlers) uploadURL(c *api.Call) error {
	organisation, err := h.organisation(c)
	if err != nil {
		return err
	}
	until, err := h.until(c)
	if err != nil {
		return err
	}
	at := h.signer.Sign(h.base, link.Write, until, "api", "v1", "uploads", string(organisation), string(engine.NewID()))
	return c.Reply(http.StatusOK, uploadURL{at})
}

func (h *handlers) downloadURL(c *api.Call) error {
	f, err := h.file(c)
	if err != nil {
		return err
	}
	until, err := h.until(c)
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, downloadURL{h.links.Stored(f.ID, f.Name, until)})
}

// until is when the URL that is asked for ends. Links end at whole seconds; it lives at least as long as it was asked to.
func (h *handlers) until(c *api.Call) (until time.Time, err error) {
	err = c.WithBody(func(body []byte) error {
		life, err := lifeOf(body, h.engine.Limits.SignedURL)
		until = h.now().Add(life + time.Second - 1).Truncate(time.Second)
		return err
	})
	return until, err
}

// lifeOf reads the optional duration in a body.
func lifeOf(body []byte, longest time.Duration) (time.Duration, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return min(defaultLife, longest), nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return 0, engine.Wrap(api.ErrMalformed, engine.Invalid, "The request body must be a JSON object, or empty.")
	}
	raw, given := members[durationField]
	if !given {
		raw = members["expireDuration"] // protobuf's readers take both
	}
	if len(raw) == 0 || string(raw) == "null" {
		return min(defaultLife, longest), nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0, badDuration(`must be a text such as "3600s"`)
	}
	life, ok := parseDuration(text)
	switch {
	case !ok:
		return 0, badDuration("must be seconds with an s, such as 3600s or 3.5s")
	case life <= 0:
		return 0, badDuration("must be more than 0s")
	case life > longest:
		return 0, badDuration("may be %ds at most on this server", int64(longest/time.Second))
	}
	return life, nil
}

func badDuration(format string, args ...any) error {
	return engine.InvalidParams([]param.Problem{param.Problemf(durationField, format, args...)})
}

var protobufDuration = regexp.MustCompile(`^(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s$`)

// maxSeconds is the most that a google.protobuf.Duration holds.
const maxSeconds = 315_576_000_000

// parseDuration reads the JSON form of google.protobuf.Duration. What a time.Duration cannot hold becomes its largest.
func parseDuration(text string) (time.Duration, bool) {
	m := protobufDuration.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	seconds, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil || seconds > maxSeconds {
		return 0, false
	}
	nanos, _ := strconv.ParseInt((m[3] + "000000000")[:9], 10, 64)
	if seconds >= math.MaxInt64/int64(time.Second) {
		seconds, nanos = math.MaxInt64/int64(time.Second), 0
	}
	life := time.Duration(seconds)*time.Second + time.Duration(nanos)
	if m[1] == "-" {
		life = -life
	}
	return life, true
}
