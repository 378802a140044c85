package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Code has a person consent in a browser (RFC 6749 section 4.1, with PKCE, RFC
// 7636), which then comes back to this machine (RFC 8252). hint is the user
// whose consent is wanted. If paste is not nil nobody listens: the person
// brings the address where the browser ended, which paste returns.
func (k *Keeper) Code(ctx context.Context, p *Provider, account, hint string, show func(Prompt), paste func(context.Context) (string, error)) (Saved, error) {
	e, err := p.endpoints(ctx, k.o.Now)
	if err != nil {
		return Saved{}, err
	}
	if e.Authorize == "" {
		return Saved{}, fmt.Errorf("%s has no endpoint for browsers", p.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, defaultWait)
	defer cancel()
	back, err := newReturn(p.Redirect, paste)
	if err != nil {
		return Saved{}, err
	}
	defer back.close()
	verifier := oauth2.GenerateVerifier()
	options := append(p.options(), oauth2.S256ChallengeOption(verifier))
	if hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", hint))
	}
	show(Prompt{URL: p.config(e, back.address).AuthCodeURL(back.state, options...), Expires: k.o.Now().Add(defaultWait)})
	code, err := back.wait(ctx, p.Issuer)
	if err != nil {
		return Saved{}, err
	}
	g, err := p.ask(ctx, k.o.Now, []string{code, verifier}, func(ctx context.Context, e Endpoints) (*oauth2.Token, error) {
		return p.config(e, back.address).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
	if err != nil {
		return Saved{}, said(err)
	}
	return k.keepNew(ctx, p, account, g)
}

// comeBack is where a browser returns to.
type comeBack struct {
	address string // as the provider is told
	path    string
	state   string // nobody else knows it
	paste   func(context.Context) (string, error)
	server  *http.Server
	answers chan url.Values
}

// newReturn listens, on a port of its own if the address has port 0.
func newReturn(redirect string, paste func(context.Context) (string, error)) (*comeBack, error) {
	if err := CheckRedirect(redirect); err != nil {
		return nil, fmt.Errorf("redirect %q %w", redirect, err)
	}
	u, _ := url.Parse(redirect) // it was checked
	b := &comeBack{path: u.Path, state: rand.Text(), paste: paste, answers: make(chan url.Values, 1)}
	if b.path == "" {
		b.path = "/"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(listenHost(u.Hostname()), portOf(u)))
	if err != nil {
		return nil, fmt.Errorf("wait for the browser: %w", err)
	}
	if port := l.Addr().(*net.TCPAddr).Port; u.Port() == "0" {
		u.Host = net.JoinHostPort(u.Hostname(), fmt.Sprint(port))
	}
	b.address = u.String()
	if paste != nil {
		return b, l.Close()
	}
	b.server = &http.Server{Handler: b, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Second, MaxHeaderBytes: 32 << 10}
	go func() { _ = b.server.Serve(l) }() // ends with close
	return b, nil
}

func listenHost(host string) string {
	if host == "localhost" {
		return "127.0.0.1"
	}
	return host
}

func portOf(u *url.URL) string {
	if u.Port() == "" {
		return "80"
	}
	return u.Port()
}

func (b *comeBack) close() {
	if b.server != nil {
		_ = b.server.Close()
	}
}

// ServeHTTP takes the one answer that knows the state, and nothing else:
// whatever runs in a browser can ask ports of this machine.
func (b *comeBack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := r.URL.Query()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Connection", "close")
	if r.Method != http.MethodGet || r.URL.Path != b.path || !b.knows(answer) {
		http.Error(w, "This is not what Restante waits for.", http.StatusBadRequest)
		return
	}
	select {
	case b.answers <- answer:
		_, _ = fmt.Fprintln(w, "Restante has got the answer. You can close this window, and look at the terminal.")
	default:
		http.Error(w, "There was an answer already.", http.StatusConflict)
	}
}

func (b *comeBack) knows(answer url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(b.state)) == 1
}

// wait returns the code.
func (b *comeBack) wait(ctx context.Context, issuer string) (string, error) {
	answer, err := b.answer(ctx)
	switch {
	case err != nil:
		return "", err
	case answer.Get("error") != "":
		text := printable(answer.Get("error")+" "+answer.Get("error_description"), nil)
		return "", said(&Failure{Code: answer.Get("error"), text: "the provider says: " + text})
	case answer.Get("iss") != "" && issuer != "" && strings.TrimSuffix(answer.Get("iss"), "/") != strings.TrimSuffix(issuer, "/"):
		return "", errors.New("the answer is another provider's (RFC 9207)")
	case !isToken(answer.Get("code")):
		return "", errors.New("the answer has no code in it")
	}
	return answer.Get("code"), nil
}

func (b *comeBack) answer(ctx context.Context) (url.Values, error) {
	if b.paste != nil {
		return b.pasted(ctx)
	}
	select {
	case answer := <-b.answers:
		return answer, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, errors.New("no browser came back in time; try again")
		}
		return nil, ctx.Err()
	}
}

func (b *comeBack) pasted(ctx context.Context) (url.Values, error) {
	text, err := b.paste(ctx)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || !b.knows(u.Query()) {
		return nil, errors.New("this is not the address where the browser ended, or it is from another attempt: it must have code= and state= in it")
	}
	return u.Query(), nil
}
