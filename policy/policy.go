// Package policy decides what a client sees of a mailbox, what its RETR and
// DELE mean upstream, and how long mail stays. A policy is data, and deciding
// is a pure function of the policy, the messages, what is remembered, what the
// client did, and the time: no I/O, no clock, no memory of its own. Every
// decision carries its reason in words, for the log and for whoever asks why.
//
// It does not act: the gateway carries a plan out, through upstream.Mailbox,
// and remembers what the plan says.
package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Policy is one set of rules. Its zero value is not useful; start from a
// preset. It is read-only once in use.
type Policy struct {
	// Folders make up the maildrop, in this order; none is INBOX alone. A
	// special-use name like \Junk stands for the folder that has it.
	Folders []string `toml:"folders"`
	// OnRetrieve is what a message gets at QUIT when the client was proven to
	// have it.
	OnRetrieve Act `toml:"on_retrieve"`
	// OnDelete is what DELE followed by QUIT does.
	OnDelete Act `toml:"on_delete"`
	// ShowDeleted shows messages that somebody else flagged \Deleted.
	ShowDeleted bool `toml:"show_deleted"`
	// UnseenOnly shows only messages without \Seen.
	UnseenOnly bool `toml:"unseen_only"`
	// MaxAge hides messages that arrived longer ago; 0 is no limit.
	MaxAge Age `toml:"max_age"`
	// MaxSize hides larger messages; 0 is no limit.
	MaxSize Size `toml:"max_size"`
	// Newest shows at most so many of the newest messages; 0 is all. Those that
	// are hidden for another reason count too.
	Newest int `toml:"newest"`
	// FromNowOn shows only what came after the client's first sign-in.
	FromNowOn bool `toml:"from_now_on"`
	// Retain are the rules that remove mail after some time.
	Retain []Rule `toml:"retain"`
	// QuotaWarn is the fill in percent from which on a notice is shown; 0 is
	// never.
	QuotaWarn int `toml:"quota_warn"`
	// QuotaReclaim removes retrieved mail when the mailbox is nearly full.
	QuotaReclaim Reclaim `toml:"quota_reclaim"`
	// Language of what is written to the mail user: en or th; "" is en.
	Language string `toml:"language"`
	// MaxRemovals is how many messages retention and reclaiming may remove in
	// one session; more stops them.
	MaxRemovals int `toml:"max_removals"`
	// Lock is exclusive (one session at a time; "" is the same) or shared.
	Lock string `toml:"lock"`
	// LoginDelay is the least time from one sign-in to the next; 0 is none.
	LoginDelay Age `toml:"login_delay"`
	// DryRun decides, logs, and changes nothing.
	DryRun bool `toml:"dry_run"`
}

// DefaultPreset is the policy of a route that names none.
const DefaultPreset = "classic"

// presets by the names people know.
var presets = map[string]Policy{
	// What a POP3 server always did: DELE removes, and nothing else does.
	"classic": {OnRetrieve: Act{Do: Seen}, OnDelete: Act{Do: Expunge}},
	// Nothing that a client does changes the mailbox.
	"read-only": {OnRetrieve: Act{Do: Nothing}, OnDelete: Act{Do: Refuse}},
	// The last 30 days for any number of clients, nothing remembered.
	"recent": {OnRetrieve: Act{Do: Nothing}, OnDelete: Act{Do: Keep}, MaxAge: Age(30 * day)},
	// DELE hides: gone for this client, untouched upstream, for ever.
	"keep": {OnRetrieve: Act{Do: Seen}, OnDelete: Act{Do: Hide}},
	// DELE hides, and two weeks later removes.
	"keep-days": {OnRetrieve: Act{Do: Seen}, OnDelete: Act{Do: Hide},
		Retain: []Rule{{Since: SinceDeleted, After: Age(14 * day), Do: Act{Do: Expunge}}}},
	// Gmail's "archive the copy when messages are accessed with POP".
	"gmail-archive": {OnRetrieve: Act{Do: Archive}, OnDelete: Act{Do: Archive}},
	// Gmail's "delete the copy when messages are accessed with POP".
	"gmail-trash": {OnRetrieve: Act{Do: Trash}, OnDelete: Act{Do: Trash}},
}

// maxRemovals is the default of MaxRemovals: more than a mailbox loses in a
// week, and few enough to put back from a backup.
const maxRemovals = 1000

// Preset returns the policy with that name, and whether there is one. It is the
// caller's.
func Preset(name string) (Policy, bool) {
	p, ok := presets[name]
	p.MaxRemovals = maxRemovals
	p.Retain, p.Folders = slices.Clone(p.Retain), slices.Clone(p.Folders)
	return p, ok
}

// Presets returns the names of all presets, sorted.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

// Check refuses what cannot be meant. The error names the setting.
func (p Policy) Check() error {
	return errors.Join(
		p.OnRetrieve.check("on_retrieve", onRetrieve),
		p.OnDelete.check("on_delete", onDelete),
		notNegative("max_age", int64(p.MaxAge)),
		notNegative("max_size", int64(p.MaxSize)),
		notNegative("newest", int64(p.Newest)),
		p.checkRemovals(),
		p.checkLock(),
		p.checkDelay(),
		p.checkFolders(),
		p.checkTargets(),
		p.checkRetain(),
		p.checkQuota(),
	)
}

func notNegative(key string, n int64) error {
	if n < 0 {
		return fmt.Errorf("%s: must not be negative", key)
	}
	return nil
}

func (p Policy) checkRemovals() error {
	if p.MaxRemovals < 1 {
		return errors.New("max_removals: must be at least 1; dry_run or a hold stop retention altogether")
	}
	return nil
}

// LockShared is the Lock of a view that has any number of sessions at a time.
const LockShared = "shared"

func (p Policy) checkLock() error {
	if p.Lock != "" && p.Lock != "exclusive" && p.Lock != LockShared {
		return fmt.Errorf("lock: %q is not known; use exclusive or shared", p.Lock)
	}
	return nil
}

// maxFolders bounds what one session opens and lists.
const maxFolders = 8

func (p Policy) checkFolders() error {
	if p.Folders != nil && len(p.Folders) == 0 || len(p.Folders) > maxFolders {
		return fmt.Errorf("folders: needs 1 to %d names, not %d", maxFolders, len(p.Folders))
	}
	for i, name := range p.Folders {
		same := func(other string) bool { return strings.EqualFold(name, other) }
		control := func(r rune) bool { return r < ' ' || r == 0x7f }
		switch {
		case name == "" || name == `\` || len(name) > maxFolderName || strings.ContainsFunc(name, control):
			return fmt.Errorf("folders: %q is no name of a folder", name)
		case slices.ContainsFunc(p.Folders[:i], same):
			return fmt.Errorf("folders: %q is there twice", name)
		}
	}
	return nil
}

// maxFolderName is more than mail servers allow.
const maxFolderName = 1000

// OnlyInbox tells whether the maildrop is INBOX and nothing else.
func (p Policy) OnlyInbox() bool {
	return len(p.Folders) == 0 || len(p.Folders) == 1 && strings.EqualFold(p.Folders[0], "INBOX")
}

// longestDelay is already a poll a day.
const longestDelay = Age(24 * time.Hour)

func (p Policy) checkDelay() error {
	if p.LoginDelay < 0 || p.LoginDelay > longestDelay {
		return errors.New("login_delay: must be from 0 to 24h")
	}
	return nil
}

// DelaySeconds is the LOGIN-DELAY value of CAPA (RFC 2449 section 6.5): whole
// seconds, not less than the truth.
func (p Policy) DelaySeconds() int64 {
	return int64((time.Duration(p.LoginDelay) + time.Second - 1) / time.Second)
}

// Removes tells whether anything that a client or time does removes mail.
func (p Policy) Removes() bool {
	return p.OnRetrieve.removes() || p.OnDelete.removes() || len(p.Retain) > 0 || p.QuotaReclaim.On()
}

// NeedsState tells whether the policy cannot do without a memory.
func (p Policy) NeedsState() bool {
	return p.OnRetrieve.Do == Hide || p.OnDelete.Do == Hide || p.Newest > 0 || p.FromNowOn || len(p.Retain) > 0 || p.NeedsQuota()
}

// ShowsAll tells whether nothing about a message decides if it is shown or what
// becomes of it, but what the client does.
func (p Policy) ShowsAll() bool {
	return !p.NeedsState() && p.OnlyInbox() && !p.UnseenOnly && p.MaxAge == 0 && p.MaxSize == 0
}

// NeedsFirst tells whether it matters what was there at the first listing.
func (p Policy) NeedsFirst() bool { return p.FromNowOn || p.remembersArrival() }

// Expire is the EXPIRE value of CAPA (RFC 2449 section 6.7): how many days a
// message surely stays after the client has retrieved it without DELE; "" if
// nothing can be said. Beside are the policies of other views of the mailbox,
// which remove mail for this one, too.
func (p Policy) Expire(beside ...Policy) string {
	days, limited := p.ExpireDays(beside...)
	unknown := p.Newest > 0 || p.QuotaReclaim.On() || slices.ContainsFunc(beside, func(o Policy) bool { return o.QuotaReclaim.On() })
	switch {
	case unknown:
		return ""
	case !limited:
		return "NEVER"
	}
	return fmt.Sprint(days)
}

// ExpireDays is the least number of days that a message stays, if there is one.
func (p Policy) ExpireDays(beside ...Policy) (days int64, limited bool) {
	days, limited = p.ownDays()
	for _, other := range beside {
		if d, ok := other.daysForOthers(); ok && (!limited || d < days) {
			days, limited = d, true
		}
	}
	return days, limited
}

// daysForOthers is how long mail surely stays after another view has retrieved
// it: what this view removes on retrieval, or some days after it, may have waited
// for just that. What its client deletes is a deletion, and no expiry.
func (p Policy) daysForOthers() (days int64, limited bool) {
	least := Age(0)
	for _, r := range p.Retain {
		if r.Since == SinceRetrieved {
			return 0, true
		}
		if r.Since == SinceArrived && (least == 0 || r.After < least) {
			least = r.After
		}
	}
	if p.OnRetrieve.removes() {
		return 0, true
	}
	return int64(time.Duration(least) / day), least > 0
}

func (p Policy) ownDays() (days int64, limited bool) {
	if p.OnRetrieve.removes() || p.OnRetrieve.Do == Hide || p.OnRetrieve.Do == Seen && p.UnseenOnly {
		return 0, true
	}
	least := p.MaxAge
	for _, r := range p.Retain {
		if r.Since != SinceDeleted && (least == 0 || r.After < least) {
			least = r.After
		}
	}
	return int64(time.Duration(least) / day), least > 0
}
