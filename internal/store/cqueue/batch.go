package cqueue

import (
	"encoding/binary"
	"fmt"
)

// BatchUnitSize is fixed by the format of batch queues: a unit of 20 bytes, then 8
// bytes store time, 8 queue offset, 2 number of messages, 8 unused.
const BatchUnitSize = 46

// A batch queue (Config.Batch) is a queue whose units stand for one record each,
// but for Count messages from queue offset Base on. Inside the package a queue
// counts positions of units; these functions are where queue offsets come in.
// Bases may leave gaps: the offset of a lost message is found in the unit before.

// End is the queue offset behind the messages of a unit at queue offset off, which
// for other queues than batch queues is the next one.
func (u Unit) End(off int64) int64 {
	if u.Count > 0 {
		return u.Base + int64(u.Count)
	}
	return off + 1
}

// IsBatch tells whether the queue is a batch queue.
func (q *Queue) IsBatch() bool { return q.set.cfg.Batch }

// nextLocked is the queue offset of the next message.
func (q *Queue) nextLocked() int64 {
	if q.IsBatch() {
		return q.mu.end
	}
	return q.mu.max
}

func (q *Queue) unitCount() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.max
}

// position is where the last unit with a base up to off is, or the first unit.
func (q *Queue) position(off int64) (int64, error) {
	lo, err := q.minPosition()
	if err != nil || !q.IsBatch() {
		return off, err
	}
	at, err := q.first(lo, q.unitCount(), func(u Unit) (bool, error) { return u.Base > off, nil })
	return max(at-1, lo), err
}

// offsetOf is the queue offset of the first message of the unit at a position.
func (q *Queue) offsetOf(at int64) (int64, error) {
	if !q.IsBatch() {
		return at, nil
	}
	q.mu.Lock()
	count, end := q.mu.max, q.mu.end
	q.mu.Unlock()
	if at >= count {
		return end, nil
	}
	u, err := q.unit(at)
	return u.Base, err
}

// restoreBatch is Restore for batch queues. They are few, so that their files may
// be looked at.
func (s *Set) restoreBatch(topic string, id int32, off int64, u Unit) error {
	q, err := s.Queue(topic, id)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if u.Phy <= q.mu.lastPhy {
		return nil
	}
	if off < q.mu.end { // the topic was deleted and made again
		s.units.Add(q.mu.written - q.mu.max)
		if err := q.removeFilesLocked(); err != nil {
			return err
		}
		q.beginLocked(0)
	} else if off > q.mu.end && s.cfg.Missing != nil {
		found, err := s.cfg.Missing(q.key)
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.Offset >= q.mu.end && f.Offset < off && f.Phy > q.mu.lastPhy {
				q.appendLocked(f.Unit.at(f.Offset))
			}
		}
	}
	q.appendLocked(u.at(off))
	q.Next = q.mu.end
	return nil
}

// at is the unit at a queue offset. What cannot be a number of messages is 1.
func (u Unit) at(off int64) Unit {
	u.Base = off
	if u.Count < 1 || u.Count > MaxBatch {
		u.Count = 1
	}
	return u
}

// unitSize is the length of a unit in bytes.
func (s *Set) unitSize() int64 {
	if s.cfg.Batch {
		return BatchUnitSize
	}
	return UnitSize
}

func (s *Set) decode(b []byte) Unit {
	u := decodeUnit(b)
	if s.cfg.Batch {
		u.StoreTime = int64(binary.BigEndian.Uint64(b[20:]))
		u.Base = int64(binary.BigEndian.Uint64(b[28:]))
		u.Count = int32(int16(binary.BigEndian.Uint16(b[36:])))
	}
	return u
}

func (s *Set) append(b []byte, u Unit) []byte {
	b = appendUnit(b, u)
	if s.cfg.Batch {
		b = binary.BigEndian.AppendUint64(b, uint64(u.StoreTime))
		b = binary.BigEndian.AppendUint64(b, uint64(u.Base))
		b = binary.BigEndian.AppendUint16(b, uint16(u.Count))
		b = append(b, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0) // compacted offset: -1, and reserved
	}
	return b
}

// valid is Java's test for the end of a queue, with a bound on the record's start.
func (s *Set) valid(u Unit) bool {
	return u.Size > 0 && u.Phy >= 0 && u.Phy < s.trusted && (!s.cfg.Batch || u.Base >= 0 && u.Count > 0)
}

// appendBatchLocked is Append for batch queues.
func (q *Queue) appendBatchLocked(off int64, u Unit) error {
	if off != q.mu.end || u.Count < 1 || u.Count > MaxBatch {
		return fmt.Errorf("batch queue %s/%d: unit of %d messages at %d after %d: %w", q.key.Topic, q.key.ID, u.Count, off, q.mu.end, errGap)
	}
	u.Base = off
	q.appendLocked(u)
	return nil
}

// MaxBatch is the most messages that a unit can stand for.
const MaxBatch = 1<<15 - 1

// sizeKey is the configuration key of the files' length.
func (s *Set) sizeKey() string {
	if s.cfg.Batch {
		return "mapperFileSizeBatchConsumeQueue"
	}
	return "mappedFileSizeConsumeQueue"
}
