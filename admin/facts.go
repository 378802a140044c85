package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/restante-mail/restante/audit"
)

// facts count the events of package audit.
type facts struct {
	connections *prometheus.CounterVec
	ends        *prometheus.CounterVec
	sessionTime prometheus.Histogram
	octetsIn    prometheus.Counter
	octetsOut   prometheus.Counter
	tls         *prometheus.CounterVec
	signIns     *prometheus.CounterVec
	listed      prometheus.Counter
	hidden      prometheus.Counter
	retrievals  map[string]prometheus.Counter
	retrieved   *prometheus.CounterVec
	octets      prometheus.Counter
	tops        prometheus.Counter
	deletions   prometheus.Counter
	decisions   *prometheus.CounterVec
	outcomes    *prometheus.CounterVec
	alerts      *prometheus.CounterVec
	quotas      *prometheus.CounterVec
	limits      *prometheus.CounterVec
	bans        *prometheus.CounterVec
	reloads     *prometheus.CounterVec
	admins      *prometheus.CounterVec
}

// sessionBuckets, in seconds: a poll that finds nothing takes milliseconds, a
// first download over a slow line hours.
var sessionBuckets = []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800, 7200}

func newFacts() facts {
	f := facts{
		connections: counter("connections_total", "Clients' connections that were let in.", "listener"),
		ends:        counter("sessions_ended_total", "Connections that ended, by how; docs/audit.md lists the ways.", "listener", "end"),
		sessionTime: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "session_seconds", Help: "How long connections lasted.", Buckets: sessionBuckets}),
		octetsIn:    single("client_received_octets_total", "Octets received from clients, TLS included, counted when a connection ends."),
		octetsOut:   single("client_sent_octets_total", "Octets sent to clients, TLS included, counted when a connection ends."),
		tls:         counter("tls_handshakes_total", "TLS handshakes with clients that were finished.", "version", "resumed"),
		signIns:     counter("sign_ins_total", "Sign-ins, by result; ok is one that succeeded.", "result", "method", "connection"),
		listed:      single("listed_messages_total", "Messages shown to clients, summed over all listings."),
		hidden:      single("hidden_messages_total", "Messages that policies kept from clients, summed over all listings."),
		retrieved:   counter("retrievals_total", "Messages asked for by RETR: complete (proven to have arrived), sent (whole, and not proven), partial.", "result"),
		octets:      single("retrieved_octets_total", "Octets of messages sent by RETR, before dot-stuffing."),
		tops:        single("tops_total", "Messages asked for by TOP."),
		deletions:   single("deletions_asked_total", "Messages that clients deleted with DELE and QUIT."),
		decisions:   counter("decisions_total", "What policies decided to do to messages; dry is what is not done.", "policy", "cause", "do", "dry"),
		outcomes:    counter("removals_total", "What came of what policies decided: done, marked or failed.", "policy", "cause", "do", "result"),
		alerts:      counter("alerts_total", "Policies that stopped short of what they were asked to do.", "policy"),
		quotas:      counter("quota_actions_total", "What was done because a mailbox was filling up.", "action"),
		limits:      counter("limits_hit_total", "Clients that ran into a bound.", "limit"),
		bans:        counter("bans_total", "Bans imposed and lifted.", "change"),
		reloads:     counter("config_reloads_total", "Reloads of the configuration.", "result"),
		admins:      counter("admin_actions_total", "What administrators did.", "action", "result"),
	}
	f.retrievals = map[string]prometheus.Counter{}
	for _, result := range []string{"complete", "sent", "partial"} {
		f.retrievals[result] = f.retrieved.WithLabelValues(result)
	}
	for _, change := range []string{"imposed", "lifted"} {
		f.bans.WithLabelValues(change) // zero is something to see, too
	}
	for _, result := range []string{"ok", "failed"} {
		f.reloads.WithLabelValues(result)
	}
	return f
}

func single(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func (f *facts) collectors() []prometheus.Collector {
	return []prometheus.Collector{f.connections, f.ends, f.sessionTime, f.octetsIn, f.octetsOut, f.tls, f.signIns, f.listed, f.hidden,
		f.retrieved, f.octets, f.tops, f.deletions, f.decisions, f.outcomes, f.alerts, f.quotas, f.limits, f.bans, f.reloads, f.admins}
}

var _ audit.Counter = (*Metrics)(nil)

// OnlyCounts implements audit.Counter.
func (m *Metrics) OnlyCounts() {}

// Record implements audit.Recorder: it counts.
func (m *Metrics) Record(e audit.Event) {
	f := &m.facts
	if !f.ofMessage(e) && !f.ofSession(e) {
		f.ofProcess(e)
	}
}

func (f *facts) ofMessage(event audit.Event) bool {
	switch e := event.(type) {
	case *audit.Retrieval:
		f.retrievals[resultOf(e)].Inc()
		f.octets.Add(float64(e.Octets))
	case *audit.Top:
		f.tops.Inc()
	case *audit.Deletion:
		f.deletions.Inc()
	case *audit.Decision:
		f.decisions.WithLabelValues(e.Policy, e.Cause, e.Do, yesOrNo(e.Dry)).Inc()
	case *audit.Outcome:
		f.outcomes.WithLabelValues(e.Policy, e.Cause, e.Do, e.Result).Inc()
	default:
		return false
	}
	return true
}

func resultOf(e *audit.Retrieval) string {
	switch {
	case e.Complete:
		return "complete"
	case e.Sent:
		return "sent"
	}
	return "partial"
}

func (f *facts) ofSession(event audit.Event) bool {
	switch e := event.(type) {
	case *audit.SessionStarted:
		f.connections.WithLabelValues(e.Listener).Inc()
	case *audit.SessionEnded:
		f.ends.WithLabelValues(e.Listener, e.End).Inc()
		f.sessionTime.Observe(e.Seconds)
		f.octetsIn.Add(float64(e.In))
		f.octetsOut.Add(float64(e.Out))
	case *audit.TLSStarted:
		f.tls.WithLabelValues(e.TLS, yesOrNo(e.Resumed)).Inc()
	case *audit.SignIn:
		f.signIns.WithLabelValues(e.Result, e.Method, newOrWarm(e.Warm)).Inc()
	case *audit.Listing:
		f.listed.Add(float64(e.Messages))
		f.hidden.Add(float64(e.Hidden))
	default:
		return false
	}
	return true
}

func (f *facts) ofProcess(event audit.Event) {
	switch e := event.(type) {
	case *audit.Alert:
		f.alerts.WithLabelValues(e.Policy).Inc()
	case *audit.Quota:
		f.quotas.WithLabelValues(e.Action).Inc()
	case *audit.LimitHit:
		f.limits.WithLabelValues(e.Limit).Inc()
	case *audit.Banned:
		f.bans.WithLabelValues(map[bool]string{false: "imposed", true: "lifted"}[e.Lifted]).Inc()
	case *audit.Reloaded:
		f.reloads.WithLabelValues(okOrNot(e.OK)).Inc()
	case *audit.Admin:
		f.admins.WithLabelValues(e.Action, okOrNot(e.OK)).Inc()
	}
}

func yesOrNo(b bool) string { return map[bool]string{false: "no", true: "yes"}[b] }

func okOrNot(ok bool) string { return map[bool]string{false: "failed", true: "ok"}[ok] }

func newOrWarm(warm bool) string { return map[bool]string{false: "new", true: "warm"}[warm] }
