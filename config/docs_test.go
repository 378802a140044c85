package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/restante-mail/restante/policy"
)

func reference(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sections cuts the reference at its headings, by the TOML table that a heading
// names; "" is what comes before any.
func sections(text string) map[string]string {
	byTable := map[string]string{}
	heading := regexp.MustCompile("^## `\\[+([a-z]+(?:\\.[a-z]+)?)")
	table := ""
	for _, line := range strings.Split(text, "\n") {
		if m := heading.FindStringSubmatch(line); m != nil {
			table = m[1]
		}
		byTable[table] += line + "\n"
	}
	return byTable
}

// row finds the line of a Markdown table whose first column has key.
func row(section, key string) string {
	for _, line := range strings.Split(section, "\n") {
		if columns := strings.Split(line, "|"); len(columns) > 3 && strings.Contains(columns[1], "`"+key+"`") {
			return line
		}
	}
	return ""
}

// TestReferenceHasEveryKey, and no other.
func TestReferenceHasEveryKey(t *testing.T) {
	documented := sections(reference(t))
	for key, typ := range fields(configType) {
		inner := typ
		for isList(inner) || inner.Kind() == reflect.Map {
			inner = pointed(inner.Elem())
		}
		if !isTable(inner) {
			if row(documented[""], key) == "" {
				t.Errorf("%s is not in the reference", key)
			}
			continue
		}
		known := fields(inner)
		for name := range known {
			if row(documented[key], name) == "" {
				t.Errorf("%s.%s is not in the reference", key, name)
			}
		}
		for name, typ := range known {
			if nested := documented[key+"."+name]; isList(typ) && nested != "" {
				for name := range fields(typ.Elem()) {
					if row(nested, name) == "" {
						t.Errorf("%s of [[%s]] is not in the reference", name, key)
					}
				}
			}
		}
		for _, name := range keysIn(documented[key]) {
			if known[name] == nil {
				t.Errorf("%s.%s is in the reference only", key, name)
			}
		}
	}
}

// keysIn are the keys of the tables that have "key" as their first heading.
func keysIn(section string) []string {
	var keys []string
	inTable := false
	for _, line := range strings.Split(section, "\n") {
		first, _, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		switch {
		case !isRow || !strings.HasPrefix(line, "|"):
			inTable = inTable && strings.HasPrefix(line, "|-")
		case first == "key":
			inTable = true
		case inTable:
			for _, key := range strings.Split(first, ", ") {
				keys = append(keys, strings.Trim(key, "`"))
			}
		}
	}
	return keys
}

func TestReferenceHasEveryDefault(t *testing.T) {
	documented := sections(reference(t))
	d := Defaults()
	for table, values := range map[string]any{
		"limits": d.Limits, "log": d.Log, "auth": d.Auth, "audit": d.Audit, "audit.sink": defaultSink, "tls": d.TLS, "upstream": defaultUpstream,
		"": struct {
			ShutdownTime Duration `toml:"shutdown_time"`
		}{d.ShutdownTime},
	} {
		v := reflect.ValueOf(values)
		for i := range v.NumField() {
			key, want := v.Type().Field(i).Tag.Get("toml"), asTOML(v.Field(i).Interface())
			if want == "" {
				continue
			}
			if columns := strings.Split(row(documented[table], key), "|"); len(columns) < 3 || strings.TrimSpace(columns[2]) != "`"+want+"`" {
				t.Errorf("%s.%s: the reference does not say that the default is %s", table, key, want)
			}
		}
	}
}

// asTOML writes a default as an administrator would; "" if there is none.
func asTOML(v any) string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return strconv.Quote(v)
		}
	case int:
		return strconv.Itoa(v)
	case policy.Size:
		if v > 0 {
			return strconv.Quote(strconv.FormatInt(int64(v>>20), 10) + "MiB")
		}
	case Duration:
		if v.Duration == 0 {
			return ""
		}
		text := strings.TrimSuffix(v.String(), "0s")
		if hours, ok := strings.CutSuffix(text, "h0m"); ok {
			return strconv.Quote(hours + "h")
		}
		if text == "" || strings.HasSuffix(text, "0") || !strings.ContainsAny(text[len(text)-1:], "hms") {
			text = v.String()
		}
		return strconv.Quote(text)
	}
	return ""
}

func TestReferenceHasEveryPreset(t *testing.T) {
	text := sections(reference(t))["policy"]
	for _, name := range policy.Presets() {
		p, _ := policy.Preset(name)
		want := fmt.Sprintf("| `%s` | `%s` | `%s` |", name, p.OnRetrieve, p.OnDelete)
		if !strings.Contains(text, want) {
			t.Errorf("the reference has no row that begins with %s", want)
		}
	}
}

// TestReferenceExamplesLoad: an example may leave out the listener or the
// upstream that it is not about.
func TestReferenceExamplesLoad(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	rsaPair(t, dir, "rsa", "mail.example.com")
	writePair(t, filepath.Join(dir, "other.pem"), filepath.Join(dir, "other-key.pem"), "pop.example.org", today, today.AddDate(1, 0, 0))
	testAuditKey(t, dir)
	examples := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(reference(t), -1)
	if len(examples) < 6 {
		t.Errorf("found %d examples only", len(examples))
	}
	for i, m := range examples {
		file := m[1]
		if !strings.Contains(file, "[[listener]]") {
			file += "\n[[listener]]\naddress = \"127.0.0.1:1110\"\n"
		}
		if !strings.Contains(file, "[[upstream]]") {
			file += "\n[[upstream]]\nurl = \"imaps://imap.example.com\"\n"
		}
		s, err := loadSnapshot(filepath.Join(write(t, dir, "c.toml", file), "c.toml"))
		if err != nil {
			t.Errorf("example %d: %v", i, err)
			continue
		}
		for _, w := range s.Warnings(today) {
			if !strings.Contains(file, legacyTLS) { // which always warns
				t.Errorf("example %d has a warning: %v", i, w)
			}
		}
	}
}

// TestFieldsAreDocumented: every field of a table has a sentence beside it.
func TestFieldsAreDocumented(t *testing.T) {
	source, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	for i, line := range lines {
		if strings.Contains(line, "`toml:") && !strings.HasPrefix(strings.TrimSpace(lines[i-1]), "//") {
			t.Errorf("no comment above %s", strings.TrimSpace(line))
		}
	}
}
