package config

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

var (
	configType = reflect.TypeFor[Config]()
	policyType = reflect.TypeFor[PolicyTable]()
	textType   = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isText tells whether a field is written as text and reads it itself.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// isTable tells whether a field is a table with keys of its own.
func isTable(t reflect.Type) bool {
	return !isText(t) && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map)
}

// isList tells whether a field is a list of tables.
func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isTable(t.Elem()) }

// fields are the keys of a table and their types. Embedded structs give their
// keys to the table around them, as in the decoder.
func fields(t reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	if isText(t) || t.Kind() != reflect.Struct {
		return known
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key, tagged := f.Tag.Lookup("toml")
		switch {
		case tagged:
			known[key] = pointed(f.Type)
		case f.Anonymous:
			maps.Copy(known, fields(f.Type))
		}
	}
	return known
}

func pointed(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func sorted(known map[string]reflect.Type) []string {
	return slices.Sorted(maps.Keys(known))
}

// nearest returns the known key that was probably meant, or "".
func nearest(name string, known map[string]reflect.Type) string {
	const longest = 40 // no key is as long, and the distance takes the product of the lengths
	if len(name) > longest {
		return ""
	}
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	best, least := "", (1+len(name))/3
	for _, key := range sorted(known) {
		if d := distance(name, key); d <= least && (best == "" || d < least) {
			best, least = key, d
		}
	}
	return best
}

// distance is how many octets must be put in, taken out or replaced to make a
// into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// fits tells whether a TOML value can be stored in a field of a plain type.
func fits(k unstable.Kind, t reflect.Type) bool {
	switch k {
	case unstable.String:
		return t.Kind() == reflect.String && !isText(t)
	case unstable.Bool:
		return t.Kind() == reflect.Bool
	case unstable.Integer:
		return t.Kind() == reflect.Int
	}
	return false
}

// wants says in words what a field needs.
func wants(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return `a length of time in quotes, such as "30s"`
	case isText(t), t.Kind() == reflect.String:
		return "a text in quotes"
	case isList(t):
		return "a table in double brackets"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return `a list, such as ["a", "b"]`
	}
	return "a table"
}

var kindWords = map[unstable.Kind]string{
	unstable.Array:         "a list",
	unstable.InlineTable:   "a table",
	unstable.String:        "a text",
	unstable.Bool:          "true or false",
	unstable.Float:         "a fraction",
	unstable.Integer:       "a number",
	unstable.LocalDate:     "a date",
	unstable.LocalTime:     "a time of day",
	unstable.LocalDateTime: "a date and time",
	unstable.DateTime:      "a date and time",
}

// lines finds the line of an octet.
type lines []uint32 // where each line begins

func newLines(data []byte) lines {
	l := lines{0}
	for i, c := range data {
		if c == '\n' {
			l = append(l, uint32(i)+1)
		}
	}
	return l
}

// at counts from 1.
func (l lines) at(offset uint32) int {
	return sort.Search(len(l), func(i int) bool { return l[i] > offset })
}
