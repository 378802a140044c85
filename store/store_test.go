package store_test

import (
	"path/filepath"
	"testing"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := store.Open(filepath.Join(t.TempDir(), "restante.db"), true)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
