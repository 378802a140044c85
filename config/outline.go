package config

import (
	"encoding"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// outline goes over a TOML document before it is decoded, and finds what the
// decoder would not tell, or not completely: the line of every value, all
// unknown keys (the decoder takes "Address" for "address"), all values of the
// wrong kind (it takes 30 for 30 nanoseconds). It does not decode.
type outline struct {
	parser unstable.Parser
	file   string
	lines  lines
	places places
	*problems

	table  target // what keys belong to just now
	counts map[string]int
	// bad are the expressions with a value that the decoder would stop at.
	bad []unstable.Range
	// broken: the decoder would stop, or put keys into the wrong table.
	broken bool
}

// A target is a part of the configuration that a key leads to: its Go type and
// its path. No type means that the key leads nowhere, which was reported.
type target struct {
	typ  reflect.Type
	path string
}

// newOutline reads all of data.
func newOutline(file string, data []byte) *outline {
	data = slices.Clip(data) // the parser takes its offsets from capacities
	o := &outline{file: file, lines: newLines(data), places: places{"": {file: file}}, counts: map[string]int{}}
	o.problems = newProblems(o.places)
	root := target{typ: configType}
	o.table = root
	o.parser.Reset(data)
	for o.parser.NextExpression() {
		switch e := o.parser.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			o.table = o.header(root, e)
		case unstable.KeyValue:
			o.expression(e)
		}
	}
	o.syntax(o.parser.Error())
	return o
}

// syntax reports what ended the parser.
func (o *outline) syntax(err error) {
	if err == nil {
		return
	}
	o.broken = true
	p := Problem{File: o.file, Text: "this is not TOML: " + err.Error()}
	var at *unstable.ParserError
	if errors.As(err, &at) {
		p.Line = o.lines.at(o.parser.Range(at.Highlight).Offset)
	}
	o.put(p)
}

// header follows [a.b] and [[a.b]].
func (o *outline) header(t target, e *unstable.Node) target {
	for key := e.Key(); key.Next(); {
		if t = o.step(t, key.Node()); t.typ == nil {
			return t
		}
		switch last := key.IsLast(); {
		case last && !o.brackets(t, e.Kind):
			return target{}
		case last && isList(t.typ):
			t = o.next(t, key.Node().Raw)
		case isList(t.typ):
			t = target{t.typ.Elem(), element(t.path, max(o.counts[t.path], 1)-1)}
		}
	}
	return t
}

// brackets tells whether a header has as many brackets as its table needs.
func (o *outline) brackets(t target, kind unstable.Kind) bool {
	double := kind == unstable.ArrayTable
	switch {
	case isList(t.typ) && !double:
		o.addf(t.path, "may be there several times; write [[%s]]", t.path)
	case isTable(t.typ) && double:
		o.addf(t.path, "is there only once; write [%s]", t.path)
	case !isList(t.typ) && !isTable(t.typ):
		o.addf(t.path, "is not a table; it needs %s", wants(t.typ))
	default:
		return true
	}
	o.broken = true
	return false
}

// next begins the next element of a list.
func (o *outline) next(t target, at unstable.Range) target {
	n := o.counts[t.path]
	o.counts[t.path]++
	t = target{t.typ.Elem(), element(t.path, n)}
	o.note(t.path, at)
	return t
}

// expression is one key = value line of the current table. One that has a
// problem is kept from the decoder.
func (o *outline) expression(e *unstable.Node) {
	before := len(o.list) + o.more
	o.keyValue(o.table, e)
	if len(o.list)+o.more > before {
		o.bad = append(o.bad, e.Raw)
	}
}

// keyValue follows key = value, at the top or in an inline table.
func (o *outline) keyValue(t target, e *unstable.Node) {
	for key := e.Key(); key.Next(); {
		if t = o.step(t, key.Node()); t.typ == nil {
			return
		}
	}
	o.value(t, e.Value())
}

// step follows one key.
func (o *outline) step(t target, key *unstable.Node) target {
	if t.typ == nil {
		return t
	}
	name := string(key.Data)
	next := target{path: child(t.path, name)}
	if t.typ.Kind() == reflect.Map {
		next.typ = pointed(t.typ.Elem())
	} else {
		next.typ = fields(t.typ)[name]
	}
	o.note(next.path, key.Raw)
	if next.typ == nil {
		o.unknown(t, next.path, name)
	}
	return next
}

func (o *outline) unknown(t target, path, name string) {
	known := fields(t.typ)
	if len(known) == 0 {
		o.addf(t.path, "is not a table; it needs %s", wants(t.typ))
		return
	}
	near := nearest(name, known)
	if near == "" {
		o.addf(path, "unknown key; known are %s", strings.Join(sorted(known), ", "))
		return
	}
	o.addf(path, "unknown key; did you mean %q?", near)
	o.failed[child(t.path, near)] = true // that it is missing follows from this
}

// value checks that a value is of the kind that its field needs.
func (o *outline) value(t target, v *unstable.Node) {
	if v.Raw.Length > 0 {
		o.note(t.path, v.Raw)
	}
	switch {
	case isText(t.typ) && (v.Kind == unstable.String || v.Kind == unstable.Integer):
		o.text(t, v.Data)
	case v.Kind == unstable.InlineTable && isTable(t.typ):
		for in := v.Children(); in.Next(); {
			o.keyValue(t, in.Node())
		}
	case v.Kind == unstable.Array && t.typ.Kind() == reflect.Slice:
		for in := v.Children(); in.Next(); {
			n := o.counts[t.path]
			o.counts[t.path]++
			o.value(target{t.typ.Elem(), element(t.path, n)}, in.Node())
		}
	case !fits(v.Kind, t.typ):
		o.wrongKind(t, v)
	}
}

func (o *outline) text(t target, text []byte) {
	v := reflect.New(t.typ).Interface().(encoding.TextUnmarshaler)
	if err := v.UnmarshalText(text); err != nil {
		o.addf(t.path, "%v", err)
	}
}

func (o *outline) wrongKind(t target, v *unstable.Node) {
	o.addf(t.path, "needs %s, not %s", wants(t.typ), kindWords[v.Kind])
}

// note remembers where a path was written; the first place counts.
func (o *outline) note(path string, at unstable.Range) {
	if _, known := o.places[path]; !known {
		o.places[path] = place{file: o.file, line: o.lines.at(at.Offset), path: path}
	}
}

// decodable returns data with everything blanked out that the decoder would
// stop at, lines kept.
func (o *outline) decodable(data []byte) []byte {
	data = append([]byte(nil), data...)
	for _, r := range o.bad {
		for i := r.Offset; i < r.Offset+r.Length; i++ {
			if data[i] != '\n' {
				data[i] = ' '
			}
		}
	}
	return data
}
