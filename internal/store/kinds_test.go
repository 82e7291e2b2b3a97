package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/vfs"
)

// kinds is a store with a batch topic B and light queues beside the topic T.
func kinds(fs vfs.FS) Config {
	c := small(fs)
	c.BatchQueueFileSize, c.MultiDispatch, c.Flush = 6*cqueue.BatchUnitSize, true, FlushSync
	c.BatchTopics = func() []string { return []string{"B"} }
	return c
}

// putBatch stores bodies as one record of a batch queue, or one as it is.
func putBatch(t testing.TB, s *Store, bodies ...string) PutResult {
	t.Helper()
	p := s.AcquirePut()
	p.Topic, p.Batch = "B", true
	m := msg("B", 0, bodies[0])
	if len(bodies) > 1 {
		m.Body = nil
		for _, b := range bodies {
			m.Body = message.AppendBatchItem(m.Body, message.BatchItem{Body: []byte(b)})
		}
		m.SysFlag = message.FlagInnerBatch | message.FlagNeedUnwrap
		m.Properties = message.WithProperty("", message.PropInnerNum, strconv.Itoa(len(bodies)))
	}
	require.NoError(t, p.Add(m))
	var r PutResult
	p.Done = func(p *Put) { r = p.Result }
	s.Enqueue(p)
	s.Commit()
	require.NoError(t, r.Err)
	return r
}

// unwrap reads a batch queue as a client does, from an offset on.
func unwrap(t testing.TB, s *Store, from int64, o message.Options) []string {
	t.Helper()
	got := []string{}
	for off := from; off < s.MaxOffset("B", 0); {
		r, data := s.Get(GetRequest{Topic: "B", Offset: off, MaxMsgs: 5}, nil)
		require.Equal(t, Found, r.Status, "offset %d of %d", off, r.MaxOffset)
		at := off
		for len(data) > 0 {
			n, _, _ := message.Size(data)
			m, err := message.Verify(data[:n], o)
			require.NoError(t, err)
			data = data[n:]
			if m.SysFlag&message.FlagInnerBatch == 0 {
				require.Equal(t, at, m.QueueOffset)
				got = append(got, string(m.Body))
				at++
				continue
			}
			base, _ := message.Property(m.Properties, message.PropInnerBase)
			require.Equal(t, m.QueueOffset, decimal(base))
			inner := m.QueueOffset
			for item, err := range message.BatchItems(m.Body) {
				require.NoError(t, err)
				if inner >= at {
					got = append(got, string(item.Body))
				}
				inner++
			}
			at = inner
		}
		require.Equal(t, at, r.NextOffset)
		off = at
	}
	return got
}

func TestBatchUnitsAreJavas(t *testing.T) {
	c := kinds(vfs.NewMem())
	c.Now = func() time.Time { return time.UnixMilli(0x1a1fb554e75) }
	s := open(t, c)
	first := putBatch(t, s, "a", "b", "c")
	second := putBatch(t, s, "d")
	require.EqualValues(t, 3, second.QueueOffset)
	end := s.LogMax()
	closeStore(t, s)
	b, err := vfs.ReadFile(c.FS, "/store/batchconsumequeue/B/0/00000000000000000000")
	require.NoError(t, err)
	require.Len(t, b, int(c.BatchQueueFileSize))
	require.Equal(t, hex8(first.PhysicalOffset)+hex4(second.PhysicalOffset)+"0000000000000000"+"000001a1fb554e75"+"0000000000000000"+"0003"+"ffffffff"+"00000000",
		hex.EncodeToString(b[:46]))
	require.Equal(t, hex8(second.PhysicalOffset)+hex4(end-second.PhysicalOffset)+"0000000000000000"+"000001a1fb554e75"+"0000000000000003"+"0001"+"ffffffff"+"00000000",
		hex.EncodeToString(b[46:92]))
}

func TestBatchQueueIsReadFromAnyOffset(t *testing.T) {
	s := open(t, kinds(vfs.NewMem()))
	var want []string
	for i := range 30 {
		bodies := []string{}
		for range 1 + i%4 {
			bodies = append(bodies, strconv.Itoa(len(want)))
			want = append(want, strconv.Itoa(len(want)))
		}
		require.EqualValues(t, len(want)-len(bodies), putBatch(t, s, bodies...).QueueOffset)
	}
	for from := range want {
		require.Equal(t, want[from:], unwrap(t, s, int64(from), message.Options{}))
	}
	require.EqualValues(t, len(want), s.MaxOffset("B", 0))
	require.Len(t, s.Units("B", 0, 0, 100), 30)
	ms, ok := s.StoreTimeAt("B", 0, 2)
	require.True(t, ok)
	first := int64(0) // of the messages of that millisecond
	for at, _ := s.StoreTimeAt("B", 0, first); at != ms; at, _ = s.StoreTimeAt("B", 0, first) {
		first++
	}
	require.Equal(t, first, s.OffsetByTime("B", 0, ms, false))
	topics, err := s.Topics()
	require.NoError(t, err)
	require.Equal(t, []string{"B"}, topics)
	require.True(t, s.HasBatchQueues("B"))
	require.NoError(t, s.DeleteTopic("B"))
	require.Zero(t, s.MaxOffset("B", 0))
	closeStore(t, s)
}

func TestRetentionOfBatchQueues(t *testing.T) {
	c := kinds(vfs.NewMem())
	s := open(t, c)
	for i := range 40 {
		putBatch(t, s, strings.Repeat("x", 600), strconv.Itoa(i))
	}
	require.NoError(t, s.Checkpoint())
	require.NoError(t, s.remove(t.Context(), removal{policy: Retention{BatchSize: 2}, forced: true}))
	low := s.MinOffset("B", 0)
	require.Positive(t, low)
	infos, err := c.FS.ReadDir("/store/batchconsumequeue/B/0")
	require.NoError(t, err)
	require.NotEqual(t, "00000000000000000000", infos[0].Name)
	r, _ := s.Get(GetRequest{Topic: "B", Offset: 0, MaxMsgs: 5}, nil)
	require.Equal(t, OffsetTooSmall, r.Status)
	require.Equal(t, low, r.NextOffset)
	require.Len(t, unwrap(t, s, low, message.Options{}), int(80-low))
	closeStore(t, s)
	s = open(t, c)
	require.Equal(t, low, s.MinOffset("B", 0))
	require.EqualValues(t, 80, putBatch(t, s, "next").QueueOffset)
	closeStore(t, s)
}

func TestLightQueues(t *testing.T) {
	s := open(t, kinds(vfs.NewMem()))
	for i, c := range []struct {
		names string
		want  string // INNER_MULTI_QUEUE_OFFSET
	}{
		{"%LMQ%a", "0"},
		{"%LMQ%a,%LMQ%b", "1,0"},
		{"%LMQ%b", "1"},
		{"%LMQ%a,other", ""},
		{"%LMQ%a,%LMQ%a", ""},
		{"%LMQ%a,%LMQ%x/y", ""},
		{" ", ""},
	} {
		r := put(t, s, msg("T", 0, strconv.Itoa(i), message.PropInnerMultiDispatch, c.names, message.PropInnerMultiOffset, "7"))
		rec, err := s.Record(r.PhysicalOffset, nil)
		require.NoError(t, err)
		m, err := message.Parse(rec)
		require.NoError(t, err)
		got, _ := message.Property(m.Properties, message.PropInnerMultiOffset)
		if c.want == "" {
			require.Equal(t, "7", got, c.names)
			continue
		}
		var numbers []string
		for _, n := range strings.Split(got, ",") {
			numbers = append(numbers, strconv.FormatInt(decimal(n), 10))
		}
		require.Equal(t, c.want, strings.Join(numbers, ","), c.names)
	}
	require.EqualValues(t, 2, s.MaxOffset("%LMQ%a", 0))
	require.EqualValues(t, 2, s.MaxOffset("%LMQ%b", 0))
	require.EqualValues(t, 1, put(t, s, msg("%LMQ%b", 0, "sent to it", message.PropInnerMultiDispatch, "%LMQ%b")).QueueOffset-1)
	closeStore(t, s)
}

// TestKindsSurvivePowerCuts puts, flushes, loses queue directories, and cuts the power.
func TestKindsSurvivePowerCuts(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			mem := vfs.NewMem()
			c := kinds(mem)
			c.AppendCRC = r.IntN(2) == 0
			o := message.Options{CRC: c.AppendCRC}
			s := open(t, c)
			var batched []string
			light := map[string][]string{"%LMQ%a": nil, "%LMQ%b": nil}
			check := func() {
				require.Equal(t, append([]string{}, batched...), unwrap(t, s, 0, o))
				for name, want := range light {
					require.EqualValues(t, len(want), s.MaxOffset(name, 0), name)
					require.Equal(t, want, lightBodies(t, s, name))
				}
			}
			for i := range 150 {
				switch n := r.IntN(100); {
				case n < 45:
					bodies := []string{}
					for range 1 + r.IntN(4) {
						bodies = append(bodies, fmt.Sprintf("%d-%d", i, len(bodies)))
					}
					putBatch(t, s, bodies...)
					batched = append(batched, bodies...)
				case n < 80:
					names := [][]string{{"%LMQ%a"}, {"%LMQ%b"}, {"%LMQ%a", "%LMQ%b"}}[r.IntN(3)]
					put(t, s, msg("T", 0, strconv.Itoa(i), message.PropInnerMultiDispatch, strings.Join(names, ",")))
					for _, name := range names {
						light[name] = append(light[name], strconv.Itoa(i))
					}
				case n < 86:
					require.NoError(t, s.queues.Flush(context.Background(), s.Flushed()))
				case n < 90:
					require.NoError(t, s.Checkpoint())
				case n < 92:
					closeStore(t, s)
					s = open(t, c)
					check()
				default:
					old := s
					mem = mem.Crash(r)
					if n == 99 {
						dir := []string{"consumequeue", "batchconsumequeue"}[r.IntN(2)]
						require.NoError(t, mem.RemoveAll("/store/"+dir))
					}
					c.FS = mem
					s = open(t, c)
					kill(t, old)
					check()
				}
			}
			check()
			closeStore(t, s)
		})
	}
}

func lightBodies(t testing.TB, s *Store, name string) []string {
	t.Helper()
	var got []string
	for off := int64(0); off < s.MaxOffset(name, 0); {
		r, data := s.Get(GetRequest{Topic: name, Offset: off, MaxMsgs: 32}, nil)
		require.Equal(t, Found, r.Status)
		for len(data) > 0 {
			n, _, _ := message.Size(data)
			m, err := message.Parse(data[:n])
			require.NoError(t, err)
			got, data = append(got, string(m.Body)), data[n:]
		}
		off = r.NextOffset
	}
	return got
}

// TestExtendedQueuesAreRead puts addresses and entries of extended files where a
// Java broker has them.
func TestExtendedQueuesAreRead(t *testing.T) {
	c := small(vfs.NewMem())
	c.ExtFileSize = 64
	s := open(t, c)
	for i := range 6 {
		put(t, s, msg("T", 0, strconv.Itoa(i)+strings.Repeat("x", 2500), message.PropTags, []string{"a", "b"}[i%2]))
	}
	closeStore(t, s)
	write := func(path string, size int64, at int64, b []byte) {
		require.NoError(t, c.FS.MkdirAll(filepath.Dir(path)))
		f, err := c.FS.Create(path)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(size))
		_, err = f.WriteAt(b, at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	be := binary.BigEndian
	for i := range 4 { // 0, 1 in the first file, 2 in the second; 3 is lost
		at := int64(i) * 32
		write("/store/consumequeue/T/0/00000000000000000000", c.QueueFileSize, int64(i)*20+12, be.AppendUint64(nil, uint64(at+math.MinInt64)))
		if i < 3 {
			entry := be.AppendUint16(nil, 20)
			entry = be.AppendUint64(entry, uint64(TagsCode([]string{"a", "b"}[i%2])))
			entry = append(entry, make([]byte, 10)...)
			write(fmt.Sprintf("/store/consumequeue_ext/T/0/%020d", at-at%64), 64, at%64, entry)
		}
	}
	s = open(t, c)
	r, _ := s.Get(GetRequest{Topic: "T", MaxMsgs: 32, Filter: tagFilter(TagsCode("a"))}, nil)
	require.Equal(t, 4, r.Count, "0, 2, 4, and 3, whose tags nobody knows")
	units := s.Units("T", 0, 0, 6)
	require.Equal(t, TagsCode("a"), units[0].TagsCode)
	require.Equal(t, TagsCode("b"), units[1].TagsCode)
	require.NoError(t, s.Checkpoint())
	require.NoError(t, s.remove(t.Context(), removal{policy: Retention{BatchSize: 1}, forced: true}))
	require.EqualValues(t, 3, s.MinOffset("T", 0))
	_, err := c.FS.Stat("/store/consumequeue_ext/T/0/00000000000000000000")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, s.DeleteTopic("T"))
	_, err = c.FS.Stat("/store/consumequeue_ext/T")
	require.ErrorIs(t, err, os.ErrNotExist)
	closeStore(t, s)
}
