package timer

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/aerobee/aerobee/internal/vfs"
)

// timerLog is the entries, in files of one size. One goroutine appends and reads;
// sync and removeBefore may run beside it.
type timerLog struct {
	fs       vfs.FS
	dir      string
	fileSize int64

	mu struct {
		sync.Mutex
		files  []logFile // ascending, without gaps
		end    int64     // behind the last written entry
		synced int64
		madeAt int64 // start of the newest file whose name is durable
	}
	pending struct { // entries that have a position and are not written yet
		at   int64
		data []byte
	}
	block struct { // what was read last
		at   int64
		data []byte
		size int64 // of the next read
	}
}

type logFile struct {
	start int64
	file  vfs.File
}

// openLog opens the files of a directory. end is set by seek.
func openLog(fs vfs.FS, dir string, fileSize int64) (*timerLog, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, err
	}
	l := &timerLog{fs: fs, dir: dir, fileSize: fileSize}
	infos, err := fs.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if info.IsDir {
			continue
		}
		path := filepath.Join(dir, info.Name)
		start, err := strconv.ParseInt(info.Name, 10, 64)
		if err != nil || len(info.Name) != 20 || start < 0 || start%fileSize != 0 {
			return nil, errors.Join(fmt.Errorf("%s: not a file of a timer log of files of %d bytes (mappedFileSizeTimerLog)", path, fileSize), l.close())
		}
		if info.Size != fileSize && info.Size != 0 { // 0: made just before a power cut
			return nil, errors.Join(fmt.Errorf("%s: %d bytes, expected %d (mappedFileSizeTimerLog)", path, info.Size, fileSize), l.close())
		}
		f, err := fs.Open(path)
		if err == nil && info.Size == 0 {
			err = f.Truncate(fileSize)
		}
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.mu.files = append(l.mu.files, logFile{start, f})
	}
	return l, nil
}

// begin is the position of the first file, limit that behind the last.
func (l *timerLog) begin() int64 {
	if len(l.mu.files) == 0 {
		return 0
	}
	return l.mu.files[0].start
}

func (l *timerLog) limit() int64 {
	if len(l.mu.files) == 0 {
		return 0
	}
	return l.mu.files[len(l.mu.files)-1].start + l.fileSize
}

// first is begin beside removeBefore.
func (l *timerLog) first() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin()
}

// contiguous tells whether no file is missing between others.
func (l *timerLog) contiguous() bool {
	return len(l.mu.files) == 0 || l.begin()+int64(len(l.mu.files))*l.fileSize == l.limit()
}

// zeroAt tells whether nothing was ever written at a position and a while after it.
func (f *logFile) zeroAt(pos, size int64) bool {
	buf := make([]byte, min(blockLeast, f.start+size-pos))
	n, _ := f.file.ReadAt(buf, pos-f.start)
	return n == len(buf) && !slices.ContainsFunc(buf, func(b byte) bool { return b != 0 })
}

// find returns the file that holds a position.
func (l *timerLog) find(pos int64) (logFile, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if pos < l.begin() || pos >= l.limit() {
		return logFile{}, false
	}
	i := (pos - l.begin()) / l.fileSize
	f := l.mu.files[min(i, int64(len(l.mu.files)-1))]
	return f, pos >= f.start && pos < f.start+l.fileSize
}

// seek makes pos the end: later bytes are zeroed, so that they are never taken for
// entries, and later files removed.
func (l *timerLog) seek(pos int64) error {
	for {
		l.mu.Lock()
		n := len(l.mu.files)
		if n == 0 || l.mu.files[n-1].start <= pos {
			l.mu.Unlock()
			break
		}
		f := l.mu.files[n-1]
		l.mu.files = l.mu.files[:n-1]
		l.mu.Unlock()
		if err := errors.Join(f.file.Close(), l.fs.Remove(l.path(f.start))); err != nil {
			return err
		}
	}
	if f, ok := l.find(pos); ok && !f.zeroAt(pos, l.fileSize) {
		// Shorter and longer again: the rest reads as zero and takes no space.
		if err := errors.Join(f.file.Truncate(pos-f.start), f.file.Truncate(l.fileSize), f.file.Sync()); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.end, l.mu.synced, l.mu.madeAt = pos, pos, math.MinInt64
	l.pending.at, l.pending.data = pos, l.pending.data[:0]
	l.block.data = nil
	return nil
}

func (l *timerLog) path(start int64) string { return filepath.Join(l.dir, fmt.Sprintf("%020d", start)) }

// errFileFull means that what was added must be written before more can be.
var errFileFull = errors.New("the file of the timer log is full")

// add gives an entry its position; write brings it to the file.
func (l *timerLog) add(e *entry) (pos int64, err error) {
	rest := l.fileSize - l.tail()%l.fileSize
	if rest < entrySize+blankSize && len(l.pending.data) > 0 {
		return 0, errFileFull
	}
	if rest < entrySize+blankSize {
		l.pending.data = appendBlank(l.pending.data, rest)
		if err := l.writePending(); err != nil {
			l.pending.data = l.pending.data[:len(l.pending.data)-blankSize]
			return 0, err
		}
		l.pending.at = (l.pending.at-1)/l.fileSize*l.fileSize + l.fileSize
		l.publish()
	}
	pos = l.tail()
	l.pending.data = e.append(l.pending.data)
	return pos, nil
}

func (l *timerLog) tail() int64 { return l.pending.at + int64(len(l.pending.data)) }

// write writes what was added. After an error it can be called again.
func (l *timerLog) write() error {
	if len(l.pending.data) == 0 {
		return nil
	}
	if err := l.writePending(); err != nil {
		return err
	}
	l.publish()
	return nil
}

func (l *timerLog) writePending() error {
	f, ok := l.find(l.pending.at)
	if !ok {
		var err error
		if f, err = l.create(l.pending.at / l.fileSize * l.fileSize); err != nil {
			return err
		}
	}
	if _, err := f.file.WriteAt(l.pending.data, l.pending.at-f.start); err != nil {
		return err
	}
	l.pending.at += int64(len(l.pending.data))
	l.pending.data = l.pending.data[:0]
	return nil
}

func (l *timerLog) publish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.end = l.pending.at
}

func (l *timerLog) create(start int64) (logFile, error) {
	f, err := l.fs.Create(l.path(start))
	if err != nil {
		return logFile{}, err
	}
	if err := f.Truncate(l.fileSize); err != nil {
		return logFile{}, errors.Join(err, f.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.files = append(l.mu.files, logFile{start, f})
	return logFile{start, f}, nil
}

// How much is read at a time, backwards: more as long as reads are neighbours.
const (
	blockLeast = 4 << 10
	blockMost  = 64 << 10
)

// read returns the written entry at a position.
func (l *timerLog) read(pos int64) (entry, error) {
	if b := &l.block; pos < b.at || pos+entrySize > b.at+int64(len(b.data)) {
		f, ok := l.find(pos)
		if !ok || pos+entrySize > l.written() {
			return entry{}, fmt.Errorf("timer log: position %d is outside of %d to %d", pos, l.begin(), l.written())
		}
		if near := b.data != nil && pos < b.at && pos >= b.at-blockMost; near {
			b.size = min(2*b.size, blockMost)
		} else {
			b.size = blockLeast
		}
		from := max(pos+entrySize-b.size, f.start)
		buf := slices.Grow(b.data[:0], blockMost)[:pos+entrySize-from]
		b.data = nil
		if n, err := f.file.ReadAt(buf, from-f.start); n < len(buf) {
			return entry{}, fmt.Errorf("%s: %w", l.path(f.start), err)
		}
		b.at, b.data = from, buf
	}
	e, err := decodeEntry(l.block.data[pos-l.block.at:], pos)
	if err != nil {
		return e, fmt.Errorf("timer log, position %d: %w", pos, err)
	}
	return e, nil
}

func (l *timerLog) written() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.end
}

// sync makes the entries below end durable.
func (l *timerLog) sync(end int64) error {
	l.mu.Lock()
	from, made := l.mu.synced, l.mu.madeAt
	var files []logFile
	for _, f := range l.mu.files {
		if f.start < end && f.start+l.fileSize > from {
			files = append(files, f)
		}
	}
	l.mu.Unlock()
	if from >= end {
		return nil
	}
	for _, f := range files {
		if err := f.file.Sync(); err != nil {
			return err
		}
	}
	if n := len(files); n > 0 && files[n-1].start > made {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return err
		}
		made = files[n-1].start
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.synced, l.mu.madeAt = max(l.mu.synced, end), max(l.mu.madeAt, made)
	return nil
}

// removeBefore removes files of which the last entry's message lies before the
// commit log, as Java does. The newest file stays.
func (l *timerLog) removeBefore(phy int64) error {
	last := l.fileSize - (l.fileSize-blankSize)%entrySize - blankSize - entrySize
	for {
		l.mu.Lock()
		files := l.mu.files
		l.mu.Unlock()
		if len(files) < 2 {
			return nil
		}
		var b [entrySize]byte
		if n, err := files[0].file.ReadAt(b[:], last); n < len(b) {
			return err
		}
		if e, err := decodeEntry(b[:], files[0].start+last); err != nil || e.phy >= phy {
			return nil
		}
		l.mu.Lock()
		l.mu.files = slices.Clone(l.mu.files[1:])
		l.mu.Unlock()
		if err := errors.Join(files[0].file.Close(), l.fs.Remove(l.path(files[0].start))); err != nil {
			return err
		}
	}
}

func (l *timerLog) close() error {
	var errs []error
	for _, f := range l.mu.files {
		errs = append(errs, f.file.Close())
	}
	l.mu.files = nil
	return errors.Join(errs...)
}
