package uidl

import "testing"

// A reader reads what the format makes, and nothing else.
func TestReader(t *testing.T) {
	const validity = 1263540964
	for _, text := range []string{"restante", "dovecot", "cyrus", "courier", "%08Xv%08Xu", "%v-%u", "%u%v", "a%%%u%%-%v", "a-f%u.%v", "%05u%Xv", "%Xu.%u", "%v.%u-abc123"} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		read := f.Reader(validity)
		for _, uid := range []uint32{1, 9, 20, 255, 65536, 1263540964, 4294967295} {
			name := f.Of(Message{UID: uid, UIDValidity: validity})
			if got, ok := read(name); !ok || got != uid {
				t.Errorf("%s: %q is UID %d, %v; want %d", text, name, got, ok, uid)
			}
			for _, other := range []string{name + "0", "0" + name, name[1:], name + "\n", "x" + name} {
				if got, ok := read(other); ok && f.Of(Message{UID: got, UIDValidity: validity}) != other {
					t.Errorf("%s: %q is no name, and read as UID %d", text, other, got)
				}
			}
		}
		if got, ok := read(f.Of(Message{UID: 20, UIDValidity: validity + 1})); ok && f.has('v') && text != "%Xu.%u" {
			t.Errorf("%s: a name of another UIDVALIDITY is read as UID %d", text, got)
		}
		for _, name := range []string{"", "0", "99999999999999999999", "é", "00000000" + "4b501ae4"} {
			if got, ok := read(name); ok {
				t.Errorf("%s: %q is read as UID %d", text, name, got)
			}
		}
	}
	for _, text := range []string{"emailid", "gmail"} {
		f, _ := Parse(text)
		if _, ok := f.Reader(validity)("000000144b501ae4"); ok {
			t.Errorf("%s reads a UID", text)
		}
	}
}
