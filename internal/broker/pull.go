package broker

import (
	"context"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// Bits of a pull's sysFlag.
const (
	pullCommit       = 0x1 // commitOffset is to be stored
	pullSuspend      = 0x2 // hold the request when there is nothing
	pullSubscription = 0x4 // the subscription is in the request
)

// pull is a pull request: while it is served, while it is parked in the
// long-polling table, and when it is served again. It is reused.
type pull struct {
	hold.Request // in use while parked

	b      *Broker
	ticket remoting.Ticket
	code   protocol.RequestCode
	header protocol.PullMessageRequest // strings alias the frame until the pull is kept
	kept   bool
	first  bool // not woken: may be held, and commits
	began  time.Time

	topic    *protocol.TopicConfig
	group    *protocol.SubscriptionGroupConfig
	online   *registry.Group // nil when the group is not online
	filter   store.Filter
	response protocol.PullMessageResponse

	byProperties bool  // the filter looks at records
	passed       int64 // messages from the request's offset on that the filter does not want
}

// pullMessage serves PULL_MESSAGE and LITE_PULL_MESSAGE (remoting.md 5.6,
// consumption.md 4). A read far behind the end of the log, which may wait for the
// disk, moves to a worker.
func (b *Broker) pullMessage(c *remoting.Call) error {
	p := b.acquirePull(c)
	if err := remoting.BindAlias(c.Ext, &p.header); err != nil {
		b.releasePull(p)
		return err
	}
	if err := p.admit(); err != nil {
		p.refuse(err)
		b.releasePull(p)
		return nil
	}
	if !b.coldQueue(p.header.Topic, p.header.QueueID, p.header.QueueOffset) {
		p.serve(false)
		return nil
	}
	p.keep()
	c.Detach(func(context.Context, *remoting.Call) error {
		p.serve(false)
		return nil
	})
	return nil
}

// nearQueue is how many messages before the end of its queue a pull counts as
// recent without a look at the log.
const nearQueue = 256

// coldQueue tells whether reading a queue from an offset on may wait for the disk.
func (b *Broker) coldQueue(topic string, queue int32, offset int64) bool {
	if b.store.LogMax()-b.store.LogMin() <= b.traffic.cold || b.store.MaxOffset(topic, queue)-offset <= nearQueue {
		return false
	}
	units := b.store.Units(topic, queue, offset, 1)
	return len(units) > 0 && b.coldRecord(units[0].Phy)
}

func (b *Broker) acquirePull(c *remoting.Call) *pull {
	p, _ := b.traffic.pulls.Get().(*pull)
	if p == nil {
		p = &pull{b: b}
	}
	p.ticket, p.code, p.first, p.began = c.Ticket, protocol.RequestCode(c.Code), true, b.now()
	return p
}

func (b *Broker) releasePull(p *pull) {
	*p = pull{b: b}
	b.traffic.pulls.Put(p)
}

// keep makes the pull independent of its frame. Names that every pull has come
// from the configuration and cost nothing.
func (p *pull) keep() {
	if p.kept {
		return
	}
	p.kept = true
	h := &p.header
	h.Topic, h.ConsumerGroup = p.topic.TopicName, p.group.GroupName
	h.Subscription = strings.Clone(h.Subscription)
	h.ExpressionType = strings.Clone(h.ExpressionType)
	h.LiteTopic = strings.Clone(h.LiteTopic)
	h.ProxyFrowardClientID = strings.Clone(h.ProxyFrowardClientID)
	h.BrokerName = ""
}

// serve reads, and answers or parks the pull. With queue the answer is only
// queued; the caller flushes the connection. The pull must not be used afterwards.
func (p *pull) serve(queue bool) {
	b := p.b
	buf := b.acquireBuffer()
	var result store.GetResult
	result, *buf = p.read((*buf)[:0])
	code := p.compose(result)
	if p.waits(result, code) {
		b.releaseBuffer(buf)
		p.park(queue)
		return
	}
	p.note(result, code)
	p.reply(queue, remoting.Reply{Code: code, Remark: result.Status.String(), Header: &p.response, Body: *buf})
	b.releaseBuffer(buf)
	b.releasePull(p)
}

// waits tells whether the pull is to be held: when there is nothing the first
// time, and when what woke it is nothing that a filter of records wants. Such a
// pull goes on from where it has looked; were it answered, then a consumer that
// wants one message in a hundred would ask a hundred times.
func (p *pull) waits(r store.GetResult, code protocol.ResponseCode) bool {
	if p.header.SysFlag&pullSuspend == 0 {
		return false
	}
	if p.first {
		return code == protocol.RespPullNotFound
	}
	if !p.byProperties || p.Reason != hold.Arrived {
		return false
	}
	if r.Status == store.NoMatchedMessage && r.NextOffset > p.header.QueueOffset+p.passed {
		p.passed = r.NextOffset - p.header.QueueOffset
		return true
	}
	return r.Status == store.OffsetOverflowOne
}

// read gives the messages that the pull asks for. Before that come a reset of
// the group's offset and a broadcasting client's change between proxy and broker.
func (p *pull) read(buf []byte) (store.GetResult, []byte) {
	b, h := p.b, &p.header
	topic, group := p.topic.TopicName, p.group.GroupName
	offset, moved := b.offsets.TakeReset(group, topic, h.QueueID)
	if !moved {
		offset, moved = p.broadcastStart()
	}
	if moved {
		return store.GetResult{
			Status: store.OffsetReset, NextOffset: offset,
			MinOffset: b.store.MinOffset(topic, h.QueueID), MaxOffset: b.store.MaxOffset(topic, h.QueueID),
		}, buf
	}
	cfg := b.config()
	if h.LiteTopic != "" {
		topic = protocol.LiteQueueName(topic, h.LiteTopic)
	}
	r, buf := b.store.Get(store.GetRequest{
		Topic: topic, QueueID: h.QueueID, Offset: h.QueueOffset + p.passed,
		MaxMsgs:  max(min(int(h.MaxMsgNums), cfg.MaxTransferCountMemory), 1),
		MaxBytes: cfg.MaxTransferBytesMemory, Filter: p.filter,
	}, buf)
	if p.passed > 0 && r.Status == store.OffsetOverflowOne && p.Reason != hold.Arrived {
		r.Status = store.NoMatchedMessage // as if all was read now
	}
	return r, buf
}

// compose fills the answer's header in and gives its code.
func (p *pull) compose(r store.GetResult) protocol.ResponseCode {
	p.response = protocol.PullMessageResponse{
		NextBeginOffset: r.NextOffset, MinOffset: r.MinOffset, MaxOffset: r.MaxOffset,
		TopicSysFlag: protocol.Some(p.topic.TopicSysFlag), GroupSysFlag: protocol.Some(p.group.GroupSysFlag),
	}
	switch r.Status {
	case store.Found:
		return protocol.RespSuccess
	case store.NoMatchedMessage, store.MessageWasRemoving:
		return protocol.RespPullRetryImmediately
	case store.NoMatchedLogicQueue, store.NoMessageInQueue:
		if p.header.QueueOffset != 0 {
			return protocol.RespPullOffsetMoved
		}
		return protocol.RespPullNotFound
	case store.OffsetFoundNull, store.OffsetOverflowOne:
		return protocol.RespPullNotFound
	default: // too small, too large, reset
		return protocol.RespPullOffsetMoved
	}
}

// note keeps what an answer says about the group's progress. A reset is not
// overwritten by the commit that the same request carries.
func (p *pull) note(r store.GetResult, code protocol.ResponseCode) {
	b, h := p.b, &p.header
	topic, group := p.topic.TopicName, p.group.GroupName
	p.noteBroadcast(r, code)
	b.offsets.Pulled(group, topic, h.QueueID, r.NextOffset)
	p.commit(r.Status)
	if code == protocol.RespSuccess {
		b.stats.Get(topic, group, h.QueueID, int64(r.Count), int64(r.Bytes), b.now().Sub(p.began))
	} else {
		b.stats.GetMiss()
	}
}

// commit stores the offset that came with the pull, the first time it is served.
func (p *pull) commit(status store.GetStatus) {
	if !p.first || p.header.SysFlag&pullCommit == 0 || status == store.OffsetReset {
		return
	}
	// Nobody reads an error of this commit: the next one carries the offset again.
	_ = p.b.offsets.Commit(p.group.GroupName, p.topic.TopicName, p.header.QueueID, p.header.CommitOffset)
}

func (p *pull) reply(queue bool, r remoting.Reply) {
	if queue {
		p.ticket.Queue(r)
	} else {
		p.ticket.Reply(r)
	}
}

// maxPooledRecords is the size, in bytes, above which a buffer is not kept.
const maxPooledRecords = 1 << 20

func (b *Broker) acquireBuffer() *[]byte {
	if buf, ok := b.traffic.buffers.Get().(*[]byte); ok {
		return buf
	}
	return new([]byte)
}

func (b *Broker) releaseBuffer(buf *[]byte) {
	if cap(*buf) <= maxPooledRecords {
		b.traffic.buffers.Put(buf)
	}
}
