package bridge

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/mailboxtest"
)

// TestMemory puts the bridge through the suite over servers that can do more
// and less.
func TestMemory(t *testing.T) {
	for name, lacks := range map[string][]string{
		"everything": nil,
		"no UIDPLUS": {"UIDPLUS"},
		"no MOVE":    {"MOVE", "LITERAL+"},
		"nothing":    {"UIDPLUS", "MOVE", "ESEARCH", "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "LITERAL+"},
	} {
		t.Run(name, func(t *testing.T) {
			mailboxtest.Run(t, func(t *testing.T) mailboxtest.Fixture { return memoryFixture(t, lacks) })
		})
	}
}

// memory starts a server with the user alice.
func memory(t *testing.T, lacks ...string) (*memimap.Server, *memimap.User, Options) {
	t.Helper()
	s := memimap.New()
	s.InsecureAuth, s.Lacks = true, lacks
	user := s.AddUser("alice", secret.New("secret"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, user, Options{Addresses: []string{l.Addr().String()}, Security: Plain}
}

func memoryFixture(t *testing.T, lacks []string) mailboxtest.Fixture {
	s, user, o := memory(t, lacks...)
	inbox := user.Mailbox("INBOX")
	return mailboxtest.Fixture{
		Server:  open(t, o),
		Login:   alice,
		Archive: "Archive", Trash: "Trash",
		Append: func(_ testing.TB, raw []byte, seen bool) {
			var flags []string
			if seen {
				flags = []string{`\Seen`}
			}
			inbox.Append(raw, flags, time.Time{})
		},
		Contents:    func(_ testing.TB, folder string) []mailboxtest.Stored { return stored(user.Mailbox(folder)) },
		Remove:      func(_ testing.TB, i int) { inbox.Remove(inbox.Messages()[i].UID) },
		MarkDeleted: func(_ testing.TB, i int) { inbox.SetFlags(inbox.Messages()[i].UID, `\Deleted`) },
		AddAccount:  func(_ testing.TB, name, password string) { s.AddUser(name, secret.New(password)) },
		Lacks:       unable(lacks),
	}
}

// unable names what the suite must not ask of a server that lacks all that.
func unable(lacks []string) map[mailboxtest.Ability]string {
	if !slices.Contains(lacks, "UIDPLUS") || !slices.Contains(lacks, "MOVE") {
		return nil
	}
	const why = "without UIDPLUS and MOVE, moved mail stays where it was, marked; TestMoveHidden shows that"
	return map[mailboxtest.Ability]string{mailboxtest.Move: why, mailboxtest.Folders: why}
}

func stored(box *memimap.Mailbox) (list []mailboxtest.Stored) {
	for _, m := range box.Messages() {
		s := mailboxtest.Stored{Raw: m.Raw}
		for _, flag := range m.Flags {
			switch {
			case strings.EqualFold(flag, `\Seen`):
				s.Seen = true
			case strings.EqualFold(flag, `\Deleted`):
				s.Deleted = true
			case !strings.HasPrefix(flag, `\`):
				s.Keywords = append(s.Keywords, flag)
			}
		}
		list = append(list, s)
	}
	return list
}

// fixedTime is when test messages arrive.
var fixedTime = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

var alice = upstream.Login{User: "alice", Secret: secret.New("secret"), Session: "test"}

// open makes an Upstream that is closed when the test ends.
func open(t testing.TB, o Options) *Upstream {
	t.Helper()
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}
