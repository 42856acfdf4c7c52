package gcs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	defaultTokenURL = "https://oauth2.googleapis.com/token"
	grantType       = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	// The smallest there are; none allows to write alone.
	scopeWrite = "https://www.googleapis.com/auth/devstorage.read_write"
	scopeRead  = "https://www.googleapis.com/auth/devstorage.read_only"

	renewBefore = 5 * time.Minute // a token's end
	maxAnswer   = 16 << 20        // bytes of an answer that is no object's content
)

// bearer is a token.
type bearer struct {
	value string
	until time.Time
}

// bearer returns a token that is good for a while, and whether it is a new one.
func (c *client) bearer(ctx context.Context) (token string, fresh bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.token.until) {
		return c.token.value, false, nil
	}
	if c.token, err = c.exchange(ctx); err != nil {
		return "", false, err
	}
	return c.token.value, true, nil
}

// revoked notes that a token is not taken any more.
func (c *client) revoked(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.value == token {
		c.token = bearer{}
	}
}

// exchange gets a token for the key.
func (c *client) exchange(ctx context.Context) (bearer, error) {
	assertion, err := c.assertion(time.Now())
	if err != nil {
		return bearer{}, err
	}
	form := url.Values{"grant_type": {grantType}, "assertion": {assertion}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return bearer{}, engine.Errorf(engine.Invalid, "The token_url is not a URL.")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(req)
	if err != nil {
		return bearer{}, exporters.Fault(ctx, err, "Google's token endpoint")
	}
	defer resp.Body.Close()
	var said struct {
		Token       string `json:"access_token"`
		Seconds     int64  `json:"expires_in"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return bearer{}, exporters.Fault(ctx, err, "Google's token endpoint")
	}
	known := json.Unmarshal(body, &said) == nil
	switch {
	case resp.StatusCode == http.StatusOK && said.Token != "":
		return bearer{said.Token, time.Now().Add(time.Duration(said.Seconds)*time.Second - renewBefore)}, nil
	case known && said.Error != "" && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return bearer{}, c.refusedKey(resp.Header, said.Error, strings.ReplaceAll(said.Description, assertion, "[redacted]"))
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return bearer{}, exporters.Refusal(resp.StatusCode, resp.Header, fmt.Sprintf("Google's token endpoint answered %d.", resp.StatusCode))
	}
	return bearer{}, engine.Errorf(engine.Invalid, "The token_url answered %d without a token: it is not a token endpoint.", resp.StatusCode)
}

// refusedKey is the error for an assertion that was not taken.
func (c *client) refusedKey(header http.Header, code, description string) error {
	said := strings.ToLower(description)
	text := strings.TrimRight(fmt.Sprintf("Google refuses the service account: %s %s", code, description), " .") + "."
	switch {
	case strings.Contains(said, "signature"):
		text = "The private_key is not one of the client_email, or was deleted."
	case strings.Contains(said, "account not found"), strings.Contains(said, "invalid email"):
		text = "Google knows no service account with that client_email."
	case strings.Contains(said, "iat"), strings.Contains(said, "timeframe"):
		text = "This server's clock differs from Google's" + skew(header) + ". Its operator has to set it."
	}
	return engine.Errorf(engine.Unauthorized, "%s", text)
}

// skew says by how much the clocks differ.
func skew(header http.Header) string {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" by %d s", int(time.Since(at).Abs().Seconds()))
}
