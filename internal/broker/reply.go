package broker

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// replyTimeout is how long the requester's client may take to accept a reply.
const replyTimeout = 10 * time.Second

// sendReplyMessage serves SEND_REPLY_MESSAGE and SEND_REPLY_MESSAGE_V2
// (remoting.md 5.3): it pushes the reply of a request-reply exchange to the
// client that waits for it, and stores it whether or not that succeeded.
func (b *Broker) sendReplyMessage(c *remoting.Call) error {
	a := &answering{b: b}
	err := remoting.Bind(c.Ext, &a.header)
	if err == nil {
		a.topic, err = b.admitSend(&a.header, c)
	}
	if err != nil {
		b.refuseSend(c.Ticket, err)
		return nil
	}
	a.queueID = a.header.QueueID
	if a.queueID < 0 {
		a.queueID = randomQueue(a.topic)
	}
	c.Detach(a.run)
	return nil
}

// answering is a reply on its way to the requester.
type answering struct {
	b       *Broker
	header  protocol.SendMessageRequest
	topic   *protocol.TopicConfig
	queueID int32
	props   []byte // as stored
}

func (a *answering) run(ctx context.Context, c *remoting.Call) error {
	b := a.b
	for name, value := range message.Properties(a.header.Properties) {
		if name != message.PropRegion && name != message.PropTraceOn {
			a.props = message.AppendProperty(a.props, name, value)
		}
	}
	ext := b.props().ext
	for _, f := range ext {
		a.props = message.AppendProperty(a.props, f.Key, f.Value)
	}
	reply := remoting.Reply{Ext: ext}
	response := protocol.SendMessageResponse{MsgID: "0", QueueID: a.queueID}
	if err := a.push(ctx, c); err != nil {
		reply.Code, reply.Remark = outcome(err)
	} else {
		reply.Header = &response
	}
	if b.config().StoreReplyMessageEnable {
		if r := a.store(ctx, c); r.Status == store.PutOK {
			response.MsgID, response.QueueOffset = message.OffsetID(b.traffic.host, r.PhysicalOffset), r.QueueOffset
			reply.Header = &response
		}
	}
	c.Reply(reply)
	return nil
}

// push hands the reply to the client that asked.
func (a *answering) push(ctx context.Context, c *remoting.Call) error {
	client, ok := message.Property(a.header.Properties, message.PropReplyToClient)
	if !ok {
		return protocol.Errorf(protocol.RespSystemError, "reply message properties[REPLY_TO_CLIENT] is null")
	}
	conn := a.b.producerConn(client)
	if conn == nil {
		return protocol.Errorf(protocol.RespSystemError, "push reply message fail, channel of <%s> not found.", client)
	}
	now, h := a.b.now(), &a.header
	props := message.AppendProperty(slices.Clone(a.props), message.PropPushReplyTime, strconv.FormatInt(now.UnixMilli(), 10))
	push := protocol.ReplyMessageRequest{
		ProducerGroup: h.ProducerGroup, Topic: h.Topic, DefaultTopic: h.DefaultTopic, DefaultTopicQueueNums: h.DefaultTopicQueueNums,
		QueueID: h.QueueID, SysFlag: h.SysFlag, BornTimestamp: h.BornTimestamp, Flag: h.Flag, Properties: string(props),
		ReconsumeTimes: h.ReconsumeTimes, UnitMode: h.UnitMode,
		BornHost: unmapped(c.Conn().RemoteAddr()).String(), StoreHost: a.b.traffic.host.String(), StoreTimestamp: now.UnixMilli(),
	}
	ctx, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	answer, err := conn.Invoke(ctx, &remoting.Command{
		Code: int32(protocol.ReqPushReplyMessageToClient), Ext: remoting.AppendHeader(nil, &push, false), Body: c.Body,
	})
	if err != nil || answer.Code != int32(protocol.RespSuccess) {
		return protocol.Errorf(protocol.RespSystemError, "push reply message to %sfail.", client)
	}
	return nil
}

func (a *answering) store(ctx context.Context, c *remoting.Call) store.PutResult {
	h, began := &a.header, a.b.now()
	m := message.Message{
		Topic: a.topic.TopicName, QueueID: a.queueID, Flag: h.Flag, SysFlag: sysFlagFor(a.topic, h.SysFlag),
		BornTimestamp: h.BornTimestamp, BornHost: unmapped(c.Conn().RemoteAddr()), StoreHost: a.b.traffic.host,
		ReconsumeTimes: h.ReconsumeTimes, Properties: aliasOf(a.props), Body: c.Body,
	}
	r := a.b.store.Put(ctx, &m)
	if r.Status == store.PutOK {
		a.b.stats.Put(m.Topic, m.QueueID, stats.Normal, 1, recordSize(&m), a.b.now().Sub(began))
	} else {
		a.b.stats.PutFailed(1)
	}
	return r
}

// producerConn is the newest connection of a producer, nil when it is not online.
func (b *Broker) producerConn(client string) *remoting.Conn {
	var newest *remoting.Conn
	for _, members := range b.clients.Producers() {
		for _, m := range members {
			conn, ok := m.Channel.(*remoting.Conn)
			if ok && m.ID == client && (newest == nil || conn.ID() > newest.ID()) {
				newest = conn
			}
		}
	}
	return newest
}
