package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

// crashRuns is how many seeds TestPowerCuts tries, and from which on:
// AEROBEE_CRASH_RUNS and AEROBEE_CRASH_SEED, which alone runs that one.
func crashRuns(t *testing.T) (first, n uint64) {
	first, n = 1, 100
	if os.Getenv("AEROBEE_CRASH_SEED") != "" {
		n = 1
	}
	for name, p := range map[string]*uint64{"AEROBEE_CRASH_SEED": &first, "AEROBEE_CRASH_RUNS": &n} {
		if v := os.Getenv(name); v != "" {
			u, err := strconv.ParseUint(v, 10, 64)
			require.NoError(t, err)
			*p = u
		}
	}
	return first, n
}

// TestPowerCuts runs random operations with failing calls, power cuts and
// restarts against the model.
func TestPowerCuts(t *testing.T) {
	first, n := crashRuns(t)
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			playModel(t, seed)
		})
	}
}

// playModel is one run; it returns what tells it from others.
func playModel(t *testing.T, seed uint64) uint64 {
	m := newModel(t, seed)
	for range 250 {
		m.step()
	}
	m.disarm()
	m.look()
	kill(t, m.s)
	return m.trace.Sum64()
}

// TestPowerCutsAreDeterministic runs some seeds twice: the same calls reach the
// disk.
func TestPowerCutsAreDeterministic(t *testing.T) {
	for seed := range uint64(5) {
		require.Equal(t, playModel(t, seed), playModel(t, seed), "seed %d", seed)
	}
}

// TestFailedSyncFences says why nothing is acknowledged any more.
func TestFailedSyncFences(t *testing.T) {
	mem := vfs.NewMem()
	fail := false
	c := small(vfs.WithFaults(mem, func(op vfs.Op, _ string, _ int) (int, error) {
		if fail && op == vfs.OpSync {
			return 0, errors.New("input/output error")
		}
		return 0, nil
	}))
	c.Flush = FlushSync
	s := open(t, c)
	put(t, s, msg("T", 0, "good"))
	fail = true
	r := s.Put(context.Background(), msg("T", 0, "bad"))
	require.Equal(t, PutServiceNotAvailable, r.Status)
	require.ErrorContains(t, r.Err, "input/output error")
	fail = false
	r = s.Put(context.Background(), msg("T", 0, "after"))
	require.ErrorContains(t, r.Err, "fenced", "a later sync that succeeds proves nothing")
	require.Equal(t, []string{"good"}, bodies(t, s, "T", 0), "reads go on")
	kill(t, s)
}

// TestFullDiskRecovers refuses while there is no room and goes on afterwards.
func TestFullDiskRecovers(t *testing.T) {
	mem := vfs.NewMem()
	full := false
	c := small(vfs.WithFaults(mem, func(op vfs.Op, _ string, n int) (int, error) {
		if full && op == vfs.OpWrite {
			return n / 2, syscall.ENOSPC
		}
		return 0, nil
	}))
	s := open(t, c)
	put(t, s, msg("T", 0, "one"))
	full = true
	r := s.Put(context.Background(), msg("T", 0, "lost"))
	require.Equal(t, PutServiceNotAvailable, r.Status)
	require.ErrorContains(t, r.Err, "no space left")
	require.EqualError(t, s.Writable(), r.Err.Error())
	require.Error(t, s.Checkpoint(), "the unit of the first message has no room either")
	require.Error(t, s.Writable())
	full = false
	require.NoError(t, s.Checkpoint())
	require.EqualValues(t, 1, put(t, s, msg("T", 0, "two")).QueueOffset)
	require.Equal(t, []string{"one", "two"}, bodies(t, s, "T", 0))
	closeStore(t, s)
}
