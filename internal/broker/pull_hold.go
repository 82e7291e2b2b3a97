package broker

import (
	"time"

	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// maxHold bounds the hold time that a client may ask for.
const maxHold = 10 * time.Minute

// park puts a pull that found nothing into the long-polling table. The queue's
// end is looked at again afterwards, because an entry may have arrived between
// the read and the parking.
func (p *pull) park(queue bool) {
	b, h := p.b, &p.header
	p.note(store.GetResult{Status: store.OffsetOverflowOne, NextOffset: p.response.NextBeginOffset}, protocol.RespPullNotFound)
	p.keep()
	p.first = false
	cfg := b.config()
	holdFor := time.Duration(min(max(h.SuspendTimeoutMillis, 0), maxHold.Milliseconds())) * time.Millisecond
	if !cfg.LongPolling {
		holdFor = cfg.ShortPolling
	}
	topic, queueID, offset := p.topic.TopicName, h.QueueID, h.QueueOffset+p.passed
	if h.LiteTopic != "" {
		topic = protocol.LiteQueueName(topic, h.LiteTopic)
	}
	p.Request = hold.Request{
		Topic: topic, QueueID: queueID, Offset: offset, Conn: p.ticket.Conn().ID(),
		Deadline: p.began.Add(holdFor), Owner: p,
	}
	if p.filter != nil {
		p.Request.Filter = p.filter
	}
	if err := b.hold.Park(&p.Request); err != nil {
		p.reply(queue, remoting.Reply{Code: protocol.RespSystemBusy, Remark: "[OVERLOAD]system busy, start flow control for a while: " + err.Error()})
		b.releasePull(p)
		return
	}
	if end := b.store.MaxOffset(topic, queueID); end > offset { // p is no longer ours
		b.hold.Wake(topic, queueID, end)
	}
}

// resumePulls serves parked pulls again, on a goroutine of the table, and sends
// the answers of each connection together.
func (b *Broker) resumePulls(batch []*hold.Request) {
	var few [32]*remoting.Conn
	conns := few[:0]
	for _, r := range batch {
		p := r.Owner.(*pull)
		conn := p.ticket.Conn()
		if len(conns) == 0 || conns[len(conns)-1] != conn {
			conns = append(conns, conn)
		}
		p.Request = hold.Request{Reason: r.Reason}
		before := p.filter
		if err := p.admit(); err != nil {
			p.refuse(err)
			b.releasePull(p)
			continue
		}
		if p.filter != before {
			p.passed = 0 // the new one may want what the old one did not
		}
		p.serve(true)
	}
	for _, conn := range conns {
		conn.Flush()
	}
}

// dropPull forgets a pull whose connection has closed.
func (b *Broker) dropPull(r *hold.Request) { b.releasePull(r.Owner.(*pull)) }
