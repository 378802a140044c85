package auth

import (
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"strconv"
	"strings"

	"github.com/tg123/go-htpasswd"

	"github.com/restante-mail/restante/secret"
)

// Htpasswd is what a file of htpasswd(1) says. It never changes; a file that
// was changed is read into another.
type Htpasswd struct {
	users map[string]htpasswdLine // by folded name
	lines []htpasswdLine          // in the order of the file
}

type htpasswdLine struct {
	encoded string
	matcher htpasswd.EncodedPasswd
}

// htpasswdFormats are the formats that are read, by how they begin, and what
// bounds the work that they take. Plain text and DES crypt(3), which begin with
// nothing, are not: the one would make a password of every hash that is not
// understood, the other cuts passwords at 8 characters.
var htpasswdFormats = []struct {
	prefix string
	parse  htpasswd.PasswdParser
	bound  func(encoded string) error
}{
	{"$2", htpasswd.AcceptBcrypt, checkBcrypt},
	{"$5$", htpasswd.AcceptCryptSha, checkCrypt},
	{"$6$", htpasswd.AcceptCryptSha, checkCrypt},
	{"$apr1$", htpasswd.AcceptMd5, always},
	{"{SSHA}", htpasswd.AcceptSsha, always},
	{"{SHA}", htpasswd.AcceptSha, always},
}

// ReadHtpasswd reads the text of a file, and says in words which lines it
// cannot use. Of lines with one name, in any case, the first counts.
func ReadHtpasswd(text string) (h *Htpasswd, problems []string) {
	h = &Htpasswd{users: map[string]htpasswdLine{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := h.add(line); err != nil {
			problems = append(problems, fmt.Sprintf("line %d: %v", number, err))
		}
	}
	return h, problems
}

func (h *Htpasswd) add(line string) error {
	user, encoded, ok := strings.Cut(line, ":")
	name := Fold(user)
	if !ok || checkName("the name", name, maxText) != nil {
		return fmt.Errorf("is not NAME:HASH")
	}
	if _, again := h.users[name]; again {
		return fmt.Errorf("the name is there already")
	}
	parsed, err := parseHtpasswd(encoded)
	if err != nil {
		return err
	}
	h.users[name] = parsed
	h.lines = append(h.lines, parsed)
	return nil
}

// parseHtpasswd never quotes the hash.
func parseHtpasswd(encoded string) (htpasswdLine, error) {
	for _, format := range htpasswdFormats {
		if !strings.HasPrefix(encoded, format.prefix) {
			continue
		}
		if err := format.bound(encoded); err != nil {
			return htpasswdLine{}, err
		}
		matcher, err := format.parse(encoded)
		if err != nil || matcher == nil {
			return htpasswdLine{}, fmt.Errorf("the hash is damaged")
		}
		return htpasswdLine{encoded, matcher}, nil
	}
	return htpasswdLine{}, fmt.Errorf("the hash is of a kind that is not read: make it with htpasswd -B")
}

func always(string) error { return nil }

// checkBcrypt bounds the cost: 2 to its power are the rounds, some 4 seconds at 16.
func checkBcrypt(encoded string) error {
	parts := strings.Split(encoded, "$")
	if len(parts) != 4 || len(encoded) != 60 {
		return fmt.Errorf("the hash is damaged")
	}
	cost, err := strconv.Atoi(parts[2])
	if err != nil || cost < 4 || cost > 16 {
		return fmt.Errorf("the cost of the hash is not from 4 to 16")
	}
	return nil
}

// checkCrypt bounds the rounds of SHA crypt, 5,000 if it does not say.
func checkCrypt(encoded string) error {
	text, said := strings.CutPrefix(encoded[len("$5$"):], "rounds=")
	if !said {
		return nil
	}
	text, _, _ = strings.Cut(text, "$")
	rounds, err := strconv.Atoi(text)
	if err != nil || rounds > 1_000_000 {
		return fmt.Errorf("the hash has more than 1,000,000 rounds")
	}
	return nil
}

// line is what the file has of a name.
func (h *Htpasswd) line(name string) (l htpasswdLine, found bool) {
	if h == nil {
		return l, false
	}
	l, found = h.users[Fold(name)]
	return l, found
}

// likely is the line that somebody without one is compared with: always the same,
// and nobody who does not have the key knows which. The lines take work of all
// sizes, and any one size for all of those would tell who is not in the file.
func (h *Htpasswd) likely(key []byte, name string) htpasswdLine {
	sum := mac(key, secret.New(name))
	return h.lines[binary.BigEndian.Uint64(sum)%uint64(len(h.lines))]
}

// Names are those of all lines.
func (h *Htpasswd) Names() iter.Seq[string] {
	if h == nil {
		return func(func(string) bool) {}
	}
	return maps.Keys(h.users)
}

func (l htpasswdLine) match(password secret.Text) bool {
	return l.matcher.MatchesPassword(password.Reveal())
}
