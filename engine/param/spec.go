package param

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Role says what a parameter means to the code around an operation.
type Role string

// The roles a field's `rule` tag can give. Name, Prefix and Folder say how an exporter's objects are called; Credential and
// Address fields can come from a named connection; Content is moved into a file when the task is submitted; Task names
// another task of the job whose files are needed.
const (
	RoleName       Role = "name"
	RolePrefix     Role = "prefix"
	RoleFolder     Role = "folder"
	RoleCredential Role = "credential"
	RoleAddress    Role = "address"
	RoleContent    Role = "content"
	RoleTask       Role = "task"
)

// Field is one parameter as its struct tags describe it.
type Field struct {
	Name     string // on the wire
	Type     string // string, integer, float, boolean, enum, array or object
	Doc      string
	Default  any // nil if none
	Enum     []string
	Min, Max *float64
	Required bool
	Secret   bool
	Hidden   bool // decoded, but not listed
	Role     Role

	index []int
}

// Spec describes the parameters of one operation. The zero Spec has none.
type Spec struct {
	typ      reflect.Type
	defaults reflect.Value
	fields   []Field
	parts    []Spec // of a joined one
}

// Join returns the spec of all the parts' parameters together. Its Decode returns a []any with the value of each part.
func Join(parts ...Spec) Spec {
	s := Spec{parts: parts}
	for _, p := range parts {
		s.fields = append(s.fields, p.fields...)
	}
	return s
}

// Of returns the spec of struct type P with its defaults. The tags of a field are
//
//	json:"name"        the name on the wire
//	doc:"text"         one sentence for the reference
//	rule:"required,min=1,max=100,oneof=a|b,role=name,hidden"
//
// A Secret, or a map of them, is secret by its type. Field types are string, Secret, bool, int, int64, float64, pointers to
// these (nil when absent), []string, map[string]string, map[string]Secret, map[string]any; embedded structs are flattened.
// Of panics on anything else: that is a mistake of the programmer.
func Of[P any](defaults P) Spec {
	v := reflect.ValueOf(defaults)
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("param: %T is not a struct", defaults))
	}
	return Spec{typ: v.Type(), defaults: v, fields: fieldsOf(v, nil)}
}

// Fields returns the parameters in the order of the struct, without those that are hidden.
func (s Spec) Fields() []Field {
	return slices.DeleteFunc(slices.Clone(s.fields), func(f Field) bool { return f.Hidden })
}

// Text returns the field's value in decoded parameters of its own spec, if it is a string; else nothing.
func (f Field) Text(params any) string {
	v := reflect.ValueOf(params).FieldByIndex(f.index)
	if v.Kind() != reflect.String {
		return ""
	}
	return v.String()
}

// Connects reports whether the parameter says where to go or who asks there, so that a named connection may hold it.
func (f Field) Connects() bool { return f.Role == RoleCredential || f.Role == RoleAddress }

// Secrets returns the secrets in decoded parameters of the spec, which has no parts; of a URL, what RedactURL hides.
func (s Spec) Secrets(params any) (secrets []string) {
	for _, f := range s.fields {
		v := reflect.ValueOf(params).FieldByIndex(f.index)
		if !f.Secret {
			secrets = append(secrets, inURL(f.Text(params))...)
			continue
		}
		if v.Kind() == reflect.String {
			secrets = append(secrets, v.String())
		}
		if v.Kind() == reflect.Map {
			for _, key := range v.MapKeys() {
				secrets = append(secrets, v.MapIndex(key).String())
			}
		}
	}
	return secrets
}

// inURL returns the query and the password of a URL.
func inURL(text string) (secrets []string) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" {
		return nil
	}
	if u.RawQuery != "" {
		secrets = append(secrets, u.RawQuery)
	}
	if password, ok := u.User.Password(); ok {
		secrets = append(secrets, password)
	}
	return secrets
}

// Field returns the parameter of that role, and whether there is one.
func (s Spec) Field(role Role) (Field, bool) {
	for _, f := range s.fields {
		if f.Role == role {
			return f, true
		}
	}
	return Field{}, false
}

func fieldsOf(v reflect.Value, at []int) []Field {
	var fields []Field
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		index := append(append([]int{}, at...), i)
		if sf.Anonymous {
			fields = append(fields, fieldsOf(v.Field(i), index)...)
			continue
		}
		fields = append(fields, fieldOf(sf, v.Field(i), index))
	}
	return fields
}

func fieldOf(sf reflect.StructField, value reflect.Value, index []int) Field {
	name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	if name == "" || !sf.IsExported() {
		panic(fmt.Sprintf("param: field %s needs an exported name and a json tag", sf.Name))
	}
	f := Field{Name: name, Doc: sf.Tag.Get("doc"), index: index}
	f.Type, f.Secret = typeOf(sf.Type)
	if !value.IsZero() && !f.Secret {
		f.Default = value.Interface()
	}
	for _, rule := range strings.Split(sf.Tag.Get("rule"), ",") {
		f.obey(rule)
	}
	return f
}

func (f *Field) obey(rule string) {
	word, arg, _ := strings.Cut(rule, "=")
	switch word {
	case "":
	case "required":
		f.Required = true
	case "min":
		f.Min = number(arg)
	case "max":
		f.Max = number(arg)
	case "oneof":
		f.Type, f.Enum = "enum", strings.Split(arg, "|")
	case "hidden":
		f.Hidden = true
	case "role":
		f.Role = Role(arg)
	default:
		panic(fmt.Sprintf("param: field %s has the unknown rule %q", f.Name, rule))
	}
}

func number(s string) *float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(fmt.Sprintf("param: %q is not a number", s))
	}
	return &n
}

func typeOf(t reflect.Type) (name string, secret bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[Secret]():
		return "string", true
	case t == reflect.TypeFor[map[string]Secret]():
		return "object", true
	case t == reflect.TypeFor[map[string]string](), t == reflect.TypeFor[map[string]any]():
		return "object", false
	case t == reflect.TypeFor[[]string]():
		return "array", false
	}
	switch t.Kind() {
	case reflect.String:
		return "string", false
	case reflect.Bool:
		return "boolean", false
	case reflect.Int, reflect.Int64:
		return "integer", false
	case reflect.Float64:
		return "float", false
	}
	panic(fmt.Sprintf("param: fields of type %s are not supported", t))
}
