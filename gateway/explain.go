package gateway

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// An Explanation is what a client would see if it signed in now, what would
// happen at its QUIT, and why.
type Explanation struct {
	User     string    `json:"user"`
	Upstream string    `json:"upstream"`
	Identity string    `json:"identity"`
	View     string    `json:"view,omitempty"`
	Policy   string    `json:"policy"`
	Expire   string    `json:"expire,omitempty"`
	Held     bool      `json:"held,omitempty"`
	Begun    time.Time `json:"begun,omitzero"`
	Alert    string    `json:"alert,omitempty"`
	// Quota is how full the account is, where the policy needs to know; Notice
	// says what becomes of the warning.
	Quota    []ExplainedQuota `json:"quota,omitempty"`
	Notice   string           `json:"notice,omitempty"`
	Messages []Explained      `json:"messages"`
}

// Explained is what becomes of one message.
type Explained struct {
	// Number is the client's; 0 if the message is not shown, and Why says why not.
	Number  int       `json:"number"`
	Folder  string    `json:"folder"`
	UID     uint32    `json:"uid"`
	UIDL    string    `json:"uidl,omitempty"`
	Size    int64     `json:"size"`
	Arrived time.Time `json:"arrived,omitzero"`
	Why     string    `json:"why,omitempty"`
	// Retrieved (first) and Deleted are the ends of those earlier sessions of
	// the view, Hidden since when it is not shown.
	Retrieved time.Time `json:"retrieved,omitzero"`
	Deleted   time.Time `json:"deleted,omitzero"`
	Hidden    time.Time `json:"hidden,omitzero"`
	// Then is what QUIT would do to it, with reasons; or would not, with those.
	Then []string `json:"then,omitempty"`
}

// A Question is whose maildrop is to be explained, and what to suppose that the
// client does, by its message numbers.
type Question struct {
	Credentials        pop3.Credentials
	Client             netip.Addr
	Listener           string
	Retrieved, Deleted []int
}

// Explain signs in upstream, looks, and touches nothing: neither the mailbox
// nor the state, which it only reads.
func (g *Gateway) Explain(ctx context.Context, q Question) (*Explanation, error) {
	peer := pop3.Peer{ID: "explain", Listener: q.Listener, Remote: &net.TCPAddr{IP: q.Client.AsSlice()}}
	route, login, err := g.lead(ctx, peer, q.Credentials)
	if err != nil {
		return nil, err
	}
	mailbox, err := open(ctx, route.Server, login)
	if err != nil {
		return nil, err
	}
	defer mailbox.Close() // nothing was changed
	s := g.begin(route, login, peer, mailbox, nil)
	if err := s.loadMemory(ctx); err != nil {
		return nil, err
	}
	msgs, err := mailbox.Messages(ctx)
	if err == nil {
		s.listed, s.looksOnly = msgs, true
		err = s.openLedger(ctx, msgs)
	}
	if err == nil {
		err = s.alignMemory(ctx, msgs)
	}
	if err == nil {
		err = s.loadOthers(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.inspect(ctx)
	s.inspectTarget(ctx)
	return s.explain(q)
}

func (s *session) explain(q Question) (*Explanation, error) {
	e := &Explanation{User: q.Credentials.User, Upstream: s.route.Upstream, Identity: s.route.User, View: s.route.View,
		Policy: s.route.PolicyName, Expire: s.route.Policy.Expire(s.route.Beside...), Held: s.state().Held, Begun: s.state().Begun,
		Messages: make([]Explained, len(s.listed))}
	verdicts := s.route.Policy.View(s.listed, s.state(), s.gateway.now())
	for i := range verdicts {
		if verdicts[i].Show {
			s.index = append(s.index, i)
		}
	}
	s.nameDistinctly()
	number := 0
	for i, verdict := range verdicts {
		m := &s.listed[i]
		e.Messages[i] = Explained{Folder: s.folders[m.ID.Folder].Name, UID: m.ID.UID, UIDL: s.uidl(i), Size: m.Size, Arrived: m.Arrived, Why: verdict.Why}
		e.Messages[i].recall(s.state(), i)
		if verdict.Show {
			number++
			e.Messages[i].Number = number
		}
	}
	for _, n := range slices.Concat(q.Retrieved, q.Deleted) {
		if n < 1 || n > len(s.index) {
			return nil, fmt.Errorf("there is no message %d: %d are shown", n, len(s.index))
		}
	}
	var deleted []int
	for _, n := range q.Deleted {
		deleted = append(deleted, n-1)
	}
	for _, n := range q.Retrieved {
		s.retrieved[n-1] = true
	}
	e.foresee(s.decide(deleted))
	s.explainQuota(e)
	return e, nil
}

// recall adds what earlier sessions did to the message.
func (m *Explained) recall(state *policy.State, i int) {
	if i >= len(state.Of) || state.Of[i] == nil {
		return
	}
	m.Retrieved, m.Deleted, m.Hidden = moment(state.Of[i].First), moment(state.Of[i].Deleted), moment(state.Of[i].Hidden)
}

// moment is the time of so many seconds; the zero time stands for never.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// foresee adds what a plan comes to.
func (e *Explanation) foresee(plan policy.Plan) {
	e.Alert = plan.Alert
	for _, step := range plan.Steps {
		e.then(step.Index, inWords(step))
	}
	for _, fact := range plan.Facts {
		if fact.Hidden != 0 {
			e.then(fact.Index, "hide from this client")
		}
	}
	for _, fact := range plan.Withheld {
		if fact.Hidden != 0 {
			e.then(fact.Index, "would hide from this client; not done: dry_run")
		}
	}
	for _, step := range plan.Dry {
		e.then(step.Index, "would "+inWords(step))
	}
}

func (e *Explanation) then(i int, words string) {
	e.Messages[i].Then = append(e.Messages[i].Then, words)
}

func inWords(step policy.Step) string {
	what := map[upstream.Action]string{upstream.MarkSeen: "mark seen", upstream.Flag: "flag", upstream.Move: "move to", upstream.Expunge: "expunge", upstream.Unmark: "take \\Deleted off"}[step.Do]
	return strings.TrimSpace(what+" "+step.Target) + ": " + step.Why
}

// Maildrop names a mailbox in the state file: whose it is, at which upstream.
func Maildrop(upstream, user string) string { return upstream + "\n" + fold(user) }
