package upload

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	maxAnswer = 16 << 10 // of a refusal, for the code in it
	azureType = "X-Ms-Blob-Type"
)

// refusal says why the server did not take the file.
func (s *sender) refusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what there is of it will do
	said := fmt.Sprintf("The server %s answered %d%s.", resp.Request.URL.Host, resp.StatusCode, s.code(resp, body))
	if hint := s.hint(resp, body); hint != "" {
		said += " " + hint
	}
	if resp.StatusCode/100 == 3 {
		return engine.Errorf(engine.Invalid, "%s", said)
	}
	return exporters.Refusal(resp.StatusCode, resp.Header, said)
}

var errorCode = regexp.MustCompile(`<Code>([A-Za-z.]{1,64})</Code>`)

// code is the error's name that S3, Azure and Google put into their answers, else that of the status.
func (s *sender) code(resp *http.Response, body []byte) string {
	if found := errorCode.FindSubmatch(body); found != nil && !s.secret(string(found[1])) {
		return " " + string(found[1])
	}
	if text := http.StatusText(resp.StatusCode); text != "" {
		return " " + text
	}
	return ""
}

// secret reports whether a server's word is of the task's own: it may echo what it was sent.
func (s *sender) secret(word string) bool {
	for _, value := range s.params.Headers {
		if v := value.Reveal(); strings.Contains(v, word) || len(v) > 5 && strings.Contains(word, v) {
			return true
		}
	}
	return strings.Contains(s.params.URL, word)
}

// shown is a header's value if it is one that can be shown.
func (s *sender) shown(value string) string {
	if len(value) > 256 || s.secret(value) {
		return ""
	}
	return value
}

// hint says what to do about it, where that is known.
func (s *sender) hint(resp *http.Response, body []byte) string {
	status := resp.StatusCode
	if status/100 == 3 {
		return "A redirect of that kind asks for the URL by GET, so the file was not sent on; give the URL it leads to."
	}
	if status/100 == 5 || status == http.StatusTooManyRequests {
		return ""
	}
	at, dated := expiry(resp.Request.URL)
	switch {
	case dated && at.Before(time.Now()):
		return "The URL expired at " + at.UTC().Format(time.DateTime) + " UTC; a new one has to be made."
	case strings.Contains(strings.ToLower(string(body)), "expired"):
		return "The URL has expired; a new one has to be made."
	case resp.Header.Get("X-Ms-Request-Id") != "" && resp.Request.Header.Get(azureType) == "":
		return "Azure wants the header x-ms-blob-type, which is BlockBlob for a file."
	}
	return ""
}

// expiry returns until when a presigned URL holds, where it says so: as S3 and Google (version 4: a time and seconds;
// version 2: Unix seconds), or as Azure (se).
func expiry(u *url.URL) (time.Time, bool) {
	query := u.Query()
	for _, vendor := range []string{"Amz", "Goog"} {
		from, err := time.Parse("20060102T150405Z", query.Get("X-"+vendor+"-Date"))
		seconds, serr := strconv.ParseInt(query.Get("X-"+vendor+"-Expires"), 10, 32)
		if err == nil && serr == nil {
			return from.Add(time.Duration(seconds) * time.Second), true
		}
	}
	if query.Get("sig") != "" {
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z", time.DateOnly} {
			if at, err := time.Parse(layout, query.Get("se")); err == nil {
				return at, true
			}
		}
	}
	if unix, err := strconv.ParseInt(query.Get("Expires"), 10, 64); err == nil && query.Get("Signature") != "" {
		return time.Unix(unix, 0), true
	}
	return time.Time{}, false
}
