package broker

import (
	"context"

	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// resetOffset serves INVOKE_BROKER_TO_RESET_OFFSET (consumption.md 6.4). By default
// the offsets are set here, and the consumers follow on their next pull; without
// useServerSideResetOffset the consumers are told to move.
func (b *Broker) resetOffset(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.ResetOffsetRequest](c)
	if err != nil {
		return err
	}
	if b.config().ServerSideResetOffset {
		return b.resetHere(c, &h)
	}
	return b.resetByClients(c, &h)
}

// target is a queue and the offset that a group is to continue at.
type target struct {
	queue  int32
	offset int64
}

func (b *Broker) resetHere(c *remoting.Call, h *protocol.ResetOffsetRequest) error {
	targets, err := b.resetTargets(h)
	if err != nil {
		return err
	}
	out := protocol.ResetOffsetBody{OffsetTable: make(map[protocol.MessageQueue]int64, len(targets))}
	for _, t := range targets {
		if err := b.offsets.Reset(h.Group, h.Topic, t.queue, t.offset); err != nil {
			return err
		}
		out.OffsetTable[b.queueOf(h.Topic, t.queue)] = t.offset
	}
	b.log.Info("offsets reset", "group", h.Group, "topic", h.Topic, "queues", len(targets), "timestamp", h.Timestamp)
	return replyJSON(c, &out)
}

// resetTargets finds the offsets: one given for one queue, or by time for one or
// all queues.
func (b *Broker) resetTargets(h *protocol.ResetOffsetRequest) ([]target, error) {
	topic, ok := b.topics.Lookup(h.Topic)
	if !ok {
		return nil, protocol.Errorf(protocol.RespTopicNotExist, "Topic %s does not exist", h.Topic)
	}
	if _, ok := b.groups.Peek(h.Group); !ok {
		return nil, protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "Group %s does not exist", h.Group)
	}
	queue, offset := h.QueueID.Or(-1), h.Offset.Or(-1)
	if queue >= 0 && offset != -1 {
		low, high := b.store.MinOffset(h.Topic, queue), b.store.MaxOffset(h.Topic, queue)
		if offset < low || offset > high+1 {
			return nil, protocol.Errorf(protocol.RespSystemError, "Target offset %d not in consume queue range [%d-%d]", offset, low, high)
		}
		return []target{{queue, offset}}, nil
	}
	if queue >= 0 {
		return []target{{queue, b.offsetAt(h.Topic, queue, h.Timestamp)}}, nil
	}
	targets := make([]target, 0, topic.ReadQueueNums)
	for q := range topic.ReadQueueNums {
		targets = append(targets, target{q, b.offsetAt(h.Topic, q, h.Timestamp)})
	}
	return targets, nil
}

// offsetAt is the first offset of a queue that is not before a time; the end of
// the queue for a negative time.
func (b *Broker) offsetAt(topic string, queue int32, timestamp int64) int64 {
	if timestamp < 0 {
		return b.store.MaxOffset(topic, queue)
	}
	return b.store.OffsetByTime(topic, queue, timestamp, false)
}

func (b *Broker) queueOf(topic string, queue int32) protocol.MessageQueue {
	return protocol.MessageQueue{Topic: topic, BrokerName: b.config().BrokerName, QueueID: queue}
}

// resetByClients tells all consumers of the group to move.
func (b *Broker) resetByClients(c *remoting.Call, h *protocol.ResetOffsetRequest) error {
	topic, ok := b.topics.Lookup(h.Topic)
	if !ok {
		return protocol.Errorf(protocol.RespSystemError, "[reset-offset] reset offset failed, no topic in this broker. topic=%s", h.Topic)
	}
	targets := make([]target, 0, topic.WriteQueueNums)
	for q := range topic.WriteQueueNums {
		current, known := b.offsets.Query(h.Group, h.Topic, q)
		if !known {
			return protocol.Errorf(protocol.RespSystemError, "THe consumer group <%s> not exist", h.Group)
		}
		offset := b.offsetAt(h.Topic, q, h.Timestamp)
		if !h.IsForce {
			offset = min(offset, current)
		}
		targets = append(targets, target{q, offset})
	}
	group, online := b.clients.ConsumerGroup(h.Group)
	if !online {
		return protocol.Errorf(protocol.RespConsumerNotOnline,
			"Consumer not online, so can not reset offset, Group: %s Topic: %s Timestamp: %d", h.Group, h.Topic, h.Timestamp)
	}
	for _, m := range group.Members {
		if m.Version < protocol.VersionResetOffsetPush {
			return protocol.Errorf(protocol.RespSystemError, "the client %s does not support this feature. version=%d", m.ID, m.Version)
		}
	}
	out := &protocol.ResetOffsetBody{OffsetTable: make(map[protocol.MessageQueue]int64, len(targets))}
	for _, t := range targets {
		out.OffsetTable[b.queueOf(h.Topic, t.queue)] = t.offset
	}
	b.pushReset(c, h, group, out)
	return replyJSON(c, out)
}

// pushReset sends the offsets to the members of a group. A C++ administrator's
// clients understand a list only.
func (b *Broker) pushReset(c *remoting.Call, h *protocol.ResetOffsetRequest, group *registry.Group, out *protocol.ResetOffsetBody) {
	var body []byte
	if c.Language == protocol.LanguageCPP {
		var list protocol.ResetOffsetBodyForC
		for q, offset := range out.OffsetTable {
			list.OffsetTable = append(list.OffsetTable, protocol.MessageQueueForC{
				Topic: q.Topic, BrokerName: q.BrokerName, QueueID: q.QueueID, Offset: offset,
			})
		}
		body = javajson.Marshal(&list)
	} else {
		body = javajson.Marshal(out)
	}
	header := &protocol.ResetOffsetRequest{Topic: h.Topic, Group: h.Group, Timestamp: h.Timestamp, IsForce: h.IsForce}
	for _, m := range group.Members {
		conn, ok := m.Channel.(*remoting.Conn)
		if !ok {
			continue
		}
		err := conn.Oneway(&remoting.Command{
			Code: int32(protocol.ReqResetConsumerClientOffset), Version: protocol.Version,
			Ext: remoting.AppendHeader(nil, header, false), Body: body,
		})
		if err != nil {
			b.log.Warn("a consumer was not told to reset its offsets", "group", h.Group, "client", m.ID, "error", err)
		}
	}
}
