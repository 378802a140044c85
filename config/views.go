package config

import (
	"slices"
	"strings"

	"github.com/restante-mail/restante/policy"
)

// recentView is the view of "recent:USER". Nothing is remembered of it, so that
// it serves any number of clients.
const recentView = "recent"

const (
	// maxViews bounds what one removal has to wait for.
	maxViews = 16
	// maxViewName is more than anybody types after a user name.
	maxViewName = 32
)

// views are what a route knows of its declared views.
type views struct {
	names  []string
	recent bool
	all    bool              // a removal waits for all of them
	policy map[string]*Route // what is different for a view
}

// split takes the name of a declared view off a user name: "alice+printer",
// "alice+printer@example.com", "alice@example.com+printer", "recent:alice".
// What is not declared is part of the name.
func (v *views) split(user string) (base, view string) {
	if prefix := recentView + ":"; v.recent && len(user) > len(prefix) && strings.EqualFold(user[:len(prefix)], prefix) {
		base, _ = v.splitDeclared(user[len(prefix):])
		return base, recentView
	}
	return v.splitDeclared(user)
}

func (v *views) splitDeclared(user string) (base, view string) {
	local, domain := user, ""
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		local, domain = user[:at], user[at:]
	}
	for _, name := range v.names {
		if base, ok := cutFold(user, "+"+name); ok {
			return base, name
		}
		if base, ok := cutFold(local, "+"+name); ok {
			return base + domain, name
		}
	}
	return user, ""
}

// cutFold cuts a suffix off, in any case, if something is before it.
func cutFold(s, suffix string) (before string, ok bool) {
	n := len(s) - len(suffix)
	if n <= 0 || !strings.EqualFold(s[n:], suffix) {
		return s, false
	}
	return s[:n], true
}

// as is the route for one of its views.
func (r Route) as(base, view string) Route {
	r.Base, r.View = base, view
	r.Beside = r.policiesBeside(view)
	if other := r.views.policy[view]; other != nil {
		r.Policy, r.PolicyName = other.Policy, other.PolicyName
	}
	r.Forget = view == recentView
	if r.Forget && r.Policy.Lock == "" {
		r.Policy.Lock = policy.LockShared // it serves any number of clients
	}
	if !r.views.all || r.Forget {
		return r
	}
	for _, name := range append([]string{""}, r.views.names...) {
		if name != view {
			r.Others = append(r.Others, name)
		}
	}
	return r
}

// Views are the names of the route's views that clients can ask for; "" is the
// one without a name.
func (r Route) Views() []string {
	all := append([]string{""}, r.views.names...)
	if r.views.recent {
		all = append(all, recentView)
	}
	return all
}

// policiesBeside are those of the route's other views, of which something is
// remembered.
func (r Route) policiesBeside(view string) (all []policy.Policy) {
	for _, name := range append([]string{""}, r.views.names...) {
		if name == view {
			continue
		}
		p := r.Policy
		if other := r.views.policy[name]; other != nil {
			p = other.Policy
		}
		all = append(all, p)
	}
	return all
}

func (b *builder) buildViews(path string, t *RouteTable, r *Route) {
	r.views = views{recent: t.Recent, all: len(t.Views) > 0 && t.ViewsDelete != "any", policy: map[string]*Route{}}
	if t.ViewsDelete != "" {
		b.oneOf(child(path, "views_delete"), t.ViewsDelete, "all", "any")
	}
	if len(t.Views) > maxViews {
		b.addf(child(path, "views"), "%d are too many; %d are allowed", len(t.Views), maxViews)
		return
	}
	for i, name := range t.Views {
		b.viewName(element(child(path, "views"), i), name, r.views.names)
		r.views.names = append(r.views.names, name)
	}
	b.viewPolicies(path, t, r)
}

func (b *builder) viewName(path, name string, before []string) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	foreign := func(r rune) bool { return !strings.ContainsRune(allowed, r) }
	same := func(other string) bool { return strings.EqualFold(name, other) }
	switch {
	case name == "" || len(name) > maxViewName || strings.ContainsFunc(name, foreign):
		b.addf(path, "%q is no name of a view; write up to %d letters, digits, - and _", name, maxViewName)
	case same(recentView):
		b.addf(path, "%q is the view of recent = true; choose another name", name)
	case slices.ContainsFunc(before, same):
		b.addf(path, "%q is there already", name)
	}
}

func (b *builder) viewPolicies(path string, t *RouteTable, r *Route) {
	at := child(path, "view_policy")
	for view, name := range t.ViewPolicy {
		if !slices.Contains(t.Views, view) && !(view == recentView && t.Recent) {
			b.addf(child(at, view), "the route declares no view %q", view)
			continue
		}
		r.views.policy[view] = &Route{Upstream: r.Upstream}
		b.routePolicy(child(at, view), name, r.views.policy[view])
		if r.views.policy[view].Policy.QuotaWarn > 0 {
			b.warnf(child(at, view), "policy %q has quota_warn, whose notice only the view without a name shows", name)
		}
	}
	if !t.Recent {
		return
	}
	if r.views.policy[recentView] == nil {
		p, _ := policy.Preset(recentView)
		r.views.policy[recentView] = &Route{Upstream: r.Upstream, Policy: p, PolicyName: recentView}
		b.checkOverPOP3(child(path, "recent"), r.views.policy[recentView])
	}
	if p := r.views.policy[recentView].Policy; p.NeedsState() || p.Removes() {
		b.addf(child(at, recentView), "nothing is remembered of the view recent, and it must not remove mail that others wait for; choose a policy that neither remembers nor removes")
	}
}

func (r Route) needsState() bool {
	if r.Policy.NeedsState() || len(r.views.names) > 0 || r.succeeds != "" {
		return true
	}
	for _, view := range r.views.policy {
		if view.Policy.NeedsState() {
			return true
		}
	}
	return false
}
