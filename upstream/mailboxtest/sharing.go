package mailboxtest

import (
	"fmt"
	"io"
	"sync"

	"github.com/restante-mail/restante/upstream"
)

var sharingCases = []testCase{
	{name: "one session after another", run: oneAfterAnother},
	{name: "two sessions at once", needs: []Ability{Shared}, run: twoSessions},
	{name: "many sessions at once", needs: []Ability{Shared}, run: manySessions},
}

// oneAfterAnother: Close lets go of whatever the server locks.
func oneAfterAnother(s *suite) {
	s.deliver(letters(3)...)
	for range 10 {
		m := s.open()
		messages := m.list(3)
		m.whole(messages[2], letter(3))
		m.end()
	}
	for n := range 3 {
		all := len(s.f.Contents(s, "INBOX"))
		m := s.open()
		messages := hideMarked(m.list(all))
		m.do(change(messages[0], upstream.Expunge, ""))
		m.end()
		s.leftUnmarked(letters(3)[n+1:]...)
	}
}

func twoSessions(s *suite) {
	s.deliver(letters(4)...)
	a, b := s.open(), s.open()
	inA, inB := a.list(4), b.list(4)
	a.whole(inA[3], letter(4))
	results := a.do(change(inA[1], upstream.Expunge, ""))
	a.end()
	if !results[0].Hidden {
		b.gone(inB[1].ID)
	}
	for _, i := range []int{0, 2, 3} {
		b.whole(inB[i], letter(i+1))
	}
	results = b.do(change(inB[1], upstream.Expunge, ""), change(inB[2], upstream.Expunge, ""))
	s.removed(results[1], letter(3))
	s.leftUnmarked(letter(1), letter(4))
}

func manySessions(s *suite) {
	all := append(letters(5), heavy(6, 500_000))
	s.deliver(all...)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			if err := s.visit(all); err != nil {
				s.Error(err)
			}
		})
	}
	clients.Wait()
	s.left(all...)
}

// visit reads the whole mailbox. It is called by many goroutines, which may
// not end the test.
func (s *suite) visit(want [][]byte) (err error) {
	mailbox, err := s.f.Server.Open(s.ctx, s.f.Login)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	defer func() {
		if closeErr := mailbox.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close: %w", closeErr)
		}
	}()
	messages, err := mailbox.Messages(s.ctx)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if len(messages) != len(want) {
		return fmt.Errorf("%d messages, want %d", len(messages), len(want))
	}
	for i, message := range messages {
		body, err := mailbox.Open(s.ctx, message.ID, upstream.Whole)
		if err != nil {
			return fmt.Errorf("open message %d: %w", i+1, err)
		}
		octets, err := io.ReadAll(body)
		if err != nil {
			return fmt.Errorf("read message %d: %w", i+1, err)
		}
		if err := body.Close(); err != nil {
			return fmt.Errorf("close message %d: %w", i+1, err)
		}
		s.same(octets, want[i])
	}
	return nil
}
