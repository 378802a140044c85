package pop3

import "bytes"

// Quirks are liberties that a Server takes with what it sends, for clients that
// cannot bear the truth. docs/clients.md says who they are. The zero value takes none.
type Quirks struct {
	// NoNULs: NUL octets in messages are sent as 0x80, which is as long. Outlook
	// and Outlook Express hang on them.
	NoNULs bool
	// EndOfHeader: a message without the blank line that ends a header is sent
	// with one behind it. Outlook Express and Netscape wait for it.
	EndOfHeader bool
	// NoPlainSASL: without TLS, SASL is neither announced nor spoken; USER and
	// PASS are as ever. c-client takes the announcement for an attack.
	NoPlainSASL bool
	// NoAPOP: no timestamp in the greeting. Some clients that see one try
	// nothing but APOP.
	NoAPOP bool
}

// notNUL is what a NUL becomes: an octet that ends no string, and that text in
// ASCII or UTF-8 does not hold alone.
const notNUL = 0x80

// adapter takes a message's liberties. It is fed canonical text, in pieces that
// never end between CR and LF.
type adapter struct {
	quirks Quirks
	ended  bool // the header's blank line has come
	inLine bool // the last piece ended within a line
	added  int64
}

// adapt changes text from start on, where the latest piece is; last tells that
// there is no more. What it returns is text, or a longer one.
func (a *adapter) adapt(text []byte, start int, last bool) []byte {
	piece := text[start:]
	if a.quirks.NoNULs {
		for i := bytes.IndexByte(piece, 0); i >= 0; i = bytes.IndexByte(piece, 0) {
			piece[i] = notNUL
			piece = piece[i+1:]
		}
	}
	if !a.quirks.EndOfHeader || a.ended {
		return text
	}
	piece = text[start:]
	a.ended = !a.inLine && bytes.HasPrefix(piece, []byte("\r\n")) || bytes.Contains(piece, []byte("\n\r\n"))
	if len(piece) > 0 {
		a.inLine = piece[len(piece)-1] != '\n'
	}
	if last && !a.ended {
		a.ended, a.added = true, 2
		text = append(text, '\r', '\n')
	}
	return text
}

// mayAdd tells whether the message may yet become longer than it is stored.
func (a *adapter) mayAdd() bool { return a.quirks.EndOfHeader && !a.ended }
