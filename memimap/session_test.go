package memimap

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/secret"
)

// fill appends messages that say who they are.
func fill(box *Mailbox, n int) {
	for i := range n {
		box.Append(fmt.Appendf(nil, "X-N: %d\r\n\r\n%d\r\n", i+1, i+1), nil, time.Time{})
	}
}

func TestSignIn(t *testing.T) {
	hostile := []string{
		`quo"te`, `back\slash`, `{5}`, `{5+}`, `%`, `*`, `a b`, ` lead`, `caf` + "\xc3\xa9", `(\Seen)`, `"`, `NIL`,
		strings.Repeat("x", 1000),
	}
	s := New()
	s.InsecureAuth = true
	for _, name := range hostile {
		s.AddUser(name, secret.New(name))
	}
	address := start(t, s)
	for _, name := range hostile {
		t.Run(name[:min(len(name), 9)], func(t *testing.T) {
			login := func(password string, signIn func(c *imapclient.Client, password string) error) error {
				c, err := imapclient.DialInsecure(address, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				return signIn(c, password)
			}
			for way, signIn := range map[string]func(*imapclient.Client, string) error{
				"LOGIN": func(c *imapclient.Client, password string) error { return c.Login(name, password).Wait() },
				"PLAIN": func(c *imapclient.Client, password string) error {
					return c.Authenticate(sasl.NewPlainClient("", name, password))
				},
			} {
				if err := login(name, signIn); err != nil {
					t.Errorf("%s: %v", way, err)
				}
				if err := login(name+"x", signIn); err == nil || !strings.Contains(err.Error(), "AUTHENTICATIONFAILED") {
					t.Errorf("%s with a wrong password: %v", way, err)
				}
			}
		})
	}
}

func TestFolders(t *testing.T) {
	box, address := withAlice(t)
	box.user.Mailbox("Projects/2026")
	w := signIn(t, address)
	w.expect(`LIST "" ""`, `* LIST (\Noselect) "/" ""`, "OK")
	w.expect(`LIST "" *`,
		`* LIST (\Archive) "/" "Archive"`, `* LIST () "/" INBOX`, `* LIST (\Junk) "/" "Junk"`,
		`* LIST () "/" "Projects/2026"`, `* LIST (\Trash) "/" "Trash"`, "OK")
	w.expect(`LIST "" % RETURN (SPECIAL-USE STATUS (MESSAGES))`,
		`* LIST (\Archive) "/" "Archive"`, `* STATUS "Archive" (MESSAGES 0)`, `* LIST () "/" INBOX`, `* STATUS INBOX (MESSAGES 0)`,
		`* LIST (\Junk) "/" "Junk"`, `* STATUS "Junk" (MESSAGES 0)`, `* LIST (\Trash) "/" "Trash"`, `* STATUS "Trash" (MESSAGES 0)`, "OK")
	w.expect(`LIST (SPECIAL-USE) "" *`,
		`* LIST (\Archive) "/" "Archive"`, `* LIST (\Junk) "/" "Junk"`, `* LIST (\Trash) "/" "Trash"`, "OK")
	w.expect(`LSUB "" T*`, `* LSUB (\Trash) "/" "Trash"`, "OK")
	w.expect("CREATE Trash", "NO [ALREADYEXISTS]")
	w.expect("CREATE New/", "OK")
	w.expect("SUBSCRIBE New", "OK")
	w.expect("SUBSCRIBE None", "NO [NONEXISTENT]")
	w.expect("DELETE New", "NO [CANNOT]")
	w.expect("RENAME New Old", "NO [CANNOT]")
	w.expect("UNSUBSCRIBE New", "NO [CANNOT]")
	w.expect("SELECT None", "* OK [CLOSED] Previous mailbox is now closed", "NO [NONEXISTENT]")
	w.expect("STATUS None (MESSAGES)", "NO [NONEXISTENT]")
	w.expect("STATUS New (MESSAGES UIDVALIDITY)", `* STATUS "New" (MESSAGES 0 UIDVALIDITY 6)`, "OK")
}

func TestStatusAndSelect(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 3)
	box.Remove(3)
	box.SetFlags(1, `\Seen`, `\Deleted`, "$Work")
	w := signIn(t, address)
	w.expect("STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE DELETED-STORAGE)",
		"* STATUS INBOX (MESSAGES 2 UIDNEXT 4 UIDVALIDITY 1 UNSEEN 1 DELETED 1 SIZE 26 DELETED-STORAGE 13 RECENT 0)", "OK")
	w.expect("SELECT INBOX",
		"* OK [CLOSED] Previous mailbox is now closed", "* 2 EXISTS", "* 0 RECENT", "* OK [UNSEEN 2] First unseen message",
		"* OK [UIDVALIDITY 1] UIDs valid", "* OK [UIDNEXT 4] Predicted next UID",
		`* FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)`,
		`* OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work \*)] Permanent flags`, "OK [READ-WRITE]")
}

func TestSets(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 6)
	box.Remove(2)
	box.Remove(6) // left: UIDs 1 3 4 5 as 1 2 3 4
	w := signIn(t, address)
	for _, c := range []struct{ command, want string }{
		{"UID FETCH 1:* UID", "1/1 2/3 3/4 4/5"},
		{"UID FETCH * UID", "4/5"},
		{"UID FETCH 99:* UID", "4/5"},
		{"UID FETCH *:4 UID", "3/4 4/5"},
		{"UID FETCH 2,6 UID", ""},
		{"UID FETCH 4,1:2 UID", "1/1 3/4"},
		{"FETCH 2:3 UID", "2/3 3/4"},
		{"FETCH * UID", "4/5"},
		{"FETCH 9 UID", ""},
	} {
		var got []string
		for _, r := range w.ok("%s", c.command) {
			var seq, uid int
			if _, err := fmt.Sscanf(r.text, "* %d FETCH (UID %d)", &seq, &uid); err != nil {
				t.Fatalf("%s: %q", c.command, r.text)
			}
			got = append(got, fmt.Sprintf("%d/%d", seq, uid))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.command, got, c.want)
		}
	}
}

func TestSetsOfEmptyFolder(t *testing.T) {
	_, address := withAlice(t)
	w := signIn(t, address)
	for _, command := range []string{"UID FETCH 1:* FLAGS", "FETCH * FLAGS", "UID STORE 1:* +FLAGS (\\Seen)", "UID EXPUNGE 1:*", "UID COPY * Trash", "UID MOVE 1:* Trash"} {
		w.expect(command, "OK")
	}
	w.expect("UID SEARCH ALL", "* SEARCH", "OK")
	w.expect("UID SEARCH RETURN (ALL COUNT) ALL", `* ESEARCH (TAG "t10") UID COUNT 0`, "OK")
}

func TestStore(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 2)
	w := signIn(t, address)
	w.expect(`UID STORE 1 +FLAGS (\Seen $Work)`, `* 1 FETCH (UID 1 FLAGS (\Seen $Work))`, "OK")
	w.expect(`UID STORE 1 +FLAGS ($WORK)`, `* 1 FETCH (UID 1 FLAGS (\Seen $Work))`, "OK")
	w.expect(`STORE 1 -FLAGS ($work)`, `* 1 FETCH (UID 1 FLAGS (\Seen))`, "OK")
	w.expect(`UID STORE 1:2 FLAGS.SILENT (\Deleted \deleted)`, "OK")
	w.expect(`UID STORE 7 +FLAGS (\Seen)`, "OK")
	if got := messagesOf(box); strings.Count(got, `\Deleted`) != 2 || strings.Contains(got, `\Seen`) {
		t.Errorf("stored: %s", got)
	}
}

// Only what the session asked for goes, and only if it is marked.
func TestExpunge(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 5)
	for _, uid := range []uint32{1, 3, 5} {
		box.SetFlags(uid, `\Deleted`)
	}
	w := signIn(t, address)
	w.expect("UID EXPUNGE 2:3", "* 3 EXPUNGE", "OK")
	w.expect("UID FETCH 1:* UID", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 4)", "* 4 FETCH (UID 5)", "OK")
	w.expect("EXPUNGE", "* 4 EXPUNGE", "* 1 EXPUNGE", "OK")
	w.expect("UID FETCH 1:* UID", "* 1 FETCH (UID 2)", "* 2 FETCH (UID 4)", "OK")
	box.SetFlags(2, `\Deleted`)
	w.expect("CLOSE", "OK")
	if got := len(box.Messages()); got != 1 {
		t.Errorf("%d messages after CLOSE, want 1", got)
	}
}

func TestCopyAndMove(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 4)
	box.SetFlags(3, `\Seen`)
	trash := box.user.Mailbox("Trash")
	fill(trash, 1)
	w := signIn(t, address)
	w.expect("UID MOVE 2:3 Trash", "* OK [COPYUID 2 2:3 2:3] COPY completed", "* 3 EXPUNGE", "* 2 EXPUNGE", "OK")
	w.expect("UID COPY 1,4 Trash", "OK [COPYUID 2 1,4 4:5]")
	w.expect("UID COPY 1 None", "NO [TRYCREATE]")
	w.expect("UID MOVE 1 None", "NO [TRYCREATE]")
	w.expect("UID MOVE 1 INBOX", "* OK [COPYUID 1 1 5] COPY completed", "* 3 EXISTS", "* 1 EXPUNGE", "OK")
	w.expect("UID FETCH 1:* FLAGS", "* 1 FETCH (UID 4 FLAGS ())", "* 2 FETCH (UID 5 FLAGS ())", "OK")
	want := "1 X-N: 1\r\n\r\n1\r\n \n2 X-N: 2\r\n\r\n2\r\n \n3 X-N: 3\r\n\r\n3\r\n \\Seen\n4 X-N: 1\r\n\r\n1\r\n \n5 X-N: 4\r\n\r\n4\r\n \n"
	sameOctets(t, "Trash", messagesOf(trash), want)
}

func TestExamine(t *testing.T) {
	box, address := withAlice(t)
	fill(box, 1)
	box.SetFlags(1, `\Deleted`)
	w := signIn(t, address)
	w.ok("EXAMINE INBOX")
	w.literal("UID FETCH 1 BODY[]")
	w.expect(`UID STORE 1 +FLAGS (\Seen)`, "NO [NOPERM]")
	w.expect("UID MOVE 1 Trash", "NO [NOPERM]")
	w.expect("EXPUNGE", "OK")
	w.expect("CLOSE", "OK")
	sameOctets(t, "INBOX", messagesOf(box), "1 X-N: 1\r\n\r\n1\r\n \\Deleted\n")
}

func TestLacks(t *testing.T) {
	lacks := []string{"UIDPLUS", "MOVE", "ESEARCH", "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "LITERAL+"}
	box, address := withAlice(t, lacks...)
	fill(box, 1)
	w := signIn(t, address)
	offered := " " + w.ok("CAPABILITY")[0].text + " "
	for _, name := range lacks {
		if strings.Contains(offered, " "+name+" ") {
			t.Errorf("%s is offered: %s", name, offered)
		}
	}
	w.expect("UID MOVE 1 Trash", "BAD")
	w.expect("UID EXPUNGE 1", "BAD")
	w.expect("UID SEARCH RETURN (COUNT) ALL", "BAD")
	w.expect("UID COPY 1 Trash", "OK COPY completed")
	w.expect(`LIST "" Trash`, `* LIST () "/" "Trash"`, "OK")
	tag := w.send("APPEND INBOX {3+}\r\nx\r\n")
	if r := w.response().text; r != "* 2 EXISTS" {
		t.Errorf("APPEND: %q", r)
	}
	if r := w.response().text; r != tag+" OK APPEND completed" {
		t.Errorf("APPEND: %q", r)
	}

	_, address = withAlice(t)
	offered = " " + signIn(t, address).ok("CAPABILITY")[0].text + " "
	for _, name := range lacks {
		if !strings.Contains(offered, " "+name+" ") {
			t.Errorf("%s is not offered: %s", name, offered)
		}
	}
}

func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // lends its certificate
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())

	s := New()
	s.AddUser("alice", secret.New("secret"))
	s.TLS = &tls.Config{Certificates: web.TLS.Certificates}
	plain, implicit := start(t, s), serve(t, s, s.ServeTLS)

	w := dial(t, plain)
	w.expect("LOGIN alice secret", "NO [PRIVACYREQUIRED]")
	offered := " " + w.ok("CAPABILITY")[0].text + " "
	if !strings.Contains(offered, " LOGINDISABLED ") || !strings.Contains(offered, " STARTTLS ") {
		t.Errorf("without TLS: %s", offered)
	}
	for _, c := range []struct {
		name, address string
		dial          func(string, *imapclient.Options) (*imapclient.Client, error)
	}{{"STARTTLS", plain, imapclient.DialStartTLS}, {"implicit", implicit, imapclient.DialTLS}} {
		client, err := c.dial(c.address, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := client.Login("alice", "secret").Wait(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		client.Close()
	}
}

func TestTLSNeedsCertificate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New()
	defer s.Close()
	if err := s.ServeTLS(l); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("ServeTLS: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener was left open")
	}
}

func TestClose(t *testing.T) {
	s := New()
	s.InsecureAuth = true
	s.AddUser("alice", secret.New("secret"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	idle, selected := dial(t, l.Addr().String()), signIn(t, l.Addr().String())
	selected.send("IDLE")
	selected.response()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	for _, w := range []*wire{idle, selected} {
		if _, err := w.in.ReadByte(); err == nil {
			t.Error("a connection outlived Close")
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	again, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(again); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := again.Accept(); err == nil {
		t.Error("Serve after Close left the listener open")
	}
}

// Without a date of its own, a message arrives now.
func TestNow(t *testing.T) {
	s := New()
	s.InsecureAuth = true
	s.Now = func() time.Time { return time.Date(2026, 3, 2, 8, 15, 0, 0, time.UTC) }
	box := s.AddUser("alice", secret.New("secret")).Mailbox("inbox")
	box.Append([]byte("x"), nil, time.Time{})
	w := signIn(t, start(t, s))
	const want = `INTERNALDATE " 2-Mar-2026 08:15:00 +0000")`
	w.ok("APPEND INBOX {1+}\r\ny")
	w.expect("UID FETCH 1:2 INTERNALDATE", "* 1 FETCH (UID 1 "+want, "* 2 FETCH (UID 2 "+want, "OK")
}

func TestFlagsAreSets(t *testing.T) {
	flags := []imap.Flag{imap.FlagSeen, "$A"}
	if got := withFlags(flags, []imap.Flag{"$a", "$B"}); fmt.Sprint(got) != `[\Seen $A $B]` {
		t.Errorf("with: %v", got)
	}
	if got := withoutFlags(flags, []imap.Flag{"\\seen"}); fmt.Sprint(got) != "[$A]" || fmt.Sprint(flags) != `[\Seen $A]` {
		t.Errorf("without: %v of %v", got, flags)
	}
}
