package param

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Decode reads a JSON object into a new P, starting from the defaults, and reports every problem at once. It is lenient as
// the clients of CloudConvert need it: numbers and booleans may be strings, strings may be numbers, a list of one may be
// its element, null is absent, an unknown name is no problem. The value is a P; it is only to be used without problems.
func (s Spec) Decode(object json.RawMessage) (any, []Problem) {
	raw := map[string]any{}
	if len(object) > 0 {
		d := json.NewDecoder(bytes.NewReader(object))
		d.UseNumber()
		if err := d.Decode(&raw); err != nil {
			return nil, []Problem{{Message: "must be a JSON object"}}
		}
	}
	return s.decode(raw)
}

func (s Spec) decode(raw map[string]any) (any, []Problem) {
	if s.parts != nil {
		return s.decodeParts(raw)
	}
	if s.typ == nil {
		return nil, nil
	}
	p := reflect.New(s.typ).Elem()
	p.Set(s.defaults)
	var problems []Problem
	for _, f := range s.fields {
		if complaint := f.decode(p.FieldByIndex(f.index), raw[f.Name]); complaint != "" {
			problems = append(problems, Problem{Field: f.Name, Message: complaint})
		}
	}
	return p.Interface(), problems
}

func (s Spec) decodeParts(raw map[string]any) (any, []Problem) {
	values, problems := make([]any, len(s.parts)), []Problem(nil)
	for i, part := range s.parts {
		value, more := part.decode(raw)
		values[i], problems = value, append(problems, more...)
	}
	return values, problems
}

// decode sets v from a JSON value and returns what is wrong with it, or nothing.
func (f Field) decode(v reflect.Value, raw any) string {
	if raw == nil || (raw == "" && f.Type != "string") {
		if f.Required {
			return "is required"
		}
		return ""
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if complaint := assign(v, raw); complaint != "" {
		return complaint
	}
	return f.check(v)
}

func (f Field) check(v reflect.Value) string {
	switch {
	case f.Required && v.IsZero() && (v.Kind() == reflect.String || v.Kind() == reflect.Slice):
		return "is required"
	case f.Enum != nil && v.String() != "" && !slices.Contains(f.Enum, v.String()):
		return "must be one of " + strings.Join(f.Enum, ", ")
	case v.CanInt() && !f.holds(float64(v.Int())), v.CanFloat() && !f.holds(v.Float()):
		return "must be " + f.span()
	}
	return ""
}

func (f Field) holds(n float64) bool {
	return (f.Min == nil || n >= *f.Min) && (f.Max == nil || n <= *f.Max)
}

func (f Field) span() string {
	switch {
	case f.Min != nil && f.Max != nil:
		return fmt.Sprintf("from %v to %v", *f.Min, *f.Max)
	case f.Min != nil:
		return fmt.Sprintf("at least %v", *f.Min)
	}
	return fmt.Sprintf("at most %v", *f.Max)
}

// assign converts a decoded JSON value leniently; it returns a complaint for what cannot be converted.
func assign(v reflect.Value, raw any) string {
	switch v.Kind() {
	case reflect.String:
		s, ok := scalar(raw)
		if !ok {
			return "must be a string"
		}
		v.SetString(s)
	case reflect.Bool:
		return assignBool(v, raw)
	case reflect.Int, reflect.Int64:
		return assignInt(v, raw)
	case reflect.Float64:
		s, _ := scalar(raw)
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return "must be a number"
		}
		v.SetFloat(n)
	case reflect.Slice:
		return assignList(v, raw)
	case reflect.Map:
		return assignMap(v, raw)
	}
	return ""
}

func assignBool(v reflect.Value, raw any) string {
	s, _ := scalar(raw)
	switch strings.ToLower(s) {
	case "true", "1":
		v.SetBool(true)
	case "false", "0":
		v.SetBool(false)
	default:
		return "must be true or false"
	}
	return ""
}

func assignInt(v reflect.Value, raw any) string {
	s, _ := scalar(raw)
	s = strings.TrimSpace(s)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return "must be an integer"
		}
		n = int64(f)
	}
	v.SetInt(n)
	return ""
}

func assignList(v reflect.Value, raw any) string {
	list, ok := raw.([]any)
	if !ok {
		list = []any{raw}
	}
	out := make([]string, len(list))
	for i, item := range list {
		if out[i], ok = scalar(item); !ok {
			return "must be a string or a list of strings"
		}
	}
	v.Set(reflect.ValueOf(out))
	return ""
}

func assignMap(v reflect.Value, raw any) string {
	object, ok := raw.(map[string]any)
	if list, isList := raw.([]any); isList && len(list) == 0 {
		object, ok = map[string]any{}, true // PHP sends an empty object as a list
	}
	if !ok {
		return "must be an object"
	}
	out := reflect.MakeMapWithSize(v.Type(), len(object))
	for key, item := range object {
		if v.Type().Elem().Kind() == reflect.Interface {
			out.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(&item).Elem())
			continue
		}
		s, ok := scalar(item)
		if !ok {
			return fmt.Sprintf("must have a string under %q", key)
		}
		out.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(s).Convert(v.Type().Elem()))
	}
	v.Set(out)
	return ""
}

// scalar returns the text of a JSON string, number or boolean.
func scalar(raw any) (string, bool) {
	switch raw := raw.(type) {
	case string:
		return raw, true
	case json.Number:
		return raw.String(), true
	case bool:
		return strconv.FormatBool(raw), true
	}
	return "", false
}
