package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// MaxStateFile bounds what LoadFile reads, in bytes. A broker with a million
// topics writes about 200 MiB.
const MaxStateFile = 1 << 30

// ReplaceFile puts data at path in one step, see Replacement.
func ReplaceFile(fs FS, path string, data []byte) error {
	r, err := NewReplacement(fs, path)
	if err != nil {
		return err
	}
	if _, err := r.Write(data); err != nil {
		return errors.Join(err, r.Abort())
	}
	if err := r.Sync(); err != nil {
		return errors.Join(err, r.Abort())
	}
	return r.Commit()
}

// Replacement is a new generation of a state file that is written piece by piece
// beside the present one. Write it, Sync it and Commit it: that keeps the present
// content as path.bak, renames the new file over it and syncs the directory. At
// every moment path or path.bak holds a complete generation. Abort instead of
// Commit leaves all as it is. There must be one replacement of a path at a time.
type Replacement struct {
	fs   FS
	path string
	file File
	size int64
}

// NewReplacement begins a new generation. Directories are made when missing.
func NewReplacement(fs FS, path string) (*Replacement, error) {
	if err := fs.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := fs.Create(path + ".tmp")
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Replacement{fs: fs, path: path, file: f}, nil
}

// Write implements io.Writer. Each call is a call of the file system: buffer
// small pieces.
func (r *Replacement) Write(p []byte) (int, error) {
	n, err := r.file.WriteAt(p, r.size)
	r.size += int64(n)
	return n, err
}

// Sync makes the new generation durable, still under its temporary name, and
// closes it.
func (r *Replacement) Sync() error {
	err := errors.Join(r.file.Sync(), r.file.Close())
	r.file = nil
	return err
}

// Commit puts the new generation in place. After an error either generation may
// be there.
func (r *Replacement) Commit() error {
	if err := r.fs.Rename(r.path, r.path+".bak"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := r.fs.Rename(r.path+".tmp", r.path); err != nil {
		return err
	}
	return r.fs.SyncDir(filepath.Dir(r.path))
}

// Abort gives the new generation up. The temporary file stays until the next one.
func (r *Replacement) Abort() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// ReadFile reads a whole file of at most MaxStateFile bytes.
func ReadFile(fs FS, path string) ([]byte, error) {
	f, err := fs.OpenRead(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > MaxStateFile {
		return nil, fmt.Errorf("%s: %d bytes, at most %d can be read", path, size, MaxStateFile)
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data, nil
}

// LoadFile reads path and hands it to parse. When the file is missing, empty or
// does not parse, it tries path.bak as a Java broker does. It gives
// os.ErrNotExist when neither exists, and parse's error of the first file when
// neither parses.
func LoadFile(fs FS, path string, parse func([]byte) error) error {
	first := loadOne(fs, path, parse)
	if first == nil {
		return nil
	}
	backup := loadOne(fs, path+".bak", parse)
	if backup == nil {
		return nil
	}
	if errors.Is(first, os.ErrNotExist) {
		return backup
	}
	return first
}

func loadOne(fs FS, path string, parse func([]byte) error) error {
	data, err := ReadFile(fs, path)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return fmt.Errorf("%s is empty: %w", path, os.ErrNotExist)
	}
	if err := parse(data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
