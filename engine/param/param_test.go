package param_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine/param"
)

type embedded struct {
	Inner string `json:"inner"`
}

type all struct {
	embedded
	Text    string                  `json:"text" doc:"Some text."`
	Must    string                  `json:"must" rule:"required"`
	Kind    string                  `json:"kind" rule:"oneof=a|b"`
	Flag    bool                    `json:"flag"`
	Count   int                     `json:"count" rule:"min=1,max=100"`
	Big     int64                   `json:"big"`
	Ratio   float64                 `json:"ratio" rule:"max=1"`
	Maybe   *int                    `json:"maybe"`
	Perhaps *bool                   `json:"perhaps"`
	List    []string                `json:"list"`
	Key     param.Secret            `json:"key"`
	Labels  map[string]string       `json:"labels"`
	Headers map[string]param.Secret `json:"headers"`
	Any     map[string]any          `json:"any"`
	File    string                  `json:"file" rule:"role=content"`
}

var spec = param.Of(all{Count: 5, Text: "default"})

func decode(t *testing.T, object string) (all, string) {
	t.Helper()
	value, problems := spec.Decode(json.RawMessage(object))
	var said []string
	for _, p := range problems {
		said = append(said, p.Field+" "+p.Message)
	}
	v, _ := value.(all)
	return v, strings.Join(said, "; ")
}

func TestDecodeIsLenient(t *testing.T) {
	one, yes := 1, true
	for object, want := range map[string]all{
		`"must":"x"`: {},
		`"must":"x","text":null,"count":null,"flag":null,"list":null,"maybe":null,"key":null,"labels":null`: {},
		`"must":"x","unknown":{"a":[1]}`:                       {},
		`"must":"x","count":"200e-1"`:                          {Count: 20},
		`"must":"x","count":" 7 "`:                             {Count: 7},
		`"must":"x","count":7.0`:                               {Count: 7},
		`"must":"x","count":""`:                                {},
		`"must":"x","big":9223372036854775807`:                 {Big: 9223372036854775807},
		`"must":"x","ratio":"0.5"`:                             {Ratio: 0.5},
		`"must":"x","ratio":" 0.5 "`:                           {Ratio: 0.5},
		`"must":"x","flag":"true"`:                             {Flag: true},
		`"must":"x","flag":"TRUE"`:                             {Flag: true},
		`"must":"x","flag":1`:                                  {Flag: true},
		`"must":"x","flag":"1"`:                                {Flag: true},
		`"must":"x","flag":"0"`:                                {},
		`"must":"x","maybe":"1","perhaps":"1"`:                 {Maybe: &one, Perhaps: &yes},
		`"must":"x","text":""`:                                 {Text: "-"},
		`"must":"x","text":12.50`:                              {Text: "12.50"},
		`"must":"x","text":true`:                               {Text: "true"},
		`"must":"x","kind":""`:                                 {},
		`"must":"x","kind":"b"`:                                {Kind: "b"},
		`"must":"x","list":"a"`:                                {List: []string{"a"}},
		`"must":"x","list":["a",1,true]`:                       {List: []string{"a", "1", "true"}},
		`"must":"x","list":[]`:                                 {List: []string{}},
		`"must":"x","labels":{"a":1}`:                          {Labels: map[string]string{"a": "1"}},
		`"must":"x","labels":[]`:                               {Labels: map[string]string{}},
		`"must":"x","headers":{"a":"b"}`:                       {Headers: map[string]param.Secret{"a": "b"}},
		`"must":"x","any":{"a":null,"b":[{}]}`:                 {Any: map[string]any{"a": nil, "b": []any{map[string]any{}}}},
		`"must":"x","inner":"y"`:                               {embedded: embedded{Inner: "y"}},
		`"must":"x","must":"y"`:                                {Must: "y"},
		`"must":"x","key":"k","text":"\u0000\ud83d\ude00\"\\"`: {Key: "k", Text: "\x00😀\"\\"},
	} {
		t.Run(object, func(t *testing.T) {
			if want.Must == "" {
				want.Must = "x"
			}
			if want.Count == 0 {
				want.Count = 5
			}
			switch want.Text {
			case "":
				want.Text = "default"
			case "-":
				want.Text = ""
			}
			got, said := decode(t, "{"+object+"}")
			if said != "" || !reflect.DeepEqual(got, want) {
				t.Errorf("got %#v (%s), want %#v", got, said, want)
			}
		})
	}
}

func TestDecodeReportsEveryProblem(t *testing.T) {
	for object, want := range map[string]string{
		`{}`:                              "must is required",
		`null`:                            "must is required",
		``:                                "must is required",
		`{"must":null}`:                   "must is required",
		`{"must":""}`:                     "must is required",
		`[]`:                              " must be a JSON object",
		`"x"`:                             " must be a JSON object",
		`{"must":"x","count":0}`:          "count must be from 1 to 100",
		`{"must":"x","count":101}`:        "count must be from 1 to 100",
		`{"must":"x","count":1.5}`:        "count must be an integer",
		`{"must":"x","count":"many"}`:     "count must be an integer",
		`{"must":"x","count":1e30}`:       "count must be an integer",
		`{"must":"x","count":[1]}`:        "count must be an integer",
		`{"must":"x","ratio":2}`:          "ratio must be at most 1",
		`{"must":"x","ratio":"NaN"}`:      "ratio must be a number",
		`{"must":"x","ratio":1e400}`:      "ratio must be a number",
		`{"must":"x","flag":"yes"}`:       "flag must be true or false",
		`{"must":"x","flag":2}`:           "flag must be true or false",
		`{"must":"x","text":{}}`:          "text must be a string",
		`{"must":"x","text":["a"]}`:       "text must be a string",
		`{"must":"x","kind":"c"}`:         "kind must be one of a, b",
		`{"must":"x","list":[{}]}`:        "list must be a string or a list of strings",
		`{"must":"x","labels":"a"}`:       "labels must be an object",
		`{"must":"x","labels":[1]}`:       "labels must be an object",
		`{"must":"x","headers":{"a":{}}}`: `headers must have a string under "a"`,
		`{"kind":"c","flag":"x","count":"x","ratio":"x","maybe":"x","list":{},"any":1}`: "must is required; " +
			"kind must be one of a, b; flag must be true or false; count must be an integer; ratio must be a number; " +
			"maybe must be an integer; list must be a string or a list of strings; any must be an object",
	} {
		if _, got := decode(t, object); got != want {
			t.Errorf("%s\n got %s\nwant %s", object, got, want)
		}
	}
}

func TestDecodeLeavesTheDefaultsAlone(t *testing.T) {
	type lists struct {
		List   []string          `json:"list"`
		Labels map[string]string `json:"labels"`
	}
	spec := param.Of(lists{List: []string{"a"}, Labels: map[string]string{"a": "1"}})
	for range 2 {
		value, _ := spec.Decode(json.RawMessage(`{}`))
		if got := value.(lists); len(got.List) != 1 || len(got.Labels) != 1 {
			t.Fatalf("got %+v", got)
		}
		if value, _ := spec.Decode(json.RawMessage(`{"list":["b","c"],"labels":{"b":"2"}}`)); len(value.(lists).Labels) != 1 {
			t.Fatalf("got %+v", value)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"must":"x","count":"5"}`)
	f.Add(`{"must":[],"count":{},"list":[[]],"any":[],"headers":{"a":1}}`)
	f.Add(`{"ratio":"0x1p-2","count":"1_000"}`)
	f.Fuzz(func(t *testing.T, object string) {
		_, problems := spec.Decode(json.RawMessage(object))
		for _, p := range problems {
			if p.Message == "" {
				t.Errorf("%q has a problem without a text", object)
			}
		}
		if shown := spec.Redact(json.RawMessage(object)); !json.Valid(shown) {
			t.Errorf("%q is shown as %q, which is no JSON", object, shown)
		}
		_ = spec.WithoutContent(json.RawMessage(object))
	})
}

func TestRedact(t *testing.T) {
	for object, want := range map[string]string{
		`{"key":"canary","text":"shown"}`: `{"key":"[redacted]","text":"shown"}`,
		`{"key":null}`:                    `{"key":"[redacted]"}`,
		`{"key":12}`:                      `{"key":"[redacted]"}`,
		`{"headers":{"X-Key":"canary","B":["canary"]}}`:               `{"headers":{"B":"[redacted]","X-Key":"[redacted]"}}`,
		`{"headers":["canary"]}`:                                      `{"headers":"[redacted]"}`,
		`{"password":"canary"}`:                                       `{"password":"[redacted]"}`, // not one of ours
		`{"Password":"canary","SECRET_ACCESS_KEY":"canary"}`:          `{"Password":"[redacted]","SECRET_ACCESS_KEY":"[redacted]"}`,
		`{"any":{"deep":[{"token":"canary"}]}}`:                       `{"any":{"deep":[{"token":"[redacted]"}]}}`,
		`{"text":"https://user:canary@host/p?sig=canary#canary"}`:     `{"text":"https://%5Bredacted%5D@host/p?[redacted]"}`,
		`{"any":["ftp://canary@host/"]}`:                              `{"any":["ftp://%5Bredacted%5D@host/"]}`,
		`{"text":"jdbc:mysql://user:canary@host/db?password=canary"}`: `{"text":"[redacted]"}`,
		`{"text":" https://user:canary@host/"}`:                       `{"text":"[redacted]"}`,
		`{"text":"see https://user:canary@host/ for more"}`:           `{"text":"[redacted]"}`,
		`{"text":"https://host/a%20b"}`:                               `{"text":"https://host/a%20b"}`,
		`{"text":"just text? with & marks"}`:                          `{"text":"just text? with \u0026 marks"}`,
		`{"file":"canary"}`:                                           `{"file":"[6 bytes]"}`,
		`{"count":12345678901234567890}`:                              `{"count":12345678901234567890}`,
		`[1]`:                                                         `{}`,
		`not JSON`:                                                    `{}`,
	} {
		got := string(spec.Redact(json.RawMessage(object)))
		if got != want || strings.Contains(got, "canary") {
			t.Errorf("%s\n got %s\nwant %s", object, got, want)
		}
	}
}

func TestSecretIsNotShown(t *testing.T) {
	secret := param.Secret("canary")
	holder := struct {
		S param.Secret
		M map[string]param.Secret
	}{secret, map[string]param.Secret{"a": secret}}
	marshaled, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(secret), fmt.Sprintf("%s %v %q %+v %#v %x", secret, secret, secret, secret, secret, secret),
		fmt.Sprintf("%v %+v %#v", holder, holder, holder), string(marshaled)} {
		if strings.Contains(shown, "canary") || strings.Contains(shown, fmt.Sprintf("%x", "canary")) {
			t.Errorf("shown as %s", shown)
		}
	}
	if secret.Reveal() != "canary" {
		t.Error("it is not revealed")
	}
}

func TestSecretsOfAURL(t *testing.T) {
	type params struct {
		URL  string       `json:"url"`
		Word string       `json:"word"`
		Key  param.Secret `json:"key"`
	}
	spec := param.Of(params{})
	for address, want := range map[string][]string{
		"https://h/a?sig=1%2F2&b":  {"sig=1%2F2&b", "k"},
		"https://u:p%40ss@h/a":     {"p@ss", "k"},
		" https://u:pass@h/a?b=c ": {"b=c", "pass", "k"},
		"https://h/a":              {"k"},
		"":                         {"k"},
	} {
		if got := spec.Secrets(params{URL: address, Word: "a?b", Key: "k"}); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func TestWithoutContent(t *testing.T) {
	got := string(spec.WithoutContent(json.RawMessage(`{"file":"x","text":"y"}`)))
	if want := `{"text":"y"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSchema(t *testing.T) {
	got, err := json.Marshal(spec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Type       string
		Required   []string
		Properties map[string]map[string]any
	}
	if err := json.Unmarshal(got, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Type != "object" || len(schema.Required) != 1 || schema.Required[0] != "must" || len(schema.Properties) != len(spec.Fields()) {
		t.Errorf("got %s", got)
	}
	for name, want := range map[string]string{
		"inner": `{"type":"string"}`, "text": `{"default":"default","description":"Some text.","type":"string"}`,
		"kind": `{"enum":["a","b"],"type":"string"}`, "count": `{"default":5,"maximum":100,"minimum":1,"type":"integer"}`,
		"ratio": `{"maximum":1,"type":"number"}`, "list": `{"items":{"type":"string"},"type":"array"}`,
		"key": `{"type":"string","writeOnly":true}`, "headers": `{"type":"object","writeOnly":true}`, "maybe": `{"type":"integer"}`,
	} {
		if got, _ := json.Marshal(schema.Properties[name]); string(got) != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestOfPanicsOnMistakes(t *testing.T) {
	for name, of := range map[string]func(){
		"no struct":  func() { param.Of(1) },
		"no tag":     func() { param.Of(struct{ A string }{}) },
		"unexported": func() { param.Of(struct{ a string }{}) },
		"unknown rule": func() {
			param.Of(struct {
				A string `json:"a" rule:"requierd"`
			}{})
		},
		"bad number": func() {
			param.Of(struct {
				A int `json:"a" rule:"min=x"`
			}{})
		},
		"unknown type": func() {
			param.Of(struct {
				A []int `json:"a"`
			}{})
		},
		"strange type": func() {
			param.Of(struct {
				A chan int `json:"a"`
			}{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			of()
		})
	}
}
