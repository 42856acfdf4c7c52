package param

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// secretNames are redacted wherever they appear, so that a secret sent to the wrong operation is not shown either.
var secretNames = map[string]bool{
	"access_key_id": true, "secret_access_key": true, "session_token": true, "storage_access_key": true, "sas_token": true,
	"private_key": true, "password": true, "passphrase": true, "headers": true, "set_password": true,
	"set_owner_password": true, "token": true, "secret": true, "authorization": true,
}

// Redact returns the JSON object without its secrets: fields that the spec types as Secret, fields with a name known to be
// secret in any operation, user and query of every URL, and content.
func (s Spec) Redact(object json.RawMessage) json.RawMessage {
	raw := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if d.Decode(&raw) != nil {
		return json.RawMessage("{}")
	}
	for _, f := range s.fields {
		if value, ok := raw[f.Name]; ok && f.Secret {
			raw[f.Name] = hide(value)
		} else if text, is := value.(string); ok && is && f.Role == RoleContent {
			raw[f.Name] = fmt.Sprintf("[%d bytes]", len(text))
		}
	}
	out, err := json.Marshal(redact("", raw))
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}

func redact(name string, value any) any {
	if value != nil && secretNames[strings.ToLower(name)] {
		return hide(value)
	}
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			value[key] = redact(key, item)
		}
	case []any:
		for i, item := range value {
			value[i] = redact("", item)
		}
	case string:
		return RedactURL(value)
	}
	return value
}

// hide keeps the shape of an object, so that the names of headers can still be seen.
func hide(value any) any {
	if object, ok := value.(map[string]any); ok {
		for key := range object {
			object[key] = Redacted
		}
		return object
	}
	return Redacted
}

// RedactURL returns text without the user and the query of a URL; what is not a URL is returned as it is.
func RedactURL(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" { // in jdbc:mysql://user:password@host the parts are not told apart
		return Redacted
	}
	if u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return text
	}
	if u.User != nil {
		u.User = url.User(Redacted)
	}
	if u.RawQuery != "" {
		u.RawQuery = Redacted
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

// WithoutContent returns the JSON object without its fields of RoleContent.
func (s Spec) WithoutContent(object json.RawMessage) json.RawMessage {
	raw := map[string]json.RawMessage{}
	if json.Unmarshal(object, &raw) != nil {
		return object
	}
	for _, f := range s.fields {
		if f.Role == RoleContent {
			delete(raw, f.Name)
		}
	}
	out, err := json.Marshal(raw)
	if err != nil {
		return object
	}
	return out
}
