package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// OpenRead opens the files that start at starts, which must follow each other,
// for reading alone: nothing is made, extended or synced. A file that is shorter
// than fileSize reads as if the rest were zero. Close it as any other.
func OpenRead(fs vfs.FS, dir string, fileSize int64, starts []int64) (*Log, error) {
	l := &Log{fs: fs, dir: dir, fileSize: fileSize}
	for _, start := range starts {
		path := filepath.Join(dir, FileName(start))
		f, err := fs.OpenRead(path)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		lf := &file{start: start, path: path, File: f}
		lf.refs.Store(1)
		l.mu.files = append(l.mu.files, lf)
	}
	return l, nil
}

// Start reads the start of a file of this size off its name.
func Start(name string, fileSize int64) (start int64, ok bool) {
	start, err := strconv.ParseInt(name, 10, 64)
	return start, err == nil && len(name) == 20 && start >= 0 && start%fileSize == 0
}

// Path is the file in which offset lies.
func (l *Log) Path(offset int64) string {
	return filepath.Join(l.dir, FileName(offset-offset%l.fileSize))
}

// Explain says what is wrong with the record at offset: what was found and what
// was expected; nil when nothing is.
func (l *Log) Explain(offset int64, o message.Options) error {
	var head [36]byte
	room := l.fileSize - offset%l.fileSize
	if err := l.readRaw(head[:min(room, int64(len(head)))], offset); err != nil {
		return err
	}
	size, magic, _ := message.Size(head[:])
	switch {
	case magic == message.MagicBlank && int64(size) != room:
		return fmt.Errorf("end of the file with %d bytes left, expected %d", size, room)
	case magic == message.MagicBlank:
		return nil
	case magic != message.MagicV1 && magic != message.MagicV2:
		return fmt.Errorf("magic %#x, expected %#x", uint32(magic), uint32(v1))
	case size < message.MinRecordSize || int64(size) > room-message.BlankSize:
		return fmt.Errorf("size %d, expected %d to %d", size, message.MinRecordSize, room-message.BlankSize)
	}
	rec := make([]byte, size)
	if err := l.readRaw(rec, offset); err != nil {
		return err
	}
	m, err := message.Verify(rec, o)
	switch {
	case err != nil:
		return err
	case m.PhysicalOffset != offset:
		return fmt.Errorf("record says it is at %d, expected %d", m.PhysicalOffset, offset)
	case torn(rec, offset%l.fileSize, &m):
		return errors.New("zeros in topic or properties, expected text: a part of the record never reached the disk")
	}
	return nil
}

// v1 is MagicV1 as a variable, for its bits.
var v1 = message.MagicV1

// Found is a whole record that Next found.
type Found struct {
	Offset    int64
	StoreTime int64
}

// Next looks, byte by byte, for the first whole record at or behind from that
// was stored at or after notBefore (ms): older ones are stale bytes that a Java
// broker leaves behind the end of its log. It gives up behind limit.
func (l *Log) Next(from, limit, notBefore int64, o message.Options) (f Found, ok bool, err error) {
	s := scanner{log: l}
	mark := []byte{0xDA, 0xA3, 0x20}
	for at := from; at < limit; {
		room := min(limit, at-at%l.fileSize+l.fileSize) - at
		b, err := s.window(at, min(room, scanChunk))
		if err != nil || b == nil {
			return f, false, err
		}
		i := bytes.Index(b, mark)
		switch {
		case i < 0 && int64(len(b)) == room:
			at += room
		case i < 0:
			at += int64(len(b) - len(mark) + 1)
		default:
			at += int64(i) + 1 // behind the mark's first byte, whatever comes of it
			if t, ok := s.wholeAt(at-5, o); ok && at-5 >= from && t >= notBefore {
				return Found{Offset: at - 5, StoreTime: t}, true, nil
			}
		}
	}
	return f, false, nil
}

// wholeAt tells whether a whole record starts at offset, and its store time.
func (s *scanner) wholeAt(offset int64, o message.Options) (storeTime int64, ok bool) {
	if offset < 0 || s.log.fileSize-offset%s.log.fileSize < message.MinRecordSize {
		return 0, false
	}
	rec, _, err := (&scanner{log: s.log}).small(offset)
	if err != nil || rec == nil {
		return 0, false
	}
	m, err := message.Verify(rec, o)
	return m.StoreTimestamp, err == nil && !torn(rec, offset%s.log.fileSize, &m)
}

// small is record without reading ahead.
func (s *scanner) small(offset int64) (rec []byte, blank bool, err error) {
	var head [36]byte
	if err := s.log.readRaw(head[:], offset); err != nil {
		return nil, false, err
	}
	size, err := checkHead(head[:], offset)
	if err != nil || int64(size) > s.log.fileSize-offset%s.log.fileSize {
		return nil, false, nil
	}
	rec = make([]byte, size)
	return rec, false, s.log.readRaw(rec, offset)
}

// quietSpan is how far zeros behind the last record say that nothing was ever
// written there, in bytes: more than a group of writes.
const quietSpan = 1 << 20

// Quiet tells whether nothing but zeros follows offset in its file, for a span.
func (l *Log) Quiet(offset int64) (bool, error) {
	span := min(quietSpan, l.fileSize-offset%l.fileSize)
	f := l.fileAt(offset)
	if f == nil {
		return true, nil // the log ends with a file
	}
	if err := f.release(); err != nil {
		return false, err
	}
	b := make([]byte, span)
	if err := l.readRaw(b, offset); err != nil {
		return false, err
	}
	return allZero(b), nil
}

// LostSector tells whether a sector's part of [from, to) is all zero, as a
// power cut leaves what was not on disk yet. Damage to what was on disk looks
// different.
func (l *Log) LostSector(from, to int64) (bool, error) {
	s := scanner{log: l}
	for at := from; at < to; {
		end := min(at-at%l.fileSize%sector+sector, at-at%l.fileSize+l.fileSize, to)
		b, err := s.window(at, end-at)
		if err != nil || b == nil {
			return false, err
		}
		if allZero(b) {
			return true, nil
		}
		at = end
	}
	return false, nil
}
