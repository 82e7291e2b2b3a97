package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

// TestManyTopicsAreCheapToMake makes 20,000 topics as an administrator does. Each
// is on disk before the answer, and what is written for it stays small, rewrites
// of the file included: with a rewrite for each change it would be 2 MB.
func TestManyTopicsAreCheapToMake(t *testing.T) {
	const topics, workers = 20_000, 16
	var written, syncs atomic.Int64
	counting := vfs.WithFaults(vfs.OS, func(op vfs.Op, path string, n int) (int, error) {
		switch {
		case !strings.Contains(path, "/config/topics.json"):
		case op == vfs.OpWrite:
			written.Add(int64(n))
		case op == vfs.OpSync:
			syncs.Add(1)
		}
		return n, nil
	})
	cfg := rigConfig(t)
	b, err := New(Config{Broker: cfg, Logger: slog.New(slog.DiscardHandler), FS: counting})
	require.NoError(t, err)
	require.NoError(t, b.Start(context.Background()))
	r := &rig{Broker: b, cfg: cfg}
	t.Cleanup(r.shutdown)
	began := time.Now()
	g := run.NewGroup(t.Context())
	for w := range workers {
		p := r.dial(t)
		g.Go("administrator", func(context.Context) error {
			for i := w; i < topics; i += workers {
				p.ok(protocol.ReqUpdateAndCreateTopic, createHeader(fmt.Sprintf("topic-of-some-%06d", i)), nil, nil)
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	t.Log(written.Load()/topics, "bytes and", float64(syncs.Load())/topics, "syncs for a topic,", time.Since(began))
	require.Less(t, written.Load()/topics, int64(2000))
	require.Less(t, syncs.Load(), int64(topics))

	// What a kill would leave has them all.
	after, err := New(Config{Broker: cfg, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, r.Stop(context.Background()))
	require.NoError(t, after.Start(context.Background()))
	require.Equal(t, b.topics.Len(), after.topics.Len())
	require.NoError(t, after.Stop(context.Background()))
}
