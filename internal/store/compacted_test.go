package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/compaction"
	"github.com/aerobee/aerobee/internal/vfs"
)

func keeping(fs vfs.FS) Config {
	c := small(fs)
	c.CompactionTopics = func() []string { return []string{"K"} }
	c.CompactionQueueFileSize, c.CompactionFileSize, c.CompactionInterval = 20*compaction.UnitSize, 8192, time.Hour
	return c
}

// pulled reads a queue from an offset to its end: body by offset.
func pulled(t *testing.T, s *Store, topic string, from int64) (offsets []int64, all map[int64]string, phys map[int64]int64) {
	all, phys = map[int64]string{}, map[int64]int64{}
	for steps := 0; from < s.MaxOffset(topic, 0); steps++ {
		require.Less(t, steps, 1000)
		r, recs := s.Get(GetRequest{Topic: topic, Offset: from, MaxMsgs: 7}, nil)
		require.Contains(t, []GetStatus{Found, NoMatchedMessage}, r.Status)
		require.Greater(t, r.NextOffset, from)
		for len(recs) > 0 {
			m, err := message.Verify(recs, message.Options{})
			require.NoError(t, err)
			offsets = append(offsets, m.QueueOffset)
			all[m.QueueOffset], phys[m.QueueOffset] = string(m.Body), m.PhysicalOffset
			size, _, _ := message.Size(recs)
			recs = recs[size:]
		}
		from = r.NextOffset
	}
	return offsets, all, phys
}

func putKept(t *testing.T, s *Store, from, to int) {
	for i := from; i < to; i++ {
		put(t, s, msg("K", 0, fmt.Sprint("v", i), "KEYS", fmt.Sprint("k", i%5)))
	}
}

func (s *Store) keepNow(t *testing.T, compact bool) {
	require.NoError(t, s.FlushLog())
	s.eachKept(t.Context(), s.keep)
	if compact {
		s.eachKept(t.Context(), s.compact)
	}
	require.Empty(t, s.kept.failed)
}

func TestLatestValuesOutliveTheLog(t *testing.T) {
	mem := vfs.NewMem()
	clock := time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)
	mem.SetClock(func() time.Time { return clock })
	c := keeping(mem)
	c.Now = func() time.Time { return clock }
	c.CleanInterval = time.Hour
	c.Retention = func() Retention {
		return Retention{Age: time.Hour, Always: true, MaxUsed: 0.75, Clean: 0.85, Refuse: 0.9, BatchSize: 100}
	}
	s := open(t, c)
	putKept(t, s, 0, 101)
	s.keepNow(t, true)
	offsets, all, phys := pulled(t, s, "K", 0)
	require.Less(t, len(offsets), 50)
	require.IsIncreasing(t, offsets)
	for _, off := range offsets {
		require.Equal(t, fmt.Sprint("v", off), all[off])
		rec, err := s.Record(phys[off], nil)
		require.NoError(t, err)
		m, err := message.Parse(rec)
		require.NoError(t, err)
		require.Equal(t, all[off], string(m.Body), "the physical offset is that of the commit log")
	}
	require.EqualValues(t, 101, s.MaxOffset("K", 0))

	for range 100 {
		put(t, s, msg("other", 0, strings.Repeat("x", 1000)))
	}
	require.NoError(t, s.Checkpoint())
	clock = clock.Add(2 * time.Hour)
	require.NoError(t, s.Clean(t.Context()))
	require.EqualValues(t, 101, s.MinOffset("K", 0), "nothing of it is in the log")
	left, all, phys := pulled(t, s, "K", 0)
	require.Subset(t, offsets, left)
	for i := range 5 {
		require.Contains(t, all, int64(96+i))
		require.EqualValues(t, -1, phys[int64(96+i)], "nobody can be led to another message")
	}
	r, _ := s.Get(GetRequest{Topic: "K", Offset: 101, MaxMsgs: 1}, nil)
	require.Equal(t, OffsetOverflowOne, r.Status)
	require.Equal(t, left[0], r.MinOffset)

	putKept(t, s, 101, 103)
	_, all, _ = pulled(t, s, "K", 97)
	require.Equal(t, "v102", all[102], "what is not copied yet comes from the queue")
	closeStore(t, s)
	s = open(t, c)
	_, again, _ := pulled(t, s, "K", 97)
	require.Equal(t, all, again)

	_, err := s.Purge("K", nil)
	require.NoError(t, err)
	r, _ = s.Get(GetRequest{Topic: "K", Offset: 0, MaxMsgs: 1}, nil)
	require.Equal(t, OffsetTooSmall, r.Status)
	require.EqualValues(t, 103, r.NextOffset)
	putKept(t, s, 103, 104)
	s.keepNow(t, false)
	offsets, _, _ = pulled(t, s, "K", 103)
	require.Equal(t, []int64{103}, offsets)

	require.NoError(t, s.DeleteTopic("K"))
	putKept(t, s, 0, 3)
	s.keepNow(t, false)
	offsets, _, _ = pulled(t, s, "K", 0)
	require.Equal(t, []int64{0, 1, 2}, offsets)
	closeStore(t, s)
}

// TestPowerCutsOfAKeepingStore cuts the power between puts, copies and compactions:
// of each key the latest message that is acknowledged is there.
func TestPowerCutsOfAKeepingStore(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		mem := vfs.NewMem()
		c := keeping(mem)
		c.Flush = FlushSync
		s := open(t, c)
		next := 0
		for range 6 {
			for range 1 + r.IntN(4) {
				n := r.IntN(60)
				putKept(t, s, next, next+n)
				next += n
				if r.IntN(2) == 0 {
					s.keepNow(t, r.IntN(2) == 0)
				}
			}
			after := mem.Crash(r)
			kill(t, s)
			mem, c.FS = after, after
			s = open(t, c)
			offsets, all, _ := pulled(t, s, "K", 0)
			require.IsIncreasing(t, offsets, "seed %d", seed)
			for i := max(next-5, 0); i < next; i++ {
				require.Equal(t, fmt.Sprint("v", i), all[int64(i)], "seed %d", seed)
			}
		}
		closeStore(t, s)
	}
}
