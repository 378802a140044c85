package config

import (
	"errors"

	"github.com/restante-mail/restante/uidl"
)

// upstreamUIDL reads the format of an upstream's UIDLs.
func (b *builder) upstreamUIDL(path, text string, u *Upstream) {
	u.UIDL = b.uidlFormat(path, text, uidl.Default)
	if text != "" && u.Protocol == POP3 {
		b.addf(path, "is for IMAP upstreams only: what a POP3 server calls its messages is passed on")
	}
}

// uidlFormat reads a format, or the one that stands for what is left out.
func (b *builder) uidlFormat(path, text, fallback string) uidl.Format {
	if text == "" {
		text = fallback
	}
	f, err := uidl.Parse(text)
	if err != nil {
		b.addf(path, "%v", err)
		f, _ = uidl.Parse(uidl.Default) // it is good
	}
	return f
}

// routeUIDL reads what a route says of UIDLs, and of the server before.
func (b *builder) routeUIDL(path string, t *RouteTable, r *Route) {
	if r.Upstream == nil {
		return
	}
	at := child(path, "uidl")
	r.UIDL = b.uidlFormat(at, t.UIDL, r.Upstream.UIDL.String())
	if t.UIDL != "" && r.Upstream.Protocol == POP3 {
		b.addf(at, "is for IMAP upstreams only: what a POP3 server calls its messages is passed on")
	}
	b.lastingUIDL(at, r)
	b.succession(path, t, r)
}

// lastingUIDL refuses names that would be given twice, and nobody would know.
func (b *builder) lastingUIDL(path string, r *Route) {
	if !r.UIDL.Lasting() && b.State == "" {
		b.addf(path, "%q without %%v names other messages the same when the folder's UIDVALIDITY changes, and only a state file can tell; add %%v, or name a file with state = \"FILE\"", r.UIDL)
	}
}

func (b *builder) succession(path string, t *RouteTable, r *Route) {
	at, as := child(path, "succeeds"), child(path, "succeeds_identity")
	r.succeeds, r.succeedsIdentity = t.Succeeds, t.SucceedsIdentity
	if t.SucceedsIdentity == "" {
		r.succeedsIdentity = r.identity
	}
	switch {
	case t.Succeeds == "" && t.SucceedsIdentity != "":
		b.addf(as, "means nothing without succeeds")
	case t.Succeeds == "":
		return
	case t.Succeeds == r.Upstream.Name:
		b.addf(at, "%q is this route's own upstream; name the one that had the mail before", t.Succeeds)
	case b.State == "":
		b.addf(at, "what the other upstream's clients were told is in the state file; name it with state = \"FILE\"")
	}
	b.checkName(at, t.Succeeds)
	if err := checkIdentity(r.succeedsIdentity); err != nil {
		b.addf(as, "%v", err)
	}
}

// Predecessor is where the account of a user was before: the name of an
// upstream, which need not be configured any more, and who the user was there;
// "" for the route that names none.
func (r Route) Predecessor(user string) (upstream, identity string, err error) {
	if r.succeeds == "" {
		return "", "", nil
	}
	before := Route{identity: r.succeedsIdentity}
	if identity, err = before.Identity(user); err != nil {
		return "", "", errors.Join(errors.New("succeeds_identity"), err)
	}
	return r.succeeds, identity, nil
}
