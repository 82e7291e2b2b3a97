package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/aerobee/aerobee/internal/store/index"
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
	s.checkpoint = decodeCheckpoint(b[:])
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
	err := s.checkpointLocked(ctx)
	switch {
	case err == nil:
		s.roomAgain()
	case ctx.Err() == nil:
		s.failed(fmt.Errorf("checkpoint: %w", err))
	}
	return err
}

func (s *Store) checkpointLocked(ctx context.Context) error {
	t, last := s.lastTime.Load(), s.lastStart.Load() // in this order: t is not later than last
	end := s.log.End()                               // after lastStart: the record that starts there is below end
	if err := s.log.Sync(end); err != nil {
		return err
	}
	if err := s.queues.Flush(ctx, end); err != nil {
		return s.noRoom(s.cfg.path("consumequeue"), err)
	}
	if err := s.queues.Sync(); err != nil {
		return err
	}
	s.inQueues.Store(end)
	c := s.checkpoint
	if last >= s.log.Min() && last < end {
		c.LogTime, c.QueueTime, c.QueueOffset = t, t, last
	}
	if s.index != nil {
		switch err := s.index.Sync(); {
		case errors.Is(err, index.ErrOff):
			return nil // the next start reads the log from the last good checkpoint on
		case err != nil:
			return err
		}
		c.IndexTime = c.LogTime
	}
	if c == s.checkpoint {
		return nil
	}
	return s.writeCheckpoint(c)
}

func (s *Store) writeCheckpoint(c Checkpoint) error {
	if _, err := s.checkpointF.WriteAt(c.append(nil), 0); err != nil {
		return s.noRoom(s.cfg.Dir, err)
	}
	if err := s.checkpointF.Sync(); err != nil {
		return err
	}
	s.checkpoint = c
	return nil
}
