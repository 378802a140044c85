package gateway

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/pop3"
)

// A TranscriptRule picks sessions whose protocol is written down, to look for a
// fault.
type TranscriptRule struct {
	Folder *audit.TranscriptFolder
	// Until is when it ends, also for a session that is being written down.
	Until time.Time
	// Client tells whether a connection can be meant, when it begins.
	Client func(client netip.Addr, listener string) bool
	// Login tells whether a sign-in is meant, whether it succeeds or not: user as
	// it was written and without a view, and the name of its route, "" if it has
	// none. nil: every connection is meant.
	Login func(user, base, route string) bool
}

// maxHeld is how much of what comes before a sign-in is kept for a transcript
// that may begin with it.
const maxHeld = 16 << 10

// transcript is a pop3.Watcher. Until a rule is seen to apply it holds what
// passes.
type transcript struct {
	gateway *Gateway
	peer    pop3.Peer
	rules   []*TranscriptRule // that may still apply
	head    audit.Header
	held    bytes.Buffer
	part    []byte // of a line that is being answered
	file    *audit.TranscriptFile
	until   time.Time
}

// watchingHooks adds what transcripts need, if there are any.
func (g *Gateway) watchingHooks(h pop3.Hooks) pop3.Hooks {
	if len(g.Transcripts) > 0 {
		h.Watch = g.watch
	}
	return h
}

// watch looks which rules may apply to a connection.
func (g *Gateway) watch(peer pop3.Peer) pop3.Watcher {
	w := &transcript{gateway: g, peer: peer, head: g.strangerOf(peer)}
	for i := range g.Transcripts {
		r := &g.Transcripts[i]
		switch {
		case !g.now().Before(r.Until) || !r.Client(address(peer.Remote), peer.Listener):
		case r.Login == nil:
			w.begin(r)
			return w
		default:
			w.rules = append(w.rules, r)
		}
	}
	if w.rules == nil {
		return nil
	}
	g.Shared.watched.Store(peer.ID, w)
	return w
}

// consider looks again, now that somebody wants to sign in.
func (g *Gateway) consider(peer pop3.Peer, cred pop3.Credentials, r Route) {
	found, ok := g.Shared.watched.Load(peer.ID)
	if !ok {
		return
	}
	w := found.(*transcript)
	w.head.User, w.head.Base, w.head.View = cred.User, r.Base, r.View
	if r.Base == "" {
		w.head.Base = cred.User
	}
	i := slices.IndexFunc(w.rules, func(t *TranscriptRule) bool { return t.Login(cred.User, w.head.Base, r.Name) })
	if i >= 0 && w.file == nil {
		w.begin(w.rules[i])
	}
}

// settle: somebody has signed in and nobody else will, so no rule can apply to
// the connection any more that does not by now.
func (g *Gateway) settle(peer pop3.Peer) {
	if found, ok := g.Shared.watched.LoadAndDelete(peer.ID); ok {
		w := found.(*transcript)
		w.rules, w.held = nil, bytes.Buffer{}
	}
}

// begin opens the file and writes what was held to it.
func (w *transcript) begin(r *TranscriptRule) {
	w.gateway.Shared.watched.Delete(w.peer.ID)
	w.rules = nil
	file, err := r.Folder.Create(w.peer.ID)
	if err != nil {
		w.log().WithError(err).Error("no transcript of this session is written")
		w.tell(&audit.Transcript{Error: err.Error()})
		w.held = bytes.Buffer{}
		return
	}
	w.file, w.until = file, r.Until
	w.file.Write(fmt.Appendf(nil, "# session %s, listener %s, client %s, %s\n# seconds since then; C: what the client said, S: what it was answered\n",
		w.peer.ID, w.peer.Listener, host(w.peer), w.head.Time.UTC().Format(time.RFC3339)))
	w.file.Write(w.held.Bytes())
	w.held = bytes.Buffer{}
	w.log().WithField("file", file.Path()).Warn("a transcript of this session is written")
	w.tell(&audit.Transcript{File: file.Path()})
}

func (w *transcript) log() logrus.FieldLogger { return w.gateway.Log.WithField("session", w.peer.ID) }

func (w *transcript) tell(e *audit.Transcript) {
	if w.gateway.Recorder == nil {
		return
	}
	e.Header = w.head
	e.Time = w.gateway.now()
	w.gateway.Recorder.Record(e)
}

// Heard implements pop3.Watcher.
func (w *transcript) Heard(line string) {
	if w.file != nil && !w.gateway.now().Before(w.until) {
		w.finish()
	}
	w.add('C', line)
}

// Said implements pop3.Watcher.
func (w *transcript) Said(text []byte) {
	if w.file == nil && w.rules == nil {
		return
	}
	for {
		line, rest, ended := bytes.Cut(text, []byte("\r\n"))
		w.part = append(w.part, line...)
		if !ended {
			return
		}
		w.add('S', string(w.part))
		w.part, text = w.part[:0], rest
	}
}

// add writes or holds one line.
func (w *transcript) add(who byte, text string) {
	if w.file == nil && w.rules == nil {
		return
	}
	line := fmt.Appendf(nil, "%8.3f %c: %s\n", w.gateway.now().Sub(w.head.Time).Seconds(), who, strings.TrimRight(text, "\r"))
	switch {
	case w.file != nil:
		w.file.Write(line)
	case w.held.Len()+len(line) <= maxHeld:
		w.held.Write(line)
	}
}

// End implements pop3.Watcher.
func (w *transcript) End(sum pop3.Summary) {
	w.gateway.Shared.watched.Delete(w.peer.ID)
	w.add('#', sum.End)
	w.finish()
}

func (w *transcript) finish() {
	w.rules = nil
	if w.file == nil {
		return
	}
	e := &audit.Transcript{Ended: true, File: w.file.Path(), Full: w.file.Full()}
	var err error
	e.Octets, err = w.file.Close()
	w.file = nil
	if err != nil {
		w.log().WithError(err).Error("the transcript of this session is not complete")
	}
	e.Error = text(err)
	w.tell(e)
}
