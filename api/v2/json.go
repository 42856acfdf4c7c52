package v2

import (
	"bytes"
	"encoding/json"

	"github.com/gantry-engine/gantry/api"
)

// member is one member of a JSON object.
type member struct {
	name string
	raw  json.RawMessage
}

// maxElements is how many elements of one object or list are looked at. It is far over every limit of what they mean,
// and keeps a body of nothing but commas from taking gigabytes.
const maxElements = 100_000

// members returns the members of a valid JSON object in their order, without nulls, and the names that are given
// twice, of which the first counts. It returns whether they were all looked at.
func members(raw json.RawMessage) (all []member, twice []string, whole bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // the brace; raw is valid
	seen := map[string]bool{}
	for n := 0; d.More(); n++ {
		if n == maxElements {
			return all, twice, false
		}
		name, _ := d.Token()
		m := member{name: name.(string)}
		_ = d.Decode(&m.raw)
		switch {
		case seen[m.name]:
			twice = append(twice, m.name)
		case kind(m.raw) != "null":
			all = append(all, m)
		}
		seen[m.name] = true
	}
	return all, twice, true
}

// elements returns the elements of a valid JSON list, and whether they were all looked at.
func elements(raw json.RawMessage) (all []json.RawMessage, whole bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // the bracket; raw is valid
	for d.More() {
		if len(all) == maxElements {
			return all, false
		}
		var item json.RawMessage
		_ = d.Decode(&item)
		all = append(all, item)
	}
	return all, true
}

// assemble writes members as an object, each value as it was.
func assemble(members []member) json.RawMessage {
	object := make(api.Object, len(members))
	for i, m := range members {
		object[i] = api.Member{Name: m.name, Value: m.raw}
	}
	raw, _ := object.MarshalJSON() // of valid JSON: it cannot fail
	return raw
}

// kind says what a valid JSON value is, for a person.
func kind(raw json.RawMessage) string {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		if rest := bytes.TrimLeft(raw[1:], " \t\r\n"); rest[0] == ']' {
			return "an empty list"
		}
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
