package store

import (
	"errors"
	"fmt"
	"os"

	"github.com/aerobee/aerobee/internal/vfs"
)

// disk is a file system with files of the store.
type disk struct {
	dir   string // of the store
	mount string
	usage vfs.Usage
}

func (d disk) String() string {
	return fmt.Sprintf("the file system mounted at %s, which holds %s, has %.1f%% of %s in use and %s free",
		d.mount, d.dir, 100*d.usage.Ratio(), vfs.Bytes(d.usage.Total()), vfs.Bytes(d.usage.Free))
}

// disks looks at the file systems of the log, the queues and the index.
func (s *Store) disks() ([]disk, error) {
	var disks []disk
	seen := make(map[string]bool)
	for _, dir := range []string{s.cfg.commitLogDir(), s.cfg.path("consumequeue"), s.cfg.path("index")} {
		d, err := s.disk(dir)
		if errors.Is(err, os.ErrNotExist) && len(disks) > 0 {
			continue // there are none yet
		}
		if err != nil {
			return nil, err
		}
		if !seen[d.mount] {
			disks = append(disks, d)
		}
		seen[d.mount] = true
	}
	return disks, nil
}

func (s *Store) disk(dir string) (disk, error) {
	mount, err := s.cfg.FS.Mount(dir)
	if err != nil {
		return disk{}, err
	}
	usage, err := s.cfg.FS.Usage(dir)
	return disk{dir: dir, mount: mount, usage: usage}, err
}

// Messages that were refused are taken again when there is a bit more room than
// refusing them needed, so that a store at the limit does not flap: as in Java
// when use has fallen to diskSpaceCleanForciblyRatio, but by one percent at least,
// and when a tenth more than the limit is free.
func (p Retention) resumeUsed() float64 { return min(p.Clean, p.Refuse-0.01) }

func (p Retention) resumeFree() int64 { return p.MinFree + p.MinFree/10 }

// refuses says why nothing can be written because of a disk, "" if it can.
func (p Retention) refuses(d disk, already bool) string {
	used, free := p.Refuse, p.MinFree
	if already {
		used, free = p.resumeUsed(), p.resumeFree()
	}
	switch {
	case p.Refuse < 1 && d.usage.Ratio() > used:
		return fmt.Sprintf("messages are refused above %.0f%% (diskSpaceWarningLevelRatio) and taken again at %.0f%%", 100*p.Refuse, 100*p.resumeUsed())
	case p.MinFree > 0 && d.usage.Free < free:
		return fmt.Sprintf("messages are refused below %s free (aerobeeDiskMinFreeBytes) and taken again at %s", vfs.Bytes(p.MinFree), vfs.Bytes(p.resumeFree()))
	}
	return ""
}

// watchDisks refuses messages beyond the limits.
func (s *Store) watchDisks(policy Retention, disks []disk) {
	full := s.diskFull.Load()
	for _, d := range disks {
		why := policy.refuses(d, full != nil)
		if why == "" {
			continue
		}
		s.diskFull.Store(diskFullError(d, why+": make room there, keep messages for less time (fileReservedTime), or change the limit"))
		if full == nil {
			s.cfg.Logger.Error("messages are refused: the disk is full", "dir", d.dir, "mount", d.mount,
				"used", d.usage.Used, "total", d.usage.Total(), "free", d.usage.Free, "limit", why)
		}
		return
	}
	if full != nil {
		s.diskFull.Store(nil)
		s.cfg.Logger.Info("messages are taken again", "dir", disks[0].dir, "mount", disks[0].mount, "free", disks[0].usage.Free)
	}
}

// diskFullError begins as Java's answer does.
func diskFullError(d disk, why string) *PutError {
	return refuse(PutServiceNotAvailable, "service not available now. The broker's disk is full: %v; %s", d, why)
}

// noRoomError is an error of a write that may succeed when the disk has room again.
type noRoomError struct{ why *PutError }

func (e noRoomError) Error() string { return e.why.Reason }
func (e noRoomError) Unwrap() error { return e.why }

func isNoRoom(err error) bool {
	var e noRoomError
	return errors.As(err, &e)
}

// noRoom refuses messages after a write failed because the disk is full, until a
// checkpoint succeeds and there is some room. Other errors fence the store.
func (s *Store) noRoom(dir string, err error) error {
	if !vfs.NoSpace(err) {
		return err
	}
	d, derr := s.disk(dir)
	if derr != nil {
		d = disk{dir: dir, mount: dir}
	}
	why := diskFullError(d, fmt.Sprintf("%v: make room there, messages are taken again by themselves", err))
	if s.noSpace.Swap(why) == nil {
		s.cfg.Logger.Error("messages are refused: a write found the disk full", "dir", d.dir, "mount", d.mount, "error", err)
	}
	return noRoomError{why}
}

// minRoom is how many bytes must be free before messages are taken again after a
// write failed for lack of room.
const minRoom = 1 << 20

// roomAgain takes messages again. A checkpoint has succeeded.
func (s *Store) roomAgain() {
	if s.noSpace.Load() == nil {
		return
	}
	disks, err := s.disks()
	if err != nil {
		return
	}
	for _, d := range disks {
		if d.usage.Free < minRoom {
			return
		}
	}
	s.noSpace.Store(nil)
	s.cfg.Logger.Info("messages are taken again: the disk has room")
}
