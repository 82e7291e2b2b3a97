package broker

import (
	"fmt"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// maxQueueEntries bounds one answer of QUERY_CONSUME_QUEUE; Java has no bound.
const maxQueueEntries = 1024

// queryConsumeQueue serves QUERY_CONSUME_QUEUE (admin.md, 321): entries of a
// queue, and whether a group's subscription wants them.
func (b *Broker) queryConsumeQueue(c *remoting.Call) error {
	var h protocol.QueryConsumeQueueRequest
	if err := remoting.Bind(c.Ext, &h); err != nil {
		return err
	}
	return b.mayBlock(c, func(c *remoting.Call) error { return b.replyQueue(c, &h) })
}

func (b *Broker) replyQueue(c *remoting.Call, h *protocol.QueryConsumeQueueRequest) error {
	topic, ok := b.topics.Lookup(h.Topic)
	if !ok || h.QueueID < 0 || h.QueueID >= max(topic.ReadQueueNums, topic.WriteQueueNums) {
		return protocol.Errorf(protocol.RespSystemError, "%d@%s is not exist!", h.QueueID, h.Topic)
	}
	body := protocol.QueryConsumeQueueResponseBody{
		MinQueueIndex: b.store.MinOffset(h.Topic, h.QueueID), MaxQueueIndex: b.store.MaxOffset(h.Topic, h.QueueID),
		QueueData: []protocol.ConsumeQueueData{},
	}
	if h.ConsumerGroup != "" {
		if body.SubscriptionData, ok = b.clients.Subscription(h.ConsumerGroup, h.Topic); ok {
			body.FilterData = "null" // of a filter by tags Java has none, and says so
		} else {
			body.FilterData = fmt.Sprintf("%s@%s is not online!", h.ConsumerGroup, h.Topic)
		}
	}
	if h.Index < body.MinQueueIndex || h.Index >= body.MaxQueueIndex {
		c.Reply(remoting.Reply{Remark: fmt.Sprintf("Index %d of %d@%s is not exist!", h.Index, h.QueueID, h.Topic)})
		return nil
	}
	for _, u := range b.store.Units(h.Topic, h.QueueID, h.Index, int(min(max(h.Count, 0), maxQueueEntries))) {
		// Eval stays false, as in Java, whose queues evaluate extended entries only.
		body.QueueData = append(body.QueueData, protocol.ConsumeQueueData{PhysicOffset: u.Phy, PhysicSize: u.Size, TagsCode: u.TagsCode})
	}
	c.Reply(remoting.Reply{Body: javajson.Marshal(body)})
	return nil
}
