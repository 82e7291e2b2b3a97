package cluster

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCluster(t *testing.T, nameservers ...string) *Cluster {
	t.Helper()
	c, err := New(Config{Nameservers: nameservers})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
