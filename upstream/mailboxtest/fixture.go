// Package mailboxtest proves that an implementation of upstream.Server and
// upstream.Mailbox keeps their contract. Run puts it through every case, over
// whatever real or in-memory server the caller's Fixture stands for.
//
// It knows neither IMAP nor POP3. What a server cannot do it is not asked for,
// if the Fixture says so and why; faults on the wire (cut literals, stalls,
// garbage) are for the implementation's own tests.
package mailboxtest

import (
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// A Fixture is one account on a server behind, with an empty INBOX, and a hand
// that changes the account without the implementation's help, as another
// client would. Every function fails the test by itself if it cannot do its
// work, and when it returns the work is done.
type Fixture struct {
	// Server is what is put to the test, and Login the account's credentials.
	Server upstream.Server
	Login  upstream.Login

	// Append delivers a message to INBOX, after all others.
	Append func(t testing.TB, raw []byte, seen bool)
	// Contents lists a folder, oldest first. It is called before the mailbox is
	// opened, after Apply or after Close, and where the server has News at any
	// time.
	Contents func(t testing.TB, folder string) []Stored
	// Remove expunges the message at that index of INBOX, and nothing else.
	// nil: the server lacks News.
	Remove func(t testing.TB, index int)
	// MarkDeleted sets \Deleted on the message at that index of INBOX. nil:
	// the server lacks Marks.
	MarkDeleted func(t testing.TB, index int)
	// AddAccount makes another account with an empty INBOX. Names and
	// passwords hold spaces, quotes, wildcards and 8-bit characters. nil: the
	// server lacks Accounts.
	AddAccount func(t testing.TB, user, password string)

	// Archive is a folder of the account that is not INBOX, and Trash the one
	// that has the special use \Trash. Both are empty, and neither is needed
	// where the server lacks Move.
	Archive, Trash string

	// Lacks tells what the server cannot do, and why in a few words: those
	// cases are skipped with that reason.
	Lacks map[Ability]string
}

// Stored is a message as it lies on the server.
type Stored struct {
	Raw      []byte // line ends may have been converted
	Seen     bool
	Deleted  bool
	Keywords []string // without the system flags
}

// An Ability is something that not every server has.
type Ability string

// The abilities of a server.
const (
	Seen       Ability = `\Seen flags`                        // MarkSeen works and listings show it
	Keywords   Ability = "keywords"                           // Flag works
	Move       Ability = "folders to move to"                 // Move works
	SpecialUse Ability = `a folder of the special use \Trash` // RFC 6154
	Folders    Ability = "several folders in one maildrop"    // Login.Folders
	Shared     Ability = "two sessions of one account at once"
	News       Ability = "other clients that change an open mailbox"
	Marks      Ability = `\Deleted flags of other clients`
	Accounts   Ability = "more accounts"
)

// The abilities to keep odd messages as they are.
const (
	KeepsNUL      Ability = "messages with NULs"
	KeepsEmpty    Ability = "empty messages"
	KeepsFromLine Ability = "messages that begin with an mbox From line"
	KeepsBareCR   Ability = "messages with bare CRs"
	KeepsHeadless Ability = "messages without a header or an empty line"
)

// lacks gives the reason for which a case that needs the ability is skipped.
func (f *Fixture) lacks(a Ability) (reason string, lacks bool) {
	if reason, lacks = f.Lacks[a]; lacks {
		return reason, true
	}
	missing := map[Ability]bool{News: f.Remove == nil, Marks: f.MarkDeleted == nil, Accounts: f.AddAccount == nil}
	return "the fixture has no way to do it", missing[a]
}
