// Package admin is what an administrator sees a running Restante by: metrics for
// Prometheus, health for load balancers, and the live sessions over a local
// socket. It counts the facts that package audit has events for, is told the
// rest through small functions, and reaches into nothing else. It shows and
// counts; the one thing that it can change is that a session ends. It is no
// console, and no other package but the command line knows of it.
package admin

import (
	"context"
	"time"
)

// A Process is the running program, as the command line hands it over. Its
// functions are called at any time, from any goroutine.
type Process struct {
	// Sessions lists the connections there are.
	Sessions func() []Session
	// Kick ends the connection with this ID, changing nothing upstream. by is who
	// asked for it. It returns false if there is none, or if its QUIT is being
	// done.
	Kick func(s Session, by string) bool
	// Record takes note of what an administrator's command has done beside this
	// process. by is who used it, as the system tells.
	Record func(d Deed, by string)
	// Sweep looks after a maildrop as retention on a schedule does, and says why
	// not if it does not.
	Sweep func(ctx context.Context, r SweepRequest) (why string)
	// Status tells all but what Checks find out.
	Status func() Status
	// Checks are what must work.
	Checks func() []Check
	// Complain is told what went wrong with an answer; nil: nobody is.
	Complain func(text string)
}

// A Deed is what an administrator's command has done.
type Deed struct {
	Action string `json:"action"` // one of package audit's
	// Account is whose maildrop it is about, View the view; "" if it is about none.
	Account string `json:"account,omitempty"`
	View    string `json:"view,omitempty"`
	// Detail is the command as it was given, without secrets.
	Detail string `json:"detail"`
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
}

// A Session is one connection of a client's.
type Session struct {
	ID string `json:"id"`
	// User has signed in, or is about to; "" if nobody.
	User string `json:"user,omitempty"`
	// Base is that name without a view; "" before sign-in.
	Base string `json:"base,omitempty"`
	View string `json:"view,omitempty"`
	// Account is whose mailbox it is upstream.
	Account  string `json:"account,omitempty"`
	Upstream string `json:"upstream,omitempty"`
	Policy   string `json:"policy,omitempty"`
	// Client is an address and port, or "unknown".
	Client   string `json:"client"`
	Listener string `json:"listener"`
	TLS      string `json:"tls,omitempty"` // "TLS 1.3"; "" is none
	// State is authorization, transaction or update (RFC 1939).
	State string `json:"state"`
	// Command is the latest, "other" if it is none of POP3's.
	Command string `json:"command,omitempty"`
	// Idle is how long the client has been waited for, in seconds; 0 while it is
	// being answered.
	Idle  float64   `json:"idle"`
	In    int64     `json:"in"` // octets on the wire
	Out   int64     `json:"out"`
	Since time.Time `json:"since"`
}

// Status is how the process does.
type Status struct {
	Version  string    `json:"version"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Config   string    `json:"config,omitempty"`
	Stopping bool      `json:"stopping,omitempty"`

	Listeners    []Listener    `json:"listeners"`
	Upstreams    []Upstream    `json:"upstreams"`
	State        *State        `json:"state,omitempty"`
	Reload       Reload        `json:"reload"`
	Sinks        []Sink        `json:"sinks,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
	Providers    []Provider    `json:"providers,omitempty"`

	Connections int `json:"connections"`
	SignedIn    int `json:"signed_in"`

	// Checked is when the findings were made, which are kept for a few seconds.
	Checked  time.Time `json:"checked"`
	Findings []Finding `json:"findings"`
	// Problems are what somebody should look at, in words.
	Problems []string `json:"problems"`
}

// A Listener is where clients connect.
type Listener struct {
	Name        string `json:"name"`
	Address     string `json:"address"`
	TLS         string `json:"tls"` // none, starttls, implicit
	Connections int    `json:"connections"`
}

// An Upstream is a server behind.
type Upstream struct {
	Name      string   `json:"name"`
	Protocol  string   `json:"protocol"` // imap, pop3
	Addresses []string `json:"addresses"`
	// InUse and Idle are signed-in connections: those of sessions, and those
	// that wait for the next one. Over POP3 they are not counted.
	InUse int `json:"in_use"`
	Idle  int `json:"idle"`
	// Octets of messages that were read since the upstream was configured; of
	// those, what was asked for ahead of the client, and what was asked for and
	// not wanted.
	Read   int64 `json:"read"`
	Ahead  int64 `json:"ahead"`
	Wasted int64 `json:"wasted"`
}

// State is the state file.
type State struct {
	Path   string `json:"path"`
	Octets int64  `json:"octets"` // on disk
}

// Reload is how reading the configuration again went.
type Reload struct {
	Loaded   time.Time `json:"loaded"` // when what is in force was taken into use
	Reloads  int       `json:"reloads"`
	Failures int       `json:"failures"`
	// Failed is when, and Error why, the last reload failed, if it did.
	Failed time.Time `json:"failed,omitzero"`
	Error  string    `json:"error,omitempty"`
}

// A Sink is where the audit trail goes.
type Sink struct {
	Name    string `json:"name"`
	Written uint64 `json:"written"` // lines
	Dropped uint64 `json:"dropped"` // lines that there was no room for
	Queued  int    `json:"queued"`  // lines that wait
	Errors  uint64 `json:"errors"`  // attempts to write that failed
	Failing bool   `json:"failing"` // the last attempt to write failed
}

// A Provider gives tokens of OAuth2.
type Provider struct {
	Name string `json:"name"`
	// Given and Failed are requests for tokens since the start.
	Given  int64 `json:"given"`
	Failed int64 `json:"failed"`
	// Of the accounts that wanted a token since the start: how many need
	// authorization, and for how many the last request failed.
	Needing int `json:"needing"`
	Failing int `json:"failing"`
	// Ends is when the first of their tokens ends; the zero time if there is none.
	// Those of accounts that nobody polls end, and are replaced at the next poll.
	Ends time.Time `json:"ends,omitzero"`
}

// A Certificate is one in use.
type Certificate struct {
	File     string    `json:"file"`
	NotAfter time.Time `json:"not_after"`
}

// A Check is one thing that must work for mail to go through.
type Check struct {
	Kind Kind
	Name string
	// Do fails if it does not work. It ends with ctx.
	Do func(ctx context.Context) error
}

// Kind is what a Check is about.
type Kind string

const (
	CheckListener Kind = "listener" // all must work
	CheckState    Kind = "state"
	CheckUpstream Kind = "upstream" // one must work
)

// A Finding is what a Check came to.
type Finding struct {
	Kind    Kind    `json:"kind"`
	Name    string  `json:"name"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
}
