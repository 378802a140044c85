package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// searched are a few facts, in a plain file and a compressed one.
func searched(t *testing.T, p Privacy) []string {
	t.Helper()
	e := Encoder{Privacy: p}
	h := head{chain: "0123456789abcdef"}
	at := func(minute int) time.Time { return time.Date(2026, 3, 2, 8, minute, 0, 0, time.UTC) }
	who := func(minute int, session, user, view, client string) Header {
		login := user
		if view != "" {
			login += "+" + view
		}
		return Header{Time: at(minute), Session: session, Client: netip.MustParseAddr(client), User: login, Base: user, View: view}
	}
	letter := func(n int) Message {
		return Message{Number: n, UIDL: fmt.Sprint("u", n), Upstream: "main", Folder: "INBOX", UID: uint32(10 + n), MessageID: fmt.Sprintf("<%d@x>", n)}
	}
	events := []Event{
		&SignIn{Header: who(1, "s1", "alice", "", "10.0.0.7"), Result: ResultOK, Method: "USER"},
		&Retrieval{Header: who(2, "s1", "alice", "", "10.0.0.7"), Message: letter(1), Octets: 100, Sent: true, Complete: true},
		&SignIn{Header: who(3, "s2", "Alice", "printer", "192.0.2.1"), Result: ResultOK, Method: "PLAIN"},
		&Retrieval{Header: who(4, "s2", "Alice", "printer", "192.0.2.1"), Message: letter(2), Octets: 50, Sent: true},
		&Deletion{Header: who(5, "s2", "Alice", "printer", "192.0.2.1"), Message: letter(2)},
		&SignIn{Header: who(6, "s3", "bob", "", "2001:db8::1"), Result: ResultRejected, Method: "USER"},
	}
	dir := t.TempDir()
	var names []string
	for i, part := range [][]Event{events[:3], events[3:]} {
		var text bytes.Buffer
		for _, e1 := range part {
			text.Write(h.link(e.Append(nil, e1)))
			text.WriteByte('\n')
		}
		name := filepath.Join(dir, fmt.Sprint(i, ".jsonl"))
		data := text.Bytes()
		if i == 0 {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, _ = z.Write(data)
			_ = z.Close()
			name, data = name+".gz", packed.Bytes()
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func TestSearch(t *testing.T) {
	key := []byte("0123456789abcdef")
	for name, privacy := range map[string]Privacy{"as it is": {}, "hashed": {User: Hash, Client: Hash, Key: key}} {
		files := searched(t, privacy)
		for _, test := range []struct {
			query Query
			want  string // numbers of lines
			plain bool   // cannot be asked of hashes
		}{
			{Query{AnyView: true}, "1 2 3 4 5 6", false},
			{Query{AnyView: true, User: "ALICE"}, "1 2 3 4 5", false},
			{Query{User: "alice"}, "1 2", false},
			{Query{User: "alice", View: "printer"}, "3 4 5", false},
			{Query{AnyView: true, Client: netip.MustParsePrefix("10.0.0.0/8")}, "1 2", true},
			{Query{AnyView: true, Client: netip.MustParsePrefix("10.0.0.7/32")}, "1 2", false},
			{Query{AnyView: true, Client: netip.MustParsePrefix("2001:db8::/32")}, "6", true},
			{Query{AnyView: true, MessageID: "2@x"}, "4 5", false},
			{Query{AnyView: true, MessageID: "<2@x>"}, "4 5", false},
			{Query{AnyView: true, UIDL: "u1"}, "2", false},
			{Query{AnyView: true, UID: 12}, "4 5", false},
			{Query{AnyView: true, UID: 1}, "", false},
			{Query{AnyView: true, Session: "s2"}, "3 4 5", false},
			{Query{AnyView: true, Events: []string{"delete", "sign_in"}}, "1 3 5 6", false},
			{Query{AnyView: true, Since: time.Date(2026, 3, 2, 8, 3, 0, 0, time.UTC), Until: time.Date(2026, 3, 2, 8, 5, 0, 0, time.UTC)}, "3 4 5", false},
		} {
			if test.plain && privacy.Key != nil {
				continue
			}
			test.query.Privacy = privacy
			var got []string
			unread, err := test.query.Search(t.Context(), files, func(h Hit) error {
				got = append(got, fmt.Sprint(h.Seq))
				return nil
			})
			if err != nil || unread != 0 || strings.Join(got, " ") != test.want {
				t.Errorf("%s: %+v: %v (%d unread), %v; want %s", name, test.query, got, unread, err, test.want)
			}
		}
	}
}

// TestSearchGoesOn over what it cannot read, and ends with its context.
func TestSearchGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	text := `{"event":"top","session":"s"}` + "\nnonsense\n\n" + strings.Repeat("x", 3*longestLine) + "\n" + `{"event":"top","session":"s"}` + "\n" + `{"ev`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	q, found := Query{AnyView: true}, 0
	unread, err := q.Search(t.Context(), []string{path}, func(Hit) error { found++; return nil })
	if err != nil || found != 2 || unread < 3 {
		t.Errorf("found %d, %d unread, %v", found, unread, err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("{}\n"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Search(ctx, []string{path}, func(Hit) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestTally(t *testing.T) {
	for by, want := range map[string]string{
		"user": "Alice:1/0/1/0/50/1 alice:1/0/1/1/100/0 bob:0/1/0/0/0/0", "client": ":1/0/1/1/100/0 :1/0/1/0/50/1 :0/1/0/0/0/0",
	} {
		var tally Tally
		q := Query{AnyView: true}
		if _, err := q.Search(t.Context(), searched(t, Privacy{}), func(h Hit) error {
			tally.Add(&h.Fields, by == "user", by == "client")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range tally.Sums() {
			got = append(got, fmt.Sprintf("%s:%d/%d/%d/%d/%d/%d", s.User, s.Sessions, s.Refused, s.Retrieved, s.Complete, s.Octets, s.Deleted))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("by %s: %v; want %s", by, got, want)
		}
	}
}

// TestEveryEventIsTold in more words than its kind.
func TestEveryEventIsTold(t *testing.T) {
	var silent []string
	for _, e := range everyEvent() {
		plausible(reflect.ValueOf(e).Elem())
		line := (&Encoder{}).Append(nil, e)
		q := Query{AnyView: true}
		if _, err := q.Fits(line, func(h Hit) error {
			if text := h.Tell(); text == "" || text == string(e.Kind()) {
				silent = append(silent, string(e.Kind()))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(silent)
	if len(silent) > 0 {
		t.Errorf("nothing is told of %v", silent)
	}
}

// FuzzSearch: whatever is in a file, the search reads it, and what it finds is
// a line of it.
func FuzzSearch(f *testing.F) {
	s := grow()
	f.Add([]byte(strings.Join(s.files[0], "\n")), "alice", "u")
	f.Add([]byte(`{"event":"tls","tls":"TLS 1.3","limit":{"a":[1]},"n":1e99}`+"\n\n\x00"), "", "")
	f.Fuzz(func(t *testing.T, data []byte, user, uidl string) {
		q := Query{AnyView: true, User: user, UIDL: uidl}
		m := q.matcher()
		err := readLines(bytes.NewReader(data), func(line []byte, _ bool) error {
			_, err := m.give(line, func(h Hit) error {
				if !bytes.Contains(data, h.Line) || uidl != "" && h.UIDL != uidl || user != "" && !strings.EqualFold(h.account(), user) {
					t.Errorf("found %q", h.Line)
				}
				_ = h.Tell()
				return nil
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
