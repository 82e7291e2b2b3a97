package meta

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

// saverFixture is a saver whose content is the number of changes made.
type saverFixture struct {
	*saver
	mem     *vfs.Mem
	state   atomic.Int64
	writes  atomic.Int64
	padding int
	broken  atomic.Bool
}

var errDisk = errors.New("no space left")

func newSaverFixture() *saverFixture {
	f := &saverFixture{mem: vfs.NewMem()}
	fs := vfs.WithFaults(f.mem, func(_ vfs.Op, _ string, n int) (int, error) {
		if f.broken.Load() {
			return 0, errDisk
		}
		return n, nil
	})
	f.saver = newSaver(fs, "/d/state", func() []byte {
		f.writes.Add(1)
		pass(100 * time.Millisecond) // a slow write
		return strconv.AppendInt(bytes.Repeat([]byte{' '}, f.padding), f.state.Load(), 10)
	}, slog.New(slog.DiscardHandler))
	return f
}

// pass lets the fake clock go on.
func pass(d time.Duration) { <-time.After(d) }

func (f *saverFixture) change() { f.state.Add(1); f.mark() }

func (f *saverFixture) content(t *testing.T) string {
	data, err := vfs.ReadFile(f.mem, "/d/state")
	require.NoError(t, err)
	return strings.TrimSpace(string(data))
}

func TestChangesShareWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSaverFixture()
		f.padding = bigFile
		g := run.NewGroup(t.Context())
		g.Go("saver", f.run)
		waiters := run.NewGroup(t.Context())
		for range 100 {
			waiters.Go("change", func(ctx context.Context) error { f.change(); return f.wait(ctx) })
			pass(10 * time.Millisecond)
		}
		require.NoError(t, waiters.Wait())
		require.Equal(t, "100", f.content(t))
		require.LessOrEqual(t, f.writes.Load(), int64(4), "1 s of changes, a write of 100 ms every 500 ms")
		g.Cancel()
		require.NoError(t, g.Wait())
		require.ErrorIs(t, func() error { f.change(); return f.wait(context.Background()) }(), errSaverStopped)
	})
}

func TestSmallFilesAreWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSaverFixture()
		g := run.NewGroup(t.Context())
		g.Go("saver", f.run)
		began := time.Now()
		for range 10 {
			f.change()
			require.NoError(t, f.wait(t.Context()))
		}
		require.Equal(t, time.Second, time.Since(began), "ten writes and no rest")
		g.Cancel()
		require.NoError(t, g.Wait())
	})
}

func TestFailedWritesAreReportedAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSaverFixture()
		g := run.NewGroup(t.Context())
		g.Go("saver", f.run)
		f.broken.Store(true)
		f.change()
		require.ErrorIs(t, f.wait(t.Context()), errDisk)
		f.broken.Store(false)
		pass(2 * retryRest)
		require.NoError(t, f.wait(t.Context()))
		require.Equal(t, "1", f.content(t))
		g.Cancel()
		require.NoError(t, g.Wait())
	})
}

func TestStopWritesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSaverFixture()
		g := run.NewGroup(t.Context())
		g.Go("saver", f.run)
		f.padding = bigFile
		f.change()
		require.NoError(t, f.wait(t.Context()))
		f.change() // while the writer rests
		g.Cancel()
		require.NoError(t, g.Wait())
		require.Equal(t, "2", f.content(t))
	})
}
