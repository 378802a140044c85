package bridge

// TakesTokens tells whether the server has offered a mechanism for tokens, and
// whether that is known yet.
func (u *Upstream) TakesTokens() (takes, known bool) {
	u.served.mu.Lock()
	defer u.served.mu.Unlock()
	for _, s := range u.served.byAddress {
		known = true
		takes = takes || offers(s.before, "AUTH=XOAUTH2") || offers(s.before, "AUTH=OAUTHBEARER")
	}
	return takes, known
}
