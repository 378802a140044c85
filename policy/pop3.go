package policy

// A Lack is something that POP3 has not, and the settings that need it.
type Lack struct {
	Keys []string
	What string
}

// overPOP3 are the settings that mean nothing over a POP3 upstream. Those that
// are not here work there: what is hidden, kept, expunged, and when.
var overPOP3 = []struct {
	what string
	key  string
	set  func(Policy) bool
}{
	{"no folders but INBOX", "folders", func(p Policy) bool { return !p.OnlyInbox() }},
	{"no \\Seen", "unseen_only", func(p Policy) bool { return p.UnseenOnly }},
	{"no dates of arrival", "max_age", func(p Policy) bool { return p.MaxAge > 0 }},
	{"no UIDs to tell what is newer", "newest", func(p Policy) bool { return p.Newest > 0 }},
	{"no UIDs to tell what is newer", "from_now_on", func(p Policy) bool { return p.FromNowOn }},
	{"no quotas", "quota_warn", func(p Policy) bool { return p.QuotaWarn > 0 }},
	{"no quotas", "quota_reclaim", func(p Policy) bool { return p.QuotaReclaim.On() }},
	{"no folder to move messages to", "on_retrieve", func(p Policy) bool { return p.OnRetrieve.moves() }},
	{"no folder to move messages to", "on_delete", func(p Policy) bool { return p.OnDelete.moves() }},
	{"no folder to move messages to", "retain", func(p Policy) bool { return p.retains(Act.moves) }},
	{"no keywords", "on_retrieve", func(p Policy) bool { return p.OnRetrieve.flags() }},
	{"no keywords", "on_delete", func(p Policy) bool { return p.OnDelete.flags() }},
	{"no keywords", "retain", func(p Policy) bool { return p.retains(Act.flags) }},
}

// OverPOP3 says what of the policy a POP3 upstream cannot do.
func (p Policy) OverPOP3() (lacks []Lack) {
	for _, row := range overPOP3 {
		if !row.set(p) {
			continue
		}
		if last := len(lacks) - 1; last >= 0 && lacks[last].What == row.what {
			lacks[last].Keys = append(lacks[last].Keys, row.key)
		} else {
			lacks = append(lacks, Lack{[]string{row.key}, row.what})
		}
	}
	return lacks
}

func (a Act) flags() bool { return a.Do == Flag }

// retains tells whether a rule of retention does something of that kind.
func (p Policy) retains(kind func(Act) bool) bool {
	for _, rule := range p.Retain {
		if kind(rule.Do) {
			return true
		}
	}
	return false
}
