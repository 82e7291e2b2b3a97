package offsets

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const path = "config/consumerOffset.json"

func config(fs vfs.FS) Config {
	return Config{FS: fs, Path: path, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.UnixMilli(1700000000000) }}
}

func open(t require.TestingT, fs vfs.FS) *Table {
	table, err := Open(config(fs))
	require.NoError(t, err)
	return table
}

func query(t *Table, queue int32) int64 {
	offset, ok := t.Query("g", "t", queue)
	if ok != (offset >= 0) {
		panic("ok and offset disagree")
	}
	return offset
}

func TestCommitAndQuery(t *testing.T) {
	table := open(t, vfs.NewMem())
	require.EqualValues(t, -1, query(table, 0))
	require.NoError(t, table.Commit("g", "t", 0, 7))
	require.NoError(t, table.Commit("g", "t", 0, 5), "backwards is allowed")
	require.NoError(t, table.Commit("g", "t", 9, 1))
	require.NoError(t, table.Commit("g", "t", 3, 2))
	require.EqualValues(t, 5, query(table, 0))
	require.EqualValues(t, 2, query(table, 3))
	require.EqualValues(t, -1, query(table, 4))
	require.Equal(t, map[int32]int64{0: 5, 3: 2, 9: 1}, table.Offsets("g", "t"))
	require.NoError(t, table.Commit("g", "t", 0, -1))
	require.EqualValues(t, -1, query(table, 0))
}

func TestPulledOffsetIsItsOwn(t *testing.T) {
	table := open(t, vfs.NewMem())
	_, ok := table.QueryPulled("g", "t", 0)
	require.False(t, ok)
	require.NoError(t, table.Commit("g", "t", 0, 3))
	offset, _ := table.QueryPulled("g", "t", 0)
	require.EqualValues(t, 3, offset)
	table.Pulled("g", "t", 0, 40)
	offset, _ = table.QueryPulled("g", "t", 0)
	require.EqualValues(t, 40, offset)
	require.EqualValues(t, 3, query(table, 0))
}

func TestPendingResetRefusesCommits(t *testing.T) {
	table := open(t, vfs.NewMem())
	require.NoError(t, table.Commit("g", "t", 0, 100))
	require.NoError(t, table.Reset("g", "t", 0, 10))
	require.NoError(t, table.Reset("g", "t", 0, 20))
	require.ErrorIs(t, table.Commit("g", "t", 0, 101), ErrResetPending)
	require.EqualValues(t, 20, query(table, 0))
	offset, ok := table.TakeReset("g", "t", 0)
	require.True(t, ok)
	require.EqualValues(t, 20, offset)
	_, ok = table.TakeReset("g", "t", 0)
	require.False(t, ok)
	require.Zero(t, table.resets.Load())
	require.EqualValues(t, 20, query(table, 0))
	require.NoError(t, table.Commit("g", "t", 0, 21))
	require.Error(t, table.Reset("g", "t", 0, -1))
	require.Error(t, table.Reset("g", "t", -1, 1))
}

func TestGroupsTopicsRemoveCopy(t *testing.T) {
	table := open(t, vfs.NewMem())
	for _, k := range []Pair{{"g", "t"}, {"g", "u"}, {"h", "t"}, {"h@broadcast", "t"}} {
		require.NoError(t, table.Commit(k.Group, k.Topic, 1, 4))
	}
	table.Pulled("g", "only pulled", 0, 1)
	require.Equal(t, []string{"t", "u"}, table.Topics("g"))
	require.Equal(t, []string{"g", "h"}, table.Groups("t"))

	require.NoError(t, table.Commit("new", "t", 7, 7))
	require.NoError(t, table.Copy("g", "new", "t"))
	require.Equal(t, map[int32]int64{1: 4}, table.Offsets("new", "t"))
	require.NoError(t, table.Copy("nobody", "new", "t"))
	require.NoError(t, table.Copy("new", "new", "t"))
	require.Equal(t, map[int32]int64{1: 4}, table.Offsets("new", "t"))

	require.NoError(t, table.Commit("h", "t", 1, 2))
	low := table.MinOfGroups("t", func(int32) int64 { return 0 })
	require.Equal(t, map[int32]int64{1: 2}, low)
	low = table.MinOfGroups("t", func(int32) int64 { return 3 })
	require.Equal(t, map[int32]int64{1: 4}, low)

	require.NoError(t, table.Reset("g", "t", 2, 2))
	table.RemoveTopic("t")
	require.Equal(t, []string{"u"}, table.Topics("g"))
	require.Zero(t, table.resets.Load())
	table.RemoveGroup("g")
	require.Empty(t, table.Topics("g"))
	table.Remove("h", "t")
	require.Zero(t, table.pairs.Load())
}

func TestClampLowersWhatTheLogLost(t *testing.T) {
	table := open(t, vfs.NewMem())
	require.NoError(t, table.Commit("g", "t", 0, 10))
	require.NoError(t, table.Commit("g", "t", 1, 5))
	require.Equal(t, 1, table.Clamp(func(topic string, queue int32) int64 { return 7 }))
	require.Equal(t, map[int32]int64{0: 7, 1: 5}, table.Offsets("g", "t"))
}

func TestPersistWritesWhatChanged(t *testing.T) {
	fs := vfs.NewMem()
	var written atomic.Int64
	table := open(t, vfs.WithFaults(fs, func(op vfs.Op, _ string, n int) (int, error) {
		if op == vfs.OpWrite {
			written.Add(int64(n))
		}
		return n, nil
	}))
	require.NoError(t, table.Persist())
	require.Zero(t, written.Load())
	for i := range 10_000 {
		require.NoError(t, table.Commit("g", fmt.Sprint("t", i), 0, 7))
	}
	require.NoError(t, table.Commit("g", "t", 100_000, 7))
	require.NoError(t, table.Persist())
	written.Store(0)
	require.NoError(t, table.Commit("g", "t1", 0, 7))
	table.Pulled("g", "t1", 0, 9)
	require.NoError(t, table.Persist())
	require.Zero(t, written.Load(), "the same offset again is no change")
	require.NoError(t, table.Commit("g", "t", 100_000, 8))
	require.NoError(t, table.Persist())
	require.Less(t, written.Load(), int64(200))
	again := open(t, fs)
	require.EqualValues(t, 8, query(again, 100_000))
	require.EqualValues(t, 7, again.Offsets("g", "t9999")[0])
}

// TestRemovalsSurvive removes pairs and makes them again between two writes.
func TestRemovalsSurvive(t *testing.T) {
	fs := vfs.NewMem()
	table := open(t, fs)
	for _, topic := range []string{"gone", "again", "once"} {
		require.NoError(t, table.Commit("g", topic, 0, 7))
		require.NoError(t, table.Commit("g", topic, 1, 7))
	}
	require.NoError(t, table.Persist())
	table.RemoveTopic("gone")
	table.RemoveTopic("again")
	require.NoError(t, table.Commit("g", "again", 1, 3))
	require.NoError(t, table.Commit("g", "once", 0, -1))
	require.NoError(t, table.Commit("g", "never", 0, 1))
	table.RemoveTopic("never")
	require.NoError(t, table.Persist())
	for _, after := range []string{"a kill", "a clean stop"} {
		table = open(t, fs)
		require.Equal(t, []string{"again", "once"}, table.Topics("g"), after)
		require.Equal(t, map[int32]int64{1: 3}, table.Offsets("g", "again"), after)
		require.Equal(t, map[int32]int64{1: 7}, table.Offsets("g", "once"), after)
		require.NoError(t, table.Close())
	}
}

// TestMemoryOfOffsets keeps what the doc comment of Table says.
func TestMemoryOfOffsets(t *testing.T) {
	const topics, queues = 20_000, 8
	table := open(t, vfs.OS)
	before := heap()
	for i := range topics {
		topic := fmt.Sprintf("topic-of-some-%06d", i)
		for q := range int32(queues) {
			require.NoError(t, table.Commit("group-of-some-length", topic, q, 1))
		}
	}
	each := (heap() - before) / topics
	t.Log(each, "bytes for a group in a topic of 8 queues")
	require.Less(t, each, int64(470))
	before = heap()
	const many = 100_000
	for _, q := range rand.Perm(many) {
		require.NoError(t, table.Commit("g", "t", int32(q), 1))
	}
	each = (heap() - before) / many
	t.Log(each, "bytes for a queue of many")
	require.Less(t, each, int64(20))
	require.EqualValues(t, topics+1, table.pairs.Load())
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestFileOfJava(t *testing.T) {
	data, err := os.ReadFile("testdata/java/consumerOffset.json")
	require.NoError(t, err)
	fs := vfs.NewMem()
	require.NoError(t, vfs.ReplaceFile(fs, path, data))
	table := open(t, fs)
	require.Equal(t, map[int32]int64{0: 1}, table.Offsets("g1", "T1"), "a negative offset is none")
	require.Equal(t, []string{"T1"}, table.Topics("g1"))
	require.EqualValues(t, 1795246528596, table.DataVersion().Timestamp)
	table.Pulled("g1", "SCHEDULE_TOPIC_XXXX", 2, 2)
	require.Equal(t, `{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":1795246528596},`+
		`"groupTopicMap":{"g1":["T1"]},"offsetTable":{"T1@g1":{0:1}},"pullOffsetTable":{"SCHEDULE_TOPIC_XXXX@g1":{2:2}}}`, string(table.Encode()))
}

// TestLightQueueOffsets reads and writes what lmqConsumerOffset.json has of groups
// with names of light queues.
func TestLightQueueOffsets(t *testing.T) {
	fs := vfs.NewMem()
	file := `{"lmqOffsetTable":{"%LMQ%q@%LMQ%g":5},"offsetTable":{"T@g":{0:7}}}`
	require.NoError(t, vfs.ReplaceFile(fs, path, []byte(file)))
	table, err := Open(Config{FS: fs, Path: path, LMQ: true})
	require.NoError(t, err)
	require.Equal(t, map[int32]int64{0: 5}, table.Offsets("%LMQ%g", "%LMQ%q"))
	require.Equal(t, map[int32]int64{0: 7}, table.Offsets("g", "T"))
	require.Contains(t, string(table.Encode()), `"offsetTable":{"T@g":{0:7}}`)
	require.Contains(t, string(table.Encode()), `"lmqOffsetTable":{"%LMQ%q@%LMQ%g":5}`)
}

func TestDamagedFiles(t *testing.T) {
	fs := vfs.NewMem()
	table := open(t, fs)
	require.NoError(t, table.Commit("g", "t", 0, 7))
	require.NoError(t, table.journal.Rewrite())
	require.NoError(t, table.Commit("g", "t", 0, 8))
	require.NoError(t, table.Close())
	f, err := fs.Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(20))
	require.NoError(t, f.Close())
	require.EqualValues(t, 7, query(open(t, fs), 0), "the previous generation")
	require.NoError(t, fs.Remove(path+".bak"))
	_, err = Open(config(fs))
	require.ErrorContains(t, err, path)
}

func TestVersionMovesWithCommits(t *testing.T) {
	table := open(t, vfs.NewMem())
	for i := range int64(DefaultVersionStep) {
		require.Zero(t, table.DataVersion().Counter)
		require.NoError(t, table.Commit("g", "t", 0, i))
	}
	require.EqualValues(t, 1, table.DataVersion().Counter)
}

func TestRunPersists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		table := open(t, fs)
		g := run.NewGroup(t.Context())
		g.Go("offsets", func(ctx context.Context) error {
			return table.Run(ctx, func() time.Duration { return 5 * time.Second })
		})
		require.NoError(t, table.Commit("g", "t", 0, 7))
		<-time.After(5 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 7, query(open(t, fs), 0))
		g.Cancel()
		require.NoError(t, g.Wait())
	})
}

// TestAgainstModel compares the table, and what a restart brings back, with maps.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		table := open(t, fs)
		committed, reset := map[string]int64{}, map[string]int64{}
		draw := func(t *rapid.T) (string, string, int32, string) {
			g := rapid.SampledFrom([]string{"g", "h", "h@broadcast"}).Draw(t, "group")
			q := rapid.Int32Range(0, 12).Draw(t, "queue")
			return g, "t", q, fmt.Sprint(g, q)
		}
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				g, topic, q, k := draw(t)
				offset := rapid.Int64Range(0, 100).Draw(t, "offset")
				err := table.Commit(g, topic, q, offset)
				if _, pending := reset[k]; pending != (err != nil) {
					t.Fatalf("reset pending %v: %v", pending, err)
				} else if !pending {
					committed[k] = offset
				}
			},
			"reset": func(t *rapid.T) {
				g, topic, q, k := draw(t)
				offset := rapid.Int64Range(0, 100).Draw(t, "offset")
				require.NoError(t, table.Reset(g, topic, q, offset))
				reset[k], committed[k] = offset, offset
			},
			"take": func(t *rapid.T) {
				g, topic, q, k := draw(t)
				got, ok := table.TakeReset(g, topic, q)
				if want, pending := reset[k]; ok != pending || (ok && got != want) {
					t.Fatalf("took %d, %v; want %d, %v", got, ok, want, pending)
				}
				delete(reset, k)
			},
			"restart": func(t *rapid.T) {
				require.NoError(t, table.Persist())
				fs = fs.Crash(rand.New(rand.NewPCG(1, 1)))
				table = open(t, fs)
				clear(reset)
			},
			"stop": func(t *rapid.T) {
				require.NoError(t, table.Close())
				table = open(t, fs)
				clear(reset)
			},
			"remove": func(t *rapid.T) {
				g, topic, _, _ := draw(t)
				table.Remove(g, topic)
				for q := range int32(13) {
					delete(committed, fmt.Sprint(g, q))
					delete(reset, fmt.Sprint(g, q))
				}
			},
			"": func(t *rapid.T) {
				for _, g := range []string{"g", "h", "h@broadcast"} {
					for q := range int32(13) {
						got, ok := table.Query(g, "t", q)
						want, known := committed[fmt.Sprint(g, q)]
						if ok != known || (ok && got != want) {
							t.Fatalf("%s %d: %d, %v; want %d, %v", g, q, got, ok, want, known)
						}
					}
				}
			},
		})
	})
}

func TestCommitDoesNotAllocate(t *testing.T) {
	table := open(t, vfs.NewMem())
	group, topic := strings.Repeat("g", 20), strings.Repeat("t", 20)
	n := int64(0)
	cycle := func() {
		n++
		_ = table.Commit(group, topic, int32(n%16), n)
		table.Pulled(group, topic, int32(n%16), n)
		table.Query(group, topic, int32(n%16))
		table.TakeReset(group, topic, 0)
	}
	for range 16 {
		cycle()
	}
	require.Zero(t, testing.AllocsPerRun(1000, cycle))
}

func BenchmarkCommit(b *testing.B) {
	table := open(b, vfs.NewMem())
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		n++
		_ = table.Commit("some group", "some topic", int32(n&7), n)
	}
}

func FuzzFile(f *testing.F) {
	data, err := os.ReadFile("testdata/java/consumerOffset.json")
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"offsetTable":{"a@b@c":{"1":2,-3:4},"x":{0:1},"@":{0:1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		table := newTable(config(vfs.NewMem()))
		if table.load(data) != nil {
			return
		}
		again := newTable(config(vfs.NewMem()))
		require.NoError(t, again.load(table.Encode()))
		require.Equal(t, string(table.Encode()), string(again.Encode()))
	})
}
