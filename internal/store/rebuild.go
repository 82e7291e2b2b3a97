package store

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sort"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
)

// dispatcher gives records that are read from the log to the queues.
type dispatcher struct {
	put     *Put // for its working memory
	queues  *cqueue.Set
	found   []index.Key
	fillers []int64 // where fillers begin, ascending
}

func (d *dispatcher) describe(size int32, m *message.Message) entry {
	p := d.put
	p.entries, p.hashes = p.entries[:0], p.hashes[:0]
	e := entry{size: size}
	p.describe(&e, m)
	return e
}

// keys are the index keys of the record that was described last.
func (d *dispatcher) keys(off int64, m *message.Message) []index.Key {
	d.found = d.found[:0]
	if m.SysFlag&message.FlagTransactionMask == message.FlagTransactionUndo {
		return nil
	}
	for _, h := range d.put.hashes {
		d.found = append(d.found, index.Key{Hash: h, Phy: off, StoreTime: m.StoreTimestamp})
	}
	return d.found
}

func (e *entry) unit(off int64, m *message.Message) cqueue.Unit {
	u := cqueue.Unit{Phy: off, Size: e.size, TagsCode: e.tagsCode}
	if e.delay > 0 {
		u.TagsCode = m.StoreTimestamp + e.delay
	}
	return u
}

func (d *dispatcher) append(off int64, m *message.Message, e entry) error {
	if IsFiller(m) {
		d.fillers = append(d.fillers, off)
	}
	if !queued(m.SysFlag) {
		return nil
	}
	q, err := d.queues.Queue(m.Topic, m.QueueID)
	if err != nil {
		return err
	}
	err = q.Append(m.QueueOffset, e.unit(off, m))
	if errors.Is(err, cqueue.ErrGap) && d.bridge(q, m.QueueOffset, off) {
		err = q.Append(m.QueueOffset, e.unit(off, m))
	}
	q.Next = q.Max()
	return err
}

// bridge appends units for messages that were damaged, so that the queue keeps
// its numbering up to queue offset next, whose record is at phy. They point at
// the fillers in between, which readers pass over. It does nothing and is false
// when no filler explains the gap.
func (d *dispatcher) bridge(q *cqueue.Queue, next, phy int64) bool {
	last := q.LastPhy()
	i := sort.Search(len(d.fillers), func(i int) bool { return d.fillers[i] > last })
	if i == len(d.fillers) || next-q.Max() > (phy-d.fillers[i])/message.MinRecordSize {
		return false
	}
	at := d.fillers[i]
	for q.Max() < next {
		if err := q.Append(q.Max(), cqueue.Unit{Phy: at, Size: message.MinRecordSize}); err != nil {
			return false
		}
		if at++; i+1 < len(d.fillers) {
			i++
			at = d.fillers[i]
		}
	}
	return true
}

// leap makes queue offset next, whose record is at phy, the end of the queue. If
// there is room for the missing records, their fields are damaged: their units
// lead to places where no record begins, which readers pass over. Otherwise the
// queue had been reset, and begins there.
func leap(q *cqueue.Queue, next, phy int64) error {
	gap := next - q.Max()
	if gap > (phy-q.LastPhy())/message.MinRecordSize-1 {
		return q.Restart(next)
	}
	for ; gap > 0; gap-- {
		if err := q.Append(q.Max(), cqueue.Unit{Phy: phy - gap, Size: message.MinRecordSize}); err != nil {
			return err
		}
	}
	return nil
}

// IsFiller tells whether a record stands for damaged ones, see
// message.AppendFiller.
func IsFiller(m *message.Message) bool {
	return m.SysFlag&message.FlagTransactionMask == message.FlagTransactionUndo && m.Topic == message.FillerTopic
}

// rolledBack tells whether a record is of the kind that no queue has, so that a
// unit that leads to it is one of a damaged message.
func rolledBack(rec []byte) bool {
	return int32(binary.BigEndian.Uint32(rec[36:]))&message.FlagTransactionMask == message.FlagTransactionUndo
}

// unitsPerFlush bounds the units that Rebuild keeps in memory: 20 bytes each.
const unitsPerFlush = 1 << 18

// Rebuild reads a sound log from its beginning and builds the queues that want
// names, which must have no files, and the index when x is not nil. Nobody else
// may use the store.
func Rebuild(ctx context.Context, cfg Config, log *commitlog.Log, want func(topic string, id int32) bool, x *index.Index) error {
	s := &Store{cfg: cfg, record: message.Options{CRC: cfg.AppendCRC}}
	set := cqueue.NewSet(cqueue.Config{FS: cfg.FS, Dir: cfg.path("consumequeue"), FileSize: cfg.QueueFileSize, LogMin: log.Min, OpenFiles: cfg.OpenFiles})
	d := dispatcher{put: &Put{store: s}, queues: set}
	_, err := log.Scan(log.Min(), s.record, func(off int64, size int32, m *message.Message) error {
		e := d.describe(size, m)
		if x != nil {
			x.Add(d.keys(off, m))
		}
		if !IsFiller(m) && !want(m.Topic, m.QueueID) {
			return ctx.Err()
		}
		err := d.append(off, m, e)
		if errors.Is(err, cqueue.ErrGap) { // no filler explains it
			q, qerr := set.Queue(m.Topic, m.QueueID)
			if qerr != nil {
				return qerr
			}
			if err = leap(q, m.QueueOffset, off); err == nil {
				err = d.append(off, m, e)
			}
		}
		if err == nil && set.Unwritten() > unitsPerFlush {
			err = set.Flush(math.MaxInt64)
		}
		return errors.Join(err, ctx.Err())
	})
	if err == nil {
		err = set.Flush(math.MaxInt64)
	}
	if err == nil {
		err = set.Sync()
	}
	return errors.Join(err, set.Close())
}
