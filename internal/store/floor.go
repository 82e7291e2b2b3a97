package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/vfs"
)

// A queue's floor is an offset of the log: messages before it are not shown any
// more, although the log has them until their file goes. Purges raise it for good
// and keep it in a file; a topic's own retention raises it as time passes. Because
// the log only grows, a floor never hides what comes later, also not when the topic
// is deleted and made again, whoever does that.

// floorsFile is below the store's directory. Java ignores it.
const floorsFile = "config/queueFloors.json"

type floors struct {
	sync.Mutex                                      // held while the file is written
	purged     atomic.Pointer[map[cqueue.Key]int64] // the map never changes
	reserve    func() map[string]time.Duration
	oldest     map[string]int64 // no message of a topic that is shown is older, in ms
}

// floorEntry is a queue in the file.
type floorEntry struct {
	Topic          string `json:"topic"`
	QueueID        int32  `json:"queueId"`
	PhysicalOffset int64  `json:"physicalOffset"`
}

// loadFloors reads what was purged. Before the log's end is known.
func (s *Store) loadFloors() error {
	purged := make(map[cqueue.Key]int64)
	s.floors.purged.Store(&purged)
	s.floors.oldest = make(map[string]int64)
	err := vfs.LoadFile(s.cfg.FS, s.cfg.path(floorsFile), func(data []byte) error {
		var entries []floorEntry
		if err := json.Unmarshal(data, &entries); err != nil {
			return err
		}
		clear(purged)
		for _, e := range entries {
			purged[cqueue.Key{Topic: e.Topic, ID: e.QueueID}] = e.PhysicalOffset
		}
		return nil
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// checkFloors lowers floors behind the end of the log, which lost what was purged:
// they must not hide what is stored there next.
func (s *Store) checkFloors() error {
	s.floors.Lock()
	defer s.floors.Unlock()
	next := maps.Clone(*s.floors.purged.Load())
	for k, phy := range next {
		next[k] = min(phy, s.log.End())
	}
	if maps.Equal(next, *s.floors.purged.Load()) {
		return nil
	}
	return s.saveFloorsLocked(next)
}

// saveFloorsLocked replaces the file, without queues of which the log has nothing
// left to hide.
func (s *Store) saveFloorsLocked(next map[cqueue.Key]int64) error {
	entries := make([]floorEntry, 0, len(next))
	for k, phy := range next {
		if phy <= s.log.Min() {
			delete(next, k)
			continue
		}
		entries = append(entries, floorEntry{k.Topic, k.ID, phy})
	}
	slices.SortFunc(entries, func(a, b floorEntry) int {
		if a.PhysicalOffset != b.PhysicalOffset {
			return int(min(max(a.PhysicalOffset-b.PhysicalOffset, -1), 1))
		}
		return int(a.QueueID - b.QueueID)
	})
	data, err := json.MarshalIndent(entries, "", "\t")
	if err != nil {
		return err
	}
	if err := vfs.ReplaceFile(s.cfg.FS, filepath.Clean(s.cfg.path(floorsFile)), data); err != nil {
		return err
	}
	s.floors.purged.Store(&next)
	return nil
}

// floorOf is the floor with which a queue is opened.
func (s *Store) floorOf(k cqueue.Key) int64 { return (*s.floors.purged.Load())[k] }

// Purged is what a purge took from sight in a queue: the messages [Min, Max).
type Purged struct {
	QueueID  int32
	Min, Max int64
}

// Purge takes from sight what the given queues of a topic hold, all queues when
// ids is nil: for every reader, for good. Numbering goes on, and the space comes
// back when the log's files go. It is durable when Purge returns.
func (s *Store) Purge(topic string, ids []int32) ([]Purged, error) {
	if ids == nil {
		ids = s.Queues(topic)
	}
	queues := make([]*cqueue.Queue, 0, len(ids))
	done := make([]Purged, 0, len(ids))
	for _, id := range ids {
		q, err := s.queues.Lookup(topic, id)
		if err != nil {
			return nil, err
		}
		if q == nil {
			continue
		}
		low, err := q.Min()
		if err != nil {
			return nil, err
		}
		queues = append(queues, q)
		done = append(done, Purged{QueueID: id, Min: low})
	}
	if len(queues) == 0 {
		return done, nil
	}
	end, err := s.raiseFloors(queues)
	if err != nil {
		return nil, fmt.Errorf("purge of topic %s: %w", topic, err)
	}
	for i, q := range queues {
		q.Hide(end)
		if done[i].Max, err = q.Min(); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// raiseFloors notes that all records of these queues up to now are purged. They are
// synced before: after a power cut the floor must not be behind the log's end.
func (s *Store) raiseFloors(queues []*cqueue.Queue) (end int64, err error) {
	s.floors.Lock()
	defer s.floors.Unlock()
	end = s.log.End()
	if err := s.FlushLog(); err != nil {
		s.fence(err)
	}
	if e := s.fenced.Load(); e != nil {
		return 0, e
	}
	next := maps.Clone(*s.floors.purged.Load())
	for _, q := range queues {
		next[q.Key()] = end
	}
	return end, s.saveFloorsLocked(next)
}

// forgetFloors drops the floors of a topic that is deleted.
func (s *Store) forgetFloors(topic string) error {
	s.floors.Lock()
	defer s.floors.Unlock()
	delete(s.floors.oldest, topic)
	next := maps.Clone(*s.floors.purged.Load())
	known := len(next)
	if maps.DeleteFunc(next, func(k cqueue.Key, _ int64) bool { return k.Topic == topic }); len(next) == known {
		return nil
	}
	return s.saveFloorsLocked(next)
}

// SetReserve sets what gives the topics whose messages are shown for a limited time
// only (topic attribute reserve.time), and applies it.
func (s *Store) SetReserve(ctx context.Context, f func() map[string]time.Duration) error {
	s.floors.Lock()
	s.floors.reserve = f
	s.floors.Unlock()
	return s.Expire(ctx)
}

// Expire takes from sight the messages that are older than their topic says. The
// store does it every CleanInterval.
func (s *Store) Expire(ctx context.Context) error {
	s.floors.Lock()
	f := s.floors.reserve
	s.floors.Unlock()
	if f == nil {
		return nil
	}
	var errs []error
	for topic, age := range f() {
		if err := s.expire(ctx, topic, s.millis()-age.Milliseconds()); err != nil {
			errs = append(errs, fmt.Errorf("reserve.time of topic %s: %w", topic, err))
		}
	}
	return errors.Join(errs...)
}

// expire hides what is older than cutoff, in ms, in all queues of a topic.
func (s *Store) expire(ctx context.Context, topic string, cutoff int64) error {
	s.floors.Lock()
	oldest := s.floors.oldest[topic]
	s.floors.Unlock()
	if cutoff <= oldest {
		return nil
	}
	oldest = s.millis() // what comes from now on
	for _, id := range s.Queues(topic) {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := s.expireQueue(topic, id, cutoff)
		if err != nil {
			return fmt.Errorf("queue %d: %w", id, err)
		}
		oldest = min(oldest, t)
	}
	s.floors.Lock()
	s.floors.oldest[topic] = oldest
	s.floors.Unlock()
	return nil
}

// expireQueue hides what is older than cutoff and tells the store time of the first
// message after that, the present without one.
func (s *Store) expireQueue(topic string, id int32, cutoff int64) (oldest int64, err error) {
	oldest = s.millis()
	q, err := s.queues.Lookup(topic, id)
	if q == nil || err != nil {
		return oldest, err
	}
	end := s.log.End() // before the search: what comes later is not expired
	first, err := q.First(func(u Unit) (bool, error) {
		if !s.plausible(u, end) {
			return true, nil // damaged: to be on the safe side it hides nothing
		}
		t, err := s.log.StoreTime(u.Phy)
		switch {
		case errors.Is(err, ErrNotFound):
			return false, nil // removed: older than anything
		case errors.Is(err, ErrMisaligned):
			return true, nil
		}
		return t >= cutoff, err
	})
	if err != nil {
		return oldest, err
	}
	floor := end
	if units := s.Units(topic, id, first, 1); len(units) > 0 {
		floor = min(end, units[0].Phy)
		if t, err := s.log.StoreTime(units[0].Phy); err == nil {
			oldest = t
		}
	}
	q.Hide(floor)
	return oldest, nil
}

// FloorOffset is the offset of the first message of a queue that was not purged
// and is not older than its topic says, 0 when none ever was.
func (s *Store) FloorOffset(topic string, id int32) int64 {
	if q := s.queue(topic, id); q == nil || q.Floor() == 0 {
		return 0
	}
	return s.MinOffset(topic, id)
}

// Hidden tells whether the record of a queue at a physical offset was purged or is
// older than its topic says.
func (s *Store) Hidden(topic string, id int32, phy int64) bool {
	q := s.queue(topic, id)
	return q != nil && phy < q.Floor()
}
