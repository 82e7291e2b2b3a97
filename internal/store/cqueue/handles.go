package cqueue

import (
	"container/list"
	"errors"
	"os"
	"sync"

	"github.com/aerobee/aerobee/internal/vfs"
)

// handles keeps the recently used queue files open, at most limit of them plus
// those in use.
type handles struct {
	fs    vfs.FS
	limit int
	mu    struct {
		sync.Mutex
		byPath map[string]*handle
		recent list.List // of *handle, the latest first; refs do not matter
		round  int       // counts removals: what was opened in an earlier one may be gone
	}
}

type handle struct {
	vfs.File
	path string
	refs int // users; guarded by handles.mu
	gone bool
	elem *list.Element
}

func newHandles(fs vfs.FS, limit int) *handles {
	h := &handles{fs: fs, limit: limit}
	h.mu.byPath = make(map[string]*handle)
	return h
}

// get opens path, or creates it with size bytes when size is positive.
func (h *handles) get(path string, size int64) (*handle, error) {
	f, round := h.cached(path)
	if f != nil {
		return f, nil
	}
	open := h.fs.Open
	if size > 0 {
		open = h.fs.Create
	}
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		if err := file.Truncate(size); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return h.insert(path, file, round)
}

func (h *handles) cached(path string) (f *handle, round int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f = h.mu.byPath[path]
	if f != nil {
		f.refs++
		h.mu.recent.MoveToFront(f.elem)
	}
	return f, h.mu.round
}

// insert keeps a file that was opened in a round, unless files were removed since:
// a removed file must not be taken for a later one of its name.
func (h *handles) insert(path string, file vfs.File, round int) (*handle, error) {
	h.mu.Lock()
	if round != h.mu.round {
		h.mu.Unlock()
		return &handle{File: file, path: path, refs: 1, gone: true}, nil
	}
	if other := h.mu.byPath[path]; other != nil { // opened meanwhile
		other.refs++
		h.mu.Unlock()
		return other, file.Close()
	}
	f := &handle{File: file, path: path, refs: 1}
	f.elem = h.mu.recent.PushFront(f)
	h.mu.byPath[path] = f
	var old []*handle
	for e := h.mu.recent.Back(); e != nil && h.mu.recent.Len() > h.limit; {
		prev := e.Prev()
		if c := e.Value.(*handle); c.refs == 0 {
			h.dropLocked(c)
			old = append(old, c)
		}
		e = prev
	}
	h.mu.Unlock()
	var errs []error
	for _, c := range old {
		errs = append(errs, c.Close())
	}
	return f, errors.Join(errs...)
}

func (h *handles) dropLocked(f *handle) {
	f.gone = true
	delete(h.mu.byPath, f.path)
	h.mu.recent.Remove(f.elem)
}

// put gives a handle back.
func (h *handles) put(f *handle) error {
	h.mu.Lock()
	f.refs--
	last := f.gone && f.refs == 0
	h.mu.Unlock()
	if last {
		return f.Close()
	}
	return nil
}

// remove removes a file. Who has it open may read on. A file that is not there is
// no error.
func (h *handles) remove(path string) error {
	err := h.fs.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	h.mu.Lock()
	h.mu.round++
	f := h.mu.byPath[path]
	if f != nil {
		h.dropLocked(f)
	}
	unused := f != nil && f.refs == 0
	h.mu.Unlock()
	if unused {
		err = errors.Join(err, f.Close())
	}
	return err
}

func (h *handles) close() error {
	h.mu.Lock()
	var all []*handle
	for _, f := range h.mu.byPath {
		all = append(all, f)
	}
	h.mu.byPath = make(map[string]*handle)
	h.mu.recent.Init()
	h.mu.Unlock()
	var errs []error
	for _, f := range all {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
