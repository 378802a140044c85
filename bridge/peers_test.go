package bridge

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// relayed is a Dovecot with n messages of size octets, and a relay before it
// that does harm when told.
func relayed(t *testing.T, n, size int, options ...peertest.Option) (*peertest.DovecotServer, *peertest.Relay, *mailbox, []upstream.Message) {
	t.Helper()
	d := peertest.Dovecot(t, options...)
	for i := range n {
		d.Deliver("alice", "INBOX", peertest.Text(i, size))
	}
	r := peertest.NewRelay(t, d.IMAPAddr())
	o := Options{Addresses: []string{r.Addr()}, Security: Plain, ReplyTimeout: 10 * time.Second, ListTimeout: 10 * time.Second}
	m, err := open(t, o).Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	messages, err := m.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d, r, m.(*mailbox), messages
}

func TestDovecotCutMidway(t *testing.T) {
	const size = 4 << 20
	_, r, m, messages := relayed(t, 1, size)
	cut := r.Break(peertest.Fault{Dir: peertest.ToClient, After: size / 2, Do: peertest.Cut})
	got, err := read(t, m, messages[0].ID.UID, upstream.Whole)
	<-cut
	if err != nil || got != string(peertest.Text(0, size)) {
		t.Errorf("%d octets of %d, %v", len(got), size, err)
	}
	// A second cut in one message is too much.
	cut = r.Break(peertest.Fault{Dir: peertest.ToClient, After: size / 2, Do: peertest.Cut})
	body, err := m.Open(t.Context(), messages[0].ID, upstream.Whole)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	before, _ := io.CopyN(io.Discard, body, size/2+1<<20) // it has been resumed by now
	<-cut
	cut = r.Break(peertest.Fault{Dir: peertest.ToClient, After: 1, Do: peertest.Cut})
	after, err := io.Copy(io.Discard, body)
	<-cut
	kindIs(t, err, upstream.Unavailable, "")
	if before+after >= size {
		t.Errorf("%d octets of %d, and an error", before+after, size)
	}
}

func TestDovecotStalls(t *testing.T) {
	const size = 1 << 20
	_, r, m, messages := relayed(t, 1, size)
	m.u.o.ReplyTimeout = 300 * time.Millisecond
	stalled := r.Break(peertest.Fault{Dir: peertest.ToClient, After: size / 2, Do: peertest.Stall})
	got, err := read(t, m, messages[0].ID.UID, upstream.Whole)
	<-stalled
	if err != nil || got != string(peertest.Text(0, size)) { // silence is as good as a cut
		t.Errorf("%d octets of %d, %v", len(got), size, err)
	}
}

// TestDovecotKicked: an administrator ends the connection between two commands.
func TestDovecotKicked(t *testing.T) {
	d, _, m, messages := relayed(t, 2, 1000)
	d.Kick("alice")
	for i, message := range messages {
		if got, err := read(t, m, message.ID.UID, upstream.Whole); err != nil || got != string(peertest.Text(i, 1000)) {
			t.Errorf("%d octets, %v", len(got), err)
		}
	}
	d.Kick("alice")
	if r := m.Apply(t.Context(), []upstream.Change{{ID: messages[0].ID, Do: upstream.Expunge}}); r[0].Err != nil {
		t.Error(r[0].Err)
	}
	if left := d.Messages("alice", "INBOX"); len(left) != 1 || left[0].UID != messages[1].ID.UID {
		t.Errorf("%d messages left", len(left))
	}
}

// TestDovecotDies: nothing that is not done is said to be done.
func TestDovecotDies(t *testing.T) {
	d, _, m, messages := relayed(t, 2, 1000)
	d.Stop()
	_, err := read(t, m, messages[0].ID.UID, upstream.Whole)
	kindIs(t, err, upstream.Unavailable, "")
	r := m.Apply(t.Context(), []upstream.Change{{ID: messages[0].ID, Do: upstream.Expunge}, {ID: messages[1].ID, Do: upstream.MarkSeen}})
	for i := range r {
		kindIs(t, r[i].Err, upstream.Unavailable, "")
	}
}

// TestDovecotApplyCut cuts the connection behind each command of an update,
// before or after Dovecot has heard it.
func TestDovecotApplyCut(t *testing.T) {
	for _, do := range []peertest.Action{peertest.Cut, peertest.CutAnswer} {
		for _, at := range []string{"UID STORE", "UID EXPUNGE", "UID SEARCH", "UID MOVE"} {
			d, r, m, messages := relayed(t, 3, 1000)
			cut := r.Break(peertest.Fault{Dir: peertest.ToServer, Seen: at, Do: do})
			changes := []upstream.Change{{ID: messages[0].ID, Do: upstream.Expunge}, {ID: messages[1].ID, Do: upstream.Move, Target: "Archive"}}
			for i, result := range m.Apply(t.Context(), changes) {
				if result.Err != nil {
					t.Errorf("%v %s: %v: %v", do, at, changes[i].Do, result.Err)
				}
			}
			<-cut
			if left := d.Messages("alice", "INBOX"); len(left) != 1 || left[0].UID != messages[2].ID.UID {
				t.Errorf("%v %s: %d messages left", do, at, len(left))
			}
			most := 1
			if at == "UID MOVE" && do == peertest.CutAnswer {
				most = 2 // Dovecot may still be at the first when the second comes
			}
			if archived := d.Messages("alice", "Archive"); len(archived) < 1 || len(archived) > most {
				t.Errorf("%v %s: %d messages archived", do, at, len(archived))
			}
		}
	}
}

// TestDovecotMaster: an authorization identity opens another's mailbox.
func TestDovecotMaster(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithMaster("admin", "geheim"))
	d.Deliver("alice", "INBOX", peertest.Text(0, 1000))
	u := open(t, dovecotOptions(t, d, ImplicitTLS))
	m, err := u.Open(t.Context(), upstream.Login{User: "admin", Identity: "alice", Secret: secret.New("geheim")})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if messages, err := m.Messages(t.Context()); err != nil || len(messages) != 1 {
		t.Errorf("%v, %v", messages, err)
	}
	_, err = u.Open(t.Context(), upstream.Login{User: "alice", Identity: "bob", Secret: secret.New("secret")})
	kindIs(t, err, upstream.Rejected, "")
}

// TestDovecotFolderNames: names are data, in every script.
func TestDovecotFolderNames(t *testing.T) {
	d := peertest.Dovecot(t)
	u := open(t, dovecotOptions(t, d, StartTLS))
	for _, name := range []string{"Entwürfe & Ähnliches", `quo"te`, "two words", "a%b*", "จดหมาย", "&amp;"} {
		login := alice
		login.Folders = []string{name}
		_, err := u.Open(t.Context(), login)
		kindIs(t, err, upstream.Denied, "doesn't exist")
		d.Doveadm("mailbox", "create", "-u", "alice", name)
		m, err := u.Open(t.Context(), login)
		if err != nil {
			t.Error(err)
			continue
		}
		if folders := m.Folders(); folders[0].Name != name {
			t.Errorf("%q became %+v", name, folders)
		}
		m.Close()
	}
}

// TestLargeMessage: the size of a message does not show in memory, whether its
// reader is fast or slow.
func TestLargeMessage(t *testing.T) {
	const size = 64 << 20
	d := peertest.Dovecot(t)
	path, octets := d.GenerateFile(size)
	d.DeliverFile("alice", "INBOX", path)
	for _, security := range []Security{Plain, ImplicitTLS} {
		m, err := open(t, dovecotOptions(t, d, security)).Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := m.Messages(t.Context())
		if err != nil || messages[0].Size != octets {
			t.Fatalf("%v, %v", messages, err)
		}
		body, err := m.Open(t.Context(), messages[0].ID, upstream.Whole)
		if err != nil {
			t.Fatal(err)
		}
		watch := &watcher{Hash: sha256.New(), before: heap()}
		n, err := io.CopyBuffer(struct{ io.Writer }{watch}, body, make([]byte, 32<<10))
		body.Close()
		m.Close()
		if err != nil || n != octets {
			t.Errorf("%d octets of %d, %v", n, octets, err)
		}
		if got, want := fmt.Sprintf("%x", watch.Sum(nil)), fileSum(t, path); got != want {
			t.Errorf("SHA-256 is %s, want %s", got, want)
		}
		if watch.most > 8<<20 {
			t.Errorf("%v: the heap grew by %d KiB", security, watch.most>>10)
		}
	}
}

// watcher hashes, and looks at the heap now and then.
type watcher struct {
	hash.Hash
	before, most, seen int
}

func (w *watcher) Write(p []byte) (int, error) {
	if w.seen += len(p); w.seen > 4<<20 {
		w.seen = 0
		w.most = max(w.most, heap()-w.before)
	}
	return w.Hash.Write(p)
}

func heap() int {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestIdleSession: what a session costs that does nothing.
func TestIdleSession(t *testing.T) {
	const n = 50
	d := peertest.Dovecot(t)
	d.Deliver("alice", "INBOX", peertest.Text(0, 1000))
	u := open(t, dovecotOptions(t, d, Plain))
	u.pool.most = n
	settled := func() (goroutines, octets int) {
		runtime.GC()
		return runtime.NumGoroutine(), heap()
	}
	goroutines, octets := settled()
	for range n {
		m, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if _, err := m.Messages(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	after, grown := settled()
	if per := float64(after-goroutines) / n; per > 1.2 {
		t.Errorf("%.1f goroutines a session", per)
	}
	if per := (grown - octets) / n; per > 24<<10 {
		t.Errorf("%d octets of heap a session", per)
	} else {
		t.Logf("%d octets of heap a session", per)
	}
}

// BenchmarkRetrieve reads a message of 25 MiB over Dovecot.
func BenchmarkRetrieve(b *testing.B) {
	d := peertest.Dovecot(b)
	path, octets := d.GenerateFile(25 << 20)
	d.DeliverFile("alice", "INBOX", path)
	for _, security := range []Security{Plain, ImplicitTLS} {
		b.Run(strings.ReplaceAll(security.String(), " ", "-"), func(b *testing.B) {
			m, err := open(b, dovecotOptions(b, d, security)).Open(b.Context(), alice)
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			messages, err := m.Messages(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(octets)
			b.ReportAllocs()
			buf := make([]byte, 32<<10)
			for b.Loop() {
				body, err := m.Open(b.Context(), messages[0].ID, upstream.Whole)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = body.Read(buf)
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				body.Close()
			}
		})
	}
}
