package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"text/template"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/secret"
)

// The demo's account. It exists in the memory of one process, on loopback.
const (
	demoUser     = "alice"
	demoPassword = "poste restante"
)

// demoAddress is tried first, so that what the demo prints is the same each
// time; any free port will do.
const demoAddress = "127.0.0.1:1110"

func demoCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it: a mailbox in memory, and what to type",
		Long:  "Start an IMAP server in memory with sample mail, and Restante in front of it.\nNothing is written anywhere.",
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return demo(ctx, c.OutOrStdout(), listen)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address for POP3 clients (default "+demoAddress+", or any free port)")
	return c
}

func demo(ctx context.Context, out io.Writer, address string) error {
	imap, imapAddress, err := demoServer()
	if err != nil {
		return err
	}
	defer imap.Close()
	if address == "" {
		address = freeAddress(demoAddress)
	}
	log := logrus.New()
	log.SetOutput(out)
	s := newService(log)
	if err := s.apply(nil, demoConfig(imapAddress, address)); err != nil {
		return err
	}
	for _, f := range s.fronts {
		if err := introduce(out, f.listener.Addr(), imapAddress); err != nil {
			return errors.Join(err, s.stop(0))
		}
	}
	<-ctx.Done()
	return s.stop(time.Second)
}

// demoServer starts the upstream with its sample mail.
func demoServer() (server *memimap.Server, address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("start the demo's IMAP server: %w", err)
	}
	server = memimap.New()
	server.InsecureAuth = true // it listens on loopback only
	inbox := server.AddUser(demoUser, secret.New(demoPassword)).Mailbox("INBOX")
	for _, m := range memimap.Sample() {
		inbox.Append(m.Raw, m.Flags, m.Date)
	}
	go func() { _ = server.Serve(l) }() // ends with Close
	return server, l.Addr().String(), nil
}

// demoConfig panics on a mistake of ours only: both addresses are made here or
// are refused by the socket.
func demoConfig(imapAddress, address string) *config.Snapshot {
	c, err := config.ForUpstream("imap://"+imapAddress, []string{"pop3://" + address}, "", "", "")
	if err != nil {
		panic(err)
	}
	snapshot, err := c.Compile()
	if err != nil {
		panic(err)
	}
	return snapshot
}

// freeAddress returns the address, or one with any free port if it is taken.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return address
}

var introduction = template.Must(template.New("").Parse(`
Restante is listening for POP3 on {{.POP3}}. Behind it stands an IMAP server in memory (on {{.IMAP}})
with a dozen messages for user "{{.User}}", password "{{.Password}}".

In another terminal, list the messages and read the first:

    curl --user '{{.User}}:{{.Password}}' pop3://{{.POP3}}/
    curl --user '{{.User}}:{{.Password}}' pop3://{{.POP3}}/1

Look at the same mailbox from the other side, over IMAP:

    curl --user '{{.User}}:{{.Password}}' 'imap://{{.IMAP}}/INBOX' --request 'STATUS INBOX (MESSAGES UNSEEN)'

Or speak POP3 yourself (telnet or nc), one line at a time:

    nc {{.Host}} {{.Port}}
    USER {{.User}}
    PASS {{.Password}}
    STAT
    LIST
    TOP 1 0
    DELE 1
    QUIT

or point a mail program at server {{.Host}}, port {{.Port}}, without encryption. Ctrl-C ends the demo.

`))

func introduce(out io.Writer, pop3 net.Addr, imap string) error {
	host, port, err := net.SplitHostPort(pop3.String())
	if err != nil {
		return err
	}
	return introduction.Execute(out, map[string]string{
		"POP3": pop3.String(), "IMAP": imap, "Host": host, "Port": port, "User": demoUser, "Password": demoPassword,
	})
}
