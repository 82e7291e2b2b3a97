package commitlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Errors of reads.
var (
	ErrNotFound   = errors.New("no record at this offset")
	ErrMisaligned = errors.New("offset is not the start of a record")
)

// FileError is a file that a Java broker would not start with either.
type FileError struct {
	Path   string
	Reason string
}

func (e *FileError) Error() string { return e.Path + ": " + e.Reason }

// file is one file of the log. refs counts its users; the log itself is one
// until the file is removed.
type file struct {
	start int64
	path  string
	vfs.File
	refs atomic.Int32
}

func (f *file) acquire() bool {
	for {
		n := f.refs.Load()
		if n == 0 {
			return false
		}
		if f.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (f *file) release() error {
	if f.refs.Add(-1) == 0 {
		return f.Close()
	}
	return nil
}

// Log is an open commit log. Its methods are safe for concurrent use as far as
// they do not say that they belong to the writer.
type Log struct {
	fs       vfs.FS
	dir      string
	fileSize int64
	end      atomic.Int64
	synced   atomic.Int64
	stray    string // path of a file that could not be made complete, if there is one; the writer's
	mu       struct {
		sync.RWMutex // held for looking files up, not while using them
		files        []*file
	}
}

// FileName is the name of a log or queue file that starts at an offset.
func FileName(offset int64) string {
	digits := strconv.FormatInt(offset, 10)
	return "00000000000000000000"[:20-len(digits)] + digits
}

// Open opens the files in dir, which is made when missing. It refuses names and
// lengths that Java refuses, with a *FileError; the last file may be shorter (a
// crash while it was made or cut) and is extended. End is 0 until SetEnd.
func Open(fs vfs.FS, dir string, fileSize int64) (*Log, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, err
	}
	l := &Log{fs: fs, dir: dir, fileSize: fileSize}
	infos, err := fs.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if info.IsDir {
			continue
		}
		if err := l.openFile(info); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	err = l.checkFiles()
	if err == nil {
		err = fs.SyncDir(dir) // a crash may have come between making a file and this
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Log) openFile(info vfs.Info) error {
	path := filepath.Join(l.dir, info.Name)
	start, err := strconv.ParseInt(info.Name, 10, 64)
	if err != nil || len(info.Name) != 20 {
		return &FileError{path, "not a commit log file: its name must be 20 digits"}
	}
	f, err := l.fs.Open(path)
	if err != nil {
		return err
	}
	lf := &file{start: start, path: path, File: f}
	lf.refs.Store(1)
	l.mu.files = append(l.mu.files, lf)
	return nil
}

func (l *Log) checkFiles() error {
	files := l.mu.files
	sort.Slice(files, func(i, j int) bool { return files[i].start < files[j].start })
	for i, f := range files {
		size, err := f.Size()
		if err != nil {
			return err
		}
		last := i == len(files)-1
		switch {
		case last && size < l.fileSize:
			if err := errors.Join(f.Truncate(l.fileSize), f.Sync()); err != nil {
				return err
			}
		case size != l.fileSize:
			return &FileError{f.path, fmt.Sprintf("%d bytes long, mappedFileSizeCommitLog is %d", size, l.fileSize)}
		}
		if f.start%l.fileSize != 0 {
			return &FileError{f.path, fmt.Sprintf("starts at no multiple of mappedFileSizeCommitLog %d", l.fileSize)}
		}
		if i > 0 && f.start != files[i-1].start+l.fileSize {
			return &FileError{f.path, fmt.Sprintf("a file is missing before it: the previous one starts at %d", files[i-1].start)}
		}
	}
	return nil
}

// Close closes all files. Nothing is synced.
func (l *Log) Close() error {
	l.mu.Lock()
	files := l.mu.files
	l.mu.files = nil
	l.mu.Unlock()
	var errs []error
	for _, f := range files {
		errs = append(errs, f.release())
	}
	return errors.Join(errs...)
}

// Min is the offset of the first byte that is still there.
func (l *Log) Min() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.mu.files) == 0 {
		return 0
	}
	return l.mu.files[0].start
}

// End is the offset behind the last published record.
func (l *Log) End() int64 { return l.end.Load() }

// SetEnd publishes everything below end. Writer only.
func (l *Log) SetEnd(end int64) { l.end.Store(end) }

// Synced is the offset below which a power cut loses nothing.
func (l *Log) Synced() int64 { return l.synced.Load() }

// FileSize is the length of each file in bytes.
func (l *Log) FileSize() int64 { return l.fileSize }

// Files is the number of files.
func (l *Log) Files() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.mu.files)
}

// fileAt returns the file that holds offset, acquired, or nil.
func (l *Log) fileAt(offset int64) *file {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.mu.files) == 0 || offset < l.mu.files[0].start {
		return nil
	}
	i := (offset - l.mu.files[0].start) / l.fileSize
	if i >= int64(len(l.mu.files)) || !l.mu.files[i].acquire() {
		return nil
	}
	return l.mu.files[i]
}

// Write writes p at offset at, which must not leave the file that at is in. It
// makes that file when it is the next one. What was written is visible only
// after SetEnd. Writer only.
func (l *Log) Write(p []byte, at int64) error {
	f := l.fileAt(at)
	if f == nil {
		var err error
		if f, err = l.create(at - at%l.fileSize); err != nil {
			return err
		}
	}
	_, err := f.WriteAt(p, at-f.start)
	return errors.Join(err, f.release())
}

// create makes the file that starts at start and returns it acquired. A file
// that a failed attempt left behind is taken over.
func (l *Log) create(start int64) (*file, error) {
	path := filepath.Join(l.dir, FileName(start))
	f, err := l.fs.Create(path)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(l.fileSize)
	if err == nil {
		err = f.Sync() // the length: L2
	}
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		l.stray = path
		return nil, errors.Join(err, f.Close())
	}
	l.stray = ""
	lf := &file{start: start, path: path, File: f}
	lf.refs.Store(2)
	l.mu.Lock()
	l.mu.files = append(l.mu.files, lf)
	l.mu.Unlock()
	return lf, nil
}

// Sync makes everything below end durable that is not yet.
func (l *Log) Sync(end int64) error {
	for at := l.synced.Load(); at < end; {
		f := l.fileAt(at)
		if f == nil {
			return fmt.Errorf("sync at %d: %w", at, ErrNotFound)
		}
		if err := errors.Join(f.Sync(), f.release()); err != nil {
			return err
		}
		at = min(end, f.start+l.fileSize)
	}
	for {
		old := l.synced.Load()
		if old >= end || l.synced.CompareAndSwap(old, end) {
			return nil
		}
	}
}

// ReadAt fills p from offset on; it must be within one file and below End.
func (l *Log) ReadAt(p []byte, offset int64) error {
	if offset < 0 || offset+int64(len(p)) > l.end.Load() {
		return ErrNotFound
	}
	return l.readRaw(p, offset)
}

// readRaw is ReadAt without the look at End: for recovery.
func (l *Log) readRaw(p []byte, offset int64) error {
	f := l.fileAt(offset)
	if f == nil {
		return ErrNotFound
	}
	n, err := f.ReadAt(p, offset-f.start)
	if n == len(p) {
		err = nil
	}
	return errors.Join(err, f.release())
}

// Record appends the whole record at offset to dst. It gives ErrNotFound when
// offset is not in the log and ErrMisaligned when no record of this offset
// starts there.
func (l *Log) Record(offset int64, dst []byte) ([]byte, error) {
	var head [36]byte
	if err := l.ReadAt(head[:], offset); err != nil {
		return dst, err
	}
	size, err := checkHead(head[:], offset)
	if err != nil || int64(size) > l.fileSize {
		return dst, ErrMisaligned
	}
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	if err := l.ReadAt(dst[at:], offset); err != nil {
		return dst[:at], err
	}
	if _, err := message.Parse(dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("%w: %w", ErrMisaligned, err)
	}
	return dst, nil
}

// StoreTime reads the store timestamp of the record at offset.
func (l *Log) StoreTime(offset int64) (int64, error) {
	var head [message.StoreTimestampPrefix]byte
	if err := l.ReadAt(head[:], offset); err != nil {
		return 0, err
	}
	if _, err := checkHead(head[:], offset); err != nil {
		return 0, err
	}
	return message.StoreTimestampOf(head[:]), nil
}

// Oldest tells where the oldest file ends, when it was last written and how much
// it takes on disk; ok is false when it is the only one.
func (l *Log) Oldest() (end int64, info vfs.Info, ok bool) {
	l.mu.RLock()
	files := l.mu.files
	l.mu.RUnlock()
	if len(files) < 2 {
		return 0, info, false
	}
	info, err := l.fs.Stat(files[0].path)
	if err != nil {
		return 0, info, false
	}
	return files[0].start + l.fileSize, info, true
}

// RemoveBefore removes the files that end at or below offset, but never the
// last one, and returns how many. It ends with the first that cannot be removed: a
// log with a gap could not be opened again.
func (l *Log) RemoveBefore(offset int64) (n int, err error) {
	for files := l.snapshot(); len(files) > 1 && files[0].start+l.fileSize <= offset; files = files[1:] {
		if err := l.discard(files[0]); err != nil {
			return n, err
		}
		n++
	}
	if n > 0 {
		err = l.fs.SyncDir(l.dir)
	}
	return n, err
}

func (l *Log) snapshot() []*file {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.mu.files
}

// discard removes a file. Readers may still have it.
func (l *Log) discard(f *file) error {
	if err := l.fs.Remove(f.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l.mu.Lock()
	l.mu.files = slices.DeleteFunc(slices.Clone(l.mu.files), func(x *file) bool { return x == f })
	l.mu.Unlock()
	return f.release()
}
