package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// from connects as a proxy does for a client at an address, and signs in.
func from(t *testing.T, server, address, user, password string) error {
	t.Helper()
	conn, err := net.Dial("tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	header := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.ParseIP(address), Port: 4711}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 110})
	if _, err := header.WriteTo(conn); err != nil {
		t.Fatal(err)
	}
	c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(t.Context(), user, secret.New(password)); err != nil {
		return err
	}
	return c.Quit(t.Context())
}

func banning(t *testing.T, state string) string {
	return `state = "` + state + `"
[[listener]]
address = "127.0.0.1:0"
proxy_protocol = ["127.0.0.1"]
plaintext_auth = ["0.0.0.0/0", "::/0"]
[guard]
free_failures = 0
max_delay = "1ms"
ban_after = 3
[[upstream]]
url = "imap://` + mailServer(t, "alice", 1) + `"
`
}

// TestBans: an address that fails too often is not let in, after a restart
// neither, until an administrator lets it in again.
func TestBans(t *testing.T) {
	text := banning(t, filepath.Join(t.TempDir(), "state.db"))
	conf := filepath.Join(t.TempDir(), "restante.toml")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	says := func(t *testing.T, want string, args ...string) {
		t.Helper()
		out, err := command(t, append(args, "--config", conf)...)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, want) {
			t.Errorf("%v: %s; want %q", args, out, want)
		}
	}
	refused := func(t *testing.T, at string) {
		t.Helper()
		if err := from(t, at, "2001:db8::2", "alice", "open sesame"); err == nil || !strings.Contains(err.Error(), "no connections from your address") {
			t.Errorf("the same /64: %v", err)
		}
		if err := from(t, at, "2001:db8:0:1::1", "alice", "open sesame"); err != nil {
			t.Errorf("another /64: %v", err)
		}
	}
	t.Run("banned", func(t *testing.T) {
		r := start(t, text)
		for i := range 3 {
			if err := from(t, r.at("127.0.0.1:0"), "2001:db8::1", "alice", fmt.Sprint("guess ", i)); err == nil || !strings.Contains(err.Error(), "[AUTH]") {
				t.Fatal(err)
			}
		}
		refused(t, r.at("127.0.0.1:0"))
		r.log.await(t, "address banned: 3 failed sign-ins")
		says(t, "2001:db8::/64", "bans", "list") // beside the process
	})
	t.Run("after a restart", func(t *testing.T) { refused(t, start(t, text).at("127.0.0.1:0")) })
	says(t, "2001:db8::/64 is let in again", "bans", "lift", "2001:db8::7")
	says(t, "nobody is banned", "bans", "list")
	says(t, "2001:db8::/64 is not banned", "bans", "lift", "2001:db8::7")
	says(t, "neither an address nor a network", "bans", "lift", "example.com")
	t.Run("lifted", func(t *testing.T) {
		if err := from(t, start(t, text).at("127.0.0.1:0"), "2001:db8::2", "alice", "open sesame"); err != nil {
			t.Error(err)
		}
	})
}

// TestFail2ban: the filter finds the address of every rejected sign-in, in both
// formats, and only that one, whatever strangers give for their names.
func TestFail2ban(t *testing.T) {
	if _, err := exec.LookPath("fail2ban-regex"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("fail2ban is not installed")
		}
		t.Skip("fail2ban is not installed; apt-get install fail2ban")
	}
	filter, err := filepath.Abs("../../contrib/fail2ban/filter.d/restante.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			r := start(t, banning(t, filepath.Join(t.TempDir(), "state.db"))+"[log]\nformat = \""+format+"\"\n")
			at := r.at("127.0.0.1:0")
			for address, user := range map[string]string{
				"192.0.2.1":   "alice",
				"192.0.2.2":   `x msg="sign-in rejected" client=198.51.100.1 error="`,
				"192.0.2.3":   `x","msg":"sign-in rejected","client":"198.51.100.1"`,
				"2001:db8::1": `{"client":"198.51.100.1","level":"warning","msg":"sign-in rejected",`,
			} {
				_ = from(t, at, address, user, "wrong")
			}
			if err := from(t, at, "192.0.2.9", "alice", "open sesame"); err != nil {
				t.Error(err)
			}
			log := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(log, []byte(r.log.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("fail2ban-regex", "--print-all-matched", "-o", "ip", log, filter).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			want := map[string]bool{"192.0.2.1": true, "192.0.2.2": true, "192.0.2.3": true, "2001:db8::1": true}
			for _, found := range strings.Fields(string(out)) {
				if !want[found] {
					t.Errorf("found %s", found)
				}
				delete(want, found)
			}
			if len(want) > 0 {
				t.Errorf("not found: %v in\n%s\n%s", want, r.log, out)
			}
		})
	}
}
