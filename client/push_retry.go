package client

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// maxAttemptsDefault is the number of deliveries after which a message is dead, if
// nobody says otherwise.
const maxAttemptsDefault = 16

func (c *PushConsumer) attempts() int32 {
	if c.cfg.maxAttempts > 0 {
		return int32(c.cfg.maxAttempts)
	}
	return maxAttemptsDefault
}

// sendBack gives a message back to the group: the broker that has it stores a copy
// that is delivered later, or among the dead letters.
func (c *PushConsumer) sendBack(ctx context.Context, m *MessageView, cause error) error {
	level := int32(0) // the broker counts the attempts
	if v := (*verdict)(nil); errors.As(cause, &v) {
		level = v.level
	}
	h := &protocol.ConsumerSendMsgBackRequest{
		Offset: m.LogOffset, Group: c.cfg.group, DelayLevel: level, OriginMsgID: m.ID(), OriginTopic: m.Topic(), BrokerName: m.Queue.Broker,
	}
	if c.cfg.maxAttempts > 0 {
		h.MaxReconsumeTimes = protocol.Some(c.attempts())
	}
	addr, err := c.replica(ctx, m.Queue, cluster.MasterID)
	if err == nil {
		if _, err = c.cluster.Call(ctx, addr, cluster.Request{Code: protocol.ReqConsumerSendMsgBack, Header: h}); err == nil {
			return nil
		}
	}
	// The broker may be gone, or no longer have the message: another copy goes the
	// way of any message.
	again := 3 + m.ReconsumeTimes
	if level < 0 {
		return cluster.Join(err, c.sendDead(ctx, m))
	}
	if level > 0 {
		again = level
	}
	if other := c.sendToGroup(ctx, m, m.ReconsumeTimes+1, again); other != nil {
		return cluster.Join(err, other)
	}
	return nil
}

// sendDead has the broker store a message among the dead letters: it does that with
// one that has had more attempts than it may.
func (c *PushConsumer) sendDead(ctx context.Context, m *MessageView) error {
	return c.sendToGroup(ctx, m, max(m.ReconsumeTimes, c.attempts())+1, 0)
}

// innerProducer is the group under which Java's clients send such messages.
const innerProducer = "CLIENT_INNER_PRODUCER"

// sendToGroup sends a copy of a message to the topic of what comes back to the
// group.
func (c *PushConsumer) sendToGroup(ctx context.Context, m *MessageView, attempts, level int32) error {
	topic := protocol.RetryTopic(c.cfg.group)
	route, err := c.routes.TopicForSend(ctx, topic)
	if err != nil {
		return err
	}
	if len(route.Publish) == 0 {
		return ErrNoQueue
	}
	props := retryProperties(m)
	if level > 0 {
		props = message.AppendProperty(props, message.PropDelay, strconv.Itoa(int(level)))
	}
	var errs []error
	for _, q := range route.Publish {
		addr, ok := route.Master(q.Broker)
		if !ok {
			continue
		}
		_, err := c.cluster.Call(ctx, addr, cluster.Request{
			Code: protocol.ReqSendMessageV2, Short: true, Body: m.Body,
			Header: &protocol.SendMessageRequest{
				ProducerGroup: innerProducer, Topic: topic, DefaultTopic: protocol.AutoCreateTopicKey, DefaultTopicQueueNums: 1,
				QueueID: q.ID, BornTimestamp: time.Now().UnixMilli(), Flag: m.Flag, Properties: string(props), BrokerName: q.Broker,
				ReconsumeTimes: attempts, MaxReconsumeTimes: protocol.Some(c.attempts()),
			},
		})
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return cluster.Join(errs...)
}

// retryProperties are those of a message with what says where it came from.
func retryProperties(m *MessageView) []byte {
	var props []byte
	for _, name := range sortedKeys(m.Properties) {
		switch name {
		case message.PropDelay, message.PropRetryTopic, message.PropOriginMessageID, message.PropTransactionPrepared,
			message.PropReconsumeTime, message.PropMaxReconsumeTimes:
		default:
			props = message.AppendProperty(props, name, m.Properties[name])
		}
	}
	props = message.AppendProperty(props, message.PropRetryTopic, m.Topic())
	origin := m.Properties[message.PropOriginMessageID]
	if origin == "" {
		origin = m.ID()
	}
	return message.AppendProperty(props, message.PropOriginMessageID, origin)
}
