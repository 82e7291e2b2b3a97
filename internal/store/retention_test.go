package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

// retained is a store of a few files with a clock of its own.
func retained(t *testing.T, policy *Retention) (s *Store, mem *vfs.Mem, now *time.Time) {
	clock := time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)
	mem = vfs.NewMem()
	mem.SetClock(func() time.Time { return clock })
	c := small(mem)
	c.Now = func() time.Time { return clock }
	c.Retention, c.CleanInterval = func() Retention { return *policy }, time.Hour
	s = open(t, c)
	for i := range 100 {
		put(t, s, msg("T", int32(i%2), strings.Repeat("x", 500), "KEYS", "k"))
	}
	require.NoError(t, s.Checkpoint())
	return s, mem, &clock
}

func TestAgedFilesGoAtTheirHour(t *testing.T) {
	policy := &Retention{Age: 72 * time.Hour, Hours: []int{4}, MaxUsed: 0.75, Clean: 0.85, Refuse: 0.9, Forcibly: true, BatchSize: 2}
	s, _, now := retained(t, policy)
	defer closeStore(t, s)
	*now = now.Add(100 * time.Hour) // 16:00
	require.NoError(t, s.Clean())
	require.Zero(t, s.LogMin())
	*now = now.Add(12 * time.Hour) // 04:00
	require.NoError(t, s.Clean())
	require.EqualValues(t, 2*8192, s.LogMin())
	require.Positive(t, s.MinOffset("T", 0))
	r, _ := s.Get(GetRequest{Topic: "T", Offset: 0, MaxMsgs: 1}, nil)
	require.Equal(t, OffsetTooSmall, r.Status)
	require.Equal(t, s.MinOffset("T", 0), r.NextOffset)
	require.NotEmpty(t, bodies(t, s, "T", 0))
	for range 20 {
		require.NoError(t, s.Clean())
	}
	require.NotEmpty(t, bodies(t, s, "T", 1), "the newest file stays")
	next := s.MaxOffset("T", 1)
	require.Equal(t, next, put(t, s, msg("T", 1, "x")).QueueOffset)
}

func TestFullDiskCleansThenRefusesThenResumes(t *testing.T) {
	policy := &Retention{Age: 72 * time.Hour, MaxUsed: 0.75, Clean: 0.85, Refuse: 0.9, Forcibly: true, BatchSize: 1}
	s, mem, _ := retained(t, policy)
	defer closeStore(t, s)
	mem.SetUsage(vfs.Usage{Used: 88, Free: 12})
	require.NoError(t, s.Clean())
	require.EqualValues(t, 8192, s.LogMin(), "deleted before its time")
	require.NoError(t, s.Writable())
	mem.SetUsage(vfs.Usage{Used: 95, Free: 5})
	require.NoError(t, s.Clean())
	require.ErrorContains(t, s.Writable(), "/store/commitlog is 95.0% full, messages are refused above 90%")
	mem.SetUsage(vfs.Usage{Used: 895, Free: 105})
	require.NoError(t, s.Clean())
	require.Error(t, s.Writable(), "hysteresis")
	mem.SetUsage(vfs.Usage{Used: 50, Free: 50})
	require.NoError(t, s.Clean())
	require.NoError(t, s.Writable())
	put(t, s, msg("T", 0, "x"))
}

func TestNothingYoungGoesUnforced(t *testing.T) {
	policy := &Retention{Age: 72 * time.Hour, Hours: []int{12}, MaxUsed: 0.75, Clean: 0.85, Refuse: 0.9, BatchSize: 10}
	s, mem, _ := retained(t, policy)
	defer closeStore(t, s)
	mem.SetUsage(vfs.Usage{Used: 88, Free: 12})
	require.NoError(t, s.Clean())
	require.Zero(t, s.LogMin())
}
