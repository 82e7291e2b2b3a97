package broker

import (
	"errors"

	"github.com/aerobee/aerobee/internal/broker/offsets"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// queryConsumerOffset serves QUERY_CONSUMER_OFFSET (consumption.md 6.1). A group
// without an offset begins at 0 on a queue whose first message is still there.
func (b *Broker) queryConsumerOffset(c *remoting.Call) error {
	var h protocol.QueryConsumerOffsetRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	offset, ok := b.offsets.Query(h.ConsumerGroup, h.Topic, h.QueueID)
	switch {
	case ok:
	case !h.SetZeroIfNotFound.Or(true):
		return protocol.Errorf(protocol.RespQueryNotFound, "Not found, do not set to zero, maybe this group boot first")
	case b.atStart(h.Topic, h.QueueID):
		offset = 0
	default:
		return protocol.Errorf(protocol.RespQueryNotFound, "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first")
	}
	c.Reply(remoting.Reply{Header: &protocol.QueryConsumerOffsetResponse{Offset: offset}})
	return nil
}

// updateConsumerOffset serves UPDATE_CONSUMER_OFFSET (consumption.md 6.2).
func (b *Broker) updateConsumerOffset(c *remoting.Call) error {
	var h protocol.UpdateConsumerOffsetRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	if _, ok := b.groups.Peek(h.ConsumerGroup); !ok {
		return protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "Group %s not exist!", h.ConsumerGroup)
	}
	if _, ok := b.topics.Lookup(h.Topic); !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "Topic %s not exist!", h.Topic)
	}
	err := b.offsets.Commit(h.ConsumerGroup, h.Topic, h.QueueID, h.CommitOffset)
	if errors.Is(err, offsets.ErrResetPending) {
		c.Reply(remoting.Reply{Remark: "Offset has been previously reset"})
		return nil
	}
	if err != nil {
		return err
	}
	c.Reply(remoting.Reply{})
	return nil
}

// getAllConsumerOffset serves GET_ALL_CONSUMER_OFFSET: the content of
// consumerOffset.json.
func (b *Broker) getAllConsumerOffset(c *remoting.Call) error {
	c.Reply(remoting.Reply{Body: b.offsets.Encode()})
	return nil
}

// getAllDelayOffset serves GET_ALL_DELAY_OFFSET: the content of delayOffset.json.
func (b *Broker) getAllDelayOffset(c *remoting.Call) error {
	c.Reply(remoting.Reply{Body: b.delay.Encode()})
	return nil
}

// getMaxOffset serves GET_MAX_OFFSET. An unknown queue ends at 0.
func (b *Broker) getMaxOffset(c *remoting.Call) error {
	var h protocol.GetMaxOffsetRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	c.Reply(remoting.Reply{Header: &protocol.GetMaxOffsetResponse{Offset: b.store.MaxOffset(h.Topic, h.QueueID)}})
	return nil
}

// getMinOffset serves GET_MIN_OFFSET. An unknown queue begins at 0.
func (b *Broker) getMinOffset(c *remoting.Call) error {
	var h protocol.GetMinOffsetRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	c.Reply(remoting.Reply{Header: &protocol.GetMinOffsetResponse{Offset: b.store.MinOffset(h.Topic, h.QueueID)}})
	return nil
}

// searchOffset serves SEARCH_OFFSET_BY_TIMESTAMP. It reads store times from the
// log, which may wait for the disk, and so runs on a worker.
func (b *Broker) searchOffset(c *remoting.Call) error {
	var h protocol.SearchOffsetRequest
	if err := remoting.Bind(c.Ext, &h); err != nil {
		return err
	}
	topic := h.Topic
	if h.LiteTopic != "" {
		topic = protocol.LiteQueueName(topic, h.LiteTopic)
	}
	upper := protocol.ParseBoundaryType(h.BoundaryType) == protocol.BoundaryUpper
	return b.mayBlock(c, func(c *remoting.Call) error {
		offset := b.store.OffsetByTime(topic, h.QueueID, h.Timestamp, upper)
		c.Reply(remoting.Reply{Header: &protocol.SearchOffsetResponse{Offset: offset}})
		return nil
	})
}

// getEarliestMsgStoretime serves GET_EARLIEST_MSG_STORETIME: the store time of
// the oldest message of a queue, -1 when there is none.
func (b *Broker) getEarliestMsgStoretime(c *remoting.Call) error {
	var h protocol.GetEarliestMsgStoreTimeRequest
	if err := remoting.Bind(c.Ext, &h); err != nil {
		return err
	}
	return b.mayBlock(c, func(c *remoting.Call) error {
		at, ok := b.store.StoreTimeAt(h.Topic, h.QueueID, b.store.MinOffset(h.Topic, h.QueueID))
		if !ok {
			at = -1
		}
		c.Reply(remoting.Reply{Header: &protocol.GetEarliestMsgStoreTimeResponse{Timestamp: at}})
		return nil
	})
}
