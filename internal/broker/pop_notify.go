package broker

import (
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// notification serves NOTIFICATION: it tells when a pop would find something.
func (b *Broker) notification(c *remoting.Call) error {
	var h protocol.NotificationRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	p := b.acquirePopping(c)
	p.notify = true
	p.header = protocol.PopMessageRequest{
		ConsumerGroup: h.ConsumerGroup, Topic: h.Topic, QueueID: h.QueueID, PollTime: h.PollTime, BornTime: h.BornTime,
		Order: h.Order, AttemptID: h.AttemptID, ExpType: h.ExpType, Exp: h.Exp,
	}
	return p.start(c)
}

func (p *popping) serveNotification(queue bool) {
	if !p.available() {
		p.park(queue)
		return
	}
	r := remoting.Reply{Header: &protocol.NotificationResponse{HasMsg: true}}
	if queue {
		p.ticket.Queue(r)
	} else {
		p.ticket.Reply(r)
	}
	p.b.releasePopping(p)
}

// available tells whether there is something to pop. The filter is asked when there
// are few messages.
func (p *popping) available() bool {
	h := &p.header
	first, last := h.QueueID, h.QueueID
	if h.QueueID < 0 {
		first, last = 0, p.topic.ReadQueueNums-1
	}
	for q := first; q <= last; q++ {
		if p.availableIn(p.topic.TopicName, q) {
			return true
		}
	}
	for _, old := range []bool{true, false} {
		var name [256]byte
		retry, ok := p.b.topics.Lookup(aliasOf(appendRetryName(name[:0], p.topic.TopicName, p.group.GroupName, old)))
		if !ok || !p.b.readsRetry(old) {
			continue
		}
		for q := range retry.ReadQueueNums {
			if p.availableIn(retry.TopicName, q) {
				return true
			}
		}
	}
	return false
}

// filteredUnits is how many messages the filter is asked about.
const filteredUnits = 32

func (p *popping) availableIn(topic string, queue int32) bool {
	b, h := p.b, &p.header
	end := b.store.MaxOffset(topic, queue)
	if end == 0 {
		return false
	}
	c := b.pops.Cursor(topic, p.group.GroupName, queue)
	if c == nil || h.Order && c.Blocked(h.AttemptID, 0) {
		return false
	}
	at, ok := c.Peek()
	if !ok {
		at = b.store.MinOffset(topic, queue)
	}
	if p.filter == nil || topic != p.topic.TopicName || end-at >= int64(b.config().NotificationFilterNum) {
		return at < end
	}
	for _, u := range b.store.Units(topic, queue, at, filteredUnits) {
		if p.filter.MatchTags(u.TagsCode) {
			return true
		}
	}
	return false
}

// pollingInfo serves POLLING_INFO: how many pops of a group wait.
func (b *Broker) pollingInfo(c *remoting.Call) error {
	var h protocol.PollingInfoRequest
	if err := remoting.BindAlias(c.Ext, &h); err != nil {
		return err
	}
	if b.config().BrokerPermission&protocol.PermRead == 0 {
		return protocol.Errorf(protocol.RespNoPermission, "the broker[%s] peeking message is forbidden", b.config().BrokerIP1)
	}
	topic, group, err := b.admitPop(h.Topic, h.ConsumerGroup, h.QueueID, c.Ticket)
	if err != nil {
		return err
	}
	out := protocol.PollingInfoResponse{}
	if w := b.popping.find(topic.TopicName, group.GroupName); w != nil {
		out.PollingNum = int32(b.popping.held.Count(w.popKey, h.QueueID))
	}
	c.Reply(remoting.Reply{Header: &out})
	return nil
}
