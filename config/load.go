package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/restante-mail/restante/policy"
)

// Load reads and checks the configuration in path: one file, or a folder, whose
// *.toml files are read in the order of their names. Lists of tables go on from
// file to file; no other key may be set twice. Names of files in it are
// relative to the folder of the file that has them. The error is an *Error with
// everything that is wrong.
func Load(path string) (*Config, error) {
	r := newReader(path)
	for _, file := range r.files(path) {
		r.add(file)
	}
	if !r.broken { // else complaints would come from what was not read
		r.sources = r.compile(r.problems).sources
	}
	if err := r.err(r.sources); err != nil {
		return nil, err
	}
	return r.Config, nil
}

// reader puts a Config together from files.
type reader struct {
	*Config
	*problems
	broken bool // some file could not be decoded
}

func newReader(path string) *reader {
	c := Defaults()
	c.origins = places{"": {file: path}}
	c.sources = newSources()
	return &reader{Config: c, problems: newProblems(c.origins)}
}

func (r *reader) files(path string) []string {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return []string{path}
	}
	files, err := r.sources.list(path)
	switch {
	case err != nil:
		r.fail(path, "cannot read this folder: "+plain(err).Error())
	case len(files) == 0:
		r.fail(path, "there is no *.toml file in this folder")
	}
	return files
}

func (r *reader) fail(file, text string) {
	r.broken = true
	r.put(Problem{File: file, Text: text})
}

func (r *reader) add(file string) {
	data, err := r.sources.read(file)
	if err != nil {
		r.fail(file, "cannot read this file: "+err.Error())
		return
	}
	o := newOutline(file, data)
	part := &Config{TLS: r.TLS, Limits: r.Limits, Guard: r.Guard, Log: r.Log, Admin: r.Admin, ShutdownTime: r.ShutdownTime, State: r.State, StateFailure: r.StateFailure}
	part.Auth, part.Audit = r.Auth, r.Audit
	o.decode(data, part)
	part.resolve(filepath.Dir(file), o.places)
	r.merge(o, part)
}

// decode fills part, twice: the names of presets first, then what differs from
// them.
func (o *outline) decode(data []byte, part *Config) {
	data = o.decodable(data)
	base := *part
	if o.broken || !o.decodeInto(data, part) {
		return
	}
	base.Policies = part.Policies
	for name, table := range base.Policies {
		*table = o.preset(child("policy", name), table.Preset)
	}
	*part = base
	o.decodeInto(data, part)
}

func (o *outline) preset(path, name string) PolicyTable {
	t := PolicyTable{Preset: name}
	if name == "" {
		t.Preset = policy.DefaultPreset
	}
	p, known := policy.Preset(t.Preset)
	if !known {
		o.addf(child(path, "preset"), "%q is not a preset; known are %s", name, strings.Join(policy.Presets(), ", "))
		p, _ = policy.Preset(policy.DefaultPreset)
	}
	t.Policy = p
	return t
}

// decodeInto reports what outline could not see: keys that are there twice,
// numbers that are too large.
func (o *outline) decodeInto(data []byte, part *Config) bool {
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(part)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case err == nil:
		return true
	case errors.As(err, &unknown):
		o.strict(unknown)
		return true // everything else was decoded
	case errors.As(err, &wrong):
		o.put(o.decodeProblem(wrong))
	default:
		o.put(Problem{File: o.file, Text: err.Error()})
	}
	o.broken = true
	return false
}

// strict makes sure that no unknown key passes even if outline saw none.
func (o *outline) strict(unknown *toml.StrictMissingError) {
	if len(o.list) > 0 {
		return
	}
	for i := range unknown.Errors {
		o.put(o.decodeProblem(&unknown.Errors[i]))
	}
}

func (o *outline) decodeProblem(err *toml.DecodeError) Problem {
	line, _ := err.Position()
	return Problem{
		File: o.file, Line: line,
		Path: strings.Join(err.Key(), "."),
		Text: strings.TrimPrefix(err.Error(), "toml: "),
	}
}

// resolve makes the names of files relative to dir, where this part set them.
func (c *Config) resolve(dir string, set places) {
	fix := func(name *string) { *name = relativeTo(dir, *name) }
	if _, here := set["state"]; here {
		fix(&c.State)
	}
	if _, here := set["admin.socket"]; here && c.Admin.Socket != noSocket {
		fix(&c.Admin.Socket)
	}
	if _, here := set["tls.cert"]; here {
		fix(&c.TLS.Cert)
	}
	if _, here := set["tls.key"]; here {
		fix(&c.TLS.Key)
	}
	for i := range c.TLS.Certificates {
		if _, here := set[element("tls.certificate", i)]; here {
			fix(&c.TLS.Certificates[i].Cert)
			fix(&c.TLS.Certificates[i].Key)
		}
	}
	if _, here := set["auth.key_file"]; here {
		fix(&c.Auth.KeyFile)
	}
	if _, here := set["auth.htpasswd"]; here {
		for i := range c.Auth.Htpasswd {
			fix(&c.Auth.Htpasswd[i])
		}
	}
	c.Audit.resolve(fix, set)
	for i := range c.Lookups {
		fix(&c.Lookups[i].CA)
		fix(&c.Lookups[i].SecretFile)
	}
	for _, o := range c.OAuth {
		fix(&o.ClientSecretFile)
		fix(&o.KeyFile)
		fix(&o.CA)
	}
	for i := range c.Listeners {
		fix(&c.Listeners[i].ClientCA)
		fix(&c.Listeners[i].Cert)
		fix(&c.Listeners[i].Key)
		for k := range c.Listeners[i].Certificates {
			fix(&c.Listeners[i].Certificates[k].Cert)
			fix(&c.Listeners[i].Certificates[k].Key)
		}
	}
	for i := range c.Transcripts {
		fix(&c.Transcripts[i].Folder)
	}
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		fix(&u.CA)
		fix(&u.Cert)
		fix(&u.Key)
	}
}

// merge adds one file's part to the whole.
func (r *reader) merge(o *outline, part *Config) {
	r.broken = r.broken || o.broken
	for path, w := range o.places {
		r.once(path, w)
	}
	for _, p := range o.list {
		r.put(p)
	}
	r.more += o.more
	for path := range o.failed {
		r.failed[r.moved(path)] = true
	}
	for path, w := range o.places {
		if path != "" {
			r.places[r.moved(path)] = w
		}
	}
	r.TLS, r.Limits, r.Log, r.ShutdownTime = part.TLS, part.Limits, part.Log, part.ShutdownTime
	r.Admin, r.Guard, r.Audit = part.Admin, part.Guard, part.Audit
	r.State, r.StateFailure = part.State, part.StateFailure
	r.Auth, r.Accounts = part.Auth, append(r.Accounts, part.Accounts...)
	r.Lookups = append(r.Lookups, part.Lookups...)
	r.Listeners = append(r.Listeners, part.Listeners...)
	r.Upstreams = append(r.Upstreams, part.Upstreams...)
	r.Routes = append(r.Routes, part.Routes...)
	r.Transcripts = append(r.Transcripts, part.Transcripts...)
	for name, table := range part.Policies {
		r.Policies[name] = table
	}
	for name, table := range part.OAuth {
		r.OAuth[name] = table
	}
}

// once reports a key that another file has set already: a value of the top, a
// value of a table, or a policy as a whole.
func (r *reader) once(path string, w place) {
	first, again := r.places[path]
	if path == "" || !again || strings.Contains(path, "[") {
		return
	}
	above := parent(path)
	table := fields(configType)[path]
	if above == "" && (table == nil || isTable(table) || isList(table)) || parent(above) != "" {
		return
	}
	r.put(Problem{
		File: w.file, Line: w.line, Path: path,
		Text: "was set already, in " + first.file + " line " + strconv.Itoa(first.line) + "; keep one of them",
	})
}

// moved is the path in the merged configuration of a path in the next file.
func (r *reader) moved(path string) string {
	for name, n := range map[string]int{"listener": len(r.Listeners), "upstream": len(r.Upstreams), "route": len(r.Routes), "transcript": len(r.Transcripts), "account": len(r.Accounts), "lookup": len(r.Lookups)} {
		rest, ok := strings.CutPrefix(path, name+"[")
		if !ok {
			continue
		}
		index, rest, _ := strings.Cut(rest, "]")
		if i, err := strconv.Atoi(index); err == nil {
			return element(name, i+n) + rest
		}
	}
	return path
}
