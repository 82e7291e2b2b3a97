package vfs

import "io"

// Op names a call that WithFaults can fail.
type Op string

// The operations, named after the methods of FS and File. OpRemove is RemoveAll
// too, OpSync that of a Mapping too, and OpCreate also the file of a Lock.
const (
	OpOpen     Op = "open"
	OpCreate   Op = "create"
	OpRemove   Op = "remove"
	OpRename   Op = "rename"
	OpSyncDir  Op = "syncdir"
	OpSyncFS   Op = "syncfs"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpMap      Op = "map"
	OpMkdir    Op = "mkdir"
	OpReadDir  Op = "readdir"
	OpStat     Op = "stat"
)

// Fault decides about one call. A write of n bytes may be cut short: it writes
// the first keep bytes and then fails with err. For other calls only err counts.
type Fault func(op Op, path string, n int) (keep int, err error)

// WithFaults returns fs with every call asked of fault first.
func WithFaults(fs FS, fault Fault) FS { return &faultFS{FS: fs, fault: fault} }

type faultFS struct {
	FS
	fault Fault
}

func (f *faultFS) ask(op Op, path string) error {
	_, err := f.fault(op, path, 0)
	return err
}

func (f *faultFS) wrap(path string, file File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fs: f, path: path}, nil
}

func (f *faultFS) Open(path string) (File, error) {
	if err := f.ask(OpOpen, path); err != nil {
		return nil, err
	}
	file, err := f.FS.Open(path)
	return f.wrap(path, file, err)
}

func (f *faultFS) OpenRead(path string) (File, error) {
	if err := f.ask(OpOpen, path); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenRead(path)
	return f.wrap(path, file, err)
}

func (f *faultFS) Create(path string) (File, error) {
	if err := f.ask(OpCreate, path); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(path)
	return f.wrap(path, file, err)
}

func (f *faultFS) Remove(path string) error {
	if err := f.ask(OpRemove, path); err != nil {
		return err
	}
	return f.FS.Remove(path)
}

func (f *faultFS) RemoveAll(path string) error {
	if err := f.ask(OpRemove, path); err != nil {
		return err
	}
	return f.FS.RemoveAll(path)
}

func (f *faultFS) MkdirAll(path string) error {
	if err := f.ask(OpMkdir, path); err != nil {
		return err
	}
	return f.FS.MkdirAll(path)
}

func (f *faultFS) ReadDir(path string) ([]Info, error) {
	if err := f.ask(OpReadDir, path); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(path)
}

func (f *faultFS) Stat(path string) (Info, error) {
	if err := f.ask(OpStat, path); err != nil {
		return Info{}, err
	}
	return f.FS.Stat(path)
}

func (f *faultFS) Lock(path string) (io.Closer, error) {
	if err := f.ask(OpCreate, path); err != nil {
		return nil, err
	}
	return f.FS.Lock(path)
}

func (f *faultFS) Rename(o, n string) error {
	if err := f.ask(OpRename, n); err != nil {
		return err
	}
	return f.FS.Rename(o, n)
}

func (f *faultFS) SyncDir(path string) error {
	if err := f.ask(OpSyncDir, path); err != nil {
		return err
	}
	return f.FS.SyncDir(path)
}

func (f *faultFS) SyncFS(path string) error {
	if err := f.ask(OpSyncFS, path); err != nil {
		return err
	}
	return f.FS.SyncFS(path)
}

type faultFile struct {
	File
	fs   *faultFS
	path string
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.ask(OpRead, f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	keep, err := f.fs.fault(OpWrite, f.path, len(p))
	if err == nil {
		return f.File.WriteAt(p, off)
	}
	n, werr := f.File.WriteAt(p[:min(keep, len(p))], off)
	if werr != nil {
		return n, werr
	}
	return n, err
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fs.ask(OpTruncate, f.path); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Sync() error {
	if err := f.fs.ask(OpSync, f.path); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultFile) Map(length int64) (Mapping, error) {
	if err := f.fs.ask(OpMap, f.path); err != nil {
		return nil, err
	}
	m, err := f.File.Map(length)
	if err != nil {
		return nil, err
	}
	return &faultMapping{Mapping: m, file: f}, nil
}

type faultMapping struct {
	Mapping
	file *faultFile
}

func (m *faultMapping) Sync() error {
	if err := m.file.fs.ask(OpSync, m.file.path); err != nil {
		return err
	}
	return m.Mapping.Sync()
}

var _ io.Closer = (*faultFile)(nil)
