package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Recovery says what a start had to do.
type Recovery struct {
	Clean  bool // the store had been closed
	Killed bool // it had not, but the machine ran on: nothing that was written is lost
	// Distrusted: a sync had failed, so that what is behind the checkpoint was
	// written again.
	Distrusted bool
	From       int64         // offset at which the log was read
	End        int64         // where the log ends
	Records    int64         // read
	Took       time.Duration // of Open
}

// Recovery tells what Open did.
func (s *Store) Recovery() Recovery { return s.recovery }

// load opens files, finds the end of the log and completes queues and index.
func (s *Store) load(ctx context.Context) error {
	started := s.cfg.Now()
	abort, err := vfs.ReadFile(s.cfg.FS, s.cfg.path("abort"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.recovery.Clean = err != nil
	_, left, _ := strings.Cut(string(abort), "\n")
	left, _, _ = strings.Cut(left, "\n")
	s.recovery.Distrusted = left == distrusted
	s.recovery.Killed = left != "" && left == s.cfg.FS.BootID()
	if s.log, err = commitlog.Open(s.cfg.FS, s.cfg.commitLogDir(), s.cfg.CommitLogFileSize); err != nil {
		return err
	}
	if err := s.openCheckpoint(); err != nil {
		return err
	}
	if err := s.loadFloors(); err != nil {
		return err
	}
	if s.queues, err = s.newQueues(); err != nil {
		return err
	}
	if err := s.dropOrphanQueues(); err != nil {
		return err
	}
	if err := s.recover(ctx); err != nil {
		return err
	}
	if err := s.checkFloors(); err != nil {
		return err
	}
	if err := s.makeQueueDirs(); err != nil {
		return err
	}
	if err := s.openKept(); err != nil {
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
	return errors.Join(s.cfg.FS.RemoveAll(s.cfg.path("consumequeue")), s.cfg.FS.RemoveAll(s.cfg.path("batchconsumequeue")))
}

// recover reads the log from the checkpoint to its end, and gives queues and index
// what they may lack. Queues are not opened for it.
func (s *Store) recover(ctx context.Context) error {
	claimed, _ := s.claimed()
	if err := s.forgetLostQueues(); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	from, dispatched, err := s.recoveryStart()
	if err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	if from < claimed.QueueOffset { // what is built again is not durable yet
		if err := s.retract(); err != nil {
			return fmt.Errorf("recovery: %w", err)
		}
	}
	s.recovery.From = from
	indexed := max(dispatched, from-1)
	s.restored = indexed + 1
	s.inQueues.Store(s.restored)
	if !s.recovery.Clean {
		s.queues.Trust(indexed + 1)
	}
	if indexed, err = s.openIndex(indexed); err != nil {
		return err
	}
	s.log.SetSynced(from)
	r := redispatch{s: s, ctx: ctx, put: Put{store: s}, dispatched: dispatched, indexed: indexed, last: -1}
	end, err := r.readLog(from, claimed)
	if err != nil {
		return err
	}
	if err := s.mendLog(ctx, from, end); err != nil {
		return err
	}
	s.log.SetEnd(end)
	s.recovery.End, s.recovery.Records = end, r.records
	s.group.lastTime = max(r.lastTime, claimed.LogTime)
	s.group.lastStart = max(r.last, claimed.QueueOffset)
	s.lastStart.Store(s.group.lastStart)
	s.lastTime.Store(s.group.lastTime)
	return s.FlushLog() // a record may be shown before it is durable only if it was before
}

// readLog reads the log from an offset to its end, which it returns.
func (r *redispatch) readLog(from int64, claimed Checkpoint) (end int64, err error) {
	s := r.s
	to, err := s.log.Estimate(from)
	if err == nil {
		s.cfg.Progress.begin(s.cfg.Logger, s.cfg.Now(), from, to)
		end, err = s.log.Scan(from, s.record, r.record)
	}
	if err != nil {
		return 0, fmt.Errorf("recovery: %w", err)
	}
	s.cfg.Progress.end(s.cfg.Logger, s.cfg.Now(), end, r.records)
	tail := Tail{Log: s.log, Clean: s.recovery.Clean, Checkpoint: claimed, Record: s.record, Reaches: s.queues.Reaches}
	return end, tail.Judge(end, min(r.before, r.lastTime))
}

// mendLog cuts the log behind its end and, after a sync that failed, writes what
// was found again.
func (s *Store) mendLog(ctx context.Context, from, end int64) error {
	if s.recovery.Distrusted {
		if err := s.log.Rewrite(ctx, from, end); err != nil {
			return fmt.Errorf("recovery: %w", err)
		}
		claimed, _ := s.claimed()
		if err := s.writeCheckpoint(claimed); err != nil {
			return fmt.Errorf("recovery: %w", err)
		}
	}
	if err := s.log.Truncate(end); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	return nil
}

// openIndex opens the index, if it is on, in which everything up to offset indexed
// is durable, and returns up to where everything is in it.
func (s *Store) openIndex(indexed int64) (int64, error) {
	if !s.cfg.Index {
		return indexed, nil
	}
	var err error
	s.index, err = index.Open(index.Config{
		FS: s.cfg.FS, Dir: s.cfg.path("index"), Slots: s.cfg.IndexSlots, Max: s.cfg.IndexEntries, Logger: s.cfg.Logger, Now: s.cfg.Now,
	}, s.indexState(), indexed+1)
	if err == nil && s.recovery.Clean {
		_, indexed = s.index.Last()
	}
	return indexed, err
}

func (s *Store) indexState() index.State {
	switch {
	case s.recovery.Clean:
		return index.Closed
	case s.recovery.Killed:
		return index.Killed
	default:
		return index.Cut
	}
}

// recoveryStart is where to begin reading, and the start of the last record
// whose units are known to be durable, -1 for none.
func (s *Store) recoveryStart() (from, dispatched int64, err error) {
	if s.log.Files() == 0 {
		return s.log.Min(), -1, nil
	}
	claimed, _ := s.claimed()
	if claimed.QueueTime == 0 && claimed.QueueOffset == 0 {
		return s.log.Min(), -1, nil // nothing is known to be there: build all again
	}
	return RecoveryStart(s.log, claimed)
}

// RecoveryStart is where a start reads a log from whose queues are there, and
// the start of the last record whose units are known to be durable, -1 for none.
func RecoveryStart(log *commitlog.Log, c Checkpoint) (from, dispatched int64, err error) {
	if c.QueueOffset > 0 && c.QueueOffset < log.Min() {
		return log.Min(), -1, nil
	}
	ok, err := log.HasRecord(c.QueueOffset)
	if err != nil {
		return 0, 0, err
	}
	if ok && c.QueueTime > 0 {
		return c.QueueOffset, c.QueueOffset, nil
	}
	// A checkpoint of an older broker has times only: begin with the last file
	// whose first record is as old as what is durable.
	start := log.Min() + int64(log.Files()-1)*log.FileSize()
	for ; start > log.Min(); start -= log.FileSize() {
		if t, ok := log.FirstRecord(start); ok && t > 0 && t <= c.QueueTime {
			break
		}
	}
	return start, -1, nil
}

// maxRestored is how many units recovery keeps in memory before it writes them: 20
// bytes and a bit each.
const maxRestored = 4 << 20

// redispatch gives records that recovery reads to the queues, if they start behind
// dispatched, and to the index, if they start behind indexed.
type redispatch struct {
	s                   *Store
	ctx                 context.Context
	put                 Put // to describe records with
	dispatched, indexed int64
	keys                []index.Key
	last, lastTime      int64 // start and store time of the last record
	before              int64 // store time of the one before it
	records             int64
}

func (r *redispatch) record(off int64, size int32, m *message.Message) error {
	s, p := r.s, &r.put
	r.before, r.last, r.lastTime = r.lastTime, off, m.StoreTimestamp
	r.records++
	s.cfg.Progress.reach(s.cfg.Logger, s.cfg.Now, off+int64(size))
	if off <= r.dispatched {
		return r.ctx.Err()
	}
	e := p.describeStored(size, m)
	if s.index != nil && off > r.indexed {
		r.keys = p.appendKeys(r.keys[:0], off, m.StoreTimestamp)
		s.index.Add(r.keys)
	}
	if e.aside {
		return r.ctx.Err()
	}
	if err := r.restore(off, &e, m); err != nil {
		return err
	}
	if s.queues.Unwritten() > maxRestored {
		if err := s.log.Sync(off); err != nil {
			return err
		}
		return s.queues.Flush(r.ctx, off)
	}
	return r.ctx.Err()
}

// restore gives a record to its queue and to the light queues that it names.
func (r *redispatch) restore(off int64, e *entry, m *message.Message) error {
	set := r.s.queues.of(m.Topic)
	if m.SysFlag&message.FlagInnerBatch != 0 {
		set = r.s.queues.batch
	}
	u := e.unit(off, m.StoreTimestamp)
	if set == r.s.queues.batch {
		u.Count = innerCount(m.Properties)
	}
	if err := set.Restore(m.Topic, m.QueueID, m.QueueOffset, u); err != nil {
		return err
	}
	return r.s.located(m, func(name string, at int64) error { return r.s.queues.Restore(name, 0, at, u) })
}

// missingUnits finds the units of a queue in the part of the log from which recovery
// did not restore any, for a queue whose files are damaged.
func (s *Store) missingUnits(k cqueue.Key) ([]cqueue.Located, error) {
	s.cfg.Logger.Warn("consume queue units are missing: reading the commit log for them", "topic", k.Topic, "queue", k.ID)
	if err := s.retract(); err != nil {
		return nil, err
	}
	p := Put{store: s}
	var found []cqueue.Located
	errDone := errors.New("read")
	_, err := s.log.Scan(s.log.Min(), s.record, func(off int64, size int32, m *message.Message) error {
		if off >= s.restored {
			return errDone
		}
		add := func(name string, at int64) error {
			if name != k.Topic {
				return nil
			}
			if len(found) > 0 && at <= found[len(found)-1].Offset {
				found = found[:0] // the topic was deleted and made again
			}
			e := p.describeStored(size, m)
			u := e.unit(off, m.StoreTimestamp)
			u.Count = innerCount(m.Properties)
			found = append(found, cqueue.Located{Offset: at, Unit: u})
			return nil
		}
		if m.QueueID == k.ID && queued(m.SysFlag) {
			_ = add(m.Topic, m.QueueOffset)
		}
		return s.located(m, add)
	})
	if err != nil && !errors.Is(err, errDone) {
		return nil, err
	}
	return found, nil
}

// queued tells whether a record with this flag gets a place in its queue.
func queued(sysFlag int32) bool {
	t := sysFlag & message.FlagTransactionMask
	return t != message.FlagTransactionHalf && t != message.FlagTransactionUndo
}
