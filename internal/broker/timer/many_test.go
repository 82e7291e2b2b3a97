package timer

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// manyWorld has a queue of any length that takes no memory: its records are made
// when they are read.
type manyWorld struct {
	n       int64
	clock   time.Time
	due     func(i int64) int64 // TIMER_OUT_MS of the message at an offset
	rec     []byte
	outAt   int
	written int64
}

const manySize = 1 << 20 // distance of two records in the log, so that a place tells the offset

func (w *manyWorld) MinOffset(string, int32) int64 { return 0 }
func (w *manyWorld) MaxOffset(string, int32) int64 { return w.n }
func (w *manyWorld) LogMin() int64                 { return 0 }
func (w *manyWorld) LogMax() int64                 { return w.n * manySize }
func (w *manyWorld) Flushed() int64                { return w.n * manySize }

func (w *manyWorld) Units(_ string, _ int32, from int64, n int) (units []store.Unit) {
	for i := from; i < min(from+int64(n), w.n); i++ {
		units = append(units, store.Unit{Phy: i * manySize, Size: int32(len(w.rec))})
	}
	return units
}

func (w *manyWorld) Record(phy int64, dst []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, w.rec...)
	message.Finish(dst[at:], phy/manySize, phy, w.clock.UnixMilli(), message.Options{})
	strconv.AppendInt(dst[at+w.outAt:at+w.outAt], w.due(phy/manySize), 10)
	return dst, nil
}

func newManyWorld(t testing.TB, n int64, due func(i int64) int64) *manyWorld {
	const mark = "1234567890123"
	props := message.AppendProperty(nil, message.PropUniqKey, "7F000001AE0B0000ZYXWVUTSRQPONMLK")
	props = message.AppendProperty(props, message.PropTimerOutMs, mark)
	props = message.AppendProperty(props, message.PropRealTopic, "T")
	props = message.AppendProperty(props, message.PropRealQueueID, "3")
	rec, err := message.AppendRecord(nil, &message.Message{Topic: Topic, Body: make([]byte, 128), BornHost: host, StoreHost: host, Properties: string(props)}, message.Options{})
	require.NoError(t, err)
	w := &manyWorld{n: n, due: due, clock: time.UnixMilli(1_800_000_000_000), rec: rec}
	for i := range rec {
		if i+len(mark) <= len(rec) && string(rec[i:i+len(mark)]) == mark {
			w.outAt = i
		}
	}
	return w
}

// TestTenMillionPending takes a minute of CPU and 600 MB of disk: only if
// AEROBEE_TIMER_MANY is set, to the number of messages.
func TestTenMillionPending(t *testing.T) {
	n, _ := strconv.ParseInt(os.Getenv("AEROBEE_TIMER_MANY"), 10, 64)
	if n == 0 {
		t.Skip("AEROBEE_TIMER_MANY is not set")
	}
	began := time.UnixMilli(1_800_000_000_000)
	const burst = 100_000 // due in one second, the others over two days
	w := newManyWorld(t, n, func(i int64) int64 {
		if i%(n/burst) == 0 {
			return began.UnixMilli() + 600_000
		}
		return began.UnixMilli() + 700_000 + i*7919%172_000*1000
	})
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "config"), 0o755))
	cfg := Config{
		Store: w, FS: vfs.OS, Dir: dir, Precision: time.Second, RollWindow: 172800, LogFileSize: 104857600,
		Settings: func() Settings { return Settings{FlushInterval: time.Second} }, Now: func() time.Time { return w.clock }, Log: slog.New(slog.DiscardHandler),
		Deliver: func(_ context.Context, copies []message.Message, outcomes []Outcome) {
			w.written += int64(len(copies))
			for i := range outcomes {
				outcomes[i] = Stored
			}
		},
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc >> 10
	}
	before, from := heap(), cpu()
	s, err := Open(cfg)
	require.NoError(t, err)
	for s.turn(t.Context()) == 0 {
	}
	require.NoError(t, s.Checkpoint())
	require.EqualValues(t, n, s.Stats().Pending)
	fmt.Printf("index %d: %.2f us of CPU each; heap %d KiB more\n", n, float64((cpu()-from).Microseconds())/float64(n), heap()-before)
	require.NoError(t, s.Close())

	from = cpu()
	s, err = Open(cfg)
	require.NoError(t, err)
	fmt.Printf("open again: %v of CPU; heap %d KiB more\n", cpu()-from, heap()-before)
	require.EqualValues(t, n, s.Stats().Pending)
	s.turn(t.Context())
	w.clock = w.clock.Add(602 * time.Second)
	from = cpu()
	for s.turn(t.Context()) == 0 {
	}
	fmt.Printf("deliver %d of one second: %.2f us of CPU each, without their storing\n", w.written, float64((cpu()-from).Microseconds())/float64(w.written))
	require.EqualValues(t, n, w.written+s.Stats().Pending)
	require.NoError(t, s.Close())
}

// cpu is the CPU time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
