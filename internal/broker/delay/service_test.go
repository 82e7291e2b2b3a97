package delay

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const path = "config/delayOffset.json"

var levels = Levels{time.Second, 5 * time.Second, 10 * time.Second}

// fakeStore is a log of records and the schedule queues over it, in memory.
type fakeStore struct {
	mu      sync.Mutex
	records map[int64][]byte
	end     int64
	flushed int64
	queues  map[int32][]store.Unit
	min     map[int32]int64
}

func newFakeStore() *fakeStore {
	return &fakeStore{records: map[int64][]byte{}, queues: map[int32][]store.Unit{}, min: map[int32]int64{}}
}

func (f *fakeStore) add(level int32, due int64, props string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	host := netip.MustParseAddrPort("127.0.0.1:10911")
	rec, err := message.AppendRecord(nil, &message.Message{
		Topic: Topic, QueueID: level - 1, Body: []byte("b"), BornHost: host, StoreHost: host, Properties: props,
	}, message.Options{})
	if err != nil {
		panic(err)
	}
	message.Finish(rec, int64(len(f.queues[level-1])), f.end, due, message.Options{})
	f.records[f.end] = rec
	f.queues[level-1] = append(f.queues[level-1], store.Unit{Phy: f.end, Size: int32(len(rec)), TagsCode: due})
	f.end += int64(len(rec))
}

// extend makes the log longer by one copy.
func (f *fakeStore) extend() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end++
	return f.end
}

func (f *fakeStore) MinOffset(_ string, queue int32) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.min[queue]
}

func (f *fakeStore) MaxOffset(_ string, queue int32) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.queues[queue]))
}

func (f *fakeStore) Units(_ string, queue int32, from int64, n int) []store.Unit {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queues[queue]
	if from < f.min[queue] || from >= int64(len(q)) {
		return nil
	}
	return q[from:min(from+int64(n), int64(len(q)))]
}

func (f *fakeStore) Record(physical int64, dst []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rec, ok := f.records[physical]
	if !ok {
		return dst, store.ErrNotFound
	}
	return append(dst, rec...), nil
}

func (f *fakeStore) LogMax() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end
}

func (f *fakeStore) Flushed() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flushed
}

// bench is a service over a fake store and what it delivered.
type bench struct {
	*Service
	store *fakeStore
	fs    vfs.FS
	now   func() time.Time

	mu        sync.Mutex
	delivered []string
	at        []time.Time
	ends      []int64 // of the log behind each copy
	outcome   func(body string) Outcome
}

func (b *bench) deliver(_ context.Context, copies []message.Message, outcomes []Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, m := range copies {
		id, _ := message.Property(m.Properties, "id")
		outcomes[i] = Stored
		if b.outcome != nil {
			outcomes[i] = b.outcome(id)
		}
		if outcomes[i] == Stored {
			b.delivered = append(b.delivered, fmt.Sprintf("%s->%s/%d", id, m.Topic, m.QueueID))
			b.at = append(b.at, b.now())
			b.ends = append(b.ends, b.store.extend())
		}
	}
}

func (b *bench) open(t require.TestingT) {
	s, err := Open(Config{
		Store: b.store, Levels: levels, Deliver: b.deliver, FS: b.fs, Path: path,
		Interval: func() time.Duration { return 10 * time.Second }, Now: b.now, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	b.Service = s
}

func newBench(t require.TestingT, now func() time.Time) *bench {
	b := &bench{store: newFakeStore(), fs: vfs.NewMem(), now: now}
	b.open(t)
	return b
}

func (b *bench) start(t *testing.T) (stop func()) {
	g := run.NewGroup(t.Context())
	b.Start(g)
	return func() {
		g.Cancel()
		require.NoError(t, g.Wait())
	}
}

// put schedules a message for topic t as the send path would.
func (b *bench) put(id string, level int32) {
	props, _, _ := levels.Transform(message.AppendProperty(nil, "id", id), "t", 2, level)
	props = message.AppendProperty(props, message.PropDelay, strconv.Itoa(int(level)))
	b.store.add(level, levels.Due(level, b.now().UnixMilli()), string(props))
	b.Arrived(level - 1)
}

func (b *bench) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.delivered
	b.delivered, b.at, b.ends = nil, nil, nil
	return d
}

func TestDeliveredWhenDueAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Now)
		defer b.start(t)()
		synctest.Wait()
		began := time.Now()
		b.put("five", 2)
		b.put("one", 1)
		b.put("ten", 3)
		<-time.After(11 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"one->t/2", "five->t/2", "ten->t/2"}, b.delivered)
		for i, want := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second} {
			require.InDelta(t, want, b.at[i].Sub(began), float64(2*time.Millisecond))
			require.GreaterOrEqual(t, b.at[i].Sub(began), want)
		}
		require.Equal(t, map[int32]int64{1: 1, 2: 1, 3: 1}, b.Offsets())
	})
}

func TestArrivalAfterALongSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Now)
		defer b.start(t)()
		<-time.After(time.Hour)
		b.put("a", 1)
		<-time.After(time.Second + time.Millisecond)
		synctest.Wait()
		require.Equal(t, []string{"a->t/2"}, b.take())
	})
}

func TestClockSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step time.Duration
		var mu sync.Mutex
		b := newBench(t, func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(step)
		})
		defer b.start(t)()
		b.put("forward", 3)
		synctest.Wait()
		mu.Lock()
		step = time.Hour
		mu.Unlock()
		<-time.After(clockCheck)
		synctest.Wait()
		require.Equal(t, []string{"forward->t/2"}, b.take(), "noticed within a second")
		b.put("back", 3)
		synctest.Wait()
		mu.Lock()
		step = 0
		mu.Unlock()
		<-time.After(clockCheck)
		synctest.Wait()
		require.Equal(t, []string{"back->t/2"}, b.take(), "further away than its delay: due")
	})
}

func TestFailureIsRetriedWithoutCopyingTheRestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Now)
		fail := true
		b.outcome = func(id string) Outcome {
			if id == "b" && fail {
				return Retry
			}
			if id == "c" {
				return Refused
			}
			return Stored
		}
		defer b.start(t)()
		for _, id := range []string{"a", "b", "c", "d"} {
			b.put(id, 1)
		}
		<-time.After(1500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []string{"a->t/2", "d->t/2"}, b.take())
		require.Equal(t, map[int32]int64{1: 1}, b.Offsets())
		b.mu.Lock()
		fail = false
		b.mu.Unlock()
		<-time.After(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"b->t/2"}, b.take())
		require.Equal(t, map[int32]int64{1: 4}, b.Offsets())
	})
}

func TestWhatCannotBeDeliveredIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Now)
		now := time.Now().UnixMilli()
		prop := func(kv ...string) string {
			var p []byte
			for i := 0; i < len(kv); i += 2 {
				p = message.AppendProperty(p, kv[i], kv[i+1])
			}
			return string(p)
		}
		b.store.add(1, now, prop("id", "no destination"))
		b.store.add(1, now, prop("id", "no queue", message.PropRealTopic, "t"))
		b.store.add(1, now, prop("id", "bad queue", message.PropRealTopic, "t", message.PropRealQueueID, "-1"))
		b.store.add(1, now, prop("id", "half", message.PropRealTopic, "RMQ_SYS_TRANS_HALF_TOPIC", message.PropRealQueueID, "0"))
		b.store.add(1, now, prop("id", "gone", message.PropRealTopic, "t", message.PropRealQueueID, "0"))
		delete(b.store.records, b.store.queues[0][4].Phy)
		b.store.add(1, now, prop("id", "good", message.PropRealTopic, "t", message.PropRealQueueID, "7"))
		defer b.start(t)()
		synctest.Wait()
		require.Equal(t, []string{"good->t/7"}, b.take())
		require.Equal(t, map[int32]int64{1: 6}, b.Offsets())
	})
}

func TestManyAreDeliveredInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Now)
		var want []string
		for i := range 1000 {
			id := strconv.Itoa(i)
			b.put(id, 1)
			want = append(want, id+"->t/2")
		}
		defer b.start(t)()
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Equal(t, want, b.take())
	})
}

func TestCursorOutsideItsQueueIsCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Now)
		for _, id := range []string{"a", "b", "c"} {
			b.put(id, 1)
		}
		b.store.min[0] = 2
		b.cursors[1].next = 9
		defer b.start(t)()
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"c->t/2"}, b.take())
		b.put("d", 2)
		<-time.After(6 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"d->t/2"}, b.take())
	})
}

// A checkpoint must not run ahead of the log: the copies it counts on are
// flushed before it is written.
func TestCheckpointWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Now)
		stop := b.start(t)
		b.put("a", 1)
		<-time.After(35 * time.Second)
		synctest.Wait()
		_, err := b.fs.Stat(path)
		require.ErrorIs(t, err, os.ErrNotExist, "nothing is flushed")
		b.store.mu.Lock()
		b.store.flushed = b.store.end
		b.store.mu.Unlock()
		<-time.After(10 * time.Second)
		synctest.Wait()
		stop()
		b.open(t)
		require.Equal(t, map[int32]int64{1: 1}, b.Offsets())
	})
}

func TestSaveAndOpen(t *testing.T) {
	b := newBench(t, func() time.Time { return time.UnixMilli(1700000000000) })
	for _, c := range b.cursors {
		c.next = 10 * int64(c.queue)
		b.publish(c)
	}
	require.NoError(t, b.Save())
	b.open(t)
	require.Equal(t, map[int32]int64{2: 10, 3: 20}, b.Offsets())
	require.EqualValues(t, 20, b.cursors[2].next)
	require.Equal(t, `{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":1700000000000},"offsetTable":{2:10,3:20}}`, string(b.Encode()))
}

func TestFileOfJava(t *testing.T) {
	data, err := os.ReadFile("testdata/java/delayOffset.json")
	require.NoError(t, err)
	b := &bench{store: newFakeStore(), fs: vfs.NewMem(), now: time.Now}
	require.NoError(t, vfs.ReplaceFile(b.fs, path, data))
	b.open(t)
	require.Equal(t, map[int32]int64{1: 1, 3: 2}, b.Offsets(), "the levels that the table has, and that have begun")
	require.Equal(t, `{"dataVersion":{"counter":3,"stateVersion":0,"timestamp":1795246646569},"offsetTable":{1:1,3:2}}`, string(b.Encode()))
}

func TestDamagedFileIsNamed(t *testing.T) {
	b := &bench{store: newFakeStore(), fs: vfs.NewMem(), now: time.Now}
	require.NoError(t, vfs.ReplaceFile(b.fs, path, []byte(`{"offsetTable":{3:`)))
	_, err := Open(Config{Store: b.store, Levels: levels, FS: b.fs, Path: path})
	require.ErrorContains(t, err, path)
}

func TestDue(t *testing.T) {
	for level, want := range map[int32]time.Duration{1: time.Second, 3: 10 * time.Second, 4: 10 * time.Second, 99: 10 * time.Second, 0: time.Second, -1: time.Second} {
		require.Equal(t, 5000+want.Milliseconds(), levels.Due(level, 5000), "level %d", level)
	}
	props, topic, queue := levels.Transform(nil, "T", 7, 99)
	require.Equal(t, "REAL_TOPIC\x01T\x02REAL_QID\x017\x02", string(props))
	require.Equal(t, Topic, topic)
	require.EqualValues(t, 2, queue)
}

// crash loses the copies that were not flushed, and goes on from the last checkpoint.
func (b *bench) crash(t require.TestingT) {
	kept := 0
	for i, end := range b.ends {
		if end <= b.store.flushed {
			b.delivered[kept], b.ends[kept] = b.delivered[i], end
			kept++
		}
	}
	b.delivered, b.ends = b.delivered[:kept], b.ends[:kept]
	b.open(t)
}

// TestAtLeastOnce runs random failures, power cuts and waits: whatever was put is
// delivered in the end, although a power cut takes copies that were not flushed.
func TestAtLeastOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1700000000, 0)
		b := newBench(t, func() time.Time { return now })
		put := 0
		rounds := func(n int) {
			for range n {
				b.round(context.Background())
			}
		}
		b.outcome = func(string) Outcome {
			return rapid.SampledFrom([]Outcome{Stored, Stored, Stored, Retry}).Draw(t, "outcome")
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				b.put(strconv.Itoa(put), rapid.Int32Range(1, 3).Draw(t, "level"))
				put++
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
				rounds(1)
			},
			"flush":      func(*rapid.T) { b.store.flushed = b.store.end },
			"checkpoint": func(t *rapid.T) { require.NoError(t, b.Checkpoint()) },
			"crash":      func(t *rapid.T) { b.crash(t) },
			"stop": func(t *rapid.T) {
				b.store.flushed = b.store.end
				require.NoError(t, b.Save())
				b.open(t)
			},
		})
		b.outcome = nil
		for range 20 {
			now = now.Add(5 * time.Second)
			rounds(3)
		}
		seen := map[string]bool{}
		for _, d := range b.delivered {
			seen[d] = true
		}
		for i := range put {
			if !seen[strconv.Itoa(i)+"->t/2"] {
				t.Fatalf("message %d was lost; delivered %v", i, b.delivered)
			}
		}
	})
}

func FuzzFile(f *testing.F) {
	data, err := os.ReadFile("testdata/java/delayOffset.json")
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"offsetTable":{"1":-5,"99":7,"-1":3}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		fs := vfs.NewMem()
		require.NoError(t, vfs.ReplaceFile(fs, path, data))
		s, err := Open(Config{Store: newFakeStore(), Levels: levels, FS: fs, Path: path, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return
		}
		for level, offset := range s.Offsets() {
			require.True(t, level >= 1 && level <= levels.Max() && offset > 0)
		}
	})
}
