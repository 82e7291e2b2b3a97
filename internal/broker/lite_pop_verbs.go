package broker

import (
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// ackLiteOnly serves ACK_MESSAGE for lite topics.
func (b *Broker) ackLiteOnly(c *remoting.Call) error {
	h, err := bind[protocol.AckMessageRequest](c)
	if err != nil {
		return err
	}
	if strings.TrimSpace(h.LiteTopic) == "" {
		return remoting.NotSupported(c)
	}
	if err := b.admitReceipt(c, h.Topic, h.QueueID); err != nil {
		return err
	}
	if err := b.ackLite(&h); err != nil {
		return err
	}
	return replyOK(c)
}

// changeInvisibleLiteOnly serves CHANGE_MESSAGE_INVISIBLETIME for lite topics.
func (b *Broker) changeInvisibleLiteOnly(c *remoting.Call) error {
	h, err := bind[protocol.ChangeInvisibleTimeRequest](c)
	if err != nil {
		return err
	}
	if strings.TrimSpace(h.LiteTopic) == "" {
		return remoting.NotSupported(c)
	}
	if err := b.admitReceipt(c, h.Topic, h.QueueID); err != nil {
		return err
	}
	answer, err := b.changeInvisibleLite(&h)
	if err != nil {
		return err
	}
	c.Reply(remoting.Reply{Header: &answer})
	return nil
}

func (b *Broker) admitReceipt(c *remoting.Call, name string, queue int32) error {
	topic, ok := b.topics.Lookup(name)
	if !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist, apply first please! %s", name, faq)
	}
	if queue < 0 || queue >= topic.ReadQueueNums {
		return protocol.Errorf(protocol.RespMessageIllegal, "queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d] consumer:[%s]",
			queue, name, topic.ReadQueueNums, c.Conn().RemoteAddr())
	}
	return nil
}
