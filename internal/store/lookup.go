package store

import (
	"errors"

	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Errors of Record.
var (
	ErrNotFound   = commitlog.ErrNotFound
	ErrMisaligned = commitlog.ErrMisaligned
)

// FileError is a file of the store that cannot be right: Open fails with it.
type FileError = commitlog.FileError

// Unit is an entry of a consume queue.
type Unit = cqueue.Unit

// queue looks a queue up for reading; nil when there is none or it is unreadable,
// which is logged.
func (s *Store) queue(topic string, id int32) *cqueue.Queue {
	q, err := s.queues.Lookup(topic, id)
	if err != nil {
		s.cfg.Logger.Error("consume queue cannot be read", "topic", topic, "queue", id, "error", err)
		return nil
	}
	return q
}

// MaxOffset is the offset that the next message of a queue gets; 0 for a queue
// that does not exist.
func (s *Store) MaxOffset(topic string, id int32) int64 {
	if q := s.queue(topic, id); q != nil {
		return q.Max()
	}
	return 0
}

// MinOffset is the offset of the oldest message of a queue that is still there,
// MaxOffset when none is.
func (s *Store) MinOffset(topic string, id int32) int64 {
	q := s.queue(topic, id)
	if q == nil {
		return 0
	}
	off, err := q.Min()
	if err != nil {
		s.cfg.Logger.Error("consume queue cannot be read", "topic", topic, "queue", id, "error", err)
	}
	return off
}

// OffsetByTime finds a message by its store time in ms: the first that is not
// older, or with upper the last that is not newer. Beyond the ends it is the
// nearest offset: MaxOffset, or with upper the last message.
func (s *Store) OffsetByTime(topic string, id int32, ms int64, upper bool) int64 {
	q := s.queue(topic, id)
	if q == nil {
		return 0
	}
	limit := ms
	if upper {
		limit = ms + 1
	}
	off, err := q.First(func(u Unit) (bool, error) {
		t, err := s.log.StoreTime(u.Phy)
		if errors.Is(err, ErrNotFound) {
			return false, nil // removed: older than anything
		}
		if errors.Is(err, ErrMisaligned) { // damage that a repair has closed: as old as what follows
			next, found, nerr := s.log.Next(u.Phy, u.Phy+maxTimeSearch, 0, s.record)
			return !found || next.StoreTime >= limit, nerr
		}
		return t >= limit, err
	})
	if err != nil {
		s.cfg.Logger.Error("search by time", "topic", topic, "queue", id, "error", err)
		return 0
	}
	if upper {
		return max(off-1, s.MinOffset(topic, id))
	}
	return off
}

// maxTimeSearch is how far, in bytes, a damaged record is searched for the next
// good one: more than a message and its neighbours.
const maxTimeSearch = 16 << 20

// StoreTimeAt is the store time in ms of the message at a queue offset; ok is
// false when there is none.
func (s *Store) StoreTimeAt(topic string, id int32, off int64) (ms int64, ok bool) {
	units := s.Units(topic, id, off, 1)
	if len(units) == 0 {
		return 0, false
	}
	ms, err := s.log.StoreTime(units[0].Phy)
	return ms, err == nil
}

// EarliestStoreTime is the store time in ms of the oldest message of the store,
// -1 when it is empty.
func (s *Store) EarliestStoreTime() int64 {
	ms, err := s.log.StoreTime(s.log.Min())
	if err != nil {
		return -1
	}
	return ms
}

// maxUnits bounds what Units returns.
const maxUnits = 1024

// Units returns up to n (at most 1024) entries of a queue from an offset on.
func (s *Store) Units(topic string, id int32, from int64, n int) []Unit {
	q := s.queue(topic, id)
	if q == nil || n <= 0 {
		return nil
	}
	units := make([]Unit, min(n, maxUnits))
	got := 0
	for got < len(units) {
		k, err := q.Read(units[got:], from)
		if err != nil {
			s.cfg.Logger.Error("consume queue cannot be read", "topic", topic, "queue", id, "error", err)
		}
		if k == 0 {
			break
		}
		s.resolveTags(q, units[got:got+k])
		got += k
		from = units[got-1].End(from + int64(k) - 1)
	}
	return units[:got]
}

// Queues lists the ids of a topic's queues, ascending.
func (s *Store) Queues(topic string) []int32 {
	ids, err := s.queues.IDs(topic)
	if err != nil {
		s.cfg.Logger.Error("consume queues cannot be listed", "topic", topic, "error", err)
	}
	return ids
}

// TopicCount is how many topics have queues in memory.
func (s *Store) TopicCount() int { return s.queues.Len() }

// Topics lists the topics that have queues, sorted.
func (s *Store) Topics() ([]string, error) { return s.queues.Topics() }

// DeleteTopic removes the queues of topics. Their records stay in the log until
// they expire. The checkpoint that follows keeps a recovery from bringing the
// queues back.
func (s *Store) DeleteTopic(topics ...string) error {
	var errs []error
	for _, topic := range topics {
		if err := s.forgetKept(topic); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.queues.Delete(topic), s.forgetFloors(topic))
	}
	return errors.Join(append(errs, s.noteNoQueues(), s.Checkpoint())...)
}

// Record appends the whole record at a physical offset to dst, or fails with
// ErrNotFound or ErrMisaligned.
func (s *Store) Record(phy int64, dst []byte) ([]byte, error) { return s.log.Record(phy, dst) }

// QueryIndex returns physical offsets, ascending, of at most limit messages of a
// topic whose UNIQ_KEY or one of whose KEYS hashes like key, stored between
// begin and end (ms). The records must be compared with the key.
func (s *Store) QueryIndex(topic, key string, limit int, begin, end int64) []int64 {
	if s.index == nil {
		return nil
	}
	return s.index.Query(index.Hash(topic, key), limit, begin, end)
}

// IndexLast is store time (ms) and physical offset of the newest indexed message.
func (s *Store) IndexLast() (ms, phy int64) {
	if s.index == nil {
		return 0, 0
	}
	return s.index.Last()
}

// LogMin is the physical offset of the first byte of the log.
func (s *Store) LogMin() int64 { return s.log.Min() }

// LogMax is the physical offset behind the last visible record.
func (s *Store) LogMax() int64 { return s.log.End() }

// Flushed is the physical offset below which everything is durable.
func (s *Store) Flushed() int64 { return s.log.Synced() }

// Stats are counts since the store was opened.
type Stats struct {
	Puts, PutBytes, PutsFailed   int64
	Gets, GetsMissed, GetBytes   int64
	QueueUnitsInMemory           int64
	LogMin, LogMax, LogFlushed   int64
	Disk                         vfs.Usage
	DiskError                    error
	Recovery                     Recovery
	CheckpointTime, CheckpointAt int64 // store time in ms and offset of the last checkpoint
}

// Stats returns the counts of this moment.
func (s *Store) Stats() Stats {
	usage, err := s.cfg.FS.Usage(s.cfg.Dir)
	c, _ := s.claimed()
	return Stats{
		Puts: s.counters.puts.Load(), PutBytes: s.counters.putBytes.Load(), PutsFailed: s.counters.putsFailed.Load(),
		Gets: s.counters.gets.Load(), GetsMissed: s.counters.getsMissed.Load(), GetBytes: s.counters.getBytes.Load(),
		QueueUnitsInMemory: s.queues.Unwritten(),
		LogMin:             s.LogMin(), LogMax: s.LogMax(), LogFlushed: s.Flushed(),
		Disk: usage, DiskError: err, Recovery: s.recovery, CheckpointTime: c.LogTime, CheckpointAt: c.QueueOffset,
	}
}

// HasBatchQueues tells whether the queues of a topic are batch queues.
func (s *Store) HasBatchQueues(topic string) bool {
	ids, err := s.queues.batch.IDs(topic)
	return err == nil && len(ids) > 0
}
