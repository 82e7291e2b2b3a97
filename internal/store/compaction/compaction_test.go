package compaction

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// small files: a log file has 5 records of 200 bytes or so, a queue file 9 units.
func smallConfig(fs vfs.FS) Config {
	return Config{
		FS: fs, Dir: "/store/compaction", LogFileSize: 1100, QueueFileSize: 10 * UnitSize, MaxKeys: 1000,
		TagsCode: func(tags string) int64 { return int64(len(tags)) },
		Pace:     func(context.Context, int) error { return nil },
	}
}

func recordOf(t testing.TB, offset int64, key, body string) []byte {
	host := netip.MustParseAddrPort("127.0.0.1:1")
	m := message.Message{
		Topic: "T", QueueID: 1, Body: []byte(body), BornHost: host, StoreHost: host,
		Properties: string(message.AppendProperty(message.AppendProperty(nil, message.PropKeys, key), message.PropTags, "tag")),
	}
	rec, err := message.AppendRecord(nil, &m, message.Options{})
	require.NoError(t, err)
	message.Finish(rec, offset, 1_000_000+offset*300, 1000+offset, message.Options{})
	return rec
}

func openTest(t testing.TB, cfg Config) (*Set, *Queue) {
	s, err := Open(cfg)
	require.NoError(t, err)
	q, err := s.Queue("T", 1, 1<<40)
	require.NoError(t, err)
	return s, q
}

type kept struct {
	offset    int64
	key, body string
}

func contents(t testing.TB, q *Queue, from int64) (all []kept) {
	err := q.Read(from, Visitor{
		Give: func(offset int64, rec []byte) bool {
			m, err := message.Verify(rec, message.Options{})
			require.NoError(t, err)
			require.Equal(t, offset, m.QueueOffset)
			all = append(all, kept{offset, strings.Clone(keyOf(&m)), string(m.Body)})
			return true
		},
		Damaged: func(err error) bool { require.NoError(t, err); return false },
	})
	require.NoError(t, err)
	return all
}

func appendAll(t testing.TB, q *Queue, from, to int64, keys int64) {
	for i := from; i < to; i++ {
		require.NoError(t, q.Append(recordOf(t, i, fmt.Sprint("k", i%keys), fmt.Sprint("body of ", i)), 3))
	}
	require.NoError(t, q.Flush())
}

func TestTheLatestOfEachKeyRemains(t *testing.T) {
	fs := vfs.NewMem()
	s, q := openTest(t, smallConfig(fs))
	appendAll(t, q, 0, 103, 7)
	require.Len(t, contents(t, q, 0), 103)
	newest := q.w.newest().first
	r, err := s.Compact(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, newest-1, r.Covered)
	require.EqualValues(t, 7, r.Kept)

	check := func(q *Queue) {
		all := contents(t, q, 0)
		require.Len(t, all, 7+103-int(newest))
		for _, k := range all {
			require.Equal(t, fmt.Sprint("k", k.offset%7), k.key)
			require.GreaterOrEqual(t, k.offset, newest-7)
		}
		require.Equal(t, newest-7, q.Min())
		require.EqualValues(t, 103, q.Max())
		require.Equal(t, all[3:], contents(t, q, all[3].offset))
		require.Equal(t, all[3:], contents(t, q, all[2].offset+1))
		require.Empty(t, contents(t, q, 103))
	}
	check(q)
	require.NoError(t, s.Close())
	s, q = openTest(t, smallConfig(fs))
	check(q)

	r, err = s.Compact(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, newest-1, r.Covered, "nothing is new")
	appendAll(t, q, 103, 200, 200) // other keys
	_, err = s.Compact(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, contents(t, q, 0), 7+97, "the latest of the old keys stay for good")
}

func TestMoreKeysThanFitAreCompactedInSteps(t *testing.T) {
	cfg := smallConfig(vfs.NewMem())
	cfg.MaxKeys = 3
	s, q := openTest(t, cfg)
	appendAll(t, q, 0, 40, 10)
	newest := q.w.newest().first
	for last := int64(-1); ; {
		r, err := s.Compact(t.Context(), q)
		require.NoError(t, err)
		if r.Covered == last {
			break
		}
		last = r.Covered
	}
	all := contents(t, q, 0)
	latest := map[string]int64{}
	for _, k := range all {
		latest[k.key] = k.offset
	}
	for i := range int64(10) {
		require.EqualValues(t, 30+i, latest[fmt.Sprint("k", i)])
	}
	require.Less(t, len(all), int(40-newest)+20)
}

func TestAMessageWithoutBodyGoesWithItsKey(t *testing.T) {
	s, q := openTest(t, smallConfig(vfs.NewMem()))
	require.NoError(t, q.Append(recordOf(t, 0, "a", "x"), 0))
	require.NoError(t, q.Append(recordOf(t, 1, "a", ""), 0))
	appendAll(t, q, 2, 20, 20)
	_, err := s.Compact(t.Context(), q)
	require.NoError(t, err)
	require.NotContains(t, maps.Collect(func(yield func(string, bool) bool) {
		for _, k := range contents(t, q, 0) {
			yield(k.key, true)
		}
	}), "a")
}

func TestFileSizesOfJava(t *testing.T) {
	log, queue := FileSizes(104857600, 10485760)
	require.EqualValues(t, 104857460, log)
	require.EqualValues(t, 10485746, queue)
}

func TestDamageIsPassedOverByReadersAndStopsCompaction(t *testing.T) {
	fs := vfs.NewMem()
	s, q := openTest(t, smallConfig(fs))
	appendAll(t, q, 0, 30, 3)
	f, err := fs.Open("/store/compaction/compactionLog/T/1/" + fileName(0))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{9, 9, 9, 9}, 0)
	require.NoError(t, err)
	var offsets []int64
	damaged := 0
	require.NoError(t, q.Read(0, Visitor{
		Give:    func(offset int64, _ []byte) bool { offsets = append(offsets, offset); return true },
		Damaged: func(error) bool { damaged++; return true },
	}))
	require.Equal(t, 1, damaged)
	require.Len(t, offsets, 29)
	_, err = s.Compact(t.Context(), q)
	require.ErrorContains(t, err, "no record of queue offset 0")
}

func TestACancelledCompactionLeavesAllAsItWas(t *testing.T) {
	cfg := smallConfig(vfs.NewMem())
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	cfg.Pace = func(ctx context.Context, _ int) error {
		if steps++; steps == 40 {
			cancel()
		}
		return ctx.Err()
	}
	s, q := openTest(t, cfg)
	appendAll(t, q, 0, 60, 30)
	_, err := s.Compact(ctx, q)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, contents(t, q, 0), 60)
	_, err = s.Compact(t.Context(), q)
	require.NoError(t, err)
}

func TestWhatTheCommitLogLostIsCut(t *testing.T) {
	for most := int64(1); most <= 31; most++ {
		fs := vfs.NewMem()
		s, q := openTest(t, smallConfig(fs))
		appendAll(t, q, 0, 30, 30)
		require.NoError(t, s.Close())
		s, err := Open(smallConfig(fs))
		require.NoError(t, err)
		q, err = s.Queue("T", 1, most)
		require.NoError(t, err)
		require.Len(t, contents(t, q, 0), int(min(most, 30)))
		appendAll(t, q, q.Max(), 40, 40)
		require.Len(t, contents(t, q, 0), 40)
		require.NoError(t, s.Close())
		_, q = openTest(t, smallConfig(fs))
		require.Len(t, contents(t, q, 0), 40)
	}
	fs := vfs.NewMem()
	s, q := openTest(t, smallConfig(fs))
	appendAll(t, q, 0, 30, 30)
	require.NoError(t, s.Close())
	s, err := Open(smallConfig(fs))
	require.NoError(t, err)
	_, err = s.Queue("T", 1, 0)
	require.ErrorContains(t, err, "left where they are")
}

func TestARemovedTopicBeginsAnew(t *testing.T) {
	fs := vfs.NewMem()
	s, q := openTest(t, smallConfig(fs))
	appendAll(t, q, 0, 30, 3)
	_, err := s.Compact(t.Context(), q)
	require.NoError(t, err)
	require.NoError(t, s.Remove("T"))
	require.Nil(t, s.Lookup("T", 1))
	require.Error(t, q.Flush())
	q, err = s.Queue("T", 1, 0)
	require.NoError(t, err)
	require.Empty(t, contents(t, q, 0))
	appendAll(t, q, 0, 20, 2)
	_, err = s.Compact(t.Context(), q)
	require.NoError(t, err)
	require.EqualValues(t, 20, q.Max())
	require.Less(t, len(contents(t, q, 0)), 20)
}

func TestAFailedSwapIsNotReadButFinishedByTheNextStart(t *testing.T) {
	for step := 1; ; step++ {
		mem := vfs.NewMem()
		n, armed := 0, false
		fs := vfs.WithFaults(mem, func(op vfs.Op, path string, size int) (int, error) {
			if armed && (op == vfs.OpRename || op == vfs.OpRemove || op == vfs.OpSyncDir) && !strings.HasSuffix(path, ".tmp") {
				if n++; n == step {
					return 0, errCut
				}
			}
			return size, nil
		})
		s, q := openTest(t, smallConfig(fs))
		appendAll(t, q, 0, 60, 4)
		armed = true
		_, err := s.Compact(t.Context(), q)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errCut)
		err = q.Read(0, Visitor{Give: func(int64, []byte) bool { return true }, Damaged: func(err error) bool {
			require.NoError(t, err, "step %d", step)
			return true
		}})
		if err != nil {
			require.ErrorIs(t, err, errCut)
		}
		armed = false
		_, q = openTest(t, smallConfig(fs))
		require.EqualValues(t, 60, q.Max())
		latest := map[string]int64{}
		for _, k := range contents(t, q, 0) {
			latest[k.key] = k.offset
		}
		require.Equal(t, map[string]int64{"k0": 56, "k1": 57, "k2": 58, "k3": 59}, latest)
	}
}

// errCut ends an operation at a power cut.
var errCut = errors.New("power cut")

// TestPowerCutAtEveryStep cuts the power before and after each operation on the
// disk, with several outcomes each.
func TestPowerCutAtEveryStep(t *testing.T) {
	work := func(fs vfs.FS, flushed *int64) error {
		s, err := Open(smallConfig(fs))
		if err != nil {
			return err
		}
		q, err := s.Queue("T", 1, 1<<40)
		if err != nil {
			return err
		}
		for i := q.Max(); i < 60; i++ {
			if err := q.Append(recordOf(t, i, fmt.Sprint("k", i%4), fmt.Sprint("body of ", i)), 3); err != nil {
				return err
			}
			if i%3 == 0 {
				if err := q.Flush(); err != nil {
					return err
				}
				*flushed = i + 1
			}
			if i%20 == 19 {
				if _, err := s.Compact(context.Background(), q); err != nil {
					return err
				}
			}
		}
		return s.Close()
	}
	cuts := 0
	for step := 1; ; step++ {
		mem := vfs.NewMem()
		n := 0
		flushed := int64(0)
		fs := vfs.WithFaults(mem, func(op vfs.Op, _ string, size int) (int, error) {
			switch op {
			case vfs.OpOpen, vfs.OpRead, vfs.OpReadDir, vfs.OpStat:
				return size, nil
			}
			if n++; n >= step {
				return 0, errCut
			}
			return size, nil
		})
		if err := work(fs, &flushed); err == nil {
			break
		} else {
			require.ErrorIs(t, err, errCut, "step %d", step)
		}
		for seed := range uint64(2) {
			cuts++
			after := mem.Crash(rand.New(rand.NewPCG(seed, uint64(step))))
			checkAfterCut(t, after, flushed, fmt.Sprintf("step %d seed %d", step, seed))
			again := int64(0)
			require.NoError(t, work(after, &again), "step %d seed %d", step, seed)
			checkAfterCut(t, after, 60, fmt.Sprintf("step %d seed %d, the second time", step, seed))
		}
	}
	require.Greater(t, cuts, 200)
}

// checkAfterCut checks that the latest message of each key among those flushed is
// there, once, and that nothing is there that was not appended.
func checkAfterCut(t *testing.T, fs vfs.FS, flushed int64, when string) {
	s, err := Open(smallConfig(fs))
	require.NoError(t, err, when)
	q, err := s.Queue("T", 1, 1<<40)
	require.NoError(t, err, when)
	all := contents(t, q, 0)
	require.True(t, slices.IsSortedFunc(all, func(a, b kept) int { return int(a.offset - b.offset) }), when)
	latest := map[string]int64{}
	seen := map[int64]bool{}
	for _, k := range all {
		require.Equal(t, kept{k.offset, fmt.Sprint("k", k.offset%4), fmt.Sprint("body of ", k.offset)}, k, when)
		require.False(t, seen[k.offset], when)
		seen[k.offset] = true
		latest[k.key] = k.offset
	}
	// A unit may be lost until its segment is full: what was flushed since is in the
	// commit log still, and appended again. What is missing is missing at the end.
	for offset := max(flushed-4, 0); offset < min(flushed, q.Max()); offset++ {
		require.GreaterOrEqual(t, latest[fmt.Sprint("k", offset%4)], offset, when)
	}
	for offset := range q.Max() {
		require.GreaterOrEqual(t, latest[fmt.Sprint("k", offset%4)], offset, when)
	}
	require.NoError(t, s.Close())
}

func FuzzParseUnit(f *testing.F) {
	f.Add(unit{1, 2, 3, 4, 5}.append(nil))
	f.Add(terminator.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= UnitSize {
			parseUnit(b)
		}
	})
}
