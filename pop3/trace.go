package pop3

import "strings"

// secrecy is how much of a command's argument is secret.
type secrecy uint8

const (
	nothingSecret secrecy = iota
	allSecret             // PASS
	secondSecret          // AUTH: all but the first word
)

const masked = "****"

// traceCommand shows a command to Hooks.Command with its secrets masked. Of
// what is not a command nothing is shown: it may be a password that was typed
// too early, or a token that was sent after a refusal.
func (c *conn) traceCommand(cmd command, valid bool, verb, rest []byte) {
	if c.server.Hooks.Command == nil {
		return
	}
	switch {
	case !valid:
		c.trace("(unknown) " + masked)
	case rest == nil:
		c.trace(string(verb))
	default:
		c.trace(string(verb) + " " + cmd.secret.mask(string(rest)))
	}
}

func (s secrecy) mask(arg string) string {
	switch s {
	case allSecret:
		return masked
	case secondSecret:
		arg = strings.Trim(arg, " \t")
		first := strings.IndexAny(arg, " \t")
		switch {
		case first >= 0:
			return arg[:first] + " " + masked
		case len(arg) > 20: // no name of a mechanism is that long (RFC 4422 section 3.1)
			return masked
		}
	}
	return arg
}

// trace shows a line without secrets to Hooks.Command.
func (c *conn) trace(line string) {
	if c.server.Hooks.Command != nil {
		c.server.Hooks.Command(c.peer, printable(line, maxReply))
	}
}
