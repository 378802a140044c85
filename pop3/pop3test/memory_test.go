package pop3test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	Run(t, func(t *testing.T, messages [][]byte) Fixture {
		m := NewMemory(messages...)
		t.Cleanup(func() {
			for _, breach := range m.Broken() {
				t.Error(breach)
			}
		})
		return m.Fixture()
	})
}
