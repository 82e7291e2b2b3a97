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

// ReplaceFile puts data at path in one step: it writes and syncs a temporary
// file, keeps the present content as path.bak, renames the new file over it
// and syncs the directory. At every moment path or path.bak holds a complete
// generation. Directories are made when missing. Callers must not replace the
// same path concurrently.
func ReplaceFile(fs FS, path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := fs.MkdirAll(dir); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := writeWhole(fs, tmp, data); err != nil {
		return err
	}
	if err := fs.Rename(path, path+".bak"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := fs.Rename(tmp, path); err != nil {
		return err
	}
	return fs.SyncDir(dir)
}

func writeWhole(fs FS, path string, data []byte) error {
	f, err := fs.Create(path)
	if err != nil {
		return err
	}
	err = func() error {
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.WriteAt(data, 0); err != nil {
			return err
		}
		return f.Sync()
	}()
	return errors.Join(err, f.Close())
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
