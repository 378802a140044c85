package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

// reply is a server's refusal: an answer that is not OK, or a BYE.
type reply struct{ kind, code, text string }

func (r *reply) Error() string {
	text := "the server says " + r.kind
	if r.code != "" {
		text += " [" + r.code + "]"
	}
	return text + " " + r.text
}

func (s status) reply() *reply { return &reply{s.kind, s.code, s.text} }

// kindByText sorts refusals by what they say, for the codes do not tell. The
// first that is found in the text, in lower case, decides, before any code.
var kindByText = []struct {
	text string
	kind upstream.Kind
}{
	{"[throttled]", upstream.Throttled},                               // Gmail, at the end of the text
	{"request is throttled", upstream.Throttled},                      // Exchange
	{"suggested backoff time", upstream.Throttled},                    // Exchange
	{"too many simultaneous connections", upstream.Throttled},         // Gmail
	{"maximum number of connections", upstream.Throttled},             // Dovecot
	{"exceeded the login limit", upstream.Throttled},                  // Outlook.com
	{"user is authenticated but not connected", upstream.Denied},      // Exchange: mailbox, scope or IMAP disabled
	{"application-specific password required", upstream.Denied},       // Gmail
	{"imap access is disabled", upstream.Denied},                      // Gmail, Zimbra
	{"is not enabled for imap", upstream.Denied},                      // various
	{"your account is not enabled for imap use", upstream.Denied},     // Gmail
	{"plaintext authentication disallowed", upstream.Denied},          // Dovecot
	{"mailbox doesn't exist", upstream.Denied},                        // Dovecot, without a code
	{"mailbox does not exist", upstream.Denied},                       // Cyrus
	{"unknown mailbox", upstream.Denied},                              // Gmail
	{"temporary authentication failure", upstream.Unavailable},        // Dovecot
	{"internal error occurred", upstream.Unavailable},                 // Dovecot
	{"server unavailable", upstream.Unavailable},                      // Exchange
	{"some of the requested messages no longer exist", upstream.Gone}, // Dovecot, Cyrus
	{"mailbox is locked", upstream.InUse},                             // UW
	{"mailbox already opened", upstream.InUse},                        // various
}

// meanings are what people need to be told of a refusal whose words say little.
var meanings = map[string]string{
	"user is authenticated but not connected": "the sign-in is good and the mailbox cannot be opened: there is none of this name, " +
		"IMAP is switched off for it, or who signed in has no right to it; or there were too many connections at once",
}

// explained is the refusal with what it means, if that is known.
func (r *reply) explained() error {
	text := strings.ToLower(r.text)
	for words, meaning := range meanings {
		if strings.Contains(text, words) {
			return fmt.Errorf("%w (%s)", r, meaning)
		}
	}
	return r
}

// kindByCode sorts refusals by their response code (RFC 5530 and the
// extensions that add to it).
var kindByCode = map[string]upstream.Kind{
	"AUTHENTICATIONFAILED": upstream.Rejected,
	"AUTHORIZATIONFAILED":  upstream.Rejected,
	"EXPIRED":              upstream.Rejected,
	"UNAVAILABLE":          upstream.Unavailable,
	"SERVERBUG":            upstream.Unavailable,
	"CORRUPTION":           upstream.Unavailable,
	"CLIENTBUG":            upstream.Unavailable,
	"CANNOT":               upstream.Unavailable,
	"CONTACTADMIN":         upstream.Denied,
	"PRIVACYREQUIRED":      upstream.Denied,
	"NOPERM":               upstream.Denied,
	"WEBALERT":             upstream.Denied,
	"OVERQUOTA":            upstream.Denied,
	"NONEXISTENT":          upstream.Denied,
	"TRYCREATE":            upstream.Denied,
	"INUSE":                upstream.InUse,
	"LIMIT":                upstream.Throttled,
	"EXPUNGEISSUED":        upstream.Gone,
}

// kindOf sorts a refusal; otherwise is what a bare one means where it came.
func (r *reply) kindOf(otherwise upstream.Kind) upstream.Kind {
	text := strings.ToLower("[" + r.code + "] " + r.text)
	for _, row := range kindByText {
		if strings.Contains(text, row.text) {
			return row.kind
		}
	}
	if kind, ok := kindByCode[r.code]; ok {
		return kind
	}
	if r.kind != "NO" {
		return upstream.Unavailable // BAD and BYE say nothing of the request
	}
	return otherwise
}

var backoff = regexp.MustCompile(`(?i)suggested backoff time: (\d{1,9}) milliseconds`)

// wait is how long Exchange asks to be left alone; at most a day is believed.
func (r *reply) wait() time.Duration {
	m := backoff.FindStringSubmatch(r.text)
	if m == nil {
		return 0
	}
	ms, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return min(time.Duration(ms)*time.Millisecond, 24*time.Hour)
}

// refusal makes an error of the library's, of ours, or of a connection's end
// into an *upstream.Error. otherwise is the kind of a bare NO.
func refusal(doing string, err error, otherwise upstream.Kind) error {
	var known *upstream.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var said *reply
	var status *imap.Error
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &said):
		if meant := said.explained(); meant != error(said) {
			err = meant
		}
	case errors.As(err, &status):
		said = &reply{string(status.Type), strings.ToUpper(string(status.Code)), status.Text}
		err = said.explained()
	case errors.As(err, &untrusted): // somebody must act: trying later does not help
		return &upstream.Error{Kind: upstream.Denied, Doing: doing, Err: err}
	default:
		return &upstream.Error{Kind: upstream.Unavailable, Doing: doing, Err: err}
	}
	return &upstream.Error{Kind: said.kindOf(otherwise), Doing: doing, Wait: said.wait(), Err: err}
}
