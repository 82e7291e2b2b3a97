package broker

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// firstRetryLevel is the delay level of the first retry: 10 s in Java's table.
const firstRetryLevel = 3

// consumerSendMsgBack serves CONSUMER_SEND_MSG_BACK (consumption.md 7.1): a copy
// of a message goes to the group's retry topic, delayed, or to its dead letter
// topic. The answer is queued when the copy is stored.
func (b *Broker) consumerSendMsgBack(c *remoting.Call) error {
	var h protocol.ConsumerSendMsgBackRequest
	if err := remoting.Bind(c.Ext, &h); err != nil {
		return err
	}
	back := &returned{b: b, ticket: c.Ticket, header: h, began: b.now(), version: c.Version(), peer: c.Conn().RemoteAddr()}
	if !b.coldRecord(h.Offset) {
		return back.store()
	}
	c.Detach(func(context.Context, *remoting.Call) error {
		defer b.store.Commit()
		return back.store()
	})
	return nil
}

// coldRecord tells whether reading the record at a physical offset may wait for
// the disk.
func (b *Broker) coldRecord(physical int64) bool {
	return b.store.LogMax()-physical > b.traffic.cold
}

// returned is a message that a consumer sent back.
type returned struct {
	b       *Broker
	ticket  remoting.Ticket
	header  protocol.ConsumerSendMsgBackRequest
	version int32
	peer    netip.AddrPort
	began   time.Time

	msg        message.Message
	origin     string // topic that the message was first sent to
	deadLetter bool
	bytes      int64
}

// store makes the copy and puts it into the next group. A nil error without a
// put is answered here.
func (r *returned) store() error {
	b := r.b
	group, retry, err := r.target()
	if err != nil {
		return err
	}
	if retry == nil {
		r.ticket.Reply(remoting.Reply{})
		return nil
	}
	rec, err := b.store.Record(r.header.Offset, nil)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return protocol.Errorf(protocol.RespSystemError, "look message by offset failed, %d", r.header.Offset)
	case err != nil:
		return protocol.Errorf(protocol.RespSystemError, "no message begins at offset %d: %v", r.header.Offset, err)
	}
	if r.msg, err = message.Parse(rec); err != nil {
		return protocol.Errorf(protocol.RespSystemError, "no message begins at offset %d: %v", r.header.Offset, err)
	}
	if err := r.copyTo(group, retry); err != nil {
		return err
	}
	p := b.store.AcquirePut()
	p.Topic, p.QueueID = r.msg.Topic, r.msg.QueueID
	if err := p.Add(&r.msg); err != nil {
		b.store.ReleasePut(p)
		return protocol.Errorf(protocol.RespSystemError, "%s: %v", store.StatusOf(err), err)
	}
	r.bytes = recordSize(&r.msg)
	p.Owner, p.Done = r, returnedDone
	b.store.Enqueue(p)
	return nil
}

// target checks the request and finds the retry topic. Without error and topic
// there is nothing to do: the group has no retry queues.
func (r *returned) target() (*protocol.SubscriptionGroupConfig, *protocol.TopicConfig, error) {
	b, cfg := r.b, r.b.config()
	group, ok := b.groups.Find(r.header.Group)
	if !ok {
		return nil, nil, groupMissing(r.header.Group)
	}
	if cfg.BrokerPermission&protocol.PermWrite == 0 {
		return nil, nil, protocol.Errorf(protocol.RespNoPermission, "the broker[%s] sending message is forbidden", cfg.BrokerIP1)
	}
	if group.RetryQueueNums <= 0 {
		return group, nil, nil
	}
	var sysFlag int32
	if r.header.UnitMode {
		sysFlag = topicUnitSub
	}
	name := protocol.RetryTopic(r.header.Group)
	topic, err := b.topics.CreateInSendBack(name, group.RetryQueueNums, readWrite, sysFlag)
	if err != nil || topic == nil {
		return nil, nil, protocol.Errorf(protocol.RespSystemError, "topic[%s] not exist", name)
	}
	if topic.Perm&protocol.PermWrite == 0 {
		return nil, nil, protocol.Errorf(protocol.RespNoPermission, "the topic[%s] sending message is forbidden", name)
	}
	return group, topic, nil
}

// copyTo turns the message read into the one that is stored.
func (r *returned) copyTo(group *protocol.SubscriptionGroupConfig, retry *protocol.TopicConfig) error {
	b, m := r.b, &r.msg
	r.origin = m.Topic
	if topic, ok := message.Property(m.Properties, message.PropRetryTopic); ok {
		r.origin = topic
	}
	r.origin = b.stableTopic(r.origin)
	originID, ok := message.Property(m.Properties, message.PropOriginMessageID)
	if !ok {
		originID = message.OffsetID(m.StoreHost, r.header.Offset)
	}
	level := r.header.DelayLevel
	most := maxRetries(group, r.header.MaxReconsumeTimes, r.version)
	r.deadLetter = level < 0 || m.ReconsumeTimes >= most
	target, queue := retry, rand.Int32N(group.RetryQueueNums)
	switch {
	case r.deadLetter:
		name := protocol.DLQTopic(r.header.Group)
		var err error
		if target, err = b.topics.CreateInSendBack(name, 1, readWrite, 0); err != nil || target == nil {
			return protocol.Errorf(protocol.RespSystemError, "topic[%s] not exist", name)
		}
		level, queue = 0, 0
	case level == 0:
		level = firstRetryLevel + m.ReconsumeTimes
	}
	level = min(level, b.delay.Levels().Max())

	props := r.keptProps(level)
	props = message.AppendProperty(props, message.PropRetryTopic, r.origin)
	props = message.AppendProperty(props, message.PropOriginMessageID, originID)
	props = message.AppendProperty(props, message.PropWait, "false")
	props = message.AppendProperty(props, message.PropDelay, strconv.Itoa(int(level)))
	if r.deadLetter {
		reason := message.DeadRejected
		if m.ReconsumeTimes >= most {
			reason = message.DeadMaxAttempts
		}
		props = appendDeath(props, reason, most, r.peer)
	}
	m.Topic, m.QueueID = target.TopicName, queue
	m.ReconsumeTimes++
	m.StoreHost = b.traffic.host
	m.PreparedTransactionOffset = 0
	if level > 0 {
		props, m.Topic, m.QueueID = b.delay.Levels().Transform(props, m.Topic, m.QueueID, level)
	}
	m.Properties = aliasOf(props)
	return nil
}

// roomBehindDeath is left, in bytes, for what the broker adds to every message.
const roomBehindDeath = 1024

// appendDeath says why a message is a dead letter. Properties that would be too
// long with that stay without it: the message counts, not the note on it.
func appendDeath(props []byte, reason string, limit int32, client netip.AddrPort) []byte {
	before := len(props)
	props = message.AppendProperty(props, message.PropDeadReason, reason)
	props = message.AppendProperty(props, message.PropDeadLimit, strconv.Itoa(int(limit)))
	props = message.AppendProperty(props, message.PropDeadClient, unmapped(client).String())
	if len(props) > message.MaxPropertiesLength-roomBehindDeath {
		return props[:before]
	}
	return props
}

// keptProps are the properties of the message without those that are set anew.
func (r *returned) keptProps(level int32) []byte {
	props := make([]byte, 0, len(r.msg.Properties)+256)
	for name, value := range message.Properties(r.msg.Properties) {
		switch name {
		case message.PropRetryTopic, message.PropOriginMessageID, message.PropWait, message.PropDelay,
			message.PropDeadReason, message.PropDeadLimit, message.PropDeadClient:
			continue
		case message.PropRealTopic, message.PropRealQueueID, message.PropTimerDelaySec, message.PropTimerDelayMs, message.PropTimerDeliverMs:
			if level > 0 {
				continue
			}
		}
		props = message.AppendProperty(props, name, value)
	}
	return props
}

// returnedDone is called by the leader when the copy is stored, or is not.
func returnedDone(p *store.Put) {
	r := p.Owner.(*returned)
	b := r.b
	reply := remoting.Reply{}
	if p.Result.Status == store.PutOK {
		b.stats.SendBack(r.origin, r.header.Group)
		if r.deadLetter {
			b.stats.DeadLetter(r.origin, r.header.Group)
		}
		b.stats.Put(r.msg.Topic, r.msg.QueueID, stats.Normal, 1, r.bytes, b.now().Sub(r.began))
	} else {
		b.stats.PutFailed(1)
		reply = remoting.Reply{Code: protocol.RespSystemError, Remark: p.Result.Status.String() + ": " + p.Result.Err.Error()}
	}
	b.store.ReleasePut(p)
	r.ticket.Reply(reply)
}
