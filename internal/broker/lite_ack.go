package broker

import (
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/lite"
	"github.com/aerobee/aerobee/internal/protocol"
)

// receipt is what an acknowledgement says of the pop that it belongs to.
type receipt struct {
	popTime, invisible int64
	reviveQueue        int64
}

// parseReceipt reads the first four of the words of a receipt.
func parseReceipt(text string) (r receipt, err error) {
	words := strings.Split(text, " ")
	if len(words) < 4 {
		return r, protocol.Errorf(protocol.RespSystemError, "receipt %q has %d words, at least 4 are needed", text, len(words))
	}
	for i, p := range []*int64{&r.popTime, &r.invisible, &r.reviveQueue} {
		if *p, err = strconv.ParseInt(words[i+1], 10, 64); err != nil {
			return r, protocol.Errorf(protocol.RespSystemError, "receipt %q: word %d is not a number", text, i+2)
		}
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
	r, err := parseReceipt(h.ExtraInfo)
	if err != nil {
		return err
	}
	if h.QueueID != 0 || r.reviveQueue != orderReviveQueue {
		return protocol.Errorf(protocol.RespInvalidParameter, "ack queue illegal.")
	}
	if b.lite.Ack(h.ConsumerGroup, queue, h.Offset, r.popTime) == lite.Unknown {
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
	r, err := parseReceipt(h.ExtraInfo)
	if err != nil {
		return answer, err
	}
	if committed, ok := b.offsets.Query(h.ConsumerGroup, queue, 0); ok && h.Offset < committed {
		return answer, nil
	}
	at := b.now().UnixMilli() + h.InvisibleTime
	b.lite.ChangeVisible(h.ConsumerGroup, queue, h.Offset, r.popTime, at, h.Suspend)
	return protocol.ChangeInvisibleTimeResponse{
		PopTime: r.popTime, InvisibleTime: at - r.popTime, ReviveQueueID: int32(r.reviveQueue),
	}, nil
}
