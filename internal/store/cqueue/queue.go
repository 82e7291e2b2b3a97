package cqueue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/store/commitlog"
)

// keepUnits is how many written units a queue keeps in memory for its tailing
// readers while it is being written to: four full pulls and 2.5 KiB.
const keepUnits = 128

// keepingQueues is up to how many queues may keep units for tailing readers, so
// that a million busy queues do not keep gigabytes: at most 20 MiB.
const keepingQueues = 8192

// fullUnits is how many unwritten units make a queue worth a write of its own
// between two checkpoints: they fill a page.
const fullUnits = 4096 / UnitSize

// errGap says that a unit does not follow the last one, which is a bug.
var errGap = errors.New("units are missing")

// Queue is one consume queue.
type Queue struct {
	set *Set
	key Key
	// Next is the queue offset of the next message. It is ahead of Max while a
	// group is being written. Only the appender touches it.
	Next int64

	// files is held by whoever makes or removes files, so that a flush cannot
	// bring back the files of a deleted queue. Taken before mu.
	files sync.Mutex

	opened   atomic.Bool // the files were looked at; set with mu held
	lastRead atomic.Pointer[filePath]

	mu struct {
		sync.Mutex
		deleted bool
		pins    int32  // messages on their way, see Pin
		restart bool   // what the files hold is of a deleted topic; until opened
		dirty   bool   // in Set.dirty
		full    bool   // in Set.full
		min     int64  // offset of the first unit that has a file position
		floor   int64  // units of records below are hidden
		max     int64  // offset behind the last unit
		end     int64  // queue offset behind the last unit; only with Config.Batch
		written int64  // units below are in files
		tail    []byte // the units [tailAt, max)
		tailAt  int64
		lastPhy int64 // of the unit at max-1, -1 when unknown or none
		idle    bool  // nothing was appended since the last flush
		// shown is the offset of the first unit whose record begins at or behind
		// shownFor, which was the beginning of the log or the floor.
		shown, shownFor int64
	}
}

// Key names the queue.
func (q *Queue) Key() Key { return q.key }

func (q *Queue) unitsPerFile() int64 { return q.set.cfg.FileSize / q.set.unitSize() }

// filePath is where the file with the unit of an offset is.
func (q *Queue) filePath(offset int64) string {
	start := offset - offset%q.unitsPerFile()
	return filepath.Join(q.set.queueDir(q.key), commitlog.FileName(start*q.set.unitSize()))
}

// readPath is filePath for readers, who are in one file for long: the answer is kept.
func (q *Queue) readPath(offset int64) string {
	start := offset - offset%q.unitsPerFile()
	p := q.lastRead.Load()
	if p == nil || p.start != start {
		p = &filePath{start, q.filePath(offset)}
		q.lastRead.Store(p)
	}
	return p.path
}

// filePath is the path of the file that begins with the unit of an offset.
type filePath struct {
	start int64
	path  string
}

// Max is the offset of the next message: the number of messages ever, if none was reset.
func (q *Queue) Max() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.nextLocked()
}

// Append adds the unit of queue offset off, which must be Max. Appender only; the
// queue must be open, as Set.Queue gives it.
func (q *Queue) Append(off int64, u Unit) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.deleted {
		return nil
	}
	if q.IsBatch() {
		return q.appendBatchLocked(off, u)
	}
	if off != q.mu.max {
		return fmt.Errorf("consume queue %s/%d: unit %d after %d: %w", q.key.Topic, q.key.ID, off, q.mu.max, errGap)
	}
	q.appendLocked(u)
	return nil
}

func (q *Queue) appendLocked(u Unit) {
	q.mu.tail = q.set.append(q.mu.tail, u)
	q.mu.max++
	q.mu.end = u.Base + int64(u.Count)
	q.mu.lastPhy = u.Phy
	q.mu.idle = false
	q.set.units.Add(1)
	q.markLocked()
}

// markLocked has the queue written by the next flush.
func (q *Queue) markLocked() {
	if !q.mu.dirty {
		q.mu.dirty = true
		q.set.dirty.add(q)
	}
	if !q.mu.full && q.mu.max-q.mu.written >= fullUnits {
		q.mu.full = true
		q.set.full.add(q)
	}
}

func (q *Queue) beginLocked(off int64) {
	q.mu.min, q.mu.max, q.mu.written, q.mu.shown = off, off, off, 0
	q.mu.tail, q.mu.tailAt = q.mu.tail[:0], off
}

// Read copies the units [from, from+n) as far as they exist, at most len(dst)
// of them, and returns how many. Fewer than asked for are no error, nor are none at
// the end of the queue or where it was removed meanwhile. In a batch queue the first
// unit is the one with the message of offset from.
func (q *Queue) Read(dst []Unit, from int64) (int, error) {
	if q.IsBatch() {
		if from < 0 || from >= q.Max() {
			return 0, nil
		}
		at, err := q.position(from)
		if err != nil {
			return 0, err
		}
		from = at
	}
	return q.read(dst, from)
}

func (q *Queue) read(dst []Unit, from int64) (int, error) {
	q.mu.Lock()
	if from >= q.mu.max || from < 0 {
		q.mu.Unlock()
		return 0, nil
	}
	if from >= q.mu.tailAt {
		b := q.mu.tail[(from-q.mu.tailAt)*q.set.unitSize():]
		size := int(q.set.unitSize())
		n := min(len(dst), len(b)/size)
		for i := range n {
			dst[i] = q.set.decode(b[i*size:])
		}
		q.mu.Unlock()
		return n, nil
	}
	n := min(int64(len(dst)), q.mu.tailAt-from)
	q.mu.Unlock()
	read, err := q.readFile(dst[:n], from)
	if errors.Is(err, os.ErrNotExist) && q.gone(from) {
		return 0, nil
	}
	return read, err
}

// gone tells whether the unit at off was removed.
func (q *Queue) gone(off int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return off < q.mu.min || q.mu.deleted
}

// readBuffers hold what is read of a queue file at once: 128 units.
var readBuffers = sync.Pool{New: func() any { return new([keepUnits * BatchUnitSize]byte) }}

// readFile reads units of one file.
func (q *Queue) readFile(dst []Unit, from int64) (int, error) {
	buf := readBuffers.Get().(*[keepUnits * BatchUnitSize]byte)
	defer readBuffers.Put(buf)
	at := from % q.unitsPerFile()
	n := min(int64(len(dst)), keepUnits, q.unitsPerFile()-at)
	f, err := q.set.handles.get(q.readPath(from), 0)
	if err != nil {
		return 0, fmt.Errorf("consume queue %s/%d: %w", q.key.Topic, q.key.ID, err)
	}
	size := q.set.unitSize()
	b := buf[:n*size]
	_, err = f.ReadAt(b, at*size)
	if err = errors.Join(err, q.set.handles.put(f)); err != nil {
		return 0, fmt.Errorf("consume queue %s/%d: %w", q.key.Topic, q.key.ID, err)
	}
	for i := range n {
		dst[i] = q.set.decode(b[i*size:])
	}
	return int(n), nil
}

// flush writes the units of records below logDurable and lets go of memory. keep
// is how many written units stay for tailing readers.
func (q *Queue) flush(logDurable, keep int64) error {
	if err := q.open(); err != nil { // recovery may have left units before the first use
		return err
	}
	q.files.Lock()
	defer q.files.Unlock()
	from, run := q.ready(logDurable)
	written := from
	var err error
	for err == nil && len(run) > 0 {
		room := (q.unitsPerFile() - written%q.unitsPerFile()) * q.set.unitSize()
		piece := run[:min(int64(len(run)), room)]
		if err = q.writeFile(written, piece); err == nil {
			written += int64(len(piece)) / q.set.unitSize()
			run = run[len(piece):]
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.deleted {
		return nil
	}
	q.set.units.Add(from - written)
	q.mu.written = written
	q.trimLocked(keep)
	q.mu.idle = true
	if err != nil {
		return fmt.Errorf("consume queue %s/%d: %w", q.key.Topic, q.key.ID, err)
	}
	return nil
}

// settled takes the queue off the list it was flushed from, and puts it on again
// when there is more to write or a tail to let go of.
func (q *Queue) settled(fullOnly bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.full = false
	if !fullOnly {
		q.mu.dirty = false
	}
	if !q.mu.deleted && (q.mu.written < q.mu.max || len(q.mu.tail) > 0) {
		q.markLocked()
	}
}

// ready copies the units that may be written now and the offset of the first.
func (q *Queue) ready(logDurable int64) (from int64, run []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	from, ready, size := q.mu.written, q.mu.max, q.set.unitSize()
	if q.mu.deleted {
		return from, nil
	}
	for ready > from {
		u := q.set.decode(q.mu.tail[(ready-1-q.mu.tailAt)*size:])
		if u.Phy+int64(u.Size) <= logDurable {
			break
		}
		ready--
	}
	run = append(q.set.flushing.scratch[:0], q.mu.tail[(from-q.mu.tailAt)*size:(ready-q.mu.tailAt)*size]...)
	q.set.flushing.scratch = run
	return from, run
}

func (q *Queue) writeFile(from int64, b []byte) error {
	path := q.filePath(from)
	at := from % q.unitsPerFile()
	q.mu.Lock()
	makes := at == 0 || from == q.mu.min
	further := at == 0 && from > q.mu.min
	q.mu.Unlock()
	var size int64
	if makes {
		if further {
			q.set.several.add(q.key)
		}
		size = q.set.cfg.FileSize
		if err := q.set.cfg.FS.MkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		q.set.unsynced.made(filepath.Dir(path), q.set.cfg.Dir)
	}
	f, err := q.set.handles.get(path, size)
	if err != nil {
		return err
	}
	if makes && at > 0 {
		blanks := make([]byte, 0, at*q.set.unitSize())
		for range at {
			blanks = appendUnit(blanks, Unit{Size: blankSize})
		}
		_, err = f.WriteAt(blanks, 0)
	}
	if err == nil {
		_, err = f.WriteAt(b, at*q.set.unitSize())
	}
	q.set.unsynced.wrote(path)
	return errors.Join(err, q.set.handles.put(f))
}

// trimLocked lets go of written units, but for the last so many of a queue to
// which units were appended since the last flush.
func (q *Queue) trimLocked(units int64) {
	keep := q.mu.written
	if !q.mu.idle {
		keep = max(q.mu.tailAt, min(q.mu.written, q.mu.max-units))
	}
	n := keep - q.mu.tailAt
	if n == 0 {
		return
	}
	rest := len(q.mu.tail) - int(n*q.set.unitSize())
	if rest == 0 {
		q.mu.tail = nil
	} else {
		q.mu.tail = append(q.mu.tail[:0], q.mu.tail[n*q.set.unitSize():]...)
	}
	q.mu.tailAt = keep
}

func (q *Queue) discard() error {
	q.files.Lock()
	defer q.files.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retireLocked()
	return q.removeFilesLocked()
}
