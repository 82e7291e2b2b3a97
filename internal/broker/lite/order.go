package lite

import (
	"container/heap"
	"slices"
	"strconv"
	"time"
)

// MaxOut is how many messages one pop takes from one queue at most.
const MaxOut = 32

// maxOrders bounds the pairs of a group and a queue with messages out.
const maxOrders = 1 << 20

// orderIdle is after which time what nobody acknowledged is forgotten; by then it
// has long been visible again.
const orderIdle = 24 * time.Hour

// orderKey names what is out of a queue for a group.
type orderKey struct{ group, queue string }

// orders is what is out, and when it becomes visible again.
type orders struct {
	table map[orderKey]*order
	due   dueOrders
}

// order is the messages of a queue that are out for a group. It stays when their
// time is over, so that the next pop knows how often each was handed out.
type order struct {
	key       orderKey
	attempt   string
	popTime   int64 // ms
	invisible int64 // ms
	offsets   []int64
	acked     uint64  // bit i: offsets[i] is acknowledged
	visible   []int64 // ms at which a message is visible; 0: popTime+invisible. Nil: all 0
	counts    []int32 // how often a message was handed out before. Nil: all 0

	busy   bool // a pop reads the queue
	again  bool // and another one wanted to
	reset  bool // the offset was reset meanwhile
	due    int64
	dueAt  int // in orders.due, -1: not there
	opened int64
}

// get gives an order, made when missing; nil when there are too many.
func (o *orders) get(k orderKey) *order {
	e := o.table[k]
	if e == nil && len(o.table) < maxOrders {
		e = &order{key: k, dueAt: -1}
		o.table[k] = e
	}
	return e
}

func (o *orders) drop(e *order) {
	o.setDue(e, 0)
	delete(o.table, e.key)
}

// forget drops an order, or has the pop that is reading the queue do it.
func (o *orders) forget(k orderKey) {
	e := o.table[k]
	if e == nil {
		return
	}
	o.setDue(e, 0)
	if e.busy {
		*e = order{key: k, busy: true, again: e.again, reset: true, dueAt: -1}
		return
	}
	o.drop(e)
}

// setDue has the driver look at e at a time in ms; 0: never.
func (o *orders) setDue(e *order, at int64) {
	e.due = at
	switch {
	case at == 0 && e.dueAt >= 0:
		heap.Remove(&o.due, e.dueAt)
	case at != 0 && e.dueAt >= 0:
		heap.Fix(&o.due, e.dueAt)
	case at != 0:
		heap.Push(&o.due, e)
	}
}

// next is when the first order becomes visible.
func (o *orders) next() (time.Time, bool) {
	if len(o.due) == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(o.due[0].due), true
}

// visibleAt is when all that is not acknowledged is visible again: the queue is
// blocked until then. 0: nothing is out.
func (e *order) visibleAt() (at int64) {
	for i := range e.offsets {
		if e.acked&(1<<i) != 0 {
			continue
		}
		v := e.popTime + e.invisible
		if e.visible != nil && e.visible[i] != 0 {
			v = e.visible[i]
		}
		at = max(at, v)
	}
	return at
}

func (e *order) empty() bool { return len(e.offsets) == 0 }

func (e *order) allAcked() bool { return e.acked == 1<<len(e.offsets)-1 }

// next is the first offset that is not acknowledged.
func (e *order) next() int64 {
	for i, offset := range e.offsets {
		if e.acked&(1<<i) == 0 {
			return offset
		}
	}
	return e.offsets[len(e.offsets)-1] + 1
}

// replace makes e what a new pop took. What was out before is counted, unless the
// same attempt asks again.
func (e *order) replace(attempt string, popTime, invisible int64, offsets []int64) {
	counts := make([]int32, len(offsets))
	same := e.attempt != "" && e.attempt == attempt
	for i, offset := range offsets {
		k := slices.Index(e.offsets, offset)
		if k < 0 {
			continue
		}
		if e.counts != nil {
			counts[i] = e.counts[k]
		}
		if !same {
			counts[i]++
		}
	}
	if slices.Max(counts) == 0 {
		counts = nil
	}
	e.attempt, e.popTime, e.invisible, e.opened = attempt, popTime, invisible, popTime
	e.offsets, e.acked, e.visible, e.counts = slices.Clone(offsets), 0, nil, counts
}

// appendCounts appends how often each message was handed out before, separated by
// semicolons: "0 qo0%offset count" for those that were, or a 0 for each when none
// was [PopLiteMessageProcessor.transformOrderCountInfo].
func (e *order) appendCounts(dst []byte) []byte {
	sep := func() {
		if len(dst) > 0 {
			dst = append(dst, ';')
		}
	}
	if e.counts == nil {
		for range e.offsets {
			sep()
			dst = append(dst, '0')
		}
		return dst
	}
	for i, n := range e.counts {
		sep()
		if n == 0 { // Java leaves these out, and its client then takes the count of another message
			dst = append(dst, '0')
			continue
		}
		dst = append(dst, "0 qo0%"...)
		dst = strconv.AppendInt(dst, e.offsets[i], 10)
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	return dst
}

// Outcome says what Begin found.
type Outcome uint8

// The outcomes of Begin.
const (
	Ready   Outcome = iota // read, and call Finish or End
	Blocked                // messages are out, or another pop is reading; an event follows
	Full                   // too many queues have messages out
)

// Begin lets a pop read a queue, unless messages of it are out. The same attempt may
// ask again for what it was given.
func (s *Service) Begin(group, queue, attempt string) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.orders.get(orderKey{group, queue})
	switch {
	case e == nil:
		return Full
	case e.busy:
		e.again = true
		return Blocked
	case e.attempt != "" && e.attempt == attempt:
	case s.cfg.Now().UnixMilli() < e.visibleAt():
		return Blocked
	}
	e.busy, e.reset = true, false
	return Ready
}

// End ends a read that found nothing, or failed.
func (s *Service) End(group, queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.mu.orders.table[orderKey{group, queue}]; e != nil {
		s.endLocked(e)
	}
}

// retryTime is after which a queue that could not be read is an event again.
const retryTime = time.Second

// Retry is End for a queue that could not be read, or not to where a message is: it
// is an event again soon.
func (s *Service) Retry(group, queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.orders.table[orderKey{group, queue}]
	if e == nil {
		return
	}
	e.busy, e.again = false, false
	at := s.cfg.Now().Add(retryTime)
	s.mu.orders.setDue(e, at.UnixMilli())
	s.dueLocked(at)
}

// Clear makes the pop that is reading a queue begin anew: nothing was out.
func (s *Service) Clear(group, queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.mu.orders.table[orderKey{group, queue}]; e != nil && e.busy {
		s.mu.orders.setDue(e, 0)
		*e = order{key: e.key, busy: true, again: e.again, dueAt: -1}
	}
}

func (s *Service) endLocked(e *order) {
	again := e.again
	e.busy, e.again = false, false
	if e.empty() {
		s.mu.orders.drop(e)
	}
	if again {
		s.againLocked(e.key.group, e.key.queue)
	}
}

// Taken is what a pop read from a queue.
type Taken struct {
	Group, Queue, Attempt string // kept
	From                  int64  // the committed offset at which it read
	PopTime, Invisible    int64  // ms
	Offsets               []int64
}

// Finish notes what a pop takes out, and appends the counts of its messages to dst.
// It fails when the committed offset moved meanwhile: then the pop has to read again,
// and call Finish or End.
func (s *Service) Finish(t Taken, dst []byte) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.orders.table[orderKey{t.Group, t.Queue}]
	if e == nil || !e.busy || e.reset || len(t.Offsets) == 0 || len(t.Offsets) > MaxOut {
		if e != nil {
			e.reset = false
		}
		return dst, false
	}
	if at, ok := s.cfg.Committed(t.Group, t.Queue); ok && at != t.From {
		return dst, false
	}
	e.replace(t.Attempt, t.PopTime, max(t.Invisible, 0), t.Offsets)
	s.rescheduleLocked(e)
	e.busy, e.again = false, false // who wanted it comes when it is visible
	return e.appendCounts(dst), true
}

// rescheduleLocked sets when e is looked at.
func (s *Service) rescheduleLocked(e *order) {
	at := e.visibleAt()
	s.mu.orders.setDue(e, at)
	if at != 0 {
		s.dueLocked(time.UnixMilli(at))
	}
}

// AckResult says what became of an acknowledgement.
type AckResult uint8

// The outcomes of Ack.
const (
	Acked   AckResult = iota
	Ignored           // was acknowledged before, or of an earlier pop: it comes again
	Unknown           // not a message of that pop
)

// Ack notes that a message was consumed and commits how far the group is. A queue
// of which nothing is out any more is an event.
func (s *Service) Ack(group, queue string, offset, popTime int64) AckResult {
	end := s.cfg.MaxOffset(queue)
	s.mu.Lock()
	defer s.mu.Unlock()
	committed, known := s.cfg.Committed(group, queue)
	if known && offset < committed {
		return Ignored
	}
	e := s.mu.orders.table[orderKey{group, queue}]
	if e == nil || e.empty() {
		if popTime >= s.started.UnixMilli() || !known || offset != committed {
			return Ignored
		}
		s.cfg.Commit(group, queue, offset+1) // handed out by an earlier run
		if offset+1 < end {
			s.againLocked(group, queue)
		}
		return Acked
	}
	if popTime != e.popTime {
		return Ignored
	}
	i := slices.Index(e.offsets, offset)
	if i < 0 {
		return Unknown
	}
	e.acked |= 1 << i
	next := e.next()
	if next != committed || !known {
		s.cfg.Commit(group, queue, next)
	}
	s.rescheduleLocked(e)
	if e.allAcked() {
		if e.busy {
			*e = order{key: e.key, busy: true, again: e.again, dueAt: -1}
		} else {
			s.mu.orders.drop(e)
		}
	}
	if next < end && s.cfg.Now().UnixMilli() >= e.visibleAt() {
		s.againLocked(group, queue)
	}
	return Acked
}

// ChangeVisible makes a message that is out visible at another time in ms; with
// suspend it is all messages that are out of the queue, and they do not count as
// handed out once more.
func (s *Service) ChangeVisible(group, queue string, offset, popTime, at int64, suspend bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.orders.table[orderKey{group, queue}]
	if e == nil || e.popTime != popTime {
		return
	}
	if suspend {
		for i := range e.counts {
			e.counts[i] = max(e.counts[i]-1, 0)
		}
		e.visible, e.invisible = nil, at-popTime
	} else if i := slices.Index(e.offsets, offset); i >= 0 {
		if e.visible == nil {
			e.visible = make([]int64, len(e.offsets))
		}
		e.visible[i] = max(at, 1)
	}
	s.rescheduleLocked(e)
}

// Forget makes a group begin anew in a queue whose offset is reset.
func (s *Service) Forget(group, queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.orders.forget(orderKey{group, queue})
}

// Unblock makes events of the queues whose messages are visible again, and forgets
// what is out for very long.
func (s *Service) Unblock(now time.Time) {
	ms := now.UnixMilli()
	for more := true; more; {
		s.mu.Lock()
		for range pieceSize {
			if more = len(s.mu.orders.due) > 0 && s.mu.orders.due[0].due <= ms; !more {
				break
			}
			s.unblockLocked(s.mu.orders.due[0], ms)
		}
		s.mu.Unlock()
	}
}

func (s *Service) unblockLocked(e *order, ms int64) {
	o := &s.mu.orders
	if forgotten := e.opened + orderIdle.Milliseconds(); ms >= forgotten && !e.busy {
		o.drop(e)
	} else {
		o.setDue(e, max(forgotten, ms+1))
	}
	s.againLocked(e.key.group, e.key.queue)
}

// dueOrders is a heap (container/heap), the next due first.
type dueOrders []*order

func (d dueOrders) Len() int           { return len(d) }
func (d dueOrders) Less(i, j int) bool { return d[i].due < d[j].due }

func (d dueOrders) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].dueAt, d[j].dueAt = i, j
}

// Push implements heap.Interface.
func (d *dueOrders) Push(x any) {
	e := x.(*order)
	e.dueAt = len(*d)
	*d = append(*d, e)
}

// Pop implements heap.Interface.
func (d *dueOrders) Pop() any {
	last := len(*d) - 1
	e := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	e.dueAt = -1
	return e
}
