package broker

import (
	"context"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/broker/dedup"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// once is what the send path needs of a message, or a batch, that is to be stored
// only once. Nothing of it aliases a frame.
type once struct {
	topic    string // sent to, before a delay
	window   time.Duration
	property string // dedup.key
	ids      []dedup.ID
	keys     []dedup.Key
	places   []int64 // of the first copies
}

// newOnce begins a message of a topic that suppresses duplicates, nil when it does
// not after all. Retry and dead letter topics get the same message again on
// purpose.
func (b *Broker) newOnce(topic *protocol.TopicConfig) *once {
	window, err := dedup.ParseWindow(topic.Attributes[protocol.TopicAttrDedupWindow])
	if err != nil || protocol.IsRetryTopic(topic.TopicName) || protocol.IsDLQTopic(topic.TopicName) {
		return nil
	}
	return &once{topic: topic.TopicName, window: window, property: topic.Attributes[protocol.TopicAttrDedupKey]}
}

// knowSingle notes what the record that is sent is known by. Half messages and
// timers can be taken back; then their key must not stand in the way of a new
// attempt, so they are not known.
func (s *sending) knowSingle() {
	if s.props.half || s.props.ask.Asked() {
		s.once = nil
	}
	s.know(s.header.Properties)
}

// know notes what the next message is known by. A message without anything makes
// the whole put one that is not known.
func (s *sending) know(props string) {
	if s.once == nil {
		return
	}
	o := s.once
	id := dedup.IDOf(props, o.property)
	if id.Name == "" {
		s.once = nil
		return
	}
	id = dedup.ID{Name: strings.Clone(id.Name), Value: strings.Clone(id.Value)}
	o.ids = append(o.ids, id)
	o.keys = append(o.keys, s.b.dedup.KeyOf(o.topic, id))
}

// storeOnce stores the put unless its messages are stored already; then it answers
// with the first copies. While an earlier copy is under way the put is held. The
// call is nil when it is resumed.
func (s *sending) storeOnce(c *remoting.Call, p *store.Put, again bool) {
	b, o := s.b, s.once
	var verdict dedup.Verdict
	verdict, o.places = b.dedup.Begin(dedup.Request{
		Topic: o.topic, Keys: o.keys, Now: b.now().UnixMilli(), Again: again, Owner: p, Bytes: int(s.bytes),
	}, o.places[:0])
	switch verdict {
	case dedup.First:
		b.store.Enqueue(p)
	case dedup.Known:
		s.compare(c, p)
	case dedup.Full:
		s.refuseHeld(p, protocol.Errorf(protocol.RespSystemBusy, "[DEDUP]the message is being stored; too many copies wait for that, at most %d of %d bytes may",
			dedup.MaxHeld, dedup.MaxHeldBytes))
	case dedup.Held:
	}
}

// compare answers a put that seems to be stored already, or stores it. Reading the
// first copies may wait for the disk; then a worker does it.
func (s *sending) compare(c *remoting.Call, p *store.Put) {
	b := s.b
	if c != nil && b.anyCold(s.once.places) {
		c.Detach(func(context.Context, *remoting.Call) error {
			defer b.store.Commit()
			s.compare(nil, p)
			return nil
		})
		return
	}
	if !s.findFirst(p.Split) {
		s.storeOnce(c, p, true)
		return
	}
	b.dedup.Suppressed(s.once.topic, len(s.once.places))
	s.ticket.Reply(remoting.Reply{Header: &s.response, Ext: b.props().ext})
	b.store.ReleasePut(p)
	b.releaseSending(s)
}

func (b *Broker) anyCold(places []int64) bool {
	for _, place := range places {
		if b.coldRecord(place) {
			return true
		}
	}
	return false
}

// findFirst reads the first copies and fills in the answer that they got. It is
// false when one of them is not what the table took it for, or no longer there.
// The answer to a client's batch has that batch's key.
func (s *sending) findFirst(batch bool) bool {
	b, o := s.b, s.once
	buf := b.acquireBuffer()
	defer b.releaseBuffer(buf)
	s.ids = s.ids[:0]
	for i, place := range o.places {
		rec, err := b.store.Record(place, (*buf)[:0])
		if err != nil {
			return false
		}
		*buf = rec
		m, err := message.Parse(rec)
		if err != nil || !b.isFirst(o, o.ids[i], &m, place) {
			return false
		}
		if i > 0 {
			s.ids = append(s.ids, ',')
		}
		s.ids = message.AppendOffsetID(s.ids, b.traffic.host, place)
		if i > 0 {
			continue
		}
		_, s.response.QueueID = sentTo(&m)
		s.response.QueueOffset = m.QueueOffset
		if key, ok := message.Property(m.Properties, message.PropUniqKey); ok && !batch {
			s.uniqKey = append(s.uniqKey[:0], key...)
		}
	}
	s.response.MsgID, s.response.TransactionID = aliasOf(s.ids), aliasOf(s.uniqKey)
	return true
}

// isFirst tells whether a record is a copy of the message with this id, young
// enough, and still in its queue.
func (b *Broker) isFirst(o *once, id dedup.ID, m *message.Message, place int64) bool {
	topic, _ := sentTo(m)
	if topic != o.topic || dedup.IDOf(m.Properties, o.property) != id || m.StoreTimestamp+o.window.Milliseconds() < b.now().UnixMilli() {
		return false
	}
	if m.QueueOffset < b.store.MinOffset(m.Topic, m.QueueID) {
		return false
	}
	units := b.store.Units(m.Topic, m.QueueID, m.QueueOffset, 1)
	return len(units) == 1 && units[0].Phy == place
}

// sentTo is the topic and queue that a record was sent to, before a delay.
func sentTo(m *message.Message) (topic string, queue int32) {
	topic, queue = m.Topic, m.QueueID
	if topic != store.ScheduleTopic {
		return topic, queue
	}
	for name, value := range message.Properties(m.Properties) {
		switch name {
		case message.PropRealTopic:
			topic = value
		case message.PropRealQueueID:
			queue = number(value, 0)
		}
	}
	return topic, queue
}

// settle is called by the leader when the put is stored, or is not, before it is
// answered.
func (s *sending) settle(p *store.Put) {
	o, r := s.once, &p.Result
	if r.Status == store.PutOK {
		s.b.resume(s.b.dedup.Stored(o.topic, o.window, o.keys, r.Offsets, r.StoreTimestamp))
	} else {
		s.b.resume(s.b.dedup.Failed(o.keys))
	}
}

// resume goes on with puts that were held. The leader must not be kept waiting.
func (b *Broker) resume(held []any) {
	if len(held) == 0 {
		return
	}
	if b.group.Context().Err() != nil {
		for _, owner := range held {
			p := owner.(*store.Put)
			p.Owner.(*sending).refuseHeld(p, b.putError(store.ErrClosed.Status, store.ErrClosed))
		}
		return
	}
	b.group.Go("held sends", func(context.Context) error {
		for _, owner := range held {
			p := owner.(*store.Put)
			p.Owner.(*sending).storeOnce(nil, p, false)
		}
		b.store.Commit()
		return nil
	})
}

// refuseHeld answers a put that was not given to the store.
func (s *sending) refuseHeld(p *store.Put, err error) {
	b := s.b
	b.stats.PutFailed(1)
	b.refuseSend(s.ticket, err)
	b.store.ReleasePut(p)
	b.releaseSending(s)
}
