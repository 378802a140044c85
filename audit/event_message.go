package audit

import "encoding/hex"

// Kinds of facts about messages.
const (
	KindRetrieval Kind = "retrieval"
	KindTop       Kind = "top"
	KindDelete    Kind = "delete"
	KindDecision  Kind = "decision"
	KindOutcome   Kind = "outcome"
	KindAlert     Kind = "alert"
	KindQuota     Kind = "quota"
	KindReturn    Kind = "return"
)

// Retrieval: RETR of one message.
type Retrieval struct {
	Header
	Message
	// From and Subject are the header's, decoded (RFC 2047).
	From    string `json:"from,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Octets that were sent, line ends CRLF, before dot-stuffing.
	Octets int64 `json:"octets"`
	// SHA256 of these octets, if the message was Sent whole; else nil.
	SHA256 []byte `json:"sha256,omitempty"`
	// Sent: the whole message and its terminator were handed to the client's
	// connection.
	Sent bool `json:"sent"`
	// Complete: Sent, and the client is proven to have it.
	Complete bool    `json:"complete"`
	Seconds  float64 `json:"seconds"`
	Error    string  `json:"error,omitempty"`
}

// Top: TOP of one message.
type Top struct {
	Header
	Message
	Lines   int     `json:"lines"` // of the body, that were asked for
	Octets  int64   `json:"octets"`
	Seconds float64 `json:"seconds"`
}

// Deletion: a client has deleted a message and sent QUIT. What comes of it is
// the policy's Decision.
type Deletion struct {
	Header
	Message
}

// What a Decision comes of.
const (
	CauseDelete    = "delete"    // the client's DELE, by on_delete
	CauseRetrieve  = "retrieve"  // the client's RETR, by on_retrieve
	CauseRetention = "retention" // a retain rule
	CauseQuota     = "quota"     // quota_reclaim
	CauseViews     = "views"     // no view waits for it any more
	CauseFound     = "found"     // Outcome only: a session was interrupted, and the next found it done
)

// Decision: what a policy decided about a message at QUIT. That a message is
// marked as read is not recorded.
type Decision struct {
	Header
	Message
	// Do is expunge, move, flag, hide or keep.
	Do     string `json:"do"`
	Target string `json:"target,omitempty"` // the folder of move, the keyword of flag
	Policy string `json:"policy"`
	Cause  string `json:"cause"`
	Why    string `json:"why"`
	// Dry: it was decided and is not done; Why says why not.
	Dry bool `json:"dry"`
}

// Results of an Outcome.
const (
	OutcomeDone   = "done"
	OutcomeMarked = "marked" // flagged \Deleted: the server cannot remove single messages
	OutcomeFailed = "failed"
)

// Outcome: what came of a Decision that was not Dry.
type Outcome struct {
	Header
	Message
	Do     string `json:"do"`
	Target string `json:"target,omitempty"`
	Policy string `json:"policy"`
	Cause  string `json:"cause"`
	Result string `json:"result"`
	// ToUIDValidity and ToUID are where a moved message is now, if the server
	// said so.
	ToUIDValidity uint32 `json:"to_uidvalidity,omitempty"`
	ToUID         uint32 `json:"to_uid,omitempty"`
	Error         string `json:"error,omitempty"`
}

// Alert: a policy stopped short of what it was asked to do, and somebody should
// look at it.
type Alert struct {
	Header
	Policy string `json:"policy"`
	Text   string `json:"text"`
}

// Quota: what was done because a mailbox is filling up.
type Quota struct {
	Header
	Action  string `json:"action"` // warn: a notice is shown; reclaim: room is made
	Root    string `json:"root,omitempty"`
	Percent int64  `json:"percent"` // how full it is
	Counted string `json:"counted"` // what Used and Limit count: octets or messages
	Used    int64  `json:"used"`
	Limit   int64  `json:"limit"`
	// Messages that reclaim has chosen.
	Messages int `json:"messages"`
}

// Return: messages that an administrator undeleted were moved back to a folder.
type Return struct {
	Header
	Folder   string `json:"folder"` // where they had been moved to
	Messages int    `json:"messages"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
}

func (*Retrieval) Kind() Kind { return KindRetrieval }
func (*Top) Kind() Kind       { return KindTop }
func (*Deletion) Kind() Kind  { return KindDelete }
func (*Decision) Kind() Kind  { return KindDecision }
func (*Outcome) Kind() Kind   { return KindOutcome }
func (*Alert) Kind() Kind     { return KindAlert }
func (*Quota) Kind() Kind     { return KindQuota }
func (*Return) Kind() Kind    { return KindReturn }

func (m *Message) fields(l *line) {
	l.count("n", int64(m.Number))
	l.text("uidl", m.UIDL)
	l.text("upstream", m.Upstream)
	l.text("host", m.Host)
	l.text("folder", m.Folder)
	l.count("uidvalidity", int64(m.UIDValidity))
	l.count("uid", int64(m.UID))
	l.text("message_id", m.MessageID)
}

func (e *Retrieval) fields(l *line) {
	e.Message.fields(l)
	l.from("from", e.From)
	l.subject("subject", e.Subject)
	l.number("octets", e.Octets)
	if e.SHA256 != nil {
		l.key("sha256")
		l.b = append(hex.AppendEncode(append(l.b, '"'), e.SHA256), '"')
	}
	l.truth("sent", e.Sent)
	l.truth("complete", e.Complete)
	l.seconds("seconds", e.Seconds)
	l.said("error", e.Error)
}

func (e *Top) fields(l *line) {
	e.Message.fields(l)
	l.number("lines", int64(e.Lines))
	l.number("octets", e.Octets)
	l.seconds("seconds", e.Seconds)
}

func (e *Deletion) fields(l *line) { e.Message.fields(l) }

func (e *Decision) fields(l *line) {
	e.Message.fields(l)
	l.text("do", e.Do)
	l.text("target", e.Target)
	l.text("policy", e.Policy)
	l.text("cause", e.Cause)
	l.text("why", e.Why)
	l.truth("dry", e.Dry)
}

func (e *Outcome) fields(l *line) {
	e.Message.fields(l)
	l.text("do", e.Do)
	l.text("target", e.Target)
	l.text("policy", e.Policy)
	l.text("cause", e.Cause)
	l.text("result", e.Result)
	l.count("to_uidvalidity", int64(e.ToUIDValidity))
	l.count("to_uid", int64(e.ToUID))
	l.said("error", e.Error)
}

func (e *Alert) fields(l *line) {
	l.text("policy", e.Policy)
	l.text("text", e.Text)
}

func (e *Quota) fields(l *line) {
	l.text("action", e.Action)
	l.text("root", e.Root)
	l.number("percent", e.Percent)
	l.text("counted", e.Counted)
	l.number("used", e.Used)
	l.number("limit", e.Limit)
	l.number("messages", int64(e.Messages))
}

func (e *Return) fields(l *line) {
	l.text("folder", e.Folder)
	l.number("messages", int64(e.Messages))
	l.truth("ok", e.OK)
	l.said("error", e.Error)
}
