package vfs

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sector is the unit in which a power cut keeps or drops unsynced bytes.
const sector = 512

// Mem is a file system in memory that knows what would survive a power cut:
// bytes since the last Sync of their file may or may not, sector by sector; of
// the creations, renames and removals since the last SyncDir of a directory a
// prefix does, as on a journalling file system. A rename is never half done.
type Mem struct {
	mu struct {
		sync.Mutex
		files   map[string]*memFile
		durable map[string]*memFile // names that survive
		pending map[string][]change // by directory, not yet durable
		dirs    map[string]bool
		locks   map[string]bool
		usage   Usage
		now     func() time.Time
		boot    int // how often the power was cut
	}
}

// change is one step of a directory: from disappears, to becomes file.
type change struct {
	from, to string // either may be empty
	file     *memFile
}

func (c change) apply(names map[string]*memFile) {
	delete(names, c.from)
	if c.to != "" {
		names[c.to] = c.file
	}
}

func (m *Mem) changeLocked(c change) {
	c.apply(m.mu.files)
	dir := filepath.Dir(cmp.Or(c.from, c.to))
	m.mu.pending[dir] = append(m.mu.pending[dir], c)
}

// NewMem returns an empty file system of 1 TiB.
func NewMem() *Mem {
	m := &Mem{}
	m.mu.files = make(map[string]*memFile)
	m.mu.durable = make(map[string]*memFile)
	m.mu.pending = make(map[string][]change)
	m.mu.dirs = map[string]bool{"/": true, ".": true}
	m.mu.locks = make(map[string]bool)
	m.mu.usage = Usage{Free: 1 << 40}
	m.mu.now = time.Now
	return m
}

// SetUsage sets what Usage answers.
func (m *Mem) SetUsage(u Usage) {
	m.mu.Lock()
	m.mu.usage = u
	m.mu.Unlock()
}

// SetClock sets where modification times come from.
func (m *Mem) SetClock(now func() time.Time) {
	m.mu.Lock()
	m.mu.now = now
	m.mu.Unlock()
}

// Crash returns what a power cut at this moment could leave: every unsynced
// sector, length and name is kept or dropped by the toss of r. The original is
// unchanged, and its open files go on writing to it alone.
func (m *Mem) Crash(r *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.mu.usage, c.mu.now, c.mu.boot = m.mu.usage, m.mu.now, m.mu.boot+1
	for d := range m.mu.dirs {
		c.mu.dirs[d] = true
	}
	names := maps.Clone(m.mu.durable)
	for _, dir := range slices.Sorted(maps.Keys(m.mu.pending)) { // sorted: the same seed gives the same crash
		steps := m.mu.pending[dir]
		for _, step := range steps[:r.IntN(len(steps)+1)] {
			step.apply(names)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(names)) {
		cut := names[p].crash(c, r)
		c.mu.files[p], c.mu.durable[p] = cut, cut
		for dir := filepath.Dir(p); !c.mu.dirs[dir]; dir = filepath.Dir(dir) {
			c.mu.dirs[dir] = true // its removal is undone with that of the file
		}
	}
	return c
}

func (m *Mem) lookup(path string) (*memFile, error) {
	if f := m.mu.files[filepath.Clean(path)]; f != nil {
		return f, nil
	}
	return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
}

// Open implements FS.
func (m *Mem) Open(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.lookup(path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// OpenRead implements FS.
func (m *Mem) OpenRead(path string) (File, error) { return m.Open(path) }

// Create implements FS.
func (m *Mem) Create(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if !m.mu.dirs[filepath.Dir(path)] {
		return nil, &os.PathError{Op: "create", Path: path, Err: os.ErrNotExist}
	}
	f := m.mu.files[path]
	if f == nil {
		f = &memFile{fs: m}
		f.mu.modTime = m.mu.now()
		m.changeLocked(change{to: path, file: f})
	}
	return f, nil
}

// MkdirAll implements FS. Directories survive a crash at once.
func (m *Mem) MkdirAll(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := filepath.Clean(path); !m.mu.dirs[p]; p = filepath.Dir(p) {
		m.mu.dirs[p] = true
	}
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if m.mu.dirs[path] {
		delete(m.mu.dirs, path)
		return nil
	}
	if m.mu.files[path] == nil {
		return &os.PathError{Op: "remove", Path: path, Err: os.ErrNotExist}
	}
	m.changeLocked(change{from: path})
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	inside := func(p string) bool {
		return p == path || strings.HasPrefix(p, path+string(filepath.Separator))
	}
	// A directory that is gone for good has nothing in it: what is pending inside
	// becomes durable with the name of the tree, in the directory above.
	parent := filepath.Dir(path)
	for _, dir := range slices.Sorted(maps.Keys(m.mu.pending)) {
		if inside(dir) {
			m.mu.pending[parent] = append(m.mu.pending[parent], m.mu.pending[dir]...)
			delete(m.mu.pending, dir)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(m.mu.files)) {
		if inside(p) {
			c := change{from: p}
			c.apply(m.mu.files)
			m.mu.pending[parent] = append(m.mu.pending[parent], c)
		}
	}
	for p := range m.mu.dirs {
		if inside(p) {
			delete(m.mu.dirs, p)
		}
	}
	return nil
}

// Rename implements FS for files.
func (m *Mem) Rename(oldPath, newPath string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldPath, newPath = filepath.Clean(oldPath), filepath.Clean(newPath)
	f := m.mu.files[oldPath]
	if f == nil {
		return &os.PathError{Op: "rename", Path: oldPath, Err: os.ErrNotExist}
	}
	m.changeLocked(change{from: oldPath, to: newPath, file: f})
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(path string) ([]Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if !m.mu.dirs[path] {
		return nil, &os.PathError{Op: "readdir", Path: path, Err: os.ErrNotExist}
	}
	var infos []Info
	for p, f := range m.mu.files {
		if filepath.Dir(p) == path {
			infos = append(infos, f.info(filepath.Base(p)))
		}
	}
	for p := range m.mu.dirs {
		if p != path && filepath.Dir(p) == path {
			infos = append(infos, Info{Name: filepath.Base(p), IsDir: true})
		}
	}
	sort.Slice(infos, func(i, j int) bool { return infos[i].Name < infos[j].Name })
	return infos, nil
}

// Stat implements FS.
func (m *Mem) Stat(path string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if m.mu.dirs[path] {
		return Info{Name: filepath.Base(path), IsDir: true}, nil
	}
	f, err := m.lookup(path)
	if err != nil {
		return Info{}, err
	}
	return f.info(filepath.Base(path)), nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	for _, step := range m.mu.pending[path] {
		step.apply(m.mu.durable)
	}
	delete(m.mu.pending, path)
	return nil
}

// BootID implements FS. Each Crash is a new start of the machine.
func (m *Mem) BootID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strconv.Itoa(m.mu.boot)
}

// SyncFS implements FS. Mapped files, which others may be writing to, are left out.
func (m *Mem) SyncFS(string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for dir, steps := range m.mu.pending {
		for _, step := range steps {
			step.apply(m.mu.durable)
		}
		delete(m.mu.pending, dir)
	}
	for _, f := range m.mu.files {
		f.mu.Lock()
		mapped := f.mu.mapped
		f.mu.Unlock()
		if mapped {
			continue
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// Usage implements FS.
func (m *Mem) Usage(string) (Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.usage, nil
}

// Mount implements FS.
func (m *Mem) Mount(string) (string, error) { return "/", nil }

// Lock implements FS.
func (m *Mem) Lock(path string) (io.Closer, error) {
	if _, err := m.Create(path); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if m.mu.locks[path] {
		return nil, &LockedError{Path: path, PID: os.Getpid()}
	}
	m.mu.locks[path] = true
	return &memLock{fs: m, path: path}, nil
}

type memLock struct {
	fs   *Mem
	path string
}

func (l *memLock) Close() error {
	l.fs.mu.Lock()
	delete(l.fs.mu.locks, l.path)
	l.fs.mu.Unlock()
	return nil
}

// memFile is a file and all its handles.
type memFile struct {
	fs *Mem
	mu struct {
		sync.Mutex
		data    []byte
		synced  []byte
		lo, hi  int          // dirty bytes of data; hi == 0 when clean
		lost    map[int]bool // clean sectors of data that are not in synced: see FailSync
		mapped  bool
		modTime time.Time
	}
}

func (f *memFile) info(name string) Info {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Info{Name: name, Size: int64(len(f.mu.data)), Disk: int64(len(f.mu.data)), ModTime: f.mu.modTime}
}

func (f *memFile) Size() (int64, error) { return f.info("").Size, nil }
func (f *memFile) Close() error         { return nil }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= int64(len(f.mu.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.mu.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	end := int(off) + len(p)
	if end > len(f.mu.data) {
		if f.mu.mapped {
			return 0, fmt.Errorf("vfs: mapped file cannot grow")
		}
		f.resizeLocked(end)
	}
	copy(f.mu.data[off:], p)
	f.dirtyLocked(int(off), end)
	f.mu.modTime = now
	return len(p), nil
}

func (f *memFile) clock() time.Time {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fs.mu.now()
}

func (f *memFile) Truncate(size int64) error {
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.mapped && int(size) != len(f.mu.data) {
		return fmt.Errorf("vfs: mapped file cannot change its size")
	}
	f.resizeLocked(int(size))
	f.mu.modTime = now
	return nil
}

func (f *memFile) resizeLocked(size int) {
	if size <= cap(f.mu.data) {
		old := len(f.mu.data)
		f.mu.data = f.mu.data[:size]
		if size > old {
			clear(f.mu.data[old:])
		}
	} else {
		grown := make([]byte, size, max(size, min(2*len(f.mu.data), 1<<20+size)))
		copy(grown, f.mu.data)
		f.mu.data = grown
	}
	f.dirtyLocked(min(size, len(f.mu.synced)), size)
}

func (f *memFile) dirtyLocked(lo, hi int) {
	for n := range f.mu.lost {
		if at := n * sector; at+sector > lo && at < hi || at+sector > len(f.mu.data) {
			delete(f.mu.lost, n)
		}
	}
	if f.mu.hi == 0 {
		f.mu.lo, f.mu.hi = lo, max(hi, 1)
		return
	}
	f.mu.lo, f.mu.hi = min(f.mu.lo, lo), max(f.mu.hi, hi)
}

func (f *memFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.mapped {
		f.mu.lo, f.mu.hi = 0, len(f.mu.data)
	}
	f.resizeSyncedLocked()
	for at, end := range f.dirtySectorsLocked() {
		if !f.mu.lost[at/sector] {
			copy(f.mu.synced[at:end], f.mu.data[at:end])
		}
	}
	f.mu.lo, f.mu.hi = 0, 0
	return nil
}

// dirtySectorsLocked gives the bounds of the sectors in which dirty bytes are.
func (f *memFile) dirtySectorsLocked() iter.Seq2[int, int] {
	return func(yield func(at, end int) bool) {
		for at := f.mu.lo - f.mu.lo%sector; at < min(f.mu.hi, len(f.mu.data)); at += sector {
			if !yield(at, min(at+sector, len(f.mu.data))) {
				return
			}
		}
	}
}

// FailSync does to the unsynced sectors of a file what a sync that fails may do:
// some reach the disk; the others count as clean although they do not, so that no
// later sync writes them, and of these some are forgotten at once. Mapped files
// stay as they are.
func (m *Mem) FailSync(path string, r *rand.Rand) {
	m.mu.Lock()
	f := m.mu.files[filepath.Clean(path)]
	m.mu.Unlock()
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.mapped {
		return
	}
	f.resizeSyncedLocked()
	for at, end := range f.dirtySectorsLocked() {
		if string(f.mu.data[at:end]) == string(f.mu.synced[at:end]) {
			continue
		}
		switch r.IntN(3) {
		case 0:
			copy(f.mu.synced[at:end], f.mu.data[at:end])
		case 1:
			copy(f.mu.data[at:end], f.mu.synced[at:end])
		default:
			if f.mu.lost == nil {
				f.mu.lost = make(map[int]bool)
			}
			f.mu.lost[at/sector] = true
		}
	}
	f.mu.lo, f.mu.hi = 0, 0
}

func (f *memFile) resizeSyncedLocked() {
	if len(f.mu.synced) != len(f.mu.data) {
		resized := make([]byte, len(f.mu.data))
		copy(resized, f.mu.synced)
		f.mu.synced = resized
	}
}

func (f *memFile) Map(length int64) (Mapping, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if length > int64(len(f.mu.data)) {
		return nil, fmt.Errorf("vfs: map of %d bytes of a file of %d", length, len(f.mu.data))
	}
	f.mu.mapped = true
	return &memMapping{f: f, b: f.mu.data[:length]}, nil
}

type memMapping struct {
	f *memFile
	b []byte
}

func (m *memMapping) Bytes() []byte { return m.b }
func (m *memMapping) Sync() error   { return m.f.Sync() }
func (m *memMapping) Close() error  { return nil }

// crash gives the file after a power cut; everything in it is synced.
func (f *memFile) crash(fs *Mem, r *rand.Rand) *memFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := len(f.mu.synced)
	if len(f.mu.data) != size && r.IntN(2) == 0 {
		size = len(f.mu.data)
	}
	out := make([]byte, size)
	copy(out, f.mu.synced)
	for at := 0; at < min(size, len(f.mu.data)); at += sector {
		end := min(at+sector, size, len(f.mu.data))
		if !f.mu.lost[at/sector] && string(out[at:end]) != string(f.mu.data[at:end]) && r.IntN(2) == 0 {
			copy(out[at:end], f.mu.data[at:end])
		}
	}
	c := &memFile{fs: fs}
	c.mu.data, c.mu.synced, c.mu.modTime = out, append([]byte(nil), out...), f.mu.modTime
	return c
}
