package bridge

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// maxMessages bounds a listing. At about 100 octets a message this is what one
// session may cost; no POP3 client lives to see the end of such a maildrop.
const maxMessages = 1_000_000

// listing is what one folder held at one moment.
type listing struct {
	selection
	messages []upstream.Message // by UID
}

// lister collects the answers to a listing FETCH. It works on the framed
// lines, about 25 times cheaper than the library's FetchCommand.
type lister struct {
	folder   int
	messages []upstream.Message // complete, UIDs ascending
	late     []answer           // everything that came otherwise
	small    bool               // not much is expected
	headers  []header           // Message-IDs that were asked for
	// fields, if it is not nil, gets them as they came, by UID.
	fields map[uint32]string
	// takes gets the headers that were asked for; the rest is then of no interest.
	takes func(uid uint32, header []byte)
}

// header is the Message-ID field of a message, hashed.
type header struct {
	uid  uint32
	hash [8]byte
}

// answer is one FETCH response.
type answer struct {
	upstream.Message
	hasSize, hasFlags, hasDate bool
	header                     []byte
}

// listCommand asks for everything that is to be known of the whole folder.
// unique is the attribute that names a message for ever, or "".
func listCommand(set, unique string, dates bool) string {
	if unique != "" {
		unique = " " + unique
	}
	if dates {
		unique = " INTERNALDATE" + unique
	}
	return "UID FETCH " + set + " (UID RFC822.SIZE FLAGS" + unique + ")"
}

// makeRoom spares growing step by step, if much is expected. A server is not
// believed that it has any number of messages.
func (l *lister) makeRoom(exists uint32) {
	if l.messages == nil && !l.small {
		l.messages = make([]upstream.Message, 0, min(exists, 1<<17))
	}
}

// add takes one FETCH response. An error means that the server cannot be
// believed, and ends the connection.
func (l *lister) add(list []byte) error {
	m, err := l.parse(list)
	if l.takes != nil {
		if err == nil && m.header != nil && m.ID.UID != 0 {
			l.takes(m.ID.UID, content(m.header))
		}
		return err
	}
	if err == nil && m.header != nil && m.ID.UID != 0 && len(l.headers) < maxHeaders {
		l.headers = append(l.headers, header{m.ID.UID, hashHeader(m.header)})
	}
	if err == nil && l.fields != nil && m.header != nil && len(l.fields) < maxUIDs {
		l.fields[m.ID.UID] = fieldOf(m.header)
	}
	switch {
	case err != nil:
		return err
	case m.ID.UID == 0 && (m.hasSize || m.hasDate):
		return errors.New("the server lists a message without its UID")
	case m.ID.UID != 0 && m.hasDate && !m.hasSize:
		return fmt.Errorf("the server tells no size of UID %d", m.ID.UID)
	case m.ID.UID == 0:
		return nil // another client changed flags
	case len(l.messages)+len(l.late) >= maxMessages:
		return fmt.Errorf("the server lists more than %d messages", maxMessages)
	}
	n := len(l.messages)
	if m.hasSize && (n == 0 || l.messages[n-1].ID.UID < m.ID.UID) {
		l.messages = append(l.messages, m.Message)
		return nil
	}
	l.late = append(l.late, m)
	return nil
}

func (l *lister) parse(list []byte) (m answer, err error) {
	m.ID.Folder = l.folder
	a := fetched(list)
	for err == nil && a.next() {
		switch a.name {
		case "UID":
			m.ID.UID, err = parseUID(a.value)
		case "RFC822.SIZE":
			m.hasSize = true
			if m.Size, err = number(a.value, maxLiteral); err != nil {
				err = fmt.Errorf("the server tells a size of %q", printable(a.value))
			}
		case "FLAGS":
			m.hasFlags, m.Flags = true, parseFlags(a.value)
		case "INTERNALDATE":
			m.hasDate, m.Arrived = true, parseDate(a.value)
		case "EMAILID", "X-GM-MSGID":
			m.Unique = parseUnique(a.value)
		case "BODY":
			if len(a.section) > 0 {
				m.header = a.value
			}
		}
	}
	return m, cmp.Or(err, a.err)
}

// finish puts the answers together, by UID. Answers to the same UID are merged,
// the later wins; flags of a message that was never listed are forgotten.
func (l *lister) finish() []upstream.Message {
	slices.SortStableFunc(l.late, byUID)
	var added []upstream.Message
	for i := 0; i < len(l.late); {
		m := l.late[i]
		for i++; i < len(l.late) && l.late[i].ID.UID == m.ID.UID; i++ {
			m.merge(l.late[i])
		}
		at, found := slices.BinarySearchFunc(l.messages, m.ID.UID, func(m upstream.Message, uid uint32) int {
			return cmp.Compare(m.ID.UID, uid)
		})
		switch {
		case found:
			full := answer{Message: l.messages[at], hasSize: true}
			full.merge(m)
			l.messages[at] = full.Message
		case m.hasSize:
			added = append(added, m.Message)
		}
	}
	if len(added) > 0 {
		l.messages = append(l.messages, added...)
		slices.SortFunc(l.messages, func(a, b upstream.Message) int { return cmp.Compare(a.ID.UID, b.ID.UID) })
	}
	return l.messages
}

func byUID(a, b answer) int { return cmp.Compare(a.ID.UID, b.ID.UID) }

func (m *answer) merge(later answer) {
	if later.hasSize {
		m.Size, m.hasSize = later.Size, true
	}
	if later.hasFlags {
		m.Flags = later.Flags
	}
	if later.hasDate {
		m.Arrived = later.Arrived
	}
	if later.Unique != "" {
		m.Unique = later.Unique
	}
}

// parseFlags looks for the two that decisions depend on.
func parseFlags(list []byte) (flags upstream.Flags) {
	for {
		begin := bytes.IndexByte(list, '\\')
		if begin < 0 {
			return flags
		}
		list = list[begin+1:]
		end := 0
		for end < len(list) && list[end] != ' ' && list[end] != ')' {
			end++
		}
		switch {
		case bytes.EqualFold(list[:end], []byte("Seen")):
			flags |= upstream.Seen
		case bytes.EqualFold(list[:end], []byte("Deleted")):
			flags |= upstream.Deleted
		}
	}
}

// parseUnique reads (M123) of RFC 8474, whose names have up to 255 characters,
// or the number of Gmail. NIL, or anything that is neither, is no name.
func parseUnique(value []byte) string {
	value = bytes.TrimSuffix(bytes.TrimPrefix(value, []byte{'('}), []byte{')'})
	if len(value) == 0 || len(value) > 255 || bytes.EqualFold(value, []byte("NIL")) {
		return ""
	}
	for _, c := range value {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
		default:
			return ""
		}
	}
	return string(value)
}

// parseDate reads "17-Jul-1996 02:44:25 -0700" (RFC 3501 section 9), where the
// day may have one digit, with a space before it or without. time.Parse would
// allocate a zone for each message. The zero time stands for what is no date.
func parseDate(value []byte) time.Time {
	date, rest, _ := bytes.Cut(bytes.Trim(value, `" `), []byte{'-'})
	if len(rest) != len("Jul-1996 02:44:25 -0700") || rest[3] != '-' || rest[8] != ' ' ||
		rest[11] != ':' || rest[14] != ':' || rest[17] != ' ' {
		return time.Time{}
	}
	day, month, year := digits(date), monthOf(rest[:3]), digits(rest[4:8])
	hour, minute, second := digits(rest[9:11]), digits(rest[12:14]), digits(rest[15:17])
	zone := digits(rest[19:21])*60 + digits(rest[21:23])
	if min(day, hour, minute, second, year, zone) < 0 || month == 0 || day > 31 || hour > 24 || minute > 59 || second > 60 {
		return time.Time{}
	}
	if rest[18] == '+' {
		zone = -zone
	}
	return time.Date(year, month, day, hour, minute+zone, second, 0, time.UTC)
}

// digits returns a very negative number for what is none.
func digits(b []byte) int {
	n, err := number(b, 9999)
	if err != nil {
		return -1 << 16
	}
	return int(n)
}

func monthOf(name []byte) time.Month {
	for i := range 12 {
		if month := "JanFebMarAprMayJunJulAugSepOctNovDec"[3*i : 3*i+3]; bytes.EqualFold(name, []byte(month)) {
			return time.Month(i + 1)
		}
	}
	return 0
}
