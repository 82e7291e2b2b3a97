package store

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

func fillTopic(t *testing.T, s *Store, n int) {
	for i := range n {
		put(t, s, msg("T", int32(i%2), "message", "KEYS", "k"))
	}
}

func TestPurgeHidesForGood(t *testing.T) {
	mem := vfs.NewMem()
	c := small(mem)
	c.Flush = FlushSync
	s := open(t, c)
	fillTopic(t, s, 10)
	put(t, s, msg("other", 0, "stays"))
	done, err := s.Purge("T", []int32{0})
	require.NoError(t, err)
	require.Equal(t, []Purged{{QueueID: 0, Min: 0, Max: 5}}, done)
	check := func() {
		t.Helper()
		require.EqualValues(t, 5, s.MinOffset("T", 0))
		require.EqualValues(t, 5, s.FloorOffset("T", 0))
		require.EqualValues(t, 0, s.MinOffset("T", 1))
		require.Zero(t, s.FloorOffset("T", 1))
		require.EqualValues(t, 5, s.OffsetByTime("T", 0, 0, false))
		r, _ := s.Get(GetRequest{Topic: "T", Offset: 0, MaxMsgs: 10}, nil)
		require.Equal(t, OffsetTooSmall, r.Status)
		require.EqualValues(t, 5, r.NextOffset)
		require.True(t, s.Hidden("T", 0, 0))
		require.Len(t, bodies(t, s, "T", 1), 5)
		require.Len(t, bodies(t, s, "other", 0), 1)
	}
	check()
	kill(t, s)
	c.FS = mem.Crash(rand.New(rand.NewPCG(1, 2)))
	s = open(t, c)
	check()
	require.EqualValues(t, 5, put(t, s, msg("T", 0, "new")).QueueOffset)
	require.Equal(t, []string{"new"}, bodies(t, s, "T", 0))

	done, err = s.Purge("T", nil)
	require.NoError(t, err)
	require.Equal(t, []Purged{{QueueID: 0, Min: 5, Max: 6}, {QueueID: 1, Min: 0, Max: 5}}, done)
	require.Empty(t, bodies(t, s, "T", 0))
	require.Empty(t, bodies(t, s, "T", 1))
	done, err = s.Purge("nobody", nil)
	require.NoError(t, err)
	require.Empty(t, done)
	closeStore(t, s)
	s = open(t, c)
	require.Empty(t, bodies(t, s, "T", 0))
	closeStore(t, s)
}

// TestPurgeSurvivesPowerCuts cuts the power at a random moment after a purge that
// returned: nothing of it comes back, and nothing later is hidden.
func TestPurgeSurvivesPowerCuts(t *testing.T) {
	for seed := range uint64(40) {
		mem := vfs.NewMem()
		c := small(mem)
		c.Flush, c.Index = FlushMode(seed%2), false
		s := open(t, c)
		fillTopic(t, s, 10)
		_, err := s.Purge("T", nil)
		require.NoError(t, err)
		for range seed % 5 {
			put(t, s, msg("T", 0, "later"))
		}
		c.FS = mem.Crash(rand.New(rand.NewPCG(seed, 1)))
		kill(t, s)
		s = open(t, c)
		require.EqualValues(t, 5, s.MinOffset("T", 0))
		require.EqualValues(t, 5, s.MinOffset("T", 1))
		r := put(t, s, msg("T", 0, "last"))
		got := bodies(t, s, "T", 0)
		require.Len(t, got, int(r.QueueOffset-5)+1)
		require.Equal(t, "last", got[len(got)-1])
		closeStore(t, s)
	}
}

func TestAFloorDoesNotHideATopicMadeAgain(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, small(mem))
	fillTopic(t, s, 10)
	_, err := s.Purge("T", nil)
	require.NoError(t, err)
	require.NoError(t, s.DeleteTopic("T"))
	require.EqualValues(t, 0, put(t, s, msg("T", 0, "anew")).QueueOffset)
	require.Equal(t, []string{"anew"}, bodies(t, s, "T", 0))
	closeStore(t, s)
	data, err := vfs.ReadFile(mem, "/store/"+floorsFile)
	require.NoError(t, err)
	require.Equal(t, "[]", string(data))
}

func TestAFloorIsNotBehindTheLog(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, vfs.ReplaceFile(mem, "/store/"+floorsFile, []byte(`[{"topic":"T","queueId":0,"physicalOffset":99999999}]`)))
	s := open(t, small(mem))
	put(t, s, msg("T", 0, "x"))
	require.Equal(t, []string{"x"}, bodies(t, s, "T", 0))
	closeStore(t, s)
	s = open(t, small(mem))
	require.Equal(t, []string{"x"}, bodies(t, s, "T", 0))
	closeStore(t, s)
}

func TestFloorsGoWithTheLog(t *testing.T) {
	policy := &Retention{Always: true, MaxUsed: 1, Clean: 1, Refuse: 1, BatchSize: 100}
	s, mem, _ := retained(t, policy)
	_, err := s.Purge("T", []int32{0})
	require.NoError(t, err)
	for range 30 {
		put(t, s, msg("U", 0, strings.Repeat("x", 500)))
	}
	require.NoError(t, s.Checkpoint())
	require.NoError(t, s.Clean(t.Context()))
	_, err = s.Purge("U", nil) // writes the file
	require.NoError(t, err)
	data, err := vfs.ReadFile(mem, "/store/"+floorsFile)
	require.NoError(t, err)
	require.NotContains(t, string(data), `"T"`)
	closeStore(t, s)
}

func TestMessagesOlderThanTheirTopicSaysAreNotShown(t *testing.T) {
	policy := &Retention{Age: 1000 * time.Hour, MaxUsed: 1, Clean: 1, Refuse: 1}
	s, _, now := retained(t, policy) // 50 messages in each of two queues
	defer closeStore(t, s)
	ctx := t.Context()
	reserve := map[string]time.Duration{"T": time.Hour}
	require.NoError(t, s.SetReserve(ctx, func() map[string]time.Duration { return reserve }))
	require.Zero(t, s.MinOffset("T", 0))
	*now = now.Add(30 * time.Minute)
	put(t, s, msg("T", 0, "young"))
	put(t, s, msg("U", 0, "other topic"))
	*now = now.Add(30 * time.Minute)
	require.NoError(t, s.Expire(ctx))
	require.Zero(t, s.MinOffset("T", 0), "exactly an hour is not older")
	*now = now.Add(time.Millisecond)
	require.NoError(t, s.Expire(ctx))
	require.EqualValues(t, 50, s.MinOffset("T", 0))
	require.Equal(t, []string{"young"}, bodies(t, s, "T", 0))
	require.EqualValues(t, 50, s.MinOffset("T", 1), "empty")
	require.Equal(t, []string{"other topic"}, bodies(t, s, "U", 0))
	require.EqualValues(t, 50, put(t, s, msg("T", 1, "new")).QueueOffset)
	require.Equal(t, []string{"new"}, bodies(t, s, "T", 1))

	*now = now.Add(30*time.Minute + time.Millisecond)
	require.NoError(t, s.Expire(ctx))
	require.Empty(t, bodies(t, s, "T", 0))
	require.Equal(t, []string{"new"}, bodies(t, s, "T", 1))
	reserve["T"] = time.Minute
	require.NoError(t, s.Expire(ctx))
	require.Empty(t, bodies(t, s, "T", 1), "a change of the time counts at once")
	require.Zero(t, s.LogMin(), "space comes back with the log's files")
}
