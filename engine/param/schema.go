package param

// Schema returns the JSON Schema (draft 2020-12) of the parameters, as OpenAPI 3.1 wants it.
func (s Spec) Schema() map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range s.Fields() {
		properties[f.Name] = f.schema()
		if f.Required {
			required = append(required, f.Name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": true}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func (f Field) schema() map[string]any {
	types := map[string]string{"enum": "string", "float": "number"}
	schema := map[string]any{"type": f.Type}
	if t, ok := types[f.Type]; ok {
		schema["type"] = t
	}
	if f.Type == "array" {
		schema["items"] = map[string]any{"type": "string"}
	}
	set := func(key string, value any, present bool) {
		if present {
			schema[key] = value
		}
	}
	set("description", f.Doc, f.Doc != "")
	set("enum", f.Enum, f.Enum != nil)
	set("default", f.Default, f.Default != nil)
	set("minimum", f.Min, f.Min != nil)
	set("maximum", f.Max, f.Max != nil)
	set("writeOnly", true, f.Secret)
	return schema
}
