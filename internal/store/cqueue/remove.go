package cqueue

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// several knows the queues that have more than one file: only those can lose one,
// and of a hundred thousand queues they are few.
type several struct {
	sync.Mutex
	listed bool          // the directories were looked through
	last   map[Key]int64 // where the last record of the queue's first file starts, -1: not known
}

// add notes a queue that gets a further file.
func (v *several) add(k Key) {
	v.Lock()
	defer v.Unlock()
	if v.last == nil {
		v.last = make(map[Key]int64)
	}
	if _, known := v.last[k]; !known {
		v.last[k] = -1
	}
}

// below lists the queues whose first file may point below phy only, in order.
func (v *several) below(phy int64) []Key {
	v.Lock()
	defer v.Unlock()
	var keys []Key
	for k, last := range v.last {
		if last < phy {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID)) })
	return keys
}

// settle notes what is known of a queue after a look at its files.
func (v *several) settle(k Key, last int64, more bool) {
	v.Lock()
	defer v.Unlock()
	if more {
		v.last[k] = last
	} else {
		delete(v.last, k)
	}
}

// RemoveBefore removes queue files all of whose units point below logMin. The last
// file of each queue stays, and with it the queue's numbering. The first call
// looks through all directories, later ones only at queues of several files whose
// turn it is. Not to be called concurrently.
func (s *Set) RemoveBefore(ctx context.Context, logMin int64) error {
	if err := s.listSeveral(ctx); err != nil {
		return err
	}
	var errs []error
	for _, k := range s.several.below(logMin) {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		errs = append(errs, s.removeBefore(k, logMin))
	}
	return errors.Join(errs...)
}

// listSeveral finds the queues that have several files from an earlier run.
func (s *Set) listSeveral(ctx context.Context) error {
	s.several.Lock()
	listed := s.several.listed
	s.several.Unlock()
	if listed {
		return nil
	}
	topics, err := s.cfg.FS.ReadDir(s.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, topic := range topics {
		if err := ctx.Err(); err != nil {
			return err
		}
		queues, err := s.cfg.FS.ReadDir(filepath.Join(s.cfg.Dir, topic.Name))
		if err != nil && topic.IsDir && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, queue := range queues {
			id, err := strconv.ParseInt(queue.Name, 10, 32)
			if err != nil || !queue.IsDir {
				continue
			}
			if files, err := s.cfg.FS.ReadDir(filepath.Join(s.cfg.Dir, topic.Name, queue.Name)); err == nil && len(files) > 1 {
				s.several.add(Key{topic.Name, int32(id)})
			}
		}
	}
	s.several.Lock()
	s.several.listed = true
	s.several.Unlock()
	return nil
}

func (s *Set) removeBefore(k Key, logMin int64) error {
	q, err := s.Lookup(k.Topic, k.ID)
	if err != nil {
		return err
	}
	if q == nil { // the topic was deleted
		s.several.settle(k, 0, false)
		return nil
	}
	return q.removeBefore(logMin)
}

func (q *Queue) removeBefore(logMin int64) error {
	q.files.Lock()
	defer q.files.Unlock()
	starts, err := q.fileStarts()
	if err != nil {
		return err
	}
	for ; len(starts) > 1; starts = starts[1:] {
		last, err := q.lastOf(starts[0], starts[1])
		if err != nil {
			return err
		}
		if last.Phy >= logMin {
			q.set.several.settle(q.key, last.Phy, true)
			return nil
		}
		q.mu.Lock()
		q.mu.min = max(q.mu.min, starts[1]) // before the file goes: readers look here first
		q.mu.Unlock()
		if err := q.set.handles.remove(q.filePath(starts[0])); err != nil {
			return err
		}
	}
	q.set.several.settle(q.key, 0, false)
	return nil
}

// lastOf is the last unit in [from, to) that has a record.
func (q *Queue) lastOf(from, to int64) (u Unit, err error) {
	for to--; ; to-- {
		if u, err = q.fileUnit(to); err != nil || !u.blank() || to == from {
			return u, err
		}
	}
}

// Disk is how many bytes the queues' files take. It looks at each of them.
func (s *Set) Disk(ctx context.Context) (bytes int64, err error) {
	dirs := []string{s.cfg.Dir}
	for len(dirs) > 0 {
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		infos, err := s.cfg.FS.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		for _, info := range infos {
			if info.IsDir {
				dirs = append(dirs, filepath.Join(dir, info.Name))
			}
			bytes += info.Disk
		}
	}
	return bytes, nil
}
