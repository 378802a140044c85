package pop3

import (
	"net"
	"testing"
)

// What a listener puts around a connection must not hide the kernel's queues.
type (
	likeProxy struct{ net.Conn } // go-proxyproto's way
	likeTLS   struct{ net.Conn } // crypto/tls's way
	endlessly struct{ net.Conn }
)

func (l likeProxy) Raw() net.Conn   { return l.Conn }
func (l likeTLS) NetConn() net.Conn { return l.Conn }
func (e endlessly) Raw() net.Conn   { return e }

func TestQueuesBelowWrappers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	pipe, _ := net.Pipe()
	defer pipe.Close()
	for name, test := range map[string]struct {
		conn  net.Conn
		known bool
	}{
		"bare": {server, true}, "PROXY": {likeProxy{server}, true}, "both": {likeTLS{likeProxy{server}}, true},
		"pipe": {pipe, false}, "endless": {endlessly{server}, false}, "hidden": {struct{ net.Conn }{server}, false},
	} {
		s := newSocket(test.conn)
		if _, ok := s.received(); ok != test.known {
			t.Errorf("%s: the receive queue is known: %v", name, ok)
		}
		if _, ok := s.acknowledged(); ok != test.known {
			t.Errorf("%s: the send queue is known: %v", name, ok)
		}
	}
}
