package audit

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documented is the schema that the documentation promises.
func documented(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const path = "../docs/audit.schema.json"
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(path, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func check(t *testing.T, schema *jsonschema.Schema, line []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return schema.Validate(value)
}

// words are texts that the schema takes where it does not take any.
var words = map[string]string{
	"Result": ResultOK, "Do": "expunge", "Cause": CauseDelete, "UIDL": "0000000100000001", "Counted": "octets",
}

// plausible fills an event with what it may hold.
func plausible(v reflect.Value) {
	n := int64(0)
	fill(v, &n)
	setWords(v)
}

func setWords(v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case f.Kind() == reflect.Struct && v.Type().Field(i).Anonymous:
			setWords(f)
		case name == "SHA256":
			f.SetBytes(make([]byte, 32))
		case words[name] != "":
			f.SetString(words[name])
		}
	}
}

func TestSchemaTakesEveryEvent(t *testing.T) {
	schema := documented(t)
	for _, e := range everyEvent() {
		v := reflect.ValueOf(e).Elem()
		plausible(v)
		switch e := e.(type) {
		case *Outcome:
			e.Result = OutcomeMarked
		case *Quota:
			e.Action = "reclaim"
		}
		for _, privacy := range []Privacy{{}, {User: Drop, Client: Drop, From: Drop, Subject: Drop},
			{User: Hash, Client: Hash, From: Hash, Subject: Hash, Key: make([]byte, 32)}} {
			line := (&Encoder{Instance: "gw1", Privacy: privacy}).Append(nil, e)
			if err := check(t, schema, line); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema := documented(t)
	good := `{"v":1,"event":"reloaded","time":"2026-01-02T03:04:05.000006Z","ok":true}`
	if err := check(t, schema, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"v":1`, `"v":2`}, {`"reloaded"`, `"unheard_of"`}, {`,"ok":true`, ``}, {`true`, `"yes"`}, {`true`, `true,"more":1`},
		{`.000006Z`, `Z`}, {`{`, `{"seq":3,`}, {`"reloaded"`, `"session_start"`},
	} {
		if line := strings.Replace(good, change[0], change[1], 1); check(t, schema, []byte(line)) == nil {
			t.Errorf("the schema takes %s", line)
		}
	}
}

// TestEveryKindIsDocumented: the document has a heading, and the schema a
// definition, for each kind, and neither for anything else.
func TestEveryKindIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		if name, ok := strings.CutPrefix(line, "### `"); ok {
			headings[strings.TrimRight(name, "`\n")] = true
		}
	}
	for _, e := range everyEvent() {
		if !headings[string(e.Kind())] {
			t.Errorf("docs/audit.md has no heading for %s", e.Kind())
		}
		delete(headings, string(e.Kind()))
	}
	for name := range headings {
		t.Errorf("docs/audit.md has a heading for %s, which is no event", name)
	}
}

// TestEveryFieldIsDocumented: each field of each event is in its table.
func TestEveryFieldIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range everyEvent() {
		_, section, _ := strings.Cut(string(doc), "### `"+string(e.Kind())+"`\n")
		section, _, _ = strings.Cut(section, "\n## ")
		section, _, _ = strings.Cut(section, "\n### ")
		v := reflect.TypeOf(e).Elem()
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Field(i).Tag.Get("json"), ",")
			if name != "" && !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/audit.md, %s: no word of %s", e.Kind(), name)
			}
		}
	}
}
