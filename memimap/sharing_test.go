package memimap

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Numbers change only when the session is told, and the news comes in order.
func TestNews(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 3)
	w := signIn(t, address)
	box.Append([]byte("new"), nil, time.Time{})
	box.Remove(2)
	box.SetFlags(3, `\Seen`)
	// FETCH by number must not be told of an EXPUNGE (RFC 3501 section 7.4.1),
	// and the numbers are still the old ones.
	w.expect("FETCH 1:* UID", "* 1 FETCH (UID 1)", "* 3 FETCH (UID 3)", "* 4 EXISTS", "OK")
	w.expect("UID FETCH 2 UID", "* 2 EXPUNGE", `* 2 FETCH (FLAGS (\Seen))`, "OK")
	w.expect("UID FETCH 1:* UID", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)", "* 3 FETCH (UID 4)", "OK")
}

// A message that the session has not been told of cannot be acted on.
func TestUnannounced(t *testing.T) {
	box, address := withAlice(t)
	w := signIn(t, address)
	box.Append([]byte("new"), []string{`\Deleted`}, time.Time{})
	w.expect("UID EXPUNGE 1", "* 1 EXISTS", "OK")
	w.expect("UID EXPUNGE 1", "* 1 EXPUNGE", "OK")
}

func TestTwoSessions(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 3)
	a, b := signIn(t, address), signIn(t, address)
	a.ok(`UID STORE 2 +FLAGS.SILENT (\Deleted)`)
	a.expect("UID EXPUNGE 2", "* 2 EXPUNGE", "OK")
	b.expect("UID FETCH 2 BODY.PEEK[]", `* 2 FETCH (FLAGS (\Deleted))`, "* 2 EXPUNGE", "OK")
	b.expect("UID FETCH 3 UID", "* 2 FETCH (UID 3)", "OK")
	b.ok("UID MOVE 1 Trash")
	a.expect("NOOP", "* 1 EXPUNGE", "OK")
}

func TestIdle(t *testing.T) {
	box, address := withAlice(t)
	w := signIn(t, address)
	tag := w.send("IDLE")
	if r := w.response(); !strings.HasPrefix(r.text, "+") {
		t.Fatalf("IDLE: %q", r.text)
	}
	// IDLE begins to listen some time after its answer, so mail comes in until
	// the first news of it.
	told := make(chan struct{})
	var postman sync.WaitGroup
	postman.Go(func() {
		for {
			select {
			case <-told:
				return
			default:
				box.Append([]byte("x"), nil, time.Time{})
				runtime.Gosched()
			}
		}
	})
	r := w.response()
	close(told)
	postman.Wait()
	if !strings.HasSuffix(r.text, " EXISTS") {
		t.Errorf("IDLE: %q", r.text)
	}
	fmt.Fprint(w.conn, "DONE\r\n")
	for !strings.HasPrefix(r.text, tag+" OK") {
		r = w.response()
	}
}

// A new UIDVALIDITY: the old session's UIDs mean nothing any more.
func TestRenumber(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 3)
	box.Remove(1)
	w := signIn(t, address)
	before := box.UIDValidity()
	box.Renumber()
	if box.UIDValidity() == before {
		t.Error("UIDVALIDITY is the old one")
	}
	w.expect("UID FETCH 1:* BODY.PEEK[]", "* 2 EXPUNGE", "* 1 EXPUNGE", "OK")
	w.expect(`UID STORE 1:* +FLAGS (\Deleted)`, "OK")
	box.Append([]byte("after"), nil, time.Time{})
	box.SetFlags(1, `\Seen`)
	w.expect("NOOP", "OK")
	w.ok("SELECT INBOX")
	w.expect("UID FETCH 1:* FLAGS", `* 1 FETCH (UID 1 FLAGS (\Seen))`, "* 2 FETCH (UID 2 FLAGS ())", "* 3 FETCH (UID 3 FLAGS ())", "OK")
	sameOctets(t, "first", string(box.Messages()[0].Raw), "X-N: 2\r\n\r\n2\r\n")
}

func TestNoSuchMessage(t *testing.T) {
	box, _ := withAlice(t)
	if box.Remove(1) || box.SetFlags(1, `\Seen`) {
		t.Error("changed a message that is not there")
	}
}

// A client that does not read its message holds up nobody.
func TestStalledReader(t *testing.T) {
	box, address := withAlice(t)
	box.Append(bytes.Repeat([]byte("0123456789abcde\n"), 4<<20), nil, time.Time{}) // more than sockets buffer
	stalled, other := signIn(t, address), signIn(t, address)
	stalled.send("UID FETCH 1 BODY[]")
	if _, err := stalled.in.ReadByte(); err != nil {
		t.Fatal(err)
	}
	fill(box, 1)
	other.ok(`UID STORE 1 +FLAGS (\Flagged)`)
	other.ok("UID MOVE 1 Trash")
	sameOctets(t, "second", other.literal("UID FETCH 2 BODY[]"), "X-N: 1\r\n\r\n1\r\n")
}

// Many clients at once deliver, read, flag, move and expunge; whatever a fetch
// gives is the message that its UID stands for.
func TestConcurrency(t *testing.T) {
	box, address := withAlice(t)
	for range 20 {
		deliver(box)
	}
	var clients sync.WaitGroup
	for n := range 6 {
		clients.Go(func() {
			if err := bustle(address, n); err != nil {
				t.Errorf("client %d: %v", n, err)
			}
		})
	}
	clients.Go(func() {
		for range 100 {
			deliver(box)
			box.SetFlags(uint32(len(box.Messages())), "$Seen-By-All")
			box.Remove(box.Messages()[0].UID)
		}
	})
	clients.Wait()
	for _, m := range box.Messages() {
		if want := body(imap.UID(m.UID)); string(m.Raw) != want {
			t.Errorf("UID %d is %q", m.UID, m.Raw)
		}
	}
}

// deliver adds a message that holds its own UID. Only one goroutine may.
func deliver(box *Mailbox) {
	box.user.mu.Lock()
	next := box.next
	box.user.mu.Unlock()
	box.Append([]byte(body(next)), nil, time.Time{})
}

func body(uid imap.UID) string { return fmt.Sprintf("X-UID: %d\r\n\r\n", uid) }

func bustle(address string, n int) error {
	c, err := imapclient.DialInsecure(address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login("alice", "secret").Wait(); err != nil {
		return err
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		return err
	}
	for i := range 20 {
		if err := readAll(c); err != nil {
			return err
		}
		uids := imap.UIDSetNum(imap.UID(n*20 + i + 1))
		if err := c.Store(uids, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
			return err
		}
		if n%2 == 0 {
			_, err = c.Move(uids, "Trash").Wait()
		} else {
			err = c.UIDExpunge(uids).Close()
		}
		if err != nil {
			return err
		}
	}
	return c.Logout().Wait()
}

func readAll(c *imapclient.Client) error {
	section := &imap.FetchItemBodySection{Peek: true}
	messages, err := c.Fetch(imap.UIDSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	for _, m := range messages {
		if got := m.FindBodySection(section); got != nil && string(got) != body(m.UID) {
			return fmt.Errorf("UID %d is %q", m.UID, got)
		}
	}
	return err
}
