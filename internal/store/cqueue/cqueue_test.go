package cqueue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

// unitSpan is how far apart the records of these tests begin.
const unitSpan = 100

func newSet(fs vfs.FS, missing func(Key) ([]Located, error)) *Set {
	return NewSet(Config{
		FS: fs, Dir: "/s/consumequeue", FileSize: 10 * UnitSize, LogMin: func() int64 { return 0 }, OpenFiles: 4, Missing: missing,
	})
}

func unitOf(off int64) Unit { return Unit{Phy: off * unitSpan, Size: unitSpan, TagsCode: off} }

// fill appends units to a queue and writes them.
func fill(t *testing.T, s *Set, topic string, from, to int64) {
	q, err := s.Queue(topic, 0)
	require.NoError(t, err)
	for off := from; off < to; off++ {
		require.NoError(t, q.Append(off, unitOf(off)))
	}
	require.NoError(t, s.Flush(context.Background(), to*unitSpan))
	require.NoError(t, s.Sync())
}

func offsets(t *testing.T, s *Set, topic string) (from, to int64, phys []int64) {
	q, err := s.Queue(topic, 0)
	require.NoError(t, err)
	from, err = q.Min()
	require.NoError(t, err)
	units := make([]Unit, 7)
	for to = from; to < q.Max(); {
		n, err := q.Read(units, to)
		require.NoError(t, err)
		require.Positive(t, n)
		for _, u := range units[:n] {
			phys = append(phys, u.Phy/unitSpan)
		}
		to += int64(n)
	}
	return from, to, phys
}

func upTo(from, to int64) (phys []int64) {
	for off := from; off < to; off++ {
		phys = append(phys, off)
	}
	return phys
}

// TestRestoreJoinsWhatFilesHave opens queues that recovery left units for.
func TestRestoreJoinsWhatFilesHave(t *testing.T) {
	restore := func(t *testing.T, s *Set, units ...int64) {
		for _, phy := range units {
			require.NoError(t, s.Restore("T", 0, phy%1000, Unit{Phy: phy * unitSpan, Size: unitSpan, TagsCode: phy % 1000}))
		}
	}
	cases := []struct {
		name    string
		trusted int64 // units of records before it
		restore []int64
		missing []Located
		from    int64
		want    []int64
	}{
		{name: "nothing", trusted: 25, want: upTo(0, 25)},
		{name: "the next units", trusted: 25, restore: upTo(25, 40), want: upTo(0, 40)},
		{name: "units that are not trusted", trusted: 12, restore: upTo(12, 25), want: upTo(0, 25)},
		{name: "units that are there", trusted: 25, restore: upTo(20, 30), want: upTo(0, 30)},
		{name: "a topic made again", trusted: 25, restore: upTo(2000, 2003), want: upTo(2000, 2003)},
		{name: "a topic made again during the time", trusted: 25, restore: append(upTo(25, 30), 2000, 2001), want: upTo(2000, 2002)},
		{name: "records lost in between", trusted: 25, restore: []int64{25, 28}, want: []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 0, 0, 28}},
		{
			name: "files that end early", trusted: 22, restore: upTo(25, 27),
			missing: []Located{{22, unitOf(22)}, {23, unitOf(23)}, {24, unitOf(24)}}, want: upTo(0, 27),
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			mem := vfs.NewMem()
			fill(t, newSet(mem, nil), "T", 0, 25)
			s := newSet(mem, func(Key) ([]Located, error) { return c.missing, nil })
			s.Trust(c.trusted * unitSpan)
			restore(t, s, c.restore...)
			for range 2 { // from memory and files, then from files alone
				from, to, phys := offsets(t, s, "T")
				require.Equal(t, c.from, from)
				require.Equal(t, c.want, phys)
				require.EqualValues(t, len(c.want), to-from)
				require.NoError(t, s.Flush(context.Background(), 1<<40))
				require.Zero(t, s.Unwritten())
				require.NoError(t, s.Close())
				s = newSet(mem, nil)
			}
		})
	}
}

// TestQueueWithoutFilesBeginsWithWhatTheLogHas loses a queue's directory.
func TestQueueWithoutFilesBeginsWithWhatTheLogHas(t *testing.T) {
	s := newSet(vfs.NewMem(), func(Key) ([]Located, error) { return []Located{{7, unitOf(7)}, {8, unitOf(8)}}, nil })
	s.Trust(9 * unitSpan)
	require.NoError(t, s.Restore("T", 0, 9, unitOf(9)))
	from, to, phys := offsets(t, s, "T")
	require.EqualValues(t, 7, from)
	require.EqualValues(t, 10, to)
	require.Equal(t, upTo(7, 10), phys)
}

// TestQueueThatLeaptBeginsThere: a queue that was reset to a far offset is not
// filled up, neither in memory nor behind its files.
func TestQueueThatLeaptBeginsThere(t *testing.T) {
	const far = maxHole + 1000
	at := func(off int64) Unit { return Unit{Phy: off * unitSpan, Size: unitSpan, TagsCode: off} }
	for name, restore := range map[string][]int64{"in memory": {25, far}, "behind files": {far}} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			fill(t, newSet(mem, nil), "T", 0, 25)
			s := newSet(mem, nil)
			s.Trust(25 * unitSpan)
			for _, off := range restore {
				require.NoError(t, s.Restore("T", 0, off, at(off)))
			}
			for range 2 {
				from, to, phys := offsets(t, s, "T")
				require.EqualValues(t, far, from)
				require.EqualValues(t, far+1, to)
				require.Equal(t, []int64{far}, phys)
				require.NoError(t, s.Flush(context.Background(), 1<<40))
				require.NoError(t, s.Close())
				s = newSet(mem, nil)
			}
		})
	}
}

// TestManyQueuesAreSyncedAtOnce counts the syncs of a flush of many queues.
func TestManyQueuesAreSyncedAtOnce(t *testing.T) {
	mem := vfs.NewMem()
	calls := make(map[vfs.Op]int)
	s := newSet(vfs.WithFaults(mem, func(op vfs.Op, _ string, _ int) (int, error) {
		calls[op]++
		return 0, nil
	}), nil)
	const queues = 500
	for id := range int32(queues) {
		q, err := s.Queue("T", id)
		require.NoError(t, err)
		require.NoError(t, q.Append(0, unitOf(int64(id))))
	}
	require.NoError(t, s.Flush(context.Background(), queues*unitSpan))
	require.NoError(t, s.Sync())
	require.Equal(t, 1, calls[vfs.OpSyncFS])
	require.Zero(t, calls[vfs.OpSync])
	crashed := newSet(mem.Crash(rand.New(rand.NewPCG(1, 2))), nil)
	for id := range int32(queues) {
		q, err := crashed.Queue("T", id)
		require.NoError(t, err)
		require.EqualValues(t, 1, q.Max())
	}
}

// TestOnlyFullQueuesAreWrittenBetweenCheckpoints and a flush ends with its context.
func TestOnlyFullQueuesAreWrittenBetweenCheckpoints(t *testing.T) {
	s := newSet(vfs.NewMem(), nil)
	for topic, n := range map[string]int64{"few": 3, "many": fullUnits} {
		q, err := s.Queue(topic, 0)
		require.NoError(t, err)
		for off := range n {
			require.NoError(t, q.Append(off, unitOf(off)))
		}
	}
	require.NoError(t, s.FlushFull(context.Background(), 1<<40))
	require.EqualValues(t, 3, s.Unwritten())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Flush(ctx, 1<<40), context.Canceled)
	require.EqualValues(t, 3, s.Unwritten())
	require.NoError(t, s.Flush(context.Background(), 1<<40))
	require.Zero(t, s.Unwritten())
}

// BenchmarkQueueMemory reports the heap that a queue takes with one unit that is
// not yet written, and with all written.
func BenchmarkQueueMemory(b *testing.B) {
	for _, perTopic := range []int32{8, 100_000} {
		b.Run(fmt.Sprintf("%d per topic", perTopic), func(b *testing.B) {
			const queues = 200_000
			for b.Loop() {
				s := newSet(vfs.NewMem(), nil)
				before := heap()
				for i := range int32(queues) {
					q, err := s.find("topic-"+strconv.Itoa(int(i/perTopic)), i%perTopic)
					if err != nil {
						b.Fatal(err)
					}
					q.opened.Store(true)
					if err := q.Append(0, unitOf(int64(i))); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(heap()-before)/queues, "B/queue")
				runtime.KeepAlive(s)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
