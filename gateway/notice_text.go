package gateway

import (
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/upstream"
)

// noticeWords are a notice in one language: formats, for the percentage, what
// is used and the limit, or for the percentage above which mail is reclaimed and
// where it goes.
type noticeWords struct {
	from, subject, octets, messages string
	full, elsewhere, removed, moved string
	end                             string
}

var notices = map[string]noticeWords{
	"en": {
		from:     "Mail system",
		subject:  "Your mailbox is %d%% full",
		octets:   "Your mailbox is %d%% full: %s of %s are in use.",
		messages: "Your mailbox is %d%% full: it has %s of %s messages.",
		full: "When it is full, new mail cannot be delivered to you and goes back to its\n" +
			"senders. Please delete mail that you do not need any more, or ask your\nadministrator for more room.",
		elsewhere: "Deleting messages in this program makes no room. Please use your\nprovider's webmail, or another mail program.",
		removed:   "Above %d%%, the oldest messages that you have downloaded here are removed\nfrom the server.",
		moved:     "Above %d%%, the oldest messages that you have downloaded here are moved to\nthe folder %s.",
		end: "This message was written by the mail gateway and takes no room in your\n" +
			"mailbox. It goes away when there is room again, or when you delete it.",
	},
	"th": {
		from:     "ระบบจดหมาย",
		subject:  "กล่องจดหมายของคุณใช้พื้นที่ไปแล้ว %d%%",
		octets:   "กล่องจดหมายของคุณใช้พื้นที่ไปแล้ว %d%% (%s จาก %s)",
		messages: "กล่องจดหมายของคุณใช้พื้นที่ไปแล้ว %d%% (%s จาก %s ข้อความ)",
		full: "เมื่อพื้นที่เต็ม จดหมายใหม่จะส่งถึงคุณไม่ได้และจะถูกตีกลับไปยังผู้ส่ง\n" +
			"กรุณาลบจดหมายที่ไม่ต้องการแล้ว หรือขอพื้นที่เพิ่มจากผู้ดูแลระบบ",
		elsewhere: "การลบข้อความในโปรแกรมนี้ไม่ทำให้มีพื้นที่เพิ่มขึ้น\nกรุณาใช้เว็บเมลของผู้ให้บริการ หรือโปรแกรมจดหมายอื่น",
		removed:   "เมื่อเกิน %d%% ข้อความเก่าที่สุดที่คุณดาวน์โหลดไปแล้วจะถูกลบออกจากเซิร์ฟเวอร์",
		moved:     "เมื่อเกิน %d%% ข้อความเก่าที่สุดที่คุณดาวน์โหลดไปแล้วจะถูกย้ายไปยังโฟลเดอร์ %s",
		end: "ข้อความนี้สร้างโดยระบบจดหมายและไม่ใช้พื้นที่ในกล่องจดหมายของคุณ\n" +
			"ข้อความจะหายไปเมื่อมีพื้นที่ว่างอีกครั้ง หรือเมื่อคุณลบข้อความนี้",
	},
}

// noticeText writes a notice: ASCII with CRLF line ends, for the oldest of
// clients.
func noticeText(r Route, q upstream.Quota, now time.Time) string {
	language := r.Policy.Language
	words, known := notices[language]
	if !known {
		language, words = "en", notices["en"]
	}
	var b strings.Builder
	field := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	address, domain := addressOf(r.User)
	field("From", encodedWords(words.from)+"\r\n <postmaster@"+domain+">")
	if address != "" {
		field("To", "<"+address+">")
	} else {
		field("To", "undisclosed-recipients:;")
	}
	field("Subject", encodedWords(fmt.Sprintf(words.subject, q.Percent())))
	field("Date", now.Format(time.RFC1123Z))
	field("Message-ID", fmt.Sprintf("<quota.%d@%s>", now.UnixNano(), domain))
	field("Auto-Submitted", "auto-generated") // RFC 3834
	field("MIME-Version", "1.0")
	field("Content-Language", language)
	text := strings.ReplaceAll(words.body(r.Policy, q), "\n", "\r\n")
	if language == "en" {
		field("Content-Type", "text/plain; charset=us-ascii")
		return b.String() + "\r\n" + asciiOnly(text)
	}
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "base64")
	return b.String() + "\r\n" + wrapped(base64.StdEncoding.EncodeToString([]byte(text)))
}

func (w noticeWords) body(p policy.Policy, q upstream.Quota) string {
	used, limit, first := amount(q.Used), amount(q.Limit), w.octets
	if q.Messages {
		used, limit, first = fmt.Sprint(q.Used), fmt.Sprint(q.Limit), w.messages
	}
	parts := []string{fmt.Sprintf(first, q.Percent(), used, limit), w.full}
	if !makesRoom(p.OnDelete) {
		parts = append(parts, w.elsewhere)
	}
	switch r := p.QuotaReclaim; {
	case !r.On():
	case r.Do.Do == policy.Expunge:
		parts = append(parts, fmt.Sprintf(w.removed, r.Above))
	default:
		parts = append(parts, fmt.Sprintf(w.moved, r.Above, folderInWords(r.Do)))
	}
	return strings.Join(append(parts, w.end), "\n\n") + "\n"
}

// folderInWords is where an Act moves to, as a mail user may know it.
func folderInWords(a policy.Act) string {
	switch a.Do {
	case policy.Trash:
		return "Trash"
	case policy.Archive:
		return "Archive"
	}
	return `"` + a.Target + `"`
}

// amount is in the units that mail programs show.
func amount(octets int64) string {
	switch n := float64(octets); {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", n/1e6)
	default:
		return fmt.Sprintf("%.0f kB", n/1e3)
	}
}

// addressOf is the user's address, if the name upstream surely is one, and the
// domain that mail about it comes from.
func addressOf(user string) (address, domain string) {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
	foreign := func(allowed string) func(rune) bool {
		return func(r rune) bool { return !strings.ContainsRune(allowed, r) }
	}
	local, domain, _ := strings.Cut(user, "@")
	if local == "" || domain == "" || len(user) > 254 || strings.ContainsFunc(domain, foreign(plain)) {
		return "", "restante.invalid" // RFC 2606: nobody's
	}
	if strings.ContainsFunc(local, foreign(plain+"_+=")) {
		return "", domain
	}
	return user, domain
}

// encodedWords writes a header's text so that no line is longer than 76
// characters (RFC 2047 section 2).
func encodedWords(text string) string {
	if mime.BEncoding.Encode("utf-8", text) == text {
		return text
	}
	const letters = 12 // of up to 4 octets, which make 64 characters
	var words []string
	for all := []rune(text); len(all) > 0; all = all[min(letters, len(all)):] {
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(string(all[:min(letters, len(all))])))+"?=")
	}
	return strings.Join(words, "\r\n ")
}

// asciiOnly is for folder names in an English text.
func asciiOnly(text string) string {
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, text)
}

// wrapped breaks base64 into lines (RFC 2045 section 6.8).
func wrapped(text string) string {
	const longest = 76
	var b strings.Builder
	for len(text) > longest {
		b.WriteString(text[:longest] + "\r\n")
		text = text[longest:]
	}
	return b.String() + text + "\r\n"
}
