package mailboxtest

import (
	"context"
	"strings"
	"sync"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

var signInCases = []testCase{
	{name: "wrong password", run: wrongPassword},
	{name: "hostile credentials are data", run: hostileCredentials},
	{name: "line ends in credentials are refused", run: lineEndsInCredentials},
	{name: "hostile accounts", needs: []Ability{Accounts}, run: hostileAccounts},
	{name: "sign in with a cancelled context", run: signInCancelled},
	{name: "mailbox outlives the context of its sign-in", run: outlivesSignIn},
}

// hostile strings mean something in IMAP, POP3, SASL or a shell.
var hostile = []string{
	`"`, `quo"te`, `\`, `back\slash`, `"\"`, `{5}`, `{5+}`, `~{5}`, `%`, `*`, `(a`, `a)`, `NIL`, `=`,
	` `, `two words`, ` lead`, `trail `, "tab\tbed", "caf\xc3\xa9", "caf\xe9", "\x01", "\x7f",
	`" "" NOOP`, `$HOME`, strings.Repeat("x", 900),
}

// refused checks that nobody gets in, and that the server is none the worse.
func (s *suite) refused(login upstream.Login, kind upstream.Kind) {
	s.Helper()
	mailbox, err := s.f.Server.Open(s.ctx, login)
	if err == nil {
		s.Errorf("%q with a wrong password was let in", login.User)
		if err := mailbox.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		return
	}
	if got := upstream.KindOf(err); got != kind {
		s.Errorf("%q with a wrong password: kind %v, want %v (%v)", login.User, got, kind, err)
	}
}

// allRefused tries several at once, for servers answer a wrong password slowly.
func (s *suite) allRefused(attempts []upstream.Login) {
	s.Helper()
	const atOnce = 8 // below what servers allow one address
	var clients sync.WaitGroup
	for first := range atOnce {
		clients.Go(func() {
			for i := first; i < len(attempts); i += atOnce {
				s.refused(attempts[i], upstream.Rejected)
			}
		})
	}
	clients.Wait()
}

// with changes the fixture's own credentials.
func (s *suite) with(user, password string) upstream.Login {
	login := s.f.Login
	login.User, login.Secret = user, secret.New(password)
	return login
}

func wrongPassword(s *suite) {
	s.deliver(letter(1))
	s.refused(s.with(s.f.Login.User, "not-"+s.f.Login.Secret.Reveal()), upstream.Rejected)
	s.refused(s.with("nobody-"+s.f.Login.User, s.f.Login.Secret.Reveal()), upstream.Rejected)
	m := s.open()
	m.whole(m.list(1)[0], letter(1))
}

func hostileCredentials(s *suite) {
	s.deliver(letter(1))
	user, password := s.f.Login.User, s.f.Login.Secret.Reveal()
	var attempts []upstream.Login
	for _, text := range hostile {
		attempts = append(attempts, s.with(user, text), s.with(user, password+text))
		if strings.TrimSpace(text) != "" { // some servers trim names
			attempts = append(attempts, s.with(user+text, password+text))
		}
	}
	s.allRefused(attempts)
	m := s.open()
	m.whole(m.list(1)[0], letter(1))
}

// lineEndsInCredentials breaks the contract of upstream.Login on purpose: were
// the strings written out, the rest of them would be commands.
func lineEndsInCredentials(s *suite) {
	s.deliver(letter(1))
	user, password := s.f.Login.User, s.f.Login.Secret.Reveal()
	for _, end := range []string{"\r\n", "\n", "\r", "\x00", "\r\nX SELECT INBOX\r\nX STORE 1:* FLAGS (\\Deleted)\r\nX EXPUNGE", "\r\nDELE 1\r\nQUIT"} {
		for _, login := range []upstream.Login{s.with(user+end, password), s.with(user, password+end), s.with(user+end+user, password)} {
			mailbox, err := s.f.Server.Open(s.ctx, login)
			if err == nil {
				s.Errorf("user %q was let in", login.User)
				if err := mailbox.Close(); err != nil {
					s.Errorf("Close: %v", err)
				}
			}
		}
	}
	s.left(letter(1))
}

func hostileAccounts(s *suite) {
	s.deliver(letter(1))
	for _, text := range []string{`quo"te`, `back\slash`, `{5}`, `a%b*`, `two words`, "caf\xc3\xa9", `"`} {
		s.f.AddAccount(s, text, text+" password")
		m := s.openAs(s.with(text, text+" password"))
		m.list(0) // the account's own INBOX, and nobody else's
		m.end()
		s.refused(s.with(text, text+" passwort"), upstream.Rejected)
	}
}

func signInCancelled(s *suite) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if mailbox, err := s.f.Server.Open(ctx, s.f.Login); err == nil {
		s.Error("a cancelled context opened a mailbox")
		if err := mailbox.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
	}
	s.open().list(0)
}

func outlivesSignIn(s *suite) {
	s.deliver(letter(1))
	ctx, cancel := context.WithCancel(s.ctx)
	mailbox, err := s.f.Server.Open(ctx, s.f.Login)
	if err != nil {
		cancel()
		s.Fatalf("sign in: %v", err)
	}
	m := &session{Mailbox: mailbox, s: s}
	s.Cleanup(m.end)
	cancel()
	m.whole(m.list(1)[0], letter(1))
}
