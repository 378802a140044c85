package config

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth"
	"github.com/restante-mail/restante/secret"
)

// OAuthTable is one [oauth.NAME]: a provider of tokens for signing in upstream.
type OAuthTable struct {
	// Preset is microsoft365, google, or oidc for any other.
	Preset string `toml:"preset"`
	// Grant is how an account's first token is got, if the account does not say:
	// device, code, client_credentials or service_account.
	Grant string `toml:"grant"`
	// ClientID is the name under which Restante is registered there.
	ClientID string `toml:"client_id"`
	// ClientSecretFile holds the client's secret, if it has one.
	ClientSecretFile string `toml:"client_secret_file"`
	// ClientSecret is the same, sealed, in place of a file.
	ClientSecret string `toml:"client_secret"`
	// ClientAuth is body or header: where the secret is put.
	ClientAuth string `toml:"client_auth"`
	// KeyFile is the key of a service account.
	KeyFile string `toml:"key_file"`
	// Tenant is the directory of Microsoft 365.
	Tenant string `toml:"tenant"`
	// Issuer is where discovery begins.
	Issuer string `toml:"issuer"`
	// TokenURL, AuthorizeURL and DeviceURL replace what the preset or discovery
	// says.
	TokenURL string `toml:"token_url"`
	// AuthorizeURL is where a browser is sent.
	AuthorizeURL string `toml:"authorize_url"`
	// DeviceURL gives device codes.
	DeviceURL string `toml:"device_url"`
	// Scopes replace those of the preset.
	Scopes []string `toml:"scopes"`
	// Redirect is the port of this machine that a browser comes back to.
	Redirect string `toml:"redirect"`
	// CA is a PEM file with the authorities to trust instead of the system's.
	CA string `toml:"ca"`
}

// grants are the words for how a first token is got.
var grants = map[string]oauth.Grant{
	"device": oauth.User, "code": oauth.User, "client_credentials": oauth.ClientCredentials, "service_account": oauth.ServiceAccount,
}

var grantWords = []string{"device", "code", "client_credentials", "service_account"}

// ClientSecretPurpose is what a client's secret is sealed for, with the
// provider's name in place of an account's.
const ClientSecretPurpose = "oauth2 client secret"

// OAuth is a provider of tokens.
type OAuth struct {
	Name string
	// Grant is the word for how an account's first token is got by default.
	Grant string
	// Sealed is the client's secret, which Open puts into the Providers; "" if
	// they have it, or there is none.
	Sealed    string
	providers map[oauth.Grant]*oauth.Provider
}

// Provider is who to ask for an account with that word for its grant; "" is the
// default.
func (o *OAuth) Provider(grant string) (*oauth.Provider, error) {
	if grant == "" {
		grant = o.Grant
	}
	g, known := grants[grant]
	p := o.providers[g]
	switch {
	case !known:
		return nil, fmt.Errorf("%q is no grant; known are %s", grant, strings.Join(grantWords, ", "))
	case p == nil:
		return nil, fmt.Errorf("provider %q is not set up for %s", o.Name, grant)
	}
	return p, nil
}

// Open completes the providers with the secret that was sealed.
func (o *OAuth) Open(plain secret.Text) {
	for _, p := range o.providers {
		p.ClientSecret = plain
	}
}

func (b *builder) buildOAuth() {
	for _, name := range slices.Sorted(maps.Keys(b.OAuth)) {
		path := child("oauth", name)
		b.checkName(path, name)
		if o := b.buildProvider(path, name, b.OAuth[name]); o != nil {
			b.oauth = append(b.oauth, o)
		}
	}
}

func (b *builder) buildProvider(path, name string, t *OAuthTable) *OAuth {
	preset := t.Preset
	if preset == "" {
		preset = "oidc"
	}
	if !b.oneOf(child(path, "preset"), preset, oauth.Presets()...) {
		return nil
	}
	o := &OAuth{Name: name, Grant: t.Grant, Sealed: t.ClientSecret, providers: map[oauth.Grant]*oauth.Provider{}}
	if o.Grant == "" {
		o.Grant = map[bool]string{true: "code", false: "device"}[preset == "google"]
	}
	b.oauthGrant(path, preset, o.Grant)
	common := b.oauthClient(path, preset, t)
	for _, g := range []oauth.Grant{oauth.User, oauth.ClientCredentials, oauth.ServiceAccount} {
		if oauth.Offers(preset, g) && (g == grants[o.Grant] || suits(g, t)) {
			o.providers[g] = common.as(name, preset, g, t)
		}
	}
	b.oauthNeeds(path, preset, o.Grant, t, common)
	return o
}

// suits tells whether a provider has what a grant needs, so that an account may
// name it.
func suits(g oauth.Grant, t *OAuthTable) bool {
	switch g {
	case oauth.ClientCredentials:
		return t.ClientSecret+t.ClientSecretFile != ""
	case oauth.ServiceAccount:
		return t.KeyFile != ""
	}
	return t.ClientID != ""
}

func (b *builder) oauthGrant(path, preset, grant string) {
	at := child(path, "grant")
	g, known := grants[grant]
	switch {
	case !known:
		b.oneOf(at, grant, grantWords...)
	case preset == "google" && grant == "device":
		b.addf(at, "Google gives no mail to device codes; write \"code\", or \"service_account\" for a Workspace domain")
	case !oauth.Offers(preset, g):
		b.addf(at, "%s does not offer this for mail", preset)
	}
}

// client is what all grants of a provider have in common.
type client struct {
	id        string
	secret    secret.Text
	key       *oauth.Key
	endpoints oauth.Endpoints
	tenant    string
	transport http.RoundTripper
}

func (b *builder) oauthClient(path, preset string, t *OAuthTable) *client {
	c := &client{id: t.ClientID, tenant: t.Tenant, endpoints: oauth.Endpoints{Token: t.TokenURL, Authorize: t.AuthorizeURL, Device: t.DeviceURL}}
	for key, address := range map[string]string{"issuer": t.Issuer, "token_url": t.TokenURL, "authorize_url": t.AuthorizeURL, "device_url": t.DeviceURL} {
		if address != "" && oauth.CheckURL(address) != nil {
			b.addf(child(path, key), "%v", oauth.CheckURL(address))
		}
	}
	if t.Redirect != "" && oauth.CheckRedirect(t.Redirect) != nil {
		b.addf(child(path, "redirect"), "%v", oauth.CheckRedirect(t.Redirect))
	}
	if t.ClientAuth != "" {
		b.oneOf(child(path, "client_auth"), t.ClientAuth, "body", "header")
	}
	if t.ClientSecretFile != "" {
		c.secret = secret.New(strings.TrimRight(string(b.secretFile(child(path, "client_secret_file"), t.ClientSecretFile)), "\r\n"))
	}
	if t.KeyFile != "" {
		c.key = b.serviceKey(child(path, "key_file"), t.KeyFile)
	}
	transport := oauth.NewTransport()
	transport.TLSClientConfig.RootCAs = b.authorities(child(path, "ca"), t.CA)
	c.transport = transport
	return c
}

// as is the provider for one grant.
func (c *client) as(name, preset string, g oauth.Grant, t *OAuthTable) *oauth.Provider {
	tenant := c.tenant
	if tenant == "" {
		tenant = "organizations" // whoever has an account of a firm or a school
	}
	p := oauth.Preset(preset, g, tenant)
	p.Name, p.ClientID, p.ClientSecret, p.SecretInHeader, p.Issuer, p.Transport = name, c.id, c.secret, t.ClientAuth == "header", t.Issuer, c.transport
	p.Endpoints = c.endpoints.Fill(p.Endpoints)
	if t.Scopes != nil {
		p.Scopes = t.Scopes
	}
	if t.Redirect != "" {
		p.Redirect = t.Redirect
	}
	if g == oauth.ServiceAccount && c.key != nil {
		if p.Key = c.key; p.Key.Email != "" {
			p.ClientID = p.Key.Email
		}
	}
	return p
}

// oauthNeeds finds what is missing, or has no use.
func (b *builder) oauthNeeds(path, preset, grant string, t *OAuthTable, c *client) {
	needs := func(key string, missing bool, format string, args ...any) {
		if missing {
			b.addf(child(path, key), format, args...)
		}
	}
	g := grants[grant]
	fromKey := g == oauth.ServiceAccount && (c.key == nil || c.key.Email != "")
	needs("client_id", t.ClientID == "" && !fromKey, "is missing; it is the name under which Restante was registered with the provider")
	needs("client_secret", t.ClientSecret != "" && t.ClientSecretFile != "", "is there twice: here, and in client_secret_file; keep one")
	needs("client_secret", t.ClientSecret != "" && auth.CheckSealed(t.ClientSecret) != nil, "must be sealed; restante account seal --oauth NAME prints it")
	needs("client_secret", t.ClientSecret != "" && b.keyFile() == "", "nothing says where the key is that it is sealed with; set key_file in [auth]")
	needs("client_secret_file", oauth.Offers(preset, g) && g == oauth.ClientCredentials && t.ClientSecret+t.ClientSecretFile == "", "is missing; client_credentials needs the client's secret")
	needs("key_file", g == oauth.ServiceAccount && t.KeyFile == "", "is missing; it is the file with the service account's key")
	needs("tenant", t.Tenant != "" && !oauth.NeedsTenant(preset), "is for Microsoft 365 only")
	needs("tenant", strings.ContainsAny(t.Tenant, "/?#% "), "is not the name or ID of a directory")
	needs("tenant", oauth.NeedsTenant(preset) && g == oauth.ClientCredentials && t.Tenant == "", "is missing; client_credentials needs the directory's ID or domain")
	needs("issuer", preset == "oidc" && t.Issuer+t.TokenURL == "", "is missing; write the provider's URL, or token_url and the other endpoints")
	needs("issuer", preset != "oidc" && t.Issuer != "", "is for the preset oidc; %s is known without", preset)
	needs("grant", g == oauth.User && b.State == "", "tokens that a person consents to are kept in the state file; name one with state = \"FILE\"")
}

// secretFile reads a file that nobody else should be able to read.
func (b *builder) secretFile(path, name string) []byte {
	data, err := b.files.read(name)
	switch {
	case err != nil:
		b.addf(path, "%s: %v", name, err)
	case len(strings.TrimSpace(string(data))) == 0:
		b.addf(path, "%s is empty", name)
	}
	if info, err := os.Stat(name); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		b.warnf(path, "everybody on this machine may read %s (mode %04o): chmod 600", name, info.Mode().Perm())
	}
	return data
}

func (b *builder) serviceKey(path, name string) *oauth.Key {
	data := b.secretFile(path, name)
	if b.failed[path] {
		return nil
	}
	key, err := oauth.ParseKey(data)
	if err != nil {
		b.addf(path, "%s: %v", name, err)
	}
	return key
}

// OAuth finds a provider by name; nil if there is none.
func (s *Snapshot) OAuth(name string) *OAuth {
	for _, o := range s.Providers {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// checkProviders looks at the accounts that the files name.
func (b *builder) checkProviders() {
	for i, a := range b.accounts {
		if a.Upstream.Method != auth.ByOAuth2 || a.Upstream.Provider == "" {
			continue
		}
		path := element("account", i)
		j := slices.IndexFunc(b.oauth, func(o *OAuth) bool { return o.Name == a.Upstream.Provider })
		if j < 0 {
			if b.OAuth[a.Upstream.Provider] == nil {
				b.addf(child(path, "provider"), "there is no [oauth.%s]", clip(a.Upstream.Provider, 80))
			}
			continue
		}
		if _, err := b.oauth[j].Provider(a.Upstream.Grant); err != nil {
			b.addf(child(path, "grant"), "%v", err)
		}
	}
}
