package config

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// TestClients: the first that fits a client's address counts.
func TestClients(t *testing.T) {
	const text = `
[[upstream]]
url = "imaps://imap.example.com"
[[listener]]
address = "127.0.0.1:1110"
[[listener.client]]
network = ["10.1.0.0/16"]
profile = "c-client"
[[listener.client]]
network = ["10.0.0.0/8", "2001:db8::/32"]
profile = "netscape"
[[listener.client]]
profile = "outlook"
[[listener]]
address = "127.0.0.1:1111"
`
	c := compiled(t, text)
	for client, want := range map[string]Oddities{
		"10.1.2.3": {PlainSASL: true}, "::ffff:10.1.2.3": {PlainSASL: true}, "10.2.0.1": {OpenHeaders: true},
		"2001:db8::1": {OpenHeaders: true}, "192.0.2.1": {NULs: true, OpenHeaders: true}, "2001:db9::1": {NULs: true, OpenHeaders: true},
	} {
		if got := c.Listeners[0].OdditiesOf(netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %+v, want %+v", client, got, want)
		}
	}
	if got := c.Listeners[1].OdditiesOf(netip.MustParseAddr("10.1.2.3")); got != (Oddities{}) {
		t.Errorf("without any: %+v", got)
	}
}

// TestClientMistakes are told.
func TestClientMistakes(t *testing.T) {
	file := "[[upstream]]\nurl = \"imaps://a\"\n[[listener]]\naddress = \":1110\"\n[[listener.client]]\nprofile = \"eudora\"\nnetwork = [\"10.1.2.3/8\"]\n"
	_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	for _, want := range []string{`listener[0].client[0].profile: "eudora" is not known; write one of c-client, mailkit, netscape, outlook`, "listener[0].client[0].network[0]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %q: %v", want, err)
		}
	}
}
