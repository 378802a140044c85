package audit

// Kinds of facts about the process.
const (
	KindStarted  Kind = "started"
	KindReloaded Kind = "reloaded"
	KindStopped  Kind = "stopped"
	KindAdmin    Kind = "admin"
	KindLimit    Kind = "limit"
	KindBan      Kind = "ban"
)

// Started: the process serves.
type Started struct {
	Header
	Program string `json:"program"` // Restante's own version
	Config  string `json:"config,omitempty"`
}

// Reloaded: the configuration was read again, and is in force if OK.
type Reloaded struct {
	Header
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Stopped: the process ends in good order.
type Stopped struct {
	Header
	Seconds float64 `json:"seconds"` // since it was started
	Error   string  `json:"error,omitempty"`
}

// What an administrator does, for Admin.Action.
const (
	ActionKick       = "kick"
	ActionHold       = "hold"
	ActionRelease    = "release"
	ActionUndelete   = "undelete"
	ActionApprove    = "approve"
	ActionForget     = "forget"
	ActionAccount    = "account" // Detail says what was changed
	ActionTranscript = "transcript"
	ActionUnban      = "unban"
)

// Admin: an administrator did something that is not in the configuration.
// Header.Base is whose maildrop it is about, if it is about one.
type Admin struct {
	Header
	Action string `json:"action"`
	// Actor is the operating system's name for who did it.
	Actor  string `json:"actor"`
	Detail string `json:"detail,omitempty"`
	// Messages is how many messages it is about.
	Messages int    `json:"messages,omitempty"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
}

// LimitHit: a client ran into a bound, and was refused or cut off.
type LimitHit struct {
	Header
	// Limit is the setting's name: "connections", "sign_ins".
	Limit  string `json:"limit"`
	Detail string `json:"detail,omitempty"`
}

// Banned: an address (Header.Client) or a user (Header.Base) is refused for a
// while, or not any more.
type Banned struct {
	Header
	Lifted  bool    `json:"lifted"`
	Seconds float64 `json:"seconds"` // how long it is meant to last
	Reason  string  `json:"reason,omitempty"`
}

func (*Started) Kind() Kind  { return KindStarted }
func (*Reloaded) Kind() Kind { return KindReloaded }
func (*Stopped) Kind() Kind  { return KindStopped }
func (*Admin) Kind() Kind    { return KindAdmin }
func (*LimitHit) Kind() Kind { return KindLimit }
func (*Banned) Kind() Kind   { return KindBan }

func (e *Started) fields(l *line) {
	l.text("program", e.Program)
	l.text("config", e.Config)
}

func (e *Reloaded) fields(l *line) {
	l.truth("ok", e.OK)
	l.said("error", e.Error)
}

func (e *Stopped) fields(l *line) {
	l.seconds("seconds", e.Seconds)
	l.said("error", e.Error)
}

func (e *Admin) fields(l *line) {
	l.text("action", e.Action)
	l.text("actor", e.Actor)
	l.said("detail", e.Detail)
	l.count("messages", int64(e.Messages))
	l.truth("ok", e.OK)
	l.said("error", e.Error)
}

func (e *LimitHit) fields(l *line) {
	l.text("limit", e.Limit)
	l.said("detail", e.Detail)
}

func (e *Banned) fields(l *line) {
	l.truth("lifted", e.Lifted)
	l.seconds("seconds", e.Seconds)
	l.said("reason", e.Reason)
}
