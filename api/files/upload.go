package files

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads"
	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/link"
)

var bodySchema = map[string]any{"type": "object", "required": []string{"content_type", "data"}, "additionalProperties": false,
	"properties": map[string]any{
		"content_type": map[string]any{"type": "string", "description": "The file's media type."},
		"data":         map[string]any{"type": "string", "format": "byte", "description": "The file, in base64."},
	}}

// upload takes a file as it is, or as the JSON form of the message that the original document describes.
func (h *handlers) upload(c *api.Call) error {
	organisation, err := h.organisation(c)
	if err != nil {
		return err
	}
	d := engine.Deposit{Organisation: organisation, Name: nameOf(c)}
	if err := h.fill(c, &d, c.Query("alt") != "media"); err != nil {
		return err
	}
	return h.deposit(c, d)
}

// arrive takes the file of an upload URL, which is the permission.
func (h *handlers) arrive(c *api.Call) error {
	r := c.Request
	signed, name, _ := strings.Cut(r.URL.RawQuery, "&filename=") // may be added to the URL
	if strings.Contains(name, "&") || h.signer.Verify(link.Write, r.Host, r.URL.EscapedPath(), signed, h.now()) != nil {
		return engine.Errorf(engine.Denied, "This upload URL is not valid or has expired. Use it unchanged, or ask for a new one.")
	}
	organisation, known := engine.ParseID(c.Param("organization_id"))
	id, ok := engine.ParseID(c.Param("file"))
	if !known || !ok {
		return engine.Errorf(engine.NotFound, "There is no such upload.")
	}
	_, err := h.engine.Store.Organisations.StoredFile(r.Context(), id)
	switch {
	case err == nil: // said before a long upload; what counts is decided when it is stored
		return engine.Errorf(engine.Conflict, "This upload URL was used already. Ask for a new one.")
	case engine.CodeOf(err) != engine.NotFound:
		return err
	}
	d := engine.Deposit{Organisation: organisation, ID: id, OnceUntil: link.Ends(signed), Name: nameOf(c)}
	if err := h.fill(c, &d, false); err != nil {
		return err
	}
	return h.deposit(c, d)
}

func (h *handlers) now() time.Time {
	if h.engine.Now == nil {
		return time.Now()
	}
	return h.engine.Now()
}

func (h *handlers) deposit(c *api.Call, d engine.Deposit) error {
	f, err := h.engine.Deposit(c.Request.Context(), d)
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, metadataOf(f))
}

// nameOf is what the sender calls the file; empty if it does not.
func nameOf(c *api.Call) string {
	if name := c.Query("filename"); name != "" {
		return name
	}
	return downloads.FileName(c.GetHeader("Content-Disposition"))
}

// fill gives the deposit its content: the body, or what is in it if it may be the JSON form.
func (h *handlers) fill(c *api.Call, d *engine.Deposit, form bool) error {
	r := c.Request
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return api.Refusal(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE",
			"The request body is compressed. Send it without a Content-Encoding.")
	}
	d.ContentType = r.Header.Get("Content-Type")
	base, _, err := mime.ParseMediaType(d.ContentType)
	form = form && err == nil && base == "application/json"
	if limit := h.engine.Limits.Transfer; r.ContentLength > limit && !form {
		return engine.Errorf(engine.TooLarge, "The file is larger than the %d bytes that this server takes for one file.", limit)
	}
	d.Content = downloads.Body(c.Direct(), r, h.engine.Limits.Idle)
	if !form {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(d.Content, api.MaxBody+1))
	if err != nil {
		return err
	}
	if contentType, data, ok := message(head); ok {
		d.ContentType, d.Content = contentType, bytes.NewReader(data)
		return nil
	}
	if len(head) > api.MaxBody && beginsMessage(head) {
		return engine.Errorf(engine.TooLarge, "The JSON form takes %d MiB at most. Send the file itself as the body, with its Content-Type.",
			api.MaxBody>>20)
	}
	d.Content = io.MultiReader(bytes.NewReader(head), d.Content)
	return nil
}

// message reads the JSON form of a file: an object with exactly the members content_type and data, base64 in any of its
// spellings, as protobuf's readers take it. All else is a file that happens to be JSON.
func message(body []byte) (contentType string, data []byte, ok bool) {
	var members map[string]*string
	if json.Unmarshal(body, &members) != nil || len(members) != 2 || members["content_type"] == nil || members["data"] == nil {
		return "", nil, false
	}
	data, err := fromBase64(*members["data"])
	return *members["content_type"], data, err == nil
}

// beginsMessage reports whether what begins like this is the JSON form, as far as it can be seen.
func beginsMessage(head []byte) bool {
	d := json.NewDecoder(bytes.NewReader(head))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return false
	}
	for {
		name, err := d.Token()
		if err != nil || name != "content_type" && name != "data" {
			return false
		}
		if value, err := d.Token(); err != nil {
			return errors.Is(err, io.ErrUnexpectedEOF)
		} else if _, ok := value.(string); !ok {
			return false
		}
	}
}

func fromBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return nil, errors.New("a line end in base64")
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	if strings.HasSuffix(text, "=") {
		return base64.StdEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}
