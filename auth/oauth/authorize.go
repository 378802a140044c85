package oauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"
)

// A Prompt is what a person is told: where to go, and what to type there.
type Prompt struct {
	// URL is to be opened in a browser.
	URL string
	// Code is to be typed there; "" if the URL says all.
	Code string
	// Expires is when the provider gives up waiting.
	Expires time.Time
}

// Bounds of what a provider may demand of who waits for a person.
const (
	defaultInterval = 5 * time.Second // RFC 8628 section 3.5
	maxInterval     = time.Minute
	defaultWait     = 15 * time.Minute
	maxWait         = time.Hour
)

// Device asks for a code, has it shown, and waits until a person has typed it
// at the provider's (RFC 8628). It ends with ctx.
func (k *Keeper) Device(ctx context.Context, p *Provider, account string, show func(Prompt)) (Saved, error) {
	e, err := p.endpoints(ctx, k.o.Now)
	if err != nil {
		return Saved{}, err
	}
	if e.Device == "" {
		return Saved{}, fmt.Errorf("%s offers no device codes; authorize in a browser", p.Name)
	}
	c := p.call(ctx, k.o.Now)
	answer, err := p.config(e, "").DeviceAuth(c.within())
	if err != nil {
		return Saved{}, cmpContext(ctx, c.failure(err, []string{p.ClientSecret.Reveal()}))
	}
	if err := checkDevice(answer, k.o.Now()); err != nil {
		return Saved{}, err
	}
	show(Prompt{URL: answer.VerificationURI, Code: answer.UserCode, Expires: answer.Expiry})
	g, err := k.poll(ctx, p, answer)
	if err != nil {
		return Saved{}, cmpContext(ctx, err)
	}
	return k.keepNew(ctx, p, account, g)
}

// checkDevice puts bounds to what the provider demands, and refuses what a
// terminal must not be shown.
func checkDevice(d *oauth2.DeviceAuthResponse, now time.Time) error {
	if !isToken(d.DeviceCode) || !isToken(d.UserCode) || len(d.UserCode) > 100 || !isToken(d.VerificationURI) || CheckURL(d.VerificationURI) != nil {
		return errors.New("the provider's answer has no code and link that can be shown")
	}
	switch left := d.Expiry.Sub(now); {
	case d.Expiry.IsZero():
		d.Expiry = now.Add(defaultWait)
	case left > maxWait:
		d.Expiry = now.Add(maxWait)
	case left <= 0:
		return errors.New("the provider's code has expired before it came")
	}
	if d.Interval <= 0 {
		d.Interval = int64(defaultInterval / time.Second)
	}
	d.Interval = min(d.Interval, int64(maxInterval/time.Second))
	return nil
}

// poll waits for the person. What fails on the way to the provider is tried
// again: the person is still typing.
func (k *Keeper) poll(ctx context.Context, p *Provider, d *oauth2.DeviceAuthResponse) (granted, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Until(d.Expiry))
	defer cancel()
	for {
		g, err := p.ask(ctx, k.o.Now, []string{d.DeviceCode}, func(ctx context.Context, e Endpoints) (*oauth2.Token, error) {
			return p.config(e, "").DeviceAccessToken(ctx, d)
		})
		var f *Failure
		switch {
		case err == nil:
			return g, nil
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return g, errors.New("the code has expired, and nobody has typed it; try again")
		case ctx.Err() != nil:
			return g, ctx.Err()
		case errors.As(err, &f) && f.Code != "" || !errors.As(err, &f):
			return g, said(err)
		}
	}
}

// said puts words to what people do at a provider's.
func said(err error) error {
	var f *Failure
	if !errors.As(err, &f) {
		return err
	}
	switch f.Code {
	case "access_denied", "authorization_declined":
		return errors.New("the person at the browser has declined, or may not consent: with Microsoft 365 an administrator may have to")
	case "expired_token":
		return errors.New("the code has expired, and nobody has typed it; try again")
	}
	return err
}

// keepNew keeps a person's consent in place of whatever there was, under the
// lease, so that no refresh of the old token comes after it.
func (k *Keeper) keepNew(ctx context.Context, p *Provider, account string, g granted) (Saved, error) {
	if g.refresh.Empty() {
		return Saved{}, errors.New("the provider gave no refresh token: its scopes, or the client's settings there, do not allow one (offline_access)")
	}
	s := k.newSource(p, account)
	ctx, cancel := context.WithTimeout(ctx, flightTime)
	defer cancel()
	if err := s.leaseAnyway(ctx); err != nil {
		return Saved{}, err
	}
	defer s.release()
	kept, err := k.o.Vault.Load(ctx, account)
	if err != nil {
		return Saved{}, err
	}
	now := k.o.Now()
	next := kept.with(g, now)
	next.Provider, next.Authorized = p.identity(), now
	if next.Revision, err = k.o.Vault.Save(ctx, account, next); err != nil {
		return Saved{}, fmt.Errorf("keep the token: %w", err)
	}
	return next, nil
}

// leaseAnyway waits for the lease alone.
func (s *Source) leaseAnyway(ctx context.Context) error {
	for {
		mine, err := s.k.o.Vault.Lease(ctx, s.account, s.holder, leaseTime)
		if mine || err != nil {
			return err
		}
		select {
		case <-s.k.after(leasePoll):
		case <-ctx.Done():
			return fmt.Errorf("another process refreshes the token and does not come to an end: %w", ctx.Err())
		}
	}
}

// Ready tells before anybody is asked for consent whether it could be kept.
func (k *Keeper) Ready(ctx context.Context, account string) error {
	if k.o.Vault == nil {
		return errNoVault
	}
	s := k.newSource(nil, account)
	if err := s.leaseAnyway(ctx); err != nil {
		return err
	}
	s.release()
	return nil
}

func cmpContext(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
