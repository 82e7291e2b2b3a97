package fake

import (
	"context"
	"fmt"
	"slices"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func offsetAnswer(offset int64) *remoting.Command {
	return OK(&protocol.GetMaxOffsetResponse{Offset: offset}, nil)
}

func (b *Broker) minOffset(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.GetMinOffsetRequest](req)
	b.mu.Lock()
	defer b.mu.Unlock()
	return offsetAnswer(b.queueLocked(h.Topic, h.QueueID).min)
}

func (b *Broker) maxOffset(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.GetMaxOffsetRequest](req)
	b.mu.Lock()
	defer b.mu.Unlock()
	return offsetAnswer(int64(len(b.queueLocked(h.Topic, h.QueueID).records)))
}

func (b *Broker) search(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.SearchOffsetRequest](req)
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queueLocked(h.Topic, h.QueueID)
	i, _ := slices.BinarySearchFunc(q.records, h.Timestamp, func(rec []byte, at int64) int {
		if message.StoreTimestampOf(rec) < at {
			return -1
		}
		return 1
	})
	return offsetAnswer(max(int64(i), q.min))
}

func offsetKey(group, topic string, id int32) string {
	return fmt.Sprintf("%s %s %d", group, topic, id)
}

func (b *Broker) queryOffset(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.QueryConsumerOffsetRequest](req)
	b.mu.Lock()
	defer b.mu.Unlock()
	offset, ok := b.mu.offsets[offsetKey(h.ConsumerGroup, h.Topic, h.QueueID)]
	if !ok {
		return Refuse(protocol.RespQueryNotFound, "Not found")
	}
	return offsetAnswer(offset)
}

func (b *Broker) updateOffset(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.UpdateConsumerOffsetRequest](req)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.offsets[offsetKey(h.ConsumerGroup, h.Topic, h.QueueID)] = h.CommitOffset
	return OK(nil, nil)
}

func (b *Broker) updateTopic(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.CreateTopicRequest](req)
	if err := protocol.ValidateTopic(h.Topic); err != nil {
		return Refuse(protocol.RespInvalidParameter, err.Error())
	}
	b.cluster.CreateTopic(h.Topic, h.WriteQueueNums)
	return OK(nil, nil)
}

func (b *Broker) topicConfig(_ context.Context, req *remoting.Command) *remoting.Command {
	topic := bind[protocol.GetTopicConfigRequest](req).Topic
	n, ok := b.cluster.queues(topic)
	if !ok {
		return Refuse(protocol.RespTopicNotExist, "No topic in this broker. topic: "+topic)
	}
	return JSON(&protocol.TopicConfig{TopicName: topic, ReadQueueNums: n, WriteQueueNums: n, Perm: 6})
}

func (c *Cluster) queues(topic string) (int32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.mu.topics[topic]
	return n, ok
}

func (b *Broker) topicStats(_ context.Context, req *remoting.Command) *remoting.Command {
	topic := bind[protocol.GetTopicStatsInfoRequest](req).Topic
	n, ok := b.cluster.queues(topic)
	if !ok {
		return Refuse(protocol.RespTopicNotExist, "topic["+topic+"] not exist")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	stats := protocol.TopicStatsTable{OffsetTable: make(map[protocol.MessageQueue]protocol.TopicOffset)}
	for id := range n {
		q := b.queueLocked(topic, id)
		o := protocol.TopicOffset{MinOffset: q.min, MaxOffset: int64(len(q.records))}
		if len(q.records) > 0 {
			o.LastUpdateTimestamp = message.StoreTimestampOf(q.records[len(q.records)-1])
		}
		stats.OffsetTable[protocol.MessageQueue{Topic: topic, BrokerName: b.Name, QueueID: id}] = o
	}
	return JSON(&stats)
}

func (b *Broker) deleteTopic(_ context.Context, req *remoting.Command) *remoting.Command {
	topic := bind[protocol.DeleteTopicRequest](req).Topic
	b.cluster.mu.Lock()
	delete(b.cluster.mu.topics, topic)
	b.cluster.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.mu.queues {
		if key.Topic == topic {
			delete(b.mu.queues, key)
		}
	}
	return OK(nil, nil)
}

// find calls f for every record until f is false.
func (b *Broker) find(f func(rec []byte, m message.Message) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range b.mu.queues {
		for _, rec := range q.records {
			if m, err := message.Parse(rec); err == nil && !f(rec, m) {
				return
			}
		}
	}
}

func (b *Broker) view(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.ViewMessageRequest](req)
	resp := Refuse(protocol.RespSystemError, fmt.Sprintf("can not find message by the offset, %d", h.Offset))
	b.find(func(rec []byte, m message.Message) bool {
		if m.PhysicalOffset == h.Offset {
			resp = OK(nil, slices.Clone(rec))
		}
		return m.PhysicalOffset != h.Offset
	})
	return resp
}

// query answers with everything in the topic: like a real index it leaves it to
// the client to look at the key itself.
func (b *Broker) query(_ context.Context, req *remoting.Command) *remoting.Command {
	h := bind[protocol.QueryMessageRequest](req)
	var body []byte
	b.find(func(rec []byte, m message.Message) bool {
		if m.Topic == h.Topic && m.StoreTimestamp >= h.BeginTimestamp && m.StoreTimestamp <= h.EndTimestamp {
			body = append(body, rec...)
		}
		return true
	})
	if len(body) == 0 {
		return Refuse(protocol.RespQueryNotFound, "can not find message, maybe time range not correct")
	}
	return OK(&protocol.QueryMessageResponse{}, body)
}

// lock gives queues to whoever comes first. Locks do not end by themselves.
func (b *Broker) lock(_ context.Context, req *remoting.Command) *remoting.Command {
	var body protocol.LockBatchRequestBody
	if err := javajson.Unmarshal(req.Body, &body); err != nil {
		return Refuse(protocol.RespSystemError, err.Error())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	held := protocol.LockBatchResponseBody{LockOKMQSet: []protocol.MessageQueue{}}
	for _, q := range body.MQSet {
		key := offsetKey(body.ConsumerGroup, q.Topic, q.QueueID)
		if owner, locked := b.mu.locks[key]; !locked || owner == body.ClientID {
			b.mu.locks[key] = body.ClientID
			held.LockOKMQSet = append(held.LockOKMQSet, q)
		}
	}
	return JSON(&held)
}

func (b *Broker) unlock(_ context.Context, req *remoting.Command) *remoting.Command {
	var body protocol.UnlockBatchRequestBody
	if err := javajson.Unmarshal(req.Body, &body); err != nil {
		return Refuse(protocol.RespSystemError, err.Error())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range body.MQSet {
		if key := offsetKey(body.ConsumerGroup, q.Topic, q.QueueID); b.mu.locks[key] == body.ClientID {
			delete(b.mu.locks, key)
		}
	}
	return OK(nil, nil)
}
