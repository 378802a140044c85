package store

import (
	"testing"
)

// Only the approvals of rules that are still there are kept.
func TestForgetApprovals(t *testing.T) {
	f := fresh(t)
	if err := Approve(bounded(t), f.path, []string{"a", "b", "c"}, 5); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{2, 0} {
		if n, err := f.ForgetApprovals(bounded(t), []string{"b", "d"}); n != want || err != nil {
			t.Errorf("%d are forgotten, %v; want %d", n, err, want)
		}
	}
	if got, err := f.Approvals(bounded(t)); err != nil || len(got) != 1 || got["b"] != 5 {
		t.Errorf("left are %v, %v; want b", got, err)
	}
	keep(t, f, Changes{At: 1})
	if got, err := MaildropPrefixes(bounded(t), f.path, "\n"); err != nil || len(got) != 1 || got[0] != "main" {
		t.Errorf("%q, %v", got, err)
	}
}
