package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/restante-mail/restante/secret"
)

// prompter reads secrets: from a terminal, without showing them, or else from
// standard input, one a line in the order of the questions.
type prompter struct {
	in    io.Reader
	out   io.Writer
	lines *bufio.Reader
}

// longestSecret is more than any password; tokens do not come this way.
const longestSecret = 4 << 10

// ask reads one secret. A new one is typed twice at a terminal.
func (p *prompter) ask(what string, isNew bool) (secret.Text, error) {
	f, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return p.line(what)
	}
	first, err := p.typed(f, what)
	if err != nil || !isNew {
		return first, err
	}
	again, err := p.typed(f, what+", again")
	if err == nil && again.Reveal() != first.Reveal() {
		err = errors.New("the two differ; nothing was changed")
	}
	return first, err
}

func (p *prompter) typed(f *os.File, what string) (secret.Text, error) {
	fmt.Fprintf(p.out, "%s: ", what)
	text, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(p.out)
	return checked(what, string(text), err)
}

func (p *prompter) line(what string) (secret.Text, error) {
	if p.lines == nil {
		p.lines = bufio.NewReaderSize(p.in, longestSecret)
	}
	line, err := p.lines.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return checked(what, strings.TrimRight(string(line), "\r\n"), err)
}

// fromEnvironment reads it from a variable that the command line names.
func fromEnvironment(variable string) (secret.Text, error) {
	return checked("the environment variable "+variable, os.Getenv(variable), nil)
}

func checked(what, text string, err error) (secret.Text, error) {
	switch {
	case err != nil:
		return secret.Text{}, fmt.Errorf("%s: %w", what, err)
	case text == "":
		return secret.Text{}, fmt.Errorf("%s: it is empty; type it, or give it on standard input", what)
	case strings.ContainsAny(text, "\r\n\x00"):
		return secret.Text{}, fmt.Errorf("%s: it holds a line end or NUL", what)
	}
	return secret.New(text), nil
}
