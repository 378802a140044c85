package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Paths of the socket's answers, which are JSON.
const (
	pathSessions = "/v1/sessions" // GET: []Session
	pathKick     = "/v1/kick"     // POST KickRequest: Kicked
	pathStatus   = "/v1/status"   // GET: Status
	pathRecord   = "/v1/record"   // POST Deed: {}
	pathSweep    = "/v1/sweep"    // POST SweepRequest: Swept
)

// maxBody is more than a KickRequest has, in octets: user names come from lines
// of POP3.
const maxBody = 64 << 10

// A KickRequest says which sessions are to end: one by its ID, or all of a user.
type KickRequest struct {
	ID   string `json:"id,omitempty"`
	User string `json:"user,omitempty"`
}

// Kicked is what came of it.
type Kicked struct {
	Ended []Session `json:"ended"`
	// Finishing are those whose QUIT is being done, which nothing interrupts.
	Finishing []Session `json:"finishing"`
}

// A SweepRequest names a view of an account's maildrop that is to be looked after
// now, with what is kept for the account.
type SweepRequest struct {
	Account string `json:"account"`
	View    string `json:"view,omitempty"`
}

// Swept is what came of it. Why says why nothing was done; "" if it was.
type Swept struct {
	Why string `json:"why,omitempty"`
}

func (s *Server) local(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathSessions, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.process.Sessions()) })
	mux.HandleFunc("POST "+pathKick, s.kick)
	mux.HandleFunc("POST "+pathRecord, s.record)
	mux.HandleFunc("POST "+pathSweep, s.sweep)
	mux.HandleFunc("GET "+pathStatus, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.status()) })
}

func (s *Server) kick(w http.ResponseWriter, r *http.Request) {
	var wanted KickRequest
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&wanted)
	if err != nil || (wanted.ID == "") == (wanted.User == "") {
		writeText(w, http.StatusBadRequest, "say which sessions: either an id, or a user\n")
		return
	}
	result := Kicked{Ended: []Session{}, Finishing: []Session{}}
	for _, session := range s.process.Sessions() {
		switch {
		case !wanted.means(&session):
		case s.process.Kick(session, whoAsks(r.Context())):
			result.Ended = append(result.Ended, session)
		case session.State == stateUpdate:
			result.Finishing = append(result.Finishing, session)
		}
	}
	writeJSON(w, result)
}

func (s *Server) sweep(w http.ResponseWriter, r *http.Request) {
	var wanted SweepRequest
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&wanted)
	if err != nil || wanted.Account == "" || s.process.Sweep == nil {
		writeText(w, http.StatusBadRequest, "say whose maildrop\n")
		return
	}
	writeJSON(w, Swept{Why: s.process.Sweep(r.Context(), wanted)})
}

// actionName is what names of actions are made of: a metric is kept for each.
var actionName = regexp.MustCompile(`^[a-z-]{1,20}$`)

func (s *Server) record(w http.ResponseWriter, r *http.Request) {
	var deed Deed
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&deed)
	if err != nil || !actionName.MatchString(deed.Action) || s.process.Record == nil {
		writeText(w, http.StatusBadRequest, "say what was done\n")
		return
	}
	s.process.Record(deed, whoAsks(r.Context()))
	writeJSON(w, struct{}{})
}

// stateUpdate is RFC 1939's, as pop3 names it.
const stateUpdate = "update"

// means: a user is who signed in, with or without a view, or whose mailbox it
// is.
func (k KickRequest) means(s *Session) bool {
	if k.ID != "" {
		return s.ID == k.ID
	}
	is := func(name string) bool { return strings.EqualFold(name, k.User) }
	return is(s.User) || is(s.Base) || is(s.Account)
}

func (s *Server) status() Status {
	status := s.process.Status()
	found := s.health.find()
	status.Checked, status.Findings = found.at, found.all
	for _, session := range s.process.Sessions() {
		status.Connections++
		if session.State != stateAuthorization {
			status.SignedIn++
		}
	}
	status.Problems = status.problems(s.health.now())
	return status
}

const stateAuthorization = "authorization"

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		writeText(w, http.StatusInternalServerError, fmt.Sprintf("make JSON of the answer: %v\n", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n'))
}
