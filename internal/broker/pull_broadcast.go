package broker

import (
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

// proxyBroadcast is the requestSource of a proxy that pulls for a broadcasting client.
const proxyBroadcast = 1

// broadcaster gives the client whose offsets a broadcasting pull is about; ok is
// false for clustered consumption and for unknown clients.
func (p *pull) broadcaster() (client string, fromProxy, ok bool) {
	if p.header.RequestSource.Or(-1) == proxyBroadcast {
		return p.header.ProxyFrowardClientID, true, true
	}
	g := p.online
	if g == nil || g.MessageModel != protocol.Broadcasting || g.ConsumeType != protocol.ConsumePassively {
		return "", false, false
	}
	m, ok := g.Of(p.ticket.Conn().ID())
	if !ok {
		return "", false, false
	}
	return m.ID, false, true
}

// broadcastStart gives the offset at which a broadcasting client has to begin
// because it came over from a proxy or went to one, consumption.md 6.6.
func (p *pull) broadcastStart() (offset int64, ok bool) {
	client, fromProxy, ok := p.broadcaster()
	if !ok {
		return 0, false
	}
	h := &p.header
	return p.b.traffic.broadcast.Init(p.group.GroupName, p.topic.TopicName, h.QueueID, client, h.QueueOffset, fromProxy)
}

// noteBroadcast remembers how far a broadcasting client has pulled.
func (p *pull) noteBroadcast(r store.GetResult, code protocol.ResponseCode) {
	client, fromProxy, ok := p.broadcaster()
	if !ok {
		return
	}
	offset := p.header.QueueOffset
	if code == protocol.RespPullOffsetMoved {
		offset = r.NextOffset
	}
	p.b.traffic.broadcast.Pulled(p.group.GroupName, p.topic.TopicName, p.header.QueueID, client, offset, fromProxy)
}

// clientOnline tells whether a client of a group is connected.
func (b *Broker) clientOnline(group, client string) bool {
	g, ok := b.clients.ConsumerGroup(group)
	if !ok {
		return false
	}
	_, ok = g.Member(client)
	return ok
}

// firstOffset is where a consumer without any offset begins: 0 while the first
// message of the queue is there, else its end.
func (b *Broker) firstOffset(topic string, queue int32) int64 {
	if b.atStart(topic, queue) {
		return 0
	}
	return b.store.MaxOffset(topic, queue)
}

// atStart tells whether the first message of a queue is still there.
func (b *Broker) atStart(topic string, queue int32) bool {
	return b.store.MinOffset(topic, queue) <= 0 && b.store.MaxOffset(topic, queue) > 0
}
