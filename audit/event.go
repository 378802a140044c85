// Package audit is what Restante writes down so that somebody can ask later who
// fetched or deleted a message, from where, and how it was decided. It has one
// type for each kind of fact, an encoder that makes one line of JSON of it, and
// what keeps such lines.
//
// It sees no mail and decides nothing: whoever knows a fact gives it to a
// Recorder. It is not the log, which tells an administrator what to look at;
// docs/audit.md says what a line holds, docs/audit.schema.json says it to a
// machine, and Version is raised when that changes for a reader.
package audit

import (
	"net/netip"
	"time"
)

// Version of the lines' form. New fields and kinds do not raise it; a field that
// goes away, or means something else, does.
const Version = 1

// Kind names a fact.
type Kind string

// An Event is one fact. It is a pointer to one of the structs of this package,
// which are documented there, and is not changed once it was recorded.
type Event interface {
	Kind() Kind
	// Head is what every event has.
	Head() *Header
	// fields writes what only this kind has.
	fields(*line)
}

// A Header says when, and of whose session. What is not known is empty: an
// event of the process itself has only a time.
type Header struct {
	Time time.Time `json:"time"`
	// Session is the ID that the log and the client's error messages have too.
	Session string `json:"session,omitempty"`
	// Listener is the name that the configuration gives it.
	Listener string `json:"listener,omitempty"`
	// Client is the client's address, without a port; the zero Addr if unknown.
	Client netip.Addr `json:"client,omitzero"`
	// User is the name as the client wrote it.
	User string `json:"user,omitempty"`
	// Base is that name without a view: limits, bans and questions of who it was
	// count under it. With an authorization identity it is the owner's, whose
	// maildrop it is, and User is who signed in.
	Base string `json:"base,omitempty"`
	// View is the declared view; "" is the one that every maildrop has.
	View string `json:"view,omitempty"`
}

// Head implements Event.
func (h *Header) Head() *Header { return h }

// A Message is which message a fact is about.
type Message struct {
	// Number is the client's number in this session; 0 for a message that the
	// client does not see.
	Number int `json:"n,omitempty"`
	// UIDL is the client's lasting name.
	UIDL string `json:"uidl,omitempty"`
	// Upstream is the server's name in the configuration, Host its host.
	Upstream string `json:"upstream,omitempty"`
	Host     string `json:"host,omitempty"`
	// Folder, UIDValidity and UID name the message at an IMAP server for ever.
	// Over POP3 there is no UID.
	Folder      string `json:"folder,omitempty"`
	UIDValidity uint32 `json:"uidvalidity,omitempty"`
	UID         uint32 `json:"uid,omitempty"`
	// MessageID is the header field, with its angle brackets, if it passed by in
	// this session.
	MessageID string `json:"message_id,omitempty"`
}
