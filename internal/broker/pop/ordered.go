package pop

import (
	"container/heap"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Order is a change of what a group holds of a queue in order, on its way into the
// log.
type Order struct {
	// Done is called once, by the leader. The change is in force before.
	Done  func(*Order, error)
	Owner any
}

// orderRecord is the body of a record with tagOrder: all there is about one queue. Of
// several the one with the highest version counts, since two may get into the log
// in another order than they were made.
type orderRecord struct {
	Version int64 `json:"v"`

	Topic string     `json:"t"`
	Group string     `json:"c"`
	Queue int32      `json:"q"`
	Next  int64      `json:"n"` // committed offset
	Info  *orderInfo `json:"o"`
}

// Blocked tells whether a pop in order must wait for what the group holds already.
func (c *Cursor) Blocked(attempt string, invisible int64) bool {
	now := c.s.nowMs()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.order.blocks(attempt, invisible, now)
}

// AckedInOrder tells whether a message is not to be delivered again although one
// before it is.
func (c *Cursor) AckedInOrder(offset int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.order.acked(offset)
}

// LendInOrder gives messages that were read from start on to a group, appends how
// often they were delivered before to counts, and puts that into the next group of
// the store. On an error Done is not called. The cursor must be locked.
func (c *Cursor) LendInOrder(o *Order, start int64, attempt string, popTime, invisible int64, offsets []int64, counts []byte) ([]byte, error) {
	c.mu.Lock()
	if c.mu.begin().start != start {
		c.mu.Unlock()
		return counts, errTaken
	}
	c.mu.order = lendOrdered(c.mu.order, strings.Clone(attempt), popTime, invisible, offsets)
	counts = c.mu.order.appendCounts(counts, Mark(c.pair.topic), c.queue)
	r := c.orderRecordLocked()
	free := c.mu.order.freeAt(invisible)
	c.mu.Unlock()
	c.s.unlocks.add(free, c)
	c.s.dueAt(free)
	return counts, c.s.putOrder(c, o, &r)
}

// AckInOrder acknowledges a message. found says that there is something to store;
// without it and without an error the acknowledgement changes nothing, and Done is
// not called, neither is it on an error. free says that the next batch may be popped.
func (c *Cursor) AckInOrder(o *Order, offset, popTime, invisible int64) (found, free bool, err error) {
	now := c.s.nowMs()
	c.mu.Lock()
	at, known := c.s.cfg.Offsets.Query(c.pair.group, c.pair.topic, c.queue)
	if known && offset < at {
		c.mu.Unlock()
		return false, false, nil
	}
	next, is := c.mu.order.ack(offset, popTime)
	if is != ackTaken {
		c.mu.Unlock()
		if is == ackIllegal {
			err = ErrNotHeld
		}
		return false, false, err
	}
	if c.s.cfg.Offsets.Commit(c.pair.group, c.pair.topic, c.queue, next) == nil { // else a reset is pending
		c.mu.jump(next)
	}
	r := c.orderRecordLocked()
	free = !c.mu.order.blocks("", invisible, now)
	c.mu.Unlock()
	return true, free, c.s.putOrder(c, o, &r)
}

// ErrNotHeld is what an acknowledgement in order gets for a message that is not of
// the batch.
var ErrNotHeld = errors.New("the message is not of the batch that the group holds")

// RenewInOrder sets when a message is visible again. found is as in AckInOrder.
func (c *Cursor) RenewInOrder(o *Order, offset, popTime, visible int64) (found bool, err error) {
	c.mu.Lock()
	if at, known := c.s.cfg.Offsets.Query(c.pair.group, c.pair.topic, c.queue); known && offset < at || !c.mu.order.renew(offset, popTime, visible) {
		c.mu.Unlock()
		return false, nil
	}
	r := c.orderRecordLocked()
	free := c.mu.order.freeAt(0)
	c.mu.Unlock()
	c.s.unlocks.add(free, c)
	c.s.dueAt(free)
	return true, c.s.putOrder(c, o, &r)
}

func (c *Cursor) clearOrderLocked() {
	if c.mu.order != nil {
		c.mu.order = nil
		c.s.file.touch()
	}
}

// orderRecordLocked is a copy of what there is about the queue.
func (c *Cursor) orderRecordLocked() orderRecord {
	c.mu.version++
	r := orderRecord{Version: c.mu.version, Topic: c.pair.topic, Group: c.pair.group, Queue: c.queue, Next: c.mu.committed}
	if c.mu.order != nil {
		info := *c.mu.order
		r.Info = &info
	}
	c.s.file.touch()
	return r
}

func (s *Service) putOrder(c *Cursor, o *Order, record *orderRecord) error {
	now := s.nowMs()
	r := s.recordPut(c.pair.shard)
	r.info, r.done = o, orderDone
	c.mu.Lock() // the maps of the record are the cursor's
	r.body = javajson.AppendMarshal(r.body[:0], record)
	c.mu.Unlock()
	r.props = appendProps(r.props[:0], tagOrder, now)
	p := r.begin()
	if err := r.add(p, now); err != nil {
		s.cfg.Store.ReleasePut(p)
		s.releaseRecordPut(r)
		return err
	}
	s.cfg.Store.Enqueue(p)
	return nil
}

// orderDone is called by the leader.
func orderDone(r *recordPut, p *store.Put) {
	if p.Result.Status == store.PutOK {
		r.shard.mu.Lock()
		r.s.passLocked(r.shard, p.Result.QueueOffset, 1)
		r.shard.mu.Unlock()
	}
	r.info.Done(r.info, p.Result.Err)
}

// applyOrder takes a record in, at the start.
func (s *Service) applyOrder(body []byte) error {
	var r orderRecord
	if err := javajson.Unmarshal(body, &r); err != nil {
		return err
	}
	if r.Topic == "" || r.Group == "" || r.Next < 0 || r.Info != nil && !r.Info.valid() {
		return fmt.Errorf("state of an orderly group that cannot be: %.200s", body)
	}
	c := s.pair(r.Topic, r.Group).cursor(s, r.Queue)
	if c == nil || r.Next > s.cfg.Store.MaxOffset(r.Topic, r.Queue) { // the topic was made anew since
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Version < c.mu.version {
		return nil
	}
	c.mu.version, c.mu.order = r.Version, r.Info
	c.mu.jump(r.Next)
	c.commitLocked()
	if r.Info != nil {
		s.unlocks.add(r.Info.freeAt(0), c)
	}
	return nil
}

// orderFile is consumerOrderInfo.json.
type orderFile struct {
	sync.Mutex
	dirty bool
}

func (f *orderFile) touch() {
	f.Lock()
	f.dirty = true
	f.Unlock()
}

// orderTable is the content of the file. Only the table is read.
type orderTable struct {
	Count int                             `json:"orderInfoCount"`
	Level string                          `json:"orderedConsumptionLevel"`
	Table map[string]map[int32]*orderInfo `json:"table"`
}

func (s *Service) loadOrders() error {
	var t orderTable
	err := vfs.LoadFile(s.cfg.FS, s.cfg.Path, func(data []byte) error {
		t = orderTable{}
		return javajson.Unmarshal(data, &t)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for name, queues := range t.Table {
		topic, group, ok := strings.Cut(name, "@")
		if !ok || topic == "" || group == "" {
			continue
		}
		for queue, info := range queues {
			if c := s.pair(topic, group).cursor(s, queue); c != nil && info.valid() {
				c.mu.order = info
				s.unlocks.add(info.freeAt(0), c)
			}
		}
	}
	return nil
}

// orderAge is after how many ms without a pop the state of a queue is forgotten.
const orderAge = 24 * 60 * 60 * 1000

// saveOrders writes the file if something has changed.
func (s *Service) saveOrders() error {
	s.file.Lock()
	dirty := s.file.dirty
	s.file.dirty = false
	s.file.Unlock()
	if !dirty {
		return nil
	}
	t := orderTable{Level: "QUEUE", Table: make(map[string]map[int32]*orderInfo)}
	s.pairs.RLock()
	pairs := make([]*pair, 0, len(s.pairs.m))
	for _, p := range s.pairs.m {
		pairs = append(pairs, p)
	}
	s.pairs.RUnlock()
	now := s.nowMs()
	for _, p := range pairs {
		if !s.cfg.Exists(p.topic, p.group) {
			continue
		}
		for _, c := range p.all() {
			if info := c.orderCopy(now); info != nil {
				name := p.topic + "@" + p.group
				if t.Table[name] == nil {
					t.Table[name] = make(map[int32]*orderInfo)
				}
				t.Table[name][c.queue] = info
			}
		}
	}
	t.Count = len(t.Table)
	if err := vfs.ReplaceFile(s.cfg.FS, s.cfg.Path, javajson.MarshalPretty(&t)); err != nil {
		s.file.touch()
		return err
	}
	s.cfg.Log.Debug("state of orderly groups saved", slog.Int("pairs", t.Count))
	return nil
}

// orderCopy is a copy of what the group holds, nil when that is nothing or old.
func (c *Cursor) orderCopy(now int64) *orderInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.mu.order
	if o == nil || now-o.Last > orderAge && now > o.freeAt(0) {
		return nil
	}
	info := *o
	info.Offsets = append([]int64(nil), o.Offsets...)
	info.Visible = cloneMap(o.Visible)
	info.Counts = cloneMap(o.Counts)
	return &info
}

func cloneMap[V any](m map[int64]V) map[int64]V {
	if m == nil {
		return nil
	}
	c := make(map[int64]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// unlocks has the times at which queues popped in order may be free again, one for
// each queue.
type unlocks struct {
	sync.Mutex
	heap unlockHeap
}

// unlockTime is a cursor's place in unlocks.
type unlockTime struct {
	at    int64 // ms
	index int   // in the heap, plus 1; 0: not in it
}

// add sets the time of a queue.
func (u *unlocks) add(at int64, c *Cursor) {
	u.Lock()
	defer u.Unlock()
	c.unlock.at = at
	if c.unlock.index == 0 {
		heap.Push(&u.heap, c)
	} else {
		heap.Fix(&u.heap, c.unlock.index-1)
	}
}

func (u *unlocks) next() (ms int64, ok bool) {
	u.Lock()
	defer u.Unlock()
	if len(u.heap) == 0 {
		return 0, false
	}
	return u.heap[0].unlock.at, true
}

// take gives a cursor whose time has come, nil when there is none.
func (u *unlocks) take(now int64) *Cursor {
	u.Lock()
	defer u.Unlock()
	if len(u.heap) == 0 || u.heap[0].unlock.at > now {
		return nil
	}
	return heap.Pop(&u.heap).(*Cursor)
}

// unlock wakes the groups whose queues are free again.
func (s *Service) unlock() {
	now := s.nowMs()
	for c := s.unlocks.take(now); c != nil; c = s.unlocks.take(now) {
		if !c.Blocked("", 0) {
			s.cfg.Wake(c.pair.normal, c.pair.group, c.queue)
		}
	}
}

// unlockHeap is a heap (container/heap), the next time first.
type unlockHeap []*Cursor

func (h unlockHeap) Len() int           { return len(h) }
func (h unlockHeap) Less(i, j int) bool { return h[i].unlock.at < h[j].unlock.at }

func (h unlockHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].unlock.index, h[j].unlock.index = i+1, j+1
}

// Push implements heap.Interface.
func (h *unlockHeap) Push(x any) {
	c := x.(*Cursor)
	*h = append(*h, c)
	c.unlock.index = len(*h)
}

// Pop implements heap.Interface.
func (h *unlockHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	c.unlock.index = 0
	return c
}
