package api

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// document returns the OpenAPI 3.1 document of the routes.
func document(config Config, routes []Route) []byte {
	d := describer{components: map[string]any{}, types: map[string]reflect.Type{}}
	for name, schema := range failureSchemas() {
		d.components[name] = schema
	}
	paths := map[string]map[string]any{}
	for _, r := range routes {
		if paths[r.Path] == nil {
			paths[r.Path] = map[string]any{}
		}
		paths[r.Path][strings.ToLower(r.Method)] = d.operation(r)
	}
	doc := map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": "Gantry", "version": config.Version},
		"servers": []any{map[string]any{"url": cmp.Or(strings.TrimSuffix(config.PublicURL, "/"), "/")}},
		"paths":   paths,
		"components": map[string]any{
			"schemas":         d.components,
			"securitySchemes": map[string]any{"key": map[string]any{"type": "http", "scheme": "bearer"}},
		},
	}
	body, err := Encode(doc)
	if err != nil {
		panic("api: the routes cannot be described: " + err.Error())
	}
	return body
}

// failureSchemas describes the bodies of failures, by component.
func failureSchemas() map[string]any {
	text := map[string]any{"type": "string"}
	of := func(properties map[string]any, required ...string) map[string]any {
		return map[string]any{"type": "object", "required": required, "properties": properties}
	}
	return map[string]any{
		"Error": of(map[string]any{"message": text, "code": text,
			"errors": map[string]any{"type": "object", "description": "Every mistake at once, by field.",
				"additionalProperties": map[string]any{"type": "array", "items": text}}}, "message", "code"),
		"ExportError": of(map[string]any{"code": map[string]any{"type": "string", "examples": []string{"404NotFound"}},
			"message": text}, "code", "message"),
		"WorkspaceError": of(map[string]any{"success": map[string]any{"type": "boolean"}, "error": text}, "success", "error"),
	}
}

// describer turns routes into OpenAPI operations and collects the types that they name.
type describer struct {
	components map[string]any
	types      map[string]reflect.Type // of the components
}

func (d describer) operation(r Route) map[string]any {
	op := map[string]any{
		"operationId": strings.ToLower(r.Method) + strings.NewReplacer("/", "_", "{", "", "}", "", ":", "_").Replace(r.Path),
		"summary":     r.Summary,
		"responses":   d.responses(r),
	}
	if parameters := d.parameters(r); len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if body := r.bodies(); len(body) > 0 {
		op["requestBody"] = map[string]any{"content": body}
	}
	if _, known := r.retirement(); known {
		op["deprecated"] = true
	}
	if r.Scope != Public {
		op["security"] = []any{map[string]any{"key": []string{}}}
		op["description"] = "Needs a key with the scope " + strings.TrimSuffix(r.Scope+" or "+r.OrScope, " or ") + "."
	}
	return op
}

func (d describer) parameters(r Route) []any {
	var all []any
	for _, segment := range strings.Split(r.Path, "/") {
		if name, is := strings.CutPrefix(segment, "{"); is {
			name, _, _ = strings.Cut(name, "}")
			all = append(all, map[string]any{"name": name, "in": "path", "required": true,
				"schema": map[string]any{"type": "string"}})
		}
	}
	add := func(in string, parameters []Query) {
		for _, q := range parameters {
			all = append(all, map[string]any{"name": q.Name, "in": in, "description": q.Doc,
				"schema": map[string]any{"type": "string"}})
		}
	}
	add("query", r.Query)
	add("header", r.Headers)
	return all
}

func (d describer) responses(r Route) map[string]any {
	success := map[string]any{"description": http.StatusText(r.success())}
	switch r.Answer.(type) {
	case nil:
	case Bytes:
		success["content"] = anyBytes()
	default:
		success["content"] = content(d.schema(reflect.TypeOf(r.Answer)))
	}
	return map[string]any{
		strconv.Itoa(r.success()): success,
		"default":                 map[string]any{"description": "An error", "content": content(ref(manners[r.Manner].component))},
	}
}

// bodies are the forms in which the route takes its body.
func (r Route) bodies() map[string]any {
	bodies := map[string]any{}
	if r.Body != nil {
		bodies = content(r.Body)
	}
	if r.Raw {
		maps.Copy(bodies, anyBytes())
	}
	return bodies
}

func anyBytes() map[string]any {
	return map[string]any{"application/octet-stream": map[string]any{
		"schema": map[string]any{"type": "string", "format": "binary"}}}
}

func content(schema any) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": schema}}
}

func ref(name string) map[string]any { return map[string]any{"$ref": "#/components/schemas/" + name} }

// Described is a type that says its own JSON Schema, as it marshals itself.
type Described interface {
	Schema() map[string]any
}

// schema describes what values of type t look like as JSON. Exported structs become components, so that they may nest.
func (d describer) schema(t reflect.Type) map[string]any {
	if own, is := reflect.Zero(t).Interface().(Described); is && t.Kind() != reflect.Pointer {
		return own.Schema()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return map[string]any{"anyOf": []any{d.schema(t.Elem()), map[string]any{"type": "null"}}}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Struct:
		return d.structure(t)
	case reflect.Slice:
		if t != reflect.TypeFor[json.RawMessage]() && t != reflect.TypeFor[Object]() {
			return map[string]any{"type": "array", "items": d.schema(t.Elem())}
		}
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": "object"}
}

func (d describer) structure(t reflect.Type) map[string]any {
	name := t.Name()
	if name == "" || strings.ToLower(name[:1]) == name[:1] {
		return d.object(t)
	}
	if other, known := d.types[name]; known && other != t {
		panic("api: two types are called " + name + " in the API's document")
	}
	if _, known := d.components[name]; !known {
		d.components[name], d.types[name] = nil, t // it may name itself
		d.components[name] = d.object(t)
	}
	return ref(name)
}

func (d describer) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" {
			continue
		}
		properties[name] = d.schema(f.Type)
		if options == "" && len(f.Index) == 1 {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}
