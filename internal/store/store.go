package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// ErrClosed is what a Put gets after Close.
var ErrClosed = &PutError{PutServiceNotAvailable, "service not available now: the broker is shutting down"}

// Store is an open store directory. All methods are safe for concurrent use.
type Store struct {
	cfg    Config
	record message.Options
	lock   io.Closer
	log    *commitlog.Log
	queues queues
	index  *index.Index // nil when off
	kept   keptTopics
	tasks  *run.Group

	lead   lead
	group  group
	relief chan struct{} // hands leadership to the store's own goroutine
	puts   sync.Pool

	lastStart atomic.Int64             // offset of the last published record
	lastTime  atomic.Int64             // ms, store time of that record or one before
	inQueues  atomic.Int64             // the units of records below are durable
	fenced    atomic.Pointer[PutError] // S5
	closing   atomic.Pointer[PutError]
	diskFull  atomic.Pointer[PutError] // for a while: a limit is passed
	noSpace   atomic.Pointer[PutError] // for a while: a write failed
	arrival   atomic.Pointer[func(Arrival)]
	groupDone atomic.Pointer[func()]

	checkpointing sync.Mutex
	claim         claim
	checkpointF   vfs.File
	recovery      Recovery
	restored      int64 // the units of records from here on came from the log at the start
	floors        floors

	cleaning sync.Mutex // guards quota and cleaned
	quota    quota
	cleaned  int64        // what pointed below is removed
	manual   atomic.Int32 // looks that an operator asked for

	counters struct {
		puts, putBytes, putsFailed, gets, getsMissed, getBytes atomic.Int64
	}
}

// Open opens the store in cfg.Dir, which is made when missing, and brings it in
// order after a crash. It fails with *vfs.LockedError when somebody has it open
// and with *commitlog.FileError for files that cannot be right.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, err
	}
	if cfg.Progress == nil {
		cfg.Progress = &Progress{}
	}
	lock, err := lockDir(&cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, record: message.Options{CRC: cfg.AppendCRC}, lock: lock, relief: make(chan struct{}, 1)}
	s.lead.below.L = &s.lead.Mutex
	if cfg.Locked != nil {
		err = cfg.Locked()
	}
	if err == nil {
		err = s.load(ctx)
	}
	if err != nil {
		var file *FileError
		if ctx.Err() == nil && !errors.As(err, &file) && s.log != nil {
			s.distrust()
		}
		return nil, errors.Join(err, s.closeFiles())
	}
	s.tasks = run.NewGroup(context.WithoutCancel(ctx))
	s.tasks.Go("store leader", s.reliefLoop)
	s.tasks.Go("store flush", s.flushLoop)
	if s.index != nil {
		s.tasks.Go("store index", s.index.Run)
	}
	if s.kept.set != nil {
		s.tasks.Go("store compaction", s.compactionLoop)
	}
	if cfg.Retention != nil {
		if disks, err := s.disks(); err == nil { // else the loop reports it
			s.watchDisks(cfg.Retention(), disks)
		}
		s.tasks.Go("store retention", s.retentionLoop)
	}
	return s, nil
}

func lockDir(cfg *Config) (io.Closer, error) {
	path := cfg.path("lock")
	lock, err := cfg.FS.Lock(path)
	if err != nil {
		return nil, err
	}
	f, err := cfg.FS.Open(path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// Closing any descriptor of the file would drop a POSIX lock, so the file
	// with Java's content in it stays open together with the lock.
	if _, err := f.WriteAt([]byte("lock"), 0); err != nil {
		return nil, errors.Join(err, f.Close(), lock.Close())
	}
	return closers{f, lock}, nil
}

type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, x := range c {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// reliefLoop leads when a request's goroutine has led long enough.
func (s *Store) reliefLoop(ctx context.Context) error {
	for {
		select {
		case <-s.relief:
			s.serve(0)
		case <-ctx.Done():
			return nil
		}
	}
}

// Limits of the work between checkpoints, which bounds a start after a crash, and
// of the units in memory, which bounds the process.
const (
	checkpointRest  = 8         // times as long as a checkpoint took it rests: with very many busy queues they are expensive
	checkpointBytes = 512 << 20 // of the log, unless the last checkpoint was expensive
	checkpointUnits = 4 << 20   // of all queues: 20 bytes and a bit each
)

// flushLoop syncs the log in async mode, writes the queues and makes
// checkpoints.
func (s *Store) flushLoop(ctx context.Context) error {
	flush := time.NewTicker(s.cfg.FlushInterval)
	queue := time.NewTicker(s.cfg.QueueInterval)
	check := time.NewTimer(s.cfg.CheckpointInterval)
	defer flush.Stop()
	defer queue.Stop()
	defer check.Stop()
	var rest time.Duration
	checkpoint := func() error {
		began := time.Now()
		err := s.makeCheckpoint(ctx)
		rest = max(s.cfg.CheckpointInterval, checkpointRest*time.Since(began))
		check.Reset(rest)
		return err
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-flush.C:
			err = s.FlushLog()
		case <-queue.C:
			claimed, _ := s.claimed()
			behind := s.log.End() - claimed.QueueOffset
			if s.queues.Unwritten() > checkpointUnits || behind > checkpointBytes && rest == s.cfg.CheckpointInterval {
				err = checkpoint()
			} else if err = s.queues.FlushFull(ctx, s.log.Synced()); err != nil {
				err = s.noRoom(s.cfg.path("consumequeue"), err)
			}
		case <-check.C:
			err = checkpoint()
		}
		if err != nil && ctx.Err() == nil {
			s.failed(err)
		}
	}
}

// FlushLog makes everything that is published durable, or fences the store.
func (s *Store) FlushLog() error {
	if s.fenced.Load() != nil {
		return nil
	}
	if err := s.log.Sync(s.log.End()); err != nil {
		err = fmt.Errorf("sync of the commit log: %w", err)
		s.fence(err)
		return err
	}
	return nil
}

// Close completes what is queued, writes and syncs everything, marks the store
// as cleanly closed and lets go of it. Puts from now on get ErrClosed. When ctx
// ends before all consume queues are written, or something cannot be made durable,
// the next start recovers; only the latter is an error.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Store(ErrClosed)
	s.Commit()
	err := s.drain(ctx)
	s.tasks.Cancel()
	err = errors.Join(err, s.tasks.Wait())
	if err == nil && s.fenced.Load() == nil && s.kept.set != nil {
		err = s.keepRest(ctx)
	}
	if err == nil && s.fenced.Load() == nil {
		err = s.closeClean(ctx)
	}
	return errors.Join(err, s.closeFiles())
}

// drain waits until no group is being written.
func (s *Store) drain(ctx context.Context) error {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		s.lead.Lock()
		idle := !s.lead.active && len(s.lead.pending) == 0
		s.lead.Unlock()
		if idle {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("store: puts still under way: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

func (s *Store) closeClean(ctx context.Context) error {
	err := s.makeCheckpoint(ctx)
	if err != nil && ctx.Err() != nil && s.log.Synced() >= s.log.End() {
		s.cfg.Logger.Warn("stopped before all consume queues were written: the next start reads the commit log from the last checkpoint on",
			"units", s.queues.Unwritten())
		return nil
	}
	if err != nil {
		return err
	}
	if s.index != nil && s.index.Off() {
		return nil // the next start must complete the index
	}
	if n := s.queues.Unwritten(); n != 0 {
		return fmt.Errorf("store: %d consume queue units are not written", n)
	}
	if err := s.cfg.FS.Remove(s.cfg.path("abort")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return s.cfg.FS.SyncDir(s.cfg.Dir)
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.index != nil {
		errs = append(errs, s.index.Close())
	}
	if s.kept.set != nil {
		errs = append(errs, s.kept.set.Close())
	}
	if s.queues.Set != nil {
		errs = append(errs, s.queues.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.checkpointF != nil {
		errs = append(errs, s.checkpointF.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// markOpen writes the abort file, whose presence at a start means that the
// store was not closed: the process id, as Java does, and the boot id.
func (s *Store) markOpen() error {
	f, err := s.cfg.FS.Create(s.cfg.path("abort"))
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), s.cfg.FS.BootID()), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), s.cfg.FS.SyncDir(s.cfg.Dir))
}

// distrusted stands in the abort file in place of the boot id.
const distrusted = "sync failed"

// distrust notes in the abort file that the kernel may show what it never wrote to
// the disk, so that the next start writes again what the checkpoint does not cover.
// This note need not be durable: after a power cut there is nothing to doubt.
func (s *Store) distrust() {
	f, err := s.cfg.FS.Create(s.cfg.path("abort"))
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), distrusted), 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		s.cfg.Logger.Error("the abort file cannot be written: restart the machine before the broker", "error", err)
	}
}

// FS is the file system that the store is on.
func (s *Store) FS() vfs.FS { return s.cfg.FS }

// Dir is the store's root directory.
func (s *Store) Dir() string { return s.cfg.Dir }
