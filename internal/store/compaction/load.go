package compaction

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/aerobee/aerobee/internal/vfs"
)

// load reads which segments there are. A last one whose making was cut short, and
// which cannot have anything in it, is removed.
func (q *Queue) load() error {
	logs, err := q.bases(q.w.logDir)
	if err != nil {
		return err
	}
	cqs, err := q.bases(q.w.cqDir)
	if err != nil {
		return err
	}
	bases := slices.Concat(logs, cqs)
	slices.Sort(bases)
	bases = slices.Compact(bases)
	for i, base := range bases {
		s, whole, err := q.loadSegment(base, i == len(bases)-1)
		switch {
		case err != nil:
			return err
		case whole:
			q.w.segments = append(q.w.segments, s)
		case i == len(bases)-1:
			return q.removeSegment(base)
		default:
			return fmt.Errorf("%s and %s: the files of the same name are not both there, with %d and %d bytes", filepath.Join(q.w.logDir, fileName(base)),
				q.w.cqDir, q.cfg.LogFileSize, q.cfg.QueueFileSize)
		}
	}
	return q.inOrder()
}

// inOrder checks that queue offsets ascend over the segments.
func (q *Queue) inOrder() error {
	last := int64(-1)
	for _, s := range q.w.segments {
		if s.units == 0 {
			continue
		}
		if s.first <= last || s.last < s.first {
			return fmt.Errorf("%s: queue offsets %d to %d come after %d", filepath.Join(q.w.cqDir, fileName(s.base)), s.first, s.last, last)
		}
		last = s.last
	}
	return nil
}

// bases lists the files of a directory by the positions that are their names.
func (q *Queue) bases(dir string) (bases []int64, err error) {
	infos, err := q.cfg.FS.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		base, err := strconv.ParseInt(info.Name, 10, 64)
		if !info.IsDir && err == nil && info.Name == fileName(base) {
			bases = append(bases, base)
		}
	}
	return bases, nil
}

// loadSegment opens a pair of files; whole is false when one is missing or has not
// its length.
func (q *Queue) loadSegment(base int64, newest bool) (s segment, whole bool, err error) {
	for _, f := range []struct {
		dir  string
		size int64
	}{{q.w.logDir, q.cfg.LogFileSize}, {q.w.cqDir, q.cfg.QueueFileSize}} {
		info, err := q.cfg.FS.Stat(filepath.Join(f.dir, fileName(base)))
		if err != nil && !isNotExist(err) {
			return s, false, err
		}
		if err != nil || info.Size != f.size {
			return s, false, nil
		}
	}
	cq, err := q.cfg.FS.Open(filepath.Join(q.w.cqDir, fileName(base)))
	if err != nil {
		return s, false, err
	}
	defer func() { err = errors.Join(err, cq.Close()) }()
	s = segment{base: base, end: base}
	if newest {
		err = q.scan(cq, &s)
	} else {
		err = q.look(cq, &s)
	}
	return s, true, err
}

// look finds the units of a segment that was made durable.
func (q *Queue) look(cq vfs.File, s *segment) error {
	var err error
	if s.units, err = searchUnits(cq, q.cfg.QueueFileSize/UnitSize, func(unit) bool { return false }); err != nil || s.units == 0 {
		return err
	}
	first, err := readUnit(cq, 0)
	if err != nil {
		return err
	}
	last, err := readUnit(cq, s.units-1)
	if err != nil {
		return err
	}
	s.first, s.last, s.end = first.offset, last.offset, last.phy+int64(last.size)
	return nil
}

func readUnit(cq vfs.File, n int64) (unit, error) {
	var raw [UnitSize]byte
	if _, err := cq.ReadAt(raw[:], n*UnitSize); err != nil {
		return unit{}, err
	}
	u, _ := parseUnit(raw[:])
	return u, nil
}

// scan finds the units of the newest segment, which a power cut may have left in
// part: as far as each record begins where the one before ends. What is behind them
// is cleared, so that it can never be taken for units.
func (q *Queue) scan(cq vfs.File, s *segment) error {
	most := q.cfg.QueueFileSize / UnitSize
	raw := make([]byte, 1024*UnitSize)
	for s.units < most {
		chunk := raw[:min(1024, most-s.units)*UnitSize]
		if _, err := cq.ReadAt(chunk, s.units*UnitSize); err != nil {
			return err
		}
		for ; len(chunk) > 0; chunk = chunk[UnitSize:] {
			u, ok := parseUnit(chunk)
			if !ok || u.phy != s.end || s.units > 0 && u.offset <= s.last || u.phy+int64(u.size) > s.base+q.cfg.LogFileSize {
				return errors.Join(cq.Truncate(s.units*UnitSize), cq.Truncate(q.cfg.QueueFileSize), cq.Sync())
			}
			if s.units == 0 {
				s.first = u.offset
			}
			s.last, s.end = u.offset, s.end+int64(u.size)
			s.units++
		}
	}
	return nil
}

func (q *Queue) removeSegment(base int64) error {
	for _, dir := range []string{q.w.logDir, q.w.cqDir} {
		if err := q.cfg.FS.Remove(filepath.Join(dir, fileName(base))); err != nil && !isNotExist(err) {
			return err
		}
		if err := q.cfg.FS.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}
