package gateway

// A Live is what is known of a session between its sign-in and its end.
type Live struct {
	Upstream, Policy string // as the configuration calls them
	Base             string // the user name without a view
	Account          string // whose mailbox it is upstream
	View             string
}

// Live returns what is known of the session with this ID; false if it has not
// signed in, or has ended.
func (s *Shared) Live(id string) (Live, bool) {
	known, ok := s.live.Load(id)
	if !ok {
		return Live{}, false
	}
	r := &known.(*session).route // it never changes
	return Live{Upstream: r.Upstream, Policy: r.PolicyName, Base: r.Base, Account: r.User, View: r.View}, true
}
