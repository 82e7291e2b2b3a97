package cqueue

import (
	"github.com/aerobee/aerobee/internal/message"
)

// maxHole bounds the units of lost records that are made up so that the numbering
// of a queue goes on. A queue that leaps further was reset, and begins there.
const maxHole = 1 << 20

// Restore adds the unit of a record that recovery found in the log. It does not
// look at the queue's files, which may be a hundred thousand: what is there
// already is found out when the queue is used for the first time. When off is
// below the last one although the record is newer, the topic was deleted and made
// again, and the queue starts over. Recovery only.
func (s *Set) Restore(topic string, id int32, off int64, u Unit) error {
	if s.cfg.Batch {
		return s.restoreBatch(topic, id, off, u)
	}
	q, err := s.find(topic, id)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	opened := q.opened.Load()
	switch {
	case u.Phy <= q.mu.lastPhy:
		return nil
	case q.mu.lastPhy < 0 && (!opened || q.mu.min == q.mu.max):
		q.beginLocked(off)
	case off < q.mu.max:
		return q.startOverLocked(off, u)
	case off-q.mu.max > min(maxHole, (u.Phy-q.mu.lastPhy)/message.MinRecordSize): // or more than there is room for
		return q.startOverLocked(off, u)
	default:
		q.holeLocked(off)
	}
	q.appendLocked(u)
	q.Next = q.mu.max
	return nil
}

// startOverLocked makes u the first unit of the queue, at offset off.
func (q *Queue) startOverLocked(off int64, u Unit) error {
	q.set.units.Add(q.mu.written - q.mu.max)
	if q.opened.Load() {
		if err := q.removeFilesLocked(); err != nil {
			return err
		}
	}
	q.mu.restart = true
	q.beginLocked(off)
	q.appendLocked(u)
	q.Next = q.mu.max
	return nil
}

// holeLocked appends blank units up to offset off, for records that are lost.
func (q *Queue) holeLocked(off int64) {
	for phy := q.mu.lastPhy; q.mu.max < off; {
		q.appendLocked(Unit{Size: blankSize})
		q.mu.lastPhy = phy
	}
}

// joinLocked joins the units that recovery left in memory, if it did, to those in
// files, which start at starts and end at offset end, -1 without files.
func (q *Queue) joinLocked(starts []int64, end int64) error {
	if q.mu.lastPhy < 0 { // recovery met no record of this queue
		if end > 0 {
			return q.takeFilesLocked(end)
		}
		return nil
	}
	if end >= 0 && q.mu.min == end { // no unit is left in them
		if err := q.removeFilesLocked(); err != nil {
			return err
		}
		end = -1
	}
	switch at := max(end, 0); {
	case at > q.mu.tailAt:
		return q.overlapLocked(starts, end)
	case at < q.mu.tailAt:
		return q.completeLocked(end)
	}
	return nil
}

func (q *Queue) takeFilesLocked(end int64) error {
	q.mu.max, q.mu.written, q.mu.tailAt = end, end, end
	if end == q.mu.min {
		return nil
	}
	u, err := q.fileUnit(end - 1)
	if err == nil && !u.blank() {
		q.mu.lastPhy, q.mu.end = u.Phy, u.Base+int64(u.Count)
	}
	return err
}

// overlapLocked: the files go beyond where the units in memory begin. They are the
// same units, or those of a topic that was deleted and made again.
func (q *Queue) overlapLocked(starts []int64, end int64) error {
	same := false
	if q.mu.tailAt >= starts[0] {
		u, err := q.fileUnit(q.mu.tailAt)
		if same = u == decodeUnit(q.mu.tail); err == nil && same && end > q.mu.max { // the log ends before
			end = q.mu.max
			err = q.cutLocked(starts, end)
		}
		if err != nil {
			return err
		}
	}
	if !same {
		q.mu.min = q.mu.tailAt
		return q.removeFilesLocked()
	}
	q.mu.written = end
	q.set.units.Add(q.mu.tailAt - end)
	return nil
}

// completeLocked finds the units between the files' end and the ones in memory in
// the log. That they are missing is damage: recovery begins where all was in files.
func (q *Queue) completeLocked(end int64) error {
	var found []Located
	if q.set.cfg.Missing != nil {
		var err error
		if found, err = q.set.cfg.Missing(q.key); err != nil {
			return err
		}
	}
	tail, at, last := q.mu.tail, q.mu.tailAt, q.mu.lastPhy
	begin, found := connected(found, end, at)
	if begin != end {
		if err := q.removeFilesLocked(); err != nil {
			return err
		}
		q.mu.min = begin
	}
	q.set.units.Add(at - q.mu.max)
	q.mu.tail, q.mu.tailAt, q.mu.max, q.mu.written = nil, begin, begin, begin
	for _, f := range found {
		q.holeLocked(f.Offset)
		q.appendLocked(f.Unit)
	}
	q.holeLocked(at)
	for ; len(tail) > 0; tail = tail[UnitSize:] {
		q.appendLocked(decodeUnit(tail))
	}
	q.mu.lastPhy = last
	return nil
}

// connected gives the units that lead from end, which is -1 without files, up to
// offset at with no larger hole than maxHole, and the offset where they begin: end,
// if what is in files belongs to them.
func connected(found []Located, end, at int64) (begin int64, kept []Located) {
	begin, next := end, end
	for _, f := range found {
		switch {
		case f.Offset < next || f.Offset >= at:
			continue
		case begin < 0 || f.Offset-next > maxHole:
			begin, kept = f.Offset, nil
		}
		kept = append(kept, f)
		next = f.Offset + 1
	}
	if begin < 0 || at-next > maxHole {
		return at, nil
	}
	return begin, kept
}

// Located is a unit and its queue offset.
type Located struct {
	Offset int64
	Unit
}

// fileUnit reads one unit that is in a file.
func (q *Queue) fileUnit(off int64) (Unit, error) {
	var unit [1]Unit
	_, err := q.readFile(unit[:], off)
	return unit[0], err
}
