package config

import "time"

// Defaults returns a configuration without listeners and upstreams, and with
// the default of everything that has one. Defaults of list elements, which
// cannot be here, are in defaultUpstream.
func Defaults() *Config {
	return &Config{
		// RFC 8996 retires what is older.
		TLS:      TLSTable{MinVersion: "1.2"},
		Policies: map[string]*PolicyTable{},
		OAuth:    map[string]*OAuthTable{},
		// The same as pop3.Limits.
		Limits: Limits{
			// A plain idle session costs about 10 KiB and two open files.
			Connections: 10_000,
			// An office behind one address fits, a flood does not.
			ConnectionsPerAddress: 100,
			// Time to type a password, too little to hold connections for
			// nothing.
			LoginTime: Duration{3 * time.Minute},
			// RFC 1939 section 3: at least 10 minutes.
			IdleTime: Duration{10 * time.Minute},
			// A client slower than 220 octets a second is gone.
			WriteTime: Duration{5 * time.Minute},
			// Opening a cold mailbox of 100,000 messages takes more than one.
			BackendTime: Duration{5 * time.Minute},
			// Removing 10,000 messages takes a slow server a minute or two.
			UpdateTime: Duration{5 * time.Minute},
			// A few round trips of any line; what is not acknowledged counts
			// as not retrieved.
			ProofTime: Duration{2 * time.Second},
			// Twice what RFC 2449 section 4 demands, for long user names.
			Line: 512,
			// RFC 5034 section 4 asks for it; OAuth tokens come near.
			AuthLine: 12 << 10,
			// A person may mistype; a program that speaks another protocol
			// need not go on.
			BadCommands: 20,
			// Then guessing needs a new connection, which can be counted.
			SignIns: 3,
			// Three connections upstream is all that an account gets there, and
			// views and shared policies may wait for one.
			SessionsPerUser: 10,
		},
		Guard: defaultGuard(),
		// Retention counts in days; a quarter of one is soon enough.
		Auth: AuthTable{SweepEvery: Duration{6 * time.Hour}},
		Log:  Log{Level: "info", Format: "text"},
		// A minute is what nobody can prove after a crash, or lose in a search
		// for a change; a signature takes 30 microseconds. Who it was is what the
		// trail is for; what was written is nobody's business.
		Audit: AuditTable{CheckpointLines: 1000, CheckpointTime: Duration{time.Minute}, User: "keep", Client: "keep", From: "keep", Subject: "drop"},
		// A client that cannot delete asks for everything again; one that is
		// refused comes back later.
		StateFailure: "refuse",
		// Most sessions last seconds; service managers kill after 90.
		ShutdownTime: Duration{30 * time.Second},
	}
}

// defaultUpstream holds the default of what one [[upstream]] left out.
var defaultUpstream = UpstreamTable{
	// Above the delay that servers put before the answer to a wrong password
	// (Dovecot: up to 15 seconds).
	Timeout: Duration{30 * time.Second},
	// Three lost SYNs are 7 seconds, TLS and greeting come after; then the next
	// address deserves its turn.
	DialTimeout: Duration{15 * time.Second},
	// A cold Maildir of 20,000 messages takes 7 seconds to open, on a busy disk
	// many times that.
	ListTimeout: Duration{5 * time.Minute},
	// For clients that poll every minute. For one that polls every five, a
	// sign-in is cheaper than what the upstream spends on an idle connection.
	WarmIdle: Duration{90 * time.Second},
	// Providers bear a changed password for as long and longer.
	CredentialBound: Duration{10 * time.Minute},
	// Each costs the upstream a process or so.
	MaxIdle: 500,
	// Reading every message through costs more than most clients gain: they
	// bear a size that is 2 octets short.
	Sizes: "listed",
}
