package cqueue

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/aerobee/aerobee/internal/store/commitlog"
)

// keepUnits is how many written units a queue keeps in memory for its tailing
// readers while it is being written to: four full pulls and 2.5 KiB.
const keepUnits = 128

// ErrGap says that a unit does not follow the last one: units were lost, and
// the queue must be rebuilt from further back in the log.
var ErrGap = errors.New("units are missing")

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

	mu struct {
		sync.Mutex
		opened  bool
		deleted bool
		dirty   bool   // in Set.dirty
		min     int64  // offset of the first unit that has a file position
		minFor  int64  // the beginning of the log for which min was found
		max     int64  // offset behind the last unit
		written int64  // units below are in files
		tail    []byte // the units [tailAt, max)
		tailAt  int64
		lastPhy int64 // of the unit at max-1, -1 when unknown or none
		idle    bool  // nothing was appended since the last flush
	}
}

// Key names the queue.
func (q *Queue) Key() Key { return q.key }

func (q *Queue) unitsPerFile() int64 { return q.set.cfg.FileSize / UnitSize }

func (q *Queue) filePath(offset int64) string {
	start := offset - offset%q.unitsPerFile()
	return filepath.Join(q.set.queueDir(q.key), commitlog.FileName(start*UnitSize))
}

// Max is the offset of the next unit: the number of messages ever, if none was reset.
func (q *Queue) Max() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.max
}

// Append adds the unit of queue offset off. A unit that is already there is
// ignored. When off is beyond Max the queue begins there if it is empty, and
// otherwise ErrGap is returned. When off is below Max although the record is
// newer than all others, the topic was deleted and made again, and the queue
// starts over with this unit. Appender only.
func (q *Queue) Append(off int64, u Unit) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.deleted {
		return nil
	}
	switch {
	case off == q.mu.max:
	case u.Phy <= q.mu.lastPhy:
		return nil
	case q.mu.lastPhy < 0 && q.mu.min == q.mu.max: // empty: begin here
		q.beginLocked(off)
	case off > q.mu.max:
		return fmt.Errorf("consume queue %s/%d: unit %d after %d: %w", q.key.Topic, q.key.ID, off, q.mu.max, ErrGap)
	default:
		if err := q.restartLocked(off); err != nil {
			return err
		}
	}
	if u.Phy <= q.mu.lastPhy {
		return nil
	}
	q.mu.tail = appendUnit(q.mu.tail, u)
	q.mu.max++
	q.mu.lastPhy = u.Phy
	q.mu.idle = false
	q.set.units.Add(1)
	if !q.mu.dirty {
		q.mu.dirty = true
		q.set.markDirty(q)
	}
	return nil
}

func (q *Queue) beginLocked(off int64) {
	q.mu.min, q.mu.max, q.mu.written = off, off, off
	q.mu.tail, q.mu.tailAt = q.mu.tail[:0], off
}

// restartLocked empties the queue, on disk too, to begin again at off. Only
// recovery meets this, which is alone with the queue.
func (q *Queue) restartLocked(off int64) error {
	q.set.units.Add(q.mu.written - q.mu.max)
	if err := q.removeFilesLocked(); err != nil {
		return err
	}
	q.mu.lastPhy = -1
	q.beginLocked(off)
	return nil
}

// Restart empties the queue, on disk too, to begin again at off. Appender only.
func (q *Queue) Restart(off int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.restartLocked(off)
}

// Read copies the units [from, from+n) as far as they exist, at most len(dst)
// of them, and returns how many. Fewer than asked for and none at the end of
// the queue are no errors.
func (q *Queue) Read(dst []Unit, from int64) (int, error) {
	q.mu.Lock()
	if from >= q.mu.max || from < 0 {
		q.mu.Unlock()
		return 0, nil
	}
	if from >= q.mu.tailAt {
		b := q.mu.tail[(from-q.mu.tailAt)*UnitSize:]
		n := min(len(dst), len(b)/UnitSize)
		for i := range n {
			dst[i] = decodeUnit(b[i*UnitSize:])
		}
		q.mu.Unlock()
		return n, nil
	}
	n := min(int64(len(dst)), q.mu.tailAt-from)
	q.mu.Unlock()
	return q.readFile(dst[:n], from)
}

// readBuffers hold what is read of a queue file at once: 128 units.
var readBuffers = sync.Pool{New: func() any { return new([keepUnits * UnitSize]byte) }}

// readFile reads units of one file.
func (q *Queue) readFile(dst []Unit, from int64) (int, error) {
	buf := readBuffers.Get().(*[keepUnits * UnitSize]byte)
	defer readBuffers.Put(buf)
	at := from % q.unitsPerFile()
	n := min(int64(len(dst)), keepUnits, q.unitsPerFile()-at)
	f, err := q.set.handles.get(q.filePath(from), 0)
	if err != nil {
		return 0, fmt.Errorf("consume queue %s/%d: %w", q.key.Topic, q.key.ID, err)
	}
	b := buf[:n*UnitSize]
	_, err = f.ReadAt(b, at*UnitSize)
	if err = errors.Join(err, q.set.handles.put(f)); err != nil {
		return 0, fmt.Errorf("consume queue %s/%d: %w", q.key.Topic, q.key.ID, err)
	}
	for i := range n {
		dst[i] = decodeUnit(b[i*UnitSize:])
	}
	return int(n), nil
}

// flush writes the units of records below logDurable and lets go of memory.
func (q *Queue) flush(logDurable int64) error {
	q.files.Lock()
	defer q.files.Unlock()
	from, run := q.ready(logDurable)
	written := from
	var err error
	for err == nil && len(run) > 0 {
		room := (q.unitsPerFile() - written%q.unitsPerFile()) * UnitSize
		piece := run[:min(int64(len(run)), room)]
		if err = q.writeFile(written, piece); err == nil {
			written += int64(len(piece)) / UnitSize
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
	q.mu.dirty = written < q.mu.max || !q.mu.idle // once more, to write the rest or to let the tail go
	if q.mu.dirty {
		q.set.markDirty(q)
	}
	q.trimLocked()
	q.mu.idle = true
	if err != nil {
		return fmt.Errorf("consume queue %s/%d: %w", q.key.Topic, q.key.ID, err)
	}
	return nil
}

// ready copies the units that may be written now and the offset of the first.
func (q *Queue) ready(logDurable int64) (from int64, run []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	from, ready := q.mu.written, q.mu.max
	if q.mu.deleted {
		return from, nil
	}
	for ready > from {
		u := decodeUnit(q.mu.tail[(ready-1-q.mu.tailAt)*UnitSize:])
		if u.Phy+int64(u.Size) <= logDurable {
			break
		}
		ready--
	}
	run = append(q.set.scratch[:0], q.mu.tail[(from-q.mu.tailAt)*UnitSize:(ready-q.mu.tailAt)*UnitSize]...)
	q.set.scratch = run
	return from, run
}

func (q *Queue) writeFile(from int64, b []byte) error {
	path := q.filePath(from)
	at := from % q.unitsPerFile()
	q.mu.Lock()
	makes := at == 0 || from == q.mu.min
	q.mu.Unlock()
	var size int64
	if makes {
		size = q.set.cfg.FileSize
		if err := q.set.cfg.FS.MkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		q.set.markMade(filepath.Dir(path))
	}
	f, err := q.set.handles.get(path, size)
	if err != nil {
		return err
	}
	if makes && at > 0 {
		blanks := make([]byte, 0, at*UnitSize)
		for range at {
			blanks = appendUnit(blanks, Unit{Size: blankSize})
		}
		_, err = f.WriteAt(blanks, 0)
	}
	if err == nil {
		_, err = f.WriteAt(b, at*UnitSize)
	}
	q.set.markUnsynced(path)
	return errors.Join(err, q.set.handles.put(f))
}

// trimLocked lets go of written units: all of them when the queue is idle.
func (q *Queue) trimLocked() {
	keep := q.mu.written
	if !q.mu.idle {
		keep = max(q.mu.tailAt, min(q.mu.written, q.mu.max-keepUnits))
	}
	n := keep - q.mu.tailAt
	if n == 0 {
		return
	}
	rest := len(q.mu.tail) - int(n*UnitSize)
	if rest == 0 {
		q.mu.tail = nil
	} else {
		q.mu.tail = append(q.mu.tail[:0], q.mu.tail[n*UnitSize:]...)
	}
	q.mu.tailAt = keep
}

func (q *Queue) discard() error {
	q.files.Lock()
	defer q.files.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.deleted = true
	q.set.units.Add(q.mu.written - q.mu.max)
	q.mu.written = q.mu.max
	q.mu.tail, q.mu.tailAt = nil, q.mu.max
	return q.removeFilesLocked()
}

// LastPhy is where the record of the last unit begins, -1 when there is none.
func (q *Queue) LastPhy() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.lastPhy
}
