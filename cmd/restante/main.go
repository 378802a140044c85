// Command restante lets POP3 clients reach mail that lives on an IMAP server,
// or on an older POP3 server. This package is the command line and the wiring;
// what it wires is in the packages beside it.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
)

// Exit statuses: 0 is success.
const (
	exitFailure = 1 // a finding, or something that did not work
	exitUsage   = 2 // the command line was wrong
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.Execute()
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "restante: %s\nTry 'restante %s--help'.\n", printableLines(err.Error()), usage.command)
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "restante: %s\n", printableLines(err.Error()))
	return exitFailure
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "restante",
		Short:         "A POP3 front-end for IMAP and POP3 servers",
		Long:          "Restante accepts POP3 clients and serves them the mail of an IMAP server,\nor of an older POP3 server, behind it.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError{err, ""} })
	for _, c := range []*cobra.Command{serveCommand(), demoCommand(), checkCommand(), versionCommand()} {
		c.Args = noArguments
		root.AddCommand(c)
	}
	root.AddCommand(stateCommand(), policyCommand(), witnessed(undeleteCommand(), always(audit.ActionUndelete)), witnessed(holdCommand(), holdAction), sessionsCommand(), statusCommand(), bansCommand(), routeCommand())
	root.AddCommand(accountsCommand(), auditCommand(), uidlCommand(), doctorCommand())
	root.Args = noArguments
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

// usageError is a mistake on the command line.
type usageError struct {
	error
	command string
}

func (e usageError) Unwrap() error { return e.error }

func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("unknown command or argument %q", args[0]), ""}
}
