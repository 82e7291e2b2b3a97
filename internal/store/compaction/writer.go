package compaction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// flushBytes is how much is gathered before it is written.
const flushBytes = 1 << 20

// atPhysicalOffset is where a record has its position.
const atPhysicalOffset = 28

// segment is a pair of files.
type segment struct {
	base        int64 // position of the first byte, and the files' name
	units       int64
	first, last int64 // queue offsets, when there are units
	end         int64 // position behind the last record
}

func fileName(base int64) string { return fmt.Sprintf("%020d", base) }

// writer appends to segments in a pair of directories.
type writer struct {
	cfg           *Config
	logDir, cqDir string
	segments      []segment
	log, cq       vfs.File // of the newest segment; nil when there is none, or it is closed
	records       []byte   // not written yet
	pending       []byte   // their units
	from          int64    // position of records
	fromUnit      int64    // number of the first pending unit
}

func (w *writer) newest() *segment { return &w.segments[len(w.segments)-1] }

// add appends a record. It is in the files after flush.
func (w *writer) add(rec []byte, u unit) error {
	if int64(len(rec))+message.BlankSize > w.cfg.LogFileSize {
		return fmt.Errorf("compaction: a record of %d bytes does not fit into a file of %d (compactionMappedFileSize)", len(rec), w.cfg.LogFileSize)
	}
	if w.log == nil || w.isFull(len(rec)) {
		if err := w.roll(); err != nil {
			return err
		}
	}
	s := w.newest()
	u.phy, u.size = s.end, int32(len(rec))
	at := len(w.records)
	w.records = append(w.records, rec...)
	binary.BigEndian.PutUint64(w.records[at+atPhysicalOffset:], uint64(u.phy))
	w.pending = u.append(w.pending)
	if s.units == 0 {
		s.first = u.offset
	}
	s.last = u.offset
	s.units++
	s.end += int64(len(rec))
	if len(w.records) >= flushBytes {
		return w.flush()
	}
	return nil
}

// isFull tells whether the newest segment has no room: both files need room for
// what closes them.
func (w *writer) isFull(size int) bool {
	s := w.newest()
	return (s.units+1)*UnitSize >= w.cfg.QueueFileSize || s.end-s.base+int64(size)+message.BlankSize > w.cfg.LogFileSize
}

// flush writes what was added: records first, then, when they are durable, units.
func (w *writer) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	s := w.newest()
	if _, err := w.log.WriteAt(w.records, w.from-s.base); err != nil {
		return err
	}
	if err := w.log.Sync(); err != nil {
		return err
	}
	if _, err := w.cq.WriteAt(w.pending, w.fromUnit*UnitSize); err != nil {
		return err
	}
	w.records, w.pending = w.records[:0], w.pending[:0]
	w.from, w.fromUnit = s.end, s.units
	return nil
}

// seal closes the newest segment for good.
func (w *writer) seal() error {
	if w.log == nil {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	s := w.newest()
	if rest := s.base + w.cfg.LogFileSize - s.end; rest >= message.BlankSize {
		if _, err := w.log.WriteAt(message.AppendBlank(nil, int32(rest)), s.end-s.base); err != nil {
			return err
		}
	}
	if (s.units+1)*UnitSize <= w.cfg.QueueFileSize {
		if _, err := w.cq.WriteAt(terminator.append(nil), s.units*UnitSize); err != nil {
			return err
		}
	}
	return w.close()
}

// close makes the newest segment durable and closes its files.
func (w *writer) close() error {
	if w.log == nil {
		return nil
	}
	err := errors.Join(w.flush(), w.log.Sync(), w.cq.Sync(), w.log.Close(), w.cq.Close())
	w.log, w.cq = nil, nil
	return err
}

// roll begins a segment. Its files are durable, and empty, when it returns.
func (w *writer) roll() error {
	base := int64(0)
	if n := len(w.segments); n > 0 {
		if err := w.seal(); err != nil {
			return err
		}
		base = w.newest().base + w.cfg.LogFileSize
	}
	var err error
	if w.log, err = w.create(w.logDir, base, w.cfg.LogFileSize); err != nil {
		return err
	}
	if w.cq, err = w.create(w.cqDir, base, w.cfg.QueueFileSize); err != nil {
		err = errors.Join(err, w.log.Close())
		w.log = nil
		return err
	}
	w.segments = append(w.segments, segment{base: base, end: base})
	w.from, w.fromUnit = base, 0
	return nil
}

func (w *writer) create(dir string, base, size int64) (vfs.File, error) {
	f, err := w.cfg.FS.Create(filepath.Join(dir, fileName(base)))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(0), f.Truncate(size), f.Sync(), w.cfg.FS.SyncDir(dir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// resume opens the newest segment for appending.
func (w *writer) resume() error {
	if len(w.segments) == 0 {
		return nil
	}
	s := w.newest()
	var err error
	if w.log, err = w.cfg.FS.Open(filepath.Join(w.logDir, fileName(s.base))); err != nil {
		return err
	}
	if w.cq, err = w.cfg.FS.Open(filepath.Join(w.cqDir, fileName(s.base))); err != nil {
		err = errors.Join(err, w.log.Close())
		w.log = nil
		return err
	}
	w.from, w.fromUnit = s.end, s.units
	return nil
}
