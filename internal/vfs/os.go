package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// OS is the real file system.
var OS FS = osFS{}

// Permissions of what aerobee creates: those of a Java broker with umask 022.
const (
	filePerm = 0o644
	dirPerm  = 0o755
)

type osFS struct{}

func (osFS) Open(path string) (File, error)     { return openOS(path, os.O_RDWR) }
func (osFS) OpenRead(path string) (File, error) { return openOS(path, os.O_RDONLY) }
func (osFS) Create(path string) (File, error)   { return openOS(path, os.O_RDWR|os.O_CREATE) }
func (osFS) MkdirAll(path string) error         { return os.MkdirAll(path, dirPerm) }
func (osFS) Remove(path string) error           { return os.Remove(path) }
func (osFS) RemoveAll(path string) error        { return os.RemoveAll(path) }
func (osFS) Rename(o, n string) error           { return os.Rename(o, n) }

func (osFS) Stat(path string) (Info, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

func (osFS) ReadDir(path string) ([]Info, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(entries))
	for _, e := range entries {
		fi, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since the directory was read
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, infoOf(fi))
	}
	return infos, nil
}

func infoOf(fi os.FileInfo) Info {
	info := Info{Name: fi.Name(), Size: fi.Size(), Disk: fi.Size(), ModTime: fi.ModTime(), IsDir: fi.IsDir()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.Disk = st.Blocks * 512 // the unit of st_blocks, whatever the file system's is
	}
	return info
}

func (osFS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osFS) BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // unknown
	}
	return strings.TrimSpace(string(id))
}

func (osFS) SyncFS(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return errors.Join(&os.PathError{Op: "syncfs", Path: path, Err: err}, d.Close())
	}
	return d.Close()
}

func (osFS) Usage(path string) (Usage, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Usage{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	bs := int64(st.Bsize)
	return Usage{Used: int64(st.Blocks-st.Bfree) * bs, Free: int64(st.Bavail) * bs}, nil
}

// Mount goes up from path as long as the device stays the same.
func (osFS) Mount(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}
	var here, above unix.Stat_t
	if err := unix.Stat(at, &here); err != nil {
		return "", &os.PathError{Op: "stat", Path: at, Err: err}
	}
	for up := filepath.Dir(at); up != at; at, up = up, filepath.Dir(up) {
		if unix.Stat(up, &above) != nil || above.Dev != here.Dev {
			break
		}
	}
	return at, nil
}

type osFile struct{ *os.File }

func openOS(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, filePerm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

func (f osFile) Map(length int64) (Mapping, error) {
	b, err := unix.Mmap(int(f.Fd()), 0, int(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: f.Name(), Err: err}
	}
	return osMapping(b), nil
}

type osMapping []byte

func (m osMapping) Bytes() []byte { return m }
func (m osMapping) Sync() error   { return unix.Msync(m, unix.MS_SYNC) }
func (m osMapping) Close() error  { return unix.Munmap(m) }

// LockedError says who holds a lock.
type LockedError struct {
	Path string
	PID  int // of the holder; this process' own when it is held here
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is locked by process %d: stop it, or use another directory", e.Path, e.PID)
}

// POSIX record locks belong to the process, so that a second holder in the same
// process would get the lock again: held keeps those apart.
var held struct {
	sync.Mutex
	paths map[string]bool
}

func holdPath(path string) (release func(), ok bool) {
	held.Lock()
	defer held.Unlock()
	if held.paths[path] {
		return nil, false
	}
	if held.paths == nil {
		held.paths = make(map[string]bool)
	}
	held.paths[path] = true
	return func() {
		held.Lock()
		delete(held.paths, path)
		held.Unlock()
	}, true
}

type osLock struct {
	file    *os.File
	release func()
	once    sync.Once
	err     error
}

func (l *osLock) Close() error {
	l.once.Do(func() {
		l.err = l.file.Close() // closing drops the record lock
		l.release()
	})
	return l.err
}

// Lock uses fcntl(F_SETLK) as java.nio does: flock would not exclude a JVM.
func (osFS) Lock(path string) (io.Closer, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	release, ok := holdPath(abs)
	if !ok {
		return nil, &LockedError{Path: path, PID: os.Getpid()}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		release()
		return nil, err
	}
	lk := unix.Flock_t{Type: unix.F_WRLCK, Len: 1}
	err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lk)
	if err == nil {
		return &osLock{file: f, release: release}, nil
	}
	defer release()
	defer f.Close()
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EAGAIN) {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	holder := unix.Flock_t{Type: unix.F_WRLCK, Len: 1}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &holder); err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return nil, &LockedError{Path: path, PID: int(holder.Pid)}
}
