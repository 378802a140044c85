package memimap

import (
	"strings"
	"testing"
	"time"
)

func TestSearch(t *testing.T) {
	box, address := withAlice(t)
	day := func(d int) time.Time { return time.Date(2026, 3, d, 23, 0, 0, 0, time.FixedZone("", -5*3600)) }
	box.Append([]byte("Subject: red\r\n stamp\r\nMessage-ID: <1@x>\r\n\r\nsmall\r\n"), []string{`\Seen`}, day(1))
	box.Append([]byte("Subject: blue\nMESSAGE-ID: <2@x>\n\nsmall Stamp\n"), []string{"$Work"}, day(2))
	box.Append([]byte("From gone\r\n"), nil, day(2))
	box.Append([]byte("Subject: big\r\n\r\n"+strings.Repeat("x", 1000)), []string{`\Deleted`}, day(4))
	box.Remove(3)
	w := signIn(t, address)
	for _, c := range []struct{ keys, want string }{
		{"ALL", "1 2 4"},
		{"1:2", "1 2"},
		{"*", "4"},
		{"UID 2:*", "2 4"},
		{"UID 3", ""},
		{"SEEN", "1"},
		{"UNSEEN UNDELETED", "2"},
		{"KEYWORD $work", "2"},
		{"UNKEYWORD $work", "1 4"},
		{"SINCE 2-Mar-2026", "2 4"},
		{"BEFORE 2-Mar-2026", "1"},
		{"ON 2-Mar-2026", "2"},
		{"LARGER 100", "4"},
		{"SMALLER 100", "1 2"},
		{"HEADER Message-ID <2@x>", "2"},
		{`HEADER Subject ""`, "1 2 4"},
		{`SUBJECT "red stamp"`, "1"},
		{"BODY stamp", "2"},
		{"TEXT stamp", "1 2"},
		{"NOT TEXT stamp", "4"},
		{"OR SEEN DELETED", "1 4"},
		{"(UID 1:2 NOT (SEEN))", "2"},
		{"CHARSET UTF-8 ALL", "1 2 4"},
	} {
		want := strings.TrimSuffix("* SEARCH "+c.want, " ")
		w.expect("UID SEARCH "+c.keys, want, "OK")
	}
	w.expect("SEARCH UID 4", "* SEARCH 3", "OK")
	w.expect("UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN", `* ESEARCH (TAG "t27") UID ALL 2,4 MIN 2 MAX 4 COUNT 2`, "OK")
	for _, keys := range []string{"SENTSINCE 1-Jan-2026", "NOT SENTBEFORE 1-Jan-2026", "OR ALL SENTON 1-Jan-2026"} {
		w.expect("UID SEARCH "+keys, "NO [CANNOT]")
	}
}
