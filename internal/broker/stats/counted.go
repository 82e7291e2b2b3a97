package stats

import (
	"sort"
	"sync"
	"sync/atomic"
)

// SizeBounds are the upper bounds in bytes of the histogram of record sizes
// (rocketmq_message_size); one more bucket holds what is larger.
var SizeBounds = [...]int64{1024, 4096, 524288, 1048576, 2097152, 4194304}

// Bounds of the latencies by queue.
const (
	// maxQueues is how many queues of one topic have a latency of their own; the
	// rest share the last one.
	maxQueues = 1024
	// maxLatencies is how many there are of all topics and pairs; what comes beyond
	// has none. With a million queues they would take a gigabyte.
	maxLatencies = 1 << 14
)

// Topic is the count of one topic's sends. It takes about 600 bytes of memory
// after one message, and 1 KB more when there are messages all day long.
type Topic struct {
	Name   string
	System bool

	put        Item // messages, and the bytes of their records
	putLatency queueItems
	byKind     [kinds]atomic.Pointer[KindCount]
	idle       idleness
	marks
}

// KindCount counts the messages of one kind in a topic.
type KindCount struct {
	Messages atomic.Int64
	Bytes    atomic.Int64 // of their records
	Sizes    [len(SizeBounds) + 1]atomic.Int64
}

func (c *KindCount) add(messages, bytes int64) {
	c.Messages.Add(messages)
	c.Bytes.Add(bytes)
	if messages <= 0 {
		return
	}
	bucket := sort.Search(len(SizeBounds), func(i int) bool { return bytes/messages <= SizeBounds[i] })
	c.Sizes[bucket].Add(messages)
}

// Kind gives the counters of one kind, nil when there was no such message.
func (t *Topic) Kind(k Kind) *KindCount { return t.byKind[k].Load() }

func (t *Topic) kind(k Kind) *KindCount {
	if k >= kinds {
		k = Normal
	}
	if c := t.byKind[k].Load(); c != nil {
		return c
	}
	t.byKind[k].CompareAndSwap(nil, new(KindCount))
	return t.byKind[k].Load()
}

func (t *Topic) items(yield func(*Item)) {
	yield(&t.put)
	t.putLatency.each(yield)
}

// Pair is the count of one group's consumption of one topic.
type Pair struct {
	Topic, Group string
	System       bool

	get                  Item // messages, and the bytes of their records
	sendBack, deadLetter Item
	getLatency           queueItems
	idle                 idleness
	marks
}

// Messages and Bytes are what the group got, DeadLetters what it gave up, since
// the start.
func (p *Pair) Messages() int64 { return p.get.Sum() }

// Bytes is the size of the records handed out.
func (p *Pair) Bytes() int64 { return p.get.bytes.Load() }

// DeadLetters is the number of messages given up.
func (p *Pair) DeadLetters() int64 { return p.deadLetter.Sum() }

func (p *Pair) items(yield func(*Item)) {
	for _, i := range []*Item{&p.get, &p.sendBack, &p.deadLetter} {
		if i.used() {
			yield(i)
		}
	}
	p.getLatency.each(yield)
}

// idleness counts hourly snapshots without an addition. It belongs to Sample.
type idleness struct {
	times int64
	hours int
}

// expired notes an hourly snapshot and tells whether the owner may be forgotten.
func (d *idleness) expired(times int64) bool {
	if times != d.times {
		d.times, d.hours = times, 0
		return false
	}
	d.hours++
	return d.hours >= idleHours
}

// queueItems holds one item for each queue of a topic, made on first use.
type queueItems struct {
	list atomic.Pointer[[]*Item]
	mu   sync.Mutex // serialises growth
}

// item gives the item of a queue, made when missing; nil when left, the number
// that may still be made, is zero.
func (q *queueItems) item(queue int32, left *atomic.Int64) *Item {
	n := min(max(int(queue), 0), maxQueues-1)
	if i := q.at(n); i != nil || left.Load() <= 0 {
		return i
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := q.at(n); i != nil {
		return i
	}
	if left.Add(-1) < 0 {
		left.Add(1)
		return nil
	}
	var grown []*Item
	if list := q.list.Load(); list != nil {
		grown = append(grown, *list...)
	}
	for len(grown) <= n {
		grown = append(grown, nil)
	}
	grown[n] = new(Item)
	q.list.Store(&grown)
	return grown[n]
}

// count is the number of items.
func (q *queueItems) count() (n int64) {
	if list := q.list.Load(); list != nil {
		for _, i := range *list {
			if i != nil {
				n++
			}
		}
	}
	return n
}

func (q *queueItems) at(n int) *Item {
	list := q.list.Load()
	if list == nil || n < 0 || n >= len(*list) {
		return nil
	}
	return (*list)[n]
}

// find gives the item of a queue if it was ever used.
func (q *queueItems) find(queue int) *Item {
	if i := q.at(queue); i != nil && i.used() {
		return i
	}
	return nil
}

func (q *queueItems) each(yield func(*Item)) {
	if list := q.list.Load(); list != nil {
		for _, i := range *list {
			if i != nil && i.used() {
				yield(i)
			}
		}
	}
}
