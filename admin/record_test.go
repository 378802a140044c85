package admin

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestDeedsAreBounded: what a command says that it did is counted by its name, so
// that not any text is one; and a request has an end.
func TestDeedsAreBounded(t *testing.T) {
	recorded := 0
	s := NewServer(Process{Record: func(Deed, string) { recorded++ }, Sessions: func() []Session { return nil }})
	for body, ok := range map[string]bool{
		`{"action":"unban","detail":"x"}`: true, `{"action":""}`: false, `{"action":"a b"}`: false, `{"action":"` + strings.Repeat("x", 21) + `"}`: false,
		`{"action":"x\n"}`: false, `{`: false, `{"action":"unban","detail":"` + strings.Repeat("x", maxBody) + `"}`: false,
	} {
		before := recorded
		w := httptest.NewRecorder()
		s.record(w, httptest.NewRequest("POST", pathRecord, strings.NewReader(body)))
		if (w.Code == 200) != ok || (recorded > before) != ok {
			t.Errorf("%.40s: status %d, recorded %d", body, w.Code, recorded-before)
		}
	}
	for _, body := range []string{"", "{}", `{"id":"a","user":"b"}`, `{"user":"` + strings.Repeat("x", maxBody) + `"}`, "[]"} {
		w := httptest.NewRecorder()
		s.kick(w, httptest.NewRequest("POST", pathKick, strings.NewReader(body)))
		if w.Code != 400 {
			t.Errorf("kick %.40s: status %d", body, w.Code)
		}
	}
}
