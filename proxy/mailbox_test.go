package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// huge is more than what is read in vain to keep a connection.
var huge = strings.Repeat(strings.Repeat("x", 998)+"\r\n", 20*closeLimit/1000)

func TestRead(t *testing.T) {
	f := newFake(t, "Subject: 1\r\n\r\none\r\n", "two\r\n")
	m := f.open(t)
	list := m.listed(t)
	if got, err := m.text(t.Context(), list[0].ID); got != "Subject: 1\r\n\r\none\r\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	body, err := m.Open(t.Context(), list[1].ID, upstream.Part{Lines: 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := body.Read(make([]byte, 1)); upstream.KindOf(err) != upstream.Unavailable || errors.Is(err, io.EOF) {
		t.Errorf("a closed reader reads %v", err)
	}
	if said := f.commands(); !reflect.DeepEqual(said[5:], []string{"RETR 1", "TOP 2 7"}) {
		t.Errorf("said %q", said)
	}
	for _, id := range []upstream.ID{{UID: 3}, {Folder: 1, UID: 1}, {}} {
		if _, err := m.Open(t.Context(), id, upstream.Whole); upstream.KindOf(err) != upstream.Gone {
			t.Errorf("%v: %v", id, err)
		}
	}
}

func TestServersWithoutTop(t *testing.T) {
	for _, test := range []struct {
		caps string
		want []string
	}{
		{"USER UIDL", []string{"RETR 1", "RETR 1"}},
		{"", []string{"TOP 1 0", "RETR 1", "RETR 1"}}, // tried once
	} {
		f := newFake(t, "one\r\n")
		f.announces(test.caps)
		f.does(refuse("TOP", "unknown command"))
		m := f.open(t)
		id := m.listed(t)[0].ID
		for range 2 {
			body, err := m.Open(t.Context(), id, upstream.Part{})
			if err != nil {
				t.Fatal(err)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
		said := f.commands()
		if at := slices.Index(said, "UIDL"); !reflect.DeepEqual(said[at+1:], test.want) {
			t.Errorf("caps %q: said %q", test.caps, said)
		}
	}
	f := newFake(t, "one\r\n")
	f.does(refuse("TOP", "no such message"))
	m := f.open(t)
	if _, err := m.Open(t.Context(), m.listed(t)[0].ID, upstream.Part{}); upstream.KindOf(err) != upstream.Gone {
		t.Errorf("TOP is announced, and refused: %v", err)
	}
}

// A message that was cut is an error, never a shorter message.
func TestBodyCut(t *testing.T) {
	for _, cut := range []string{"+OK\r\n", "+OK\r\nhalf", "+OK\r\nhalf\r\n", "+OK\r\nhalf\r\n.", "+OK\r\nhalf\r\n.\r"} {
		f := newFake(t, "whole\r\n", "other\r\n")
		f.does(func(session int, command string) string {
			if session == 1 && command == "RETR 1" {
				return cut + hangUp
			}
			return ""
		})
		m := f.open(t)
		list := m.listed(t)
		if got, err := m.text(t.Context(), list[0].ID); upstream.KindOf(err) != upstream.Unavailable || errors.Is(err, io.EOF) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: read %q, %v", cut, got, err)
		}
		if got, err := m.text(t.Context(), list[1].ID); got != "other\r\n" || err != nil {
			t.Errorf("in a new session: %q, %v", got, err)
		}
	}
}

// An unstuffed dot at the very first octet looks like the end, and what follows
// like answers.
func TestBodyThatSeemsEmpty(t *testing.T) {
	for _, text := range []string{".\r\n+OK\r\nevil\r\n", ".\r\n", ".x\r\n"} {
		f := newFake(t, text, "second\r\n", "third\r\n")
		m := f.open(t)
		list := m.listed(t)
		m.Expect(list)
		for i, want := range []string{text, "second\r\n", "third\r\n"} {
			if got, err := m.text(t.Context(), list[i].ID); got != want || err != nil {
				t.Errorf("%q: message %d is %q, %v", text, i+1, got, err)
			}
		}
	}
}

// Early ends keep the connection if little is left, and otherwise a new
// session goes on with the same messages under their new numbers.
func TestCloseEarly(t *testing.T) {
	f := newFake(t, "first\r\n", huge, "third\r\n", "fourth\r\n", "fifth\r\n")
	m := f.open(t)
	list := m.listed(t)
	abandon(t, m, list[0].ID)
	if f.count() != 1 {
		t.Fatal("a new session for a few octets")
	}
	abandon(t, m, list[1].ID)
	f.change(func() {
		f.messages = f.messages[2:]                                               // 1 and 2 go, the others are renumbered
		f.messages[1] = &fakeMessage{f.messages[1].uidl, "now it is another\r\n"} // 4
	})
	for i, want := range map[int]string{2: "third\r\n", 4: "fifth\r\n"} {
		if got, err := m.text(t.Context(), list[i].ID); got != want || err != nil {
			t.Errorf("message %d: %q, %v", i+1, got, err)
		}
	}
	for i, want := range map[int]upstream.Kind{0: upstream.Gone, 1: upstream.Gone, 3: upstream.Unavailable} {
		if got, err := m.text(t.Context(), list[i].ID); upstream.KindOf(err) != want || err == nil {
			t.Errorf("message %d: %q, %v", i+1, got, err)
		}
	}
	if again := m.listed(t); !reflect.DeepEqual(again, list) {
		t.Errorf("the listing has become %v", again)
	}
	results := m.Apply(t.Context(), expunge(1, 3, 4))
	if results[0].Err != nil || results[1].Err != nil || results[2].Err == nil {
		t.Errorf("results %v", results)
	}
	if left := f.left(); !reflect.DeepEqual(left, []string{"uidl-4", "uidl-5"}) {
		t.Errorf("left %v", left)
	}
}

// abandon opens a message and reads only a little.
func abandon(t *testing.T, m *Mailbox, id upstream.ID) {
	t.Helper()
	body, err := m.Open(t.Context(), id, upstream.Whole)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(body, make([]byte, 3)); err != nil {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}

// Without UIDLs a new session could prove nothing, so all of it is read.
func TestCloseEarlyWithoutUIDL(t *testing.T) {
	f := newFake(t, huge, "second\r\n")
	f.announces("USER")
	f.does(refuse("UIDL", "what?"))
	m := f.open(t)
	list := m.listed(t)
	abandon(t, m, list[0].ID)
	if got, err := m.text(t.Context(), list[1].ID); got != "second\r\n" || err != nil || f.count() != 1 {
		t.Errorf("%q, %v in session %d", got, err, f.count())
	}
	_ = m.line.Close() // the server hangs up
	if got, err := m.text(t.Context(), list[1].ID); !errors.Is(err, errUnproven) {
		t.Errorf("%q, %v", got, err)
	}
	if results := m.Apply(t.Context(), expunge(2)); !errors.Is(results[0].Err, errUnproven) || len(f.left()) != 2 {
		t.Errorf("%v, left %v", results, f.left())
	}
}

// faulty are all commands of a visit.
var faulty = []string{"greeting", "CAPA", "USER", "PASS", "STAT", "LIST", "UIDL", "RETR", "RETR 1", "RETR 2", "RETR 3", "TOP", "DELE", "DELE 1", "DELE 2", "QUIT"}

// Whatever command the server hangs up at, once or always: nothing is lost,
// nothing is said to be done that is not, and no message is another.
func TestDropAtEveryCommand(t *testing.T) {
	for _, at := range faulty {
		for _, always := range []bool{false, true} {
			for _, ahead := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s always %v ahead %v", at, always, ahead), func(t *testing.T) {
					visit(t, ahead, func(session int, command string) string {
						if strings.HasPrefix(command, at) && (always || session == 1) {
							return hangUp
						}
						return ""
					})
				})
			}
		}
	}
}

func TestRefusalOfEveryCommand(t *testing.T) {
	for _, at := range faulty {
		for _, text := range []string{"", "no such message", "[SYS/TEMP] later"} {
			for _, ahead := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s ahead %v", at, text, ahead), func(t *testing.T) { visit(t, ahead, refuse(at, text)) })
			}
		}
	}
}

// TestMalformedAnswers: nothing that a server may say instead of an answer makes
// one message another, or a removal of nothing.
func TestMalformedAnswers(t *testing.T) {
	for _, at := range faulty {
		for _, answer := range []string{
			"\r\n", "+OKAY\r\n", "OK\r\n", "+ok\r\n", "+OK\n", "+OK\r\n+OK\r\n", "-ERR\n", ".\r\n", "+OK\r\n.\r\n.\r\n",
			"+OK 99 99\r\n1 5\r\n.\r\n", "+OK\r\n1\r\n2\r\n3\r\n.\r\n", "+OK\r\n1 1\r\n1 1\r\n.\r\n",
		} {
			t.Run(fmt.Sprintf("%s %q", at, answer), func(t *testing.T) {
				visit(t, true, func(session int, command string) string {
					if session == 1 && strings.HasPrefix(command, at) {
						return answer + hangUp
					}
					return ""
				})
			})
		}
	}
}

// visit is a session that counts, lists, reads two messages and deletes them, as
// far as the server lets it.
func visit(t *testing.T, ahead bool, instead func(int, string) string) {
	f := newFake(t, "one\r\n", "two\r\n", "three\r\n")
	f.stat = "+OK 3 17\r\n"
	f.does(instead)
	u := f.upstream(t)
	u.options.Neutral = &ahead
	mailbox, err := u.Open(t.Context(), alice)
	if err != nil {
		intact(t, f)
		return
	}
	m := mailbox.(*Mailbox)
	defer func() { _ = m.Close() }()
	_, _, _, _ = m.Count(t.Context())
	list, err := m.Messages(t.Context())
	if err != nil {
		_ = m.Close()
		intact(t, f)
		return
	}
	m.Expect(list)
	for i, want := range []string{"one\r\n", "two\r\n", "three\r\n"}[:len(list)] {
		got, err := m.text(t.Context(), list[i].ID)
		if forged := f.forged(fmt.Sprintf("RETR %d", list[i].ID.UID)); err == nil && got != want && !forged {
			t.Errorf("message %d is %q", i+1, got)
		}
		if body, err := m.Open(t.Context(), list[i].ID, upstream.Part{}); err == nil {
			_ = body.Close()
		}
	}
	done(t, f, m.Apply(t.Context(), expunge(1, 2)))
}

// forged tells whether the first session gives a text of its own to that command.
func (f *fake) forged(command string) bool {
	var instead func(int, string) string
	f.change(func() { instead = f.instead })
	text, _, _ := strings.Cut(instead(1, command), hangUp)
	return strings.HasPrefix(text, "+OK") && strings.Contains(text, "\n.")
}

func intact(t *testing.T, f *fake) {
	t.Helper()
	if left := f.left(); len(left) != 3 {
		t.Errorf("only %v are left", left)
	}
}

// done compares what is said to be done with what is.
func done(t *testing.T, f *fake, results []upstream.Result) {
	t.Helper()
	left := f.left()
	if !slices.Contains(left, "uidl-3") {
		t.Error("a message was deleted that nobody deleted")
	}
	for i, r := range results {
		there := slices.Contains(left, fmt.Sprint("uidl-", i+1))
		gone := f.instead != nil && (strings.Contains(f.instead(1, fmt.Sprint("DELE ", i+1)), "no such") ||
			strings.HasPrefix(f.instead(1, "QUIT"), "+OK")) // then the server says so
		if r.Err == nil && there && !gone {
			t.Errorf("message %d is said to be deleted and is there", i+1)
		}
		if r.Err != nil && !there {
			t.Errorf("message %d is not there, which is said to have failed: %v", i+1, r.Err)
		}
	}
}

func TestApply(t *testing.T) {
	f := newFake(t, "one\r\n", "two\r\n", "three\r\n")
	m := f.open(t)
	list := m.listed(t)
	results := m.Apply(t.Context(), []upstream.Change{
		{ID: list[0].ID, Do: upstream.MarkSeen},
		{ID: list[0].ID, Do: upstream.Expunge},
		{ID: list[1].ID, Do: upstream.Move, Target: "Trash"},
		{ID: list[1].ID, Do: upstream.Flag, Target: "x"},
		{ID: list[0].ID, Do: upstream.Expunge},
		{ID: upstream.ID{UID: 99}, Do: upstream.Expunge},
	})
	for i, want := range []bool{true, true, false, false, true, false} {
		if (results[i].Err == nil) != want {
			t.Errorf("result %d: %v", i, results[i].Err)
		}
	}
	if results[2].Err == nil || !strings.Contains(results[2].Err.Error(), "move") || upstream.KindOf(results[2].Err) != upstream.Denied {
		t.Errorf("move: %v", results[2].Err)
	}
	if said := f.commands(); !reflect.DeepEqual(said[5:], []string{"DELE 1", "QUIT"}) {
		t.Errorf("said %q", said)
	}
	if left := f.left(); !reflect.DeepEqual(left, []string{"uidl-2", "uidl-3"}) {
		t.Errorf("left %v", left)
	}
	if _, err := m.Open(t.Context(), list[1].ID, upstream.Whole); err == nil {
		t.Error("a message opens after Apply")
	}
}

func TestQuitFails(t *testing.T) {
	f := newFake(t, "one\r\n", "two\r\n")
	f.does(refuse("QUIT", "some deleted messages not removed"))
	m := f.open(t)
	list := m.listed(t)
	results := m.Apply(t.Context(), []upstream.Change{{ID: list[0].ID, Do: upstream.Expunge}, {ID: list[1].ID, Do: upstream.MarkSeen}})
	for i, r := range results {
		if r.Err == nil {
			t.Errorf("result %d is a success", i)
		}
	}
}

func TestQuitIsOnlySaidByApply(t *testing.T) {
	f := newFake(t, "one\r\n")
	m := f.open(t)
	if _, err := m.text(t.Context(), m.listed(t)[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if said := f.commands(); slices.Contains(said, "QUIT") {
		t.Errorf("said %q", said)
	}
	if results := f.open(t).Apply(t.Context(), nil); len(results) != 0 {
		t.Errorf("results %v", results)
	}
	if said := f.commands(); said[len(said)-1] != "QUIT" {
		t.Errorf("said %q", said)
	}
	// A session that is lost is not worth another just to say QUIT.
	m = f.open(t)
	_ = m.line.Close()
	m.Apply(t.Context(), nil)
	if f.count() != 3 {
		t.Errorf("%d sessions", f.count())
	}
}

// The server may not have seen yet that the old connection is ours no more.
func TestSigningInAnewWaitsForTheLock(t *testing.T) {
	f := newFake(t, "one\r\n")
	f.does(func(session int, command string) string {
		if session > 1 && session < 4 && strings.HasPrefix(command, "PASS") {
			return "-ERR [IN-USE] still\r\n"
		}
		return ""
	})
	m := f.open(t)
	list := m.listed(t)
	_ = m.line.Close()
	if got, err := m.text(t.Context(), list[0].ID); got != "one\r\n" || err != nil || f.count() != 4 {
		t.Errorf("%q, %v in session %d", got, err, f.count())
	}
	f.does(func(_ int, command string) string {
		if strings.HasPrefix(command, "PASS") {
			return "-ERR [IN-USE] for ever\r\n"
		}
		return ""
	})
	_ = m.line.Close()
	if _, err := m.text(t.Context(), list[0].ID); upstream.KindOf(err) != upstream.InUse {
		t.Errorf("%v", err)
	}
}

func TestCancelled(t *testing.T) {
	f := newFake(t, "one\r\n")
	m := f.open(t)
	id := m.listed(t)[0].ID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Open(ctx, id, upstream.Whole); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if results := m.Apply(ctx, expunge(1)); results[0].Err == nil || len(f.left()) != 1 {
		t.Errorf("%v, left %v", results, f.left())
	}
}
