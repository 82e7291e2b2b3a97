package lite

import (
	"context"
	"errors"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

const (
	// emptyScans is on how many scans in a row a queue must have no message to be
	// deleted: it may be made for one that is on its way.
	emptyScans = 6
	// deleteBatch bounds the queues that are deleted together.
	deleteBatch = 256
	// expiryPause is between two pieces of a scan, so that a million queues do not
	// keep a processor and the disk busy.
	expiryPause = 2 * time.Millisecond
)

// runExpiry reads the names of the queues once and then looks for expired ones
// periodically, not before the broker has run as long as the shortest lifetime.
func (s *Service) runExpiry(ctx context.Context) error {
	if queues, err := s.cfg.Listed(); err == nil {
		s.Load(queues)
	} else if !errors.Is(err, ctx.Err()) {
		return err
	}
	for {
		limits := s.cfg.Limits()
		wait := limits.ExpiryCheck
		if young := limits.MinTTL - s.cfg.Now().Sub(s.started); young > 0 {
			wait = min(young, wait)
		} else if err := s.Expire(ctx); err != nil {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Expire looks at all queues once, in pieces, and deletes lite topics that have been
// empty on several scans or have got no message for longer than their parent says.
// Whether groups have consumed it all does not count, as in Java; what they have not
// is counted.
func (s *Service) Expire(ctx context.Context) error {
	lifetimes := make(map[string]time.Duration) // of the parents seen
	for from := 0; ; from += pieceSize {
		queues, more := s.candidates(from, lifetimes)
		if !more {
			return nil
		}
		for len(queues) > 0 {
			n := min(len(queues), deleteBatch)
			s.expire(queues[:n], lifetimes)
			queues = queues[n:]
		}
		if err := pause(ctx, expiryPause); err != nil {
			return err
		}
	}
}

// candidate is a queue that may have expired.
type candidate struct {
	topic
	parent string
}

// candidates are the queues of a piece of the list that may have expired; more says
// that the piece is not behind the end.
func (s *Service) candidates(from int, lifetimes map[string]time.Duration) (out []candidate, more bool) {
	s.eachPiece(from, func(piece []topic) bool {
		more = true
		for i := range piece {
			t := &piece[i]
			parent, _, ok := protocol.SplitLiteQueueName(t.name)
			if !ok {
				continue
			}
			ttl, known := lifetimes[parent]
			if !known {
				ttl, _ = s.cfg.TTL(parent)
				lifetimes[parent] = ttl
			}
			if s.mayExpire(t, ttl) {
				out = append(out, candidate{*t, parent})
			}
		}
		return false
	})
	return out, more
}

// mayExpire tells by what is in memory whether a queue may have expired. A scan
// counts for an empty one.
func (s *Service) mayExpire(t *topic, ttl time.Duration) bool {
	switch t.last {
	case none:
		t.empty = min(t.empty+1, emptyScans)
		return t.empty >= emptyScans
	case unread:
		return ttl > 0
	default:
		return s.tooOld(t.last, ttl)
	}
}

func (s *Service) tooOld(last int64, ttl time.Duration) bool {
	age := time.Duration(s.cfg.Now().UnixMilli()-last) * time.Millisecond
	return ttl > 0 && age > ttl && age >= s.cfg.Limits().MinTTL
}

// expire deletes those of the queues that have expired indeed.
func (s *Service) expire(queues []candidate, lifetimes map[string]time.Duration) {
	var old []candidate
	var idle []Idle
	for _, c := range queues {
		end := s.cfg.MaxOffset(c.name)
		switch {
		case c.last == none && end > 0: // told of it any moment
			continue
		case c.last == unread && end == 0:
			s.note(c.name, none)
			continue
		case c.last == unread:
			at, ok := s.cfg.StoredAt(c.name, end)
			if !ok { // the record is gone with its log file: older than anything
				at = 1
			}
			s.note(c.name, at)
			c.last = at
			if !s.tooOld(at, lifetimes[c.parent]) {
				continue
			}
		}
		old = append(old, c)
		idle = append(idle, Idle{c.name, end})
	}
	if len(idle) == 0 {
		return
	}
	for i, deleted := range s.cfg.Delete(idle) {
		if deleted {
			s.expired(old[i], idle[i].End)
		}
	}
}

// note fills in what was not known of a queue.
func (s *Service) note(queue string, last int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.mu.topics.index[queue]; ok && s.mu.topics.list[i].last == unread {
		s.mu.topics.list[i].last = last
	}
}

// expired forgets a queue that was deleted when it ended at end. Messages that came
// meanwhile begin a new queue, which stays known.
func (s *Service) expired(c candidate, end int64) {
	groups := s.cfg.Groups(c.parent)
	s.mu.Lock()
	defer s.mu.Unlock()
	var unconsumed int64
	for _, group := range groups {
		if at, ok := s.cfg.Committed(group, c.name); ok && at < end {
			unconsumed += end - at
		}
		s.cfg.Forgotten(group, c.name)
	}
	if end == 0 {
		s.mu.counts.Emptied++
	} else {
		s.mu.counts.Expired++
		s.mu.counts.Unconsumed += unconsumed
	}
	i, ok := s.mu.topics.index[c.name]
	if ok && s.mu.topics.list[i].last > c.last {
		return // a message came
	}
	s.forgetLocked(c.name, groups)
}
