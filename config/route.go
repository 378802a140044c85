package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/uidl"
)

// A Route is where a login leads.
type Route struct {
	// Name is the route's own; may be "".
	Name     string
	Upstream *Upstream
	Policy   policy.Policy
	// PolicyName is what the configuration calls the policy.
	PolicyName string

	// Base is the user name that was matched, without the name of a view.
	Base string
	// View is the declared view that the name asked for; "" is everybody's.
	View string
	// Others are the views that must be done with a message before it is
	// removed upstream.
	Others []string
	// Beside are the policies of the other views.
	Beside []policy.Policy
	// Forget: nothing is remembered of the view.
	Forget bool
	// UIDL is the format in which messages are named.
	UIDL uidl.Format

	// Lookup is asked for each login; nil: nobody is.
	Lookup *Lookup
	// Accounts says whether accounts decide.
	Accounts auth.Use

	place                      string // file and line
	origin                     *Route // of the Snapshot, before it was led to a view
	when                       condition
	identity                   string // template; "" is the user as given
	views                      views
	succeeds, succeedsIdentity string // of the predecessor
}

// A condition is what a route asks of a login. What is nil matches everything.
type condition struct {
	pattern   string // of the expression, to compare
	written   string // in the file
	user      *regexp.Regexp
	network   Networks
	listeners []string
}

// Route returns the first route that matches the user name, without the name of
// a view that the route declares, and whether there is one.
func (s *Snapshot) Route(user string, client netip.Addr, listener string) (Route, bool) {
	for i := range s.routes {
		r := &s.routes[i]
		if base, view := r.views.split(user); r.when.match(base, client, listener) {
			led := r.as(base, view)
			led.origin = r
			return led, true
		}
	}
	return Route{}, false
}

func (c condition) match(user string, client netip.Addr, listener string) bool {
	return (c.listeners == nil || slices.Contains(c.listeners, listener)) &&
		(c.network == nil || c.network.Contains(client)) &&
		(c.user == nil || c.user.MatchString(user))
}

// covers tells, erring on the side of no, whether c matches whatever d matches.
func (c condition) covers(d condition) bool {
	if c.user != nil && c.pattern != d.pattern {
		return false
	}
	if c.network != nil && (d.network == nil || slices.ContainsFunc(d.network, func(p netip.Prefix) bool { return !c.network.covers(p) })) {
		return false
	}
	missing := func(name string) bool { return !slices.Contains(c.listeners, name) }
	return c.listeners == nil || d.listeners != nil && !slices.ContainsFunc(d.listeners, missing)
}

// ErrIdentity is what Identity returns if the user name lacks a part that the
// identity needs.
var ErrIdentity = errors.New("the user name has no part for the route's identity")

// Identity makes the user name upstream. {local} and {domain} are what is
// before and after the last @ of user; without one all of it is {local}.
func (r Route) Identity(user string) (string, error) {
	if r.identity == "" {
		return user, nil
	}
	local, domain := user, ""
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		local, domain = user[:at], user[at+1:]
	}
	if strings.Contains(r.identity, "{domain}") && domain == "" {
		return "", fmt.Errorf("%w: %s needs what is after an @", ErrIdentity, r.identity)
	}
	if strings.Contains(r.identity, "{local}") && local == "" {
		return "", fmt.Errorf("%w: %s needs what is before an @", ErrIdentity, r.identity)
	}
	return strings.NewReplacer("{user}", user, "{local}", local, "{domain}", domain).Replace(r.identity), nil
}

func (b *builder) buildRoutes() {
	if len(b.Routes) == 0 {
		b.onlyRoute()
		return
	}
	for i := range b.Routes {
		b.buildRoute(element("route", i), &b.Routes[i])
	}
	b.checkShadows()
	b.checkUnused()
}

// onlyRoute serves everybody from the only upstream.
func (b *builder) onlyRoute() {
	if len(b.Upstreams) > 1 {
		b.addf("route", "there is none, and there are several upstreams; add a [[route]] for each")
	}
	p, _ := policy.Preset(policy.DefaultPreset)
	if len(b.upstreams) > 0 {
		r := Route{Upstream: b.upstreams[0], Policy: p, PolicyName: policy.DefaultPreset, UIDL: b.upstreams[0].UIDL}
		b.lastingUIDL(child(element("upstream", 0), "uidl"), &r)
		b.routes = []Route{r}
	}
}

func (b *builder) buildRoute(path string, t *RouteTable) {
	b.checkRouteName(child(path, "name"), t.Name)
	r := Route{Name: t.Name, identity: t.Identity, Accounts: t.Accounts, place: b.places.where(path)}
	r.when = condition{network: b.parseNetworks(child(path, "network"), t.Network), listeners: t.Listener}
	b.userCondition(path, t, &r.when)
	b.checkRouteLists(path, t)
	b.routeUpstream(child(path, "upstream"), t.Upstream, &r)
	b.routePolicy(child(path, "policy"), t.Policy, &r)
	b.buildViews(path, t, &r)
	if err := checkIdentity(t.Identity); err != nil {
		b.addf(child(path, "identity"), "%v", err)
	}
	b.routeUIDL(path, t, &r)
	b.routeLookup(path, t, &r)
	b.routes = append(b.routes, r)
}

// maxPattern bounds what a user condition may cost to compile. User names in
// the protocol have at most some 500 octets.
const maxPattern = 1000

func (b *builder) userCondition(path string, t *RouteTable, c *condition) {
	pattern, at := t.UserRegex, child(path, "user_regex")
	switch {
	case t.User != "" && t.UserRegex != "":
		b.addf(at, "stands beside user; keep one of them")
		return
	case t.User == "*" || t.User+t.UserRegex == "":
		return
	case t.User != "":
		pattern, at = glob(t.User), child(path, "user")
	}
	if len(pattern) > maxPattern {
		b.addf(at, "is longer than %d characters", maxPattern)
		return
	}
	re, err := wholeName(pattern)
	if err != nil {
		b.addf(at, "%v", err)
		return
	}
	c.pattern, c.user, c.written = pattern, re, strconv.Quote(cmp.Or(t.User, t.UserRegex))
}

// wholeName compiles a pattern that must match all of a user name, without
// regard to case. The pattern is parsed by itself first and written out again:
// put between anchors as it is, a|b) and \Qa would break out of them.
func wholeName(pattern string) (*regexp.Regexp, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl|syntax.FoldCase|syntax.DotNL)
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("%q is not a regular expression: %s", pattern, wrong.Code)
	}
	re, err := regexp.Compile(`\A(?:` + parsed.String() + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%q is too large", pattern)
	}
	return re, nil
}

// glob makes a regular expression of * and ?.
func glob(pattern string) string {
	return strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
}

func (b *builder) checkRouteLists(path string, t *RouteTable) {
	const empty = "is empty and matches nobody; leave it out to match all"
	if t.Network != nil && len(t.Network) == 0 {
		b.addf(child(path, "network"), empty)
	}
	if t.Listener != nil && len(t.Listener) == 0 {
		b.addf(child(path, "listener"), empty)
	}
	for i, name := range t.Listener {
		if !slices.ContainsFunc(b.listeners, func(l *Listener) bool { return l.Name == name }) {
			b.addf(element(child(path, "listener"), i), "there is no [[listener]] with the name %q", name)
		}
	}
}

func (b *builder) routeUpstream(path, name string, r *Route) {
	i := b.upstreamNamed(name)
	switch {
	case name == "" && len(b.Upstreams) == 1:
		i = 0
	case name == "":
		b.addf(path, "is missing; name one of the upstreams")
	case i < 0:
		b.addf(path, "there is no [[upstream]] with the name %q", name)
	}
	if i >= 0 {
		r.Upstream = b.upstreams[i]
	}
}

// checkIdentity allows text and the three names in braces.
func checkIdentity(template string) error {
	rest := strings.NewReplacer("{user}", "", "{local}", "", "{domain}", "").Replace(template)
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	switch {
	case strings.ContainsAny(rest, "{}"):
		return fmt.Errorf("%q has braces around something else than {user}, {local} or {domain}", template)
	case strings.ContainsFunc(rest, control):
		return fmt.Errorf("%q has control characters", template)
	}
	return nil
}

// checkShadows warns of routes that an earlier one leaves nothing to.
func (b *builder) checkShadows() {
	for i, r := range b.routes {
		for j, earlier := range b.routes[:i] {
			if earlier.when.covers(r.when) {
				b.warnf(element("route", i), "can never match, because the route in %s comes first and matches the same logins",
					b.places.where(element("route", j)))
				break
			}
		}
	}
}

// checkUnused warns of what no route leads to.
func (b *builder) checkUnused() {
	if len(b.lookups) > 0 { // it may lead anywhere
		return
	}
	for i, u := range b.upstreams {
		if !slices.ContainsFunc(b.routes, func(r Route) bool { return r.Upstream == u }) {
			b.warnf(element("upstream", i), "no route leads to %q", u.Name)
		}
	}
}
