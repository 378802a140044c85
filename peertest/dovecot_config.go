package peertest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
)

// settings are what the options of Dovecot set.
type settings struct {
	users            map[string]string
	master, masterPW string
	pop3, mdbox      bool
	haproxy          bool
	penalty          bool
	capability       string
	imapc            string
	behind           string
	extra            []string
	tokens           *tokens
}

func defaults() settings {
	return settings{users: map[string]string{"alice": "secret"}}
}

// An Option changes how Dovecot is started.
type Option func(*settings)

// WithPOP3 starts Dovecot's own pop3d, too.
func WithPOP3() Option { return func(s *settings) { s.pop3 = true } }

// WithHAProxy starts pop3d a second time, where it demands a PROXY header; and
// it believes what this machine says of clients.
func WithHAProxy() Option { return func(s *settings) { s.pop3, s.haproxy = true, true } }

// WithUsers replaces the users: names and passwords, which may hold any octets
// but CR, LF and NUL (and names no colon).
func WithUsers(passwords map[string]string) Option {
	return func(s *settings) { s.users = passwords }
}

// WithMaster adds a master user, who signs in for others by SASL PLAIN with an
// authorization identity.
func WithMaster(name, password string) Option {
	return func(s *settings) { s.master, s.masterPW = name, password }
}

// WithMdbox stores mail as mdbox instead of Maildir.
func WithMdbox() Option { return func(s *settings) { s.mdbox = true } }

// WithCapability has the server announce this IMAP capability list instead of
// the true one, after sign-in; commands that are not announced still work.
func WithCapability(list string) Option { return func(s *settings) { s.capability = list } }

// WithIMAPC keeps neither mail nor users of its own: what this Dovecot serves is
// in the mailboxes of the IMAP server at addr (its imapc storage), and that server
// judges passwords.
func WithIMAPC(addr string) Option { return func(s *settings) { s.imapc = addr } }

// WithPOP3Proxy keeps nothing: this Dovecot passes POP3 on to the server at addr,
// which judges passwords.
func WithPOP3Proxy(addr string) Option {
	return func(s *settings) { s.pop3, s.behind = true, addr }
}

// WithPenalty leaves Dovecot's penalty for wrong passwords on.
func WithPenalty() Option { return func(s *settings) { s.penalty = true } }

// WithConfig adds lines to the end of the configuration, which overrule it.
func WithConfig(lines string) Option {
	return func(s *settings) { s.extra = append(s.extra, lines) }
}

// names of the users, in a fixed order.
func (s *settings) names() []string { return slices.Sorted(maps.Keys(s.users)) }

// escaped is how Dovecot looks a name up in a passwd-file.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`)

// passwdFile is Dovecot's passwd-file. Passwords are in base64, so that they
// may hold colons and anything else.
func (s *settings) passwdFile(homes map[string]string) string {
	var b strings.Builder
	for _, name := range s.names() {
		fmt.Fprintf(&b, "%s:%s::::%s\n", escaped.Replace(name), encoded(s.users[name]), homes[name])
	}
	return b.String()
}

func (s *settings) masterFile() string {
	if s.master == "" {
		return ""
	}
	return s.master + ":" + encoded(s.masterPW) + "\n"
}

func encoded(password string) string {
	return "{PLAIN.b64}" + base64.StdEncoding.EncodeToString([]byte(password))
}

// config is the whole configuration. Without root there is no chroot and one
// user for everything. Sign-in processes serve many connections one after
// another, and mail processes are used again, so that a test does not measure
// fork; limits are far above what tests need.
func (d *DovecotServer) config() string {
	s := &d.settings
	protocols, location, penalty := "imap", "maildir:~/Maildir", "0"
	if s.pop3 {
		protocols = "imap pop3"
	}
	if s.mdbox {
		location = "mdbox:~/mdbox"
	}
	if s.penalty {
		penalty = "0600"
	}
	users, host, port := fileUsers, "", ""
	if s.imapc != "" {
		users, location = imapcUsers, "imapc:~/imapc"
		host, port, _ = net.SplitHostPort(s.imapc)
	}
	if s.behind != "" {
		users = proxyUsers
		host, port, _ = net.SplitHostPort(s.behind)
	}
	lines := strings.NewReplacer(
		"HOST", host, "PORT", port, "DIR", d.dir, "USER", d.owner.user, "GROUP", d.owner.group,
		"PROTOCOLS", protocols, "LOCATION", location, "PENALTY", penalty,
	).Replace(strings.Replace(baseConfig, "USERS", users, 1))
	for _, p := range strings.Fields(protocols) {
		lines += fmt.Sprintf(protocolConfig, p, d.ports[p], d.ports[p+"s"])
	}
	if s.haproxy {
		lines += fmt.Sprintf(haproxyConfig, d.ports["haproxys"])
	}
	if s.master != "" {
		lines += "auth_master_user_separator = *\n"
	}
	if s.capability != "" {
		lines += "imap_capability = " + s.capability + "\n"
	}
	return lines + d.tokenConfig() + strings.Join(s.extra, "\n") + "\n"
}

const baseConfig = `
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = PROTOCOLS
listen = 127.0.0.1
default_internal_user = USER
default_internal_group = GROUP
default_login_user = USER
default_client_limit = 10000
default_vsz_limit = 0
ssl = yes
ssl_cert = <DIR/cert.pem
ssl_key = <DIR/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_chars =
auth_failure_delay = 0
mail_max_userip_connections = 0
mail_location = LOCATION
mail_fsync = never
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/masters
  master = yes
  result_success = continue
}
USERS
namespace inbox {
  inbox = yes
  mailbox Trash {
    auto = create
    special_use = \Trash
  }
  mailbox Archive {
    auto = create
    special_use = \Archive
  }
  mailbox Junk {
    auto = create
    special_use = \Junk
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = PENALTY
  }
}
service stats {
  chroot =
}
`

// fileUsers are the users of WithUsers.
const fileUsers = `
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/users
}
userdb {
  driver = passwd-file
  args = username_format=%u DIR/users
  default_fields = uid=USER gid=GROUP
}`

// imapcUsers are whoever another IMAP server signs in. Without rfc822.size
// imapc would read every message to know its size.
const imapcUsers = `
passdb {
  driver = imap
  args = host=HOST port=PORT
  default_fields = userdb_imapc_password=%w userdb_uid=USER userdb_gid=GROUP userdb_home=DIR/imapc/%u
}
userdb {
  driver = prefetch
}
imapc_host = HOST
imapc_port = PORT
imapc_user = %u
imapc_features = rfc822.size`

// proxyUsers are whoever another POP3 server signs in.
const proxyUsers = `
passdb {
  driver = static
  args = proxy=y nopassword=y host=HOST port=PORT
}
userdb {
  driver = static
  args = uid=USER gid=GROUP home=DIR/home
}`

// haproxyConfig is for one port.
const haproxyConfig = `
login_trusted_networks = 127.0.0.0/8
haproxy_trusted_networks = 127.0.0.0/8
service pop3-login {
  inet_listener pop3behind {
    port = %d
    haproxy = yes
  }
}
`

// protocolConfig is for one protocol: its name and two ports.
const protocolConfig = `
service %[1]s-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 16
  client_limit = 2000
  inet_listener %[1]s {
    port = %[2]d
  }
  inet_listener %[1]ss {
    port = %[3]d
    ssl = yes
  }
}
service %[1]s {
  service_count = 256
  process_limit = 2000
}
`
