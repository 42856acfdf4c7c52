package param

import "fmt"

// Problem is one complaint about one parameter: which field, and what to do about its value.
type Problem struct {
	Field   string // the parameter's name on the wire; dotted below an object
	Message string // a sentence without the field's name, for a person
}

// Problemf returns a problem of field with a formatted message.
func Problemf(field, format string, args ...any) Problem {
	return Problem{Field: field, Message: fmt.Sprintf(format, args...)}
}

// Under returns the problems with prefix and a dot put before every field.
func Under(prefix string, problems []Problem) []Problem {
	out := make([]Problem, len(problems))
	for i, p := range problems {
		out[i] = Problem{Field: prefix + "." + p.Field, Message: p.Message}
	}
	return out
}
