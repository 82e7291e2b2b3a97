package broker

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/broker/pop"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// popping is a POP_MESSAGE or NOTIFICATION request: while it is served, while it
// waits in the table of held pops, and when it is served again. It is reused.
type popping struct {
	hold.Request // in use while parked

	b      *Broker
	ticket remoting.Ticket
	header protocol.PopMessageRequest // strings alias the frame until the pop is kept
	notify bool                       // NOTIFICATION: only tells whether there is something
	kept   bool
	born   int64 // ms
	began  time.Time

	topic  *protocol.TopicConfig
	group  *protocol.SubscriptionGroupConfig
	filter store.Filter

	// What one attempt found.
	loan     pop.Loan
	orders   []pop.Order
	waiting  atomic.Int32 // for the log, of orders
	failure  error        // of one of them
	revive   int32
	popTime  int64
	count    int
	rest     int64
	body     *[]byte
	offsets  []int64
	starts   []byte // startOffsetInfo
	places   []byte // msgOffsetInfo
	counts   []byte // orderCountInfo
	response protocol.PopMessageResponse
}

// popSlack is how late, in ms, a pop may be served after its client gave up.
const popSlack = 500

// popMessage serves POP_MESSAGE (consumption.md 8.2): messages of a topic, or of one
// of its queues, are lent to a group for a while.
func (b *Broker) popMessage(c *remoting.Call) error {
	p := b.acquirePopping(c)
	if err := remoting.BindAlias(c.Ext, &p.header); err != nil {
		b.releasePopping(p)
		return err
	}
	return p.start(c)
}

// start serves a pop the first time. A read far behind the end of the log, which may
// wait for the disk, moves to a worker.
func (p *popping) start(c *remoting.Call) error {
	b := p.b
	if p.born = p.header.BornTime; p.born == 0 {
		p.born = p.began.UnixMilli()
	}
	if err := p.admit(); err != nil {
		p.refuse(err)
		return nil
	}
	if !p.cold() {
		p.serve(false)
		return nil
	}
	p.keep()
	c.Detach(func(context.Context, *remoting.Call) error {
		defer b.store.Commit()
		p.serve(false)
		return nil
	})
	return nil
}

func (b *Broker) acquirePopping(c *remoting.Call) *popping {
	p, _ := b.popping.pops.Get().(*popping)
	if p == nil {
		p = &popping{b: b}
	}
	p.ticket, p.began = c.Ticket, b.now()
	return p
}

func (b *Broker) releasePopping(p *popping) {
	p.loan.Reset(0, 0)
	*p = popping{
		b: b, loan: p.loan, orders: p.orders[:0], offsets: p.offsets[:0],
		starts: p.starts[:0], places: p.places[:0], counts: p.counts[:0],
	}
	b.popping.pops.Put(p)
}

// keep makes the pop independent of its frame.
func (p *popping) keep() {
	if p.kept {
		return
	}
	p.kept = true
	h := &p.header
	h.Topic, h.ConsumerGroup = p.topic.TopicName, p.group.GroupName
	h.ExpType, h.Exp = strings.Clone(h.ExpType), strings.Clone(h.Exp)
	h.AttemptID = strings.Clone(h.AttemptID)
	h.BrokerName = ""
}

// admit makes the checks of consumption.md 8.2, and again those that depend on
// topic and group when a held pop is woken.
func (p *popping) admit() error {
	b, h := p.b, &p.header
	what := "pop message"
	if p.notify {
		what = "peeking message"
	} else if p.began.UnixMilli()-p.born-h.PollTime > popSlack && !p.kept {
		return protocol.Errorf(protocol.RespPollingTimeout, "the broker[%s] pop message is timeout too much", b.config().BrokerIP1)
	}
	if b.config().BrokerPermission&protocol.PermRead == 0 {
		return protocol.Errorf(protocol.RespNoPermission, "the broker[%s] %s is forbidden", b.config().BrokerIP1, what)
	}
	if h.MaxMsgNums > protocol.MaxPopMessages {
		return protocol.Errorf(protocol.RespInvalidParameter, "the broker[%s] pop message's num is greater than 32: %d", b.config().BrokerIP1, h.MaxMsgNums)
	}
	if h.InvisibleTime < 0 || h.InvisibleTime > maxInvisible.Milliseconds() {
		return protocol.Errorf(protocol.RespInvalidParameter, "the invisible time of %d ms is not between 0 and %d ms", h.InvisibleTime, maxInvisible.Milliseconds())
	}
	var err error
	if p.topic, p.group, err = b.admitPop(h.Topic, h.ConsumerGroup, h.QueueID, p.ticket); err != nil {
		return err
	}
	if !p.notify && !h.Order && b.pops.Full() {
		return protocol.Errorf(protocol.RespFlowControl, "the groups hold %d pops with unacknowledged messages, the most this broker keeps (aerobeeMaxPopLeases=%d)", b.pops.Leases(), b.config().MaxPopLeases)
	}
	if p.kept {
		return nil // the filter is there
	}
	return p.subscribe()
}

// maxInvisible bounds the invisible time: a lease that lives longer would be of no use.
const maxInvisible = 366 * 24 * time.Hour

// admitPop checks topic and group of a request of the POP family.
func (b *Broker) admitPop(topicName, groupName string, queue int32, ticket remoting.Ticket) (*protocol.TopicConfig, *protocol.SubscriptionGroupConfig, error) {
	topic, ok := b.topics.Lookup(topicName)
	if !ok {
		return nil, nil, protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist, apply first please! %s", topicName, faq)
	}
	if topic.Perm&protocol.PermRead == 0 {
		return nil, nil, protocol.Errorf(protocol.RespNoPermission, "the topic[%s] peeking message is forbidden", topicName)
	}
	if queue >= topic.ReadQueueNums {
		return nil, nil, protocol.Errorf(protocol.RespInvalidParameter, "queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d] consumer:[%s]",
			queue, topicName, topic.ReadQueueNums, ticket.Conn().RemoteAddr())
	}
	group, ok := b.groups.Find(groupName)
	if !ok {
		return nil, nil, protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "subscription group [%s] does not exist, %s", groupName, faq)
	}
	if !group.ConsumeEnable {
		return nil, nil, protocol.Errorf(protocol.RespNoPermission, "subscription group no permission, %s", groupName)
	}
	return topic, group, nil
}

// subscribe makes the filter of the request's expression. Without one there is none.
func (p *popping) subscribe() error {
	h := &p.header
	if h.Exp == "" || p.notify && (h.ExpType == "" || !p.b.config().NotificationFilter) {
		return nil
	}
	var err error
	if p.filter, err = p.b.messageFilter(h.ExpType, h.Exp); err != nil {
		return protocol.Errorf(protocol.RespSubscriptionParseFailed, "parse the consumer's subscription failed: %q: %v", h.Exp, err)
	}
	return nil
}

// cold tells whether the pop may wait for the disk.
func (p *popping) cold() bool {
	b := p.b
	if b.store.LogMax()-b.store.LogMin() <= b.traffic.cold {
		return false
	}
	first, last := p.header.QueueID, p.header.QueueID
	if first < 0 {
		first, last = 0, p.topic.ReadQueueNums-1
	}
	for q := first; q <= last; q++ {
		if at, ok := b.pops.Cursor(p.topic.TopicName, p.group.GroupName, q).Peek(); ok && b.coldQueue(p.topic.TopicName, q, at) {
			return true
		}
	}
	return false
}

// serve makes one attempt and answers it, or parks the pop. With queue the answer is
// only queued; the caller flushes the connection. The pop must not be used
// afterwards.
func (p *popping) serve(queue bool) {
	if p.notify {
		p.serveNotification(queue)
		return
	}
	b := p.b
	p.body = b.acquireBuffer()
	*p.body = (*p.body)[:0]
	p.popTime = b.now().UnixMilli()
	p.revive = b.pops.ReviveQueue(p.topic.TopicName, p.group.GroupName)
	if p.header.Order {
		p.revive = pop.OrderQueue
	}
	p.loan.Reset(p.popTime, p.header.InvisibleTime)
	p.starts, p.places, p.counts, p.orders = p.starts[:0], p.places[:0], p.counts[:0], p.orders[:0]
	p.count, p.rest, p.failure = 0, 0, nil
	p.waiting.Store(1)
	p.collect()
	switch {
	case !p.loan.Empty():
		p.loan.Owner, p.loan.Done = p, poppingLent
		if err := b.pops.Lend(&p.loan); err != nil {
			p.rest += int64(p.count)
			p.nothing(queue)
		}
	case p.count > 0:
		p.ordered(nil, false) // the one that waiting began with
	default:
		p.nothing(queue)
	}
}

// nothing parks a pop that found nothing, or says so.
func (p *popping) nothing(queue bool) {
	b := p.b
	b.releaseBuffer(p.body)
	p.body = nil
	p.park(queue)
}

// collect reads the queues in the order of consumption.md 8.2. A queue comes up at
// most once, because clients stumble over a second time.
func (p *popping) collect() {
	h, cfg := &p.header, p.b.config()
	lot := rand.IntN(100)
	priority := !h.Order && p.topic.Attributes[protocol.TopicAttrMessageType] == "PRIORITY" && lot < priorityFactor(p.group)
	share := cfg.RetryProbability
	if priority {
		share = cfg.RetryProbPriority
	}
	retryFirst := !h.Order && lot < share
	old := !cfg.RetryTopicV2 || cfg.RetrieveRetryTopicV1 && lot%2 == 0
	start := lot
	if priority {
		start = 0
	}
	if retryFirst {
		p.collectRetry(old, start)
	}
	if h.QueueID < 0 {
		p.collectTopic(p.topic, start, false)
	} else {
		p.collectQueue(p.topic, h.QueueID, false)
	}
	if !retryFirst && !h.Order && p.count < int(h.MaxMsgNums) {
		p.collectRetry(old, start)
	}
}

func priorityFactor(g *protocol.SubscriptionGroupConfig) int {
	n, err := strconv.Atoi(g.Attributes[protocol.GroupAttrPriorityFactor])
	if err != nil {
		return 100
	}
	return n
}

// collectRetry reads the group's retry topic for the topic, with its old or new name.
func (p *popping) collectRetry(old bool, start int) {
	b := p.b
	var name [256]byte
	if topic, ok := b.topics.Lookup(aliasOf(appendRetryName(name[:0], p.topic.TopicName, p.group.GroupName, old))); ok {
		p.collectTopic(topic, start, true)
	}
}

// appendRetryName appends the name of a POP retry topic.
func appendRetryName(dst []byte, topic, group string, old bool) []byte {
	separator := byte('+')
	if old {
		separator = '_'
	}
	dst = append(dst, protocol.RetryPrefix...)
	dst = append(dst, group...)
	dst = append(dst, separator)
	return append(dst, topic...)
}

func (p *popping) collectTopic(topic *protocol.TopicConfig, start int, retry bool) {
	n := int(topic.ReadQueueNums)
	for i := range n {
		if p.b.config().PriorityOrderAsc {
			i = n - 1 - i
		}
		p.collectQueue(topic, int32((i+start)%n), retry)
	}
}

// collectQueue reads one queue, if nobody else does, and adds what it finds.
func (p *popping) collectQueue(topic *protocol.TopicConfig, queue int32, retry bool) {
	b, h := p.b, &p.header
	name := topic.TopicName
	c := b.pops.Cursor(name, p.group.GroupName, queue)
	if c == nil {
		return
	}
	end := b.store.MaxOffset(name, queue)
	if end == 0 && retry {
		return
	}
	if !c.Lock() {
		if at, ok := c.Peek(); !h.Order && ok {
			p.rest += max(end-at, 0)
		}
		return
	}
	defer c.Unlock()
	cfg := b.config()
	if cfg.PopInflightThresholdOn && c.Inflight() > int64(cfg.PopInflightThreshold) {
		return
	}
	start, limit, ok := c.Begin()
	if !ok {
		c.Jump(p.firstOffset(name, queue))
		if start, limit, ok = c.Begin(); !ok {
			return
		}
	}
	if h.Order && c.Blocked(h.AttemptID, h.InvisibleTime) {
		return
	}
	if limit < 0 {
		limit = end
	}
	if p.count >= int(h.MaxMsgNums) || start >= limit && start <= end {
		p.rest += max(end-start, 0)
		return
	}
	p.read(c, topic, queue, retry, start, limit)
}

// firstOffset is where a group begins that never consumed a queue.
func (p *popping) firstOffset(topic string, queue int32) int64 {
	b := p.b
	const fromEnd = 1
	if p.header.InitMode != fromEnd || strings.HasPrefix(topic, protocol.RetryPrefix) {
		return b.store.MinOffset(topic, queue)
	}
	if b.config().InitPopOffsetInMemory && b.atStart(topic, queue) {
		return 0
	}
	return max(b.store.MaxOffset(topic, queue)-1, 0)
}

// read reads from start on, at most to before limit, and lends what it finds.
func (p *popping) read(c *pop.Cursor, topic *protocol.TopicConfig, queue int32, retry bool, start, limit int64) {
	b, h, cfg := p.b, &p.header, p.b.config()
	base := len(*p.body)
	r := store.GetResult{}
	for attempt := range 2 {
		r, *p.body = b.store.Get(store.GetRequest{
			Topic: topic.TopicName, QueueID: queue, Offset: start, MaxMsgs: min(int(h.MaxMsgNums)-p.count, int(max(limit-start, 1))),
			MaxBytes: cfg.MaxTransferBytesMemory, Filter: p.filter,
		}, *p.body)
		corrected := r.Status == store.OffsetTooSmall || r.Status == store.OffsetOverflowBadly || r.Status == store.OffsetFoundNull && r.NextOffset != start
		if !corrected || attempt > 0 {
			break
		}
		b.log.Warn("pop: the group's offset is not in its queue", "topic", topic.TopicName, "group", p.group.GroupName, "queue", queue, "offset", start, "corrected", r.NextOffset)
		start = r.NextOffset
		c.Jump(start)
		limit = max(limit, r.MaxOffset)
	}
	next := min(r.NextOffset, max(limit, start))
	switch r.Status {
	case store.Found:
		p.lend(c, topic, queue, retry, start, next, base)
	case store.NoMatchedMessage, store.MessageWasRemoving, store.OffsetFoundNull:
		c.Skip(start, next)
	}
	p.rest += max(r.MaxOffset-r.NextOffset, 0)
}

// lend adds the records that were read of a queue, which begin at base in the body.
func (p *popping) lend(c *pop.Cursor, topic *protocol.TopicConfig, queue int32, retry bool, start, next int64, base int) {
	b, h := p.b, &p.header
	p.offsets = p.offsets[:0]
	kept := base
	for rest := (*p.body)[base:]; len(rest) > 0; {
		size, _, _ := message.Size(rest)
		offset := int64(binary.BigEndian.Uint64(rest[20:]))
		if offset >= next || h.Order && c.AckedInOrder(offset) {
			rest = rest[size:]
			continue
		}
		p.offsets = append(p.offsets, offset)
		kept += copy((*p.body)[kept:], rest[:size])
		rest = rest[size:]
	}
	bytes := int64(kept - base)
	*p.body = (*p.body)[:kept]
	if len(p.offsets) == 0 {
		return
	}
	if h.Order {
		p.orders = append(p.orders, pop.Order{Owner: p, Done: poppingOrdered})
		p.waiting.Add(1)
		var err error
		if p.counts, err = c.LendInOrder(&p.orders[len(p.orders)-1], start, h.AttemptID, p.popTime, h.InvisibleTime, p.offsets, p.counts); err != nil {
			p.waiting.Add(-1)
			*p.body = (*p.body)[:base]
			return
		}
	} else if !p.loan.Add(c, start, next, p.offsets) {
		*p.body = (*p.body)[:base]
		return
	}
	mark := pop.Mark(topic.TopicName)
	p.starts = appendPlace(p.starts, mark, queue)
	p.starts = strconv.AppendInt(p.starts, start, 10)
	p.places = appendPlace(p.places, mark, queue)
	for i, offset := range p.offsets {
		if i > 0 {
			p.places = append(p.places, ',')
		}
		p.places = strconv.AppendInt(p.places, offset, 10)
	}
	p.count += len(p.offsets)
	if retry && !b.config().ReturnActualRetryTopic {
		p.rename(base, mark, queue, start)
	}
	b.stats.Get(topic.TopicName, p.group.GroupName, queue, int64(len(p.offsets)), bytes, b.now().Sub(p.began))
}

func appendPlace(dst []byte, mark byte, queue int32) []byte {
	if len(dst) > 0 {
		dst = append(dst, ';')
	}
	dst = append(dst, mark, ' ')
	return append(strconv.AppendInt(dst, int64(queue), 10), ' ')
}

// rename gives the records from base on the topic that was asked for, and their
// receipts, which clients make themselves otherwise.
func (p *popping) rename(base int, mark byte, queue int32, start int64) {
	records := append([]byte(nil), (*p.body)[base:]...)
	*p.body = (*p.body)[:base]
	receipt := pop.Receipt{Start: start, PopTime: p.popTime, Invisible: p.header.InvisibleTime, Revive: p.revive, Mark: mark, Broker: p.b.config().BrokerName, Queue: queue}
	for len(records) > 0 {
		size, _, _ := message.Size(records)
		rec := records[:size]
		records = records[size:]
		m, err := message.Parse(rec)
		if err == nil {
			receipt.Offset = m.QueueOffset
			m.Topic = p.topic.TopicName
			if _, ok := message.Property(m.Properties, message.PropPopCheckpoint); !ok {
				m.Properties = message.WithProperty(m.Properties, message.PropPopCheckpoint, string(receipt.Append(nil)))
			}
			*p.body, err = message.AppendRecord(*p.body, &m, message.Options{})
		}
		if err != nil { // as it is: clients find it by its own topic
			*p.body = append(*p.body, rec...)
		}
	}
}

// poppingOrdered is called by the leader when the state of an orderly group is in the
// log, or is not.
func poppingOrdered(o *pop.Order, err error) { o.Owner.(*popping).ordered(err, true) }

func (p *popping) ordered(err error, leader bool) {
	if err != nil {
		p.failure = err
	}
	if p.waiting.Add(-1) == 0 {
		p.answer(p.failure, leader)
	}
}

// poppingLent is called by the leader when the check points are in the log, or are not.
func poppingLent(l *pop.Loan, err error) { l.Owner.(*popping).answer(err, true) }

// answer gives the messages out. Answers of the leader leave together.
func (p *popping) answer(err error, leader bool) {
	b := p.b
	if err != nil {
		b.releaseBuffer(p.body)
		p.refuse(b.putError(store.StatusOf(err), err))
		return
	}
	p.respond()
	reply := remoting.Reply{Remark: "FOUND", Header: &p.response, Body: *p.body}
	if leader {
		p.ticket.Queue(reply)
		b.touch(p.ticket.Conn())
	} else {
		p.ticket.Reply(reply)
	}
	b.releaseBuffer(p.body)
	if p.rest > 0 {
		b.wakePop(p.topic.TopicName, p.group.GroupName, p.header.QueueID)
	}
	b.releasePopping(p)
}

func (p *popping) respond() {
	p.response = protocol.PopMessageResponse{
		PopTime: p.popTime, InvisibleTime: p.header.InvisibleTime, ReviveQueueID: p.revive, RestNum: p.rest,
		StartOffsetInfo: aliasOf(p.starts), MsgOffsetInfo: aliasOf(p.places), OrderCountInfo: aliasOf(p.counts),
	}
}

// refuse answers a pop that failed.
func (p *popping) refuse(err error) {
	r := remoting.Reply{Header: &p.response}
	if p.notify {
		r.Header = &protocol.NotificationResponse{}
	}
	r.Code, r.Remark = outcome(err)
	p.ticket.Reply(r)
	p.b.releasePopping(p)
}
