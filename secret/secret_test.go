package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNothingPrintsASecret(t *testing.T) {
	type holder struct {
		Name string
		Pass Text
		Ptr  *Text
		kept Text // package fmt may not call the methods of this one
	}
	s := New("hunter2")
	h := holder{"alice", s, &s, s}
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprint(s), fmt.Sprintf("%s %q %v %+v %#v %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%v %+v %#v", h, h, h), string(asJSON), s.String(),
		fmt.Errorf("sign-in with %v: %w", s, errors.New("no")).Error(),
	} {
		if strings.Contains(out, "hunter2") || strings.Contains(out, "68756e74657232") {
			t.Errorf("the secret shows in %q", out)
		}
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal must return the secret")
	}
}
