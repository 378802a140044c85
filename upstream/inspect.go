package upstream

import "context"

// An Inspector is a Mailbox that tells what its server can do for the account.
// It may be asked until Apply.
type Inspector interface {
	Abilities() Abilities
	// Resolve returns the folder that a special-use name such as \Trash stands
	// for; any other name is returned as it is. It fails with ErrNoFolder if
	// there is none.
	Resolve(ctx context.Context, name string) (string, error)
	// Keeps tells whether a folder, by its index in Folders, keeps a keyword.
	Keeps(folder int, keyword string) bool
	// Quota tells how full the account is, as far as a folder is concerned; nil
	// if the server does not tell. What Login.NeedQuota had asked costs nothing.
	Quota(ctx context.Context, folder string) (*FolderQuota, error)
}

// Abilities are what a server can do with single messages.
type Abilities struct {
	// Expunges: it removes a message for good (UIDPLUS). Otherwise one is moved
	// to the trash, or, without Moves, flagged \Deleted.
	Expunges bool
	// ByTrash: what is removed for good goes by way of the folder with \Trash
	// (Gmail).
	ByTrash bool
	// Moves: it moves a message (MOVE).
	Moves bool
	// Quotas: it tells how full an account is (QUOTA).
	Quotas bool
}

// MarksOnly tells whether the server can do no more than flag a message.
func (a Abilities) MarksOnly() bool { return !a.Expunges && !a.Moves }

// A FolderQuota is what limits a folder.
type FolderQuota struct {
	// Roots are the names of the quotas that hold for the folder. Folders with
	// the same root are limited together. There may be none.
	Roots []string
	// Limits are what the roots limit, as far as we know what that is.
	Limits []Quota
}

// A Quota is one limit, and how much of it is used up.
type Quota struct {
	Root string
	// Messages are counted, and not octets.
	Messages bool
	// Used and Limit are octets, or messages; Limit is above 0.
	Used, Limit int64
}

// Percent is how full it is, rounded down; more than 100 is possible.
func (q Quota) Percent() int64 {
	whole := q.Used / q.Limit
	return whole*100 + (q.Used-whole*q.Limit)*100/q.Limit // no figure that fits a Quota wraps
}
