package store

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a configuration whose files fill quickly.
func small(fs vfs.FS) Config {
	c := DefaultConfig("/store")
	c.FS, c.Logger = fs, slog.New(slog.DiscardHandler)
	c.CommitLogFileSize, c.QueueFileSize, c.IndexSlots, c.IndexEntries = 8192, 400, 50, 200
	c.FlushInterval, c.QueueInterval, c.CheckpointInterval = time.Hour, time.Hour, time.Hour
	return c
}

func open(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(context.Background(), c)
	require.NoError(t, err)
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	require.NoError(t, s.Close(context.Background()))
}

// kill lets go of the store without writing anything.
func kill(t testing.TB, s *Store) {
	t.Helper()
	s.fenced.CompareAndSwap(nil, ErrClosed)
	if err := s.Close(context.Background()); err != nil {
		t.Log(err)
	}
}

func msg(topic string, queue int32, body string, props ...string) *message.Message {
	m := &message.Message{Topic: topic, QueueID: queue, Body: []byte(body), BornHost: netip.MustParseAddrPort("127.0.0.1:1")}
	for i := 0; i+1 < len(props); i += 2 {
		m.Properties = message.WithProperty(m.Properties, props[i], props[i+1])
	}
	return m
}

func put(t testing.TB, s *Store, m *message.Message) PutResult {
	t.Helper()
	r := s.Put(context.Background(), m)
	require.NoError(t, r.Err)
	return r
}

// bodies reads a queue from its first to its last message.
func bodies(t testing.TB, s *Store, topic string, queue int32) []string {
	t.Helper()
	var got []string
	for off := s.MinOffset(topic, queue); off < s.MaxOffset(topic, queue); {
		r, data := s.Get(GetRequest{Topic: topic, QueueID: queue, Offset: off, MaxMsgs: 32}, nil)
		require.Equal(t, Found, r.Status)
		for len(data) > 0 {
			m, err := message.Verify(data, message.Options{})
			require.NoError(t, err)
			require.Equal(t, off, m.QueueOffset)
			require.Equal(t, topic, m.Topic)
			got = append(got, string(m.Body))
			n, _, _ := message.Size(data)
			data = data[n:]
			off++
		}
		require.Equal(t, off, r.NextOffset)
	}
	return got
}

func TestPutAndGet(t *testing.T) {
	for _, mode := range []FlushMode{FlushAsync, FlushSync} {
		c := small(vfs.NewMem())
		c.Flush = mode
		s := open(t, c)
		var want [2][]string
		for i := range 200 { // several log and queue files
			body := strings.Repeat("x", i) + strconv.Itoa(i)
			r := put(t, s, msg("T", int32(i%2), body, "TAGS", "A", "KEYS", "k"+strconv.Itoa(i)))
			require.EqualValues(t, i/2, r.QueueOffset)
			want[i%2] = append(want[i%2], body)
		}
		require.Equal(t, want[0], bodies(t, s, "T", 0))
		require.Equal(t, want[1], bodies(t, s, "T", 1))
		require.Equal(t, []int32{0, 1}, s.Queues("T"))
		closeStore(t, s)

		s = open(t, c)
		require.True(t, s.Recovery().Clean)
		require.LessOrEqual(t, s.Recovery().Records, int64(1))
		require.Equal(t, want[0], bodies(t, s, "T", 0))
		offs := s.QueryIndex("T", "k150", 8, 0, 1<<60)
		require.NotEmpty(t, offs)
		rec, err := s.Record(offs[len(offs)-1], nil)
		require.NoError(t, err)
		m, err := message.Parse(rec)
		require.NoError(t, err)
		require.Equal(t, "T", m.Topic)
		require.EqualValues(t, 100, put(t, s, msg("T", 0, "next")).QueueOffset)
		closeStore(t, s)
	}
}

func TestKilledStoreIsComplete(t *testing.T) {
	mem := vfs.NewMem()
	c := small(mem)
	s := open(t, c)
	var want []string
	for i := range 100 {
		put(t, s, msg("T", 0, strconv.Itoa(i), "KEYS", "k"+strconv.Itoa(i)))
		want = append(want, strconv.Itoa(i))
		if i == 40 {
			require.NoError(t, s.Checkpoint())
		}
	}
	kill(t, s)
	s = open(t, c)
	require.False(t, s.Recovery().Clean)
	require.EqualValues(t, 60, s.Recovery().Records)
	require.Equal(t, want, bodies(t, s, "T", 0))
	for i := range 100 {
		require.NotEmpty(t, s.QueryIndex("T", "k"+strconv.Itoa(i), 8, 0, 1<<60), i)
	}
	closeStore(t, s)
}

func TestGetStatuses(t *testing.T) {
	s := open(t, small(vfs.NewMem()))
	defer closeStore(t, s)
	get := func(off int64) GetResult {
		r, _ := s.Get(GetRequest{Topic: "T", Offset: off, MaxMsgs: 32}, nil)
		return r
	}
	require.Equal(t, NoMessageInQueue, get(0).Status)
	for range 3 {
		put(t, s, msg("T", 0, "x"))
	}
	require.Equal(t, GetResult{Status: OffsetOverflowOne, NextOffset: 3, MaxOffset: 3}, get(3))
	require.Equal(t, GetResult{Status: OffsetOverflowBadly, NextOffset: 3, MaxOffset: 3}, get(9))
	require.Equal(t, GetResult{Status: OffsetTooSmall, MaxOffset: 3}, get(-1))
	require.EqualValues(t, 3, get(0).Count)
	require.Equal(t, "NO_MESSAGE_IN_QUEUE", NoMessageInQueue.String())
}

type tagFilter int64

func (f tagFilter) MatchTags(code int64) bool { return code == int64(f) }
func (f tagFilter) MatchRecord([]byte) bool   { return true }

func TestFilterSkipsOverManyMessages(t *testing.T) {
	s := open(t, small(vfs.NewMem()))
	defer closeStore(t, s)
	for i := range 2000 {
		tag := "other"
		if i == 1700 {
			tag = "A"
		}
		put(t, s, msg("T", 0, "x", "TAGS", tag))
	}
	f := tagFilter(TagsCode("A"))
	r, data := s.Get(GetRequest{Topic: "T", MaxMsgs: 32, Filter: f}, nil)
	require.Equal(t, NoMatchedMessage, r.Status)
	require.Empty(t, data)
	for r.Status == NoMatchedMessage {
		r, data = s.Get(GetRequest{Topic: "T", Offset: r.NextOffset, MaxMsgs: 32, Filter: f}, nil)
	}
	require.Equal(t, Found, r.Status)
	m, err := message.Parse(data)
	require.NoError(t, err)
	require.EqualValues(t, 1700, m.QueueOffset)
}

func TestOffsetByTime(t *testing.T) {
	c := small(vfs.NewMem())
	now := int64(1_000_000)
	c.Now = func() time.Time { return time.UnixMilli(now) }
	s := open(t, c)
	defer closeStore(t, s)
	for range 4 {
		now += 10 // 1000010, 20, 30, 40
		put(t, s, msg("T", 0, "x"))
	}
	for ms, want := range map[int64][2]int64{
		0: {0, 0}, 1000010: {0, 0}, 1000011: {1, 0}, 1000030: {2, 2}, 1000035: {3, 2}, 1000040: {3, 3}, 1000041: {4, 3}, 1 << 50: {4, 3},
	} {
		require.Equal(t, want[0], s.OffsetByTime("T", 0, ms, false), "lower %d", ms)
		require.Equal(t, want[1], s.OffsetByTime("T", 0, ms, true), "upper %d", ms)
	}
	require.EqualValues(t, 1000010, s.EarliestStoreTime())
}

func TestScheduleUnitsCarryTheTimeOfDelivery(t *testing.T) {
	c := small(vfs.NewMem())
	s := open(t, c)
	r := put(t, s, msg(ScheduleTopic, 2, "x", message.PropDelay, "3"))
	require.Equal(t, r.StoreTimestamp+10_000, s.Units(ScheduleTopic, 2, 0, 1)[0].TagsCode)
	kill(t, s)
	s = open(t, c)
	require.Equal(t, r.StoreTimestamp+10_000, s.Units(ScheduleTopic, 2, 0, 1)[0].TagsCode)
	closeStore(t, s)
}

func TestTimeNeverGoesBack(t *testing.T) {
	c := small(vfs.NewMem())
	now := int64(5000)
	c.Now = func() time.Time { return time.UnixMilli(now) }
	s := open(t, c)
	defer closeStore(t, s)
	require.EqualValues(t, 5000, put(t, s, msg("T", 0, "x")).StoreTimestamp)
	now = 4000
	require.EqualValues(t, 5000, put(t, s, msg("T", 0, "x")).StoreTimestamp)
}

func TestBatchTakesConsecutiveOffsetsInOneFile(t *testing.T) {
	s := open(t, small(vfs.NewMem()))
	defer closeStore(t, s)
	for n := range 40 {
		done := make(chan PutResult, 1)
		p := s.AcquirePut()
		p.Topic = "B"
		for i := range 3 {
			require.NoError(t, p.Add(msg("B", 0, fmt.Sprint(n, i))))
		}
		p.Done = func(p *Put) { done <- p.Result }
		s.Enqueue(p)
		s.Commit()
		r := <-done
		require.Equal(t, PutOK, r.Status)
		require.EqualValues(t, 3*n, r.QueueOffset)
		require.Len(t, r.Offsets, 3)
		require.Equal(t, r.Offsets[0]/8192, r.Offsets[2]/8192)
	}
	require.Len(t, bodies(t, s, "B", 0), 120)
}

func TestRefusals(t *testing.T) {
	c := small(vfs.NewMem())
	c.MaxMessageSize = 100
	s := open(t, c)
	for _, bad := range []struct {
		m    *message.Message
		want PutStatus
	}{
		{msg("T", 0, strings.Repeat("x", 101)), PutMessageIllegal},
		{msg("T", 0, "x", "k", strings.Repeat("v", 32767)), PutPropertiesSizeExceeded},
		{msg(strings.Repeat("T", 256), 0, "x"), PutMessageIllegal},
		{msg("../etc", 0, "x"), PutMessageIllegal},
		{msg("", 0, "x"), PutMessageIllegal},
		{msg("T", -1, "x"), PutMessageIllegal},
	} {
		r := s.Put(context.Background(), bad.m)
		require.Equal(t, bad.want, r.Status, "%v", r.Err)
		require.Error(t, r.Err)
	}
	closeStore(t, s)
	require.Equal(t, PutServiceNotAvailable, s.Put(context.Background(), msg("T", 0, "x")).Status)
}

func TestManyWritersAndReaders(t *testing.T) {
	c := small(vfs.NewMem())
	c.FlushInterval, c.QueueInterval, c.CheckpointInterval = time.Millisecond, time.Millisecond, 3*time.Millisecond
	s := open(t, c)
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := s.Put(context.Background(), msg("T", int32(w%3), fmt.Sprintf("%d/%d", w, i), "KEYS", fmt.Sprintf("%d-%d", w, i)))
				if r.Err != nil {
					t.Error(r.Err)
				}
			}
		})
	}
	wg.Wait()
	for round := range 2 {
		last := make(map[string]int)
		total := 0
		for q := range int32(3) {
			for _, b := range bodies(t, s, "T", q) {
				w, n, _ := strings.Cut(b, "/")
				i, err := strconv.Atoi(n)
				require.NoError(t, err)
				require.Equal(t, last[w], i, "order of writer %s", w)
				last[w]++
				total++
			}
		}
		require.Equal(t, writers*each, total, "round %d", round)
		closeStore(t, s)
		s = open(t, c)
	}
	closeStore(t, s)
}

func TestDeletedTopicStaysDeleted(t *testing.T) {
	c := small(vfs.NewMem())
	s := open(t, c)
	for range 50 {
		put(t, s, msg("T", 0, "old"))
	}
	require.NoError(t, s.DeleteTopic("T"))
	require.Zero(t, s.MaxOffset("T", 0))
	for range 3 {
		put(t, s, msg("T", 0, "new"))
	}
	kill(t, s)
	s = open(t, c)
	require.Equal(t, []string{"new", "new", "new"}, bodies(t, s, "T", 0))
	closeStore(t, s)
	require.NoError(t, c.FS.RemoveAll("/store/consumequeue")) // everything is built again
	s = open(t, c)
	require.Equal(t, []string{"new", "new", "new"}, bodies(t, s, "T", 0))
	closeStore(t, s)
}

// The last record of the log may belong to a topic that is gone.
func TestDeletedTopicStaysDeletedAtTheEndOfTheLog(t *testing.T) {
	for _, others := range []int{0, 1} {
		for _, end := range []func(testing.TB, *Store){closeStore, kill} {
			c := small(vfs.NewMem())
			s := open(t, c)
			for range others {
				put(t, s, msg("other", 0, "x"))
			}
			put(t, s, msg("T", 0, "old"))
			require.NoError(t, s.DeleteTopic("T"))
			end(t, s)
			s = open(t, c)
			require.Zero(t, s.MaxOffset("T", 0), "with %d other messages", others)
			put(t, s, msg("T", 0, "new"))
			require.Equal(t, []string{"new"}, bodies(t, s, "T", 0))
			closeStore(t, s)
		}
	}
}

func TestLockedStoreNamesItsHolder(t *testing.T) {
	c := DefaultConfig(t.TempDir())
	c.Logger = slog.New(slog.DiscardHandler)
	s := open(t, c)
	_, err := Open(context.Background(), c)
	var locked *vfs.LockedError
	require.ErrorAs(t, err, &locked)
	closeStore(t, s)
}

func TestForeignFilesAreRefused(t *testing.T) {
	for name, size := range map[string]int64{"notes.txt": 8192, "00000000000000000000": 9000, "00000000000000000007": 8192} {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll("/store/commitlog"))
		f, err := mem.Create(filepath.Join("/store/commitlog", name))
		require.NoError(t, err)
		require.NoError(t, f.Truncate(size))
		_, err = Open(context.Background(), small(mem))
		require.ErrorContains(t, err, name)
	}
}

// TestZerosAreNoTornSectors recovers messages of zero bytes at all places of a
// sector, with and without properties.
func TestZerosAreNoTornSectors(t *testing.T) {
	for _, props := range [][]string{nil, {"TAGS", "A"}} {
		c := small(vfs.NewMem())
		s := open(t, c)
		var want []string
		for i := range 520 {
			want = append(want, string(make([]byte, 600+i)))
			put(t, s, msg("T", 0, want[i], props...))
		}
		kill(t, s)
		s = open(t, c)
		require.Equal(t, want, bodies(t, s, "T", 0))
		closeStore(t, s)
	}
}

// TestCloseEndsInTime lets go of a store whose queues there is no time to write:
// nothing is lost, and the next start completes them.
func TestCloseEndsInTime(t *testing.T) {
	c := small(vfs.NewMem())
	s := open(t, c)
	for i := range 100 {
		put(t, s, msg("T", int32(i), "x"))
	}
	require.NoError(t, s.FlushLog())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, s.Close(ctx))
	s = open(t, c)
	require.False(t, s.Recovery().Clean)
	for i := range int32(100) {
		require.Equal(t, []string{"x"}, bodies(t, s, "T", i))
	}
	closeStore(t, s)
}
