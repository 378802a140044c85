package admin

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what Prometheus reads. Labels have few values, all of them from
// the configuration or from a list in a program: never a user, an address or a
// message. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	facts    facts
	commands map[commandKey]prometheus.Observer
	dials    *prometheus.HistogramVec
	opens    *prometheus.HistogramVec
	listings *prometheus.CounterVec
	reads    *prometheus.HistogramVec
	writes   *prometheus.HistogramVec
}

type commandKey struct{ verb, result string }

// Seconds of the histograms' buckets. Most commands are answered from memory;
// RETR of a large message to a slow client takes minutes.
var (
	commandBuckets = []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 60, 300}
	serverBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60}
	storeBuckets   = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5}
)

// NewMetrics makes the metrics. version is Restante's own; what only the moment
// of a scrape can tell is asked of p.
func NewMetrics(version string, p Process) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), facts: newFacts(),
		dials:    histogram("upstream_dial_seconds", "Tries to connect to a server behind: TLS, greeting and capabilities included, sign-in not.", serverBuckets, "upstream", "result"),
		opens:    histogram("upstream_open_seconds", "Openings of a mailbox: sign-in and listing over a new connection, or a look over a warm one.", serverBuckets, "upstream", "connection", "result"),
		listings: counter("upstream_listings_total", "Folders listed: whole, remembered (proved true, only news were asked for) or rebuilt (not true any more).", "upstream", "how"),
		reads:    histogram("store_read_seconds", "Reads of the state file.", storeBuckets, "result"),
		writes:   histogram("store_write_seconds", "Writes to the state file, until they are on disk.", storeBuckets, "result"),
	}
	commands := histogram("command_seconds", "Commands of clients, until the answer was given to the connection.", commandBuckets, "command", "result")
	m.commands = everyCommand(commands)
	build := gauge("build_info", "Always 1; the labels say what runs.", "version", "goversion")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(commands, m.dials, m.opens, m.listings, m.reads, m.writes, build, &scrape{p},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.facts.collectors()...)
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeTime})
	return m
}

const namespace = "restante"

const (
	// maxScrapes at once: each walks over all connections.
	maxScrapes = 4
	// scrapeTime is more than any scraper waits.
	scrapeTime = 30 * time.Second
)

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// Verbs and results of commands, as package pop3 names them.
var (
	commandVerbs   = []string{"APOP", "AUTH", "CAPA", "DELE", "LAST", "LIST", "NOOP", "PASS", "QUIT", "RETR", "RSET", "STAT", "STLS", "TOP", "UIDL", "USER", "other"}
	commandResults = []string{"ok", "err", "lost"}
)

// everyCommand makes the series beforehand, so that counting a command makes no
// garbage.
func everyCommand(v *prometheus.HistogramVec) map[commandKey]prometheus.Observer {
	all := map[commandKey]prometheus.Observer{}
	for _, verb := range commandVerbs {
		for _, result := range commandResults {
			all[commandKey{verb, result}] = v.WithLabelValues(verb, result)
		}
	}
	return all
}

// Command counts a command: result is ok, err or lost. A verb that is not known
// counts as "other".
func (m *Metrics) Command(verb, result string, took time.Duration) {
	o := m.commands[commandKey{verb, result}]
	if o == nil {
		o = m.commands[commandKey{"other", result}]
	}
	if o != nil {
		o.Observe(took.Seconds())
	}
}

// Dialed counts a try to connect to an upstream.
func (m *Metrics) Dialed(upstream string, took time.Duration, err error) {
	m.dials.WithLabelValues(upstream, okOrFailed(err)).Observe(took.Seconds())
}

// Opened counts an opening of a mailbox. result is "ok", or the kind of failure.
func (m *Metrics) Opened(upstream string, warm bool, result string, took time.Duration) {
	connection := "new"
	if warm {
		connection = "warm"
	}
	m.opens.WithLabelValues(upstream, connection, result).Observe(took.Seconds())
}

// Listed counts a folder that was listed. how is whole, remembered or rebuilt.
func (m *Metrics) Listed(upstream, how string) { m.listings.WithLabelValues(upstream, how).Inc() }

// Read counts a read of the state file, and Wrote a write.
func (m *Metrics) Read(took time.Duration, err error) {
	m.reads.WithLabelValues(okOrFailed(err)).Observe(took.Seconds())
}

// Wrote counts a write to the state file.
func (m *Metrics) Wrote(took time.Duration, err error) {
	m.writes.WithLabelValues(okOrFailed(err)).Observe(took.Seconds())
}

func okOrFailed(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}
