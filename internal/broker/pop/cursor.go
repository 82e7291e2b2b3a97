package pop

import (
	"sync"
	"sync/atomic"
)

// pair is a group and a topic that it pops, which may be a retry topic of it.
type pair struct {
	topic, group string
	normal       string // the topic, or that of the retry topic
	shard        *shard
	inflight     atomic.Int64 // messages that are lent

	mu struct {
		sync.Mutex
		cursors []*Cursor // by queue
	}
}

// Cursor is where a group is in a queue that it pops.
type Cursor struct {
	pair  *pair
	queue int32
	s     *Service

	popping atomic.Bool // somebody reads the queue for the group
	unlock  unlockTime  // guarded by Service.unlocks

	mu struct {
		sync.Mutex
		frontier
		lastStart, lastPop int64 // of the last reservation: names of leases must differ
		order              *orderInfo
		version            int64 // of order, see orderRecord
	}
}

// maxQueues bounds the cursors of a pair.
const maxQueues = 1 << 16

func (p *pair) cursor(s *Service, queue int32) *Cursor {
	if queue < 0 || queue >= maxQueues {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.mu.cursors) <= int(queue) {
		p.mu.cursors = append(p.mu.cursors, nil)
	}
	c := p.mu.cursors[queue]
	if c == nil {
		c = &Cursor{pair: p, queue: queue, s: s}
		c.mu.lastStart = -1
		p.mu.cursors[queue] = c
	}
	return c
}

// all lists the cursors of a pair.
func (p *pair) all() []*Cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*Cursor
	for _, c := range p.mu.cursors {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// Lock claims the queue for one pop, which reads it and then calls Unlock. It
// answers false when another one has it.
func (c *Cursor) Lock() bool { return c.popping.CompareAndSwap(false, true) }

// Locked tells whether a pop has the queue.
func (c *Cursor) Locked() bool { return c.popping.Load() }

// Unlock lets the next pop read.
func (c *Cursor) Unlock() { c.popping.Store(false) }

// Begin is where a pop begins to read, and the end of what it may take, -1 for
// none. ok is false when nobody knows where the group is: Jump must be called. The
// cursor must be locked.
func (c *Cursor) Begin() (start, end int64, ok bool) {
	off := c.s.cfg.Offsets
	c.mu.Lock()
	defer c.mu.Unlock()
	if offset, reset := off.TakeReset(c.pair.group, c.pair.topic, c.queue); reset {
		c.mu.jump(offset)
		c.clearOrderLocked()
		_ = off.Commit(c.pair.group, c.pair.topic, c.queue, offset) // it has been committed: nothing can fail
	}
	at, known := off.Query(c.pair.group, c.pair.topic, c.queue)
	if !known {
		return 0, 0, false
	}
	if !c.mu.known || at != c.mu.committed { // somebody else has set it
		c.mu.jump(at)
	}
	s := c.mu.begin()
	return s.start, s.next, true
}

// Peek is where the next pop would begin.
func (c *Cursor) Peek() (start int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.s.cfg.Offsets.Query(c.pair.group, c.pair.topic, c.queue)
	if !known || !c.mu.known || at != c.mu.committed {
		return at, known
	}
	return c.mu.begin().start, true
}

// Jump commits an offset as that of the next pop.
func (c *Cursor) Jump(offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.cfg.Offsets.Commit(c.pair.group, c.pair.topic, c.queue, offset) == nil {
		c.mu.jump(offset)
	}
}

// Skip passes over messages from start to before next, which the filter does not want.
func (c *Cursor) Skip(start, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.begin().start == start && next > start && c.mu.skip(span{start, next}) {
		c.commitLocked()
	}
}

func (c *Cursor) commitLocked() {
	// A reset that is pending refuses the commit, and the next pop takes the reset.
	_ = c.s.cfg.Offsets.Commit(c.pair.group, c.pair.topic, c.queue, c.mu.committed)
}

// Inflight is the number of messages of the group and topic that are lent.
func (c *Cursor) Inflight() int64 { return c.pair.inflight.Load() }

// reserve takes a span for a loan, unless the lease would have the name of the last one.
func (c *Cursor) reserve(i *loanItem, popTime int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.begin().start != i.span.start || c.mu.lastStart == i.span.start && c.mu.lastPop >= popTime {
		return false
	}
	c.mu.lastStart, c.mu.lastPop = i.span.start, popTime
	i.epoch, i.jump = c.mu.epoch, c.mu.fresh
	c.mu.fresh = false
	c.mu.reserve(&i.span)
	return true
}

// settle ends the reservation.
func (c *Cursor) settle(i *loanItem, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i.epoch == c.mu.epoch && c.mu.done(&i.span, ok) {
		c.commitLocked()
	}
}
