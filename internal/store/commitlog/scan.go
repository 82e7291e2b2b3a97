package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aerobee/aerobee/internal/message"
)

// checkHead looks at the first 36 bytes of what should be the record at offset.
func checkHead(head []byte, offset int64) (size int32, err error) {
	size, magic, _ := message.Size(head)
	if magic != message.MagicV1 && magic != message.MagicV2 || size < message.MinRecordSize {
		return 0, ErrMisaligned
	}
	if int64(binary.BigEndian.Uint64(head[28:])) != offset {
		return 0, ErrMisaligned
	}
	return size, nil
}

// scanChunk is how much of the log Scan reads at once, in bytes.
const scanChunk = 1 << 20

// Scan calls visit with each record from offset from on, in order, verifying
// checksums, and returns the offset behind the last good record: where the log
// ends. Neither End nor what lies behind it matter: Scan is how End is found.
// The message aliases a buffer that is reused. An error of visit ends the scan.
func (l *Log) Scan(from int64, o message.Options, visit func(offset int64, size int32, m *message.Message) error) (end int64, err error) {
	s := scanner{log: l}
	at := from
	for {
		rec, blank, err := s.record(at)
		if err != nil {
			return at, err
		}
		if blank {
			next := at - at%l.fileSize + l.fileSize
			if f := l.fileAt(next); f != nil {
				at = next
				if err := f.release(); err != nil {
					return at, err
				}
				continue
			}
			return next, nil
		}
		if rec == nil {
			return at, nil
		}
		m, err := message.Verify(rec, o)
		if err != nil || torn(rec, at%l.fileSize, &m) {
			return at, nil
		}
		size := int32(len(rec))
		if err := visit(at, size, &m); err != nil {
			return at, err
		}
		if at += int64(size); at%l.fileSize == 0 {
			return at, fmt.Errorf("record at %d fills its file to the end: %w", at-int64(size), message.ErrCorrupt)
		}
	}
}

// sector is the smallest unit that a disk writes or does not, in bytes.
const sector = 512

// torn tells whether a power cut kept a sector of topic and properties from the
// disk, which no checksum of the format covers unless it has the CRC property.
// The log is zero before it is written, so such a sector is all zero as far as
// the record goes; topics and real properties are not. Zeros of the body and of
// the lengths, which the record's size covers, are no sign of it.
func torn(rec []byte, offset int64, m *message.Message) bool { // offset is in the file
	size := int64(len(rec))
	props := size - int64(len(m.Properties)) // where they begin in rec
	topic := props - 2 - int64(len(m.Topic))
	if len(m.Properties) > 0 && rec[size-1] == 0 {
		return true // a write that a full disk cut short ends at any byte
	}
	for from := topic; from < size; {
		to := min(size, from+sector-(offset+from)%sector) // the end of from's sector
		begin := max(0, to-(offset+to-1)%sector-1)
		named := from < topic+int64(len(m.Topic)) || to > props // not the length of no properties alone
		if named && allZero(rec[begin:to]) {
			return true
		}
		from = to
	}
	return false
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// scanner reads ahead for Scan.
type scanner struct {
	log   *Log
	buf   []byte
	start int64 // offset of buf[0]
}

// window returns n bytes at offset, or nil where the file or log is over.
func (s *scanner) window(offset int64, n int64) ([]byte, error) {
	if offset >= s.start && offset+n <= s.start+int64(len(s.buf)) {
		return s.buf[offset-s.start:][:n], nil
	}
	room := s.log.fileSize - offset%s.log.fileSize
	if n > room {
		return nil, nil
	}
	want := min(room, max(n, scanChunk))
	if int64(cap(s.buf)) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.start = s.buf[:want], offset
	err := s.log.readRaw(s.buf, offset)
	if errors.Is(err, ErrNotFound) {
		s.buf = s.buf[:0]
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("commit log at %d: %w", offset, err)
	}
	return s.buf[:n], nil
}

// record returns the bytes of the record at offset; nil when none starts there,
// blank when the file is closed there.
func (s *scanner) record(offset int64) (rec []byte, blank bool, err error) {
	head, err := s.window(offset, message.BlankSize)
	if head == nil || err != nil {
		return nil, false, err
	}
	if _, magic, _ := message.Size(head); magic == message.MagicBlank {
		return nil, true, nil
	}
	if head, err = s.window(offset, 36); head == nil || err != nil {
		return nil, false, err
	}
	size, err := checkHead(head, offset)
	if err != nil {
		return nil, false, nil
	}
	rec, err = s.window(offset, int64(size))
	return rec, false, err
}

// FirstRecord reads the store time of the record with which the file of offset
// begins. ok is false when it does not begin with one.
func (l *Log) FirstRecord(offset int64) (storeTime int64, ok bool) {
	start := offset - offset%l.fileSize
	var head [message.StoreTimestampPrefix]byte
	if l.readRaw(head[:], start) != nil {
		return 0, false
	}
	if _, err := checkHead(head[:], start); err != nil {
		return 0, false
	}
	return message.StoreTimestampOf(head[:]), true
}

// HasRecord tells whether a record starts at offset, whatever End says.
func (l *Log) HasRecord(offset int64) (bool, error) {
	var head [36]byte
	err := l.readRaw(head[:], offset)
	if errors.Is(err, ErrNotFound) || errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = checkHead(head[:], offset)
	return err == nil, nil
}

// probe is how much Estimate reads at once, in bytes.
const probe = 4096

// Estimate guesses where the log ends, which Scan finds out, from a few reads of
// the last file: behind its last record it is zero.
func (l *Log) Estimate(from int64) (int64, error) {
	files := l.snapshot()
	if len(files) == 0 {
		return from, nil
	}
	start := max(from, files[len(files)-1].start)
	lo, hi := start, files[len(files)-1].start+l.fileSize
	buf := make([]byte, probe)
	for hi-lo > probe {
		mid := lo + (hi-lo)/2
		b := buf[:min(probe, hi-mid)]
		if err := l.readRaw(b, mid); err != nil {
			return 0, fmt.Errorf("commit log at %d: %w", mid, err)
		}
		if allZero(b) {
			hi = mid
		} else {
			lo = mid
		}
	}
	if lo == start {
		return start, nil // nothing was found, or next to nothing
	}
	return hi, nil
}

// CheckEnd fails with a *FileError when a file behind end, where the last good
// record was found, begins with a valid record: then the log is damaged in the
// middle, and truncating it would lose what follows. Stale bytes in end's own
// file are no damage: a Java broker leaves them after a crash.
func (l *Log) CheckEnd(end int64) error {
	for start := end - end%l.fileSize + l.fileSize; ; start += l.fileSize {
		f := l.fileAt(start)
		if f == nil {
			return nil
		}
		if err := f.release(); err != nil {
			return err
		}
		if _, ok := l.FirstRecord(start); ok {
			return &FileError{filepath.Join(l.dir, FileName(end-end%l.fileSize)), fmt.Sprintf(
				"damaged at offset %d: no valid record there, but more files behind it", end)}
		}
	}
}

// Truncate sets the end of the log to end: later files are removed, and what
// follows end in its file becomes zero, so that no stale record can come back.
// Writer only; end must not be below what was published.
func (l *Log) Truncate(end int64) error {
	if l.stray != "" { // before those in front of it: a log with a gap cannot be opened
		if err := l.fs.Remove(l.stray); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		l.stray = ""
	}
	files := l.snapshot()
	n := len(files)
	for ; n > 0 && files[n-1].start >= end && !(n == 1 && files[0].start == end); n-- {
		if err := l.discard(files[n-1]); err != nil {
			return err
		}
	}
	if n < len(files) {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return err
		}
	}
	f := l.fileAt(end)
	if f == nil {
		return nil
	}
	err := f.Truncate(end - f.start)
	if err == nil {
		err = f.Truncate(l.fileSize)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.release())
}

// SetSynced says that everything below offset is known to be durable. Only
// before the log is used.
func (l *Log) SetSynced(offset int64) { l.synced.Store(offset) }
