package store

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
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
	require.NoError(t, s.Clean(t.Context()))
	require.Zero(t, s.LogMin())
	*now = now.Add(12 * time.Hour) // 04:00
	require.NoError(t, s.Clean(t.Context()))
	require.EqualValues(t, 2*8192, s.LogMin())
	require.Positive(t, s.MinOffset("T", 0))
	r, _ := s.Get(GetRequest{Topic: "T", Offset: 0, MaxMsgs: 1}, nil)
	require.Equal(t, OffsetTooSmall, r.Status)
	require.Equal(t, s.MinOffset("T", 0), r.NextOffset)
	require.NotEmpty(t, bodies(t, s, "T", 0))
	for range 20 {
		require.NoError(t, s.Clean(t.Context()))
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
	require.NoError(t, s.Clean(t.Context()))
	require.EqualValues(t, 8192, s.LogMin(), "deleted before its time")
	require.NoError(t, s.Writable())
	mem.SetUsage(vfs.Usage{Used: 95, Free: 5})
	require.NoError(t, s.Clean(t.Context()))
	require.ErrorContains(t, s.Writable(), "service not available now. The broker's disk is full: the file system mounted at /, which holds /store/commitlog, has 95.0% of 100 B in use and 5 B free; messages are refused above 90% (diskSpaceWarningLevelRatio) and taken again at 85%")
	mem.SetUsage(vfs.Usage{Used: 895, Free: 105})
	require.NoError(t, s.Clean(t.Context()))
	require.Error(t, s.Writable(), "hysteresis")
	mem.SetUsage(vfs.Usage{Used: 50, Free: 50})
	require.NoError(t, s.Clean(t.Context()))
	require.NoError(t, s.Writable())
	put(t, s, msg("T", 0, "x"))
}

func TestNothingYoungGoesUnforced(t *testing.T) {
	policy := &Retention{Age: 72 * time.Hour, Hours: []int{12}, MaxUsed: 0.75, Clean: 0.85, Refuse: 0.9, BatchSize: 10}
	s, mem, _ := retained(t, policy)
	defer closeStore(t, s)
	mem.SetUsage(vfs.Usage{Used: 88, Free: 12})
	require.NoError(t, s.Clean(t.Context()))
	require.Zero(t, s.LogMin())
}

func TestContinuousDeletionKnowsNoHour(t *testing.T) {
	policy := &Retention{Age: 72 * time.Hour, Hours: []int{4}, Always: true, MaxUsed: 1, Clean: 1, Refuse: 1, BatchSize: 100}
	s, _, now := retained(t, policy)
	defer closeStore(t, s)
	*now = now.Add(71 * time.Hour)
	require.NoError(t, s.Clean(t.Context()))
	require.Zero(t, s.LogMin())
	*now = now.Add(time.Hour)
	require.NoError(t, s.Clean(t.Context()))
	require.Equal(t, s.LogMax()/8192*8192, s.LogMin(), "all but the newest file")
}

func TestAnOperatorNeedsNoHourEither(t *testing.T) {
	policy := &Retention{Age: 72 * time.Hour, Hours: []int{4}, MaxUsed: 1, Clean: 1, Refuse: 1, BatchSize: 2}
	s, _, now := retained(t, policy)
	defer closeStore(t, s)
	require.NoError(t, s.CleanNow(t.Context()))
	require.Zero(t, s.LogMin(), "not aged")
	*now = now.Add(100 * time.Hour)
	require.NoError(t, s.CleanNow(t.Context()))
	require.EqualValues(t, 2*8192, s.LogMin())
	require.NoError(t, s.Clean(t.Context()))
	require.EqualValues(t, 4*8192, s.LogMin(), "the next looks go on")
}

func TestQuotaDeletesTheOldest(t *testing.T) {
	policy := &Retention{Age: 72 * time.Hour, MaxUsed: 1, Clean: 1, Refuse: 1, BatchSize: 100}
	s, _, _ := retained(t, policy)
	defer closeStore(t, s)
	policy.MaxBytes = 1 << 20
	require.NoError(t, s.Clean(t.Context()))
	require.Zero(t, s.LogMin())
	queues, err := s.queues.Disk(t.Context())
	require.NoError(t, err)
	indexes, err := s.cfg.FS.ReadDir("/store/index")
	require.NoError(t, err)
	policy.MaxBytes = 3*8192 + queues
	for _, x := range indexes {
		policy.MaxBytes += x.Disk
	}
	require.NoError(t, s.Clean(t.Context()))
	require.Equal(t, (s.LogMax()/8192-2)*8192, s.LogMin(), "three files are left")
	policy.MaxBytes = 1
	require.NoError(t, s.Clean(t.Context()))
	require.Equal(t, s.LogMax()/8192*8192, s.LogMin(), "the newest file stays")
	require.NotEmpty(t, bodies(t, s, "T", 1))
}

func TestFreeBytesCountOnLargeDisks(t *testing.T) {
	const gib = 1 << 30
	policy := &Retention{Age: 72 * time.Hour, MaxUsed: 0.75, Clean: 1, Refuse: 1, MinFree: gib, Forcibly: true, BatchSize: 1}
	s, mem, _ := retained(t, policy)
	defer closeStore(t, s)
	at := func(free int64) error {
		mem.SetUsage(vfs.Usage{Used: 240*gib - free, Free: free})
		require.NoError(t, s.Clean(t.Context()))
		return s.Writable()
	}
	require.NoError(t, at(20*gib))
	require.Zero(t, s.LogMin())
	require.NoError(t, at(2*gib-1))
	require.EqualValues(t, 8192, s.LogMin(), "deleted before its time, before messages are refused")
	require.ErrorContains(t, at(gib-1), "99.6% of 240.0 GiB in use and 1024.0 MiB free; "+
		"messages are refused below 1.0 GiB free (aerobeeDiskMinFreeBytes) and taken again at 1.1 GiB")
	require.Error(t, at(gib+gib/20), "hysteresis")
	require.NoError(t, at(gib+gib/10))
	put(t, s, msg("T", 0, "x"))
}

// mounts puts the queues on a disk of their own.
type mounts struct {
	vfs.FS
	queues vfs.Usage
}

func (m *mounts) Mount(path string) (string, error) {
	if strings.HasPrefix(path, "/store/consumequeue") {
		return "/queues", nil
	}
	return m.FS.Mount(path)
}

func (m *mounts) Usage(path string) (vfs.Usage, error) {
	if strings.HasPrefix(path, "/store/consumequeue") {
		return m.queues, nil
	}
	return m.FS.Usage(path)
}

func TestTheQueuesDiskCountsToo(t *testing.T) {
	disk := &mounts{FS: vfs.NewMem(), queues: vfs.Usage{Used: 50, Free: 50}}
	c := small(disk)
	c.Retention, c.CleanInterval = func() Retention { return Retention{MaxUsed: 0.75, Clean: 0.85, Refuse: 0.9} }, time.Hour
	s := open(t, c)
	defer func() { closeStore(t, s) }()
	put(t, s, msg("T", 0, "x"))
	require.NoError(t, s.Checkpoint())
	require.NoError(t, s.Clean(t.Context()))
	require.NoError(t, s.Writable())
	disk.queues = vfs.Usage{Used: 99, Free: 1}
	require.NoError(t, s.Clean(t.Context()))
	require.ErrorContains(t, s.Writable(), "mounted at /queues, which holds /store/consumequeue")
	closeStore(t, s)
	s = open(t, c)
	require.Error(t, s.Writable(), "from the start on")
}

// TestFullDiskForQueuesRefusesAndResumes has room for the log but not for the
// queues: nothing may be acknowledged that a restart would not find again cheaply,
// and nothing is fenced.
func TestFullDiskForQueuesRefusesAndResumes(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpTruncate, vfs.OpCreate} {
		t.Run(string(op), func(t *testing.T) {
			full := false
			c := small(vfs.WithFaults(vfs.NewMem(), func(o vfs.Op, path string, n int) (int, error) {
				if full && o == op && strings.Contains(path, "consumequeue") {
					return n / 2, &os.PathError{Op: string(op), Path: path, Err: syscall.ENOSPC}
				}
				return 0, nil
			}))
			s := open(t, c)
			put(t, s, msg("T", 0, "one"))
			full = true
			require.ErrorContains(t, s.Checkpoint(), "no space left")
			r := s.Put(t.Context(), msg("T", 0, "refused"))
			require.Equal(t, PutServiceNotAvailable, r.Status)
			require.ErrorContains(t, r.Err, "service not available now. The broker's disk is full: the file system mounted at /, which holds /store/consumequeue, has")
			require.Equal(t, []string{"one"}, bodies(t, s, "T", 0))
			full = false
			require.NoError(t, s.Checkpoint())
			put(t, s, msg("T", 0, "two"))
			closeStore(t, s)
			s = open(t, c)
			require.True(t, s.Recovery().Clean)
			require.Equal(t, []string{"one", "two"}, bodies(t, s, "T", 0))
			closeStore(t, s)
		})
	}
}

// TestFullDiskForALogFileRefusesAndResumes has no room for the log's next file. When
// that is found by a sync, nothing is known any more and the store is fenced.
func TestFullDiskForALogFileRefusesAndResumes(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpCreate, vfs.OpTruncate, vfs.OpWrite, vfs.OpSync} {
		t.Run(string(op), func(t *testing.T) {
			full := false
			c := small(vfs.WithFaults(vfs.NewMem(), func(o vfs.Op, path string, n int) (int, error) {
				if full && o == op && strings.HasSuffix(path, "8192") {
					return n / 2, &os.PathError{Op: string(op), Path: path, Err: syscall.ENOSPC}
				}
				return 0, nil
			}))
			s := open(t, c)
			large := strings.Repeat("x", 7000)
			put(t, s, msg("T", 0, large))
			full = true
			r := s.Put(t.Context(), msg("T", 0, large))
			require.Equal(t, PutServiceNotAvailable, r.Status)
			full = false
			if op == vfs.OpSync {
				require.NoError(t, s.Checkpoint())
				require.ErrorContains(t, s.Writable(), "fenced")
				kill(t, s)
				return
			}
			require.NoError(t, s.Checkpoint())
			require.EqualValues(t, 1, put(t, s, msg("T", 0, "next")).QueueOffset)
			require.Equal(t, []string{large, "next"}, bodies(t, s, "T", 0))
			closeStore(t, s)
			s = open(t, c)
			require.True(t, s.Recovery().Clean)
			require.Equal(t, []string{large, "next"}, bodies(t, s, "T", 0))
			closeStore(t, s)
		})
	}
}

const deletedUnits = 500

// TestGetsDoNotNoticeDeletion reads a queue again and again while the log's files
// go: a Get gives messages in order or says where to go on, never an error.
func TestGetsDoNotNoticeDeletion(t *testing.T) {
	c := small(vfs.OS)
	c.Dir = t.TempDir()
	var logged strings.Builder
	c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
	c.Retention = func() Retention {
		return Retention{Always: true, MaxUsed: 1, Clean: 1, Refuse: 1, BatchSize: 1}
	}
	c.CleanInterval = time.Hour
	s := open(t, c)
	defer closeStore(t, s)
	for i := range deletedUnits {
		put(t, s, msg("T", 0, strconv.Itoa(i)+strings.Repeat("x", 300), "KEYS", "k"))
	}
	require.NoError(t, s.Checkpoint())
	require.NoError(t, s.Checkpoint())
	var readers sync.WaitGroup
	var done atomic.Bool
	problems := make(chan string, 3)
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				if p := readAll(s, &done); p != "" {
					problems <- p
					return
				}
			}
		})
	}
	for before := int64(-1); s.LogMin() > before; {
		before = s.LogMin()
		require.NoError(t, s.Clean(t.Context()))
		s.QueryIndex("T", "k", 32, 0, 1<<60)
	}
	done.Store(true)
	readers.Wait()
	close(problems)
	require.Empty(t, <-problems)
	require.Empty(t, logged.String())
	require.Equal(t, s.LogMax()/8192*8192, s.LogMin())
}

// readAll reads the queue once and tells what is wrong with what it gets.
func readAll(s *Store, done *atomic.Bool) string {
	for off := s.MinOffset("T", 0); off < deletedUnits && !done.Load(); {
		r, data := s.Get(GetRequest{Topic: "T", Offset: off, MaxMsgs: 32}, nil)
		switch r.Status {
		case OffsetTooSmall, MessageWasRemoving, NoMatchedMessage:
			off = max(off, r.NextOffset)
			continue
		case Found:
		default:
			return fmt.Sprintf("offset %d: %s", off, r.Status)
		}
		for len(data) > 0 {
			m, err := message.Parse(data)
			if err != nil {
				return err.Error()
			}
			if m.QueueOffset < off || !strings.HasPrefix(string(m.Body), strconv.FormatInt(m.QueueOffset, 10)+"x") {
				return fmt.Sprintf("at offset %d: offset %d with body %.10q", off, m.QueueOffset, m.Body)
			}
			off = m.QueueOffset + 1
			n, _, _ := message.Size(data)
			data = data[n:]
		}
		off = max(off, r.NextOffset)
	}
	return ""
}
