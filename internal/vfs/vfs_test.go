package vfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// both runs a test on the real file system and on memory.
func both(t *testing.T, test func(t *testing.T, fs FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, OS, t.TempDir()) })
	t.Run("mem", func(t *testing.T) { test(t, NewMem(), "/") })
}

func TestReadWrite(t *testing.T) {
	both(t, func(t *testing.T, fs FS, dir string) {
		path := filepath.Join(dir, "f")
		_, err := fs.Open(path)
		require.ErrorIs(t, err, os.ErrNotExist)
		f, err := fs.Create(path)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(8192))
		_, err = f.WriteAt([]byte("hello"), 4000)
		require.NoError(t, err)
		m, err := f.Map(8192)
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Bytes()[4000:4005]))
		m.Bytes()[4000] = 'j'
		require.NoError(t, m.Sync())
		b := make([]byte, 5)
		_, err = f.ReadAt(b, 4000)
		require.NoError(t, err)
		require.Equal(t, "jello", string(b))
		require.NoError(t, m.Close())
		require.NoError(t, f.Close())
		infos, err := fs.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, infos, 1)
		require.EqualValues(t, 8192, infos[0].Size)
		require.NoError(t, fs.Remove(path))
		require.NoError(t, fs.RemoveAll(path))
	})
}

func TestLockExcludes(t *testing.T) {
	both(t, func(t *testing.T, fs FS, dir string) {
		path := filepath.Join(dir, "lock")
		l, err := fs.Lock(path)
		require.NoError(t, err)
		_, err = fs.Lock(path)
		var locked *LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, os.Getpid(), locked.PID)
		require.NoError(t, l.Close())
		l, err = fs.Lock(path)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	})
}

func TestReplaceKeepsThePreviousGeneration(t *testing.T) {
	both(t, func(t *testing.T, fs FS, dir string) {
		path := filepath.Join(dir, "config", "topics.json")
		load := func() (got string, err error) {
			err = LoadFile(fs, path, func(b []byte) error {
				if string(b) == "bad" {
					return errors.New("bad")
				}
				got = string(b)
				return nil
			})
			return got, err
		}
		_, err := load()
		require.ErrorIs(t, err, os.ErrNotExist)
		require.NoError(t, ReplaceFile(fs, path, []byte("one, longer")))
		require.NoError(t, ReplaceFile(fs, path, []byte("two")))
		got, err := load()
		require.NoError(t, err)
		require.Equal(t, "two", got)
		require.NoError(t, ReplaceFile(fs, path, []byte("bad")))
		got, err = load()
		require.NoError(t, err)
		require.Equal(t, "two", got)
		require.NoError(t, ReplaceFile(fs, path, []byte("bad")))
		_, err = load()
		require.ErrorContains(t, err, "bad")
	})
}

// TestReplaceSurvivesPowerCuts cuts the power at every call of a replacement:
// one of two generations is always there, and the new one after success.
func TestReplaceSurvivesPowerCuts(t *testing.T) {
	for cut := range 13 {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("call %d seed %d", cut, seed), func(t *testing.T) {
				mem := NewMem()
				require.NoError(t, ReplaceFile(mem, "/c/f", []byte("old")))
				calls := 0
				fs := WithFaults(mem, func(Op, string, int) (int, error) {
					if calls++; calls > cut {
						return 2, errors.New("power cut")
					}
					return 0, nil
				})
				err := ReplaceFile(fs, "/c/f", []byte("new"))
				after := mem.Crash(rand.New(rand.NewPCG(seed, 1)))
				var got string
				require.NoError(t, LoadFile(after, "/c/f", func(b []byte) error { got = string(b); return nil }))
				if err == nil {
					require.Equal(t, "new", got)
				} else {
					require.Contains(t, []string{"old", "new"}, got)
				}
			})
		}
	}
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	mem := NewMem()
	f, err := mem.Create("/f")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("durable"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, mem.SyncDir("/"))
	_, err = f.WriteAt([]byte("maybe"), 4096)
	require.NoError(t, err)
	lost, kept := 0, 0
	for seed := range uint64(64) {
		b, err := ReadFile(mem.Crash(rand.New(rand.NewPCG(seed, 7))), "/f")
		require.NoError(t, err)
		require.Equal(t, "durable", string(b[:7]))
		if len(b) >= 4101 && string(b[4096:4101]) == "maybe" {
			kept++
		} else {
			lost++
		}
	}
	require.Positive(t, lost)
	require.Positive(t, kept)
}

func TestMountHoldsThePath(t *testing.T) {
	both(t, func(t *testing.T, fs FS, dir string) {
		mount, err := fs.Mount(dir)
		require.NoError(t, err)
		real, err := filepath.EvalSymlinks(dir)
		require.NoError(t, err)
		below, err := filepath.Rel(mount, real)
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(below), "%s is not below %s", real, mount)
	})
	proc, err := OS.Mount("/proc/self")
	if err == nil { // not every system has it
		require.Equal(t, "/proc", proc)
	}
}

func TestNoSpaceIsNothingElse(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}
	quota := fmt.Errorf("queue: %w", syscall.EDQUOT)
	require.True(t, NoSpace(full))
	require.True(t, NoSpace(errors.Join(full, quota)))
	for _, err := range []error{nil, os.ErrNotExist, &os.PathError{Op: "fdatasync", Path: "f", Err: syscall.ENOSPC}, errors.Join(full, syscall.EIO), fmt.Errorf("x: %w", errors.Join(full, errors.New("y")))} {
		require.False(t, NoSpace(err), "%v", err)
	}
}

func TestDiskIsWhatASparseFileTakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := OS.Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(64<<20))
	require.NoError(t, f.Close())
	info, err := OS.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 64<<20, info.Size)
	require.Less(t, info.Disk, int64(1<<20))
}

// TestFailedSyncLosesSectors syncs again after a sync that failed: what the first
// one lost is there to be read, and gone after a power cut, until it is written
// again.
func TestFailedSyncLosesSectors(t *testing.T) {
	crashed := func(m *Mem) string {
		b, err := ReadFile(m.Crash(rand.New(rand.NewPCG(1, 1))), "/f")
		require.NoError(t, err)
		return string(b[:4])
	}
	outcomes := make(map[string]bool)
	for seed := range uint64(32) {
		mem := NewMem()
		f, err := mem.Create("/f")
		require.NoError(t, err)
		require.NoError(t, f.Truncate(4096))
		require.NoError(t, f.Sync())
		require.NoError(t, mem.SyncDir("/"))
		_, err = f.WriteAt([]byte("data"), 0)
		require.NoError(t, err)
		mem.FailSync("/f", rand.New(rand.NewPCG(seed, 1)))
		_, err = f.WriteAt([]byte("more"), 1024)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		seen := make([]byte, 4)
		_, err = f.ReadAt(seen, 0)
		require.NoError(t, err)
		outcomes[string(seen)+" then "+crashed(mem)] = true
		_, err = f.WriteAt([]byte("data"), 0)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.Equal(t, "data", crashed(mem))
	}
	zero := "\x00\x00\x00\x00"
	require.Equal(t, map[string]bool{"data then data": true, "data then " + zero: true, zero + " then " + zero: true}, outcomes)
}
