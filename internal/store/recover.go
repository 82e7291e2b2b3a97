package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
)

// Recovery says what a start had to do.
type Recovery struct {
	Clean   bool          // the store had been closed
	From    int64         // offset at which the log was read
	End     int64         // where the log ends
	Records int64         // read
	Took    time.Duration // of Open
}

// Recovery tells what Open did.
func (s *Store) Recovery() Recovery { return s.recovery }

// load opens files, finds the end of the log and completes queues and index.
func (s *Store) load(ctx context.Context) error {
	started := s.cfg.Now()
	_, err := s.cfg.FS.Stat(s.cfg.path("abort"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.recovery.Clean = err != nil
	if s.log, err = commitlog.Open(s.cfg.FS, s.cfg.commitLogDir(), s.cfg.CommitLogFileSize); err != nil {
		return err
	}
	if err := s.openCheckpoint(); err != nil {
		return err
	}
	s.queues = cqueue.NewSet(cqueue.Config{
		FS: s.cfg.FS, Dir: s.cfg.path("consumequeue"), FileSize: s.cfg.QueueFileSize,
		LogMin: s.log.Min, OpenFiles: s.cfg.OpenFiles,
	})
	if err := s.dropOrphanQueues(); err != nil {
		return err
	}
	if err := s.recover(ctx); err != nil {
		return err
	}
	if err := s.markOpen(); err != nil {
		return err
	}
	s.recovery.Took = s.cfg.Now().Sub(started)
	return nil
}

// dropOrphanQueues removes consume queues when there is no log to point to, as
// Java does.
func (s *Store) dropOrphanQueues() error {
	if s.log.Files() > 0 {
		return nil
	}
	return s.cfg.FS.RemoveAll(s.cfg.path("consumequeue"))
}

// recover reads the log from the checkpoint on. First it only looks for the
// end, because queues may not be opened before it is known; then it dispatches.
func (s *Store) recover(ctx context.Context) error {
	from, dispatched := s.recoveryStart()
	s.recovery.From = from
	var last message.Message
	lastStart, before := int64(-1), int64(0)
	end, err := s.log.Scan(from, s.record, func(off int64, _ int32, m *message.Message) error {
		before = last.StoreTimestamp
		lastStart, last = off, message.Message{StoreTimestamp: m.StoreTimestamp}
		s.recovery.Records++
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	tail := Tail{Log: s.log, Clean: s.recovery.Clean, Checkpoint: s.checkpoint, Record: s.record, Reaches: s.queuesReach}
	if err := tail.Judge(end, min(before, last.StoreTimestamp)); err != nil {
		return err
	}
	if err := s.log.Truncate(end); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	s.log.SetEnd(end)
	s.log.SetSynced(from)
	indexed := max(dispatched, from-1)
	if !s.recovery.Clean {
		s.queues.Trust(indexed + 1)
	}
	s.recovery.End = end
	s.group.lastTime = max(last.StoreTimestamp, s.checkpoint.LogTime)
	s.group.lastStart = max(lastStart, s.checkpoint.QueueOffset)
	s.lastStart.Store(s.group.lastStart)
	if s.cfg.Index {
		if s.index, err = index.Open(index.Config{
			FS: s.cfg.FS, Dir: s.cfg.path("index"), Slots: s.cfg.IndexSlots, Max: s.cfg.IndexEntries, Logger: s.cfg.Logger, Now: s.cfg.Now,
		}, s.recovery.Clean, indexed+1); err != nil {
			return err
		}
		if s.recovery.Clean {
			_, indexed = s.index.Last()
		}
	}
	if s.recovery.Clean && lastStart <= dispatched {
		return nil
	}
	err = s.redispatch(ctx, from, dispatched, indexed)
	if errors.Is(err, cqueue.ErrGap) && from > s.log.Min() {
		s.cfg.Logger.Warn("consume queue units are missing: reading the whole commit log", "error", err)
		err = s.redispatch(ctx, s.log.Min(), -1, s.log.End())
	}
	if err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	return s.Checkpoint()
}

// recoveryStart is where to begin reading, and the start of the last record
// whose units are known to be durable, -1 for none.
func (s *Store) recoveryStart() (from, dispatched int64) {
	if s.log.Files() == 0 {
		return s.log.Min(), -1
	}
	if infos, err := s.cfg.FS.ReadDir(s.cfg.path("consumequeue")); err != nil || len(infos) == 0 {
		return s.log.Min(), -1 // lost: build all again
	}
	return RecoveryStart(s.log, s.checkpoint)
}

// RecoveryStart is where a start reads a log from whose queues are there, and
// the start of the last record whose units are known to be durable, -1 for none.
func RecoveryStart(log *commitlog.Log, c Checkpoint) (from, dispatched int64) {
	if c.QueueTime > 0 && c.QueueOffset >= log.Min() && log.HasRecord(c.QueueOffset) {
		return c.QueueOffset, c.QueueOffset
	}
	// A checkpoint of an older broker has times only: begin with the last file
	// whose first record is as old as what is durable.
	start := log.Min() + int64(log.Files()-1)*log.FileSize()
	for ; start > log.Min(); start -= log.FileSize() {
		if t, ok := log.FirstRecord(start); ok && t > 0 && t <= c.QueueTime {
			break
		}
	}
	return start, -1
}

// redispatch gives the records from offset from on to the queues, if they start
// behind dispatched, and to the index, if they start behind indexed. Queues
// ignore what they have.
func (s *Store) redispatch(ctx context.Context, from, dispatched, indexed int64) error {
	d := dispatcher{put: &Put{store: s}, queues: s.queues}
	_, err := s.log.Scan(from, s.record, func(off int64, size int32, m *message.Message) error {
		if off <= dispatched {
			return nil
		}
		e := d.describe(size, m)
		if s.index != nil && off > indexed {
			s.index.Add(d.keys(off, m))
		}
		if err := d.append(off, m, e); err != nil {
			return err
		}
		return ctx.Err()
	})
	return err
}

// queued tells whether a record with this flag gets a place in its queue.
func queued(sysFlag int32) bool {
	t := sysFlag & message.FlagTransactionMask
	return t != message.FlagTransactionHalf && t != message.FlagTransactionUndo
}
