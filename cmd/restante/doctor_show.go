package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/doctor"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/upstream"
)

// doctored is what doctor found out, as it is shown.
type doctored struct {
	Upstream     string                    `json:"upstream"`
	Security     string                    `json:"security"`
	Addresses    []visited                 `json:"addresses"`
	SignIn       signedIn                  `json:"sign_in"`
	Capabilities []string                  `json:"capabilities,omitempty"`
	Folders      []upstream.SurveyedFolder `json:"folders,omitempty"`
	Maildrop     []gateway.FolderCount     `json:"maildrop,omitempty"`
	Quota        []shownQuota              `json:"quota,omitempty"`
	Sampled      []gateway.Sample          `json:"sampled,omitempty"`
	*doctor.Diagnosis
}

// visited is one address.
type visited struct {
	Address string `json:"address"`
	// Milliseconds until a client could sign in.
	Milliseconds float64            `json:"milliseconds"`
	TLS          string             `json:"tls,omitempty"`
	Cipher       string             `json:"cipher,omitempty"`
	Chain        []shownCertificate `json:"chain,omitempty"`
	Error        string             `json:"error,omitempty"`
}

// shownCertificate is one of a chain.
type shownCertificate struct {
	Subject string    `json:"subject"`
	Names   []string  `json:"names,omitempty"`
	Issuer  string    `json:"issuer"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
}

// signedIn is how the sign-in went.
type signedIn struct {
	User         string  `json:"user"`
	Mailbox      string  `json:"mailbox"`
	View         string  `json:"view,omitempty"`
	Policy       string  `json:"policy,omitempty"`
	Secret       string  `json:"secret,omitempty"`
	OK           bool    `json:"ok"`
	Milliseconds float64 `json:"milliseconds,omitempty"`
	RoundTrips   int32   `json:"round_trips,omitempty"`
	Listing      float64 `json:"listing_milliseconds,omitempty"`
}

type shownQuota struct {
	Root     string `json:"root"`
	Messages bool   `json:"messages,omitempty"`
	Used     int64  `json:"used"`
	Limit    int64  `json:"limit"`
	Percent  int64  `json:"percent"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func newDoctored(u *config.Upstream, f *doctor.Facts, signIn *trips) *doctored {
	e := f.Exam
	d := &doctored{Upstream: u.Name, Security: u.Security.String(), Capabilities: e.Survey.Capabilities, Folders: e.Survey.Folders,
		Maildrop: e.Count, Sampled: e.Sampled, Diagnosis: doctor.Diagnose(*f)}
	for _, v := range f.Visits {
		d.Addresses = append(d.Addresses, newVisited(v))
	}
	d.SignIn = signedIn{User: e.User, Mailbox: e.Mailbox, View: e.View, Policy: e.Policy, Secret: e.Secret, OK: len(e.Folders) > 0}
	if d.SignIn.OK {
		d.SignIn.Milliseconds, d.SignIn.RoundTrips, d.SignIn.Listing = milliseconds(e.Opened), signIn.count.Load(), milliseconds(e.Listed)
	}
	if e.Quota != nil {
		for _, q := range e.Quota.Limits {
			d.Quota = append(d.Quota, shownQuota{q.Root, q.Messages, q.Used, q.Limit, q.Percent()})
		}
	}
	return d
}

func newVisited(v upstream.Visit) visited {
	to := visited{Address: v.Address, Milliseconds: milliseconds(v.Took)}
	if v.TLS.Version != 0 {
		to.TLS, to.Cipher = tls.VersionName(v.TLS.Version), tls.CipherSuiteName(v.TLS.CipherSuite)
	}
	for _, c := range v.Chain {
		to.Chain = append(to.Chain, shownCertificate{c.Subject.String(), c.DNSNames, c.Issuer.String(), c.NotBefore, c.NotAfter})
	}
	if v.Err != nil {
		to.Error = v.Err.Error()
	}
	return to
}

func (d *doctored) write(out io.Writer) {
	fmt.Fprintf(out, "upstream %s (TLS: %s)\n", d.Upstream, d.Security)
	for _, v := range d.Addresses {
		v.write(out)
	}
	d.writeSignIn(out)
	if len(d.Capabilities) > 0 {
		fmt.Fprintf(out, "capabilities: %s\n", printable(strings.Join(d.Capabilities, ", ")))
	}
	if len(d.Folders) > 0 {
		fmt.Fprintln(out, "folders:")
	}
	for _, f := range d.Folders {
		fmt.Fprintln(out, "  "+printable(strings.TrimSpace(f.Name+"  "+strings.Join(f.Uses, " "))))
	}
	for _, q := range d.Quota {
		fmt.Fprintf(out, "quota %s: %d %% full (%d of %d %s)\n", printable(q.Root), q.Percent, q.Used, q.Limit,
			map[bool]string{true: "messages", false: "octets"}[q.Messages])
	}
	if n := len(d.Sampled); n > 0 {
		fmt.Fprintf(out, "sizes: %d message(s) measured\n", n)
	}
	d.writeFindings(out)
}

func (v *visited) write(out io.Writer) {
	if v.Error != "" {
		fmt.Fprintf(out, "%s: no connection: %s\n", v.Address, printable(v.Error))
	} else {
		fmt.Fprintf(out, "%s: ready in %.1f ms%s\n", v.Address, v.Milliseconds, strings.TrimRight(", "+v.TLS+" "+v.Cipher, ", "))
	}
	for _, c := range v.Chain {
		fmt.Fprintf(out, "  certificate %s, signed by %s, until %s\n", printable(c.Subject), printable(c.Issuer), c.Until.Format(time.DateTime))
	}
}

func (d *doctored) writeSignIn(out io.Writer) {
	s := &d.SignIn
	if s.Secret != "" {
		fmt.Fprintf(out, "here: the secret %q opens the account\n", s.Secret)
	}
	if !s.OK {
		return
	}
	fmt.Fprintf(out, "signed in as %s for the mailbox of %s; view %q, policy %s: %.1f ms, %d round trip(s)\n", printable(s.User), printable(s.Mailbox), s.View,
		orNone(s.Policy), s.Milliseconds, s.RoundTrips)
	for _, f := range d.Maildrop {
		fmt.Fprintf(out, "  %s: %d messages, %d octets\n", printable(f.Folder), f.Messages, f.Octets)
	}
}

func (d *doctored) writeFindings(out io.Writer) {
	fmt.Fprintln(out)
	for _, f := range d.Notes {
		writeFinding(out, "note", f)
	}
	for _, f := range d.Findings {
		writeFinding(out, "WRONG", f)
	}
	if len(d.Findings) == 0 {
		fmt.Fprintln(out, "nothing is wrong")
	}
}

func writeFinding(out io.Writer, what string, f doctor.Finding) {
	fmt.Fprintf(out, "%s: %s\n", what, printable(f.String()))
	if f.Remedy != "" {
		fmt.Fprintf(out, "  do: %s\n", printable(f.Remedy))
	}
}
