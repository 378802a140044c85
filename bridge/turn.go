package bridge

// turn says who reads from the connection. As long as the library is not
// there, it is whoever waits for something. Then it is the library's reader,
// but not while message texts come: those are read by the one who wants them,
// straight from the socket, without a goroutine between.
type turn struct {
	mine       bool          // of who wants texts; the library's reader waits until it gets the turn back
	lent, back chan struct{} // the turn, on its way
	steps      uint          // responses that were read for texts
}

func newTurn() turn { return turn{lent: make(chan struct{}, 1), back: make(chan struct{}, 1)} }

// hasTurn tells whether it is who wants texts that reads; the library's reader,
// when it reads, is told no.
func (f *framing) hasTurn() bool { return f.alone || f.turn.mine }

// takeTurn waits until the library's reader has found something that is for
// who wants texts.
func (f *framing) takeTurn() error {
	if f.hasTurn() {
		return f.cause()
	}
	if f.waits != nil {
		f.waits()
	}
	select {
	case <-f.turn.lent:
		f.turn.mine = true
		return f.cause()
	case <-f.dead:
		return f.cause()
	}
}

// returnTurn lets the library's reader go on.
func (f *framing) returnTurn() {
	if f.turn.mine {
		f.turn.mine = false
		f.turn.back <- struct{}{}
	}
	f.rest()
}

// lend hands the turn over and returns when it is back, or the connection dead.
func (f *framing) lend() {
	f.turn.lent <- struct{}{}
	select {
	case <-f.turn.back:
	case <-f.dead:
	}
}

// textComes tells whether a text has begun, or the next one never will.
func (f *framing) textComes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.begun || len(f.wanted) > 0 && isClosed(f.wanted[0].command.done)
}

// longTalk is how many responses may come without a wait before the end of the
// context is looked for: a server that never stops talking makes nobody wait.
const longTalk = 256

// step takes one response off the wire. What the library would get is not
// for it: it has no command under way while texts are due.
func (f *framing) step() error {
	if f.turn.steps++; f.turn.steps%longTalk == 0 && f.waits != nil {
		f.waits()
	}
	err := f.next()
	f.out = nil
	if err != nil {
		return f.fail(err)
	}
	return nil
}

// nextText waits until the text that is wanted first has begun, or it is
// certain that it will not come.
func (f *framing) nextText() (t arrival, err error) {
	for {
		if err := f.takeTurn(); err != nil {
			return arrival{}, err
		}
		if f.textComes() {
			return f.text, nil
		}
		if err := f.step(); err != nil {
			return arrival{}, err
		}
	}
}

// nextWanted is called when the first text has come to its end, or will not
// come. After the last one, the server has to say OK to everything: only then
// is nothing under way. Before that, its OKs are not to be waited for. Dovecot
// sends them after the texts of later commands.
func (f *framing) nextWanted() error {
	f.mu.Lock()
	if len(f.wanted) == 1 {
		f.wanted = f.wanted[:0] // and keep its memory
	} else {
		f.wanted = f.wanted[1:]
	}
	if passed := f.text.passed; passed > 0 {
		f.text.passed = passed - 1
	} else {
		f.text = arrival{}
	}
	last, asked := len(f.wanted) == 0, f.asked
	f.mu.Unlock()
	if !last {
		return nil
	}
	for _, c := range asked {
		for !isClosed(c.done) {
			if err := f.step(); err != nil {
				return err
			}
		}
	}
	f.forgetTexts()
	return nil
}

// forgetTexts is called when nothing is due, or nothing can come any more. It
// returns the texts that did not come.
func (f *framing) forgetTexts() []want {
	f.mu.Lock()
	left := f.wanted
	f.forgetAnswered()
	f.wanted, f.asked, f.text = f.wanted[:0], f.asked[:0], arrival{}
	f.mu.Unlock()
	f.expect(0)
	f.returnTurn()
	return left
}
