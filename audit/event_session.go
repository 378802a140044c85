package audit

// Kinds of facts about a session.
const (
	KindSessionStarted Kind = "session_start"
	KindSessionEnded   Kind = "session_end"
	KindTLS            Kind = "tls"
	KindRoute          Kind = "route"
	KindSignIn         Kind = "sign_in"
	KindListing        Kind = "listing"
	KindTranscript     Kind = "transcript"
)

// SessionStarted: a client has connected and was let in.
type SessionStarted struct {
	Header
	// Local is our end: address and port.
	Local string `json:"local,omitempty"`
}

// TLSStarted: a handshake was finished.
type TLSStarted struct {
	Header
	TLS        string `json:"tls"` // "TLS 1.3"
	Cipher     string `json:"cipher"`
	ServerName string `json:"server_name,omitempty"` // what the client asked for (SNI)
	Resumed    bool   `json:"resumed"`
}

// RouteChosen: where a login that succeeded leads, and under which policy. The
// SignIn comes after it.
type RouteChosen struct {
	Header
	Upstream string `json:"upstream"`
	Host     string `json:"host,omitempty"`
	// Identity is whose mailbox it is upstream.
	Identity string `json:"identity"`
	Policy   string `json:"policy"`
}

// Results of a SignIn.
const (
	ResultOK          = "ok"
	ResultRejected    = "rejected"    // the credentials are wrong
	ResultMalformed   = "malformed"   // no credentials at all: empty, or with line breaks
	ResultDenied      = "denied"      // the account may not sign in, or something must be configured
	ResultNoRoute     = "no route"    // nothing is configured for this user
	ResultInUse       = "in use"      // another session holds the maildrop
	ResultDelayed     = "delayed"     // too soon after the last time
	ResultThrottled   = "throttled"   // the upstream asked for fewer requests
	ResultUnavailable = "unavailable" // the upstream, or our own state, is out of order
	ResultRefused     = "refused"     // a limit or a ban of ours
)

// SignIn: somebody tried to sign in.
type SignIn struct {
	Header
	Result string `json:"result"`
	// Method is the mechanism: USER, APOP, PLAIN, LOGIN, XOAUTH2, OAUTHBEARER, EXTERNAL.
	Method string `json:"method"`
	TLS    bool   `json:"tls"`
	// Identity is the authorization identity, if it is not User.
	Identity string `json:"identity,omitempty"`
	// Upstream is the server's name, if the sign-in got as far.
	Upstream string `json:"upstream,omitempty"`
	// Warm: the connection upstream had been there before.
	Warm    bool    `json:"warm"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// Listing: what of the mailbox the client sees.
type Listing struct {
	Header
	Messages int     `json:"messages"` // shown
	Octets   int64   `json:"octets"`   // of these, as listed
	Hidden   int     `json:"hidden"`   // by the policy, or deleted in this view before
	Folders  int     `json:"folders"`
	Seconds  float64 `json:"seconds"`
}

// SessionEnded sums a session up.
type SessionEnded struct {
	Header
	// End is how: "quit", "dropped" and the others that docs/audit.md lists.
	End           string  `json:"end"`
	Seconds       float64 `json:"seconds"`
	FailedSignIns int     `json:"failed_sign_ins"`
	Retrieved     int     `json:"retrieved"` // messages that the client is proven to have
	Unproven      int     `json:"unproven"`  // sent whole, and not proven to have arrived
	Octets        int64   `json:"octets"`    // sent by RETR, incomplete messages included
	Tops          int     `json:"tops"`
	// Deleted is how many messages were marked when the session ended. They only
	// count if it ended with QUIT.
	Deleted int    `json:"deleted"`
	Changed int    `json:"changed"` // changes made upstream
	Failed  int    `json:"failed"`  // changes that could not be made
	In      int64  `json:"in"`      // octets on the wire, TLS included
	Out     int64  `json:"out"`
	Error   string `json:"error,omitempty"`
}

// Transcript: a protocol transcript of this session is being written, or is
// complete if Ended.
type Transcript struct {
	Header
	Ended  bool   `json:"ended"`
	File   string `json:"file"`
	Octets int64  `json:"octets"`
	// Full: the bound was reached, and what came after it is not in the file.
	Full  bool   `json:"full"`
	Error string `json:"error,omitempty"`
}

func (*SessionStarted) Kind() Kind { return KindSessionStarted }
func (*SessionEnded) Kind() Kind   { return KindSessionEnded }
func (*TLSStarted) Kind() Kind     { return KindTLS }
func (*RouteChosen) Kind() Kind    { return KindRoute }
func (*SignIn) Kind() Kind         { return KindSignIn }
func (*Listing) Kind() Kind        { return KindListing }
func (*Transcript) Kind() Kind     { return KindTranscript }

func (e *SessionStarted) fields(l *line) { l.text("local", e.Local) }

func (e *TLSStarted) fields(l *line) {
	l.text("tls", e.TLS)
	l.text("cipher", e.Cipher)
	l.text("server_name", e.ServerName)
	l.truth("resumed", e.Resumed)
}

func (e *RouteChosen) fields(l *line) {
	l.text("upstream", e.Upstream)
	l.text("host", e.Host)
	l.who("identity", e.Identity)
	l.text("policy", e.Policy)
}

func (e *SignIn) fields(l *line) {
	l.text("result", e.Result)
	l.text("method", e.Method)
	l.truth("tls", e.TLS)
	l.who("identity", e.Identity)
	l.text("upstream", e.Upstream)
	l.truth("warm", e.Warm)
	l.seconds("seconds", e.Seconds)
	l.said("error", e.Error)
}

func (e *Listing) fields(l *line) {
	l.number("messages", int64(e.Messages))
	l.number("octets", e.Octets)
	l.number("hidden", int64(e.Hidden))
	l.number("folders", int64(e.Folders))
	l.seconds("seconds", e.Seconds)
}

func (e *SessionEnded) fields(l *line) {
	l.text("end", e.End)
	l.seconds("seconds", e.Seconds)
	l.number("failed_sign_ins", int64(e.FailedSignIns))
	l.number("retrieved", int64(e.Retrieved))
	l.number("unproven", int64(e.Unproven))
	l.number("octets", e.Octets)
	l.number("tops", int64(e.Tops))
	l.number("deleted", int64(e.Deleted))
	l.number("changed", int64(e.Changed))
	l.number("failed", int64(e.Failed))
	l.number("in", e.In)
	l.number("out", e.Out)
	l.said("error", e.Error)
}

func (e *Transcript) fields(l *line) {
	l.truth("ended", e.Ended)
	l.text("file", e.File)
	l.number("octets", e.Octets)
	l.truth("full", e.Full)
	l.said("error", e.Error)
}
