package cqueue

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"

	"github.com/aerobee/aerobee/internal/store/commitlog"
)

// open finds the bounds of the queue in its files, once, and joins what recovery
// left in memory to them.
func (q *Queue) open() error {
	if q.opened.Load() {
		return nil
	}
	q.files.Lock() // nobody may make files meanwhile
	defer q.files.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.opened.Load() || q.mu.deleted {
		return nil
	}
	if err := q.loadLocked(); err != nil {
		return fmt.Errorf("consume queue %s/%d: %w", q.key.Topic, q.key.ID, err)
	}
	if floor := q.set.cfg.Floor; floor != nil {
		q.mu.floor = floor(q.key)
	}
	q.Next = q.nextLocked()
	q.lastRead.Store(nil)
	q.opened.Store(true)
	return nil
}

func (q *Queue) loadLocked() error {
	if q.mu.restart {
		return q.removeFilesLocked()
	}
	starts, err := q.fileStarts()
	if err != nil {
		return err
	}
	if len(starts) == 0 {
		return q.joinLocked(nil, -1)
	}
	if q.set.trusted < math.MaxInt64 { // a crash may have come before names and lengths were durable
		q.set.unsynced.made(q.set.queueDir(q.key), q.set.cfg.Dir)
		for _, start := range starts {
			q.set.unsynced.wrote(q.filePath(start))
		}
	}
	end, err := q.fileEnd(starts)
	if err != nil {
		return err
	}
	if err := q.cutLocked(starts, end); err != nil {
		return err
	}
	q.mu.min = starts[0]
	if end > starts[0] {
		if q.mu.min, err = q.firstUnit(starts[0], min(end, starts[0]+q.unitsPerFile())); err != nil {
			return err
		}
	}
	return q.joinLocked(starts, end)
}

// Reaches tells whether a queue's files have a unit of a record that starts at or
// behind phy. It looks at every queue, and opens none.
func (s *Set) Reaches(phy int64) (bool, error) {
	topics, err := s.Topics()
	if err != nil {
		return false, err
	}
	for _, topic := range topics {
		ids, err := s.IDs(topic)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			q := &Queue{set: s, key: Key{topic, id}}
			if last, err := q.lastInFiles(); err != nil || last >= phy {
				return err == nil, err
			}
		}
	}
	return false, nil
}

// lastInFiles is where the record of the last unit in the files starts, -1 if there
// is none.
func (q *Queue) lastInFiles() (int64, error) {
	starts, err := q.fileStarts()
	if err != nil || len(starts) == 0 {
		return -1, err
	}
	end, err := q.fileEnd(starts)
	if err != nil || end == starts[0] {
		return -1, err
	}
	u, err := q.fileUnit(end - 1)
	return u.Phy, err
}

// fileEnd is the offset behind the last unit in files that is to be kept.
func (q *Queue) fileEnd(starts []int64) (int64, error) {
	for i := len(starts) - 1; i > 0; i-- {
		if n, err := q.validUnits(starts[i]); err != nil || n > 0 {
			return starts[i] + n, err
		}
	}
	n, err := q.validUnits(starts[0])
	return starts[0] + n, err
}

// fileStarts lists the offsets of the first units of the queue's files, in
// order, and checks names and lengths.
func (q *Queue) fileStarts() ([]int64, error) {
	dir := q.set.queueDir(q.key)
	infos, err := q.set.cfg.FS.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var starts []int64
	for i, info := range infos {
		if info.IsDir {
			continue
		}
		path := filepath.Join(dir, info.Name)
		at, err := strconv.ParseInt(info.Name, 10, 64)
		switch {
		case err != nil || len(info.Name) != 20 || at%q.set.cfg.FileSize != 0:
			return nil, &commitlog.FileError{Path: path, Reason: "not the name of a consume queue file of this size"}
		case info.Size < q.set.cfg.FileSize && (i == len(infos)-1 || q.set.trusted < math.MaxInt64): // cut off while it was made
			f, err := q.set.handles.get(path, q.set.cfg.FileSize)
			if err != nil {
				return nil, err
			}
			if err := q.set.handles.put(f); err != nil {
				return nil, err
			}
		case info.Size != q.set.cfg.FileSize:
			return nil, &commitlog.FileError{Path: path, Reason: fmt.Sprintf(
				"%d bytes long, %s is %d", info.Size, q.set.sizeKey(), q.set.cfg.FileSize)}
		}
		starts = append(starts, at/q.set.unitSize())
	}
	sort.Slice(starts, func(i, j int) bool { return starts[i] < starts[j] })
	return starts, nil
}

// validUnits counts the units at the start of a file that Java would take and
// that are trusted. Behind these may be anything after a crash, also a unit that
// is half there and looks valid: it does not follow on the one before it.
func (q *Queue) validUnits(start int64) (int64, error) {
	hi := start + q.unitsPerFile()
	for {
		end, err := q.search(start, hi, func(u Unit) bool { return !q.set.valid(u) })
		if err != nil || end-start < 2 {
			return end - start, err
		}
		var pair [2]Unit
		if _, err := q.readFile(pair[:], end-2); err != nil {
			return 0, err
		}
		if q.set.valid(pair[0]) && (pair[0].Phy < pair[1].Phy || pair[0].blank()) {
			return end - start, nil
		}
		hi = end - 1
	}
}

// firstUnit is the offset of the first unit in [lo, hi), all of one file, that is
// not blank; hi if none. There may be more blank ones behind it, of lost messages.
func (q *Queue) firstUnit(lo, hi int64) (int64, error) {
	var units [keepUnits]Unit
	for lo < hi {
		n, err := q.readFile(units[:min(int64(len(units)), hi-lo)], lo)
		if err != nil {
			return 0, err
		}
		for _, u := range units[:n] {
			if !u.blank() {
				return lo, nil
			}
			lo++
		}
	}
	return hi, nil
}

// search finds the first offset in [lo, hi), all of one file, whose unit
// satisfies found, which must hold for all units behind it as well; hi if none.
func (q *Queue) search(lo, hi int64, found func(Unit) bool) (int64, error) {
	var unit [1]Unit
	for lo < hi {
		mid := lo + (hi-lo)/2
		if _, err := q.readFile(unit[:], mid); err != nil {
			return 0, err
		}
		if found(unit[0]) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, nil
}

// cutLocked removes files behind end and zeroes what follows end in its file,
// so that a later start cannot take stale units for new ones.
func (q *Queue) cutLocked(starts []int64, end int64) error {
	per := q.unitsPerFile()
	for _, start := range starts {
		if start >= end && start != starts[0] {
			if err := q.set.handles.remove(q.filePath(start)); err != nil {
				return err
			}
		}
	}
	if end%per == 0 && end > starts[0] {
		return nil
	}
	var unit [1]Unit
	if _, err := q.readFile(unit[:], end); err != nil {
		return err
	}
	if unit[0] == (Unit{}) {
		return nil
	}
	path := q.filePath(end)
	f, err := q.set.handles.get(path, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(end % per * q.set.unitSize())
	if err == nil {
		err = f.Truncate(q.set.cfg.FileSize)
	}
	q.set.unsynced.wrote(path)
	return errors.Join(err, q.set.handles.put(f))
}

func (q *Queue) removeFilesLocked() error {
	dir := q.set.queueDir(q.key)
	infos, err := q.set.cfg.FS.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, info := range infos {
		errs = append(errs, q.set.handles.remove(filepath.Join(dir, info.Name)))
	}
	return errors.Join(errs...)
}
