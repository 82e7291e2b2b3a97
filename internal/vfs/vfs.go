package vfs

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// FS is a file system. Paths are absolute or relative to the process, with the
// operating system's separator. Errors match os.ErrNotExist and friends.
type FS interface {
	// Open opens a file for reading and writing. It fails with os.ErrNotExist
	// when there is none; see Create.
	Open(path string) (File, error)
	// OpenRead opens a file for reading only.
	OpenRead(path string) (File, error)
	// Create opens a file for reading and writing and makes it when missing. It
	// does not truncate. A new name is durable only after SyncDir of its directory.
	Create(path string) (File, error)
	MkdirAll(path string) error
	// Remove deletes a file or an empty directory; RemoveAll a whole tree. A
	// path that does not exist is an error for Remove only.
	Remove(path string) error
	RemoveAll(path string) error
	// Rename replaces newPath if it exists. Both must be in one file system.
	Rename(oldPath, newPath string) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(path string) ([]Info, error)
	Stat(path string) (Info, error)
	// SyncDir makes creations, renames and removals in the directory durable.
	SyncDir(path string) error
	// SyncFS makes everything durable that was written to the file system that
	// holds path: contents, lengths and names, of others too.
	SyncFS(path string) error
	// BootID names the time since the machine was started. What was written and
	// not synced is there as long as it is the same.
	BootID() string
	// Lock takes an exclusive lock on byte 0 of the file, made when missing,
	// that excludes other processes (a JVM among them) and other holders in
	// this one. A held lock gives a *LockedError.
	Lock(path string) (io.Closer, error)
	// Usage tells how full the file system is that holds path.
	Usage(path string) (Usage, error)
	// Mount is where the file system that holds path is mounted.
	Mount(path string) (string, error)
}

// File is an open file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate sets the length; bytes beyond the old end read as zero and take no space.
	Truncate(size int64) error
	Size() (int64, error)
	// Sync makes the content and length durable (fdatasync). After an error
	// nothing is known about what reached the disk: do not retry, fence.
	Sync() error
	// Map maps the first length bytes, shared with the file. The file must be
	// at least that long.
	Map(length int64) (Mapping, error)
}

// Mapping is a window on a file's content in memory. A full disk makes the
// process fault on the first touch of an unallocated page: map only files whose
// loss is bearable, and touch them under debug.SetPanicOnFault.
type Mapping interface {
	// Bytes is valid until Close.
	Bytes() []byte
	// Sync makes all bytes durable.
	Sync() error
	io.Closer
}

// Info describes a directory entry.
type Info struct {
	Name    string // last element of the path
	Size    int64  // bytes
	Disk    int64  // bytes that the content takes on disk, less than Size for a sparse file
	ModTime time.Time
	IsDir   bool
}

// NoSpace tells whether err means that the disk or a quota is full and nothing
// else: an operation that failed so may succeed later. A sync never may: nothing is
// known about what it was to make durable.
func NoSpace(err error) bool {
	switch e := err.(type) {
	case nil:
		return false
	case interface{ Unwrap() []error }:
		list := e.Unwrap()
		for _, part := range list {
			if !NoSpace(part) {
				return false
			}
		}
		return len(list) > 0
	case *os.PathError:
		return !strings.Contains(e.Op, "sync") && NoSpace(e.Err)
	case interface{ Unwrap() error }:
		return NoSpace(e.Unwrap())
	}
	return err == syscall.ENOSPC || err == syscall.EDQUOT
}

// Usage is the space of a file system in bytes, as a process without privileges
// sees it: what is reserved for others is neither used nor free.
type Usage struct {
	Used, Free int64
}

// Total is used and free space together.
func (u Usage) Total() int64 { return u.Used + u.Free }

// Ratio is the used share between 0 and 1, as df shows it.
func (u Usage) Ratio() float64 {
	if u.Total() <= 0 {
		return 0
	}
	return float64(u.Used) / float64(u.Total())
}

// Bytes writes a size as Java's tools show it: 252.0 GiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), -1
	for v >= 1024 && unit < 5 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTPE"[unit])
}
