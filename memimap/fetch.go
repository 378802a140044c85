package memimap

import (
	"bytes"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

var errNoMIME = refuse(imap.ResponseCodeCannot, "This server does not look into messages")

// Fetch takes what it needs under the lock and writes after letting go of it:
// a client that stops reading must hold up nobody else.
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	if !servable(options) {
		return errNoMIME
	}
	for _, c := range s.snapshot(set, setsSeen(options)) {
		if err := c.write(w.CreateMessage(c.seq), options); err != nil {
			return err
		}
	}
	return nil
}

func servable(options *imap.FetchOptions) bool {
	for _, section := range options.BodySection {
		if len(section.Part) > 0 || section.Specifier == imap.PartSpecifierMIME {
			return false
		}
	}
	return !options.Envelope && options.BodyStructure == nil &&
		len(options.BinarySection) == 0 && len(options.BinarySectionSize) == 0
}

func setsSeen(options *imap.FetchOptions) bool {
	for _, section := range options.BodySection {
		if !section.Peek {
			return true
		}
	}
	return false
}

// snapshot copies the chosen messages, without their octets, after setting
// \Seen if the command does so.
func (s *session) snapshot(set imap.NumSet, seen bool) []choice {
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	list := s.view.choose(set)
	for i, c := range list {
		if seen && !s.view.readOnly && !hasFlag(c.flags, imap.FlagSeen) {
			s.view.box.setFlags(c.index, withFlags(c.flags, []imap.Flag{imap.FlagSeen}), s.view.tracker)
			list[i].reflagged = true
		}
		m := *c.message
		list[i].message = &m
	}
	return list
}

func (c choice) write(w *imapserver.FetchResponseWriter, options *imap.FetchOptions) error {
	w.WriteUID(c.uid)
	if options.Flags || c.reflagged {
		w.WriteFlags(c.flags)
	}
	if options.InternalDate {
		w.WriteInternalDate(c.date)
	}
	if options.RFC822Size {
		w.WriteRFC822Size(int64(len(c.raw)))
	}
	err := c.writeSections(w, options.BodySection)
	if closeErr := w.Close(); err == nil { // always: w holds the connection's lock
		err = closeErr
	}
	return err
}

func (c choice) writeSections(w *imapserver.FetchResponseWriter, sections []*imap.FetchItemBodySection) error {
	for _, section := range sections {
		octets := partial(cut(c.raw, section), section.Partial)
		literal := w.WriteBodySection(section, int64(len(octets)))
		if _, err := literal.Write(octets); err != nil {
			return err
		}
		if err := literal.Close(); err != nil {
			return err
		}
	}
	return nil
}

func cut(raw []byte, section *imap.FetchItemBodySection) []byte {
	header := raw[:headerEnd(raw)]
	switch {
	case section.Specifier == imap.PartSpecifierText:
		return raw[len(header):]
	case len(section.HeaderFields) > 0:
		return fields(header, section.HeaderFields, true)
	case len(section.HeaderFieldsNot) > 0:
		return fields(header, section.HeaderFieldsNot, false)
	case section.Specifier == imap.PartSpecifierHeader:
		return header
	default:
		return raw
	}
}

func partial(octets []byte, p *imap.SectionPartial) []byte {
	if p == nil {
		return octets
	}
	octets = octets[min(p.Offset, int64(len(octets))):]
	return octets[:min(p.Size, int64(len(octets)))]
}

// headerEnd is where the body begins: after the first empty line, which
// belongs to the header (RFC 3501 section 6.4.5), or at the end.
func headerEnd(raw []byte) int {
	end := 0
	for line := range bytes.Lines(raw) {
		end += len(line)
		if isBlank(line) {
			break
		}
	}
	return end
}

func isBlank(line []byte) bool { return string(line) == "\r\n" || string(line) == "\n" }

// fields are the lines of those header fields (or of all others), each with its
// folded lines, and an empty line.
func fields(header []byte, names []string, wanted bool) []byte {
	var out []byte
	keep := false
	for line := range bytes.Lines(header) {
		if isBlank(line) {
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			keep = anyFold(names, string(bytes.TrimSpace(name))) == wanted
		}
		if keep {
			out = append(out, line...)
		}
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, "\r\n"...)
	}
	return append(out, "\r\n"...)
}

func anyFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
