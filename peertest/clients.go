package peertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clientTime bounds one run of a client.
const clientTime = 2 * time.Minute

// TLS is how a client protects its connection.
type TLS int

const (
	NoTLS TLS = iota
	STLS
	ImplicitTLS
)

func (m TLS) String() string { return [...]string{"plain", "STLS", "POP3S"}[m] }

// An Account is what a POP3 client needs to know to fetch mail.
type Account struct {
	Addr           string // host:port
	User, Password string
	TLS            TLS
	CA             string // file of the authority, if there is TLS
	Keep           bool   // leave the mail on the server
	Home           string // directory of what the client remembers
}

func (a Account) host() string { host, _, _ := net.SplitHostPort(a.Addr); return host }
func (a Account) port() string { _, port, _ := net.SplitHostPort(a.Addr); return port }

// A Client is a real program that fetches mail over POP3.
type Client struct {
	// Name of the program.
	Name string
	// Remembers: run again with Keep, it fetches only what is new.
	Remembers bool
	// Modes of TLS that it can do.
	Modes []TLS
	// Tops: while it keeps mail it reads messages with TOP, so that a server
	// can not tell that they were retrieved.
	Tops  bool
	fetch func(t T, a Account, inbox string)
}

// Fetch runs the client once and returns the messages that it brought, in the
// order of the names it gave them.
func (c Client) Fetch(t T, a Account) [][]byte {
	t.Helper()
	o := ordinaryUser(t)
	inbox, err := os.MkdirTemp(a.Home, "inbox")
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, sub := range []string{"", "cur", "new", "tmp"} {
		o.mkdir(t, filepath.Join(inbox, sub))
	}
	c.fetch(t, a, inbox)
	return readDir(t, filepath.Join(inbox, "new"))
}

func readDir(t T, dir string) [][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var messages [][]byte
	for _, e := range entries {
		m, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatalf("%v", err)
		}
		messages = append(messages, m)
	}
	return messages
}

// Clients are all that can be driven.
func Clients() []Client {
	all := []TLS{NoTLS, STLS, ImplicitTLS}
	return []Client{
		{Name: "curl", Modes: all, fetch: curl},
		{Name: "fetchmail", Modes: all, Remembers: true, Tops: true, fetch: fetchmail},
		{Name: "getmail", Modes: []TLS{NoTLS, ImplicitTLS}, Remembers: true, fetch: getmail},
		{Name: "mpop", Modes: all, Remembers: true, fetch: mpop},
		{Name: "python3", Modes: all, fetch: poplib},
	}
}

// run runs a program with a home directory of its own, and fails the test
// unless its exit status is one of those given (0 if none is).
func run(t T, a Account, stdin, program string, args []string, statuses ...int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clientTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, Need(t, program), args...)
	cmd.Env = append(os.Environ(), "HOME="+a.Home, "FETCHMAILHOME="+a.Home, "LC_ALL=C.UTF-8")
	cmd.Dir, cmd.Stdin = a.Home, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	status := cmd.ProcessState.ExitCode()
	if err != nil && !slices.Contains(statuses, status) {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// writeConfig writes a file that only its owner may read, as these programs
// demand of one with a password.
func writeConfig(t T, a Account, name, text string) string {
	t.Helper()
	path := filepath.Join(a.Home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

// curl lists, then fetches every message, all over one connection, and deletes
// them over another unless they are kept.
func curl(t T, a Account, inbox string) {
	t.Helper()
	options := []string{"--silent", "--show-error", "--user", a.User + ":" + a.Password}
	base := "pop3://" + a.Addr + "/"
	switch a.TLS {
	case STLS:
		options = append(options, "--ssl-reqd", "--cacert", a.CA)
	case ImplicitTLS:
		base = "pop3s://" + a.Addr + "/"
		options = append(options, "--cacert", a.CA)
	}
	list := run(t, a, "", "curl", append(slices.Clone(options), base))
	fetch, remove := slices.Clone(options), slices.Clone(options)
	for line := range strings.Lines(list) {
		n, err := strconv.Atoi(strings.Fields(line)[0])
		if err != nil {
			t.Fatalf("curl: LIST said %q", line)
		}
		fetch = append(fetch, "--output", filepath.Join(inbox, "new", fmt.Sprintf("%06d", n)), base+strconv.Itoa(n))
		remove = append(remove, base+strconv.Itoa(n))
	}
	if list == "" {
		return
	}
	run(t, a, "", "curl", fetch)
	if !a.Keep {
		run(t, a, "", "curl", append(remove, "--request", "DELE", "--list-only"))
	}
}

// fetchmail exits with 1 if there was no mail to fetch.
func fetchmail(t T, a Account, inbox string) {
	t.Helper()
	options := "nokeep"
	if a.Keep {
		options = "keep"
	}
	switch a.TLS {
	case NoTLS:
		options += ` sslproto ""`
	case STLS:
		options += ` sslproto "TLS1.2+" sslcertck sslcommonname "localhost" sslcertfile "` + a.CA + `"`
	case ImplicitTLS:
		options += ` ssl sslcertck sslcommonname "localhost" sslcertfile "` + a.CA + `"`
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	rc := fmt.Sprintf("set no syslog\nset invisible\nset idfile %q\n"+
		"poll %s protocol POP3 service %s uidl no dns\n user \"%s\" password \"%s\" %s no rewrite no mimedecode\n"+
		" mda \"cat >$(mktemp %s/new/XXXXXXXX)\"\n",
		filepath.Join(a.Home, "fetchids"), a.host(), a.port(),
		escape.Replace(a.User), escape.Replace(a.Password), options, inbox)
	run(t, a, "", "fetchmail", []string{"--verbose", "--nodetach", "--nosyslog",
		"--fetchmailrc", writeConfig(t, a, "fetchmailrc", rc), "--pidfile", filepath.Join(a.Home, "pid")}, 1)
}

func getmail(t T, a Account, inbox string) {
	t.Helper()
	kind, tls := "SimplePOP3Retriever", ""
	if a.TLS != NoTLS {
		kind, tls = "SimplePOP3SSLRetriever", "ca_certs = "+a.CA+"\n"
	}
	sink, stop := lmtp(t, filepath.Join(inbox, "new"))
	defer stop()
	host, port, _ := net.SplitHostPort(sink)
	rc := fmt.Sprintf("[retriever]\ntype = %s\nserver = %s\nport = %s\nusername = %s\npassword = %s\n%s"+
		"[destination]\ntype = MDA_lmtp\nhost = %s\nport = %s\noverride = alice@example.com\n"+
		"[options]\nread_all = false\ndelete = %v\ndelivered_to = false\nreceived = false\nverbose = 2\n",
		kind, a.host(), a.port(), a.User, a.Password, tls, host, port, !a.Keep)
	run(t, a, "", "getmail", []string{"--getmaildir", a.Home, "--rcfile", writeConfig(t, a, "getmailrc", rc)})
}

func mpop(t T, a Account, inbox string) {
	t.Helper()
	tls := "tls off"
	if a.TLS != NoTLS {
		tls = "tls on\ntls_trust_file " + a.CA + "\ntls_starttls " + map[bool]string{true: "on", false: "off"}[a.TLS == STLS]
	}
	keep := map[bool]string{true: "on", false: "off"}[a.Keep]
	rc := fmt.Sprintf("account default\nhost %s\nport %s\nuser %s\npassword \"%s\"\nauth user\n%s\n"+
		"delivery maildir %s\nkeep %s\nreceived_header off\nuidls_file %s\n",
		a.host(), a.port(), a.User, a.Password, tls, inbox, keep, filepath.Join(a.Home, "uidls"))
	run(t, a, "", "mpop", []string{"--file", writeConfig(t, a, "mpoprc", rc)})
}

// poplib runs Python's own client, which also checks what LIST, UIDL and TOP
// say against what RETR brings.
func poplib(t T, a Account, inbox string) {
	t.Helper()
	run(t, a, poplibScript, "python3", []string{"-", a.host(), a.port(), a.TLS.String(), a.CA,
		a.User, a.Password, strconv.FormatBool(a.Keep), filepath.Join(inbox, "new")})
}
