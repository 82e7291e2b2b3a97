package store

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"

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
func (s *Store) Checkpoint() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	if e := s.fenced.Load(); e != nil {
		return nil
	}
	last := s.lastStart.Load()
	end := s.log.End() // after lastStart: the record that starts there is below end
	if err := s.log.Sync(end); err != nil {
		return err
	}
	if err := s.queues.Flush(end); err != nil {
		return err
	}
	if err := s.queues.Sync(); err != nil {
		return err
	}
	c := s.checkpoint
	if t, err := s.log.StoreTime(last); err == nil {
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
	if _, err := s.checkpointF.WriteAt(c.append(nil), 0); err != nil {
		return err
	}
	if err := s.checkpointF.Sync(); err != nil {
		return err
	}
	s.checkpoint = c
	return nil
}
