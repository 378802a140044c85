package oauth

import (
	"net/url"
	"slices"
	"strings"
)

// A preset is what is known of a provider beforehand.
type preset struct {
	endpoints Endpoints
	// scopes by grant; nil: the grant is not offered for mail.
	scopes map[Grant][]string
	// redirect is where browsers come back to.
	redirect string
	ask      map[string]string
	// tenant: the endpoints have {tenant} in them.
	tenant bool
}

var presets = map[string]preset{
	// Scopes and endpoints as in Microsoft's "Authenticate an IMAP, POP or SMTP
	// connection using OAuth". Without offline_access there is no refresh token.
	"microsoft365": {
		endpoints: Endpoints{
			Token:     "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
			Authorize: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
			Device:    "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
		},
		scopes: map[Grant][]string{
			User:              {"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"},
			ClientCredentials: {"https://outlook.office365.com/.default"},
		},
		redirect: "http://localhost:0", // what people register there is http://localhost, for any port
		tenant:   true,
	},
	// Google gives no mail to devices: its device flow knows few scopes, and
	// that of mail is none of them. access_type and prompt are what it takes to
	// get a refresh token, also for somebody who has consented before.
	"google": {
		endpoints: Endpoints{
			Token:     "https://oauth2.googleapis.com/token",
			Authorize: "https://accounts.google.com/o/oauth2/v2/auth",
		},
		scopes: map[Grant][]string{
			User:           {"https://mail.google.com/"},
			ServiceAccount: {"https://mail.google.com/"},
		},
		redirect: "http://127.0.0.1:0/",
		ask:      map[string]string{"access_type": "offline", "prompt": "consent"},
	},
	"oidc": {
		redirect: "http://127.0.0.1:0/",
		scopes:   map[Grant][]string{User: {"openid", "offline_access"}, ClientCredentials: {}, ServiceAccount: {}},
	},
}

// Presets are the names of all.
func Presets() []string { return []string{"google", "microsoft365", "oidc"} }

// NeedsTenant tells whether the preset's URLs have a tenant in them.
func NeedsTenant(name string) bool { return presets[name].tenant }

// Offers tells whether the preset's provider gives access to mail in this way.
func Offers(name string, g Grant) bool { return presets[name].scopes[g] != nil }

// Preset is a Provider with what is known beforehand. An unknown name gives an
// empty one.
func Preset(name string, g Grant, tenant string) *Provider {
	known := presets[name]
	return &Provider{Grant: g, Scopes: slices.Clone(known.scopes[g]), Endpoints: known.endpoints.in(tenant), Redirect: known.redirect, Ask: known.ask}
}

// in puts the tenant's name into the URLs.
func (e Endpoints) in(tenant string) Endpoints {
	for _, at := range []*string{&e.Token, &e.Authorize, &e.Device} {
		*at = strings.ReplaceAll(*at, "{tenant}", url.PathEscape(tenant))
	}
	return e
}

// Fill completes e.
func (e Endpoints) Fill(from Endpoints) Endpoints {
	for _, pair := range [][2]*string{{&e.Token, &from.Token}, {&e.Authorize, &from.Authorize}, {&e.Device, &from.Device}} {
		if *pair[0] == "" {
			*pair[0] = *pair[1]
		}
	}
	return e
}

// CheckURL tells what is wrong with the URL of an endpoint: secrets go there,
// so it must be https, or a server on this machine.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || u.Fragment != "":
		return errNotURL
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errNotURL
}

// CheckRedirect tells what is wrong with the URL that browsers come back to.
func CheckRedirect(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || !isLoopback(u.Hostname()) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errNotRedirect
	}
	return nil
}
