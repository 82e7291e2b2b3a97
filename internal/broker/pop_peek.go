package broker

import (
	"context"
	"math/rand/v2"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// peekMessage serves PEEK_MESSAGE: what a pop would find, without taking it.
func (b *Broker) peekMessage(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.PeekMessageRequest](c)
	if err != nil {
		return err
	}
	if b.config().BrokerPermission&protocol.PermRead == 0 {
		return protocol.Errorf(protocol.RespNoPermission, "the broker[%s] peeking message is forbidden", b.config().BrokerIP1)
	}
	topic, group, err := b.admitPop(h.Topic, h.ConsumerGroup, h.QueueID, c.Ticket)
	if err != nil {
		return err
	}
	p := &peeking{b: b, group: group.GroupName, most: int(min(h.MaxMsgNums, protocol.MaxPopMessages))}
	lot := rand.IntN(100)
	var name [256]byte
	retry, hasRetry := b.topics.Lookup(aliasOf(appendRetryName(name[:0], topic.TopicName, group.GroupName, !b.config().RetryTopicV2)))
	retryFirst := hasRetry && lot%5 == 0
	if retryFirst {
		p.topic(retry, lot)
	}
	if h.QueueID < 0 {
		p.topic(topic, lot)
	} else {
		p.queue(topic.TopicName, h.QueueID)
	}
	if hasRetry && !retryFirst {
		p.topic(retry, lot)
	}
	reply := remoting.Reply{Remark: "FOUND", Header: &protocol.PopMessageResponse{RestNum: p.rest}, Body: p.body}
	if p.count == 0 {
		reply.Code, reply.Remark = protocol.RespPullNotFound, "NO_MESSAGE_IN_QUEUE"
	} else {
		b.stats.Get(topic.TopicName, group.GroupName, max(h.QueueID, 0), int64(p.count), int64(len(p.body)), c.Age())
	}
	c.Reply(reply)
	return nil
}

// peeking is a PEEK_MESSAGE that is served.
type peeking struct {
	b     *Broker
	group string
	most  int
	count int
	rest  int64
	body  []byte
}

func (p *peeking) topic(topic *protocol.TopicConfig, start int) {
	for i := range int(topic.ReadQueueNums) {
		p.queue(topic.TopicName, int32((i+start)%int(topic.ReadQueueNums)))
	}
}

func (p *peeking) queue(topic string, queue int32) {
	b := p.b
	c := b.pops.Cursor(topic, p.group, queue)
	if c == nil {
		return
	}
	at, ok := c.Peek()
	if !ok {
		at = b.store.MinOffset(topic, queue)
	}
	end := b.store.MaxOffset(topic, queue)
	if p.count >= p.most {
		p.rest += max(end-at, 0)
		return
	}
	get := func(at int64) (r store.GetResult) {
		r, p.body = b.store.Get(store.GetRequest{Topic: topic, QueueID: queue, Offset: at, MaxMsgs: p.most - p.count, MaxBytes: b.config().MaxTransferBytesMemory}, p.body)
		return r
	}
	r := get(at)
	if r.Status == store.OffsetTooSmall || r.Status == store.OffsetOverflowBadly {
		r = get(r.NextOffset)
	}
	p.count += r.Count
	p.rest += max(end-r.NextOffset, 0)
}
