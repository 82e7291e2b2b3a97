package offsets

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

func broadcast(t *testing.T, online map[string]bool) (*Broadcast, *Table) {
	table := open(t, vfs.NewMem())
	return NewBroadcast(BroadcastConfig{
		Offsets:       table,
		Online:        func(_, client string) bool { return online[client] },
		Start:         func(string, int32) int64 { return 1000 },
		OfflineExpiry: func() time.Duration { return 120 * time.Second },
		IdleExpiry:    func() time.Duration { return 300 * time.Second },
	}), table
}

func TestDirectClientKeepsItsOffset(t *testing.T) {
	b, _ := broadcast(t, nil)
	_, ok := b.Init("g", "t", 0, "c", 5, false)
	require.False(t, ok)
	b.Pulled("g", "t", 0, "c", 5, false)
	_, ok = b.Init("g", "t", 0, "c", -1, false)
	require.False(t, ok)
}

func TestSwitchBetweenProxyAndDirect(t *testing.T) {
	b, _ := broadcast(t, nil)
	offset, ok := b.Init("g", "t", 0, "c", -1, true)
	require.True(t, ok, "a proxy without an offset")
	require.EqualValues(t, 1000, offset)
	b.Pulled("g", "t", 0, "c", 30, true)
	b.Pulled("g", "t", 0, "c", 20, true)
	offset, ok = b.Init("g", "t", 0, "c", 7, false)
	require.True(t, ok, "now direct")
	require.EqualValues(t, 30, offset, "offsets only grow")
	b.Pulled("g", "t", 0, "c", 31, false)
	_, ok = b.Init("g", "t", 0, "c", 31, false)
	require.False(t, ok)
	offset, ok = b.Init("g", "t", 1, "c", 7, true)
	require.True(t, ok)
	require.EqualValues(t, 1000, offset, "nothing known of this queue")
}

func TestScanCommitsTheLowestAndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		online := map[string]bool{"on": true}
		b, table := broadcast(t, online)
		g := run.NewGroup(t.Context())
		g.Go("broadcast", func(ctx context.Context) error { return b.Run(ctx) })
		b.Pulled("g", "t", 0, "on", 50, false)
		b.Pulled("g", "t", 0, "off", 40, false)
		<-time.After(6 * time.Second)
		offset, ok := table.Query("g@broadcast", "t", 0)
		require.True(t, ok)
		require.EqualValues(t, 40, offset)
		<-time.After(120 * time.Second)
		offset, _ = table.Query("g@broadcast", "t", 0)
		require.EqualValues(t, 50, offset, "the client that went away no longer counts")
		<-time.After(200 * time.Second)
		synctest.Wait()
		require.Empty(t, b.mu.groups)
		require.Zero(t, b.mu.clients)
		offset, _ = b.Init("g", "t", 0, "new", -1, true)
		require.EqualValues(t, 50, offset)
		g.Cancel()
		require.NoError(t, g.Wait())
	})
}
