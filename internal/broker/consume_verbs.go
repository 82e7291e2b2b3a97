package broker

import (
	"context"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// consumeStats serves GET_CONSUME_STATS (admin.md 3.4).
func (b *Broker) consumeStats(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetConsumeStatsRequest](c)
	if err != nil {
		return err
	}
	var topics []string
	checked := h.TopicList == ""
	switch {
	case !checked:
		topics = strings.Split(h.TopicList, ";")
	case h.Topic != "":
		topics = []string{h.Topic}
	default:
		topics = b.offsets.Topics(h.ConsumerGroup)
	}
	out := protocol.ConsumeStats{OffsetTable: map[protocol.MessageQueue]protocol.OffsetWrapper{}}
	for _, topic := range topics {
		config, ok := b.topics.Lookup(topic)
		if !ok || checked && !b.mayConsume(h.ConsumerGroup, topic) {
			continue
		}
		b.progress(&out, h.ConsumerGroup, topic, config.ReadQueueNums)
	}
	return replyJSON(c, &out)
}

// mayConsume tells whether a topic belongs to what a group consumes: it does
// unless the group is online and subscribes to other topics.
func (b *Broker) mayConsume(group, topic string) bool {
	g, online := b.clients.ConsumerGroup(group)
	return !online || len(g.Subscriptions) == 0 || g.Subscriptions[topic] != nil
}

// progress adds how far a group is in the queues of a topic.
func (b *Broker) progress(out *protocol.ConsumeStats, group, topic string, queues int32) {
	for q := range queues {
		consumed, _ := b.offsets.Query(group, topic, q)
		pulled, _ := b.offsets.QueryPulled(group, topic, q)
		w := protocol.OffsetWrapper{
			BrokerOffset: max(b.store.MaxOffset(topic, q), 0), ConsumerOffset: max(consumed, b.store.FloorOffset(topic, q)),
		}
		w.PullOffset = max(w.ConsumerOffset, pulled)
		if w.ConsumerOffset > 0 {
			w.LastTimestamp, _ = b.store.StoreTimeAt(topic, q, w.ConsumerOffset-1)
		}
		out.OffsetTable[b.queueOf(topic, q)] = w
	}
	out.ConsumeTPS += b.stats.GroupGetTPS(topic, group)
}

// brokerConsumeStats serves GET_BROKER_CONSUME_STATS: all groups at once.
func (b *Broker) brokerConsumeStats(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetConsumeStatsInBrokerRequest](c)
	if err != nil {
		return err
	}
	out := protocol.ConsumeStatsList{BrokerAddr: b.Advertised()}
	_, groups := b.groups.Snapshot()
	pairs := b.offsets.Pairs() // sorted by group, as the groups are
	for _, g := range groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		stats := []protocol.ConsumeStats{}
		for len(pairs) > 0 && pairs[0].Group < g.GroupName {
			pairs = pairs[1:]
		}
		for ; len(pairs) > 0 && pairs[0].Group == g.GroupName; pairs = pairs[1:] {
			topic := pairs[0].Topic
			config, ok := b.topics.Lookup(topic)
			if !ok || !b.offsets.Known(pairs[0]) || h.IsOrder && !config.Order || !b.mayConsume(g.GroupName, topic) {
				continue
			}
			s := protocol.ConsumeStats{OffsetTable: map[protocol.MessageQueue]protocol.OffsetWrapper{}}
			b.progress(&s, g.GroupName, topic, config.WriteQueueNums)
			for _, w := range s.OffsetTable {
				out.TotalDiff += w.BrokerOffset - w.ConsumerOffset
				out.TotalInflightDiff += w.PullOffset - w.ConsumerOffset
			}
			stats = append(stats, s)
		}
		out.ConsumeStatsList = append(out.ConsumeStatsList, map[string][]protocol.ConsumeStats{g.GroupName: stats})
	}
	return replyJSON(c, &out)
}

// consumeTimeSpan serves QUERY_CONSUME_TIME_SPAN: how far a group is in time.
func (b *Broker) consumeTimeSpan(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.QueryConsumeTimeSpanRequest](c)
	if err != nil {
		return err
	}
	topic, ok := b.topics.Lookup(h.Topic)
	if !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist", h.Topic)
	}
	out := protocol.QueryConsumeTimeSpanBody{ConsumeTimeSpanSet: []protocol.QueueTimeSpan{}}
	for q := range topic.WriteQueueNums {
		out.ConsumeTimeSpanSet = append(out.ConsumeTimeSpanSet, b.timeSpan(h.Group, h.Topic, q))
	}
	return replyJSON(c, &out)
}

func (b *Broker) timeSpan(group, topic string, q int32) protocol.QueueTimeSpan {
	at := func(offset int64) int64 {
		if ms, ok := b.store.StoreTimeAt(topic, q, offset); ok {
			return ms
		}
		return -1
	}
	low, high := b.store.MinOffset(topic, q), b.store.MaxOffset(topic, q)
	span := protocol.QueueTimeSpan{
		MessageQueue: b.queueOf(topic, q), MinTimeStamp: at(low), MaxTimeStamp: at(high - 1),
	}
	span.ConsumeTimeStamp = span.MinTimeStamp
	consumed, known := b.offsets.Query(group, topic, q)
	if known && consumed > 0 {
		span.ConsumeTimeStamp = at(consumed - 1)
	}
	if next := at(max(consumed, low)); consumed < high && next > 0 {
		span.DelayTime = b.now().UnixMilli() - next
	}
	span.MinTimeStampStr = spanTime(span.MinTimeStamp)
	span.MaxTimeStampStr = spanTime(span.MaxTimeStamp)
	span.ConsumeTimeStampStr = spanTime(span.ConsumeTimeStamp)
	return span
}

// spanTime is a time as yyyy-MM-dd#HH:mm:ss:SSS in the local zone.
func spanTime(ms int64) string {
	s := time.UnixMilli(ms).Format("2006-01-02#15:04:05.000")
	return strings.Replace(s, ".", ":", 1)
}

// correctionOffset serves QUERY_CORRECTION_OFFSET: for each queue of a topic the
// lowest offset of its groups, or the greatest number where the group compared
// with is behind that. Java deletes the offsets of filterGroups; here they are
// left out of the comparison and stay.
func (b *Broker) correctionOffset(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.QueryCorrectionOffsetRequest](c)
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for group := range strings.SplitSeq(h.FilterGroups, ",") {
		left[group] = true
	}
	lowest := map[int32]int64{}
	for _, group := range b.offsets.Groups(h.Topic) {
		if left[group] {
			continue
		}
		for q, offset := range b.offsets.Offsets(group, h.Topic) {
			if low, ok := lowest[q]; (!ok || offset < low) && offset >= b.store.MinOffset(h.Topic, q) {
				lowest[q] = offset
			}
		}
	}
	for q, offset := range b.offsets.Offsets(h.CompareGroup, h.Topic) {
		if low, ok := lowest[q]; ok && low > offset {
			lowest[q] = 1<<63 - 1
		}
	}
	return replyJSON(c, &protocol.QueryCorrectionOffsetBody{CorrectionOffsets: lowest})
}

// cloneGroupOffset serves CLONE_GROUP_OFFSET. Without a topic all topics of the
// source group are cloned, which Java means to do and does not.
func (b *Broker) cloneGroupOffset(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.CloneGroupOffsetRequest](c)
	if err != nil {
		return err
	}
	if err := protocol.ValidateGroup(h.DestGroup); err != nil {
		return err
	}
	topics := []string{h.Topic}
	if strings.TrimSpace(h.Topic) == "" {
		topics = b.offsets.Topics(h.SrcGroup)
	}
	for _, topic := range topics {
		if _, ok := b.topics.Lookup(topic); !ok || !h.Offline && !b.mayConsume(h.SrcGroup, topic) {
			continue
		}
		if err := b.offsets.Copy(h.SrcGroup, h.DestGroup, topic); err != nil {
			return err
		}
	}
	return replyOK(c)
}
