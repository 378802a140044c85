package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/policy"
)

// AuditTable is [audit].
type AuditTable struct {
	// File is the short form of one sink: a file, with the default of everything.
	File string `toml:"file"`
	// Key is the PEM file with the private key that signs checkpoints.
	Key string `toml:"key"`
	// OldKeys are public keys that signed before Key did; restante audit verify
	// believes them too.
	OldKeys []string `toml:"old_keys"`
	// Instance names this process in every line, where several write one trail.
	Instance string `toml:"instance"`
	// CheckpointLines is after how many lines a checkpoint is written.
	CheckpointLines int `toml:"checkpoint_lines"`
	// CheckpointTime is after how much time one is written, if there were lines.
	CheckpointTime Duration `toml:"checkpoint_time"`
	// User says what becomes of users' names: keep, drop or hash.
	User string `toml:"user"`
	// Client says what becomes of clients' addresses.
	Client string `toml:"client"`
	// From says what becomes of messages' senders.
	From string `toml:"from"`
	// Subject says what becomes of messages' subjects.
	Subject string `toml:"subject"`
	// PrivacyKey is the file with the key of the hashes.
	PrivacyKey string `toml:"privacy_key"`
	// Sinks are where the trail goes.
	Sinks []AuditSinkTable `toml:"sink"`
}

// AuditSinkTable is one [[audit.sink]].
type AuditSinkTable struct {
	// Name is what logs, metrics and other sinks call it; left out: its type.
	Name string `toml:"name"`
	// Type is file, stdout, syslog or state.
	Type string `toml:"type"`
	// Path of the file.
	Path string `toml:"path"`
	// RotateSize is the size at which the file is closed and another begun.
	RotateSize policy.Size `toml:"rotate_size"`
	// RotateAge is the age at which it is; 0s: only its size counts.
	RotateAge Duration `toml:"rotate_age"`
	// Compress makes closed files smaller, with gzip.
	Compress *bool `toml:"compress"`
	// Retain is how long closed files, or lines in the state file, are kept; 0s:
	// for ever.
	Retain Duration `toml:"retain"`
	// Address of a syslog server: unix:///dev/log, tcp://HOST[:PORT] or
	// tls://HOST[:PORT].
	Address string `toml:"address"`
	// CA is a PEM file with the authorities to trust instead of the system's.
	CA string `toml:"ca"`
	// Cert is a PEM file with the client certificate to show.
	Cert string `toml:"cert"`
	// Key is the PEM file with the private key of Cert.
	Key string `toml:"key"`
	// ServerName is the name to find in the server's certificate; left out: the
	// host of Address.
	ServerName string `toml:"server_name"`
	// Facility is audit, auth, authpriv, daemon, mail or local0 to local7.
	Facility string `toml:"facility"`
	// WhenFull is block (sessions wait for the sink) or drop (lines are dropped,
	// counted, and leave a gap record).
	WhenFull string `toml:"when_full"`
	// BlockTime is how long a session waits at most; then lines are dropped until
	// the sink moves again.
	BlockTime Duration `toml:"block_time"`
	// Queue is how much may wait in memory.
	Queue policy.Size `toml:"queue"`
	// Sync is when what was written is made sure of: event, session or interval.
	Sync string `toml:"fsync"`
	// SyncInterval is how often, with fsync = "interval".
	SyncInterval Duration `toml:"fsync_interval"`
	// Witness names another sink, which gets this one's checkpoints too.
	Witness string `toml:"witness"`
}

// defaultSink holds the default of what one [[audit.sink]] left out.
var defaultSink = AuditSinkTable{
	// Some 200,000 lines; compressed about 15 MiB.
	RotateSize: 100 << 20,
	// Longer than a burst or a slow disk takes, shorter than a client waits.
	BlockTime: Duration{10 * time.Second},
	// Some 8,000 lines: what a busy gateway writes in a minute.
	Queue: 4 << 20,
	Sync:  audit.SyncInterval,
	// What a power cut may take away.
	SyncInterval: Duration{time.Second},
	// RFC 5424 has a facility for it.
	Facility: "audit",
}

var facilities = map[string]int{
	"mail": 2, "daemon": 3, "auth": 4, "authpriv": 10, "audit": 13, "local0": 16, "local1": 17, "local2": 18,
	"local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// An Audit is [audit] ready for use.
type Audit struct {
	// Instance names this process in every line.
	Instance string
	// Sinks without their tables: ToState's is whoever opens the state file's.
	Sinks []audit.Settings
	// Keys are the public keys that checkpoints may be signed with.
	Keys audit.Verifier
	// Privacy is what the trail may say of people.
	Privacy audit.Privacy
}

func (b *builder) buildAudit() *Audit {
	t := &b.Config.Audit
	a := &Audit{Instance: t.Instance, Keys: audit.Verifier{}}
	b.checkName("audit.instance", t.Instance)
	a.Privacy = b.auditPrivacy(t)
	b.count("audit.checkpoint_lines", t.CheckpointLines, 1, 1_000_000)
	b.duration("audit.checkpoint_time", t.CheckpointTime, Defaults().Audit.CheckpointTime)
	signer := b.auditKeys(t, a.Keys)
	if t.File != "" {
		sink := AuditSinkTable{Type: audit.ToFile, Path: t.File}
		b.auditSink("audit.file", &sink, a, signer)
	}
	for i := range t.Sinks {
		b.auditSink(element("audit.sink", i), &t.Sinks[i], a, signer)
	}
	b.auditNames(a)
	if len(a.Sinks) > 0 && t.Key == "" {
		b.warnf("audit.key", "is missing: checkpoints are not signed, and whoever can write the trail can rewrite it; make one with restante audit keygen")
	}
	return a
}

func (b *builder) auditKeys(t *AuditTable, keys audit.Verifier) (signer *audit.Signer) {
	if t.Key != "" {
		data, err := b.files.read(t.Key)
		if err == nil {
			signer, err = audit.ReadSigner(data)
		}
		if err == nil {
			_, err = keys.Add(data)
		}
		if err != nil {
			b.addf("audit.key", "%s: %v", t.Key, err)
		} else if info, err := os.Stat(t.Key); err == nil && info.Mode().Perm()&0o077 != 0 {
			b.warnf("audit.key", "%s can be read by others, who could sign; run chmod 600", t.Key)
		}
	}
	for i, path := range t.OldKeys {
		data, err := b.files.read(path)
		if err == nil {
			_, err = keys.Add(data)
		}
		if err != nil {
			b.addf(element("audit.old_keys", i), "%s: %v", path, err)
		}
	}
	return signer
}

func (b *builder) auditSink(path string, t *AuditSinkTable, a *Audit, signer *audit.Signer) {
	s := audit.Settings{Name: t.Name, To: t.Type, Signer: signer, Every: b.Config.Audit.CheckpointLines,
		Within: b.Config.Audit.CheckpointTime.Duration, Witness: t.Witness}
	if s.Name == "" {
		s.Name = t.Type
	}
	b.checkName(child(path, "name"), t.Name)
	if t.Type == "" {
		b.addf(child(path, "type"), "is missing; write one of file, stdout, syslog, state")
		return
	}
	if !b.oneOf(child(path, "type"), t.Type, audit.ToFile, audit.ToStdout, audit.ToSyslog, audit.ToState) {
		return
	}
	b.sinkKeys(path, t)
	b.sinkTarget(path, t, &s)
	b.sinkKeeping(path, t, &s)
	b.sinkQueue(path, t, &s)
	b.sinkSync(path, t, &s)
	a.Sinks = append(a.Sinks, s)
}

// sinkOnly names the keys that only some types know.
var sinkOnly = map[string][]string{
	"path": {"file"}, "rotate_size": {"file"}, "rotate_age": {"file"}, "compress": {"file"}, "retain": {"file", "state"},
	"address": {"syslog"}, "ca": {"syslog"}, "cert": {"syslog"}, "key": {"syslog"}, "server_name": {"syslog"}, "facility": {"syslog"},
	"fsync": {"file", "state"}, "fsync_interval": {"file", "state"},
}

func (b *builder) sinkKeys(path string, t *AuditSinkTable) {
	for key, types := range sinkOnly {
		if at := child(path, key); b.written(at) && !slices.Contains(types, t.Type) {
			b.addf(at, "is not for sinks of the type %s, only for %s", t.Type, strings.Join(types, " and "))
		}
	}
}

func (b *builder) sinkTarget(path string, t *AuditSinkTable, s *audit.Settings) {
	switch t.Type {
	case audit.ToFile:
		if t.Path == "" {
			b.addf(child(path, "path"), "is missing; write the name of a file, such as %q", "audit.jsonl")
		}
		s.Path = t.Path
		if full, err := filepath.Abs(t.Path); err == nil {
			s.Path = full
		}
		s.Target = s.Path
	case audit.ToState:
		if b.State == "" {
			b.addf(child(path, "type"), "%q needs a state file; add the key state at the top", t.Type)
		}
		s.Target = b.State
	case audit.ToSyslog:
		b.syslogTarget(path, t, s)
	}
}

const syslogExample = `write one such as "unix:///dev/log", "tcp://127.0.0.1:601" or "tls://logs.example.com"`

func (b *builder) syslogTarget(path string, t *AuditSinkTable, s *audit.Settings) {
	at := child(path, "address")
	u, err := url.Parse(t.Address)
	ports := map[string]string{"tcp": "601", "tls": "6514"} // RFC 6587, RFC 5425
	switch {
	case t.Address == "":
		b.addf(at, "is missing; %s", syslogExample)
	case err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		b.addf(at, "is not the address of a syslog server; %s", syslogExample)
	case u.Scheme == "unix" && u.Host == "" && filepath.IsAbs(u.Path):
		s.Network, s.Address = "unix", u.Path
	case ports[u.Scheme] != "" && isHost(u.Hostname()) && u.Path == "":
		port := u.Port()
		if port == "" {
			port = ports[u.Scheme]
		}
		s.Network, s.Address = u.Scheme, net.JoinHostPort(u.Hostname(), port)
	default:
		b.addf(at, "is not the address of a syslog server; %s", syslogExample)
	}
	b.syslogTLS(path, t, s)
	facility := t.Facility
	if facility == "" {
		facility = defaultSink.Facility
	}
	known := false
	if s.Facility, known = facilities[facility]; !known {
		b.addf(child(path, "facility"), "%q is not known; write one of audit, auth, authpriv, daemon, mail, local0 to local7", facility)
	}
	s.Target = fmt.Sprintf("%s %s %s %d %x %x %x", s.Network, s.Address, t.ServerName, s.Facility, b.files.sums[t.CA], b.files.sums[t.Cert], b.files.sums[t.Key])
}

func (b *builder) syslogTLS(path string, t *AuditSinkTable, s *audit.Settings) {
	host, _, _ := net.SplitHostPort(s.Address)
	if s.Network == "tcp" && !isLoopback(host) {
		b.warnf(child(path, "address"), "tcp:// carries the trail in plain text to another machine; use tls://")
	}
	if s.Network != "tls" {
		for _, key := range []string{"ca", "cert", "key", "server_name"} {
			if b.written(child(path, key)) {
				b.addf(child(path, key), "is for tls:// addresses only")
			}
		}
		return
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: b.authorities(child(path, "ca"), t.CA)}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if p := b.certificate(path, t.Cert, t.Key); p != nil {
		c.GetClientCertificate = p.getClient
	}
	s.TLS = c
}

func (b *builder) sinkKeeping(path string, t *AuditSinkTable, s *audit.Settings) {
	size := t.RotateSize
	if at := child(path, "rotate_size"); size == 0 && !b.written(at) {
		size = defaultSink.RotateSize
	} else if size < 64<<10 {
		b.addf(at, "%d octets is out of range; write at least \"64KiB\"", size)
	}
	s.RotateSize, s.RotateAge, s.Retain = int64(size), t.RotateAge.Duration, t.Retain.Duration
	s.Compress = t.Compress == nil || *t.Compress
	for key, d := range map[string]time.Duration{"rotate_age": s.RotateAge, "retain": s.Retain} {
		if d != 0 && d < time.Hour {
			b.addf(child(path, key), "%v is out of range; write at least \"1h\", or \"0s\"", d)
		}
	}
}

func (b *builder) sinkQueue(path string, t *AuditSinkTable, s *audit.Settings) {
	queue := t.Queue
	if at := child(path, "queue"); queue == 0 && !b.written(at) {
		queue = defaultSink.Queue
	} else if queue < 64<<10 || queue > 1<<30 {
		b.addf(at, "%d octets is out of range; write something from \"64KiB\" to \"1GiB\"", queue)
	}
	s.Queue = int(queue)
	whenFull := t.WhenFull
	if whenFull == "" {
		whenFull = map[string]string{audit.ToFile: "block", audit.ToState: "block"}[t.Type]
	}
	if whenFull == "" {
		whenFull = "drop"
	}
	if at := child(path, "block_time"); whenFull == "drop" && b.written(at) {
		b.addf(at, "is for when_full = \"block\" only")
	}
	if b.oneOf(child(path, "when_full"), whenFull, "block", "drop") && whenFull == "block" {
		s.Patience = b.duration(child(path, "block_time"), t.BlockTime, defaultSink.BlockTime)
	}
}

func (b *builder) sinkSync(path string, t *AuditSinkTable, s *audit.Settings) {
	if t.Type != audit.ToFile && t.Type != audit.ToState {
		return
	}
	s.Sync = t.Sync
	if s.Sync == "" {
		s.Sync = defaultSink.Sync
	}
	b.oneOf(child(path, "fsync"), s.Sync, audit.SyncEvent, audit.SyncSession, audit.SyncInterval)
	s.Interval = b.duration(child(path, "fsync_interval"), t.SyncInterval, defaultSink.SyncInterval)
	if s.Sync == audit.SyncEvent && s.Patience == 0 {
		b.addf(child(path, "fsync"), "\"event\" lets sessions wait for the disk, and when_full = \"drop\" forbids that; change one of them")
	}
}

// auditNames wants names and files that differ, and witnesses that are there.
func (b *builder) auditNames(a *Audit) {
	for i, s := range a.Sinks {
		for _, other := range a.Sinks[:i] {
			if s.Name == other.Name {
				b.addf("audit.sink", "there are two sinks with the name %q; give each a name", s.Name)
			}
			if s.To == other.To && s.Target == other.Target {
				b.addf("audit.sink", "the sinks %q and %q write to the same place", other.Name, s.Name)
			}
		}
		if s.Witness == "" {
			continue
		}
		there := slices.ContainsFunc(a.Sinks, func(o audit.Settings) bool { return o.Name == s.Witness })
		if !there || s.Witness == s.Name {
			b.addf("audit.sink", "the witness of sink %q must be another sink; %q is not", s.Name, s.Witness)
		}
	}
}

// resolve makes the names of files relative to the folder of the file that has
// them.
func (t *AuditTable) resolve(fix func(*string), set places) {
	for path, name := range map[string]*string{"audit.file": &t.File, "audit.key": &t.Key, "audit.privacy_key": &t.PrivacyKey} {
		if _, here := set[path]; here {
			fix(name)
		}
	}
	if _, here := set["audit.old_keys"]; here {
		for i := range t.OldKeys {
			fix(&t.OldKeys[i])
		}
	}
	if _, here := set["audit.sink"]; here {
		for i := range t.Sinks {
			s := &t.Sinks[i]
			for _, name := range []*string{&s.Path, &s.CA, &s.Cert, &s.Key} {
				fix(name)
			}
		}
	}
}
