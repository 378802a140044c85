package bridge

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

// TestKinds goes through the table row by row: what a server says, and what it
// means where a bare NO means that the credentials are wrong.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		kind, code, text string
		want             upstream.Kind
		wait             time.Duration
	}{
		{"NO", "", "LOGIN failed.", upstream.Rejected, 0},
		{"NO", "X-UNHEARD-OF", "hm", upstream.Rejected, 0},
		{"BAD", "", "unknown command", upstream.Unavailable, 0},
		{"BYE", "", "Connection closed. 14", upstream.Unavailable, 0},
		{"NO", "AUTHENTICATIONFAILED", "Invalid credentials (Failure)", upstream.Rejected, 0},
		{"NO", "AUTHORIZATIONFAILED", "-", upstream.Rejected, 0},
		{"NO", "EXPIRED", "-", upstream.Rejected, 0},
		{"NO", "UNAVAILABLE", "UID FETCH Server error", upstream.Unavailable, 0},
		{"NO", "UNAVAILABLE", "Temporary authentication failure.", upstream.Unavailable, 0},
		{"NO", "AUTHENTICATIONFAILED", "Temporary authentication failure.", upstream.Unavailable, 0},
		{"NO", "UNAVAILABLE", "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", upstream.Throttled, 0},
		{"NO", "SERVERBUG", "Internal error occurred. Refer to server log.", upstream.Unavailable, 0},
		{"NO", "CORRUPTION", "-", upstream.Unavailable, 0},
		{"NO", "CLIENTBUG", "-", upstream.Unavailable, 0},
		{"NO", "CANNOT", "-", upstream.Unavailable, 0},
		{"NO", "CONTACTADMIN", "-", upstream.Denied, 0},
		{"NO", "PRIVACYREQUIRED", "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", upstream.Denied, 0},
		{"NO", "", "Plaintext authentication disallowed", upstream.Denied, 0},
		{"NO", "NOPERM", "-", upstream.Denied, 0},
		{"NO", "NONEXISTENT", "Mailbox doesn't exist: x", upstream.Denied, 0},
		{"NO", "", "Mailbox doesn't exist: x (0.001 + 0.000 secs).", upstream.Denied, 0},
		{"NO", "", "Mailbox does not exist", upstream.Denied, 0},
		{"NO", "", "Unknown Mailbox: x (Failure)", upstream.Denied, 0},
		{"NO", "TRYCREATE", "-", upstream.Denied, 0},
		{"NO", "OVERQUOTA", "Quota exceeded", upstream.Denied, 0},
		{"NO", "WEBALERT", "https://accounts.google.com Web login required.", upstream.Denied, 0},
		{"NO", "ALERT", "Application-specific password required: https://support.google.com", upstream.Denied, 0},
		{"NO", "ALERT", "IMAP access is disabled for your domain.", upstream.Denied, 0},
		{"NO", "ALERT", "Your account is not enabled for IMAP use.", upstream.Denied, 0},
		{"NO", "", "The user is not enabled for IMAP", upstream.Denied, 0},
		{"BAD", "", "User is authenticated but not connected.", upstream.Denied, 0},
		{"NO", "INUSE", "-", upstream.InUse, 0},
		{"NO", "", "Mailbox is locked by another session", upstream.InUse, 0},
		{"NO", "", "Mailbox already opened", upstream.InUse, 0},
		{"NO", "LIMIT", "-", upstream.Throttled, 0},
		{"NO", "ALERT", "Too many simultaneous connections. (Failure)", upstream.Throttled, 0},
		{"BAD", "", "Request is throttled. Suggested Backoff Time: 92415 milliseconds", upstream.Throttled, 92415 * time.Millisecond},
		{"NO", "", "suggested backoff time: 999999999 milliseconds", upstream.Throttled, 24 * time.Hour},
		{"NO", "", "Suggested Backoff Time: 99999999999999999999 milliseconds", upstream.Throttled, 0},
		{"NO", "", "FETCH failed [THROTTLED]", upstream.Throttled, 0},
		{"NO", "THROTTLED", "later", upstream.Throttled, 0},
		{"NO", "", "Exceeded the login limit for a 15 minute period. Reduce the frequency of requests.", upstream.Throttled, 0},
		{"NO", "", "Server Unavailable. 15", upstream.Unavailable, 0},
		{"NO", "EXPUNGEISSUED", "-", upstream.Gone, 0},
		{"NO", "SERVERBUG", "Some of the requested messages no longer exist", upstream.Gone, 0},
	} {
		for _, err := range []error{
			&reply{c.kind, c.code, c.text},
			&imap.Error{Type: imap.StatusResponseType(c.kind), Code: imap.ResponseCode(c.code), Text: c.text},
		} {
			var got *upstream.Error
			if !errors.As(refusal("try", err, upstream.Rejected), &got) {
				t.Fatal("no *upstream.Error")
			}
			if got.Kind != c.want || got.Wait != c.wait || got.Doing != "try" {
				t.Errorf("%+v: %v, wait %v; want %v, %v", c, got.Kind, got.Wait, c.want, c.wait)
			}
		}
	}
}

// TestKindsCovered: no row of the table is unproven.
func TestKindsCovered(t *testing.T) {
	seen := map[upstream.Kind]bool{}
	for _, row := range kindByText {
		r := &reply{"NO", "", "XX " + row.text + " xx"}
		if got := r.kindOf(upstream.Rejected); got != row.kind {
			t.Errorf("%q: %v, want %v", row.text, got, row.kind)
		}
		seen[row.kind] = true
	}
	for code, kind := range kindByCode {
		if got := (&reply{"NO", code, "-"}).kindOf(upstream.InUse); got != kind {
			t.Errorf("%s: %v, want %v", code, got, kind)
		}
		seen[kind] = true
	}
	for kind := upstream.Unavailable; kind <= upstream.Gone; kind++ {
		if !seen[kind] {
			t.Errorf("no server can make an error of kind %v", kind)
		}
	}
}

func TestRefusalOfOthers(t *testing.T) {
	if err := refusal("try", nil, upstream.Rejected); err != nil {
		t.Errorf("no error became %v", err)
	}
	kindIs(t, refusal("try", io.ErrUnexpectedEOF, upstream.Rejected), upstream.Unavailable, "try: unexpected EOF")
	was := &upstream.Error{Kind: upstream.Gone, Doing: "x", Err: io.EOF}
	if err := refusal("try", was, upstream.Rejected); err != error(was) {
		t.Errorf("a known error became %v", err)
	}
}
