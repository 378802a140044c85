package proxy

import (
	"context"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{}, {Addresses: []string{"host"}}, {Addresses: []string{"host:110"}, Security: 3}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestSupports(t *testing.T) {
	want := map[upstream.Action]bool{upstream.MarkSeen: true, upstream.Flag: false, upstream.Move: false, upstream.Expunge: true}
	for action, possible := range want {
		if Supports(action) != possible {
			t.Errorf("%v: %v", action, !possible)
		}
	}
}

// refusalTests are texts of real servers where one is known.
var refusalTests = []struct {
	at   stage
	line string // what follows -ERR
	want upstream.Kind
}{
	{signingIn, "[IN-USE] whatever", upstream.InUse},
	{signingIn, "[in-use] mailbox already in use by pid 12345", upstream.InUse},
	{signingIn, "[LOGIN-DELAY] minimum time between mail checks violation", upstream.Throttled},
	{signingIn, "[SYS/TEMP] Server error, please try again later", upstream.Unavailable},
	{signingIn, "[SYS/PERM] Your account is not enabled for POP access", upstream.Denied},
	{signingIn, "[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", upstream.Denied},
	{signingIn, "Must use TLS", upstream.Denied},
	{signingIn, "You need to issue STLS first", upstream.Denied},
	{signingIn, "[AUTH] Username and password not accepted.", upstream.Rejected},
	{signingIn, "[AUTH] the mailbox is locked, says a liar", upstream.Rejected},
	{signingIn, "Your account is locked", upstream.Denied},
	{signingIn, "Account locked", upstream.Denied},
	{signingIn, "This account has been locked.", upstream.Denied},
	{signingIn, "account is disabled", upstream.Denied},
	{signingIn, "Account disabled", upstream.Denied},
	{signingIn, "Mailbox is not enabled for POP3", upstream.Denied},
	{signingIn, "maildrop already locked", upstream.InUse},
	{signingIn, "Your mailbox is already locked", upstream.InUse},
	{signingIn, "mailbox is locked by POP server", upstream.InUse},
	{signingIn, "Mailbox Locked", upstream.InUse},
	{signingIn, "maildrop locked", upstream.InUse},
	{signingIn, "unable to lock maildrop", upstream.InUse},
	{signingIn, "Unable to lock mailbox", upstream.InUse},
	{signingIn, "cannot lock the mailbox", upstream.InUse},
	{signingIn, "could not lock the maildrop", upstream.InUse},
	{signingIn, "/var/mail/.user.pop lock busy!  Is another session active? (11)", upstream.InUse},
	{signingIn, "Can't get lock.  Mailbox in use", upstream.InUse},
	{signingIn, "maildrop already in use", upstream.InUse},
	{signingIn, "Mailbox in use", upstream.InUse},
	{signingIn, "maildrop in use", upstream.InUse},
	{signingIn, "the mailbox is in use", upstream.InUse},
	{signingIn, "in use by another client", upstream.InUse},
	{signingIn, "opened by another session", upstream.InUse},
	{signingIn, "another POP3 session is active", upstream.InUse},
	{signingIn, "mailbox is busy", upstream.InUse},
	{connecting, "too many connections from your address", upstream.Throttled},
	{signingIn, "too many login attempts", upstream.Throttled},
	{signingIn, "Request is throttled", upstream.Throttled},
	{signingIn, "login rate exceeded", upstream.Throttled},
	{signingIn, "please try again later", upstream.Unavailable},
	{signingIn, "Temporary authentication failure", upstream.Unavailable},
	{signingIn, "Server error", upstream.Unavailable},
	{signingIn, "internal error", upstream.Unavailable},
	{signingIn, "service unavailable", upstream.Unavailable},
	{signingIn, "Unknown command", upstream.Denied},
	{signingIn, "unrecognized command", upstream.Denied},
	{signingIn, "invalid command", upstream.Denied},
	{signingIn, "Unsupported authentication mechanism", upstream.Denied},
	{signingIn, "mechanism not supported", upstream.Denied},
	{signingIn, "Logon failure: unknown user name or bad password.", upstream.Rejected},
	{signingIn, "", upstream.Rejected},
	{reading, "no such message", upstream.Gone},
	{reading, "there's no message 3.", upstream.Gone},
	{reading, "Message is expunged.", upstream.Gone},
	{reading, "message 1 already deleted", upstream.Gone},
	{reading, "message does not exist", upstream.Gone},
	{reading, "message doesn't exist", upstream.Gone},
	{reading, "message not found", upstream.Gone},
	{reading, "the message disappeared", upstream.Gone},
	{reading, "[SYS/TEMP] no such message just now", upstream.Unavailable},
	{reading, "I/O error", upstream.Unavailable},
	{connecting, "no", upstream.Unavailable},
	{updating, "maildrop already locked", upstream.Unavailable},
}

func TestRefusals(t *testing.T) {
	used := map[refusal]bool{}
	for _, test := range refusalTests {
		reply := replied(t, test.line)
		if got := kindOfReply(reply, test.at); got != test.want {
			t.Errorf("%q: %v, want %v", test.line, got, test.want)
		}
		if row, ok := refusalOf(reply, test.at); ok {
			used[row] = true
		}
	}
	for _, row := range refusals {
		if !used[row] {
			t.Errorf("no test of the row %+v", row)
		}
	}
}

// replied is a -ERR as the client gives it.
func replied(t *testing.T, line string) *pop3.ReplyError {
	t.Helper()
	f := newFake(t)
	f.does(refuse("PASS", line))
	_, err := f.upstream(t).Open(t.Context(), alice)
	var reply *pop3.ReplyError
	if !errors.As(err, &reply) {
		t.Fatalf("%q: %v", line, err)
	}
	return reply
}

func TestSignInWays(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	bearer := upstream.Login{User: "alice", Secret: secret.New("tok"), Bearer: true}
	shared := upstream.Login{User: "alice", Identity: "office", Secret: secret.New("tok"), Bearer: true}
	master := upstream.Login{User: "boss", Identity: "alice", Secret: secret.New("pw")}
	xoauth2 := []string{"AUTH XOAUTH2", encode("user=alice\x01auth=Bearer tok\x01\x01")}
	tests := []struct {
		name, caps string
		login      upstream.Login
		want       []string // after CAPA
	}{
		{"USER", "USER", alice, []string{"USER alice", "PASS secret"}},
		{"no CAPA", "", alice, []string{"USER alice", "PASS secret"}},
		{"no USER", "SASL PLAIN LOGIN", alice, []string{"AUTH PLAIN", encode("\x00alice\x00secret")}},
		{"LOGIN alone", "SASL=LOGIN", alice, []string{"AUTH LOGIN", encode("alice"), encode("secret")}},
		{"master", "USER SASL=PLAIN", master, []string{"AUTH PLAIN", encode("alice\x00boss\x00pw")}},
		{"master, no CAPA", "", master, []string{"AUTH PLAIN", encode("alice\x00boss\x00pw")}},
		{"master without PLAIN", "USER SASL=LOGIN", master, nil},
		{"nothing announced", "TOP", alice, nil},
		{"token", "USER SASL=XOAUTH2,OAUTHBEARER", bearer, xoauth2},
		{"token, no CAPA", "", bearer, xoauth2},
		{"token by OAUTHBEARER", "SASL=OAUTHBEARER", bearer, []string{"AUTH OAUTHBEARER", encode("n,a=alice,\x01auth=Bearer tok\x01\x01")}},
		{"token for another", "SASL=XOAUTH2", shared, []string{"AUTH XOAUTH2", encode("user=office\x01auth=Bearer tok\x01\x01")}},
		{"token nowhere", "USER SASL=PLAIN", bearer, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.announces(test.caps)
			f.does(saslAnswers(test.caps))
			m, err := f.upstream(t).Open(t.Context(), test.login)
			if err == nil {
				_ = m.Close()
			} else if upstream.KindOf(err) != upstream.Denied || test.want != nil {
				t.Errorf("%v: %v", upstream.KindOf(err), err)
			}
			if said := f.commands()[1:]; len(said)+len(test.want) > 0 && !reflect.DeepEqual(said, test.want) {
				t.Errorf("said %q, want %q", said, test.want)
			}
		})
	}
}

// saslAnswers writes "SASL=A,B" in caps as CAPA would, and plays LOGIN.
func saslAnswers(caps string) func(int, string) string {
	return func(_ int, command string) string {
		switch command {
		case "CAPA":
			if strings.Contains(caps, "=") {
				lines := strings.ReplaceAll(caps, " ", "\r\n")
				return "+OK\r\n" + strings.NewReplacer("=", " ", ",", " ").Replace(lines) + "\r\n.\r\n"
			}
			if strings.HasPrefix(caps, "SASL ") {
				return "+OK\r\n" + caps + "\r\n.\r\n"
			}
		case "AUTH LOGIN":
			return "+ VXNlcm5hbWU6\r\n"
		case base64.StdEncoding.EncodeToString([]byte("alice")):
			return "+ UGFzc3dvcmQ6\r\n"
		}
		return ""
	}
}

func TestCredentialsStayData(t *testing.T) {
	f := newFake(t)
	f.announces("")
	u := f.upstream(t)
	for _, login := range []upstream.Login{
		{User: "a\r\nDELE 1", Secret: secret.New("x")},
		{User: "a", Secret: secret.New("x\nQUIT")},
		{User: "a", Secret: secret.New("x\x00y")},
		{User: "a\x00b", Identity: "c", Secret: secret.New("x")},
		{User: "a\x01auth=Bearer y", Secret: secret.New("x"), Bearer: true},
		{User: "a", Secret: secret.Text{}},
		{User: "a", Identity: "c", Secret: secret.Text{}},
		{User: "", Secret: secret.New("x")},
	} {
		_, err := u.Open(t.Context(), login)
		if upstream.KindOf(err) != upstream.Rejected {
			t.Errorf("%q: %v", login.User, err)
		}
	}
	for _, said := range f.commands() {
		if said != "CAPA" {
			t.Errorf("the server heard %q", said)
		}
	}
}

func TestFoldersAreRefused(t *testing.T) {
	f := newFake(t)
	login := alice
	login.Folders = []string{"inbox"}
	m, err := f.upstream(t).Open(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	if want := []upstream.Folder{{Name: "INBOX"}}; !reflect.DeepEqual(m.Folders(), want) {
		t.Errorf("folders %v", m.Folders())
	}
	_ = m.Close()
	login.Folders = []string{"INBOX", `\Junk`}
	if _, err := f.upstream(t).Open(t.Context(), login); upstream.KindOf(err) != upstream.Denied {
		t.Errorf("%v", err)
	}
}

func TestFailOver(t *testing.T) {
	deaf, busy, good := newFake(t), newFake(t), newFake(t)
	deaf.does(func(int, string) string { return hangUp })
	busy.does(refuse("greeting", "[SYS/TEMP] too many connections"))
	u := good.upstream(t)
	u.options.Addresses = []string{deaf.address, busy.address, good.address}
	m, err := u.Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	u.options.Addresses = u.options.Addresses[:2]
	_, err = u.Open(t.Context(), alice)
	if upstream.KindOf(err) != upstream.Throttled || !strings.Contains(err.Error(), deaf.address) {
		t.Errorf("%v: %v", upstream.KindOf(err), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := u.Open(ctx, alice); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCapabilitiesAreRemembered(t *testing.T) {
	f := newFake(t)
	f.does(func(session int, command string) string {
		if session == 3 && strings.HasPrefix(command, "PASS") {
			return "-ERR\r\n"
		}
		return ""
	})
	u := f.upstream(t)
	for range 4 {
		if m, err := u.Open(t.Context(), alice); err == nil {
			_ = m.Close()
		}
	}
	asked := 0
	for _, said := range f.commands() {
		if said == "CAPA" {
			asked++
		}
	}
	if asked != 2 { // at first, and after the refusal
		t.Errorf("CAPA was said %d times", asked)
	}
}

func TestSTLSIsNotOptional(t *testing.T) {
	f := newFake(t)
	server, client := testTLS(t)
	f.change(func() { f.tls = server })
	u := f.upstream(t)
	u.options.Security, u.options.TLS = STLS, client
	m, err := u.Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	if said := f.commands(); said[0] != "STLS" {
		t.Errorf("said %q", said)
	}

	u.options.TLS = nil // nobody vouches for the server
	if _, err := u.Open(t.Context(), alice); upstream.KindOf(err) != upstream.Unavailable {
		t.Errorf("untrusted server: %v", err)
	}
	f.does(refuse("STLS", "never heard of it"))
	if _, err := u.Open(t.Context(), alice); upstream.KindOf(err) != upstream.Unavailable {
		t.Errorf("stripped STLS: %v", err)
	}
	for _, said := range f.commands()[4:] {
		if said != "STLS" {
			t.Errorf("said %q without TLS", said)
		}
	}
}
