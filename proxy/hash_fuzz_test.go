package proxy

import (
	"bytes"
	"testing"
)

// FuzzHashHeader: a server without UIDL has its messages named by their headers,
// which anybody may have written: the name is of one length, and is the same with
// either line end.
func FuzzHashHeader(f *testing.F) {
	f.Add([]byte("Subject: x\r\nStatus: RO\r\n folded\r\n\r\nbody"))
	f.Add([]byte("\r\r\n\x00:\n \n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		name := hashHeader(header)
		if len(name) != 32 {
			t.Errorf("name %q", name)
		}
		if bare := bytes.ReplaceAll(header, []byte("\r\n"), []byte("\n")); hashHeader(bare) != name && !bytes.Contains(header, []byte("\r\r")) {
			t.Errorf("%q: another name without CR", header)
		}
	})
}
