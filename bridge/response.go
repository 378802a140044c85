package bridge

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// notes are what the framing learns in passing and the library would lose.
type notes struct {
	alert   string // text of the last [ALERT], until somebody takes it
	caps    string // the last capabilities that were announced
	fresh   bool   // caps were announced after sign-in began
	settled bool   // caps are what they are for the rest of the connection
	dropped int    // responses that the library was spared
	// selected is what is known of the selected folder, as it changes.
	selected selection
}

// commands are what the framing must know of commands under way.
type commands struct {
	signing     bool         // LOGIN or AUTHENTICATE is under way
	challenged  bool         // the server wanted more words while signing was on
	literalSent bool         // the last write ended by announcing a literal
	special     string       // the only LIST responses wanted have this attribute, in lower case
	own         []*injection // our own commands, in order
	queued      []byte       // those of them that are not sent yet
	due         int          // commands of the library's that are not answered
	searching   int          // how long a SEARCH response may be, if longer than others
	tags        int          // how many of those there were
}

// next takes one response off the wire and puts what the library should see of
// it into out.
func (f *framing) next() error {
	u, stream, err := f.unit()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch line := trimLineEnd(u); {
	case len(line) == 0:
		f.dropped++
		return nil
	case line[0] == '+':
		f.continuation(u)
		return nil
	case line[0] == '*':
		return f.untagged(u, stream)
	default:
		return f.tagged(line)
	}
}

// continuation passes a '+' on only if we wait for one: the library takes any
// other for a broken protocol.
func (f *framing) continuation(u []byte) {
	switch {
	case f.signing:
		f.out, f.challenged = u, true
	case f.literalSent:
		f.out = []byte("+ go on\r\n")
	default:
		f.dropped++
	}
	f.literalSent = false
}

// untagged passes on the few kinds of response that we asked for. The library
// closes the connection on any that it does not know, and so on VANISHED.
func (f *framing) untagged(u []byte, stream int64) error {
	num, kind, rest := splitUntagged(u)
	switch {
	case isStatus(kind):
		return f.condition(parseStatus(kind, rest))
	case kind == "FETCH":
		return f.fetch(rest, stream)
	case kind == "CAPABILITY":
		f.announced(rest)
		f.out = fmt.Appendf(nil, "* CAPABILITY %s\r\n", f.caps)
	case kind == "SEARCH", kind == "ESEARCH":
		return f.found(kind, rest, u)
	case kind == "QUOTA", kind == "QUOTAROOT":
		f.quota(kind, rest)
	case kind == "EXISTS", kind == "EXPUNGE":
		f.selected.count(kind, num)
		f.out = fmt.Appendf(nil, "* %d %s\r\n", num, kind)
	case kind == "LIST" && f.surveying() != nil:
		addFolder(f.surveying(), rest)
	case kind == "LIST" && f.special != "" && bytes.Contains(bytes.ToLower(rest), []byte(f.special)):
		f.out = u
	default:
		f.dropped++
	}
	return nil
}

// condition handles an untagged OK, NO, BAD, BYE or PREAUTH. Only the codes
// that the library makes use of reach it.
func (f *framing) condition(s status) error {
	switch s.code {
	case "ALERT":
		f.alert = s.text
	case "CAPABILITY":
		f.announced(s.args)
		s.args = []byte(f.caps)
	case "UIDVALIDITY", "UIDNEXT", "MAILBOXID":
		f.selected.learn(s)
	case "PERMANENTFLAGS":
		f.selected.permanent = strings.Fields(strings.Trim(string(s.args), "() "))
	}
	if s.kind == "BYE" {
		return s.reply()
	}
	if s.passes() {
		f.out = fmt.Appendf(nil, "* %s [%s %s] -\r\n", s.kind, s.code, s.args)
	}
	return nil
}

// tagged completes a command, of the library's or of ours.
func (f *framing) tagged(line []byte) error {
	tag, rest, _ := bytes.Cut(line, []byte{' '})
	kind, rest := cutWord(rest)
	s := parseStatus(knownKind(kind), rest)
	if s.kind != "OK" && s.kind != "NO" && s.kind != "BAD" {
		return fmt.Errorf("the server answered %q", printable(line))
	}
	if s.code == "ALERT" {
		f.alert = s.text
	}
	if bytes.HasPrefix(tag, []byte(ownTag)) {
		if s.code == "CAPABILITY" {
			f.announced(s.args)
		}
		return f.complete(string(tag), s)
	}
	f.due--
	f.out = f.rewritten(tag, s)
	return nil
}

// rewritten is the tagged status as the library should see it: with the
// response code if that is one that it can read, and with capabilities at the
// end of sign-in, for without them it would ask for them by itself, in a
// goroutine, and until that is answered believe in the old ones.
func (f *framing) rewritten(tag []byte, s status) []byte {
	if s.code == "CAPABILITY" {
		f.announced(s.args)
	}
	if s.kind == "OK" && f.signing || s.code == "CAPABILITY" {
		caps := f.caps
		if caps == "" {
			caps = "IMAP4rev1"
		}
		s.code, s.args = "CAPABILITY", []byte(caps)
	}
	switch {
	case s.passes():
		return fmt.Appendf(nil, "%s %s [%s %s] %s\r\n", tag, s.kind, s.code, s.args, s.text)
	case s.code != "" && !s.hasArguments():
		return fmt.Appendf(nil, "%s %s [%s] %s\r\n", tag, s.kind, s.code, s.text)
	}
	return fmt.Appendf(nil, "%s %s %s\r\n", tag, s.kind, s.text)
}

// announced notes capabilities. The library spins for ever on a parenthesis in
// them, and dislikes other things that no capability has. It must not hear of
// IMAP4rev2 where there is IMAP4rev1: it would talk the former without
// enabling it, and folder names would be wrong. Nor may capabilities change
// once they are settled: it would replace MOVE by a bare EXPUNGE.
func (f *framing) announced(caps []byte) {
	if f.settled {
		return
	}
	masked := bytes.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return ' '
		}
		if strings.ContainsRune(`(){%*"\]`, r) {
			return '_'
		}
		return r
	}, caps)
	words := strings.Fields(string(masked))
	isRev := func(rev string) func(string) bool {
		return func(word string) bool { return strings.EqualFold(word, rev) }
	}
	if slices.ContainsFunc(words, isRev("IMAP4rev1")) {
		words = slices.DeleteFunc(words, isRev("IMAP4rev2"))
	}
	f.caps = strings.Join(words, " ")
	f.fresh = f.fresh || f.signing
}

// sasl repairs how the library sends an empty SASL response: as "=", which
// means that only in an initial response (RFC 4959 section 3).
func (f *framing) sasl(p []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.signing && string(p) == "=\r\n" {
		return p[1:]
	}
	return p
}

// takeAlert returns what the server wants a person to read, once.
func (f *framing) takeAlert() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	alert := f.alert
	f.alert = ""
	return alert
}

// splitUntagged takes an untagged response apart: * [number] kind rest. The
// kind is "" if it is unknown. Servers are forgiven for a space too many.
func splitUntagged(u []byte) (num int64, kind string, rest []byte) {
	word, rest := cutWord(u[1:])
	if len(word) > 0 && word[0] >= '0' && word[0] <= '9' {
		n, err := number(word, 1<<32-1)
		if err != nil {
			return 0, "", rest
		}
		num = n
		word, rest = cutWord(rest)
		return num, numberedKind(word), rest
	}
	return 0, knownKind(word), rest
}

// cutWord returns the first word and what follows it.
func cutWord(b []byte) (word, rest []byte) {
	b = skipSpaces(b)
	n := 0
	for n < len(b) && b[n] > ' ' && b[n] != '(' {
		n++
	}
	return b[:n], skipSpaces(b[n:])
}

func numberedKind(word []byte) string {
	switch {
	case bytes.EqualFold(word, []byte("FETCH")):
		return "FETCH"
	case bytes.EqualFold(word, []byte("EXISTS")):
		return "EXISTS"
	case bytes.EqualFold(word, []byte("EXPUNGE")):
		return "EXPUNGE"
	}
	return ""
}

func knownKind(word []byte) string {
	switch kind := strings.ToUpper(string(word)); kind {
	case "OK", "NO", "BAD", "BYE", "PREAUTH", "CAPABILITY", "SEARCH", "ESEARCH", "LIST", "QUOTA", "QUOTAROOT":
		return kind
	}
	return ""
}

func isStatus(kind string) bool {
	switch kind {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}
