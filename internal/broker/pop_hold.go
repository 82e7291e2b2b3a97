package broker

import (
	"slices"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// poppers are the pops and notifications that wait for a message (consumption.md
// 8.7). They wait by topic, group and queue, and an arrival wakes one of each group,
// the one that has waited longest.
type poppers struct {
	pops sync.Pool // of *popping
	acks sync.Pool // of *acking
	held *hold.Table

	mu struct {
		sync.RWMutex
		topics map[string][]*popper
	}
}

// popper is a group with pops that wait for a topic.
type popper struct {
	topic, group      string
	popKey, noticeKey string // in the table
	waiting           int
}

// popEarly is how long before the end of its poll time a pop is answered, so that
// the answer comes in time.
const popEarly = 50 * time.Millisecond

// key is where a pop waits.
func (p *popping) key(w *popper) string {
	if p.notify {
		return w.noticeKey
	}
	return w.popKey
}

func (p *poppers) enter(topic, group string) *popper {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.mu.topics[topic] {
		if w.group == group {
			w.waiting++
			return w
		}
	}
	key := topic + "@" + group
	w := &popper{topic: topic, group: group, popKey: key, noticeKey: key + "@notification", waiting: 1}
	p.mu.topics[topic] = append(slices.Clip(p.mu.topics[topic]), w) // readers keep the old list
	return w
}

func (p *poppers) leave(w *popper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.waiting--; w.waiting > 0 {
		return
	}
	list := slices.DeleteFunc(slices.Clone(p.mu.topics[w.topic]), func(x *popper) bool { return x == w })
	if len(list) == 0 {
		delete(p.mu.topics, w.topic)
	} else {
		p.mu.topics[w.topic] = list
	}
}

func (p *poppers) of(topic string) []*popper {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.mu.topics[topic]
}

func (p *poppers) find(topic, group string) *popper {
	for _, w := range p.of(topic) {
		if w.group == group {
			return w
		}
	}
	return nil
}

// park puts a pop that found nothing into the table, or answers it when its time is
// over.
func (p *popping) park(queue bool) {
	b, h := p.b, &p.header
	deadline := time.UnixMilli(p.born + min(h.PollTime, maxHold.Milliseconds())).Add(-popEarly)
	if h.PollTime <= 0 || !deadline.After(b.now()) {
		p.gaveUp(queue, protocol.RespPollingTimeout, "NO_MESSAGE_IN_QUEUE")
		return
	}
	p.keep()
	w := b.popping.enter(p.topic.TopicName, p.group.GroupName)
	if b.popping.held.Count(p.key(w), h.QueueID) >= b.config().PopPollingSize {
		b.popping.leave(w)
		p.gaveUp(queue, protocol.RespPollingFull, "NO_MESSAGE_IN_QUEUE")
		return
	}
	p.Request = hold.Request{
		Topic: p.key(w), QueueID: h.QueueID, Conn: p.ticket.Conn().ID(), Deadline: deadline, Owner: p,
	}
	if p.filter != nil {
		p.Request.Filter = p.filter
	}
	group, topic, order, attempt, invisible := p.group.GroupName, p.topic, h.Order, h.AttemptID, h.InvisibleTime
	queueID, key := h.QueueID, p.Request.Topic
	if err := b.popping.held.Park(&p.Request); err != nil {
		b.popping.leave(w)
		p.gaveUp(queue, protocol.RespPollingFull, err.Error())
		return
	}
	// p is no longer ours. What arrived since it looked does not wake it.
	if b.hasMore(topic, group, queueID, order, attempt, invisible) {
		b.popping.held.WakeOne(key, queueID, 0, true)
	}
}

// hasMore tells whether a pop might find something.
func (b *Broker) hasMore(topic *protocol.TopicConfig, group string, queueID int32, order bool, attempt string, invisible int64) bool {
	has := func(topic string, queue int32) bool {
		end := b.store.MaxOffset(topic, queue)
		if end == 0 {
			return false
		}
		c := b.pops.Cursor(topic, group, queue)
		if c == nil || c.Locked() || order && c.Blocked(attempt, invisible) {
			return false // whoever has it wakes others
		}
		at, ok := c.Peek()
		return !ok || at < end
	}
	first, last := queueID, queueID
	if queueID < 0 {
		first, last = 0, topic.ReadQueueNums-1
	}
	for q := first; q <= last; q++ {
		if has(topic.TopicName, q) {
			return true
		}
	}
	if order {
		return false
	}
	for _, old := range []bool{true, false} {
		var name [256]byte
		retry, ok := b.topics.Lookup(aliasOf(appendRetryName(name[:0], topic.TopicName, group, old)))
		if !ok || !b.readsRetry(old) {
			continue
		}
		for q := range retry.ReadQueueNums {
			if has(retry.TopicName, q) {
				return true
			}
		}
	}
	return false
}

// readsRetry tells whether pops look into the retry topics with the old or the new
// form of their name.
func (b *Broker) readsRetry(old bool) bool {
	cfg := b.config()
	return cfg.RetryTopicV2 != old || old && cfg.RetrieveRetryTopicV1
}

// gaveUp answers a pop that found nothing.
func (p *popping) gaveUp(queue bool, code protocol.ResponseCode, remark string) {
	p.starts, p.places, p.counts = p.starts[:0], p.places[:0], p.counts[:0]
	p.respond()
	r := remoting.Reply{Code: code, Remark: remark, Header: &p.response}
	if p.notify {
		r = remoting.Reply{Header: &protocol.NotificationResponse{PollingFull: code == protocol.RespPollingFull}}
	} else {
		p.b.stats.GetMiss()
	}
	if queue {
		p.ticket.Queue(r)
	} else {
		p.ticket.Reply(r)
	}
	p.b.releasePopping(p)
}

// resumePops serves held pops again, on a goroutine of the table.
func (b *Broker) resumePops(batch []*hold.Request) {
	var few [32]*remoting.Conn
	conns := few[:0]
	for _, r := range batch {
		p := r.Owner.(*popping)
		conn := p.ticket.Conn()
		if len(conns) == 0 || conns[len(conns)-1] != conn {
			conns = append(conns, conn)
		}
		b.popLeft(p)
		p.began = b.now()
		if err := p.admit(); err != nil {
			p.refuse(err)
			continue
		}
		p.serve(true)
	}
	b.store.Commit()
	for _, conn := range conns {
		conn.Flush()
	}
}

// popLeft notes that a pop does not wait any more.
func (b *Broker) popLeft(p *popping) {
	if w := b.popping.find(p.topic.TopicName, p.group.GroupName); w != nil {
		b.popping.leave(w)
	}
	p.Request = hold.Request{}
}

// dropPop forgets a pop whose connection has closed.
func (b *Broker) dropPop(r *hold.Request) {
	p := r.Owner.(*popping)
	b.popLeft(p)
	b.releasePopping(p)
}

// popArrived is called by the leader for every new entry of a queue.
func (b *Broker) popArrived(a *store.Arrival) {
	held := b.popping.held
	if held.Len() == 0 {
		return
	}
	list := b.popping.of(a.Topic)
	if len(list) == 0 {
		return
	}
	interval := int64(b.config().PopForceNotifyInterval)
	force := interval > 0 && a.Offset%interval == 0
	for _, w := range list {
		for _, key := range [...]string{w.popKey, w.noticeKey} {
			held.WakeOne(key, -1, a.TagsCode, force)
			held.WakeOne(key, a.QueueID, a.TagsCode, force)
		}
	}
}

// wakePop wakes one pop of a group at a topic, or one of its queues, and one
// notification.
func (b *Broker) wakePop(topic, group string, queue int32) {
	if w := b.popping.find(topic, group); w != nil {
		b.popping.held.WakeOne(w.popKey, queue, 0, true)
		b.popping.held.WakeOne(w.noticeKey, queue, 0, true)
	}
}

// wakeAfter wakes pops of a group after messages became available again: in a queue,
// or, with -1, in a retry topic, which everybody reads.
func (b *Broker) wakeAfter(topic, group string, queue int32) {
	w := b.popping.find(topic, group)
	if w == nil {
		return
	}
	for _, key := range [...]string{w.popKey, w.noticeKey} {
		woken := b.popping.held.WakeOne(key, -1, 0, true)
		if queue >= 0 {
			b.popping.held.WakeOne(key, queue, 0, true)
			continue
		}
		c, ok := b.topics.Lookup(topic)
		for q := int32(0); ok && !woken && q < c.ReadQueueNums; q++ {
			woken = b.popping.held.WakeOne(key, q, 0, true)
		}
	}
}
