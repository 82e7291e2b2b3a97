package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/compaction"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// keptTopics are the topics with cleanup.policy=COMPACTION: the latest message of
// each key is kept, however old it is. Their queues and the commit log are as any
// other's; a goroutine copies what is durable to the compaction log (package
// compaction), from which it is read, and the rest comes from the queue. A queue
// whose compaction log is damaged is read as any other.
type keptTopics struct {
	set *compaction.Set // nil: compaction is off

	work   sync.Mutex // held by whoever writes to the set, also over its I/O
	failed map[compaction.Key]bool
}

// Times of the goroutine.
const (
	keepInterval  = time.Second
	compactionMiB = 20 * time.Millisecond // what a compaction takes for a MiB at least
)

// openKept opens the compaction logs of the topics that have one.
func (s *Store) openKept() error {
	if s.cfg.CompactionTopics == nil {
		return nil
	}
	c := compaction.Config{
		FS: s.cfg.FS, Dir: s.cfg.path("compaction"), MaxKeys: maxCompactionKeys, TagsCode: keptTags, Pace: newPace(),
	}
	c.LogFileSize, c.QueueFileSize = compaction.FileSizes(s.cfg.CompactionFileSize, s.cfg.CompactionQueueFileSize)
	var err error
	if s.kept.set, err = compaction.Open(c); err != nil {
		return err
	}
	s.kept.failed = make(map[compaction.Key]bool)
	for _, topic := range s.cfg.CompactionTopics() {
		for _, id := range s.Queues(topic) {
			s.openKeptQueue(topic, id)
		}
	}
	return nil
}

// maxCompactionKeys bounds the memory of a compaction: about 50 bytes each.
const maxCompactionKeys = 1 << 20

// keptTags is the tags code of a message, which is 0 without tags.
func keptTags(tags string) int64 {
	if tags == "" {
		return 0
	}
	return TagsCode(tags)
}

// newPace makes a Pace for one goroutine.
func newPace() func(ctx context.Context, bytes int) error {
	sum := 0
	return func(ctx context.Context, bytes int) error {
		if sum += bytes; sum < 1<<20 {
			return nil
		}
		timer := time.NewTimer(compactionMiB * time.Duration(sum>>20))
		defer timer.Stop()
		sum = 0
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
}

// openKeptQueue opens a compaction log; nil when that failed, now or before, which
// is logged once.
func (s *Store) openKeptQueue(topic string, id int32) *compaction.Queue {
	k := compaction.Key{Topic: topic, ID: id}
	if s.kept.failed[k] || s.HasBatchQueues(topic) {
		return nil
	}
	q, err := s.kept.set.Queue(topic, id, s.MaxOffset(topic, id))
	if err != nil {
		s.keepFailed(k, err)
		return nil
	}
	return q
}

func (s *Store) keepFailed(k compaction.Key, err error) {
	s.kept.failed[k] = true
	s.cfg.Logger.Error("the compaction log of a queue is not used until the next start; its commit log is", "topic", k.Topic, "queue", k.ID, "error", err)
}

// compactionLoop copies to the compaction logs, and compacts them.
func (s *Store) compactionLoop(ctx context.Context) error {
	keep := time.NewTicker(keepInterval)
	compact := time.NewTicker(s.cfg.CompactionInterval)
	defer keep.Stop()
	defer compact.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-keep.C:
			s.eachKept(ctx, s.keep)
		case <-compact.C:
			s.eachKept(ctx, s.compact)
		}
	}
}

// eachKept does something with every queue of the topics, one after the other.
func (s *Store) eachKept(ctx context.Context, do func(context.Context, compaction.Key, *compaction.Queue) error) {
	for _, topic := range s.cfg.CompactionTopics() {
		for _, id := range s.Queues(topic) {
			if ctx.Err() != nil {
				return
			}
			s.oneKept(ctx, compaction.Key{Topic: topic, ID: id}, do)
		}
	}
}

func (s *Store) oneKept(ctx context.Context, k compaction.Key, do func(context.Context, compaction.Key, *compaction.Queue) error) {
	s.kept.work.Lock()
	defer s.kept.work.Unlock()
	q := s.openKeptQueue(k.Topic, k.ID)
	if q == nil {
		return
	}
	if err := do(ctx, k, q); err != nil && !errors.Is(err, context.Canceled) && !s.kept.failed[k] {
		s.keepFailed(k, err)
	}
}

func (s *Store) compact(ctx context.Context, k compaction.Key, q *compaction.Queue) error {
	began := s.cfg.Now()
	r, err := s.kept.set.Compact(ctx, q)
	if r.Removed > 0 {
		s.cfg.Logger.Info("queue compacted", "topic", k.Topic, "queue", k.ID, "kept", r.Kept, "removed", r.Removed, "took", s.cfg.Now().Sub(began))
	}
	return err
}

// keep copies what a queue got since the last time, as far as it is durable: the
// compaction log must not know what the commit log may lose.
func (s *Store) keep(ctx context.Context, k compaction.Key, q *compaction.Queue) error {
	from := max(q.Max(), s.MinOffset(k.Topic, k.ID))
	durable := s.log.Synced()
	var rec []byte
	for ctx.Err() == nil {
		units := s.Units(k.Topic, k.ID, from, maxUnits)
		if len(units) == 0 {
			break
		}
		for _, u := range units {
			if u.Phy+int64(u.Size) > durable {
				return q.Flush()
			}
			from++
			var err error
			if rec, err = s.log.Record(u.Phy, rec[:0]); errors.Is(err, ErrNotFound) || errors.Is(err, ErrMisaligned) {
				continue
			}
			if err != nil {
				return err
			}
			if !hasKey(rec) {
				continue
			}
			if err := q.Append(rec, u.TagsCode); err != nil {
				return err
			}
		}
	}
	return q.Flush()
}

// hasKey tells whether a record belongs into a compaction log.
func hasKey(rec []byte) bool {
	m, err := message.Parse(rec)
	if err != nil || rolledBack(rec) {
		return false
	}
	keys, _ := message.Property(m.Properties, message.PropKeys)
	return strings.TrimSpace(keys) != ""
}

// keepRest copies what there is at a clean stop, so that a Java broker that comes
// next has it: it does not look for what is missing.
func (s *Store) keepRest(ctx context.Context) error {
	if err := s.FlushLog(); err != nil {
		return err
	}
	s.eachKept(ctx, s.keep)
	return nil
}

// forgetKept removes the compaction logs of a topic.
func (s *Store) forgetKept(topic string) error {
	if s.kept.set == nil {
		return nil
	}
	s.kept.set.Interrupt()
	s.kept.work.Lock()
	defer s.kept.work.Unlock()
	for k := range s.kept.failed {
		if k.Topic == topic {
			delete(s.kept.failed, k)
		}
	}
	return s.kept.set.Remove(topic)
}

// getKept is Get of a queue with a compaction log: what was copied comes from there,
// without what was superseded; the rest from the queue.
func (s *Store) getKept(kept *compaction.Queue, q *cqueue.Queue, req GetRequest, r GetResult, dst []byte) (GetResult, []byte, error) {
	queued, end := r.MinOffset, kept.Max()
	if q.Floor() == 0 && end > 0 {
		r.MinOffset = min(queued, kept.Min())
	}
	if req.Offset >= r.MaxOffset || end == 0 || req.Offset < r.MinOffset && q.Floor() > 0 {
		return s.getQueued(q, req, r, dst)
	}
	r.Status, r.NextOffset = NoMatchedMessage, req.Offset
	if req.Offset < end {
		var more bool
		var err error
		if more, dst, err = s.readKept(kept, q, &req, &r, dst); err != nil || !more {
			return r, dst, err
		}
		r.NextOffset = max(r.NextOffset, end)
	}
	req.Offset = max(r.NextOffset, queued)
	if req.Offset >= r.MaxOffset {
		return r, dst, nil
	}
	lowest := r.MinOffset
	r, dst, err := s.getQueued(q, req, r, dst)
	r.MinOffset = lowest
	return r, dst, err
}

// readKept appends records of the compaction log; more is false when the answer is
// complete.
func (s *Store) readKept(kept *compaction.Queue, q *cqueue.Queue, req *GetRequest, r *GetResult, dst []byte) (more bool, _ []byte, err error) {
	base, looked, more := len(dst), 0, true
	v := compaction.Visitor{Give: func(offset int64, rec []byte) bool {
		looked++
		if rec != nil && (req.Filter == nil || req.Filter.MatchRecord(rec)) {
			if r.Count > 0 && isFull(req, r.Count, len(dst)-base+len(rec), false) {
				more = false
				return false
			}
			dst = append(dst, rec...)
			binary.BigEndian.PutUint64(dst[len(dst)-len(rec)+atPhysicalOffset:], uint64(s.physicalOf(q, offset)))
			r.Count++
		}
		r.NextOffset = offset + 1
		more = r.Count < req.MaxMsgs && looked < minScanUnits
		return more
	}, Damaged: func(err error) bool {
		s.cfg.Logger.Error("damaged record is passed over", "topic", req.Topic, "queue", req.QueueID, "error", err)
		return true
	}}
	if req.Filter != nil {
		v.Wanted = req.Filter.MatchTags
	}
	if err := kept.Read(req.Offset, v); err != nil {
		return false, dst, fmt.Errorf("compaction log: %w", err)
	}
	r.Bytes = len(dst) - base
	if r.Count > 0 {
		r.Status = Found
		more = false
	}
	return more, dst, nil
}

// atPhysicalOffset is where a record has its physical offset.
const atPhysicalOffset = 28

// physicalOf is where a message is in the commit log, -1 when it is no longer there:
// what clients make of it (a message id, the message to send back) must not name
// another message.
func (s *Store) physicalOf(q *cqueue.Queue, offset int64) int64 {
	var unit [1]cqueue.Unit
	if n, err := q.Read(unit[:], offset); err != nil || n == 0 || unit[0].Phy < s.log.Min() {
		return -1
	}
	return unit[0].Phy
}
