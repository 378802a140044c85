package pop3

import (
	"strings"
	"time"
)

// command is a verb's handler. It answers +OK itself; an error it returns is
// answered by the caller, a refusal with -ERR and an ending with nothing.
type command struct {
	verb string // as in its table
	run  func(c *conn, arg string) error
	args args
	// secret is what of the argument may not be traced.
	secret secrecy
}

type args uint8

const (
	noArgs   args = iota // none: anything after the verb is refused
	trimmed              // spaces around the argument mean nothing
	verbatim             // all that follows one space is the argument
)

// A state is its table: a verb that is not in it is not valid now (RFC 1939
// section 3), and no handler asks what state it is in.
var authorization = named(map[string]*command{
	"CAPA": {run: (*conn).capaBefore},
	"STLS": {run: (*conn).stls},
	"USER": {run: (*conn).userName, args: verbatim},
	"PASS": {run: (*conn).password, args: verbatim, secret: allSecret},
	"APOP": {run: (*conn).apop, args: verbatim, secret: allSecret},
	"AUTH": {run: (*conn).auth, args: trimmed, secret: namedSecret},
	"QUIT": {run: (*conn).goodbye},
})

var transaction = named(map[string]*command{
	"CAPA": {run: (*conn).capaAfter},
	"STAT": {run: (*conn).stat},
	"LIST": {run: (*conn).list, args: trimmed},
	"UIDL": {run: (*conn).uidl, args: trimmed},
	"RETR": {run: (*conn).retr, args: trimmed},
	"TOP":  {run: (*conn).top, args: trimmed},
	"DELE": {run: (*conn).dele, args: trimmed},
	"RSET": {run: (*conn).rset},
	"NOOP": {run: (*conn).noop},
	"LAST": {run: (*conn).last},
	"QUIT": {run: (*conn).quit},
})

func named(table map[string]*command) map[string]*command {
	for verb, cmd := range table {
		cmd.verb = verb
	}
	return table
}

// unknown stands for what is in no table.
var unknown = &command{verb: "other", args: verbatim, run: func(*conn, string) error {
	return bad("unknown command, or not valid now")
}}

// longestVerb bounds what is looked up.
const longestVerb = 4

// execute runs one command.
func (c *conn) execute(line []byte) error {
	verb, rest := split(line)
	var name [longestVerb]byte
	cmd, valid := c.commands[string(upper(name[:0], verb))]
	c.traceCommand(cmd, valid, verb, rest)
	if !valid {
		cmd = unknown
	}
	c.latest.Store(cmd)
	if c.server.Hooks.Answered == nil {
		return cmd.answer(c, rest)
	}
	start := time.Now()
	err := cmd.answer(c, rest)
	c.server.Hooks.Answered(cmd.verb, outcome(err), time.Since(start))
	return err
}

func (cmd *command) answer(c *conn, rest []byte) error {
	arg := string(rest)
	if cmd.args != verbatim {
		arg = strings.Trim(arg, " \t")
	}
	if cmd.args == noArgs && arg != "" {
		return bad("this command takes no argument")
	}
	return cmd.run(c, arg)
}

// split cuts a command into its verb and what follows one space.
func split(line []byte) (verb, rest []byte) {
	for i, b := range line {
		if b == ' ' {
			return line[:i], line[i+1:]
		}
	}
	return line, nil
}

// upper appends verb in capitals, or nothing if it is too long to be a verb.
func upper(to, verb []byte) []byte {
	if len(verb) > longestVerb {
		return to
	}
	for _, b := range verb {
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		to = append(to, b)
	}
	return to
}

// commandLimit is the most octets of a command that begins with start: AUTH
// may carry a token.
func (c *conn) commandLimit(start []byte) int {
	verb, _ := split(start)
	var name [longestVerb]byte
	if _, valid := c.commands["AUTH"]; valid && string(upper(name[:0], verb)) == "AUTH" {
		return c.limits.AuthLine
	}
	return c.limits.Line
}
