package config

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante-mail/restante/uidl"
)

const twoUpstreams = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"legacy\"\nurl = \"pop3s://pop.example.com\"\n" +
	"[[upstream]]\nname = \"new\"\nurl = \"imaps://imap.example.com\"\nuidl = \"cyrus\"\n"

func TestUIDLMistakes(t *testing.T) {
	for file, want := range map[string]string{
		twoUpstreams + "[[route]]\nupstream = \"new\"\nuidl = \"outlook\"\n":                                              `c.toml:12: route[0].uidl: "outlook" is not known; write restante,`,
		twoUpstreams + "[[route]]\nupstream = \"new\"\nuidl = \"%f\"\n":                                                   `route[0].uidl: "%f": after %`,
		twoUpstreams + "[[route]]\nupstream = \"legacy\"\nuidl = \"cyrus\"\n":                                             `route[0].uidl: is for IMAP upstreams only`,
		strings.Replace(twoUpstreams, "cyrus", "%v", 1):                                                                   `c.toml:9: upstream[1].uidl: "%v": without %u`,
		twoUpstreams + "[[route]]\nupstream = \"new\"\nuidl = \"%u\"\n":                                                   `route[0].uidl: "%u" without %v`,
		twoUpstreams + "[[route]]\nupstream = \"new\"\nsucceeds = \"legacy\"\n":                                           `route[0].succeeds: what the other`,
		"state = \"s\"\n" + twoUpstreams + "[[route]]\nupstream = \"new\"\nsucceeds = \"new\"\n":                          `"new" is this route's own upstream`,
		"state = \"s\"\n" + twoUpstreams + "[[route]]\nupstream = \"new\"\nsucceeds_identity = \"x\"\n":                   `means nothing without succeeds`,
		"state = \"s\"\n" + twoUpstreams + "[[route]]\nupstream = \"new\"\nsucceeds = \"a\"\nsucceeds_identity = \"{x}\"": `succeeds_identity: "{x}" has braces`,
		strings.Replace(twoUpstreams, "pop.example.com\"", "pop.example.com\"\nuidl = \"cyrus\"", 1):                      `upstream[0].uidl: is for IMAP upstreams only`,
	} {
		_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v\nwant %q", file, err, want)
		}
	}
}

func TestUIDLOfRoutes(t *testing.T) {
	s := compiled(t, "state = \"s\"\n"+twoUpstreams+"[[route]]\nuser = \"a*\"\nupstream = \"new\"\nuidl = \"%u\"\n"+
		"[[route]]\nuser = \"b*\"\nupstream = \"new\"\nidentity = \"{local}@new\"\nsucceeds = \"legacy\"\nsucceeds_identity = \"{user}\"\n"+
		"[[route]]\nuser = \"c*\"\nupstream = \"new\"\nidentity = \"{local}@new\"\nsucceeds = \"gone\"\n[[route]]\nupstream = \"legacy\"\n")
	for user, want := range map[string]string{
		"a@x": "%u  ", "b@x": "cyrus legacy b@x", "c@x": "cyrus gone c@new", "d@x": uidl.Default + "  ",
	} {
		r, _ := s.Route(user, netip.Addr{}, "")
		upstream, identity, err := r.Predecessor(r.Base)
		if got := r.UIDL.String() + " " + upstream + " " + identity; err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", user, got, err, want)
		}
	}
	if !s.NeedsState {
		t.Error("a route that succeeds does not need the state file to be there")
	}
}
