package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/secret"
)

// TestLoginDelay: who comes too early is told so; who was refused, and who has
// a wrong password, does not make anybody wait longer.
func TestLoginDelay(t *testing.T) {
	server, _ := memory(t, letters(1))
	p, now := preset("classic", func(p *policy.Policy) { p.LoginDelay = policy.Age(time.Minute) }), time.Now()
	g := remembering(server, nil, &p)
	g.Now = func() time.Time { return now }
	address := front(t, g)
	for _, step := range []struct {
		after    time.Duration
		password string
		want     string
	}{
		{0, "wrong", "[AUTH]"},
		{0, password, ""},
		{0, "wrong", "[AUTH]"},
		{59 * time.Second, password, "[LOGIN-DELAY]"},
		{time.Second, password, ""},
		{time.Second, password, "[LOGIN-DELAY]"},
		{-time.Hour, password, ""}, // the clock was set back
	} {
		now = now.Add(step.after)
		c := connect(t, address)
		err := c.Login(t.Context(), user, secret.New(step.password))
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("after %v with %q: %v, want %q", step.after, step.password, err, step.want)
		}
		if err == nil {
			caps, err := c.Capabilities(t.Context())
			if err != nil || !slices.Equal(caps["LOGIN-DELAY"], []string{"60"}) {
				t.Errorf("CAPA: %v, %v; want LOGIN-DELAY 60", caps, err)
			}
			quit(t, c)
		}
		c.Close()
	}
}
