package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/bridge"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/proxy"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// upstreams are the servers behind, by name.
type upstreams map[string]openedUpstream

type openedUpstream struct {
	server interface {
		upstream.Server
		Probe(context.Context) (upstream.Report, error)
		Visit(context.Context) []upstream.Visit
		Close() error
	}
	fingerprint string
}

// openUpstreams makes what the configuration names. What did not change is
// taken over, with the connections it keeps.
func openUpstreams(c *config.Snapshot, before upstreams, state store.Store, hooks func(string) upstream.Hooks, log logrus.FieldLogger) (upstreams, error) {
	made := upstreams{}
	for _, settings := range c.Upstreams {
		if b, ok := before[settings.Name]; ok && b.fingerprint == settings.Fingerprint {
			made[settings.Name] = b
			continue
		}
		opened, err := openUpstream(settings, state, hooks(settings.Name), log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("upstream %q: %w", settings.Name, err), made.closeExcept(before))
		}
		made[settings.Name] = opened
	}
	return made, nil
}

func openUpstream(u *config.Upstream, state store.Store, hooks upstream.Hooks, log logrus.FieldLogger) (o openedUpstream, err error) {
	o.fingerprint = u.Fingerprint
	log = log.WithField("upstream", u.Name)
	if u.Protocol == config.POP3 {
		options := proxyOptions(u, log)
		options.Hooks = hooks
		o.server, err = proxy.New(options)
	} else {
		options := bridgeOptions(u, log)
		options.Hooks = hooks
		if state != nil {
			options.Memory = listings{state, u.Name}
		}
		o.server, err = bridge.New(options)
	}
	return o, err
}

// listings keeps what the bridge remembers in the state file, by upstream.
type listings struct {
	store    store.Store
	upstream string
}

func (l listings) Load(ctx context.Context, key string) ([]byte, error) {
	return l.store.Listing(ctx, l.key(key))
}

func (l listings) Save(ctx context.Context, key string, blob []byte) error {
	return l.store.SaveListing(ctx, l.key(key), blob)
}

// key is the upstream's name, a character that no name has, and the bridge's key.
func (l listings) key(key string) string { return l.upstream + "\n" + key }

func bridgeOptions(u *config.Upstream, log logrus.FieldLogger) bridge.Options {
	security := map[config.Security]bridge.Security{
		config.ImplicitTLS: bridge.ImplicitTLS, config.StartTLS: bridge.StartTLS, config.NoTLS: bridge.Plain}
	return bridge.Options{
		Addresses: u.Addresses, Security: security[u.Security], TLS: u.TLS,
		DialTimeout: u.DialTimeout, ReplyTimeout: u.Timeout, ListTimeout: u.ListTimeout,
		TellClient: u.TellClient != "", Version: versionText(), Log: log,
		WarmIdle: u.WarmIdle, CredentialBound: u.CredentialBound, MaxIdle: u.MaxIdle,
	}
}

func proxyOptions(u *config.Upstream, log logrus.FieldLogger) proxy.Options {
	security := map[config.Security]proxy.Security{
		config.ImplicitTLS: proxy.ImplicitTLS, config.StartTLS: proxy.STLS, config.NoTLS: proxy.Plain}
	return proxy.Options{
		Addresses: u.Addresses, Security: security[u.Security], TLS: u.TLS,
		DialTimeout: u.DialTimeout, ReplyTimeout: u.Timeout, ListTimeout: u.ListTimeout, Log: log,
		Pipelining: u.Pipelining, Neutral: u.Neutral, APOP: u.APOP,
		Tell: map[string]proxy.Tell{
			"": proxy.TellNothing, "xclient": proxy.TellXClient, "proxy": proxy.TellProxy, "proxy-v1": proxy.TellProxyV1,
		}[u.TellClient],
	}
}

// closeExcept closes all that others does not have too.
func (u upstreams) closeExcept(others upstreams) error {
	var errs []error
	for name, o := range u {
		if others[name].server != o.server {
			errs = append(errs, o.server.Close())
		}
	}
	return errors.Join(errs...)
}
