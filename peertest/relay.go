package peertest

import (
	"bytes"
	"net"
	"sync"
	"time"
)

// Direction is one of the two ways through a Relay.
type Direction int

const (
	ToServer Direction = iota
	ToClient
)

// What becomes of a connection when its Fault happens.
type Action int

const (
	// Cut closes both ends right behind the octet of the fault; nothing comes
	// back in answer to it.
	Cut Action = iota
	// CutAnswer is Cut, but what was sent together with that octet still
	// arrives: the server does what it was told, and the client does not know.
	CutAnswer
	// Stall lets nothing through any more, either way, behind the octet of
	// the fault; the connection stays.
	Stall
)

// A Fault happens once, to the first connection that carried enough.
type Fault struct {
	Dir Direction
	// After this many octets in that direction since Break, of all
	// connections together...
	After int64
	// ...or behind this text, if it is not empty.
	Seen string
	Do   Action
	// Last: no new connection is let through afterwards.
	Last bool

	count    int64
	tail     []byte
	happened chan struct{}
}

// split returns how many octets of p still pass before the fault, and whether
// it is there.
func (f *Fault) split(p []byte) (int, bool) {
	if f.Seen == "" {
		left := f.After - f.count
		f.count += int64(len(p))
		return int(max(0, min(left, int64(len(p))))), left <= int64(len(p))
	}
	text := append(f.tail, p...)
	if at := bytes.Index(text, []byte(f.Seen)); at >= 0 {
		return at + len(f.Seen) - len(f.tail), true
	}
	f.tail = bytes.Clone(text[max(0, len(text)-len(f.Seen)+1):])
	return len(p), false
}

// A Relay is a TCP relay on loopback to one server. Its delay is that of a
// long line: what is sent meanwhile travels, too.
type Relay struct {
	target   string
	listener net.Listener
	all      sync.WaitGroup

	mu    sync.Mutex
	delay time.Duration // one way
	fault *Fault
	shut  bool // a last fault has happened
	links map[*link]bool
}

// NewRelay starts a relay to the server at target; it ends with the test.
func NewRelay(t T, target string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	r := &Relay{target: target, listener: l, links: map[*link]bool{}}
	r.all.Add(1)
	go r.serve()
	t.Cleanup(r.close)
	return r
}

// Addr is the relay's host:port.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Delay sets the round-trip time that the relay adds, from now on.
func (r *Relay) Delay(roundTrip time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = roundTrip / 2
}

// Break arms a fault, in place of one that did not happen yet. The channel is
// closed when it has happened.
func (r *Relay) Break(f Fault) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.happened = make(chan struct{})
	r.fault = &f
	return f.happened
}

// CutAll cuts all connections now; new ones are welcome.
func (r *Relay) CutAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		l.close()
	}
}

// Connections is the number of connections that are open.
func (r *Relay) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.links)
}

func (r *Relay) close() {
	_ = r.listener.Close()
	r.CutAll()
	r.all.Wait()
}

func (r *Relay) serve() {
	defer r.all.Done()
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.target)
		if err != nil || r.isShut() {
			_ = client.Close()
			if err == nil {
				_ = server.Close()
			}
			continue
		}
		r.link(client, server)
	}
}

// link joins two connections.
func (r *Relay) link(client, server net.Conn) {
	l := &link{relay: r, ends: [2]net.Conn{ToServer: server, ToClient: client}, gone: make(chan struct{})}
	r.mu.Lock()
	r.links[l] = true
	r.mu.Unlock()
	var ways sync.WaitGroup
	ways.Add(2)
	for _, dir := range []Direction{ToServer, ToClient} {
		go func() {
			defer ways.Done()
			l.carry(dir)
		}()
	}
	r.all.Add(1)
	go func() {
		defer r.all.Done()
		ways.Wait()
		l.close()
		r.mu.Lock()
		delete(r.links, l)
		r.mu.Unlock()
	}()
}

// check splits a chunk where the fault is, if it is there, and takes the fault
// away so that it happens once.
func (r *Relay) check(dir Direction, p []byte) (int, *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == nil || r.fault.Dir != dir {
		return len(p), nil
	}
	n, here := r.fault.split(p)
	if !here {
		return len(p), nil
	}
	f := r.fault
	r.fault, r.shut = nil, f.Last
	return n, f
}

func (r *Relay) isShut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shut
}

func (r *Relay) oneWay() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.delay
}

// A link is one client's connection and its counterpart.
type link struct {
	relay *Relay
	ends  [2]net.Conn // by the direction that is written to it
	once  sync.Once
	gone  chan struct{}

	mu     sync.Mutex
	silent [2]bool // directions that lose what they carry
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.gone)
		for _, c := range l.ends {
			_ = c.Close()
		}
	})
}

// A parcel travels until it is due; an empty one is the end of the stream.
type parcel struct {
	octets []byte
	due    time.Time
}

// inFlight bounds the parcels of 32 KiB on a delay line: more than a gigabit
// a second fills at 150 ms.
const inFlight = 1024

// carry moves octets in one direction until its end.
func (l *link) carry(dir Direction) {
	line := make(chan parcel, inFlight)
	go l.load(dir, line)
	for p := range line {
		if !l.wait(p.due) || !l.deliver(dir, p.octets) {
			l.close()
			break
		}
	}
	for range line { // so that load ends
	}
}

// load reads what is to travel in that direction.
func (l *link) load(dir Direction, line chan<- parcel) {
	defer close(line)
	from := l.ends[1-dir]
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		due := time.Now().Add(l.relay.oneWay())
		if n > 0 {
			line <- parcel{buf[:n], due}
		}
		if err != nil {
			line <- parcel{nil, due}
			return
		}
	}
}

// wait waits until a parcel is due, and tells whether the link is still there.
func (l *link) wait(due time.Time) bool {
	left := time.Until(due)
	if left <= 0 {
		return true
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.gone:
		return false
	}
}

// deliver hands a parcel over and tells whether the direction goes on.
func (l *link) deliver(dir Direction, octets []byte) bool {
	to := l.ends[dir]
	if len(octets) == 0 {
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			return half.CloseWrite() == nil
		}
		return false
	}
	n, fault := l.relay.check(dir, octets)
	if fault == nil {
		return l.lost(dir) || write(to, octets)
	}
	defer close(fault.happened)
	switch fault.Do {
	case CutAnswer:
		l.lose(1 - dir)
		write(to, octets)
		return false
	case Stall:
		l.lose(ToServer, ToClient)
		write(to, octets[:n])
		return true
	default:
		l.lose(1 - dir)
		write(to, octets[:n])
		return false
	}
}

func write(c net.Conn, p []byte) bool {
	_, err := c.Write(p)
	return err == nil
}

// lose drops what these directions carry from now on.
func (l *link) lose(dirs ...Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range dirs {
		l.silent[d] = true
	}
}

func (l *link) lost(dir Direction) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silent[dir]
}
