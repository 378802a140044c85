package audit

import "testing"

type noted []Kind

func (n *noted) Record(e Event) { *n = append(*n, e.Kind()) }

func TestJoin(t *testing.T) {
	if Join() != nil || Join(nil, nil) != nil {
		t.Error("a Recorder of nobody costs something")
	}
	var a, b noted
	Join(nil, &a).Record(&Stopped{})
	Join(&a, nil, &b).Record(&Started{})
	if len(a) != 2 || len(b) != 1 || a[1] != KindStarted || b[0] != KindStarted {
		t.Errorf("recorded %v and %v", a, b)
	}
}
