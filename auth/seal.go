package auth

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/restante-mail/restante/secret"
)

// A Keyring seals secrets with the keys of a file, and opens what was sealed.
// A sealed value is a line of text. It is bound to an account and a purpose: put
// in another place it does not open. The file is read at first need, and again
// when it was replaced. A Keyring is safe for concurrent use.
type Keyring struct {
	path string

	mu   sync.Mutex
	keys []key       // the first seals
	read os.FileInfo // of the file as it was read; nil: it was not
}

type key struct {
	id   string
	made string // the day, for people
	raw  []byte
}

// What can be wrong with a key file or a sealed value; use errors.Is.
var (
	// ErrNoKeyFile: there is none yet.
	ErrNoKeyFile = errors.New("there is no key file: name the right one, or make one with \"restante account keygen\"")
	// ErrUnknownKey: the value was sealed with a key that the file does not have.
	ErrUnknownKey = errors.New("it was sealed with a key that the key file does not have: restore the right key file, or seal the secret anew")
	// ErrSealBroken: the value is damaged, or belongs elsewhere.
	ErrSealBroken = errors.New("it was sealed for another account or purpose, or was altered: seal the secret anew")
)

const (
	sealedPrefix = "sealed:1:"
	keyWord      = "key"
	// maxKeyFile holds more keys than anybody makes.
	maxKeyFile = 64 << 10
	// maxSealed octets of a secret: a service account's key file has 3 KiB, a
	// token up to 8.
	maxSealed = 64 << 10
)

// NewKeyring returns the keyring of a file, which need not exist yet.
func NewKeyring(path string) *Keyring { return &Keyring{path: path} }

// Path is where the key file is.
func (k *Keyring) Path() string { return k.path }

// Seal seals a secret with the newest key. If there is no key file it makes one.
func (k *Keyring) Seal(account, purpose string, plain secret.Text) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(plain.Reveal()) > maxSealed {
		return "", fmt.Errorf("a secret of more than %d octets", maxSealed)
	}
	err := k.load()
	if errors.Is(err, ErrNoKeyFile) {
		if err = k.create(); errors.Is(err, fs.ErrExist) || err == nil { // or another process was faster
			err = k.load()
		}
	}
	if err != nil {
		return "", err
	}
	newest := k.keys[0]
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce) // never fails
	box := newest.aead().Seal(nonce, nonce, []byte(plain.Reveal()), boundTo(account, purpose))
	return sealedPrefix + newest.id + ":" + base64.RawURLEncoding.EncodeToString(box), nil
}

// Open opens a value that was sealed for the same account and purpose.
func (k *Keyring) Open(account, purpose, sealed string) (secret.Text, error) {
	plain, err := k.open(account, purpose, sealed)
	if err != nil {
		return secret.Text{}, fmt.Errorf("the sealed %s of account %q: %w", purpose, account, err)
	}
	return secret.New(string(plain)), nil
}

func (k *Keyring) open(account, purpose, sealed string) ([]byte, error) {
	id, box, err := splitSealed(sealed)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return nil, err
	}
	for _, candidate := range k.keys {
		if candidate.id != id {
			continue
		}
		n := chacha20poly1305.NonceSizeX
		plain, err := candidate.aead().Open(nil, box[:n], box[n:], boundTo(account, purpose))
		if err != nil {
			return nil, ErrSealBroken
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w (key %s, file %s)", ErrUnknownKey, id, k.path)
}

// Current tells whether a value is sealed with the newest key.
func (k *Keyring) Current(sealed string) (bool, error) {
	id, _, err := splitSealed(sealed)
	if err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return false, err
	}
	return k.keys[0].id == id, nil
}

// Create makes the key file. It fails with fs.ErrExist if there is one.
func (k *Keyring) Create() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.create()
}

// Rotate adds a key, which seals from now on. The old ones still open.
func (k *Keyring) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return err
	}
	return k.replace(append([]key{newKey()}, k.keys...))
}

// Retire forgets all keys but the newest, and returns how many those were. What
// is still sealed with them is lost.
func (k *Keyring) Retire() (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return 0, err
	}
	old := len(k.keys) - 1
	if old == 0 {
		return 0, nil
	}
	return old, k.replace(k.keys[:1])
}

// load reads the file if it is not the one that was read.
func (k *Keyring) load() error {
	info, err := os.Stat(k.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", k.path, ErrNoKeyFile)
	case err != nil:
		return fmt.Errorf("key file: %w", err)
	case k.read != nil && os.SameFile(k.read, info) && k.read.ModTime().Equal(info.ModTime()) && k.read.Size() == info.Size():
		return nil
	}
	if err := checkMode(info); err != nil {
		return fmt.Errorf("key file %s: %w", k.path, err)
	}
	keys, err := readKeys(k.path)
	if err != nil {
		return fmt.Errorf("key file %s: %w", k.path, err)
	}
	k.keys, k.read = keys, info
	return nil
}

// checkMode refuses a file that others can read.
func checkMode(info os.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return errors.New("is not a plain file")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others may read it (mode %04o): chmod 600", info.Mode().Perm())
	}
	return nil
}

func readKeys(path string) ([]key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("is larger than %d octets", maxKeyFile)
	}
	return parseKeys(string(text))
}

// parseKeys reads lines "key ID DAY BASE64"; # begins a comment. The ID proves
// that the key was not mistyped.
func parseKeys(text string) (keys []key, err error) {
	line := 0
	for l := range strings.Lines(text) {
		line++
		fields := strings.Fields(l)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 4 || fields[0] != keyWord {
			return nil, fmt.Errorf("line %d is not a key", line)
		}
		raw, err := base64.StdEncoding.DecodeString(fields[3])
		if err != nil || len(raw) != chacha20poly1305.KeySize || keyID(raw) != fields[1] {
			return nil, fmt.Errorf("the key in line %d is damaged", line)
		}
		keys = append(keys, key{id: fields[1], made: fields[2], raw: raw})
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return keys, nil
}

func newKey() key {
	raw := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(raw) // never fails
	return key{id: keyID(raw), made: time.Now().UTC().Format(time.DateOnly), raw: raw}
}

// keyID names a key without telling anything of it.
func keyID(raw []byte) string {
	sum := sha256.Sum256(append([]byte("restante key id\x00"), raw...))
	return hex.EncodeToString(sum[:4])
}

func (k key) aead() cipher.AEAD {
	aead, _ := chacha20poly1305.NewX(k.raw) // fails only for another length
	return aead
}

const keyFileHead = `# Restante seals secrets with the first key, and opens older ones with the rest.
# Whoever can read this file can read them all. Without it they are lost: back it
# up, and not beside the state file.
`

// create makes the file, whole or not at all.
func (k *Keyring) create() error {
	temporary, err := k.write([]key{newKey()})
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }() // the key file is another name of it
	if err := os.Link(temporary, k.path); err != nil {
		return fmt.Errorf("make the key file: %w", err)
	}
	return syncDirectory(filepath.Dir(k.path))
}

// replace exchanges the file for one with other keys.
func (k *Keyring) replace(keys []key) error {
	temporary, err := k.write(keys)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, k.path); err != nil {
		return errors.Join(fmt.Errorf("replace the key file: %w", err), os.Remove(temporary))
	}
	return errors.Join(syncDirectory(filepath.Dir(k.path)), k.load())
}

// write makes a file beside the key file, private from its first moment.
func (k *Keyring) write(keys []key) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(k.path), ".restante-key-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("make the key file: %w", err)
	}
	var b bytes.Buffer
	b.WriteString(keyFileHead)
	for _, key := range keys {
		fmt.Fprintln(&b, keyWord, key.id, key.made, base64.StdEncoding.EncodeToString(key.raw))
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write the key file: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// boundTo is the associated data: with lengths, so that no two pairs are one.
func boundTo(account, purpose string) []byte {
	account = Fold(account)
	return fmt.Appendf(nil, "restante sealed 1 %d:%s %d:%s", len(account), account, len(purpose), purpose)
}

// CheckSealed tells whether a text may be a sealed value.
func CheckSealed(sealed string) error {
	_, _, err := splitSealed(sealed)
	return err
}

var errNotSealed = errors.New("is not a sealed value, as \"restante account seal\" makes it")

func splitSealed(sealed string) (id string, box []byte, err error) {
	rest, ok := strings.CutPrefix(sealed, sealedPrefix)
	id, text, ok2 := strings.Cut(rest, ":")
	box, err = base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || !ok2 || err != nil || len(box) < chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return "", nil, errNotSealed
	}
	return id, box, nil
}
