package gateway_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

func everyClient(netip.Addr, string) bool { return true }

// transcribed runs sessions under a rule, and returns the trail and what is in
// the folder.
func transcribed(t *testing.T, rule gateway.TranscriptRule, octets int64, sessions ...func(c *pop3.Client)) (all []audit.Event, texts []string) {
	t.Helper()
	folder, err := audit.NewTranscriptFolder(filepath.Join(t.TempDir(), "t"), 1<<20, octets, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(folder.Close)
	server, _ := memory(t, [][]byte{[]byte("Subject: private matters\r\n\r\nthe body\r\n"), letters(1)[0]})
	g := over(server, func(r *gateway.Route) { r.Name, r.Base = "people", r.User })
	rule.Folder = folder
	if rule.Until.IsZero() {
		rule.Until = time.Now().Add(time.Hour)
	}
	g.Transcripts = []gateway.TranscriptRule{rule}
	address, n := recorded(t, g)
	for i, session := range sessions {
		c := connect(t, address)
		session(c)
		c.Close()
		all = n.upTo(t, i+1)
	}
	for _, e := range all {
		if e, ok := e.(*audit.Transcript); ok && e.Ended {
			text, err := os.ReadFile(e.File)
			if err != nil || int64(len(text)) != e.Octets {
				t.Errorf("the transcript has %d octets, %v; recorded are %d", len(text), err, e.Octets)
			}
			texts = append(texts, string(text))
		}
	}
	return all, texts
}

func wholeSession(t *testing.T) func(c *pop3.Client) {
	return func(c *pop3.Client) {
		t.Helper()
		if err := c.Login(t.Context(), user, secret.New("wrong one")); err == nil {
			t.Fatal("let in with a wrong password")
		}
		if err := c.Login(t.Context(), user, secret.New(password)); err != nil {
			t.Fatal(err)
		}
		retrieve(t, c, 1)
		if _, err := c.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		quit(t, c)
	}
}

func TestTranscripts(t *testing.T) {
	for _, test := range []struct {
		name string
		rule gateway.TranscriptRule
		want bool
	}{
		{"of every client", gateway.TranscriptRule{Client: everyClient}, true},
		{"of a user", gateway.TranscriptRule{Client: everyClient, Login: func(u, base, _ string) bool { return u == user && base == user }}, true},
		{"of another user", gateway.TranscriptRule{Client: everyClient, Login: func(u, _, _ string) bool { return u == "bob" }}, false},
		{"of a route", gateway.TranscriptRule{Client: everyClient, Login: func(_, _, route string) bool { return route == "people" }}, true},
		{"of another network", gateway.TranscriptRule{Client: func(netip.Addr, string) bool { return false }}, false},
		{"that has expired", gateway.TranscriptRule{Client: everyClient, Until: time.Now().Add(-time.Second)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			all, texts := transcribed(t, test.rule, 64<<10, wholeSession(t))
			if !test.want {
				if len(texts) > 0 || strings.Contains(tell(all), "transcript") {
					t.Errorf("there is a transcript:\n%s", tell(all))
				}
				return
			}
			if len(texts) != 1 {
				t.Fatalf("there are %d transcripts; the trail is\n%s", len(texts), tell(all))
			}
			wantTranscript(t, texts[0])
		})
	}
}

// wantTranscript: all of the protocol, from the greeting on, with neither a
// secret nor mail.
func wantTranscript(t *testing.T, text string) {
	t.Helper()
	rest := text
	for _, line := range []string{"S: +OK POP3 server ready", "C: USER alice", "C: PASS ****", "S: -ERR [AUTH]", "C: USER alice", "C: PASS ****",
		"S: +OK signed in", "C: RETR 1", "S: +OK 38 octets", "S: (38 octets of the message)", "S: .", "C: LIST", "S: 1 38", "C: QUIT", "S: +OK goodbye", "#: quit"} {
		var found bool
		if _, rest, found = strings.Cut(rest, line); !found {
			t.Fatalf("no %q in the right place of\n%s", line, text)
		}
	}
	for _, secret := range []string{"wrong one", "secret", "private matters", "the body"} {
		if strings.Contains(text, secret) {
			t.Errorf("the transcript holds %q:\n%s", secret, text)
		}
	}
}

func TestTranscriptBound(t *testing.T) {
	all, texts := transcribed(t, gateway.TranscriptRule{Client: everyClient}, 400, func(c *pop3.Client) {
		if err := c.Login(t.Context(), user, secret.New(password)); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			if err := c.Noop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		quit(t, c)
	})
	if len(texts) != 1 || len(texts[0]) > 400 || !strings.Contains(texts[0], "the bound is reached") {
		t.Errorf("transcripts are %q", texts)
	}
	full := false
	for _, e := range all {
		if e, ok := e.(*audit.Transcript); ok && e.Ended {
			full = e.Full
		}
	}
	if !full {
		t.Errorf("the trail does not tell that something is left out:\n%s", tell(all))
	}
}

// TestTranscriptThatCannotBeWritten: mail goes on, and the trail tells.
func TestTranscriptThatCannotBeWritten(t *testing.T) {
	all, texts := transcribed(t, gateway.TranscriptRule{Client: everyClient}, 2<<20, wholeSession(t)) // more than the folder may hold
	if e := find[*audit.Transcript](t, all); e.Error == "" || e.File != "" || len(texts) != 0 {
		t.Errorf("recorded is %+v, and there are %d transcripts", e, len(texts))
	}
	if !bytes.Contains([]byte(tell(all)), []byte("session_end quit")) {
		t.Errorf("the trail is\n%s", tell(all))
	}
}
