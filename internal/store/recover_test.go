package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// failing is a file system on mem whose calls fail while match says so.
func failing(mem *vfs.Mem, match func(op vfs.Op, path string) error) vfs.FS {
	return vfs.WithFaults(mem, func(op vfs.Op, path string, _ int) (int, error) { return 0, match(op, path) })
}

// TestHalfMessagesHaveNoPlaceInTheQueue before and after a recovery.
func TestHalfMessagesHaveNoPlaceInTheQueue(t *testing.T) {
	c := small(vfs.NewMem())
	s := open(t, c)
	for i, kind := range []int32{0, message.FlagTransactionHalf, message.FlagTransactionUndo, message.FlagTransactionDone} {
		m := msg("T", 0, fmt.Sprint(i), "KEYS", "k")
		m.SysFlag |= kind
		r := put(t, s, m)
		if !queued(kind) {
			require.Zero(t, r.QueueOffset)
		}
	}
	for range 2 {
		require.Equal(t, []string{"0", "3"}, bodies(t, s, "T", 0))
		require.Len(t, s.QueryIndex("T", "k", 10, 0, 1<<60), 3, "all but the one that was rolled back")
		kill(t, s)
		s = open(t, c)
	}
	closeStore(t, s)
}

// TestRetentionKeepsTheNumbering deletes log files whose units were in memory only,
// and kills the store.
func TestRetentionKeepsTheNumbering(t *testing.T) {
	mem := vfs.NewMem()
	c := small(mem)
	c.Retention = func() Retention {
		return Retention{MaxUsed: 0.1, Clean: 0.2, Refuse: 0.9, Forcibly: true, BatchSize: 100}
	}
	s := open(t, c)
	for range 3 {
		put(t, s, msg("old", 0, strings.Repeat("x", 3000)))
	}
	for range 10 {
		put(t, s, msg("new", 0, strings.Repeat("x", 3000)))
	}
	mem.SetUsage(vfs.Usage{Used: 50, Free: 50})
	require.NoError(t, s.FlushLog())
	require.NoError(t, s.Clean(context.Background()))
	require.EqualValues(t, 3, s.MinOffset("old", 0), "all are gone")
	kill(t, s)
	s = open(t, c)
	require.EqualValues(t, 3, put(t, s, msg("old", 0, "x")).QueueOffset)
	closeStore(t, s)
}

// TestEveryFailedSyncFences, whoever asked for it.
func TestEveryFailedSyncFences(t *testing.T) {
	for name, run := range map[string]func(*Store) error{
		"flush":        (*Store).FlushLog,
		"checkpoint":   (*Store).Checkpoint,
		"delete topic": func(s *Store) error { return s.DeleteTopic("U") },
	} {
		t.Run(name, func(t *testing.T) {
			fail := false
			s := open(t, small(failing(vfs.NewMem(), func(op vfs.Op, _ string) error {
				if fail && op == vfs.OpSync {
					return errDisk
				}
				return nil
			})))
			put(t, s, msg("T", 0, "x"))
			fail = true
			require.ErrorIs(t, run(s), errDisk)
			fail = false
			require.ErrorContains(t, s.Writable(), "fenced after")
			require.ErrorContains(t, s.Writable(), "input/output error")
			kill(t, s)
		})
	}
}

// TestFailedSyncIsNotForgotten restarts a process whose sync failed, so that what
// it wrote can be read and is not on the disk, and then cuts the power.
func TestFailedSyncIsNotForgotten(t *testing.T) {
	for seed := range uint64(20) {
		mem := vfs.NewMem()
		r := rand.New(rand.NewPCG(seed, 1))
		fail := false
		c := small(failing(mem, func(op vfs.Op, path string) error {
			if fail && op == vfs.OpSync {
				mem.FailSync(path, r)
				return errDisk
			}
			return nil
		}))
		c.Flush = FlushSync
		s := open(t, c)
		put(t, s, msg("T", 0, "first"))
		fail = true
		require.Error(t, s.Put(context.Background(), msg("T", 0, strings.Repeat("x", 3000))).Err)
		fail = false
		kill(t, s)
		s = open(t, c)
		require.True(t, s.Recovery().Distrusted)
		want := append(bodies(t, s, "T", 0), "last")
		put(t, s, msg("T", 0, "last"))
		kill(t, s)
		c.FS = mem.Crash(r)
		s = open(t, c)
		require.Equal(t, want, bodies(t, s, "T", 0))
		closeStore(t, s)
	}
}

// TestLostQueueIsBuiltAgain removes a queue's files under a killed store: its units
// come from the log, also that of the record at the checkpoint, and none of a topic
// of the same name that was deleted before.
func TestLostQueueIsBuiltAgain(t *testing.T) {
	c := small(vfs.NewMem())
	s := open(t, c)
	put(t, s, msg("other", 0, "x"))
	for i := range 3 {
		put(t, s, msg("T", 0, fmt.Sprint("old", i)))
	}
	require.NoError(t, s.DeleteTopic("T"))
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint("new", i))
		put(t, s, msg("T", 0, want[i]))
		if i == 6 {
			require.NoError(t, s.Checkpoint())
		}
	}
	kill(t, s)
	require.NoError(t, c.FS.RemoveAll("/store/consumequeue/T"))
	s = open(t, c)
	require.Equal(t, want, bodies(t, s, "T", 0))
	closeStore(t, s)
}

// TestLogHasNoGap makes it fail to remove and to make files: the log can be opened
// afterwards.
func TestLogHasNoGap(t *testing.T) {
	mem := vfs.NewMem()
	var fail func(op vfs.Op, path string) error
	c := small(failing(mem, func(op vfs.Op, path string) error {
		if fail != nil {
			return fail(op, path)
		}
		return nil
	}))
	c.Retention = func() Retention {
		return Retention{MaxUsed: 0.1, Clean: 0.2, Refuse: 0.9, Forcibly: true, BatchSize: 100}
	}
	s := open(t, c)
	for range 5 {
		put(t, s, msg("T", 0, strings.Repeat("x", 6000)))
	}
	require.NoError(t, s.FlushLog())
	mem.SetUsage(vfs.Usage{Used: 50, Free: 50})
	fail = func(op vfs.Op, path string) error {
		if op == vfs.OpRemove && path == "/store/commitlog/00000000000000000000" {
			return errDisk
		}
		return nil
	}
	require.ErrorIs(t, s.Clean(context.Background()), errDisk)
	require.Zero(t, s.LogMin())
	fail = func(op vfs.Op, path string) error { // the second file that a group needs
		if op == vfs.OpTruncate && path == "/store/commitlog/00000000000000049152" {
			return syscall.ENOSPC
		}
		return nil
	}
	for range 2 {
		p := s.AcquirePut()
		p.Topic, p.Done = "T", func(*Put) {}
		require.NoError(t, p.Add(msg("T", 0, strings.Repeat("y", 6000))))
		s.Enqueue(p)
	}
	s.Commit()
	fail = nil
	want := bodies(t, s, "T", 0)
	require.Len(t, want, 5)
	kill(t, s)
	s = open(t, c)
	require.Equal(t, want, bodies(t, s, "T", 0))
	closeStore(t, s)
}

// TestUnreadableCheckpointRecordEndsTheStart, which does not go on from a guess.
func TestUnreadableCheckpointRecordEndsTheStart(t *testing.T) {
	for op, part := range map[vfs.Op]string{vfs.OpRead: "/commitlog/", vfs.OpReadDir: "/consumequeue"} {
		mem := vfs.NewMem()
		s := open(t, small(mem))
		put(t, s, msg("T", 0, "x"))
		closeStore(t, s)
		_, err := Open(context.Background(), small(failing(mem, func(o vfs.Op, path string) error {
			if o == op && strings.Contains(path, part) {
				return errDisk
			}
			return nil
		})))
		require.ErrorIs(t, err, errDisk)
	}
}

// reads counts what is read of a file system, and where a start looked.
type reads struct {
	vfs.FS
	bytes int64
	looks []string // paths below consumequeue
}

func (r *reads) look(path string) {
	if strings.Contains(path, "consumequeue"+string(filepath.Separator)) {
		r.looks = append(r.looks, path)
	}
}

func (r *reads) Open(path string) (vfs.File, error)      { return r.wrap(path, r.FS.Open) }
func (r *reads) OpenRead(path string) (vfs.File, error)  { return r.wrap(path, r.FS.OpenRead) }
func (r *reads) Create(path string) (vfs.File, error)    { return r.wrap(path, r.FS.Create) }
func (r *reads) ReadDir(path string) ([]vfs.Info, error) { r.look(path); return r.FS.ReadDir(path) }
func (r *reads) Stat(path string) (vfs.Info, error)      { r.look(path); return r.FS.Stat(path) }
func (f *readFile) ReadAt(p []byte, off int64) (int, error) {
	f.r.bytes += int64(len(p))
	return f.File.ReadAt(p, off)
}

func (r *reads) wrap(path string, open func(string) (vfs.File, error)) (vfs.File, error) {
	r.look(path)
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	return &readFile{f, r}, nil
}

type readFile struct {
	vfs.File
	r *reads
}

// TestWorkOfAStart counts: after a kill it is the log behind the checkpoint, and
// after a clean stop next to nothing, however many files and queues there are.
func TestWorkOfAStart(t *testing.T) {
	const fileSize, fixed = 64 << 10, 64<<10 + 64<<10 // the file that the end is in, and a few looks
	mem := vfs.NewMem()
	c := small(mem)
	c.CommitLogFileSize, c.IndexSlots, c.IndexEntries = fileSize, 500, 20_000
	s := open(t, c)
	fill := func(n, queues int) {
		for i := range n {
			put(t, s, msg(fmt.Sprint("T", i%queues), 0, strings.Repeat("x", 1000), "KEYS", "k"))
		}
	}
	fill(3000, 150)
	require.NoError(t, s.Checkpoint())
	fill(200, 3)
	tail := s.LogMax() - s.Stats().CheckpointAt
	kill(t, s)

	count := &reads{FS: mem}
	c.FS = count
	s = open(t, c)
	require.Greater(t, s.LogMax(), int64(40*fileSize))
	require.Equal(t, s.LogMax()-tail, s.Recovery().From)
	require.LessOrEqual(t, count.bytes, tail+fixed)
	require.Empty(t, count.looks, "queues were looked at")
	require.EqualValues(t, 20+67, s.MaxOffset("T0", 0))
	closeStore(t, s)

	count.bytes, count.looks = 0, nil
	s = open(t, c)
	require.LessOrEqual(t, count.bytes, int64(fixed))
	require.Empty(t, count.looks)
	closeStore(t, s)
}

// TestStartCanBeWatchedAndStopped looks at the progress while the log is read, and
// ends the start in the middle.
func TestStartCanBeWatchedAndStopped(t *testing.T) {
	mem := vfs.NewMem()
	c := small(mem)
	s := open(t, c)
	for range 100 {
		put(t, s, msg("T", 0, strings.Repeat("x", 1000)))
	}
	total := s.LogMax()
	kill(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	p := &Progress{}
	require.Equal(t, "opening the store", p.State(c.Now()).String())
	c.Progress = p
	c.FS = failing(mem, func(op vfs.Op, path string) error {
		if st := p.State(c.Now()); op == vfs.OpRead && st.Done > total/2 {
			require.Regexp(t, `^reading the commit log, 0\.\d of 0\.1 MB, \d+ s left$`, st.String())
			cancel()
		}
		return nil
	})
	_, err := Open(ctx, c)
	require.ErrorIs(t, err, context.Canceled)
	c.FS = mem
	s = open(t, c)
	require.Len(t, bodies(t, s, "T", 0), 100)
	require.Equal(t, total, p.State(c.Now()).Done)
	closeStore(t, s)
}
