package stats

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/message"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestWindowsFollowTheClock(t *testing.T) {
	s := New(Config{Cluster: "C"})
	now := start
	s.Sample(now)
	_, ok := s.Lookup(TopicPutNums, "t")
	require.False(t, ok, "an item exists from its first event on")

	s.Put("t", 2, Normal, 30, 3000, 5*time.Millisecond)
	now = now.Add(minutePeriod)
	s.Sample(now)
	w, ok := s.Lookup(TopicPutNums, "t")
	require.True(t, ok)
	require.Equal(t, Window{Sum: 30, Times: 1, TPS: 3, Avg: 30}, w.Minute, "seeded with zero one period back")
	w, ok = s.Lookup(TopicPutLatency, "2@t")
	require.True(t, ok)
	require.EqualValues(t, 5, w.Minute.Avg)
	_, ok = s.Lookup(TopicPutLatency, "1@t")
	require.False(t, ok)

	for range 6 { // the window is 60 s: the first event has left it
		now = now.Add(minutePeriod)
		s.Sample(now)
	}
	w, _ = s.Lookup(TopicPutNums, "t")
	require.Zero(t, w.Minute.Sum)
	for range 60 {
		now = now.Add(minutePeriod)
		s.Sample(now)
	}
	w, _ = s.Lookup(TopicPutNums, "t")
	require.EqualValues(t, 30, w.Hour.Sum)
}

// dense is a window that is made of a sample at every snapshot.
type dense struct {
	at         []time.Time
	sum, times []int64
}

func (d *dense) add(now time.Time, sum, times int64, of span) {
	if len(d.at) == 0 {
		d.at, d.sum, d.times = []time.Time{now.Add(-of.period())}, []int64{0}, []int64{0}
	}
	d.at, d.sum, d.times = append(d.at, now), append(d.sum, sum), append(d.times, times)
	if n := len(d.at) - of.samples(); n > 0 {
		d.at, d.sum, d.times = d.at[n:], d.sum[n:], d.times[n:]
	}
}

func (d *dense) window() (w Window) {
	if n := len(d.at) - 1; n > 0 {
		w = Window{Sum: d.sum[n] - d.sum[0], Times: d.times[n] - d.times[0]}
		w.TPS = float64(w.Sum) / d.at[n].Sub(d.at[0]).Seconds()
		if w.Times > 0 {
			w.Avg = float64(w.Sum) / float64(w.Times)
		}
	}
	return w
}

// TestWindowsAgainstModel compares windows with those of an item that is looked at
// by every snapshot.
func TestWindowsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Config{})
		var model [spans]dense
		var sum, times int64
		now := start
		for tick := range rapid.IntRange(1, 2000).Draw(t, "ticks") {
			s.Sample(now)
			for of, every := range []int{1, 60, 360} {
				if tick%every == 0 && times > 0 {
					model[of].add(now, sum, times, span(of))
				}
			}
			now = now.Add(minutePeriod)
			if rapid.IntRange(0, 20).Draw(t, "puts") == 0 {
				s.Put("t", 0, Normal, 7, 70, 0)
				sum, times = sum+7, times+1
			}
			if tick%7 != 0 || times == 0 {
				continue
			}
			got, ok := s.Lookup(TopicPutNums, "t")
			require.True(t, ok)
			for of, w := range []Window{got.Minute, got.Hour, got.Day} {
				want := model[of].window()
				require.InDelta(t, want.TPS, w.TPS, 1e-6)
				want.TPS, w.TPS = 0, 0
				require.Equal(t, want, w, "%d after %d", of, tick)
			}
			size, _ := s.Lookup(TopicPutSize, "t")
			require.Equal(t, 10*got.Minute.Sum, size.Minute.Sum)
		}
	})
}

// TestIdleTopicsCostNothing has many topics with traffic once: a day later their
// memory is small, and no snapshot has looked at them since.
func TestIdleTopicsCostNothing(t *testing.T) {
	const topics = 10_000
	s := New(Config{})
	now := start
	s.Sample(now)
	before := heap()
	for i := range topics {
		for q := range int32(8) {
			s.Put(fmt.Sprintf("topic-of-some-%06d", i), q, Normal, 1, 100, 0)
		}
	}
	for range 13 * 360 {
		now = now.Add(minutePeriod)
		s.Sample(now)
	}
	for _, list := range s.activity.list {
		require.Empty(t, list)
	}
	each := (heap() - before) / topics
	t.Log(each, "bytes")
	require.Less(t, each, int64(1600))
	require.Zero(t, s.latencies.Load())
	s.DropTopic("topic-of-some-000000")
	require.EqualValues(t, 8, s.latencies.Load())
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestLookupKeys(t *testing.T) {
	s := New(Config{Cluster: "C", System: func(topic, _ string) bool { return topic == "sys" }})
	s.Put("t", 0, Normal, 1, 100, 0)
	s.Put("sys", 0, Normal, 1, 100, 0)
	s.Get("t", "g", 3, 2, 200, time.Millisecond)
	s.Get("sys", "g", 3, 2, 200, time.Millisecond)
	s.SendBack("t", "g")
	s.DeadLetter("t", "g")
	s.Sample(start)
	for _, c := range []struct {
		name, key string
		sum       int64
	}{
		{TopicPutNums, "t", 1},
		{TopicPutSize, "t", 100},
		{GroupGetNums, "t@g", 2},
		{GroupGetSize, "t@g", 200},
		{GroupGetLatency, "3@t@g", 1},
		{SendBackPutNums, "t@g", 1},
		{DLQPutNums, "t@g", 1},
		{BrokerPutNums, "C", 2},
		{BrokerGetNums, "C", 4},
		{BrokerPutNumsUser, "C", 1},
		{BrokerGetNumsUser, "C", 2},
	} {
		w, ok := s.Lookup(c.name, c.key)
		require.True(t, ok, "%s %s", c.name, c.key)
		require.Equal(t, c.sum, w.Minute.Sum, "%s %s", c.name, c.key)
	}
	for _, c := range [][2]string{
		{"NO_SUCH", "C"},
		{BrokerPutNums, "other"},
		{TopicPutNums, "x"},
		{GroupGetNums, "t"},
		{GroupGetLatency, "t@g"},
		{TopicPutLatency, "-1@t"},
		{TopicPutLatency, ""},
	} {
		_, ok := s.Lookup(c[0], c[1])
		require.False(t, ok, "%v", c)
	}
}

func TestIdleTopicsAreForgotten(t *testing.T) {
	s := New(Config{})
	s.Put("t", 0, Normal, 1, 1, 0)
	s.Get("t", "g", 0, 1, 1, 0)
	now := start
	for range idleHours + 2 {
		s.Sample(now)
		now = now.Add(dayPeriod)
	}
	_, ok := s.Lookup(TopicPutNums, "t")
	require.False(t, ok)
	_, ok = s.Lookup(GroupGetNums, "t@g")
	require.False(t, ok)
	require.Zero(t, s.nTopics.Load())
	require.Zero(t, s.nPairs.Load())
}

func TestNamesAreBounded(t *testing.T) {
	s := New(Config{Max: 2, Cluster: "C"})
	for i := range 5 {
		s.Put(fmt.Sprint("t", i), 0, Normal, 1, 1, 0)
		s.Get(fmt.Sprint("t", i), "g", 0, 1, 1, 0)
	}
	require.EqualValues(t, 6, s.Skipped())
	require.EqualValues(t, 5, s.brokerPut.Sum(), "the broker's own count is complete")
	s.DropTopic("t0")
	s.DropGroup("g")
	s.Put("t9", 0, Normal, 1, 1, 0)
	s.Get("t9", "g", 0, 1, 1, 0)
	require.EqualValues(t, 6, s.Skipped())
}

func TestRates(t *testing.T) {
	s := New(Config{})
	require.Equal(t, "0.0 0.0 0.0", s.Rates().Put.String(), "never blank: parsers split at the spaces")
	now := start
	for range 700 {
		s.Sample(now)
		s.Put("t", 0, Normal, 10, 100, 0)
		s.Get("t", "g", 0, 5, 50, 0)
		s.GetMiss()
		now = now.Add(time.Second)
	}
	r := s.Rates()
	require.Equal(t, "10.0 10.0 10.0", r.Put.String())
	require.Equal(t, "1.0 1.0 1.0", r.GetFound.String())
	require.Equal(t, "2.0 2.0 2.0", r.GetTotal.String())
	require.Equal(t, "5.0 5.0 5.0", r.Transfer.String())
	for range 60 {
		s.Sample(now)
		now = now.Add(time.Second)
	}
	require.Equal(t, "0.0 0.167 9.017", s.Rates().Put.String())
}

func TestMidnights(t *testing.T) {
	s := New(Config{})
	s.Sample(start)
	s.Put("t", 0, Normal, 7, 1, 0)
	s.Sample(start.Add(time.Hour))
	require.Zero(t, s.Midnights())
	s.Sample(start.Add(13 * time.Hour))
	require.Equal(t, Midnights{PutToday: 7}, s.Midnights())
	s.Put("t", 0, Normal, 1, 1, 0)
	s.Sample(start.Add(37 * time.Hour))
	require.Equal(t, Midnights{PutYesterday: 7, PutToday: 8}, s.Midnights())
}

func TestPutTimes(t *testing.T) {
	s := New(Config{})
	s.Sample(start)
	require.Equal(t, "null", s.PutTimes().Distribution)
	for range 990 {
		s.Put("t", 0, Normal, 1, 1, 100*time.Microsecond)
	}
	for range 10 {
		s.Put("t", 0, Normal, 1, 1, 300*time.Millisecond)
	}
	s.Put("t", 0, Normal, 1, 1, 20*time.Second)
	s.Sample(start.Add(time.Minute))
	got := s.PutTimes()
	require.Equal(t, "[<=0ms]:990 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:10 [500ms~1s]:0 "+
		"[1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:1 ", got.Distribution)
	require.InDelta(t, 300, got.P99.Milliseconds(), 40)
	require.EqualValues(t, 20000, s.Totals().PutTimeMax.Load())
	s.Sample(start.Add(2 * time.Minute))
	require.Zero(t, s.PutTimes().P99, "a minute without writes")
}

func TestFineBucketsBracketTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "ns"))
		b := fineBucket(d)
		us := d.Microseconds()
		require.LessOrEqual(t, us, fineBound(b).Microseconds())
		if b > 0 {
			require.Greater(t, us, fineBound(b-1).Microseconds())
		}
	})
}

func TestKindCounts(t *testing.T) {
	s := New(Config{})
	s.Put("t", 0, FIFO, 2, 2048, 0)
	s.Put("t", 0, FIFO, 1, 5<<20, 0)
	for topic := range s.Topics() {
		require.Nil(t, topic.Kind(Normal))
		c := topic.Kind(FIFO)
		require.EqualValues(t, 3, c.Messages.Load())
		require.EqualValues(t, 2, c.Sizes[0].Load())
		require.EqualValues(t, 1, c.Sizes[len(SizeBounds)].Load())
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	s := New(Config{})
	s.Put("t", 3, Normal, 1, 100, time.Millisecond)
	s.Get("t", "g", 3, 1, 100, time.Millisecond)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Put("t", 3, Normal, 1, 100, time.Millisecond)
		s.Get("t", "g", 3, 1, 100, time.Millisecond)
		s.GetMiss()
	}))
}

func BenchmarkPut(b *testing.B) {
	s := New(Config{})
	b.ReportAllocs()
	for b.Loop() {
		s.Put("topic-of-a-benchmark", 3, Normal, 1, 100, time.Millisecond)
	}
}

func TestKindOf(t *testing.T) {
	props := func(kv ...string) string {
		var b []byte
		for i := 0; i < len(kv); i += 2 {
			b = message.AppendProperty(b, kv[i], kv[i+1])
		}
		return string(b)
	}
	for _, c := range []struct {
		props string
		want  Kind
	}{
		{"", Normal},
		{props("TAGS", "a"), Normal},
		{props("TRAN_MSG", "false"), Normal},
		{props("TAGS", "a", "DELAY", "3", "TRAN_MSG", "true"), Transaction},
		{props("__SHARDINGKEY", "k", "TIMER_DELAY_MS", "1"), Delay},
		{props("_SYS_MSG_PRIORITY_", "1", "__SHARDINGKEY", "k"), FIFO},
		{props("__LITE_TOPIC", "l"), Lite},
	} {
		require.Equal(t, c.want, KindOf(c.props), "%q", c.props)
	}
}
