package admin

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// requestTime bounds reading a request.
	requestTime = 5 * time.Second
	// answerTime bounds writing an answer: a profile may be taken for a minute.
	answerTime = 2 * time.Minute
	// idleTime is more than the time between two scrapes.
	idleTime = 2 * time.Minute
	// maxHeader is more than any scraper or load balancer sends, in octets.
	maxHeader = 16 << 10
	// maxConns at once to each listener: some scrapers, a load balancer's
	// probes, an administrator or two.
	maxConns = 64
)

// A Server answers administrators and their programs. It is made of one
// Process and one Metrics, and serves any number of listeners.
type Server struct {
	process Process
	metrics atomic.Pointer[Metrics] // nil until somebody wants them
	health  *health
}

// NewServer makes a Server. There are no metrics until Count.
func NewServer(p Process) *Server { return &Server{process: p, health: newHealth(p.Checks)} }

// Count begins to count, if it was not begun before. version is Restante's own.
func (s *Server) Count(version string) {
	if s.metrics.Load() == nil {
		s.metrics.Store(NewMetrics(version, s.process))
	}
}

// Metrics are what is counted; nil before Count.
func (s *Server) Metrics() *Metrics { return s.metrics.Load() }

// A Door is a listener that is being served.
type Door struct {
	server   *http.Server
	profiles atomic.Bool
	at       net.Addr
	done     chan struct{}
}

// Addr is where it listens.
func (d *Door) Addr() net.Addr { return d.at }

// SetProfiles says whether Go's profiles can be had here.
func (d *Door) SetProfiles(on bool) { d.profiles.Store(on) }

// ServeSocket answers on the local socket: sessions, kick, status, and all that
// ServeWeb does.
func (s *Server) ServeSocket(l net.Listener) *Door { return s.serve(l, s.local) }

// ServeWeb answers over TCP: metrics, health and profiles.
func (s *Server) ServeWeb(l net.Listener) *Door { return s.serve(l, func(*http.ServeMux) {}) }

func (s *Server) serve(l net.Listener, more func(*http.ServeMux)) *Door {
	d := &Door{at: l.Addr(), done: make(chan struct{})}
	mux := s.web(&d.profiles)
	more(mux)
	d.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: requestTime, ReadTimeout: requestTime,
		WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ConnContext: withPeer, ErrorLog: log.New(complaints{s.process.Complain}, "", 0),
	}
	go func() {
		defer close(d.done)
		_ = d.server.Serve(newBounded(l, maxConns)) // ends with Close
	}()
	return d
}

// complaints are where net/http writes of what failed, panics among it.
type complaints struct{ tell func(string) }

func (c complaints) Write(p []byte) (int, error) {
	if c.tell != nil {
		c.tell(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// Close ends the listener. Answers that have begun may take a moment more.
func (d *Door) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := d.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = d.server.Close()
	}
	<-d.done
	return err
}

func (s *Server) web(profiles *atomic.Bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", s.scrape)
	for path, profile := range map[string]http.HandlerFunc{
		"": pprof.Index, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace, "cmdline": pprof.Cmdline,
	} {
		mux.HandleFunc("GET /debug/pprof/"+path, func(w http.ResponseWriter, r *http.Request) {
			if !profiles.Load() {
				http.NotFound(w, r)
				return
			}
			profile(w, r)
		})
	}
	return mux
}

func (s *Server) scrape(w http.ResponseWriter, r *http.Request) {
	m := s.metrics.Load()
	if m == nil {
		http.NotFound(w, r)
		return
	}
	m.handler.ServeHTTP(w, r)
}

// ready is 200 if mail can go through, else 503. What is wrong is in the answer,
// a line each; over TCP only what kind of thing it is, for errors hold
// addresses and paths.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.process.Status().Stopping { // what was found a moment ago does not know
		writeText(w, http.StatusServiceUnavailable, "not ready\nRestante is stopping\n")
		return
	}
	found := s.health.find()
	status, text := http.StatusOK, "ready\n"
	if !found.ready() {
		status, text = http.StatusServiceUnavailable, "not ready\n"
	}
	for _, f := range found.all {
		if f.Error != "" {
			text += string(f.Kind) + " " + f.Name + " does not work\n"
		}
	}
	writeText(w, status, text)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
