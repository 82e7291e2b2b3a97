package broker

import (
	"strconv"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// addBatch completes a client batch: each of its messages becomes a record with
// the properties that the client gave it, or all of them one in a batch queue.
func (s *sending) addBatch(c *remoting.Call, topic *protocol.TopicConfig, p *store.Put) error {
	cfg := s.b.config()
	switch {
	case len(topic.TopicName) > message.MaxTopicLengthV1:
		return protocol.Errorf(protocol.RespMessageIllegal, "message topic length too long %d", len(topic.TopicName))
	case protocol.IsRetryTopic(topic.TopicName):
		return protocol.Errorf(protocol.RespMessageIllegal, "batch request does not support retry group %s", topic.TopicName)
	case s.msg.SysFlag&message.FlagTransactionMask != 0 || s.props.delayLevel() > 0:
		return protocol.Errorf(protocol.RespMessageIllegal, "a batch can be neither a transaction nor delayed")
	case s.msg.SysFlag&message.FlagInnerBatch != 0:
		return protocol.Errorf(protocol.RespMessageIllegal, "the message says that it is a batch inside one record, which topic %s does not store", topic.TopicName)
	case len(c.Body) > cfg.MaxMessageSize:
		return protocol.Errorf(protocol.RespSystemError, "message size exceeded: a batch of %d bytes, at most %d are allowed", len(c.Body), cfg.MaxMessageSize)
	}
	s.kind = s.props.kind()
	s.uniqKey = append(s.uniqKey[:0], s.props.uniqKey...)
	if s.batched {
		s.knowSingle()
		return s.addInnerBatch(c.Body, p)
	}
	p.Split = true
	for item, err := range message.BatchItems(c.Body) {
		if err != nil {
			return protocol.Errorf(protocol.RespSystemError, "%s", err)
		}
		s.msg.Flag, s.msg.Properties, s.msg.Body = item.Flag, item.Properties, item.Body
		if err := s.add(p); err != nil {
			return err
		}
		s.know(item.Properties)
	}
	return nil
}

// addInnerBatch adds the batch as one record, which consumers take apart.
func (s *sending) addInnerBatch(batch []byte, p *store.Put) error {
	for _, err := range message.BatchItems(batch) {
		if err != nil {
			return protocol.Errorf(protocol.RespSystemError, "%s", err)
		}
		s.messages++
	}
	s.msg.Body = batch
	s.msg.SysFlag |= message.FlagNeedUnwrap | message.FlagInnerBatch
	s.props.buf = append(s.props.buf, s.b.props().text...)
	props := message.WithoutProperty(string(s.props.buf), message.PropInnerNum)
	s.msg.Properties = message.WithProperty(props, message.PropInnerNum, strconv.Itoa(s.messages))
	return s.add(p)
}

// hasBatchQueues tells whether the topic has queue.type=BatchCQ.
func hasBatchQueues(topic *protocol.TopicConfig) bool {
	return topic.Attributes[protocol.TopicAttrQueueType] == protocol.QueueTypeBatch
}
