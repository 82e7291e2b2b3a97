package cqueue

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/aerobee/aerobee/internal/vfs"
)

// syncEach is up to how many files and directories are synced one by one. Beyond
// it the whole file system is synced with one call, which costs less than so many
// round trips to the disk.
const syncEach = 64

// unsynced is what was written since the last sync.
type unsynced struct {
	fs  vfs.FS
	dir string // in the file system of all the files
	mu  struct {
		sync.Mutex
		paths map[string]bool // files that were written
		dirs  map[string]bool // directories in which names were made
		many  bool            // more than syncEach of either
	}
}

// wrote notes a file whose content or length has changed.
func (u *unsynced) wrote(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.noteLocked(&u.mu.paths, path)
}

// made notes the directories whose entries must be synced for a new file in dir,
// up to the parent of root.
func (u *unsynced) made(dir, root string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, d := range []string{dir, filepath.Dir(dir), root, filepath.Dir(root)} {
		u.noteLocked(&u.mu.dirs, d)
	}
}

func (u *unsynced) noteLocked(set *map[string]bool, path string) {
	if u.mu.many {
		return
	}
	if *set == nil {
		*set = make(map[string]bool)
	}
	(*set)[path] = true
	if len(*set) > syncEach {
		u.mu.many, u.mu.paths, u.mu.dirs = true, nil, nil
	}
}

// sync makes everything durable that was noted. After an error nothing is known,
// and the store is fenced.
func (u *unsynced) sync(h *handles) error {
	u.mu.Lock()
	paths, dirs, many := u.mu.paths, u.mu.dirs, u.mu.many
	u.mu.paths, u.mu.dirs, u.mu.many = nil, nil, false
	u.mu.Unlock()
	if many {
		return u.fs.SyncFS(u.dir)
	}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		errs = append(errs, syncFile(h, path))
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := u.fs.SyncDir(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func syncFile(h *handles, path string) error {
	f, err := h.get(path, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), h.put(f))
}
