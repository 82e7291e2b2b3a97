package broker

import (
	"context"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// purgeTopic serves PURGE_TOPIC, which Java does not have: what the topic's queues
// hold is not shown any more. Consumers behind are told where to go on as after a
// deletion of log files. System topics hold what the broker itself still needs.
func (b *Broker) purgeTopic(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.PurgeTopicRequest](c)
	if err != nil {
		return err
	}
	topic, ok := b.topics.Lookup(h.Topic)
	if !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist", h.Topic)
	}
	if b.topics.IsSystem(h.Topic) {
		return protocol.Errorf(protocol.RespInvalidParameter, "topic[%s] is a system topic, which cannot be purged", h.Topic)
	}
	var ids []int32
	if h.QueueID.Set {
		if queues := max(topic.ReadQueueNums, topic.WriteQueueNums); h.QueueID.Value < 0 || h.QueueID.Value >= queues {
			return protocol.Errorf(protocol.RespInvalidParameter, "queueId[%d] of topic[%s]: allowed: 0 to %d", h.QueueID.Value, h.Topic, queues-1)
		}
		ids = []int32{h.QueueID.Value}
	}
	purged, err := b.store.Purge(h.Topic, ids)
	if err != nil {
		return err
	}
	out := protocol.PurgeTopicResponseBody{Queues: []protocol.PurgedQueue{}}
	for _, p := range purged {
		out.Queues = append(out.Queues, protocol.PurgedQueue{QueueID: p.QueueID, MinOffset: p.Min, MaxOffset: p.Max})
	}
	b.log.Info("topic purged", "topic", h.Topic, "queues", len(purged), "peer", c.Conn().RemoteAddr())
	return replyJSON(c, &out)
}

// maxReserve is the longest time in hours that is a limit at all: a century.
const maxReserve = 100 * 365 * 24

// reserveTimes are the topics with a retention of their own (attribute
// reserve.time). The unit is the hour, as for fileReservedTime: Java's tiered store,
// the only part of it that reads the attribute, takes it so. -1 and 0 are no limit.
func (b *Broker) reserveTimes() map[string]time.Duration {
	times := make(map[string]time.Duration)
	_, topics := b.topics.Snapshot()
	for _, t := range topics {
		hours, err := strconv.ParseInt(t.Attributes[protocol.TopicAttrReserveTime], 10, 64)
		if err == nil && hours > 0 && hours <= maxReserve {
			times[t.TopicName] = time.Duration(hours) * time.Hour
		}
	}
	return times
}
