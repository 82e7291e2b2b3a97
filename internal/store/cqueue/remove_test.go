package cqueue

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

// counting counts the directories that are listed.
type counting struct {
	vfs.FS
	lists atomic.Int64
}

func (c *counting) ReadDir(path string) ([]vfs.Info, error) {
	c.lists.Add(1)
	return c.FS.ReadDir(path)
}

func TestRemoveBeforeLooksOnlyWhereThereIsSomething(t *testing.T) {
	ctx := context.Background()
	fs := &counting{FS: vfs.NewMem()}
	s := newSet(fs, nil)
	for i := range 50 {
		fill(t, s, fmt.Sprintf("small%d", i), 0, 5)
	}
	fill(t, s, "large", 0, 35) // files 0, 10, 20, 30
	require.NoError(t, s.Close())

	s = newSet(fs, nil) // which does not know yet
	require.NoError(t, s.RemoveBefore(ctx, 12*unitSpan))
	from, _, _ := offsets(t, s, "large")
	require.EqualValues(t, 10, from, "the first file is gone")
	fs.lists.Store(0)
	fill(t, s, "new", 0, 5)
	fs.lists.Store(0)
	require.NoError(t, s.RemoveBefore(ctx, 19*unitSpan))
	require.Zero(t, fs.lists.Load(), "the next file goes to 19, and the new queue has one only")
	require.NoError(t, s.RemoveBefore(ctx, 20*unitSpan))
	require.EqualValues(t, 1, fs.lists.Load())
	from, to, _ := offsets(t, s, "large")
	require.EqualValues(t, 20, from)
	require.EqualValues(t, 35, to)

	fill(t, s, "small7", 5, 12) // gets a second file
	require.NoError(t, s.RemoveBefore(ctx, 10*unitSpan))
	from, to, _ = offsets(t, s, "small7")
	require.EqualValues(t, 10, from)
	require.EqualValues(t, 12, to)
	require.NoError(t, s.RemoveBefore(ctx, 1<<40), "the last file stays")
	fill(t, s, "small7", 12, 13)
	require.NoError(t, s.Close())
}

func TestHiddenUnitsAreBelowMin(t *testing.T) {
	fs := vfs.NewMem()
	s := newSet(fs, nil)
	fill(t, s, "T", 0, 25)
	q, err := s.Queue("T", 0)
	require.NoError(t, err)
	check := func(want int64) {
		t.Helper()
		got, err := q.Min()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	q.Hide(7*unitSpan + 1)
	check(8)
	q.Hide(3 * unitSpan)
	check(8)
	q.Hide(25 * unitSpan)
	check(25)
	fill(t, s, "T", 25, 26)
	check(25)
	require.EqualValues(t, 25*unitSpan, q.Floor())
	require.NoError(t, s.Close())

	s = newSet(fs, nil)
	s.cfg.Floor = func(k Key) int64 { return 20 * unitSpan }
	from, to, _ := offsets(t, s, "T")
	require.EqualValues(t, 20, from)
	require.EqualValues(t, 26, to)
	require.NoError(t, s.Close())
}

// TestReadersDoNotNoticeRemoval reads while the files go: a read gives the right
// units or none, never an error.
func TestReadersDoNotNoticeRemoval(t *testing.T) {
	ctx := context.Background()
	const units = 3000
	s := NewSet(Config{
		FS: vfs.OS, Dir: t.TempDir(), FileSize: 10 * UnitSize, LogMin: func() int64 { return 0 }, OpenFiles: 2,
	})
	fill(t, s, "T", 0, units)
	require.NoError(t, s.Flush(ctx, units*unitSpan)) // lets go of what readers could find in memory
	q, err := s.Queue("T", 0)
	require.NoError(t, err)
	var readers sync.WaitGroup
	var done atomic.Bool
	problems := make(chan error, 4)
	for range 4 {
		readers.Go(func() {
			buf := make([]Unit, 7)
			for off := int64(0); !done.Load(); off = (off + 13) % units {
				from := max(off, q.minNow())
				n, err := q.Read(buf, from)
				for i, u := range buf[:n] {
					if u != unitOf(from+int64(i)) {
						err = fmt.Errorf("unit %d is %v", from+int64(i), u)
					}
				}
				if err == nil {
					_, err = q.First(func(u Unit) (bool, error) { return u.Phy >= off*unitSpan, nil })
				}
				if err != nil {
					problems <- err
					return
				}
			}
		})
	}
	for phy := int64(0); phy < units*unitSpan; phy += 10 * unitSpan {
		require.NoError(t, s.RemoveBefore(ctx, phy))
	}
	done.Store(true)
	readers.Wait()
	close(problems)
	require.NoError(t, <-problems)
	require.NoError(t, s.Close())
}

func (q *Queue) minNow() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.min
}

func TestAFileOpenedBeforeItsRemovalIsNotKept(t *testing.T) {
	mem := vfs.NewMem()
	var h *handles
	fs := vfs.WithFaults(mem, func(op vfs.Op, path string, _ int) (int, error) {
		if op == vfs.OpOpen && strings.HasSuffix(path, "f") {
			require.NoError(t, h.remove("/other")) // while f is being opened
		}
		return 0, nil
	})
	h = newHandles(fs, 4)
	_, err := mem.Create("/f")
	require.NoError(t, err)
	f, err := h.get("/f", 0)
	require.NoError(t, err)
	require.True(t, f.gone)
	require.Empty(t, h.mu.byPath)
	require.NoError(t, h.put(f))
}
