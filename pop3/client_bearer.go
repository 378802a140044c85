package pop3

import (
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/secret"
)

// NewXOAuth2Client is the client side of XOAUTH2, Google's and Microsoft's
// mechanism for bearer tokens.
func NewXOAuth2Client(user string, token secret.Text) sasl.Client {
	return &xoauth2Client{user, token}
}

type xoauth2Client struct {
	user  string
	token secret.Text
}

func (x *xoauth2Client) Start() (string, []byte, error) {
	if err := checkBearer(x.user, x.token); err != nil {
		return "", nil, err
	}
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token.Reveal() + "\x01\x01"), nil
}

// Next answers the server's account of an error, a JSON text, with the empty
// line that makes the server say -ERR.
func (x *xoauth2Client) Next([]byte) ([]byte, error) { return nil, nil }

// NewOAuthBearerClient is the client side of OAUTHBEARER (RFC 7628).
func NewOAuthBearerClient(user string, token secret.Text) sasl.Client {
	return &oauthBearerClient{user: user, token: token}
}

type oauthBearerClient struct {
	user  string
	token secret.Text
	sasl.Client
}

// saslName writes a name as RFC 5801 section 4 wants it; go-sasl does not.
var saslName = strings.NewReplacer("=", "=3D", ",", "=2C")

func (o *oauthBearerClient) Start() (string, []byte, error) {
	if err := checkBearer(o.user, o.token); err != nil {
		return "", nil, err
	}
	o.Client = sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
		Username: saslName.Replace(o.user), Token: o.token.Reveal(),
	})
	return o.Client.Start()
}

// checkBearer keeps the separators of both mechanisms out of what they
// separate.
func checkBearer(user string, token secret.Text) error {
	control := func(r rune) bool { return r < ' ' || r == 0x7F }
	if token.Empty() || strings.ContainsFunc(user+token.Reveal(), control) {
		return fmt.Errorf("%w: user or token has control characters, or there is no token", ErrArgument)
	}
	return nil
}
