package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/secret"
)

// examined runs doctor and returns what it found, in JSON and in words.
func examined(t *testing.T, config, user string, more ...string) (found doctored, words string) {
	t.Helper()
	args := append([]string{"doctor", user, "--config", config}, more...)
	out, err := command(t, append(args, "--json")...)
	start, end := strings.Index(out, "{"), strings.LastIndex(out, "\n}\n")
	if start < 0 || end < 0 || json.Unmarshal([]byte(out[start:end+2]), &found) != nil {
		t.Fatalf("not JSON: %v\n%s", err, out)
	}
	if (err == nil) != (len(found.Findings) == 0) {
		t.Errorf("%d findings, and the command says %v", len(found.Findings), err)
	}
	words, _ = command(t, args...)
	return found, words
}

// written writes a configuration with one upstream.
func written(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "restante.toml")
	if err := os.WriteFile(path, []byte("[[listener]]\naddress = \"127.0.0.1:0\"\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantFindings wants these findings and no others, each with something to do.
func wantFindings(t *testing.T, found *doctored, want ...string) {
	t.Helper()
	for _, f := range found.Findings {
		if f.Remedy == "" {
			t.Errorf("nothing to do about %s", f)
		}
	}
	if len(found.Findings) != len(want) {
		t.Errorf("found %q, want %q", found.Findings, want)
		return
	}
	for i, w := range want {
		if !strings.Contains(found.Findings[i].String(), w) {
			t.Errorf("found %s, want %q", found.Findings[i], w)
		}
	}
}

func hasNote(found *doctored, words string) bool {
	for _, n := range found.Notes {
		if strings.Contains(n.String(), words) {
			return true
		}
	}
	return false
}

const letter = "From: a@example.com\r\nSubject: b\r\n\r\nc\r\n"

// TestDoctor looks at servers that lack one thing or another.
func TestDoctor(t *testing.T) {
	for _, test := range []struct {
		name       string
		lacks, has []string
		prepare    func(*memimap.User)
		more       string // configuration
		want       []string
		notes      []string
	}{
		{"nothing is wrong", nil, []string{"QUOTA", "OBJECTID"}, nil, "", nil, nil},
		{"no UIDPLUS", []string{"UIDPLUS"}, nil, nil, "", []string{"no UIDPLUS"}, []string{"no UIDPLUS"}},
		{"neither UIDPLUS nor MOVE", []string{"UIDPLUS", "MOVE"}, nil, nil, "", []string{"neither UIDPLUS nor MOVE"}, []string{"no MOVE"}},
		{"little", []string{"ESEARCH", "SPECIAL-USE", "CONDSTORE"}, nil, nil, "", nil,
			[]string{"no ESEARCH", "no SPECIAL-USE", "no CONDSTORE", "no QUOTA", "no OBJECTID"}},
		{"a quota that is full", nil, []string{"QUOTA"}, func(u *memimap.User) {
			u.SetQuota("User quota", 1024)
			u.Mailbox("INBOX").Append([]byte(letter+strings.Repeat("0123456789\r\n", 100)), nil, time.Time{})
		}, "", []string{`"User quota" is`}, nil},
		{"sizes are wrong", nil, nil, func(u *memimap.User) { u.Mailbox("INBOX").Append([]byte("Subject: no end\r\n\r\nx"), nil, time.Time{}) }, "",
			[]string{"of 1 of the 2 messages"}, nil},
		{"sizes are wrong, and known to be", nil, nil, func(u *memimap.User) { u.Mailbox("INBOX").Append([]byte("Subject: no end\r\n\r\nx"), nil, time.Time{}) },
			"sizes = \"exact\"\n", nil, []string{"of 1 of the 2 messages"}},
		{"mail of tomorrow", nil, nil, func(u *memimap.User) { u.Mailbox("INBOX").Append([]byte(letter), nil, time.Now().Add(time.Hour)) }, "",
			[]string{"has arrived in"}, nil},
		{"a folder that is not there", nil, nil, nil, "[[route]]\npolicy = \"odd\"\n[policy.odd]\non_delete = \"move:Nowhere\"\n", []string{`there is no folder "Nowhere"`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := memimap.New()
			server.Lacks, server.Has = test.lacks, test.has
			account := server.AddUser("alice", secret.New("open sesame"))
			account.Mailbox("INBOX").Append([]byte(letter), nil, time.Time{})
			if test.prepare != nil {
				test.prepare(account)
			}
			found, words := examined(t, written(t, "[[upstream]]\nname = \"main\"\nurl = \"imap://"+imapServer(t, server)+"\"\n"+test.more), "alice")
			wantFindings(t, &found, test.want...)
			for _, note := range test.notes {
				if !hasNote(&found, note) {
					t.Errorf("no note of %q in %q", note, found.Notes)
				}
			}
			if !found.SignIn.OK || found.SignIn.RoundTrips == 0 || found.Maildrop[0].Messages == 0 || len(found.Sampled) == 0 {
				t.Errorf("signed in %+v, %v, measured %v", found.SignIn, found.Maildrop, found.Sampled)
			}
			if !strings.Contains(words, "round trip") || strings.Contains(words, "WRONG") != (test.want != nil) {
				t.Errorf("in words:\n%s", words)
			}
		})
	}
}

// TestDoctorNotConnected: Microsoft 365 takes the credentials, and opens nothing.
func TestDoctorNotConnected(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go notConnected(c)
		}
	}()
	found, words := examined(t, written(t, "[[upstream]]\nname = \"main\"\nurl = \"imap://"+l.Addr().String()+"\"\n"), "alice")
	wantFindings(t, &found, "took the credentials and does not open the mailbox")
	if !strings.Contains(words, "Set-CASMailbox") || found.SignIn.OK {
		t.Errorf("in words:\n%s", words)
	}
}

// notConnected is one connection to such a server.
func notConnected(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err := io.WriteString(c, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] The Microsoft Exchange IMAP4 service is ready.\r\n")
	for lines := bufio.NewScanner(c); err == nil && lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		answer := " BAD User is authenticated but not connected.\r\n"
		if verb, _, _ := strings.Cut(command, " "); verb == "AUTHENTICATE" {
			answer = " OK [CAPABILITY IMAP4rev1 UIDPLUS MOVE] AUTHENTICATE completed.\r\n"
		}
		_, err = io.WriteString(c, tag+answer)
	}
}
