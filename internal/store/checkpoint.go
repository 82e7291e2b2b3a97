package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Checkpoint is the content of the file of this name [StoreCheckpoint]: up to
// where everything is durable. Times are store timestamps in ms.
type Checkpoint struct {
	LogTime     int64 // physicMsgTimestamp
	QueueTime   int64 // logicsMsgTimestamp
	IndexTime   int64 // indexMsgTimestamp
	MasterFlush int64 // masterFlushedOffset, kept as found
	Confirmed   int64 // confirmPhyOffset, kept as found
	// QueueOffset is the start of the last record whose unit is durable, as is
	// everything before it (logicsPhysicalOffset). 0 in stores of old brokers.
	QueueOffset int64
}

const checkpointSize = 4096

func (c Checkpoint) append(b []byte) []byte {
	for _, v := range []int64{c.LogTime, c.QueueTime, c.IndexTime, c.MasterFlush, c.Confirmed, c.QueueOffset} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// ReadCheckpoint reads the checkpoint of the store in dir without opening it;
// one that is missing or short has zeros for what is not there.
func ReadCheckpoint(fs vfs.FS, dir string) (Checkpoint, error) {
	f, err := fs.OpenRead(filepath.Join(dir, "checkpoint"))
	if errors.Is(err, os.ErrNotExist) {
		return Checkpoint{}, nil
	}
	if err != nil {
		return Checkpoint{}, err
	}
	var b [48]byte
	_, err = f.ReadAt(b[:], 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return decodeCheckpoint(b[:]), errors.Join(err, f.Close())
}

// WriteCheckpoint makes the checkpoint file of a store that is not open.
func WriteCheckpoint(fs vfs.FS, dir string, c Checkpoint) error {
	f, err := fs.Create(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	err = f.Truncate(checkpointSize)
	if err == nil {
		_, err = f.WriteAt(c.append(nil), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), fs.SyncDir(dir))
}

func decodeCheckpoint(b []byte) (c Checkpoint) {
	for i, p := range []*int64{&c.LogTime, &c.QueueTime, &c.IndexTime, &c.MasterFlush, &c.Confirmed, &c.QueueOffset} {
		*p = int64(binary.BigEndian.Uint64(b[8*i:]))
	}
	return c
}

func (s *Store) openCheckpoint() error {
	f, err := s.cfg.FS.Create(s.cfg.path("checkpoint"))
	if err != nil {
		return err
	}
	s.checkpointF = f
	var b [48]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.claim.checkpoint = decodeCheckpoint(b[:])
	size, err := f.Size()
	if err == nil && size != checkpointSize {
		err = f.Truncate(checkpointSize)
	}
	return err
}

// Checkpoint makes everything published so far durable, in log, queues and
// index, and notes in the checkpoint file that it is. A start after a crash
// begins there. While the index is off the file is left as it is.
func (s *Store) Checkpoint() error { return s.makeCheckpoint(s.tasks.Context()) }

// makeCheckpoint is Checkpoint, and ends with ctx. What fails once is not tried
// again, but for a full disk: the store is fenced, whoever asked.
func (s *Store) makeCheckpoint(ctx context.Context) error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	if e := s.fenced.Load(); e != nil {
		return nil
	}
	retracted, err := s.checkpointLocked(ctx)
	if retracted && err == nil { // what was missing is there now
		_, err = s.checkpointLocked(ctx)
	}
	switch {
	case err == nil:
		s.roomAgain()
	case ctx.Err() == nil:
		s.failed(fmt.Errorf("checkpoint: %w", err))
	}
	return err
}

// claim is what the checkpoint file says is durable.
type claim struct {
	sync.Mutex
	checkpoint Checkpoint
	retracted  int // how often it was
}

func (s *Store) claimed() (c Checkpoint, retracted int) {
	s.claim.Lock()
	defer s.claim.Unlock()
	return s.claim.checkpoint, s.claim.retracted
}

// retract lets no start begin at the checkpoint any more, until one is made for
// which nothing was retracted: units that the checkpoint took for durable are
// missing, and are built again.
func (s *Store) retract() error {
	s.claim.Lock()
	defer s.claim.Unlock()
	s.claim.retracted++
	s.inQueues.Store(0)
	c := s.claim.checkpoint
	c.QueueTime, c.QueueOffset = 0, 0
	return s.claimLocked(c)
}

func (s *Store) checkpointLocked(ctx context.Context) (retracted bool, err error) {
	c, n := s.claimed()
	t, last := s.lastTime.Load(), s.lastStart.Load() // in this order: t is not later than last
	end := s.log.End()                               // after lastStart: the record that starts there is below end
	if err := s.log.Sync(end); err != nil {
		return false, err
	}
	if err := s.queues.Flush(ctx, end); err != nil {
		return false, s.noRoom(s.cfg.path("consumequeue"), err)
	}
	if err := s.queues.Sync(); err != nil {
		return false, err
	}
	if s.noteQueued(end, n) {
		return true, nil
	}
	if last >= s.log.Min() && last < end {
		c.LogTime, c.QueueTime, c.QueueOffset = t, t, last
	}
	if s.index != nil {
		switch err := s.index.Sync(); {
		case errors.Is(err, index.ErrOff):
			return false, nil // the next start reads the log from the last good checkpoint on
		case err != nil:
			return false, err
		}
		c.IndexTime = c.LogTime
	}
	s.claim.Lock()
	defer s.claim.Unlock()
	if s.claim.retracted != n {
		return true, nil
	}
	if c == s.claim.checkpoint {
		return false, nil
	}
	return false, s.claimLocked(c)
}

// noteQueued notes that the units of all records below end are durable, unless some
// were missing since the claim was retracted for the nth time.
func (s *Store) noteQueued(end int64, n int) (retracted bool) {
	s.claim.Lock()
	defer s.claim.Unlock()
	if s.claim.retracted != n {
		return true
	}
	s.inQueues.Store(end)
	return false
}

// writeCheckpoint makes the checkpoint file say c.
func (s *Store) writeCheckpoint(c Checkpoint) error {
	s.claim.Lock()
	defer s.claim.Unlock()
	return s.claimLocked(c)
}

func (s *Store) claimLocked(c Checkpoint) error {
	if _, err := s.checkpointF.WriteAt(c.append(nil), 0); err != nil {
		return s.noRoom(s.cfg.Dir, err)
	}
	if err := s.checkpointF.Sync(); err != nil {
		return err
	}
	s.claim.checkpoint = c
	return nil
}
