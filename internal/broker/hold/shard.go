package hold

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// shard is the part of the table for some of the queues.
type shard struct {
	t      *Table
	signal chan struct{} // one token: there may be something to do

	mu struct {
		sync.Mutex
		queues map[queueKey]queue
		conns  map[uint64]conn
		due    deadlines
		ready  []*Request
		alarm  time.Time // when the goroutine's timer rings; zero: not running
		closed bool
	}
}

type conn struct {
	first *Request
	count int
}

// queue has the requests of a queue, the newest first.
type queue struct {
	first, last *Request
	count       int
}

func newShard(t *Table) *shard {
	s := &shard{t: t, signal: make(chan struct{}, 1)}
	s.mu.queues = make(map[queueKey]queue)
	s.mu.conns = make(map[uint64]conn)
	return s
}

func (s *shard) park(r *Request) error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	c := s.mu.conns[r.Conn]
	if c.count >= s.t.cfg.MaxPerConn {
		s.mu.Unlock()
		return fmt.Errorf("%w: %d, the limit", ErrConnFull, s.t.cfg.MaxPerConn)
	}
	r.Reason = 0
	k := queueKey{r.Topic, r.QueueID}
	q := s.mu.queues[k]
	if r.queueNext = q.first; r.queueNext != nil {
		r.queueNext.queuePrev = r
	} else {
		q.last = r
	}
	s.mu.queues[k] = queue{r, q.last, q.count + 1}
	if r.connNext = c.first; r.connNext != nil {
		r.connNext.connPrev = r
	}
	s.mu.conns[r.Conn] = conn{first: r, count: c.count + 1}
	heap.Push(&s.mu.due, r)
	early := s.mu.alarm.IsZero() || r.Deadline.Before(s.mu.alarm)
	s.mu.Unlock()
	if early {
		s.notify()
	}
	return nil
}

func (s *shard) arrive(k queueKey, offset, tagsCode int64) {
	s.mu.Lock()
	found := false
	for r := s.mu.queues[k].first; r != nil; {
		next := r.queueNext
		if r.Offset <= offset && (r.Filter == nil || r.Filter.MatchTags(tagsCode)) {
			s.readyLocked(r, Arrived)
			found = true
		}
		r = next
	}
	s.mu.Unlock()
	if found {
		s.notify()
	}
}

func (s *shard) wake(k queueKey, end int64) {
	s.mu.Lock()
	found := s.wakeLocked(s.mu.queues[k].first, end, Arrived)
	s.mu.Unlock()
	if found {
		s.notify()
	}
}

func (s *shard) wakeOne(k queueKey, tagsCode int64, force bool) (found bool) {
	s.mu.Lock()
	for r := s.mu.queues[k].last; r != nil; r = r.queuePrev {
		if force || r.Filter == nil || r.Filter.MatchTags(tagsCode) {
			s.readyLocked(r, Arrived)
			found = true
			break
		}
	}
	s.mu.Unlock()
	if found {
		s.notify()
	}
	return found
}

func (s *shard) countOf(k queueKey) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.queues[k].count
}

func (s *shard) wakeAll() {
	s.mu.Lock()
	found := false
	for len(s.mu.due) > 0 {
		found = s.wakeLocked(s.mu.due[0], math.MaxInt64, Woken) || found
	}
	s.mu.Unlock()
	if found {
		s.notify()
	}
}

// wakeLocked makes ready the requests of one queue, from first on, that wait
// for an entry before end.
func (s *shard) wakeLocked(first *Request, end int64, why Reason) (found bool) {
	for r := first; r != nil; {
		next := r.queueNext
		if r.Offset < end {
			s.readyLocked(r, why)
			found = true
		}
		r = next
	}
	return found
}

func (s *shard) closeConn(id uint64) {
	s.mu.Lock()
	var dropped *Request // linked by connNext
	for r := s.mu.conns[id].first; r != nil; r = s.mu.conns[id].first {
		s.removeLocked(r)
		r.connNext, dropped = dropped, r
	}
	s.mu.Unlock()
	s.drop(dropped)
}

func (s *shard) close() {
	s.mu.Lock()
	s.mu.closed = true
	var dropped *Request
	for len(s.mu.due) > 0 {
		r := s.mu.due[0]
		s.removeLocked(r)
		r.connNext, dropped = dropped, r
	}
	for _, r := range s.mu.ready { // nobody runs these any more
		r.connNext, dropped = dropped, r
	}
	s.mu.ready = nil
	s.mu.Unlock()
	s.drop(dropped)
}

func (s *shard) drop(list *Request) {
	for r := list; r != nil; {
		next := r.connNext
		r.connNext = nil
		s.t.cfg.Dropped(r)
		r = next
	}
}

func (s *shard) readyLocked(r *Request, why Reason) {
	s.removeLocked(r)
	r.Reason = why
	s.mu.ready = append(s.mu.ready, r)
}

// removeLocked takes r out of the queue's list, the connection's list and the heap.
func (s *shard) removeLocked(r *Request) {
	k := queueKey{r.Topic, r.QueueID}
	q := s.mu.queues[k]
	q.count--
	if r.queueNext != nil {
		r.queueNext.queuePrev = r.queuePrev
	} else {
		q.last = r.queuePrev
	}
	if r.queuePrev != nil {
		r.queuePrev.queueNext = r.queueNext
	} else {
		q.first = r.queueNext
	}
	if q.count > 0 {
		s.mu.queues[k] = q
	} else {
		delete(s.mu.queues, k)
	}
	c := s.mu.conns[r.Conn]
	c.count--
	if r.connNext != nil {
		r.connNext.connPrev = r.connPrev
	}
	if r.connPrev != nil {
		r.connPrev.connNext = r.connNext
	} else {
		c.first = r.connNext
	}
	if c.count == 0 {
		delete(s.mu.conns, r.Conn)
	} else {
		s.mu.conns[r.Conn] = c
	}
	heap.Remove(&s.mu.due, r.heapIndex)
	r.queueNext, r.queuePrev, r.connNext, r.connPrev = nil, nil, nil, nil
	s.t.parked.Add(-1)
}

func (s *shard) notify() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// run hands requests out until ctx ends.
func (s *shard) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var batch []*Request
	rang := true
	for {
		var wait time.Duration
		batch, wait = s.next(batch[:0], rang)
		rang = false
		if len(batch) > 0 {
			s.t.cfg.Resume(batch)
			clear(batch)
			continue
		}
		if wait != leaveTimer {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.signal:
		case <-timer.C:
			rang = true
		}
	}
}

// leaveTimer is next's answer when the timer is off and shall stay so, or will
// ring early enough as it is. A request that leaves before its deadline does not
// touch the timer: it rings for nothing then, once, which is cheaper than
// setting it for every request that comes and goes.
const leaveTimer time.Duration = -1

// next takes what is ready or due, or tells how long the goroutine may sleep.
// rang says that the timer is not running.
func (s *shard) next(batch []*Request, rang bool) ([]*Request, time.Duration) {
	now := s.t.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if rang {
		s.mu.alarm = time.Time{}
	}
	for len(s.mu.due) > 0 && !s.mu.due[0].Deadline.After(now) {
		s.readyLocked(s.mu.due[0], Expired)
	}
	if len(s.mu.ready) > 0 {
		batch, s.mu.ready = s.mu.ready, batch
		return batch, 0
	}
	if len(s.mu.due) == 0 {
		return batch, leaveTimer
	}
	first := s.mu.due[0].Deadline
	if !s.mu.alarm.IsZero() && !first.Before(s.mu.alarm) {
		return batch, leaveTimer
	}
	s.mu.alarm = first
	return batch, first.Sub(now)
}
