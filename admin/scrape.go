package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrape asks the process how it is at the moment of a scrape. It asks no
// server behind anything.
type scrape struct{ process Process }

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	descConnections  = description("connections", "Clients' connections now, by the state of RFC 1939.", "listener", "state")
	descPool         = description("upstream_connections", "Signed-in connections to servers behind: in use, or idle for the next session.", "upstream", "state")
	descRead         = description("upstream_read_octets_total", "Octets of messages read from servers behind.", "upstream")
	descAhead        = description("upstream_read_ahead_octets_total", "Octets of messages that were asked for before their client asked, and read.", "upstream")
	descWasted       = description("upstream_read_ahead_wasted_octets_total", "Octets of messages that were asked for ahead, and not wanted.", "upstream")
	descStateOctets  = description("store_octets", "Size of the state file on disk.")
	descLoaded       = description("config_loaded_timestamp_seconds", "When the configuration in force was taken into use.")
	descReloadOK     = description("config_last_reload_successful", "1 if the last reload succeeded, or none was tried.")
	descExpiry       = description("certificate_expiry_timestamp_seconds", "When a certificate expires.", "file")
	descSinkWritten  = description("audit_written_total", "Lines of the audit trail that were written.", "sink")
	descSinkDropped  = description("audit_dropped_total", "Lines of the audit trail that were dropped.", "sink")
	descSinkErrors   = description("audit_errors_total", "Attempts to write to the audit trail that failed.", "sink")
	descSinkQueued   = description("audit_queued", "Lines of the audit trail that wait to be written.", "sink")
	descSinkFailing  = description("audit_failing", "1 while a sink of the audit trail cannot write.", "sink")
	descTokens       = description("oauth_tokens_total", "Requests for tokens of OAuth2.", "provider", "result")
	descNeeding      = description("oauth_needing_authorization", "Accounts that wanted a token, and need authorization first.", "provider")
	descTokenFailing = description("oauth_failing", "Accounts whose last request for a token failed.", "provider")
	descTokenEnds    = description("oauth_token_expiry_timestamp_seconds", "When the first of the tokens that are held expires; 0 if none is.", "provider")
	everyDescription = []*prometheus.Desc{descConnections, descPool, descRead, descAhead, descWasted, descStateOctets,
		descLoaded, descReloadOK, descExpiry, descSinkWritten, descSinkDropped, descSinkErrors, descSinkQueued, descSinkFailing,
		descTokens, descNeeding, descTokenFailing, descTokenEnds}
)

// Describe implements prometheus.Collector.
func (s *scrape) Describe(to chan<- *prometheus.Desc) {
	for _, d := range everyDescription {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s *scrape) Collect(to chan<- prometheus.Metric) {
	tell := reading(to)
	status := s.process.Status()
	s.sessions(tell, status.Listeners)
	for _, u := range status.Upstreams {
		tell.upstream(&u)
	}
	if status.State != nil {
		tell.gauge(descStateOctets, float64(status.State.Octets))
	}
	tell.gauge(descLoaded, seconds(status.Reload.Loaded))
	tell.gauge(descReloadOK, truth(status.Reload.Error == ""))
	for _, c := range status.Certificates {
		tell.gauge(descExpiry, seconds(c.NotAfter), c.File)
	}
	for _, p := range status.Providers {
		tell.provider(&p)
	}
	for _, sink := range status.Sinks {
		tell.counter(descSinkWritten, float64(sink.Written), sink.Name)
		tell.counter(descSinkDropped, float64(sink.Dropped), sink.Name)
		tell.counter(descSinkErrors, float64(sink.Errors), sink.Name)
		tell.gauge(descSinkQueued, float64(sink.Queued), sink.Name)
		tell.gauge(descSinkFailing, truth(sink.Failing), sink.Name)
	}
}

type place struct{ listener, state string }

// sessions counts connections. A listener without any has zeros, so that an
// alert can tell it from one that is not there.
func (s *scrape) sessions(tell reading, listeners []Listener) {
	count := map[place]int{}
	for _, l := range listeners {
		for _, state := range []string{stateAuthorization, "transaction", stateUpdate} {
			count[place{l.Name, state}] = 0
		}
	}
	for _, session := range s.process.Sessions() {
		count[place{session.Listener, session.State}]++
	}
	for at, n := range count {
		tell.gauge(descConnections, float64(n), at.listener, at.state)
	}
}

// reading is where what was read goes.
type reading chan<- prometheus.Metric

func (to reading) gauge(d *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (to reading) counter(d *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

func (to reading) upstream(u *Upstream) {
	to.gauge(descPool, float64(u.InUse), u.Name, "in use")
	to.gauge(descPool, float64(u.Idle), u.Name, "idle")
	to.counter(descRead, float64(u.Read), u.Name)
	to.counter(descAhead, float64(u.Ahead), u.Name)
	to.counter(descWasted, float64(u.Wasted), u.Name)
}

func (to reading) provider(p *Provider) {
	to.counter(descTokens, float64(p.Given), p.Name, "ok")
	to.counter(descTokens, float64(p.Failed), p.Name, "failed")
	to.gauge(descNeeding, float64(p.Needing), p.Name)
	to.gauge(descTokenFailing, float64(p.Failing), p.Name)
	to.gauge(descTokenEnds, seconds(p.Ends), p.Name)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds since 1970; 0 for no time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
