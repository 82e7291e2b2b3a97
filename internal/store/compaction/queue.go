package compaction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"sync"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// atQueueOffset is where a record has its queue offset.
const atQueueOffset = 20

// Queue is the compaction log of one queue. See Set.Queue.
type Queue struct {
	cfg   *Config
	topic string
	id    int32
	w     writer // belongs to the goroutine that appends

	mu       sync.RWMutex
	segments []segment // what is in the files
	torn     error     // a swap failed half-way: nothing can be read before the next start

	failed error // of a write: nothing more is written
}

func openQueue(cfg *Config, topic string, id int32, most int64) (*Queue, error) {
	q := &Queue{cfg: cfg, topic: topic, id: id}
	name := strconv.Itoa(int(id))
	q.w = writer{cfg: cfg, logDir: filepath.Join(cfg.logRoot(), topic, name), cqDir: filepath.Join(cfg.cqRoot(), topic, name)}
	for _, dir := range []string{q.w.logDir, q.w.cqDir} {
		if err := makeDir(cfg.FS, dir); err != nil {
			return nil, err
		}
	}
	if err := q.finishSwap(); err != nil {
		return nil, err
	}
	if err := q.load(); err != nil {
		return nil, err
	}
	if err := q.cut(most); err != nil {
		return nil, err
	}
	if err := q.w.resume(); err != nil {
		return nil, err
	}
	q.publish()
	return q, nil
}

// makeDir makes a directory and its parents, so that they survive a power cut.
func makeDir(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	return errors.Join(fs.SyncDir(parent), fs.SyncDir(filepath.Dir(parent)))
}

// publish shows what was flushed to readers.
func (q *Queue) publish() {
	q.mu.Lock()
	q.segments = slices.Clone(q.w.segments)
	q.mu.Unlock()
}

// Max is the queue offset behind the last message that is kept here.
func (q *Queue) Max() int64 {
	q.mu.RLock()
	defer q.mu.RUnlock()
	return maxOf(q.segments)
}

func maxOf(segments []segment) int64 {
	for _, s := range slices.Backward(segments) {
		if s.units > 0 {
			return s.last + 1
		}
	}
	return 0
}

// Min is the queue offset of the first message, Max when there is none.
func (q *Queue) Min() int64 {
	q.mu.RLock()
	defer q.mu.RUnlock()
	for _, s := range q.segments {
		if s.units > 0 {
			return s.first
		}
	}
	return 0
}

// Append appends a record of the commit log; one that is here already is passed
// over. Records come in the order of the queue.
func (q *Queue) Append(rec []byte, tagsCode int64) error {
	if q.failed != nil {
		return q.failed
	}
	offset := int64(binary.BigEndian.Uint64(rec[atQueueOffset:]))
	if offset < maxOf(q.w.segments) {
		return nil
	}
	return q.fail(q.w.add(rec, unit{tags: tagsCode, time: message.StoreTimestampOf(rec), offset: offset}))
}

// Flush makes what was appended durable, and shows it.
func (q *Queue) Flush() error {
	if q.failed != nil {
		return q.failed
	}
	if err := q.fail(q.w.flush()); err != nil {
		return err
	}
	q.publish()
	return nil
}

// fail remembers the first error of a write. Nothing is known about the files then;
// the next start looks.
func (q *Queue) fail(err error) error {
	if err != nil {
		q.failed = fmt.Errorf("compaction log of topic %s queue %d: %w", q.topic, q.id, err)
	}
	return q.failed
}

// Close makes everything durable and closes the files.
func (q *Queue) Close() error {
	if q.failed != nil {
		return nil
	}
	return q.w.close()
}

// readUnits is how many units are read at a time.
const readUnits = 128

// Visitor gets the messages of a queue.
type Visitor struct {
	// Wanted chooses by the tags code which records are read at all; nil: all.
	Wanted func(tagsCode int64) bool
	// Give gets a message, with a nil record when it was not wanted, and tells
	// whether to go on. The record is valid until it returns.
	Give func(offset int64, rec []byte) bool
	// Damaged gets what cannot be read, and tells whether to go on behind it.
	Damaged func(err error) bool
}

// Read visits the messages from a queue offset on, in order.
func (q *Queue) Read(from int64, v Visitor) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.torn != nil {
		return q.torn
	}
	at := sort.Search(len(q.segments), func(i int) bool { return maxOf(q.segments[:i+1]) > from })
	for _, s := range q.segments[at:] {
		more, err := q.readSegment(s, from, v)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// readSegment is Read for one segment.
func (q *Queue) readSegment(s segment, from int64, v Visitor) (more bool, err error) {
	if s.units == 0 {
		return true, nil
	}
	cq, err := q.cfg.FS.OpenRead(filepath.Join(q.w.cqDir, fileName(s.base)))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, cq.Close()) }()
	log, err := q.cfg.FS.OpenRead(filepath.Join(q.w.logDir, fileName(s.base)))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()

	first, err := searchUnits(cq, s.units, func(u unit) bool { return u.offset >= from })
	if err != nil {
		return false, err
	}
	var raw [readUnits * UnitSize]byte
	var rec []byte
	for n := first; n < s.units; {
		chunk := raw[:min(readUnits, s.units-n)*UnitSize]
		if _, err := cq.ReadAt(chunk, n*UnitSize); err != nil {
			return false, err
		}
		for ; len(chunk) > 0; chunk, n = chunk[UnitSize:], n+1 {
			u, _ := parseUnit(chunk)
			if v.Wanted != nil && !v.Wanted(u.tags) {
				if !v.Give(u.offset, nil) {
					return false, nil
				}
				continue
			}
			rec, err = q.record(log, &s, u, rec[:0])
			if err != nil && !v.Damaged(fmt.Errorf("compaction log of topic %s queue %d: unit %d of file %s: %w", q.topic, q.id, n, fileName(s.base), err)) ||
				err == nil && !v.Give(u.offset, rec) {
				return false, nil
			}
		}
	}
	return true, nil
}

// record reads the record of a unit.
func (q *Queue) record(log vfs.File, s *segment, u unit, rec []byte) ([]byte, error) {
	if u.phy < s.base || u.phy+int64(u.size) > s.end || u.size < message.MinRecordSize {
		return rec, fmt.Errorf("a record of %d bytes at %d, outside of the file", u.size, u.phy)
	}
	rec = slices.Grow(rec, int(u.size))[:u.size]
	if _, err := log.ReadAt(rec, u.phy-s.base); err != nil {
		return rec, err
	}
	if size, _, ok := message.Size(rec); !ok || size != u.size || int64(binary.BigEndian.Uint64(rec[atQueueOffset:])) != u.offset {
		return rec, fmt.Errorf("no record of queue offset %d at byte %d", u.offset, u.phy-s.base)
	}
	return rec, nil
}

// searchUnits finds the first of n units for which is holds; it holds for all that
// follow one.
func searchUnits(cq vfs.File, n int64, is func(unit) bool) (int64, error) {
	var failed error
	at := sort.Search(int(n), func(i int) bool {
		var raw [UnitSize]byte
		if _, err := cq.ReadAt(raw[:], int64(i)*UnitSize); err != nil {
			failed = errors.Join(failed, err)
			return true
		}
		u, ok := parseUnit(raw[:])
		return !ok || is(u)
	})
	return int64(at), failed
}
