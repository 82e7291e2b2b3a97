package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

// indexed is a store whose index cannot make files while full is set.
func indexed(t *testing.T, full *bool, cause error) (*Store, Config) {
	c := small(vfs.WithFaults(vfs.NewMem(), func(op vfs.Op, path string, _ int) (int, error) {
		if *full && op == vfs.OpCreate && filepath.Dir(path) == "/store/index" {
			return 0, &os.PathError{Op: string(op), Path: path, Err: cause}
		}
		return 0, nil
	}))
	c.Retention = func() Retention { return Retention{MaxUsed: 1, Clean: 1, Refuse: 1} }
	c.CleanInterval = time.Hour
	return open(t, c), c
}

func findable(t *testing.T, s *Store, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		require.Len(t, s.QueryIndex("T", fmt.Sprint("key", i), 32, 0, 1<<60), 1, "key %d", i)
	}
}

func TestAFullDiskTurnsTheIndexOffForAWhile(t *testing.T) {
	full := false
	s, c := indexed(t, &full, syscall.ENOSPC)
	send := func(from, to int) {
		for i := from; i < to; i++ {
			put(t, s, msg("T", 0, strings.Repeat("x", 100), "KEYS", fmt.Sprint("key", i)))
		}
	}
	send(0, 150)
	require.NoError(t, s.Checkpoint())
	send(150, 160)
	full = true
	send(160, 260) // more than a file of the index holds
	require.True(t, s.index.Off())
	require.NoError(t, s.Writable(), "messages do not need the index")
	require.NoError(t, s.Clean(t.Context()))
	require.True(t, s.index.Off(), "no room yet")
	full = false
	var sender sync.WaitGroup
	sender.Go(func() { send(260, 600) }) // while it is being completed
	require.NoError(t, s.Clean(t.Context()))
	sender.Wait()
	require.False(t, s.index.Off())
	findable(t, s, 0, 600)
	closeStore(t, s)
	s = open(t, c)
	require.True(t, s.Recovery().Clean)
	findable(t, s, 0, 600)
	closeStore(t, s)
}

func TestABrokenDiskTurnsTheIndexOffForGood(t *testing.T) {
	full := false
	s, c := indexed(t, &full, syscall.EIO)
	full = true
	for i := range 10 {
		put(t, s, msg("T", 0, "x", "KEYS", fmt.Sprint("key", i)))
	}
	require.True(t, s.index.Off())
	full = false
	require.NoError(t, s.Clean(t.Context()))
	require.True(t, s.index.Off())
	closeStore(t, s)
	s = open(t, c)
	require.False(t, s.Recovery().Clean)
	findable(t, s, 0, 10)
	closeStore(t, s)
}
