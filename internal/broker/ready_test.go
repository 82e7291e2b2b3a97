package broker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// TestReadySaysWhatTheStoreIsAt looks while the store is opened, while it works and
// when it is fenced; and a start ends with its context.
func TestReadySaysWhatTheStoreIsAt(t *testing.T) {
	cfg := rigConfig(t)
	quiet := func(vfs.Op, string) error { return nil }
	var during atomic.Value // of func(vfs.Op, string) error: the broker's goroutines call it
	during.Store(quiet)
	fs := vfs.WithFaults(vfs.OS, func(op vfs.Op, path string, _ int) (int, error) {
		return 0, during.Load().(func(vfs.Op, string) error)(op, path)
	})
	newBroker := func() *Broker {
		b, err := New(Config{Broker: cfg, FS: fs, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		require.EqualError(t, b.Ready(), "starting: opening the store")
		return b
	}
	b := newBroker()
	require.NoError(t, b.Start(context.Background()))
	require.NoError(t, b.Ready())
	require.NoError(t, b.store.Put(context.Background(), &message.Message{Topic: "T", Body: []byte("x"), BornHost: b.Addr()}).Err)
	require.NoError(t, b.Stop(context.Background()))

	b = newBroker()
	reg := prometheus.NewRegistry()
	require.NoError(t, b.RegisterStartMetrics(reg))
	ctx, cancel := context.WithCancel(context.Background())
	during.Store(func(op vfs.Op, path string) error {
		if op == vfs.OpRead && strings.Contains(path, "commitlog") && strings.Contains(b.Ready().Error(), "reading") {
			require.Regexp(t, `^starting: reading the commit log, 0\.0 of 0\.0 MB`, b.Ready().Error())
			families, err := reg.Gather()
			require.NoError(t, err)
			require.Len(t, families, 3)
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, b.Start(ctx), context.Canceled)

	during.Store(quiet)
	b = newBroker()
	require.NoError(t, b.RegisterStartMetrics(prometheus.NewRegistry()))
	require.NoError(t, b.Start(context.Background()))
	failing := errors.New("input/output error")
	during.Store(func(op vfs.Op, _ string) error {
		if op == vfs.OpSync {
			return failing
		}
		return nil
	})
	require.NoError(t, b.store.Put(context.Background(), &message.Message{Topic: "T", Body: []byte("x"), BornHost: b.Addr()}).Err)
	if err := b.store.FlushLog(); err != nil { // unless the store's own goroutine was first
		require.ErrorIs(t, err, failing)
	}
	require.ErrorContains(t, b.Ready(), "the store is fenced after: sync of the commit log: input/output error")
	during.Store(quiet)
	require.NoError(t, b.Stop(context.Background()))
}
