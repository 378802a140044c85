package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// ErrNeedsAuthorize: only a person can help, by consenting (again).
var ErrNeedsAuthorize = errors.New("the account needs authorization: run \"restante account authorize\" for it")

// revoked are the errors that say that a refresh token is worth nothing any
// more (RFC 6749 section 5.2), with what Microsoft and OpenID Connect add.
var revoked = map[string]bool{
	"invalid_grant": true, "interaction_required": true, "consent_required": true, "login_required": true,
}

// A Failure is what a server of tokens said, or that it said nothing.
type Failure struct {
	// Kind sorts it for the session that waits for the token.
	Kind upstream.Kind
	// Code is RFC 6749's word for it, such as invalid_grant; "" if there is none.
	Code string
	// Retry is how long the server asked to be left alone; 0 if it did not say.
	Retry time.Duration
	text  string
}

func (f *Failure) Error() string { return f.text }

// Revoked tells whether err says that what we hold is worth nothing any more.
func Revoked(err error) bool {
	var f *Failure
	return errors.As(err, &f) && revoked[f.Code]
}

// asUpstream is what a session that needs a token ends with.
func asUpstream(provider string, err error) error {
	e := &upstream.Error{Kind: upstream.Unavailable, Doing: "get a token from " + provider, Err: err}
	var f *Failure
	switch {
	case errors.As(err, &f):
		e.Kind, e.Wait = f.Kind, f.Retry
	case errors.Is(err, ErrNeedsAuthorize), errors.Is(err, errRefused):
		e.Kind = upstream.Denied
	}
	return e
}

// failure makes of what the library says something that may be printed: the
// library's own text can have the whole answer in it.
func (c *call) failure(err error, secrets []string) error {
	code := c.problem.Code
	f := &Failure{Kind: upstream.Unavailable, Retry: c.retry}
	switch {
	case isCode(code):
		f.Code = code
		f.Kind = kindOf(code, c.status)
		f.text = fmt.Sprintf("%s: %s", code, printable(c.problem.Description, secrets))
		if c.problem.Description == "" {
			f.text = code
		}
	case c.status >= 400:
		f.Kind = kindOf("", c.status)
		f.text = fmt.Sprintf("HTTP status %d%s", c.status, c.why(err, secrets))
	default:
		f.text = printable(cause(err).Error(), secrets)
	}
	if c.status != 0 && (c.skew > maxSkew || c.skew < -maxSkew) {
		f.text += fmt.Sprintf(" (the clock of this machine is %v off the server's)", c.skew)
	}
	return f
}

// why is what our own checks found in an answer with an error's status.
func (c *call) why(err error, secrets []string) string {
	var u *url.Error
	if errors.As(err, &u) {
		return ": " + printable(u.Err.Error(), secrets)
	}
	return ""
}

// cause takes the URL out of an error of net/http: what asks knows whom.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// maxSkew is what clocks may differ by: assertions are good for minutes.
const maxSkew = 2 * time.Minute

// isCode tells whether it is one of RFC 6749's words, or like one.
func isCode(code string) bool {
	for _, c := range code {
		if (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return code != "" && len(code) <= 40
}

func kindOf(code string, status int) upstream.Kind {
	switch {
	case status == 429:
		return upstream.Throttled
	case code == "temporarily_unavailable", code == "server_error", code == "slow_down", status >= 500, status == 408:
		return upstream.Unavailable
	case code == "" && status < 400:
		return upstream.Unavailable
	}
	return upstream.Denied // nothing gets better by asking again
}
