package main

import "testing"

func TestHarmlessCell(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"Bob <bob@example.org>":        "Bob <bob@example.org>",
		"a;b":                          "a;b",
		"=1+1":                         "'=1+1",
		"+1":                           "'+1",
		"-1":                           "'-1",
		"@SUM(A1)":                     "'@SUM(A1)",
		" =1+1":                        " '=1+1",
		"＝1+1":                         "'＝1+1",
		"x;=cmd|' /C calc'!A0":         "x;'=cmd|' /C calc'!A0",
		`x; "=HYPERLINK("http://x/")"`: `x; "'=HYPERLINK("http://x/")"`,
	} {
		if got := harmlessCell(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
