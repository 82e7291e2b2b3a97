package broker

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/broker/lite"
	"github.com/aerobee/aerobee/internal/broker/pop"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

const (
	// popLate is how late a pop may be served that waited on its way.
	popLate = 500 * time.Millisecond
	// maxPop is the most messages of a pop.
	maxPop = 32
	// liteReads is how often a pop reads a queue again that has nothing where the
	// group is, or whose offset moved meanwhile.
	liteReads = 8
	// maxLiteLooks is how many events a pop looks at before others have their turn.
	maxLiteLooks = 1024
)

// litePop is a pop of lite topics: while it is served, while it is held, and when
// it is served again.
type litePop struct {
	hold.Request // in use while held

	b      *Broker
	ticket remoting.Ticket
	header protocol.PopLiteMessageRequest
	client lite.Client
	topic  *protocol.TopicConfig
	group  *protocol.SubscriptionGroupConfig
	began  time.Time

	count  int
	counts []byte
}

// popLiteMessage serves POP_LITE_MESSAGE (consumption.md 9.4).
func (b *Broker) popLiteMessage(c *remoting.Call) error {
	p := &litePop{b: b, ticket: c.Ticket, began: b.now()}
	if err := remoting.Bind(c.Ext, &p.header); err != nil {
		return err
	}
	if p.header.BornTime == 0 {
		p.header.BornTime = p.began.UnixMilli()
	}
	if p.began.UnixMilli()-p.header.BornTime-p.header.PollTime > popLate.Milliseconds() {
		p.refuse(false, protocol.Errorf(protocol.RespPollingTimeout, "the broker[%s] pop message is timeout too much", b.config().BrokerIP1))
		return nil
	}
	if err := p.admit(); err != nil {
		p.refuse(false, err)
		return nil
	}
	if b.store.LogMax()-b.store.LogMin() <= b.traffic.cold || !b.lite.Pending(p.client) {
		p.serve(false)
		return nil
	}
	c.Detach(func(context.Context, *remoting.Call) error { // may wait for the disk
		p.serve(false)
		return nil
	})
	return nil
}

// admit makes the checks of a pop; they are made again when a held one is woken.
func (p *litePop) admit() error {
	b, h, cfg := p.b, &p.header, p.b.config()
	if cfg.BrokerPermission&protocol.PermRead == 0 {
		return protocol.Errorf(protocol.RespNoPermission, "the broker[%s] pop message is forbidden", cfg.BrokerIP1)
	}
	if h.MaxMsgNum > maxPop {
		return protocol.Errorf(protocol.RespInvalidParameter, "the broker[%s] pop message's num is greater than %d", cfg.BrokerIP1, maxPop)
	}
	var ok bool
	if p.topic, ok = b.topics.Lookup(h.Topic); !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "topic [%s] not exist, apply first please! %s", h.Topic, faq)
	}
	if p.topic.Perm&protocol.PermRead == 0 {
		return protocol.Errorf(protocol.RespNoPermission, "the topic [%s] peeking message is forbidden", h.Topic)
	}
	if !liteParent(p.topic) {
		return protocol.Errorf(protocol.RespInvalidParameter, "the topic [%s] message type not match", h.Topic)
	}
	if p.group, ok = b.groups.Find(h.ConsumerGroup); !ok {
		return protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "subscription group [%s] not exist, %s", h.ConsumerGroup, faq)
	}
	if !p.group.ConsumeEnable {
		return protocol.Errorf(protocol.RespNoPermission, "subscription group no permission, %s", h.ConsumerGroup)
	}
	if bound, ok := p.group.Attributes[protocol.GroupAttrLiteBindTopic]; !ok || bound != h.Topic {
		return protocol.Errorf(protocol.RespInvalidParameter, "subscription bind topic not match, %s", h.ConsumerGroup)
	}
	p.client = lite.Client{Group: p.group.GroupName, ID: h.ClientID}
	return nil
}

// serve takes messages and answers, or holds the pop. With queue the answer is only
// queued; the caller flushes the connection.
func (p *litePop) serve(queue bool) {
	buf := p.b.acquireBuffer()
	defer p.b.releaseBuffer(buf)
	now := p.b.now()
	*buf = p.take((*buf)[:0], now.UnixMilli())
	if p.count == 0 {
		p.park(queue, now)
		return
	}
	p.b.stats.Get(p.topic.TopicName, p.group.GroupName, 0, int64(p.count), int64(len(*buf)), p.b.now().Sub(p.began))
	p.reply(queue, protocol.RespSuccess, store.Found.String(), &protocol.PopLiteMessageResponse{
		PopTime: now.UnixMilli(), InvisibleTime: p.header.InvisibleTime, ReviveQueueID: pop.OrderQueue, OrderCountInfo: string(p.counts),
	}, *buf)
}

// take reads the queues that are events of the client, each once, until it has
// enough messages.
func (p *litePop) take(buf []byte, popTime int64) []byte {
	var room [maxPop]string
	taken := room[:0]
	for looks := 0; p.count < int(p.header.MaxMsgNum) && looks < maxLiteLooks; looks++ {
		queue, ok := p.b.lite.Next(p.client)
		if !ok {
			break
		}
		if slices.Contains(taken, queue) { // blocked by what this pop took
			continue
		}
		before := p.count
		if buf, ok = p.read(buf, queue, popTime); !ok {
			break
		}
		if p.count > before {
			taken = append(taken, queue)
		}
	}
	return buf
}

// read takes what one queue has for the group. It is false when no more may be taken
// from any.
func (p *litePop) read(buf []byte, queue string, popTime int64) ([]byte, bool) {
	b, group := p.b, p.group.GroupName
	switch b.lite.Begin(group, queue, p.header.AttemptID) {
	case lite.Blocked:
		return buf, true
	case lite.Full:
		b.lite.Postpone(p.client)
		return buf, false
	}
	base := len(buf)
	for range liteReads {
		from := b.liteOffset(group, queue)
		var r store.GetResult
		r, buf = b.store.Get(store.GetRequest{
			Topic: queue, Offset: from, MaxMsgs: int(p.header.MaxMsgNum) - p.count, MaxBytes: b.config().MaxTransferBytesMemory,
		}, buf[:base])
		if next, moved := correctedLite(r, from); moved {
			b.log.Warn("offset of a group in a lite topic corrected", "group", group, "queue", queue, "from", from, "to", next, "because", r.Status)
			_ = b.offsets.Commit(group, queue, 0, next) // refused only where a reset counts more
			continue
		}
		switch r.Status {
		case store.Found:
		case store.OffsetOverflowOne, store.NoMessageInQueue:
			b.lite.End(group, queue)
			return buf[:base], true
		default:
			b.lite.Retry(group, queue)
			return buf[:base], true
		}
		var ok bool
		p.counts, ok = b.lite.Finish(lite.Taken{
			Group: group, Queue: queue, Attempt: p.header.AttemptID, From: from,
			PopTime: popTime, Invisible: p.header.InvisibleTime, Offsets: liteOffsets(queue, from, r, buf[base:]),
		}, p.counts)
		if ok {
			p.count += r.Count
			return buf, true
		}
	}
	b.lite.Retry(group, queue)
	return buf[:base], true
}

// liteOffset is where a group goes on in a queue: at a pending reset, at the
// committed offset, or, where it never was, at the first message if that is recent
// and else at the last [PopMessageProcessor.getInitOffset].
func (b *Broker) liteOffset(group, queue string) int64 {
	if offset, ok := b.offsets.TakeReset(group, queue, 0); ok {
		offset = min(max(offset, b.store.MinOffset(queue, 0)), b.store.MaxOffset(queue, 0))
		b.lite.Clear(group, queue)
		_ = b.offsets.Commit(group, queue, 0, offset)
		return offset
	}
	offset, ok := b.offsets.Query(group, queue, 0)
	if ok {
		return offset
	}
	if b.store.MinOffset(queue, 0) > 0 || b.coldQueue(queue, 0, 0) {
		offset = max(b.store.MaxOffset(queue, 0)-1, 0)
	} else {
		offset = 0
	}
	_ = b.offsets.Commit(group, queue, 0, offset)
	return offset
}

// correctedLite is where to go on when there is nothing at a group's offset. One
// beyond the end belongs to a queue that expired and began anew.
func correctedLite(r store.GetResult, from int64) (next int64, moved bool) {
	switch r.Status {
	case store.OffsetOverflowBadly:
		return r.MinOffset, true
	case store.OffsetTooSmall, store.NoMatchedMessage, store.MessageWasRemoving:
		return r.NextOffset, r.NextOffset != from
	default:
		return from, false
	}
}

// liteOffsets are the queue offsets of the records that a read found.
func liteOffsets(queue string, from int64, r store.GetResult, records []byte) []int64 {
	offsets := make([]int64, 0, r.Count)
	if r.NextOffset-from == int64(r.Count) {
		for i := range int64(r.Count) {
			offsets = append(offsets, from+i)
		}
		return offsets
	}
	for len(records) > 0 { // some are gone or damaged: the records say it
		size, _, ok := message.Size(records)
		if !ok || int(size) > len(records) {
			return nil
		}
		m, err := message.Parse(records[:size])
		if err != nil {
			return nil
		}
		records = records[size:]
		offset, ok := lightOffset(m.Properties, queue)
		if !ok {
			return nil
		}
		offsets = append(offsets, offset)
	}
	return offsets
}

// lightOffset is the offset of a message in a light queue, as its properties say.
func lightOffset(props, queue string) (int64, bool) {
	names, _ := message.Property(props, message.PropInnerMultiDispatch)
	list, _ := message.Property(props, message.PropInnerMultiOffset)
	offsets := strings.Split(list, ",")
	at := slices.Index(strings.Split(names, ","), queue)
	if at < 0 || at >= len(offsets) {
		return 0, false
	}
	offset, err := strconv.ParseInt(offsets[at], 10, 64)
	return offset, err == nil
}

// park holds a pop that found nothing, as long as the client waits. The events are
// looked at again afterwards, because one may have come in between.
func (p *litePop) park(queue bool, now time.Time) {
	b := p.b
	b.stats.GetMiss()
	deadline := time.UnixMilli(p.header.BornTime + min(p.header.PollTime, maxHold.Milliseconds())).Add(-popEarly)
	if p.header.PollTime <= 0 || !now.Before(deadline) || b.life.stopping.Load() {
		p.replyNothing(queue, protocol.RespPollingTimeout, now)
		return
	}
	key, client, more := p.client.Key(), p.client, p.header.MaxMsgNum > 0
	p.Request = hold.Request{Topic: key, Conn: p.ticket.Conn().ID(), Deadline: deadline, Owner: p}
	if err := b.lite.hold.Park(&p.Request); err != nil {
		p.replyNothing(queue, protocol.RespPollingFull, now)
		return
	}
	if more && b.lite.Pending(client) || b.life.stopping.Load() { // p is no longer ours
		b.lite.hold.Wake(key, 0, 1)
	}
}

func (p *litePop) replyNothing(queue bool, code protocol.ResponseCode, now time.Time) {
	p.reply(queue, code, store.NoMessageInQueue.String(), &protocol.PopLiteMessageResponse{
		PopTime: now.UnixMilli(), InvisibleTime: p.header.InvisibleTime, ReviveQueueID: pop.OrderQueue,
	}, nil)
}

func (p *litePop) refuse(queue bool, err error) {
	code, remark := outcome(err)
	p.reply(queue, code, remark, &protocol.PopLiteMessageResponse{}, nil)
}

func (p *litePop) reply(queue bool, code protocol.ResponseCode, remark string, header *protocol.PopLiteMessageResponse, body []byte) {
	r := remoting.Reply{Code: code, Remark: remark, Header: header, Body: body}
	if queue {
		p.ticket.Queue(r)
	} else {
		p.ticket.Reply(r)
	}
}

// resumeLitePops serves held pops again, on a goroutine of the table.
func (b *Broker) resumeLitePops(batch []*hold.Request) {
	for _, r := range batch {
		p := r.Owner.(*litePop)
		p.Request = hold.Request{}
		conn := p.ticket.Conn()
		if err := p.admit(); err != nil {
			p.refuse(true, err)
		} else {
			p.serve(true)
		}
		conn.Flush()
	}
}
