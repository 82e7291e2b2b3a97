package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func dataSync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// forget drops a file's pages from the page cache, except those that somebody
// has mapped.
func forget(f *os.File) error {
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("%s: drop from the page cache: %w", f.Name(), err)
	}
	return nil
}

// settleDisk waits until nothing is left to be written.
func settleDisk() { unix.Sync() }

// usedAtMost is the share of a disk that may be in use: from 75 % on, both servers
// delete old messages (diskMaxUsedSpaceRatio), which would be what is measured.
const usedAtMost = 0.74

// room is how many bytes may still be written to the file system of dir.
func room(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("%s: free space: %w", dir, err)
	}
	used, free := float64(s.Blocks-s.Bfree), float64(s.Bavail)
	return int64(max(usedAtMost*(used+free)-used, 0)) * s.Bsize, nil
}

// deviceOf is the device of the file system that holds dir, as major:minor.
func deviceOf(dir string) (string, bool) {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return "", false
	}
	return fmt.Sprintf("%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev)), true
}
