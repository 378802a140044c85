// Package store is what Restante remembers between sessions and across
// restarts. It keeps facts and decides nothing: what a remembered fact means
// is the affair of the gateway, the bridge and the policies. It is no cache in
// memory, no log, and it never talks to a mail server.
//
// Open gives the one implementation that there is, a SQLite file that one
// process owns; storetest proves that an implementation keeps the contract.
package store

import (
	"context"
	"time"
)

// A Store remembers. It is safe for concurrent use.
//
// A write returns when what was written is on disk, and then survives a kill
// or a power cut. If it returns because ctx ended, it may have happened or
// not. Reads do not wait for writes.
//
// True sizes and listings only save work: they can be learned and fetched again.
// So a caller takes an error as "unknown", logs it and goes on. What a view
// remembers is another matter: without it deleted mail would come back, so an
// error means that nothing is known, and never that nothing is remembered.
//
// Keys are data: up to MaxKey octets, any but NUL. A longer one fails with
// ErrTooLarge.
type Store interface {
	// Sizes returns the true sizes that were learned of the folder's messages,
	// octets by UID; none for another UIDVALIDITY than the last one written.
	// The map is the caller's.
	Sizes(ctx context.Context, folder FolderKey) (map[uint32]int64, error)
	// LearnSizes adds to what is known of the folder. Another UIDVALIDITY than
	// before forgets all that was known of the folder's earlier life.
	LearnSizes(ctx context.Context, folder FolderKey, octets map[uint32]int64) error

	// Listing returns what was saved under the key; nil if nothing is. Who
	// saved it must be able to tell whether it is whole and still true.
	Listing(ctx context.Context, key string) ([]byte, error)
	// SaveListing replaces what is saved under the key. It fails with
	// ErrTooLarge if the blob is larger than MaxListing.
	SaveListing(ctx context.Context, key string, blob []byte) error

	// View returns what is remembered of a view, at one moment; a View that has
	// not Begun if nothing is. It is the caller's.
	View(ctx context.Context, key ViewKey) (View, error)
	// Intend remembers what is about to be changed upstream, until Remember
	// settles it, and adds c to what is remembered of the view, both in one
	// transaction. A view that is not known begins.
	Intend(ctx context.Context, key ViewKey, c Changes, deeds []Deed) (id int64, err error)
	// Remember adds to what is remembered of a view, in one transaction.
	Remember(ctx context.Context, key ViewKey, c Changes) error
	// Approvals returns the rules that an administrator approved, and when.
	Approvals(ctx context.Context) (map[string]int64, error)

	Ledger
	Accounts
	Leases
	Bans
	AuditLines

	// ForgetApprovals forgets all approvals but those of the named rules.
	ForgetApprovals(ctx context.Context, except []string) (forgotten int64, err error)
	// MaildropPrefixes returns what the names of maildrops of which views are
	// remembered, or which are held, have before the first end, each once and
	// sorted.
	MaildropPrefixes(ctx context.Context, end string) ([]string, error)

	// Probe writes, and changes nothing: it fails if writing does.
	Probe(ctx context.Context) error

	// Info says what the store is and how much it holds.
	Info(ctx context.Context) (Info, error)
	// Close waits for the writes under way, and lets go. Every later call
	// fails with ErrClosed.
	Close() error
}

// Bounds. Of what is over the total ones the longest unused is dropped first:
// it can be learned again.
const (
	// MaxKey is the most octets of a key, or of each name in a FolderKey: more
	// than any user name and folder name that a line of POP3 or IMAP brings here.
	MaxKey = 4096
	// MaxListing is the most octets that one listing may have: 16 for each
	// message of the largest maildrop that the bridge will list, four times over.
	MaxListing = 64 << 20
	// maxListings is the most octets of all listings together: at some 20
	// octets a message, 10,000 accounts of 1,300 messages each.
	maxListings = 256 << 20
	// maxSizes is the most octets of all learned sizes: at 4 to 5 octets each,
	// those of 13 million messages.
	maxSizes = 64 << 20
)

// A FolderKey names a folder in one of its lives.
type FolderKey struct {
	// Maildrop is whose it is: upstream and user, in a form that the caller
	// chooses and keeps.
	Maildrop string
	// Folder is its name as the server writes it.
	Folder string
	// UIDValidity is what gives UIDs their meaning (RFC 3501 section 2.3.1.1).
	UIDValidity uint32
}

// Info describes a store for the administrator.
type Info struct {
	// Path of the file, absolute.
	Path string
	// Schema is the version of its tables.
	Schema int
	// Created is when it was made, to the second.
	Created time.Time
	// Octets on disk, what is not yet folded into the main file included.
	Octets int64
	// Folders with learned sizes, and the octets that these take.
	Folders, SizeOctets int64
	// Listings remembered, and the octets that these take.
	Listings, ListingOctets int64
	// Views that remember something, and the octets that their messages take.
	Views, ViewOctets int64
	// Held maildrops.
	Held int64
	// Accounts that are kept.
	Accounts int64
	// Ledger counts the messages whose UIDLs and headers are known.
	Ledger int64
}
