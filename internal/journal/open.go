package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Open reads the file, or its previous generation when it is missing or damaged,
// and applies the journal that belongs to it. No file is an empty state. A file
// that cannot be read, and a change that cannot be applied, is an error that names
// it.
func Open(cfg Config) (*Journal, error) {
	j := &Journal{cfg: cfg, wake: make(chan struct{}, 1)}
	j.io.size = headerSize
	err := vfs.LoadFile(cfg.FS, cfg.Path, func(data []byte) error {
		j.io.base = identify(data)
		return cfg.Load(data)
	})
	if errors.Is(err, os.ErrNotExist) {
		j.io.base = identity{}
	} else if err != nil {
		return nil, err
	}
	if err := j.replay(); err != nil {
		return nil, err
	}
	j.mu.tried, j.mu.rewritten = cfg.Now(), j.io.base.size
	j.mu.journaled = j.io.size - headerSize
	return j, nil
}

// replay applies the journal that names the file, and goes on in it. Others are
// removed.
func (j *Journal) replay() error {
	for _, path := range []string{j.cfg.Path + suffix, j.cfg.Path + nextSuffix} {
		data, err := vfs.ReadFile(j.cfg.FS, path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		base, ok := parseHeader(data)
		if ok && base == j.io.base && j.io.file == nil {
			if err := j.take(path, data); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			continue
		}
		if list, _ := records(data[min(headerSize, len(data)):], base); ok && len(list) > 0 && j.io.file == nil {
			j.cfg.Log.Warn("changes belong to another generation of the file and are ignored: somebody else has written it",
				"path", path, "changes", len(list))
		}
		if err := j.cfg.FS.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// take applies a journal and makes it the one in use.
func (j *Journal) take(path string, data []byte) error {
	list, size := records(data[headerSize:], j.io.base)
	for i, record := range list {
		if err := j.cfg.Apply(record); err != nil {
			return fmt.Errorf("change %d of %d: %w", i+1, len(list), err)
		}
	}
	f, err := j.cfg.FS.Open(path)
	if err != nil {
		return err
	}
	if size += headerSize; size < int64(len(data)) { // a torn end must not come back behind what is appended
		if err := errors.Join(f.Truncate(size), f.Sync()); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if path != j.cfg.Path+suffix {
		err := j.cfg.FS.Rename(path, j.cfg.Path+suffix)
		if err == nil {
			err = j.cfg.FS.SyncDir(filepath.Dir(path))
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	j.io.file, j.io.size = f, size
	return nil
}
