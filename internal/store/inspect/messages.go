package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// Query chooses messages. Zero fields choose all.
type Query struct {
	Topic string // read from its queues, else from the log in order
	Queue int32  // of the topic; -1 for all
	// From and To bound offsets, To excluded (0: no bound): of the queue with a topic, of the log without.
	From, To int64
	// Since and Until bound store times in ms, Until excluded (0: no bound).
	Since, Until int64
	Key          string // one of the keys, or the producer's id
	ID           string // the producer's id or the offset id
	Limit        int64  // 0: no limit
}

// errEnough ends a reading early.
var errEnough = errors.New("enough")

// Messages visits the records that a query chooses. rec is valid during the
// call. What cannot be read is passed over; skipped counts such places.
func (d *Dir) Messages(ctx context.Context, q Query, visit func(rec []byte) error) (skipped int64, err error) {
	if q.To == 0 {
		q.To = math.MaxInt64
	}
	if q.Until == 0 {
		q.Until = math.MaxInt64
	}
	r := reading{d: d, ctx: ctx, q: q, visit: visit}
	_, phy, idErr := message.ParseOffsetID(q.ID)
	switch {
	case q.Topic != "":
		err = r.topic()
	case q.ID != "" && idErr == nil && d.isRecordOf(phy, q.ID):
		err = r.record(phy)
	default:
		for _, run := range d.runs {
			if err = r.log(run); err != nil {
				break
			}
		}
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return r.skipped, err
}

// isRecordOf tells whether the record at an offset has this offset id.
func (d *Dir) isRecordOf(phy int64, id string) bool {
	rec, err := d.recordAt(phy, nil)
	if err != nil {
		return false
	}
	m, err := message.Parse(rec)
	return err == nil && strings.EqualFold(message.OffsetID(m.StoreHost, phy), id)
}

type reading struct {
	d       *Dir
	ctx     context.Context
	q       Query
	visit   func(rec []byte) error
	buf     []byte
	skipped int64
	found   int64
}

// chosen tells whether a message is chosen by what is in it.
func (r *reading) chosen(m *message.Message) bool {
	q := &r.q
	if m.StoreTimestamp < q.Since || m.StoreTimestamp >= q.Until {
		return false
	}
	if q.Key == "" && q.ID == "" {
		return true
	}
	uniq, _ := message.Property(m.Properties, message.PropUniqKey)
	keys, _ := message.Property(m.Properties, message.PropKeys)
	if q.Key != "" && q.Key != uniq && !slices.Contains(strings.Fields(keys), q.Key) {
		return false
	}
	return q.ID == "" || q.ID == uniq || strings.EqualFold(q.ID, message.OffsetID(m.StoreHost, m.PhysicalOffset))
}

// record visits the record at an offset if it is chosen.
func (r *reading) record(phy int64) error {
	var err error
	if r.buf, err = r.d.recordAt(phy, r.buf[:0]); err != nil {
		if errors.Is(err, commitlog.ErrMisaligned) || errors.Is(err, commitlog.ErrNotFound) {
			r.skipped++
			return nil
		}
		return err
	}
	m, err := message.Verify(r.buf, r.d.record)
	if err != nil || r.q.Topic != "" && !queued(&m) { // a filler, from a queue's view
		r.skipped++
		return nil
	}
	if !r.chosen(&m) {
		return nil
	}
	if err := r.visit(r.buf); err != nil {
		return err
	}
	if r.found++; r.q.Limit > 0 && r.found >= r.q.Limit {
		return errEnough
	}
	return nil
}

// log reads a run of the log in order.
func (r *reading) log(run *commitlog.Log) error {
	from := run.Min()
	if r.q.From > from {
		next, ok, err := run.Next(r.q.From, run.Limit(), 0, r.d.record)
		if !ok || err != nil {
			return err
		}
		from = next.Offset
	}
	end := from
	return r.d.eachRecord(r.ctx, run, from, func(off int64, size int32, m *message.Message) error {
		if off >= r.q.To || m.StoreTimestamp >= r.q.Until {
			return errEnough
		}
		if off > end && off != end-end%run.FileSize()+run.FileSize() {
			r.skipped++
		}
		end = off + int64(size)
		if store.IsFiller(m) || !r.chosen(m) {
			return nil
		}
		return r.record(off)
	})
}

// topic reads the queues of the topic, one after the other.
func (r *reading) topic() error {
	files, err := r.d.openQueues()
	if err != nil {
		return err
	}
	there := false
	for _, folder := range []string{"consumequeue", "batchconsumequeue"} {
		err = r.d.eachQueueDir(folder, func(k cqueue.Key) error {
			if k.Topic != r.q.Topic || r.q.Queue >= 0 && k.ID != r.q.Queue {
				return nil
			}
			there = true
			q, err := files.open(k, func(Problem) {})
			if err != nil {
				return err
			}
			if q.batch {
				return r.batchQueue(q)
			}
			return r.queue(files, q)
		})
		if err != nil {
			return err
		}
	}
	if !there {
		return fmt.Errorf("topic %q queue %d: no such consume queue in %s", r.q.Topic, r.q.Queue, filepath.Join(r.d.cfg.Dir, "consumequeue"))
	}
	return nil
}

func (r *reading) queue(files *queueFiles, q *queue) error {
	info, err := files.info(q)
	if err != nil {
		return err
	}
	for off := max(info.Min, r.q.From); off < min(info.Max, r.q.To); off++ {
		u, ok, err := files.unit(q, off, false)
		if err != nil {
			return err
		}
		if !ok {
			r.skipped++
			continue
		}
		if t := r.d.storeTime(u.Phy); t >= r.q.Until {
			return nil
		}
		if err := errors.Join(r.record(u.Phy), r.ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) batchQueue(q *queue) error {
	for _, start := range q.files {
		path := filepath.Join(r.d.queueDir(q.key, true), commitlog.FileName(start))
		var b [batchUnitSize]byte
		for at := int64(0); ; at += batchUnitSize {
			n, err := r.d.readAt(path, b[:], at)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			u := decodeBatchUnit(b[:])
			if n < len(b) || !u.data() {
				break
			}
			if u.Phy < r.d.logMin() || u.base+int64(u.count) <= r.q.From || u.base >= r.q.To {
				continue
			}
			if err := errors.Join(r.record(u.Phy), r.ctx.Err()); err != nil {
				return err
			}
		}
	}
	return nil
}
