package peertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// However the octets come, pipelined answers are told apart.
func TestTexts(t *testing.T) {
	const wire = "+OK 1\r\n.\r\n+OK\r\na\r\n..\r\n.b\r\n.\r\n+OK 3 octets\r\n...\r\n\r\n.\r\n"
	for _, test := range []struct {
		name string
		wrap func(io.Reader) io.Reader
	}{
		{"at once", func(r io.Reader) io.Reader { return r }},
		{"octet by octet", iotest.OneByteReader},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			defer server.Close()
			c := &POP3Conn{c: client, r: bufio.NewReader(test.wrap(strings.NewReader(wire))), Patience: time.Minute}
			all, bounds, err := c.Texts([]byte("before"), 3)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range bounds {
				got = append(got, string(all[b[0]:b[1]]))
			}
			want := []string{".\r\n", "a\r\n..\r\n.b\r\n.\r\n", "...\r\n\r\n.\r\n"}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTextsOfARefusal(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	c := &POP3Conn{c: client, r: bufio.NewReader(strings.NewReader("+OK\r\na\r\n.\r\n-ERR no\r\n")), Patience: time.Minute}
	if _, bounds, err := c.Texts(nil, 2); err == nil || len(bounds) != 1 {
		t.Errorf("got %v, %v", bounds, err)
	}
}
