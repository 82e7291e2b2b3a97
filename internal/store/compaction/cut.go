package compaction

import (
	"errors"
	"fmt"
	"path/filepath"
)

// cut takes away the messages from a queue offset on. It refuses to take away all:
// then the queue itself is lost, and what is here is the last that there is of it.
func (q *Queue) cut(most int64) error {
	if maxOf(q.w.segments) <= most {
		return nil
	}
	if most == 0 {
		return fmt.Errorf("%s: there are messages, but the queue has none; they are left where they are, and not served", q.w.logDir)
	}
	n := 0
	for n < len(q.w.segments) && (q.w.segments[n].units == 0 || q.w.segments[n].first < most) {
		n++
	}
	if err := q.dropSegments(n); err != nil || n == 0 || q.w.newest().units == 0 || q.w.newest().last < most {
		return err
	}
	return q.cutSegment(q.w.newest(), most)
}

// dropSegments removes all segments but the first n, in one step.
func (q *Queue) dropSegments(n int) error {
	if n == len(q.w.segments) {
		return nil
	}
	s := swap{}
	for _, x := range q.w.segments[n:] {
		s.Old = append(s.Old, x.base)
	}
	q.w.segments = q.w.segments[:n]
	return errors.Join(q.commitSwap(s), q.finishSwap())
}

// cutSegment clears the units from a queue offset on.
func (q *Queue) cutSegment(s *segment, most int64) (err error) {
	cq, err := q.cfg.FS.Open(filepath.Join(q.w.cqDir, fileName(s.base)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cq.Close()) }()
	units, err := searchUnits(cq, s.units, func(u unit) bool { return u.offset >= most })
	if err != nil {
		return err
	}
	if err := errors.Join(cq.Truncate(units*UnitSize), cq.Truncate(q.cfg.QueueFileSize), cq.Sync()); err != nil {
		return err
	}
	s.units, s.end = units, s.base
	if units == 0 {
		return nil
	}
	last, err := readUnit(cq, units-1)
	s.last, s.end = last.offset, last.phy+int64(last.size)
	return err
}

// remove removes all files.
func (q *Queue) remove() error {
	_ = q.w.close() // what it could not write goes as well
	q.mu.Lock()
	defer q.mu.Unlock()
	q.segments = nil
	q.failed = errors.New("compaction: the queue was removed")
	return errors.Join(q.dropSegments(0), q.cfg.FS.RemoveAll(q.w.cqDir), q.cfg.FS.RemoveAll(q.w.logDir))
}
