package broker

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// How long a client may take to answer, as in Java.
const (
	relayTimeout  = 10 * time.Second // running info, consume directly
	statusTimeout = 5 * time.Second
)

// consumerRunningInfo serves GET_CONSUMER_RUNNING_INFO by asking the client.
func (b *Broker) consumerRunningInfo(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetConsumerRunningInfoRequest](c)
	if err != nil {
		return err
	}
	return b.relay(ctx, c, h.ConsumerGroup, h.ClientID)
}

// consumeMessageDirectly serves CONSUME_MESSAGE_DIRECTLY: the client gets the
// message that the id names and answers what became of it.
func (b *Broker) consumeMessageDirectly(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.ConsumeMessageDirectlyRequest](c)
	if err != nil {
		return err
	}
	set := func(key, value string) {
		c.Ext = slices.DeleteFunc(c.Ext, func(f remoting.Field) bool { return f.Key == key })
		c.Ext = append(c.Ext, remoting.Field{Key: key, Value: value})
	}
	set("brokerName", b.config().BrokerName)
	if topic, ok := b.topics.Lookup(h.Topic); ok {
		set("topicSysFlag", strconv.Itoa(int(topic.TopicSysFlag)))
	}
	if group, ok := b.groups.Peek(h.ConsumerGroup); ok {
		set("groupSysFlag", strconv.Itoa(int(group.GroupSysFlag)))
	}
	if h.MsgID != "" {
		_, offset, err := message.ParseOffsetID(h.MsgID)
		if err != nil {
			return protocol.Errorf(protocol.RespSystemError, "msgId %q: %s", h.MsgID, err)
		}
		if c.Body, err = b.store.Record(offset, nil); err != nil {
			return protocol.Errorf(protocol.RespSystemError, "message %s at offset %d: %s", h.MsgID, offset, err)
		}
	}
	return b.relay(ctx, c, h.ConsumerGroup, h.ClientID)
}

// relay passes a request on to a consumer and its answer back.
func (b *Broker) relay(ctx context.Context, c *remoting.Call, group, clientID string) error {
	var member *registry.Member
	online := false
	if g, ok := b.clients.ConsumerGroup(group); ok {
		member, online = g.Member(clientID)
	}
	if !online {
		return protocol.Errorf(protocol.RespSystemError, "The Consumer <%s> <%s> not online", group, clientID)
	}
	if member.Version < protocol.VersionRunningInfo {
		return protocol.Errorf(protocol.RespSystemError, "The Consumer <%s> Version <%d> too low to finish, please upgrade it to V3_1_8_SNAPSHOT", clientID, member.Version)
	}
	answer, err := b.ask(ctx, member, relayTimeout, &remoting.Command{
		Code: c.Code, Version: protocol.Version, Ext: c.Ext, Body: c.Body,
	})
	switch {
	case isTimeout(err):
		return protocol.Errorf(protocol.RespConsumeMsgTimeout, "consumer <%s> <%s> Timeout: %s", group, clientID, err)
	case err != nil:
		return protocol.Errorf(protocol.RespSystemError, "invoke consumer <%s> <%s> Exception: %s", group, clientID, err)
	}
	c.Reply(remoting.Reply{
		Code: protocol.ResponseCode(answer.Code), Remark: answer.Remark, Ext: answer.Ext, Body: answer.Body,
	})
	return nil
}

// ask sends a request to a client and waits for the answer.
func (b *Broker) ask(ctx context.Context, m *registry.Member, limit time.Duration, cmd *remoting.Command) (*remoting.Command, error) {
	conn, ok := m.Channel.(*remoting.Conn)
	if !ok {
		return nil, net.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return conn.Invoke(ctx, cmd)
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, remoting.ErrTimeout)
}

// consumerStatus serves INVOKE_BROKER_TO_GET_CONSUMER_STATUS: the offsets that the
// clients of a group hold in memory.
func (b *Broker) consumerStatus(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetConsumerStatusRequest](c)
	if err != nil {
		return err
	}
	g, online := b.clients.ConsumerGroup(h.Group)
	if !online {
		return protocol.Errorf(protocol.RespSystemError, "No Any Consumer online in the consumer group: [%s]", h.Group)
	}
	out := protocol.GetConsumerStatusBody{
		MessageQueueTable: map[protocol.MessageQueue]int64{},
		ConsumerTable:     map[string]map[protocol.MessageQueue]int64{},
	}
	header := &protocol.GetConsumerStatusRequest{Topic: h.Topic, Group: h.Group}
	for _, m := range g.Members {
		if h.ClientAddr != "" && h.ClientAddr != m.ID {
			continue
		}
		if m.Version < protocol.VersionResetOffsetPush {
			return protocol.Errorf(protocol.RespSystemError, "the client %s does not support this feature: version %d", m.ID, m.Version)
		}
		answer, err := b.ask(ctx, m, statusTimeout, &remoting.Command{
			Code: int32(protocol.ReqGetConsumerStatusFromClient), Version: protocol.Version,
			Ext: remoting.AppendHeader(nil, header, false),
		})
		if err != nil || answer.Err() != nil {
			b.log.Warn("a client did not tell its offsets", "group", h.Group, "client", m.ID, "error", errors.Join(err, answerErr(answer)))
			continue
		}
		var status protocol.GetConsumerStatusBody
		if err := javajson.Unmarshal(answer.Body, &status); err != nil {
			b.log.Warn("a client told malformed offsets", "group", h.Group, "client", m.ID, "error", err)
			continue
		}
		out.ConsumerTable[m.ID] = status.MessageQueueTable
	}
	return replyJSON(c, &out)
}

func answerErr(answer *remoting.Command) error {
	if answer == nil {
		return nil
	}
	return answer.Err()
}
