package broker

import (
	"errors"
	"math/bits"
	"strings"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/broker/pop"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// acking is an ACK_MESSAGE, BATCH_ACK_MESSAGE or CHANGE_MESSAGE_INVISIBLETIME on its
// way into the log. It is reused.
type acking struct {
	b       *Broker
	ticket  remoting.Ticket
	waiting atomic.Int32 // parts that are not in the log yet, and one while they are made
	failure error
	ack     pop.Ack // of a request for one message
	offset  [1]int64
	order   pop.Order

	renewed bool // CHANGE_MESSAGE_INVISIBLETIME: it has an answer
	answer  protocol.ChangeInvisibleTimeResponse

	// The group that may go on when an orderly batch is done.
	topic, group string
	queue        int32
	free         bool
}

func (b *Broker) acquireAcking(t remoting.Ticket) *acking {
	a, _ := b.popping.acks.Get().(*acking)
	if a == nil {
		a = &acking{b: b}
	}
	a.ticket = t
	a.waiting.Store(1)
	return a
}

func (b *Broker) releaseAcking(a *acking) {
	*a = acking{b: b}
	b.popping.acks.Put(a)
}

// finish ends one part. The last one answers.
func (a *acking) finish(err error, leader bool) {
	if err != nil {
		a.failure = err
	}
	if a.waiting.Add(-1) > 0 {
		return
	}
	b := a.b
	reply := remoting.Reply{}
	if a.renewed {
		reply.Header = &a.answer
	}
	if a.failure != nil {
		reply.Code, reply.Remark = outcome(a.failure)
		var refused *store.PutError
		if errors.As(a.failure, &refused) {
			reply.Code, reply.Remark = outcome(b.putError(refused.Status, refused))
		}
	} else if a.free {
		b.wakeAfter(a.topic, a.group, a.queue)
	}
	if leader {
		a.ticket.Queue(reply)
		b.touch(a.ticket.Conn())
	} else {
		a.ticket.Reply(reply)
	}
	b.releaseAcking(a)
}

func ackingDone(p *pop.Ack, err error)        { p.Owner.(*acking).finish(err, true) }
func ackingOrderDone(o *pop.Order, err error) { o.Owner.(*acking).finish(err, true) }

// ackMessage serves ACK_MESSAGE. A receipt that is not good for the message any more
// is answered with success, as in Java: there is nothing to acknowledge.
func (b *Broker) ackMessage(c *remoting.Call) error {
	var h protocol.AckMessageRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	topic, err := b.ackedTopic(h.Topic, h.QueueID, c.Ticket)
	if err != nil {
		return err
	}
	if isLite(h.LiteTopic) {
		h, _ = bind[protocol.AckMessageRequest](c) // strings that are kept
		if err := b.ackLite(&h); err != nil {
			return err
		}
		return replyOK(c)
	}
	low, high := b.store.MinOffset(topic.TopicName, h.QueueID), b.store.MaxOffset(topic.TopicName, h.QueueID)
	if h.Offset < low || h.Offset > high {
		return protocol.Errorf(protocol.RespNoMessage, "offset is illegal, key:%s@%d, commit:%d, store:%d~%d", h.Topic, h.QueueID, h.Offset, low, high)
	}
	receipt, err := b.parseReceipt(h.ExtraInfo)
	if err != nil {
		return err
	}
	a := b.acquireAcking(c.Ticket)
	if receipt.Revive == pop.OrderQueue {
		a.finish(a.ackInOrder(topic.TopicName, h.ConsumerGroup, h.QueueID, h.Offset, &receipt, &a.order), false)
		return nil
	}
	a.offset[0] = h.Offset
	a.ack = pop.Ack{Topic: topic.TopicName, Group: h.ConsumerGroup, Queue: h.QueueID, Receipt: receipt, Offsets: a.offset[:], Owner: a, Done: ackingDone}
	_, err = a.put(&a.ack)
	a.finish(err, false)
	return nil
}

// put hands an acknowledgement over; it is a part to wait for if it is good for anything.
func (a *acking) put(ack *pop.Ack) (found int, err error) {
	a.waiting.Add(1)
	if found, err = a.b.pops.Ack(ack); found == 0 || err != nil {
		a.waiting.Add(-1)
	}
	return found, err
}

// ackedTopic finds the topic of a receipt: a retry topic, if the message came from there.
func (b *Broker) ackedTopic(name string, queue int32, t remoting.Ticket) (*protocol.TopicConfig, error) {
	topic, ok := b.topics.Lookup(name)
	if !ok {
		return nil, protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist, apply first please! %s", name, faq)
	}
	if queue < 0 || queue >= topic.ReadQueueNums {
		return nil, protocol.Errorf(protocol.RespMessageIllegal, "queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d] consumer:[%s]",
			queue, name, topic.ReadQueueNums, t.Conn().RemoteAddr())
	}
	return topic, nil
}

func (b *Broker) parseReceipt(s string) (pop.Receipt, error) {
	r, err := pop.ParseReceipt(s)
	if err != nil {
		return r, protocol.Errorf(protocol.RespMessageIllegal, "%v", err)
	}
	if r.Revive != pop.OrderQueue && !b.pops.Revives(r.Revive) {
		return r, protocol.Errorf(protocol.RespMessageIllegal, "receipt %q: the revive topic has no queue %d", s, r.Revive)
	}
	return r, nil
}

// ackInOrder acknowledges a message that was popped in order.
func (a *acking) ackInOrder(topic, group string, queue int32, offset int64, r *pop.Receipt, o *pop.Order) error {
	b := a.b
	c := b.pops.Cursor(topic, group, queue)
	if c == nil {
		return nil
	}
	*o = pop.Order{Owner: a, Done: ackingOrderDone}
	a.waiting.Add(1)
	found, free, err := c.AckInOrder(o, offset, r.PopTime, r.Invisible)
	if !found || err != nil {
		a.waiting.Add(-1)
	}
	if free {
		a.topic, a.group, a.queue, a.free = b.stableTopic(topic), b.stableGroup(group), queue, true
	}
	if errors.Is(err, pop.ErrNotHeld) {
		return protocol.Errorf(protocol.RespMessageIllegal, "offset is illegal, key:%s@%s@%d, commit:%d: %v", topic, group, queue, offset, err)
	}
	return err
}

// stableGroup is a group's name in memory that is not reused.
func (b *Broker) stableGroup(name string) string {
	if group, ok := b.groups.Peek(name); ok {
		return group.GroupName
	}
	return string(append([]byte(nil), name...))
}

// batchAckMessage serves BATCH_ACK_MESSAGE.
func (b *Broker) batchAckMessage(c *remoting.Call) error {
	if len(c.Body) == 0 {
		return protocol.Errorf(protocol.RespNoMessage, "no acknowledgements")
	}
	body, err := decode[protocol.BatchAckMessageRequestBody](c)
	if err != nil {
		return err
	}
	if len(body.Acks) == 0 {
		return protocol.Errorf(protocol.RespNoMessage, "no acknowledgements")
	}
	a := b.acquireAcking(c.Ticket)
	for i := range body.Acks {
		if err = a.part(&body.Acks[i]); err != nil {
			break
		}
	}
	a.finish(err, false)
	return nil
}

// part acknowledges what a batch says of one pop.
func (a *acking) part(ack *protocol.BatchAck) error {
	b := a.b
	mark := byte('0')
	if len(ack.Retry) == 1 {
		mark = ack.Retry[0]
	}
	if len(ack.Retry) != 1 || mark < '0' || mark > '2' {
		return protocol.Errorf(protocol.RespMessageIllegal, "retry is %q, it must be 0, 1 or 2", ack.Retry)
	}
	topic := pop.RealTopic(mark, ack.Topic, ack.ConsumerGroup)
	r := pop.Receipt{Start: ack.StartOffset, PopTime: ack.PopTime, Invisible: ack.InvisibleTime, Revive: ack.ReviveQueueID, Mark: mark, Queue: ack.QueueID}
	if r.Revive != pop.OrderQueue && !b.pops.Revives(r.Revive) {
		return protocol.Errorf(protocol.RespMessageIllegal, "the revive topic has no queue %d", r.Revive)
	}
	offsets, err := ackedOffsets(ack, b.store.MinOffset(topic, ack.QueueID), b.store.MaxOffset(topic, ack.QueueID))
	if err != nil {
		return err
	}
	if r.Revive != pop.OrderQueue {
		_, err = a.put(&pop.Ack{Topic: topic, Group: ack.ConsumerGroup, Queue: ack.QueueID, Receipt: r, Offsets: offsets, Owner: a, Done: ackingDone})
		return err
	}
	for _, offset := range offsets {
		if err := a.ackInOrder(topic, ack.ConsumerGroup, ack.QueueID, offset, &r, new(pop.Order)); err != nil {
			return err
		}
	}
	return nil
}

// maxAcked bounds the messages that one part of a batch may acknowledge: a pop has
// at most 32.
const maxAcked = 1024

// ackedOffsets are the offsets of a part of a batch that are in the queue.
func ackedOffsets(ack *protocol.BatchAck, low, high int64) (offsets []int64, err error) {
	for i, eight := range ack.BitSet {
		for rest := eight; rest != 0; rest &= rest - 1 {
			offset := ack.StartOffset + int64(8*i+bits.TrailingZeros8(rest))
			if offset < low || offset > high {
				continue
			}
			if len(offsets) >= maxAcked {
				return nil, protocol.Errorf(protocol.RespMessageIllegal, "more than %d messages of one pop are acknowledged", maxAcked)
			}
			offsets = append(offsets, offset)
		}
	}
	return offsets, nil
}

// changeInvisibleTime serves CHANGE_MESSAGE_INVISIBLETIME: a message stays invisible
// for longer, or becomes visible soon. It gets a new receipt; the old one stays good.
func (b *Broker) changeInvisibleTime(c *remoting.Call) error {
	var h protocol.ChangeInvisibleTimeRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	if isLite(h.LiteTopic) {
		return b.changeInvisibleOfLite(c)
	}
	a := b.acquireAcking(c.Ticket)
	a.renewed = true
	a.finish(a.change(&h), false)
	return nil
}

// isLite tells whether a request is about a lite topic.
func isLite(name string) bool { return strings.TrimSpace(name) != "" }

func (b *Broker) changeInvisibleOfLite(c *remoting.Call) error {
	h, err := bind[protocol.ChangeInvisibleTimeRequest](c)
	if err != nil {
		return err
	}
	if _, err := b.ackedTopic(h.Topic, h.QueueID, c.Ticket); err != nil {
		return err
	}
	answer, err := b.changeInvisibleLite(&h)
	if err != nil {
		return err
	}
	c.Reply(remoting.Reply{Header: &answer})
	return nil
}

func (a *acking) change(h *protocol.ChangeInvisibleTimeRequest) error {
	b := a.b
	topic, err := b.ackedTopic(h.Topic, h.QueueID, a.ticket)
	if err != nil {
		return err
	}
	low, high := b.store.MinOffset(topic.TopicName, h.QueueID), b.store.MaxOffset(topic.TopicName, h.QueueID)
	if h.Offset < low || h.Offset >= high {
		return protocol.Errorf(protocol.RespNoMessage, "offset is illegal, key:%s@%d, offset:%d, store:%d~%d", h.Topic, h.QueueID, h.Offset, low, high)
	}
	if h.InvisibleTime < 0 || h.InvisibleTime > maxInvisible.Milliseconds() {
		return protocol.Errorf(protocol.RespInvalidParameter, "the invisible time of %d ms is not between 0 and %d ms", h.InvisibleTime, maxInvisible.Milliseconds())
	}
	r, err := b.parseReceipt(h.ExtraInfo)
	if err != nil {
		return err
	}
	if r.Revive == pop.OrderQueue {
		return a.changeInOrder(topic.TopicName, h, &r)
	}
	a.offset[0] = h.Offset
	a.ack = pop.Ack{
		Topic: topic.TopicName, Group: h.ConsumerGroup, Queue: h.QueueID, Receipt: r, Offsets: a.offset[:],
		Renew: max(h.InvisibleTime, 1), Suspend: h.Suspend, Owner: a, Done: changeDone,
	}
	a.answer = protocol.ChangeInvisibleTimeResponse{InvisibleTime: h.InvisibleTime, ReviveQueueID: r.Revive}
	found, err := a.put(&a.ack)
	if found == 0 && err == nil {
		return protocol.Errorf(protocol.RespNoMessage, "the message at offset %d of queue %d is not held under this receipt any more: it was acknowledged, or its invisible time is over", h.Offset, h.QueueID)
	}
	return err
}

func changeDone(p *pop.Ack, err error) {
	a := p.Owner.(*acking)
	a.answer.PopTime = p.PopTime
	a.finish(err, true)
}

func (a *acking) changeInOrder(topic string, h *protocol.ChangeInvisibleTimeRequest, r *pop.Receipt) error {
	c := a.b.pops.Cursor(topic, h.ConsumerGroup, h.QueueID)
	if c == nil {
		return nil
	}
	visible := a.b.now().UnixMilli() + h.InvisibleTime
	a.order = pop.Order{Owner: a, Done: ackingOrderDone}
	a.waiting.Add(1)
	found, err := c.RenewInOrder(&a.order, h.Offset, r.PopTime, visible)
	if !found || err != nil {
		a.waiting.Add(-1)
		return err
	}
	a.answer = protocol.ChangeInvisibleTimeResponse{PopTime: r.PopTime, InvisibleTime: visible - r.PopTime, ReviveQueueID: r.Revive}
	return nil
}

// popRollback serves POP_ROLLBACK, which moves Java's POP state from its RocksDB store
// into the revive topic. Here it is nowhere else.
func (b *Broker) popRollback(c *remoting.Call) error {
	c.Reply(remoting.Reply{Remark: "nothing to roll back: the state of POP consumption is in the revive topic"})
	return nil
}
