package gateway

import (
	"bytes"
	"mime"
	"strings"
)

const (
	// maxHeader is how much of a message is searched for the fields.
	maxHeader = 64 << 10
	// maxField is the most that is kept of a field: more than the trail shows.
	maxField = 1 << 10
)

// mailHeader takes the fields that the trail names from a message that passes
// by in pieces, its line ends CRLF. Of a field that is repeated the first
// counts.
type mailHeader struct {
	messageID, from, subject string
	kept                     []byte // of a header that did not come in one piece
	done                     bool
}

// read takes the next piece. Most headers come in one, and then nothing is
// copied but the fields.
func (h *mailHeader) read(p []byte) {
	if h.done {
		return
	}
	searched := max(len(h.kept)-len(blankLine), 0)
	if h.kept != nil {
		h.kept = append(h.kept, p[:min(len(p), maxHeader-len(h.kept))]...)
		p = h.kept
	}
	p = p[:min(len(p), maxHeader)]
	switch end := headerEnd(p, searched); {
	case end >= 0:
		h.parse(p[:end])
	case len(p) == maxHeader:
		h.parse(p)
	case h.kept == nil:
		h.kept = bytes.Clone(p)
	}
}

// end is called when nothing follows.
func (h *mailHeader) end() {
	if !h.done {
		h.parse(h.kept)
	}
}

const blankLine = "\r\n\r\n"

// headerEnd is where the header in p ends, -1 if it does not.
func headerEnd(p []byte, from int) int {
	if bytes.HasPrefix(p, []byte("\r\n")) {
		return 0
	}
	if i := bytes.Index(p[from:], []byte(blankLine)); i >= 0 {
		return from + i + 2
	}
	return -1
}

func (h *mailHeader) parse(p []byte) {
	for len(p) > 0 {
		n := fieldLength(p)
		switch p[0] | 0x20 { // most fields are told by their first letter
		case 'm', 'f', 's':
			h.take(p[:n])
		}
		p = p[n:]
	}
	h.done, h.kept = true, nil
}

// fieldLength is the length of the first field of p with the lines that continue
// it (RFC 5322 section 2.2.3).
func fieldLength(p []byte) int {
	n := 0
	for {
		end := bytes.IndexByte(p[n:], '\n')
		if end < 0 {
			return len(p)
		}
		if n += end + 1; n == len(p) || p[n] != ' ' && p[n] != '\t' {
			return n
		}
	}
}

func (h *mailHeader) take(field []byte) {
	name, value, ok := bytes.Cut(field, []byte{':'})
	name = bytes.TrimRight(name, " \t")
	switch {
	case !ok:
	case h.messageID == "" && strings.EqualFold(string(name), "Message-ID"):
		h.messageID = inBrackets(unfold(value))
	case h.from == "" && strings.EqualFold(string(name), "From"):
		h.from = decode(unfold(value))
	case h.subject == "" && strings.EqualFold(string(name), "Subject"):
		h.subject = decode(unfold(value))
	}
}

// unfold takes out the line ends.
func unfold(value []byte) string {
	value = value[:min(len(value), maxField)]
	return strings.Trim(strings.ReplaceAll(string(value), "\r\n", ""), " \t\r\n")
}

// inBrackets leaves away what is around a Message-ID.
func inBrackets(id string) string {
	open, end := strings.IndexByte(id, '<'), strings.IndexByte(id, '>')
	if open < 0 || end < open {
		return id
	}
	return id[open : end+1]
}

// decode reads RFC 2047's encoded words. What it cannot read stays as it is.
func decode(value string) string {
	if !strings.Contains(value, "=?") {
		return value
	}
	decoded, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		return value
	}
	return decoded
}
