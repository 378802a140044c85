package bridge

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// folderName writes the name of a folder as a command may hold it. Between the
// quotes there is printable ASCII alone, or UTF-8 without line ends, so nothing
// in the name can become protocol.
func folderName(name string, utf8 bool) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	if !utf8 {
		name = modifiedUTF7(name)
	}
	return inQuotes(name)
}

// inQuotes makes a quoted string (RFC 3501 section 4.3).
func inQuotes(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// folderBase64 is RFC 3501 section 5.1.3's: a comma for the slash, no padding.
var folderBase64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// modifiedUTF7 is how folder names are written in IMAP4rev1.
func modifiedUTF7(name string) string {
	var out strings.Builder
	var odd []uint16
	flush := func() {
		if len(odd) == 0 {
			return
		}
		var units []byte
		for _, unit := range odd {
			units = binary.BigEndian.AppendUint16(units, unit)
		}
		out.WriteString("&" + folderBase64.EncodeToString(units) + "-")
		odd = nil
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			odd = utf16.AppendRune(odd, r)
			continue
		}
		flush()
		out.WriteRune(r)
		if r == '&' {
			out.WriteByte('-')
		}
	}
	flush()
	return out.String()
}
