package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/restante-mail/restante/secret"
)

func mustSeal(t *testing.T, k *Keyring, account, purpose, plain string) string {
	t.Helper()
	sealed, err := k.Seal(account, purpose, secret.New(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t *testing.T, k *Keyring, account, purpose, sealed, want string) {
	t.Helper()
	plain, err := k.Open(account, purpose, sealed)
	if err != nil || plain.Reveal() != want {
		t.Errorf("Open for %q, %q: %q, %v; want %q", account, purpose, plain.Reveal(), err, want)
	}
}

func freshKeyring(t *testing.T) *Keyring {
	return NewKeyring(filepath.Join(t.TempDir(), "restante.key"))
}

func TestSeal(t *testing.T) {
	k := freshKeyring(t)
	if _, err := k.Open("alice", "p", mustSeal(t, freshKeyring(t), "alice", "p", "x")); !errors.Is(err, ErrNoKeyFile) {
		t.Errorf("without a key file: %v", err)
	}
	for _, plain := range []string{"s3cr3t", "", "with spaces, \x00 and \xff", strings.Repeat("x", maxSealed)} {
		sealed := mustSeal(t, k, "alice", "p", plain)
		wantOpen(t, k, "alice", "p", sealed, plain)
		wantOpen(t, k, "ALICE", "p", sealed, plain)
		wantOpen(t, NewKeyring(k.Path()), "alice", "p", sealed, plain)
		if again := mustSeal(t, k, "alice", "p", plain); again == sealed {
			t.Error("the same value twice: the nonce is not random")
		}
		if plain != "" && strings.Contains(sealed, plain) {
			t.Error("the secret shows")
		}
	}
	if _, err := k.Seal("alice", "p", secret.New(strings.Repeat("x", maxSealed+1))); err == nil {
		t.Error("a secret beyond the bound was sealed")
	}
	if info, err := os.Stat(k.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v; want mode 0600", info.Mode(), err)
	}
}

// A value opens for its own account and purpose only, and not if one octet of
// it is different.
func TestSealIsBound(t *testing.T) {
	k := freshKeyring(t)
	sealed := mustSeal(t, k, "ab", "cd", "s3cr3t")
	for _, other := range [][2]string{{"ab", "c"}, {"a", "bcd"}, {"abcd", ""}, {"", "abcd"}, {"ab", "ce"}, {"cd", "ab"}, {"ab 2", "cd"}} {
		if _, err := k.Open(other[0], other[1], sealed); !errors.Is(err, ErrSealBroken) {
			t.Errorf("for %q: %v; want ErrSealBroken", other, err)
		}
	}
	for i := range sealed {
		altered := []byte(sealed)
		altered[i] = 'A'
		if sealed[i] == 'A' {
			altered[i] = 'B'
		}
		if plain, err := k.Open("ab", "cd", string(altered)); err == nil {
			t.Errorf("with octet %d altered it opens: %q", i, plain.Reveal())
		}
	}
	for _, other := range []string{"", "s3cr3t", "sealed:1:", "sealed:1:00000000:", "sealed:1:00000000:AAAA", sealed + "=", sealed[:len(sealed)-4]} {
		if plain, err := k.Open("ab", "cd", other); err == nil {
			t.Errorf("%q opens: %q", other, plain.Reveal())
		}
	}
}

func TestRotate(t *testing.T) {
	k := freshKeyring(t)
	first := mustSeal(t, k, "alice", "p", "one")
	other := NewKeyring(k.Path()) // of a process that runs meanwhile
	wantOpen(t, other, "alice", "p", first, "one")
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	second := mustSeal(t, k, "alice", "p", "two")
	for _, ring := range []*Keyring{k, other} {
		wantOpen(t, ring, "alice", "p", first, "one")
		wantOpen(t, ring, "alice", "p", second, "two")
		old, err1 := ring.Current(first)
		current, err2 := ring.Current(second)
		if old || !current || err1 != nil || err2 != nil {
			t.Errorf("Current: %v, %v; %v, %v", old, err1, current, err2)
		}
	}
	if n, err := k.Retire(); n != 1 || err != nil {
		t.Errorf("Retire: %d, %v", n, err)
	}
	wantOpen(t, other, "alice", "p", second, "two")
	if _, err := other.Open("alice", "p", first); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a value of a retired key: %v; want ErrUnknownKey", err)
	}
	if n, err := k.Retire(); n != 0 || err != nil {
		t.Errorf("Retire again: %d, %v", n, err)
	}
	if err := k.Create(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a key file: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(k.Path()), ".restante-key-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Whoever needs a key first makes the file, and all have the same.
func TestFirstNeedTogether(t *testing.T) {
	path := freshKeyring(t).Path()
	sealed := make([]string, 8)
	var all sync.WaitGroup
	for i := range sealed {
		all.Go(func() { sealed[i], _ = NewKeyring(path).Seal("alice", "p", secret.New("x")) })
	}
	all.Wait()
	for _, s := range sealed {
		wantOpen(t, NewKeyring(path), "alice", "p", s, "x")
	}
}

func TestBadKeyFiles(t *testing.T) {
	k := freshKeyring(t)
	sealed := mustSeal(t, k, "alice", "p", "x")
	good, err := os.ReadFile(k.Path())
	if err != nil {
		t.Fatal(err)
	}
	last := string(good[strings.LastIndex(string(good), keyWord):])
	swapped := strings.Replace(last, last[25:29], "AAAA", 1)
	for name, text := range map[string]string{
		"empty": "", "comment only": "# key\n", "another file": "-----BEGIN PRIVATE KEY-----\n", "cut": string(good[:len(good)-5]),
		"an octet altered": swapped, "another word": strings.Replace(last, "key", "kez", 1), "too large": strings.Repeat("#\n", maxKeyFile),
	} {
		if err := os.WriteFile(k.Path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewKeyring(k.Path()).Open("alice", "p", sealed); err == nil || strings.Contains(err.Error(), last[25:60]) {
			t.Errorf("%s: %v; want an error that does not show the key", name, err)
		}
		if _, err := NewKeyring(k.Path()).Seal("alice", "p", secret.New("x")); err == nil {
			t.Errorf("%s: it sealed", name)
		}
	}
	if err := errors.Join(os.WriteFile(k.Path(), good, 0o600), os.Chmod(k.Path(), 0o640)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewKeyring(k.Path()).Open("alice", "p", sealed); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key file that others may read: %v", err)
	}
}
