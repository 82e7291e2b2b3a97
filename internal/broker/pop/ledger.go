package pop

import (
	"container/heap"
	"math/bits"
	"strconv"
	"sync/atomic"
)

// leaseKey names a lease: Java's merge key without the broker's name.
type leaseKey struct {
	pair    *pair
	queue   int32
	start   int64
	popTime int64
}

// place is a message of a queue for a group.
type place struct {
	pair   *pair
	queue  int32
	offset int64
}

// lease is the messages of one check point.
type lease struct {
	key       leaseKey
	invisible int64 // ms, from the pop time on
	due       int64 // ms: when what is not acknowledged is redelivered
	n         int
	diffs     []int32 // offsets from start on; nil: one after the other
	acked     uint32  // bits of messages that are done with, in the log
	acking    uint32  // the same, on the way there
	fence     int64   // physical offset that the messages lie before
	first     int64   // pop time of the first of the leases that this one continues
	tries     int     // failed redeliveries
	suspend   bool    // redelivery does not count as an attempt
	renewed   bool    // in ledger.renewed
	busy      bool    // being redelivered
	moving    bool    // its CK is being written again

	at         int64 // offset of its CK in the revive queue
	prev, next *lease
	heapIndex  int // -1: not in the heap
}

func (l *lease) offset(i int) int64 {
	if l.diffs == nil {
		return l.key.start + int64(i)
	}
	return l.key.start + int64(l.diffs[i])
}

// index is the number of a message in the lease, -1 when it is not of it.
func (l *lease) index(offset int64) int {
	if l.diffs == nil {
		if i := offset - l.key.start; i >= 0 && i < int64(l.n) {
			return int(i)
		}
		return -1
	}
	for i := range l.n {
		if l.offset(i) == offset {
			return i
		}
	}
	return -1
}

// all is the mask of all messages of the lease.
func (l *lease) all() uint32 { return uint32(1<<l.n - 1) }

// open is the mask of those that nobody is done with.
func (l *lease) open() uint32 { return l.all() &^ (l.acked | l.acking) }

// ledger has the live leases of one queue of the revive topic. It is a
// deterministic core; its owner holds a lock.
type ledger struct {
	leases  map[leaseKey]*lease
	renewed map[place]*lease // leases made by a change of the invisible time
	due     dueHeap
	// The leases in the order of their check points.
	oldest, newest *lease
	total          *atomic.Int64 // leases of all ledgers
}

func newLedger(total *atomic.Int64) *ledger {
	return &ledger{leases: make(map[leaseKey]*lease), renewed: make(map[place]*lease), total: total}
}

// lend adds a lease whose CK is at an offset of the revive queue. A CK that was
// written again replaces the older one: what was acknowledged stays so.
func (g *ledger) lend(l *lease) {
	if old := g.leases[l.key]; old != nil {
		if old.n == l.n {
			old.acked |= l.acked
			old.due, old.invisible, old.tries = l.due, l.invisible, l.tries
			g.move(old, l.at)
			g.settle(old, 0)
		}
		return
	}
	if l.acked == l.all() {
		return
	}
	g.leases[l.key] = l
	if l.renewed {
		g.renewed[place{l.key.pair, l.key.queue, l.key.start}] = l
	}
	g.link(l)
	heap.Push(&g.due, l)
	g.total.Add(1)
	l.key.pair.inflight.Add(int64(bits.OnesCount32(l.all() &^ l.acked)))
}

func (g *ledger) link(l *lease) {
	l.prev, l.next = g.newest, nil
	if g.newest != nil {
		g.newest.next = l
	} else {
		g.oldest = l
	}
	g.newest = l
}

func (g *ledger) unlink(l *lease) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		g.oldest = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		g.newest = l.prev
	}
	l.prev, l.next = nil, nil
}

// move notes that the CK of a lease was written again, at an offset that is later
// than all others.
func (g *ledger) move(l *lease, at int64) {
	g.unlink(l)
	l.at = at
	g.link(l)
}

// find gives the lease that a receipt is for, and the message's number in it. A
// receipt from before the invisible time was changed is still good for the
// message, see ADR 0015.
func (g *ledger) find(k leaseKey, offset int64) (*lease, int) {
	if l := g.leases[k]; l != nil {
		if i := l.index(offset); i >= 0 && (l.acked|l.acking)&(1<<i) == 0 {
			return l, i
		}
	}
	if l := g.renewed[place{k.pair, k.queue, offset}]; l != nil && l.first <= k.popTime && k.popTime <= l.key.popTime {
		return l, 0
	}
	return nil, -1
}

// acking marks messages whose ACK is on its way into the log.
func (g *ledger) acking(l *lease, mask uint32) { l.acking |= mask }

// settle marks messages as done with: their ACK is in the log. With the last one the
// lease ends.
func (g *ledger) settle(l *lease, mask uint32) {
	mask &= l.all()
	n := bits.OnesCount32(mask &^ l.acked)
	l.acked |= mask
	l.acking &^= mask
	if g.leases[l.key] != l {
		return // dropped meanwhile
	}
	l.key.pair.inflight.Add(-int64(n))
	if l.acked == l.all() {
		g.remove(l)
	}
}

// failed takes back marks of acking: the ACK did not get into the log.
func (g *ledger) failed(l *lease, mask uint32) { l.acking &^= mask &^ l.acked }

func (g *ledger) remove(l *lease) {
	delete(g.leases, l.key)
	if p := (place{l.key.pair, l.key.queue, l.key.start}); l.renewed && g.renewed[p] == l {
		delete(g.renewed, p)
	}
	g.unlink(l)
	if l.heapIndex >= 0 {
		heap.Remove(&g.due, l.heapIndex)
	}
	g.total.Add(-1)
	l.key.pair.inflight.Add(-int64(bits.OnesCount32(l.all() &^ l.acked)))
}

// expired takes the next lease that is due, which then is being redelivered until
// again is called; nil when none is. Messages whose ACK is on its way count as
// acknowledged.
func (g *ledger) expired(now int64) *lease {
	for len(g.due) > 0 && g.due[0].due <= now {
		l := heap.Pop(&g.due).(*lease)
		l.busy = true
		return l
	}
	return nil
}

// nextDue is when the next lease is due, ok false when there is none.
func (g *ledger) nextDue() (ms int64, ok bool) {
	if len(g.due) == 0 {
		return 0, false
	}
	return g.due[0].due, true
}

// again gives a lease back that was being redelivered, for another attempt at due
// with what is left of it.
func (g *ledger) again(l *lease, due int64) {
	l.busy = false
	if g.leases[l.key] == l && l.heapIndex < 0 {
		l.due = due
		heap.Push(&g.due, l)
	}
}

// floor is the offset of the oldest CK that a live lease needs; end when there is none.
func (g *ledger) floor(end int64) int64 {
	if g.oldest != nil {
		return g.oldest.at
	}
	return end
}

// stale chooses leases whose CK is before an offset, to have it written again.
func (g *ledger) stale(before int64, dst []*lease, most int) []*lease {
	for l := g.oldest; l != nil && l.at < before && len(dst) < most; l = l.next {
		if !l.busy && !l.moving && l.acking == 0 {
			l.moving = true
			dst = append(dst, l)
		}
	}
	return dst
}

// moved ends what stale began: the CK is at an offset with the bits of acked. If
// more were acknowledged meanwhile, their ACKs may lie between the two, and the old
// CK still counts.
func (g *ledger) moved(l *lease, at int64, acked uint32, ok bool) {
	l.moving = false
	if ok && g.leases[l.key] == l && l.acked == acked && l.acking == 0 {
		g.move(l, at)
	}
}

// drop ends all leases that match, as when their topic is gone.
func (g *ledger) drop(match func(*pair) bool) {
	for _, l := range g.leases {
		if match(l.key.pair) {
			g.remove(l)
		}
	}
}

// dueHeap is a heap (container/heap) of leases, the next due first.
type dueHeap []*lease

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	l := x.(*lease)
	l.heapIndex = len(*h)
	*h = append(*h, l)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	l.heapIndex = -1
	return l
}

// backoffs are the pauses of Java between attempts to redeliver a message.
var backoffs = [...]int64{10, 20, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200}

// backoff is the pause, in ms, before the next attempt after some that failed.
func backoff(tries int) int64 { return backoffs[min(max(tries, 0), len(backoffs)-1)] * 1000 }

// leaseOf makes the lease of a CK that was read.
func leaseOf(c *checkPoint, p *pair, at, physical int64, props map[string]string) *lease {
	l := &lease{
		key:       leaseKey{p, c.Queue, c.Start, c.PopTime},
		invisible: c.Invisible, due: c.PopTime + c.Invisible, n: int(c.Num), suspend: c.Suspend,
		at: at, fence: physical, first: c.PopTime, heapIndex: -1,
	}
	l.acked = uint32(c.BitMap) & l.all()
	for i := range l.n {
		if len(c.Diffs) > 0 && c.Diffs[i] != int32(i) {
			l.diffs = c.Diffs[:l.n]
			break
		}
	}
	l.tries, _ = strconv.Atoi(c.RePut)
	if n, err := strconv.ParseInt(props[propFence], 10, 64); err == nil {
		l.fence = min(n, physical)
	}
	if n, err := strconv.ParseInt(props[propFirst], 10, 64); err == nil {
		l.first, l.renewed = n, l.n == 1
	}
	return l
}
