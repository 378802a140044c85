package config

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante-mail/restante/auth/oauth"
	"github.com/restante-mail/restante/secret"
)

// oauthDir has the files that providers name.
func oauthDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	for name, text := range map[string]string{"secret": "s3cret\n", "empty": "\n", "key.pem": string(pemKey)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOAuthProviders(t *testing.T) {
	dir := oauthDir(t)
	s, err := loadSnapshot(filepath.Join(write(t, dir, "c.toml", `state = "s.db"
`+good+`
[oauth.m365]
preset = "microsoft365"
tenant = "example.com"
client_id = "abc"
client_secret_file = "secret"
[oauth.google]
preset = "google"
client_id = "robot"
client_secret_file = "secret"
key_file = "key.pem"
[oauth.own]
issuer = "https://id.example.com"
client_id = "abc"
client_secret_file = "secret"
client_auth = "header"
device_url = "https://id.example.com/other"
scopes = ["mail"]
redirect = "http://127.0.0.1:8765/back"
`), "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, grant string
		want        oauth.Grant
		token       string
	}{
		{"m365", "", oauth.User, "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"},
		{"m365", "client_credentials", oauth.ClientCredentials, "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"},
		{"google", "", oauth.User, "https://oauth2.googleapis.com/token"},
		{"google", "service_account", oauth.ServiceAccount, "https://oauth2.googleapis.com/token"},
		{"own", "code", oauth.User, ""},
	} {
		p, err := s.OAuth(test.name).Provider(test.grant)
		if err != nil || p.Grant != test.want || p.Endpoints.Token != test.token || p.ClientSecret.Reveal() != "s3cret" || len(p.Scopes) == 0 {
			t.Errorf("%s %s: %+v, %v", test.name, test.grant, p, err)
		}
	}
	own, _ := s.OAuth("own").Provider("")
	if !own.SecretInHeader || own.Endpoints.Device != "https://id.example.com/other" || own.Scopes[0] != "mail" || own.Redirect != "http://127.0.0.1:8765/back" {
		t.Errorf("own: %+v", own)
	}
	for _, bad := range [][2]string{{"m365", "service_account"}, {"google", "client_credentials"}, {"own", "password"}} {
		if p, err := s.OAuth(bad[0]).Provider(bad[1]); err == nil {
			t.Errorf("%s gives %s: %+v", bad[0], bad[1], p)
		}
	}
	if google, _ := s.OAuth("google").Provider("code"); google.Redirect != "http://127.0.0.1:0/" || google.Ask["access_type"] != "offline" {
		t.Errorf("google: %+v", google)
	}
	own.ClientSecret = secret.Text{}
	s.OAuth("own").Open(secret.New("opened"))
	if own.ClientSecret.Reveal() != "opened" || s.OAuth("nobody") != nil {
		t.Error("a sealed secret is not put in")
	}
}

func TestOAuthMistakes(t *testing.T) {
	for lines, want := range map[string]string{
		`preset = "gmail"`: `oauth.p.preset: "gmail" is not known; write one of google, microsoft365, oidc`,
		`preset = "google"
grant = "device"
client_id = "x"`: "oauth.p.grant: Google gives no mail to device codes",
		`preset = "google"
grant = "client_credentials"
client_id = "x"`: "oauth.p.grant: google does not offer this for mail",
		`preset = "google"
grant = "password"
client_id = "x"`: `oauth.p.grant: "password" is not known; write one of device, code, client_credentials, service_account`,
		`preset = "google"`: "oauth.p.client_id: is missing",
		`preset = "google"
grant = "service_account"`: "oauth.p.key_file: is missing",
		`preset = "google"
grant = "service_account"
key_file = "secret"`: "there is no PEM in it",
		`preset = "google"
client_id = "x"
tenant = "y"`: "oauth.p.tenant: is for Microsoft 365 only",
		`preset = "microsoft365"
client_id = "x"
tenant = "a/b"`: "oauth.p.tenant: is not the name or ID of a directory",
		`preset = "microsoft365"
client_id = "x"
client_secret_file = "secret"
grant = "client_credentials"`: "oauth.p.tenant: is missing",
		`preset = "microsoft365"
client_id = "x"
tenant = "y"
grant = "client_credentials"`: "oauth.p.client_secret_file: is missing",
		`preset = "microsoft365"
client_id = "x"
issuer = "https://a.example"`: "oauth.p.issuer: is for the preset oidc",
		`client_id = "x"`: "oauth.p.issuer: is missing",
		`client_id = "x"
issuer = "http://id.example.com"`: "oauth.p.issuer: is not the URL of an endpoint; write one that begins with https://",
		`client_id = "x"
token_url = "https://id.example.com/#x"`: "oauth.p.token_url: is not the URL",
		`client_id = "x"
issuer = "https://id.example.com"
redirect = "https://id.example.com/"`: "oauth.p.redirect: is not the URL of a port of this machine",
		`client_id = "x"
issuer = "https://id.example.com"
client_auth = "query"`: `oauth.p.client_auth: "query" is not known`,
		`client_id = "x"
issuer = "https://id.example.com"
client_secret_file = "empty"`: "empty is empty",
		`client_id = "x"
issuer = "https://id.example.com"
client_secret_file = "gone"`: "gone: no such file",
		`client_id = "x"
issuer = "https://id.example.com"
client_secret = "sealed:1:x"
client_secret_file = "secret"`: "oauth.p.client_secret: is there twice",
		`client_id = "x"
issuer = "https://id.example.com"
client_secret = "s3cret"`: "oauth.p.client_secret: must be sealed",
		`client_id = "x"
issuer = "https://id.example.com"
secret = "plain"`: `oauth.p.secret: unknown key`,
	} {
		dir := oauthDir(t)
		_, err := loadSnapshot(filepath.Join(write(t, dir, "c.toml", "state = \"s.db\"\n"+good+"[oauth.p]\n"+lines+"\n"), "c.toml"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\n%v; want %s", lines, err, want)
		}
	}
}

func TestOAuthNeeds(t *testing.T) {
	for file, want := range map[string]string{
		good + "[oauth.p]\nissuer = \"https://id.example.com\"\nclient_id = \"x\"\n":                                                                                                                           "oauth.p.grant: tokens that a person consents to are kept in the state file",
		"state = \"s.db\"\n" + good + "[[account]]\nname = \"alice\"\nmethod = \"oauth2\"\nprovider = \"nobody\"\n":                                                                                            "account[0].provider: there is no [oauth.nobody]",
		"state = \"s.db\"\n" + good + "[oauth.p]\nissuer = \"https://id.example.com\"\nclient_id = \"x\"\n[[account]]\nname = \"alice\"\nmethod = \"oauth2\"\nprovider = \"p\"\ngrant = \"service_account\"\n": `account[0].grant: provider "p" is not set up for service_account`,
	} {
		_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v; want %s", file, err, want)
		}
	}
}
