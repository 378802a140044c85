package memimap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Every way of fetching gives back what was delivered, and RFC822.SIZE is its
// length.
func TestOctets(t *testing.T) {
	for _, odd := range oddMessages {
		t.Run(odd.name, func(t *testing.T) {
			box, address := withAlice(t)
			uid := box.Append([]byte(odd.raw), nil, time.Time{})
			w := signIn(t, address)
			for _, item := range []string{"BODY.PEEK[]", "RFC822.PEEK", "BODY[]", "RFC822"} {
				sameOctets(t, item, w.literal("UID FETCH %d %s", uid, item), odd.raw)
			}
			w.expect(fmt.Sprintf("UID FETCH %d RFC822.SIZE", uid),
				fmt.Sprintf("* 1 FETCH (UID %d RFC822.SIZE %d)", uid, len(odd.raw)), "OK")
			header := w.literal("UID FETCH %d BODY.PEEK[HEADER]", uid)
			text := w.literal("UID FETCH %d BODY.PEEK[TEXT]", uid)
			sameOctets(t, "HEADER and TEXT", header+text, odd.raw)
		})
	}
}

func TestPartials(t *testing.T) {
	box, address := withAlice(t)
	const raw = "a: b\r\n\r\n0123456789"
	box.Append([]byte(raw), nil, time.Time{})
	w := signIn(t, address)
	for _, c := range []struct{ section, want string }{
		{"BODY.PEEK[]<0.4>", "a: b"},
		{"BODY.PEEK[]<8.3>", "012"},
		{"BODY.PEEK[]<8.99999>", "0123456789"},
		{"BODY.PEEK[]<8.9223372036854775807>", "0123456789"},
		{"BODY.PEEK[]<18.1>", ""},
		{"BODY.PEEK[]<4000000000.1>", ""},
		{"BODY.PEEK[TEXT]<2.2>", "23"},
		{"BODY.PEEK[HEADER]<3.9>", "b\r\n\r\n"},
	} {
		sameOctets(t, c.section, w.literal("UID FETCH 1 %s", c.section), c.want)
	}
}

func TestHeaderFields(t *testing.T) {
	const raw = "Received: by one\r\n\tfolded\r\nSubject: x\r\nnot a field\r\nreceived : by two\r\nMessage-ID: <a@b>\r\n\r\nSubject: body\r\n"
	for _, c := range []struct{ name, raw, section, want string }{
		{"one", raw, "FIELDS (MESSAGE-ID)", "Message-ID: <a@b>\r\n\r\n"},
		{"folded, twice", raw, "FIELDS (Received)", "Received: by one\r\n\tfolded\r\nreceived : by two\r\n\r\n"},
		{"none", raw, "FIELDS (X)", "\r\n"},
		{"not", raw, "FIELDS.NOT (Received subject)", "not a field\r\nMessage-ID: <a@b>\r\n\r\n"},
		{"no line end", "Subject: x", "FIELDS (Subject)", "Subject: x\r\n\r\n"},
		{"LF only", "Subject: x\nTo: y\n\nbody", "FIELDS (Subject)", "Subject: x\n\r\n"},
		{"empty", "", "FIELDS (Subject)", "\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			box, address := withAlice(t)
			box.Append([]byte(c.raw), nil, time.Time{})
			w := signIn(t, address)
			sameOctets(t, c.section, w.literal("UID FETCH 1 BODY.PEEK[HEADER.%s]", c.section), c.want)
		})
	}
}

// What a client appends is what Messages has, and the other way round.
func TestAppendOverIMAP(t *testing.T) {
	box, address := withAlice(t)
	c, err := imapclient.DialInsecure(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	date := time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC)
	for i, odd := range oddMessages {
		cmd := c.Append("INBOX", int64(len(odd.raw)), &imap.AppendOptions{Time: date, Flags: []imap.Flag{imap.FlagSeen, "$Kept"}})
		if _, err := io.WriteString(cmd, odd.raw); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := cmd.Wait()
		if err != nil {
			t.Fatalf("%s: %v", odd.name, err)
		}
		if data.UID != imap.UID(i+1) || data.UIDValidity != box.UIDValidity() {
			t.Errorf("%s: APPENDUID %+v", odd.name, data)
		}
	}
	for i, m := range box.Messages() {
		sameOctets(t, oddMessages[i].name, string(m.Raw), oddMessages[i].raw)
		if !m.Date.Equal(date) || strings.Join(m.Flags, " ") != `\Seen $Kept` {
			t.Errorf("%s: stored with %v %q", oddMessages[i].name, m.Date, m.Flags)
		}
	}
}

// go-imap's own client, which package bridge uses, gets every octet.
func TestClientLibrary(t *testing.T) {
	box, address := withAlice(t)
	for _, odd := range oddMessages {
		box.Append([]byte(odd.raw), nil, time.Time{})
	}
	c, err := imapclient.DialInsecure(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	section := &imap.FetchItemBodySection{Peek: true}
	messages, err := c.Fetch(imap.UIDSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) != len(oddMessages) {
		t.Fatalf("%d messages, want %d", len(messages), len(oddMessages))
	}
	for i, m := range messages {
		sameOctets(t, oddMessages[i].name, string(m.FindBodySection(section)), oddMessages[i].raw)
		if m.RFC822Size != int64(len(oddMessages[i].raw)) {
			t.Errorf("%s: size %d", oddMessages[i].name, m.RFC822Size)
		}
	}
}

const pythonHashes = `
import hashlib, imaplib, sys
m = imaplib.IMAP4(sys.argv[1], int(sys.argv[2]))
m.login("alice", "secret")
m.select("INBOX")
for uid in m.uid("SEARCH", None, "ALL")[1][0].split():
    data = m.uid("FETCH", uid, "(RFC822.SIZE BODY.PEEK[])")[1]
    print(uid.decode(), hashlib.sha256(data[0][1]).hexdigest())
m.logout()
`

func TestPythonImaplib(t *testing.T) {
	python, err := exec.LookPath("python3")
	needsPeer(t, "python3", err)
	box, address := withAlice(t)
	var want bytes.Buffer
	for i, odd := range oddMessages {
		box.Append([]byte(odd.raw), nil, time.Time{})
		fmt.Fprintf(&want, "%d %x\n", i+1, sha256.Sum256([]byte(odd.raw)))
	}
	host, port, _ := strings.Cut(address, ":")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c", pythonHashes, host, port)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	sameOctets(t, "hashes", string(got), want.String())
}

func TestNoMIME(t *testing.T) {
	box, address := withAlice(t)
	box.Append([]byte("a: b\r\n\r\nc"), nil, time.Time{})
	w := signIn(t, address)
	for _, item := range []string{"ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BINARY[1]", "BINARY.SIZE[1]", "FULL"} {
		w.expect("UID FETCH 1 "+item, "NO [CANNOT]")
	}
}
