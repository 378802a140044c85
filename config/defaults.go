package config

import "time"

// Defaults returns a configuration without listeners and upstreams, and with
// the default of everything that has one. Defaults of list elements, which
// cannot be here, are in upstreamDefaults.
func Defaults() *Config {
	return &Config{
		// RFC 8996 retires what is older.
		TLS:      TLSTable{MinVersion: "1.2"},
		Policies: map[string]*PolicyTable{},
		Limits: Limits{
			// Each takes two sockets and some 50 KiB: about 100 MiB in all,
			// and within the 4,096 open files of a common hard limit.
			Connections: 2000,
			// An office behind one address fits; a single client that leaks
			// connections does not take them all.
			ConnectionsPerAddress: 100,
			// Programs take milliseconds and people at a terminal seconds,
			// but the slowest upstream sign-in counts too.
			LoginTime: Duration{time.Minute},
			// RFC 1939 section 3: at least 10 minutes.
			IdleTime: Duration{10 * time.Minute},
			// A modem that lost its line comes back within this or not at all.
			WriteTime: Duration{2 * time.Minute},
			// Removing 10,000 messages takes a slow server a minute or two.
			UpdateTime: Duration{5 * time.Minute},
			// A client that misunderstands recovers within a few; what sends
			// more is no mail client.
			BadCommands: 20,
			// Three typing errors; guessing needs a new connection each time.
			SignIns: 3,
		},
		Log: Log{Level: "info", Format: "text"},
		// Most sessions last seconds; service managers kill after 90.
		ShutdownTime: Duration{30 * time.Second},
	}
}

// upstreamDefaults fills in what one [[upstream]] left out.
func (u *UpstreamTable) upstreamDefaults() {
	fill := func(d *Duration, value time.Duration) {
		if *d == (Duration{}) {
			d.Duration = value
		}
	}
	// Above the delay that servers put before the answer to a wrong password
	// (Dovecot: up to 15 seconds).
	fill(&u.Timeout, 30*time.Second)
	// Three lost SYNs are 7 seconds; then the next address deserves its turn.
	fill(&u.DialTimeout, 10*time.Second)
	// A cold Maildir of 20,000 messages takes 7 seconds to open, on a busy disk
	// many times that.
	fill(&u.ListTimeout, 5*time.Minute)
}
