package broker

import (
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// faq is what Java's remarks about topics and groups end with.
const faq = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."

// Bits of a topic's sysFlag for unit mode.
const (
	topicUnit    = 1
	topicUnitSub = 2
)

// Topic permissions and queues of retry and dead letter topics.
const readWrite = protocol.PermRead | protocol.PermWrite

// admitSend makes the checks of a send request, remoting.md 5.1 steps 1 to 6,
// and returns the topic, created if need be.
func (b *Broker) admitSend(h *protocol.SendMessageRequest, c *remoting.Call) (*protocol.TopicConfig, error) {
	cfg := b.config()
	if start := cfg.StartAcceptSendRequest; start > 0 && b.now().UnixMilli() < start {
		return nil, protocol.Errorf(protocol.RespSystemError, "broker unable to service, until %s", time.UnixMilli(start).Format("2006-01-02 15:04:05,000"))
	}
	topic, found := b.topics.Lookup(h.Topic)
	if found && topic.Order && cfg.BrokerPermission&protocol.PermWrite == 0 {
		return nil, protocol.Errorf(protocol.RespNoPermission, "the broker[%s] sending message is forbidden", cfg.BrokerIP1)
	}
	if err := protocol.ValidateTopic(h.Topic); err != nil {
		return nil, err
	}
	if protocol.IsClosedTopic(h.Topic) {
		return nil, protocol.Errorf(protocol.RespNoPermission, "Sending message to topic[%s] is forbidden.", h.Topic)
	}
	if !found {
		var err error
		if topic, err = b.createForSend(h); err != nil {
			return nil, err
		}
	}
	if queues := max(topic.WriteQueueNums, topic.ReadQueueNums); h.QueueID >= queues {
		return nil, protocol.Errorf(protocol.RespInvalidParameter, "request queueId[%d] is illegal, topic %s has %d write and %d read queues. Producer: %s",
			h.QueueID, topic.TopicName, topic.WriteQueueNums, topic.ReadQueueNums, c.Conn().RemoteAddr())
	}
	if h.QueueID < 0 && topic.WriteQueueNums <= 0 {
		return nil, protocol.Errorf(protocol.RespSystemError, "topic %s has no queue to write to", topic.TopicName)
	}
	return topic, nil
}

// createForSend creates an unknown topic after the template that the producer
// names, and a retry topic without one.
func (b *Broker) createForSend(h *protocol.SendMessageRequest) (*protocol.TopicConfig, error) {
	retry := protocol.IsRetryTopic(h.Topic)
	var sysFlag int32
	if h.UnitMode {
		sysFlag = topicUnit
		if retry {
			sysFlag = topicUnitSub
		}
	}
	name := strings.Clone(h.Topic)
	topic, err := b.topics.CreateInSend(name, strings.Clone(h.DefaultTopic), h.DefaultTopicQueueNums, sysFlag)
	if (err != nil || topic == nil) && retry {
		topic, err = b.topics.CreateInSendBack(name, 1, readWrite, sysFlag)
	}
	if err != nil || topic == nil {
		return nil, protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist, apply first please!%s", name, faq)
	}
	return topic, nil
}

// retryOrDeadLetter redirects a message for a retry topic to the group's dead
// letter topic when it was retried too often or the group consumes in order,
// consumption.md 7.1.
func (s *sending) retryOrDeadLetter(c *remoting.Call) (redirected bool, err error) {
	if !protocol.IsRetryTopic(s.topic) {
		return false, nil
	}
	b, name := s.b, protocol.GroupOfRetryTopic(s.topic)
	group, ok := b.groups.Find(name)
	if !ok {
		return false, groupMissing(name)
	}
	most := maxRetries(group, s.header.MaxReconsumeTimes, c.Version())
	if s.msg.ReconsumeTimes <= most && !b.locks.Held(name) {
		return false, nil
	}
	b.stats.DeadLetter(s.topic, group.GroupName)
	dlq, err := b.topics.CreateInSendBack(protocol.DLQTopic(name), 1, readWrite, 0)
	if err != nil || dlq == nil {
		return false, protocol.Errorf(protocol.RespSystemError, "topic[%s] not exist", protocol.DLQTopic(name))
	}
	s.topic, s.batched = dlq.TopicName, false
	s.msg.Topic, s.msg.QueueID = dlq.TopicName, 0
	s.msg.SysFlag = sysFlagFor(dlq, s.header.SysFlag)
	s.props.buf = appendDeath(s.props.buf, message.DeadOrdered, most, c.Conn().RemoteAddr())
	return true, nil
}

func groupMissing(name string) error {
	return protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "subscription group not exist, %s %s", name, faq)
}

// maxRetries is how often a message of the group may be retried.
func maxRetries(group *protocol.SubscriptionGroupConfig, asked protocol.Opt[int32], version int32) int32 {
	if asked.Set && version >= protocol.VersionMaxReconsumeTimes {
		return asked.Value
	}
	return group.RetryMaxTimes
}
