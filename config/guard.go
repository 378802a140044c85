package config

import (
	"time"

	"github.com/restante-mail/restante/guard"
)

// GuardTable is [guard]: what becomes of clients that fail to sign in.
type GuardTable struct {
	// FreeFailures of an address, and of a user, that cost no wait.
	FreeFailures int `toml:"free_failures"`
	// MaxDelay is the longest wait before an attempt.
	MaxDelay Duration `toml:"max_delay"`
	// ForgetAfter is how long after the last failure all are forgotten.
	ForgetAfter Duration `toml:"forget_after"`
	// BanAfter is how many failures ban an address; 0: none.
	BanAfter int `toml:"ban_after"`
	// BanTime is how long the first ban lasts.
	BanTime Duration `toml:"ban_time"`
	// WrongTime is how long a refused password is known to be wrong; 0s: not at
	// all.
	WrongTime Duration `toml:"wrong_password_time"`
	// Allow are networks that never wait and are never banned.
	Allow []string `toml:"allow"`
	// Block are networks that nobody is let in from.
	Block []string `toml:"block"`
}

func defaultGuard() GuardTable {
	d := guard.Defaults()
	return GuardTable{
		FreeFailures: d.FreeFailures, MaxDelay: Duration{d.MaxDelay}, ForgetAfter: Duration{d.ForgetAfter},
		BanAfter: d.BanAfter, BanTime: Duration{d.BanTime}, WrongTime: Duration{d.WrongTime},
	}
}

// guard checks [guard]. Delays are bounded by what a mail program waits for an
// answer, the memory of a wrong password by the patience of who has changed it.
func (b *builder) guard() guard.Settings {
	t, ok := b.Guard, defaultGuard()
	b.count("guard.free_failures", t.FreeFailures, 0, 1000)
	if t.BanAfter != 0 {
		b.count("guard.ban_after", t.BanAfter, max(t.FreeFailures, 1), 1_000_000)
	}
	s := guard.Settings{
		FreeFailures: t.FreeFailures, BanAfter: t.BanAfter,
		MaxDelay:    b.duration("guard.max_delay", t.MaxDelay, ok.MaxDelay),
		ForgetAfter: b.duration("guard.forget_after", t.ForgetAfter, ok.ForgetAfter),
		BanTime:     b.duration("guard.ban_time", t.BanTime, ok.BanTime),
		WrongTime:   t.WrongTime.Duration,
		Allow:       b.parseNetworks("guard.allow", t.Allow), Block: b.parseNetworks("guard.block", t.Block),
	}
	if s.MaxDelay > time.Minute {
		b.addf("guard.max_delay", "%v is out of range; write at most 1m, for mail programs give up soon after", t.MaxDelay)
	}
	if s.WrongTime < 0 || s.WrongTime > time.Hour {
		b.addf("guard.wrong_password_time", "%v is out of range; write at most 1h, or \"0s\" for not at all", t.WrongTime)
	}
	return s
}
