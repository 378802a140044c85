package bridge

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// TestSignInWords: what is said for which capabilities.
func TestSignInWords(t *testing.T) {
	password := upstream.Login{User: "alice", Secret: secret.New("se cret")}
	master := upstream.Login{User: "admin", Identity: "alice", Secret: secret.New("secret")}
	odd := upstream.Login{User: `a"b\c{5}`, Secret: secret.New("p\xe9ss %* NIL")}
	token := upstream.Login{User: "alice", Secret: secret.New("ya29.x"), Bearer: true}
	shared := upstream.Login{User: "alice", Identity: "shared,box=", Secret: secret.New("ya29.x"), Bearer: true}
	for _, c := range []struct {
		name, caps string
		login      upstream.Login
		want       string // "" for a refusal without a word
	}{
		{"PLAIN", "IMAP4rev1 SASL-IR AUTH=PLAIN", password, "AUTHENTICATE PLAIN " + b64("\x00alice\x00se cret")},
		{"PLAIN in lower case", "imap4rev1 sasl-ir auth=plain", password, "AUTHENTICATE PLAIN " + b64("\x00alice\x00se cret")},
		{"PLAIN without SASL-IR", "IMAP4rev1 AUTH=PLAIN LOGINDISABLED", password, "AUTHENTICATE PLAIN|" + b64("\x00alice\x00se cret")},
		{"a master user", "IMAP4rev1 SASL-IR AUTH=PLAIN", master, "AUTHENTICATE PLAIN " + b64("alice\x00admin\x00secret")},
		{"a master user without PLAIN", "IMAP4rev1", master, ""},
		{"LOGIN", "IMAP4rev1", password, `LOGIN "alice" "se cret"`},
		{"LOGIN with literals", "IMAP4rev1", odd, `LOGIN "a\"b\\c{5}" {11}` + "p\xe9ss %* NIL"},
		{"LOGIN with LITERAL+", "IMAP4rev1 LITERAL+", odd, `LOGIN "a\"b\\c{5}" {11+}` + "p\xe9ss %* NIL"},
		{"LOGINDISABLED", "IMAP4rev1 LOGINDISABLED", password, ""},
		{"OAUTHBEARER", "IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER", token, "AUTHENTICATE OAUTHBEARER " + b64("n,a=alice,\x01auth=Bearer ya29.x\x01\x01")},
		{"a shared mailbox", "IMAP4rev1 SASL-IR AUTH=OAUTHBEARER", shared, "AUTHENTICATE OAUTHBEARER " + b64("n,a=shared=2Cbox=3D,\x01auth=Bearer ya29.x\x01\x01")},
		{"XOAUTH2", "IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=PLAIN", token, "AUTHENTICATE XOAUTH2 " + b64("user=alice\x01auth=Bearer ya29.x\x01\x01")},
		{"a shared mailbox, XOAUTH2", "IMAP4rev1 AUTH=XOAUTH2", shared, "AUTHENTICATE XOAUTH2|" + b64("user=shared,box=\x01auth=Bearer ya29.x\x01\x01")},
		{"no tokens", "IMAP4rev1 SASL-IR AUTH=PLAIN", token, ""},
		{"EXTERNAL", "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=EXTERNAL", upstream.Login{User: "alice", External: true}, "AUTHENTICATE EXTERNAL " + b64("alice")},
		{"EXTERNAL for a shared mailbox", "IMAP4rev1 AUTH=EXTERNAL", upstream.Login{User: "alice", Identity: "team", External: true}, "AUTHENTICATE EXTERNAL|" + b64("team")},
		{"no EXTERNAL", "IMAP4rev1 SASL-IR AUTH=PLAIN", upstream.Login{User: "alice", External: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.caps = c.caps
			f.instead = continuing(nil)
			m, err := f.upstream().Open(t.Context(), c.login)
			if c.want == "" {
				kindIs(t, err, upstream.Denied, "sign in")
				if said := f.heard(""); len(said) > 0 {
					t.Errorf("said %q", said)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
			if said := f.heard(strings.Fields(c.want)[0]); len(said) != 1 || said[0] != c.want {
				t.Errorf("said\n%q, want\n%q", said, c.want)
			}
		})
	}
}

// continuing carries out AUTHENTICATE without an initial response: what the
// client then says is noted behind a bar. refuse, if set, is the challenge by
// which a token is refused.
func continuing(refuse *string) func(c *fakeConn, session int, command string) bool {
	return func(c *fakeConn, _ int, command string) bool {
		if !strings.HasPrefix(command, "AUTHENTICATE") {
			return false
		}
		if len(strings.Fields(command)) == 2 {
			c.send("+ \r\n")
			c.note()
		}
		if refuse == nil {
			return false
		}
		c.send("+ %s\r\n", b64(*refuse))
		c.note()
		c.no("[AUTHENTICATIONFAILED] the token is worth nothing")
		return true
	}
}

// note adds the client's next line to what it said last.
func (c *fakeConn) note() {
	line, err := c.r.ReadString('\n')
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.said[len(c.said)-1] += "|" + strings.TrimRight(line, "\r\n")
	}
}

// TestTokenRefused: the details of a refusal are answered, so that the server
// comes to say NO.
func TestTokenRefused(t *testing.T) {
	for mechanism, answer := range map[string]string{"XOAUTH2": "|", "OAUTHBEARER": "|" + b64("\x01")} {
		f := newFake(t)
		f.caps = "IMAP4rev1 SASL-IR AUTH=" + mechanism
		details := `{"status":"401"}`
		f.instead = continuing(&details)
		login := alice
		login.Bearer = true
		_, err := f.upstream().Open(t.Context(), login)
		kindIs(t, err, upstream.Rejected, "worth nothing")
		if said := f.heard("AUTHENTICATE"); len(said) != 1 || !strings.HasSuffix(said[0], answer) {
			t.Errorf("%s: said %q", mechanism, said)
		}
	}
}

// TestSignInRefused: the server's words become a kind, and the connection is
// given up.
func TestSignInRefused(t *testing.T) {
	for _, c := range []struct {
		at, answer string
		kind       upstream.Kind
		words      string
	}{
		{"AUTH", "%s NO no", upstream.Rejected, "NO no"},
		{"AUTH", "%s NO [AUTHENTICATIONFAILED] wrong", upstream.Rejected, "wrong"},
		{"AUTH", "%s NO [UNAVAILABLE] later", upstream.Unavailable, "later"},
		{"AUTH", "%s NO [CONTACTADMIN] blocked", upstream.Denied, "blocked"},
		{"AUTH", "%s BAD what", upstream.Unavailable, "what"},
		{"AUTH", "* BYE Too many simultaneous connections", upstream.Throttled, "simultaneous"},
		{"AUTH", "* BYE\r\n", upstream.Unavailable, "BYE"},
		{"AUTH", "%s MAYBE", upstream.Unavailable, "MAYBE"},
		{"AUTH", "garbage", upstream.Unavailable, "garbage"},
		{"AUTH", "T99 OK x", upstream.Unavailable, ""},
		{"AUTH", "+ %%%", upstream.Unavailable, ""},
		{"AUTH", "+ \r\n+ \r\n+ ", upstream.Unavailable, ""},
		{"SELECT", "%s BAD User is authenticated but not connected.", upstream.Denied, "who signed in has no right to it"},
		{"SELECT", "%s NO [NONEXISTENT] none", upstream.Denied, "none"},
		{"SELECT", "%s NO [INUSE] locked", upstream.InUse, "locked"},
		{"SELECT", "%s NO hm", upstream.Unavailable, "hm"},
		{"SELECT", "%s OK done", upstream.Unavailable, "UIDVALIDITY"},
		{"SELECT", "* 5 EXISTS\r\n* OK [UIDVALIDITY 0] x\r\n%s OK done", upstream.Unavailable, "UIDVALIDITY"},
		{"SELECT", "* OK [UIDVALIDITY 99999999999] x\r\n%s OK done", upstream.Unavailable, "UIDVALIDITY"},
		{"SELECT", "* BYE [UNAVAILABLE] dying", upstream.Unavailable, "dying"},
	} {
		f := newFake(t)
		f.instead = func(conn *fakeConn, _ int, command string) bool {
			if !strings.HasPrefix(command, c.at) {
				return false
			}
			conn.send("%s\r\n", strings.ReplaceAll(c.answer, "%s", conn.tag))
			conn.Close()
			return true
		}
		_, err := f.upstream().Open(t.Context(), alice)
		kindIs(t, err, c.kind, c.words)
	}
}

func TestBadCredentialsAreNotSent(t *testing.T) {
	f := newFake(t)
	u := f.upstream()
	long := strings.Repeat("x", maxPassword+1)
	for _, login := range []upstream.Login{
		{}, {User: "a"}, {Secret: secret.New("p")}, {User: "a", Secret: secret.New("")},
		{User: "a\r\nb", Secret: secret.New("p")}, {User: "a", Secret: secret.New("p\n")},
		{User: "a", Identity: "b\x00", Secret: secret.New("p")},
		{User: long, Secret: secret.New("p")}, {User: "a", Secret: secret.New(long)}, {User: "a", Identity: long, Secret: secret.New("p")},
		{User: "a", Bearer: true, Secret: secret.New(strings.Repeat("x", maxToken+1))},
		{User: "a\x01auth=Bearer other", Bearer: true, Secret: secret.New("p")},
	} {
		_, err := u.Open(t.Context(), login)
		kindIs(t, err, upstream.Rejected, "sign in")
		if strings.Contains(err.Error(), "xxx") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	if f.countSessions() != 0 {
		t.Error("the server was dialed")
	}
	for _, login := range []upstream.Login{
		{User: long[1:], Secret: secret.New(long[1:])},
		{User: "a", Secret: secret.New(strings.Repeat("x", maxToken)), Bearer: true},
	} {
		f := newFake(t)
		f.caps = "IMAP4rev1 AUTH=XOAUTH2 SASL-IR"
		m, err := f.upstream().Open(t.Context(), login)
		if err != nil {
			t.Error(err)
			continue
		}
		m.Close()
	}
}

// TestCapabilitiesAfterSignIn: however a server tells what it can do, what it
// told before sign-in does not count.
func TestCapabilitiesAfterSignIn(t *testing.T) {
	for name, answer := range map[string]string{
		"in the answer": "%s OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n",
		"untagged":      "* CAPABILITY IMAP4rev1 UIDPLUS\r\n%s OK in\r\n",
		"asked":         "%s OK in\r\n",
	} {
		f := newFake(t)
		f.caps = "IMAP4rev1 AUTH=PLAIN SASL-IR"
		f.instead = func(c *fakeConn, _ int, command string) bool {
			switch {
			case command == "CAPABILITY":
				c.send("* CAPABILITY IMAP4rev1 UIDPLUS\r\n")
				c.ok("so")
			case strings.HasPrefix(command, "AUTH"):
				c.send("%s", strings.ReplaceAll(answer, "%s", c.tag))
			default:
				return false
			}
			return true
		}
		m := f.open()
		if !m.link.has("UIDPLUS") || m.link.has("MOVE") || m.link.has("SASL-IR") {
			t.Errorf("%s: capabilities are %v", name, m.link.caps)
		}
		want := 0
		if name == "asked" {
			want = 1
		}
		if said := f.heard("CAPABILITY"); len(said) != want {
			t.Errorf("%s: said %q", name, f.heard(""))
		}
	}
}

func TestID(t *testing.T) {
	client := netip.MustParseAddr("::ffff:192.0.2.7")
	for _, c := range []struct {
		caps   string
		tell   bool
		client netip.Addr
		want   []string
	}{
		{"IMAP4rev1", true, client, nil},
		{"IMAP4rev1 ID", true, client, []string{`ID ("name" "Restante" "version" "1.0x" "x-originating-ip" "192.0.2.7")`}},
		{"IMAP4rev1 ID", true, netip.MustParseAddr(`fe80::1%"eth0`), []string{`ID ("name" "Restante" "version" "1.0x" "x-originating-ip" "fe80::1")`}},
		{"IMAP4rev1 ID", true, netip.Addr{}, []string{`ID ("name" "Restante" "version" "1.0x")`}},
		{"IMAP4rev1 ID", false, client, []string{`ID ("name" "Restante" "version" "1.0x")`}},
	} {
		f := newFake(t)
		f.caps = c.caps
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if strings.HasPrefix(command, "ID") {
				c.send("* ID (\"name\" NIL \"x\" (\r\n")
			}
			return false
		}
		o := f.options()
		o.TellClient, o.Version = c.tell, "1.0\"x\r\n"
		login := alice
		login.Client = c.client
		m, err := open(t, o).Open(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		if said := f.heard("ID"); !slices.Equal(said, c.want) {
			t.Errorf("said %q, want %q", said, c.want)
		}
		if said := f.heard(""); c.want != nil && said[0] != c.want[0] {
			t.Errorf("ID is not first: %q", said)
		}
	}
}

// TestAlertIsLogged: what the server wants a person to read reaches the log,
// and nothing in it is a secret or a control character.
func TestAlertIsLogged(t *testing.T) {
	f := newFake(t)
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if strings.HasPrefix(command, "AUTH") {
			c.send("* OK [ALERT] pay \x1b[31mnow\r\n")
		}
		return false
	}
	o := f.options()
	log, lines := logged()
	o.Log = log
	m, err := open(t, o).Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if text := lines(); !strings.Contains(text, "pay ?[31mnow") || strings.Contains(text, "secret") {
		t.Errorf("logged %q", text)
	}
}

// TestForgottenAtRefusal: a server that refuses what it was remembered to take
// is asked what it takes now.
func TestForgottenAtRefusal(t *testing.T) {
	f := newFake(t, "a message")
	f.greeting = "* OK hello"
	var changed atomic.Bool
	f.instead = func(c *fakeConn, session int, command string) bool {
		switch {
		case !changed.Load():
			return false
		case strings.HasPrefix(command, "CAPABILITY"):
			c.send("* CAPABILITY IMAP4rev1\r\n")
			c.ok("done")
		case strings.HasPrefix(command, "AUTHENTICATE"):
			c.no("Unsupported authentication mechanism")
		default:
			return false
		}
		return true
	}
	o := f.options()
	o.WarmIdle = -1
	u := open(t, o)
	come(t, u, alice)
	changed.Store(true)
	_, err := u.Open(t.Context(), alice)
	kindIs(t, err, upstream.Rejected, "Unsupported")
	come(t, u, alice)
	before := len(f.heard("CAPABILITY"))
	come(t, u, alice)
	if n := len(f.heard("CAPABILITY")); n != before {
		t.Error("a server that let us in is doubted still")
	}
}

// TestBadPasswordOnce: BAD to a known server's sign-in is no reason to send the
// password again, for that would count as two wrong ones.
func TestBadPasswordOnce(t *testing.T) {
	for _, greeting := range []string{"", "* OK hello"} {
		f := newFake(t, "a message")
		f.greeting = greeting
		var bad atomic.Bool
		f.instead = func(c *fakeConn, session int, command string) bool {
			if !bad.Load() || !strings.HasPrefix(command, "AUTHENTICATE") {
				return false
			}
			c.send("%s BAD invalid credentials\r\n", c.tag)
			return true
		}
		o := f.options()
		o.WarmIdle = -1
		u := open(t, o)
		come(t, u, alice)
		before := len(f.heard("AUTHENTICATE"))
		bad.Store(true)
		_, err := u.Open(t.Context(), alice)
		kindIs(t, err, upstream.Unavailable, "invalid credentials")
		if n := len(f.heard("AUTHENTICATE")) - before; n != 1 {
			t.Errorf("greeting %q: the password was sent %d times, want once", greeting, n)
		}
	}
}
