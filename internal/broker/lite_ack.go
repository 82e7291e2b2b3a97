package broker

import (
	"github.com/aerobee/aerobee/internal/broker/lite"
	"github.com/aerobee/aerobee/internal/broker/pop"
	"github.com/aerobee/aerobee/internal/protocol"
)

// liteReceipt reads the receipt of a message of a lite topic.
func liteReceipt(text string) (pop.Receipt, error) {
	r, err := pop.ParseReceipt(text)
	if err != nil {
		return r, protocol.Errorf(protocol.RespSystemError, "%v", err)
	}
	return r, nil
}

// ackLite is the part of ACK_MESSAGE for messages of a lite topic (consumption.md
// 9.4). Topic and queue id have been checked.
func (b *Broker) ackLite(h *protocol.AckMessageRequest) error {
	rules, bound := b.liteRules(h.ConsumerGroup)
	if !bound || rules.Parent != h.Topic {
		return protocol.Errorf(protocol.RespInvalidParameter, "group type or bind topic not match.")
	}
	queue := protocol.LiteQueueName(h.Topic, h.LiteTopic)
	if h.Offset > b.store.MaxOffset(queue, 0) {
		return protocol.Errorf(protocol.RespNoMessage, "ack offset illegal.")
	}
	r, err := liteReceipt(h.ExtraInfo)
	if err != nil {
		return err
	}
	if h.QueueID != 0 || r.Revive != pop.OrderQueue {
		return protocol.Errorf(protocol.RespInvalidParameter, "ack queue illegal.")
	}
	if b.lite.Ack(h.ConsumerGroup, queue, h.Offset, r.PopTime) == lite.Unknown {
		return protocol.Errorf(protocol.RespMessageIllegal, "ack offset illegal.")
	}
	return nil
}

// changeInvisibleLite is the part of CHANGE_MESSAGE_INVISIBLETIME for messages of a
// lite topic. Topic and queue id have been checked. A message that was acknowledged
// has an answer of zeros, as in Java.
func (b *Broker) changeInvisibleLite(h *protocol.ChangeInvisibleTimeRequest) (answer protocol.ChangeInvisibleTimeResponse, err error) {
	queue := protocol.LiteQueueName(h.Topic, h.LiteTopic)
	if h.Offset > b.store.MaxOffset(queue, 0) {
		return answer, &protocol.Error{Code: protocol.RespNoMessage}
	}
	r, err := liteReceipt(h.ExtraInfo)
	if err != nil {
		return answer, err
	}
	if committed, ok := b.offsets.Query(h.ConsumerGroup, queue, 0); ok && h.Offset < committed {
		return answer, nil
	}
	at := b.now().UnixMilli() + h.InvisibleTime
	b.lite.ChangeVisible(h.ConsumerGroup, queue, h.Offset, r.PopTime, at, h.Suspend)
	return protocol.ChangeInvisibleTimeResponse{
		PopTime: r.PopTime, InvisibleTime: at - r.PopTime, ReviveQueueID: r.Revive,
	}, nil
}
