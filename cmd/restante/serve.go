package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/config"
)

// serveOptions are serve's flags: a file, or what stands for one.
type serveOptions struct {
	config   string
	upstream string
	listen   []string
	cert     string
	key      string
	policy   string
	state    string
	log      config.Log
}

func serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve (--upstream URL | --config FILE)",
		Short: "Serve POP3 clients",
		Long: "Serve POP3 clients the mail of an upstream server.\n\n" +
			"With --upstream no file is needed. With --config, the file (or folder of files)\n" +
			"says everything, and is read again when it changes or on SIGHUP.",
		Example: "  restante serve --upstream imaps://imap.example.com\n" +
			"  restante serve --upstream imap://127.0.0.1 --listen pop3s://:995 --cert cert.pem --key key.pem\n" +
			"  restante serve --config restante.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.config != "" && c.Flags().NFlag() > 1 {
				return usageError{errors.New("--config stands alone: the file says everything"), "serve "}
			}
			return o.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	f.StringVar(&o.upstream, "upstream", "", "the server behind: imap://, imaps://, pop3:// or pop3s://HOST[:PORT]")
	f.StringArrayVar(&o.listen, "listen", nil, "where clients connect: pop3://HOST:PORT, or pop3s:// for implicit TLS; repeats (default pop3://127.0.0.1:1110)")
	f.StringVar(&o.cert, "cert", "", "certificate chain for clients (PEM)")
	f.StringVar(&o.key, "key", "", "private key of --cert (PEM)")
	f.StringVar(&o.policy, "policy", "", "policy preset (default classic)")
	f.StringVar(&o.state, "state", "", "file to remember in between restarts (default: none)")
	f.StringVar(&o.log.Level, "log-level", "info", "error, warn, info or debug")
	f.StringVar(&o.log.Format, "log-format", "text", "text or json")
	return c
}

// load returns the configuration that the flags stand for.
func (o *serveOptions) load() (*config.Config, error) {
	if o.config != "" {
		return config.Load(o.config)
	}
	c, err := config.ForUpstream(o.upstream, o.listen, o.cert, o.key, o.policy)
	if err == nil {
		c.Log, c.State = o.log, o.state
	}
	return c, err
}

func (o *serveOptions) run(ctx context.Context) error {
	if o.config == "" && o.upstream == "" {
		return usageError{errors.New("say which server to front: --upstream URL, or --config FILE"), "serve "}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := logrus.New()
	s := newService(log)
	var err error
	if s.handed, err = takeHanded(); err != nil {
		return err
	}
	live, err := config.NewLive(o.load, s.apply)
	if err != nil {
		return fmt.Errorf("not started:\n%w", err)
	}
	s.live.Store(live)
	if left := s.handed.left(); len(left) > 0 {
		log.WithField("sockets", left).Warn("systemd has opened sockets that no listener has the address or the name of")
	}
	tell(log, daemon.SdNotifyReady)
	log.WithField("version", versionText()).Info("restante is ready")
	s.began(o.config)
	s.follow(ctx, live)
	tell(log, daemon.SdNotifyStopping)
	stop() // a second signal ends the process at once
	return s.stop(live.Current().ShutdownTime)
}

// debounce: editors and certificate tools write a file in several steps.
const debounce = 200 * time.Millisecond

// follow reloads when a file changes or SIGHUP comes, until ctx ends.
func (s *service) follow(ctx context.Context, live *config.Live) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	watched := make(chan error, 1)
	reload := func() {
		tell(s.log, daemon.SdNotifyReloading)
		s.reloaded(live.Reload())
		tell(s.log, daemon.SdNotifyReady)
	}
	ticks, stop := watchdog(s.log)
	defer stop()
	go func() { watched <- live.Watch(ctx, debounce, reload) }()
	for {
		select {
		case <-hangup:
			reload()
		case <-ticks:
			tell(s.log, daemon.SdNotifyWatchdog)
		case err := <-watched:
			if err != nil && ctx.Err() == nil {
				s.log.WithError(err).Warn("files are not watched; send SIGHUP after a change")
			}
			watched = nil
		case <-ctx.Done():
			if watched != nil {
				<-watched
			}
			return
		}
	}
}

// reloaded tells how a reload went.
func (s *service) reloaded(err error) {
	s.recordReload(err)
	if err != nil {
		s.log.WithError(err).Error("not reloaded; the configuration before stays in force")
		return
	}
	s.log.Info("configuration reloaded")
}
