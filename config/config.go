// Package config reads Restante's configuration: TOML, from one file or a
// folder of files, strictly. What an administrator got wrong is reported
// completely, by file, line and key, with what to do about it. A configuration
// without fault compiles into a Snapshot, which is immutable and ready for use:
// networks parsed, certificates loaded, routes compiled. Live holds the current
// Snapshot and replaces it when a file changes, all or nothing.
//
// It opens no sockets and signs nobody in, and it does not connect to upstream
// servers. Secrets in it are hashes, or sealed.
package config

import (
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/policy"
)

// Config is what the files say, and Defaults where they say nothing. The types
// named Table mirror the TOML and are not checked; Compile checks them.
type Config struct {
	// Listeners are the addresses that POP3 clients connect to.
	Listeners []ListenerTable `toml:"listener"`
	// TLS is the certificate of all listeners that have none of their own.
	TLS TLSTable `toml:"tls"`
	// Upstreams are the servers behind.
	Upstreams []UpstreamTable `toml:"upstream"`
	// Routes pick upstream, identity and policy for a login; the first match
	// wins. A file with one upstream needs none.
	Routes []RouteTable `toml:"route"`
	// Auth says where secrets of accounts are.
	Auth AuthTable `toml:"auth"`
	// Accounts are logins with secrets of their own.
	Accounts []AccountTable `toml:"account"`
	// Lookups are endpoints that say where logins lead.
	Lookups []LookupTable `toml:"lookup"`
	// OAuth are providers of tokens, by name.
	OAuth map[string]*OAuthTable `toml:"oauth"`
	// Policies by name; a route may also name a preset.
	Policies map[string]*PolicyTable `toml:"policy"`
	// Limits bound what clients can use up.
	Limits Limits `toml:"limits"`
	// Guard says what becomes of clients that fail to sign in.
	Guard GuardTable `toml:"guard"`
	// Log says how much is logged, and how.
	Log Log `toml:"log"`
	// Transcripts are sessions whose protocol is written down.
	Transcripts []TranscriptTable `toml:"transcript"`
	// Admin is what an administrator sees a running Restante by.
	Admin AdminTable `toml:"admin"`
	// Audit says where the audit trail goes.
	Audit AuditTable `toml:"audit"`
	// State is the file that remembers between sessions; "": nothing does.
	State string `toml:"state"`
	// StateFailure is what becomes of sessions that would have to remember
	// something while State cannot be written: refuse or read-only.
	StateFailure string `toml:"state_failure"`
	// ShutdownTime is how long running sessions may go on after a stop was
	// asked for.
	ShutdownTime Duration `toml:"shutdown_time"`

	origins places   // where each value was written
	sources *sources // every file that was read so far
}

// ListenerTable is one [[listener]].
type ListenerTable struct {
	// Name is what routes and logs call it; left out: the address.
	Name string `toml:"name"`
	// Address is host:port; an empty host is every address of the machine.
	Address string `toml:"address"`
	// TLS is none, starttls or implicit; left out: starttls if there is a
	// certificate, else none.
	TLS string `toml:"tls"`
	// PlaintextAuth are the networks that may sign in without TLS. Left out
	// (nil): loopback only; empty: nobody.
	PlaintextAuth []string `toml:"plaintext_auth"`
	// ProxyProtocol are the networks whose PROXY header is believed, and
	// expected.
	ProxyProtocol []string `toml:"proxy_protocol"`
	// Mechanisms are the SASL mechanisms offered; left out: all that Restante
	// knows.
	Mechanisms []string `toml:"mechanisms"`
	// APOP offers it, with or without TLS, to accounts with a recoverable secret.
	APOP bool `toml:"apop"`
	// ClientCA is a PEM file with the authorities whose client certificates are
	// believed, for EXTERNAL.
	ClientCA string `toml:"client_ca"`
	// Cert is a PEM file with this listener's own certificate chain.
	Cert string `toml:"cert"`
	// Key is the PEM file with the private key of Cert.
	Key string `toml:"key"`
	// Certificates are more, for other names or with another kind of key.
	Certificates []CertificateTable `toml:"certificate"`
	// TLSProfile is modern, intermediate or legacy; left out: intermediate.
	TLSProfile string `toml:"tls_profile"`
	// LegacyNetworks are where TLS 1.0 and Ciphers may be used, in the profile
	// legacy.
	LegacyNetworks []string `toml:"legacy_networks"`
	// Ciphers for TLS 1.0 to 1.2 in LegacyNetworks, by IANA's names.
	Ciphers []string `toml:"ciphers"`
	// Clients are known oddities of programs that connect here.
	Clients []ClientTable `toml:"client"`
}

// ClientTable is one [[listener.client]]. The first that fits a client counts.
type ClientTable struct {
	// Network is where such clients are; left out: everywhere.
	Network []string `toml:"network"`
	// Profile names the program: outlook, netscape, c-client or mailkit.
	Profile string `toml:"profile"`
}

// CertificateTable is one [[tls.certificate]] or [[listener.certificate]].
type CertificateTable struct {
	// Cert is a PEM file with the certificate chain, leaf first.
	Cert string `toml:"cert"`
	// Key is the PEM file with the private key of Cert.
	Key string `toml:"key"`
}

// TLSTable is [tls].
type TLSTable struct {
	// Cert is a PEM file with the certificate chain, leaf first.
	Cert string `toml:"cert"`
	// Key is the PEM file with the private key of Cert.
	Key string `toml:"key"`
	// Certificates are more, for other names or with another kind of key.
	Certificates []CertificateTable `toml:"certificate"`
	// MinVersion is the lowest TLS version clients may use: 1.2 or 1.3.
	MinVersion string `toml:"min_version"`
}

// UpstreamTable is one [[upstream]].
type UpstreamTable struct {
	// Name is what routes and logs call it; left out: the host of the URL.
	Name string `toml:"name"`
	// URL is imap://, imaps://, pop3:// or pop3s:// with a host and, if it is
	// not the usual one, a port.
	URL string `toml:"url"`
	// Addresses are more servers of the same mailboxes, as host:port, tried in
	// order when the one before can not be reached.
	Addresses []string `toml:"addresses"`
	// CA is a PEM file with the authorities to trust instead of the system's.
	CA string `toml:"ca"`
	// Cert is a PEM file with the client certificate to show upstream.
	Cert string `toml:"cert"`
	// Key is the PEM file with the private key of Cert.
	Key string `toml:"key"`
	// ServerName is the name to ask for (SNI) and to find in the certificate;
	// left out: the host of the URL.
	ServerName string `toml:"server_name"`
	// Insecure true allows plain text, false demands STARTTLS; left out, plain
	// text is allowed to loopback only.
	Insecure *bool `toml:"insecure"`
	// Timeout is how long the server may be silent when it owes an answer.
	Timeout Duration `toml:"timeout"`
	// DialTimeout is how long connecting to one address may take, TLS included.
	DialTimeout Duration `toml:"dial_timeout"`
	// ListTimeout replaces Timeout while a folder is opened and listed.
	ListTimeout Duration `toml:"list_timeout"`
	// WarmIdle is how long a signed-in connection is kept for the next session
	// with the same credentials; 0s keeps none.
	WarmIdle Duration `toml:"warm_idle"`
	// CredentialBound is for how long after a sign-in its connection may be
	// used again, and so for how long a changed password still works.
	CredentialBound Duration `toml:"credential_bound"`
	// MaxIdle is how many connections are kept at most.
	MaxIdle int `toml:"max_idle"`
	// MasterUser signs in for accounts that have no identity of their own.
	MasterUser string `toml:"master_user"`
	// MasterPassword is the password of MasterUser, sealed.
	MasterPassword string `toml:"master_password"`
	// TellClient is how the server learns the client's address: id (IMAP ID
	// x-originating-ip), xclient (POP3, Dovecot's command), proxy or proxy-v1
	// (POP3, the PROXY protocol); left out: it does not.
	TellClient string `toml:"tell_client"`
	// Neutral says whether RETR has no consequences of its own in a POP3 server,
	// so that messages may be read ahead of the client; left out: if the server
	// announces EXPIRE NEVER.
	Neutral *bool `toml:"neutral"`
	// Pipelining: the POP3 server takes pipelined commands though it does not
	// announce PIPELINING.
	Pipelining bool `toml:"pipelining"`
	// APOP signs in to a POP3 server by APOP, which sends no password.
	APOP bool `toml:"apop"`
	// Sizes is listed (believe the server until RETR has shown the size) or
	// exact (read each new message through once, to know its size before LIST
	// tells it).
	Sizes string `toml:"sizes"`
	// UIDL is the format in which messages are named: restante, dovecot, cyrus,
	// courier, emailid, gmail, or a template such as %v.%u; left out: restante.
	UIDL string `toml:"uidl"`
}

// RouteTable is one [[route]]. Conditions that are left out match everything.
type RouteTable struct {
	// Name is what transcripts and logs call it; may be left out.
	Name string `toml:"name"`
	// User is a glob over the whole user name: * and ?, no regard to case.
	User string `toml:"user"`
	// UserRegex is a regular expression (RE2) over the whole user name, no
	// regard to case.
	UserRegex string `toml:"user_regex"`
	// Network is where the client must be.
	Network []string `toml:"network"`
	// Listener names the listeners it may have come by.
	Listener []string `toml:"listener"`
	// Upstream is the server's name; may be left out if there is only one.
	Upstream string `toml:"upstream"`
	// Identity is the user name upstream, made of text, {user}, {local} and
	// {domain}; left out: {user}.
	Identity string `toml:"identity"`
	// Policy is the name of a [policy.NAME] or of a preset; left out: the
	// preset classic.
	Policy string `toml:"policy"`
	// Accounts is none, first (an account decides for its name, the upstream
	// for all others) or only (nobody gets in without an account).
	Accounts auth.Use `toml:"accounts"`
	// Lookup names the [[lookup]] that is asked for each login.
	Lookup string `toml:"lookup"`
	// Views are names of clients that share the mailbox, each with its own
	// state: alice+printer.
	Views []string `toml:"views"`
	// ViewPolicy names the policies of views that have one of their own.
	ViewPolicy map[string]string `toml:"view_policy"`
	// ViewsDelete is all (a removal upstream waits until every view has
	// retrieved or deleted the message) or any.
	ViewsDelete string `toml:"views_delete"`
	// Recent understands recent:USER, a view that sees the last 30 days and of
	// which nothing is remembered.
	Recent bool `toml:"recent"`
	// UIDL is the format for this route, instead of its upstream's.
	UIDL string `toml:"uidl"`
	// Succeeds names the upstream that had the mail before, whose UIDLs and
	// views go on.
	Succeeds string `toml:"succeeds"`
	// SucceedsIdentity is what the user name was there, made like Identity; left
	// out: the same.
	SucceedsIdentity string `toml:"succeeds_identity"`
}

// TranscriptTable is one [[transcript]]. Conditions that are left out match
// everything.
type TranscriptTable struct {
	// Folder is where the files go.
	Folder string `toml:"folder"`
	// Until is when it ends: a day (its end, UTC) or a moment (RFC 3339).
	Until string `toml:"until"`
	// User is a glob over the user name, as in a route.
	User string `toml:"user"`
	// Network is where the client must be.
	Network []string `toml:"network"`
	// Listener names the listeners it may have come by.
	Listener []string `toml:"listener"`
	// Route names the routes that the sign-in may take.
	Route []string `toml:"route"`
	// SessionSize bounds the file of one session.
	SessionSize policy.Size `toml:"session_size"`
	// FolderSize bounds all files of the folder.
	FolderSize policy.Size `toml:"folder_size"`
	// Keep is how long a file stays.
	Keep Duration `toml:"keep"`
}

// PolicyTable is one [policy.NAME]: a preset, and what differs from it.
type PolicyTable struct {
	// Preset is where the policy starts from; left out: classic.
	Preset string `toml:"preset"`
	policy.Policy
}

// Limits is [limits]: what clients can use up. Each bound's reason is in
// Defaults.
type Limits struct {
	// Connections at once, to all listeners together.
	Connections int `toml:"connections"`
	// ConnectionsPerAddress at once from one client address (an IPv6 /64 is
	// one), to all listeners together; loopback is not limited.
	ConnectionsPerAddress int `toml:"connections_per_address"`
	// LoginTime is how long a connection may last before sign-in.
	LoginTime Duration `toml:"login_time"`
	// IdleTime is how long a signed-in client may take for its next command.
	IdleTime Duration `toml:"idle_time"`
	// WriteTime is how long a client may take for each 64 KiB sent to it.
	WriteTime Duration `toml:"write_time"`
	// BackendTime is how long a session waits for its upstream: a sign-in, a
	// listing, one read of a message.
	BackendTime Duration `toml:"backend_time"`
	// UpdateTime is how long all the work that QUIT asks for may take.
	UpdateTime Duration `toml:"update_time"`
	// ProofTime is how long QUIT waits for the client to acknowledge what it
	// retrieved last.
	ProofTime Duration `toml:"proof_time"`
	// Line is the longest command, in octets.
	Line int `toml:"line"`
	// AuthLine is the longest AUTH command and SASL response, in octets.
	AuthLine int `toml:"auth_line"`
	// BadCommands in a row end a session.
	BadCommands int `toml:"bad_commands"`
	// SignIns that fail end a connection.
	SignIns int `toml:"sign_ins"`
	// SessionsPerUser at once, all views together.
	SessionsPerUser int `toml:"sessions_per_user"`
	// MessagesPerDay of one mailbox; 0: any number.
	MessagesPerDay int `toml:"messages_per_day"`
	// OctetsPerDay of one mailbox; 0: any number.
	OctetsPerDay policy.Size `toml:"octets_per_day"`
}

// AdminTable is [admin].
type AdminTable struct {
	// Socket is the Unix socket of restante sessions and status; left out:
	// beside the state file, and none if there is no state file; "none": none.
	Socket string `toml:"socket"`
	// Listen is the host:port of /metrics, /healthz and /readyz; left out: none.
	Listen string `toml:"listen"`
	// Remote allows Listen to be reached from other machines.
	Remote bool `toml:"remote"`
	// Pprof adds Go's profiles, at /debug/pprof/.
	Pprof bool `toml:"pprof"`
}

// Log is [log].
type Log struct {
	// Level is error, warn, info or debug.
	Level string `toml:"level"`
	// Format is text or json.
	Format string `toml:"format"`
}
