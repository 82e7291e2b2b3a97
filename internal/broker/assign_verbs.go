package broker

import (
	"context"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/assign"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// queryAssignment serves QUERY_ASSIGNMENT (consumption.md 8.9): the queues that a
// client shall read, and how. Where there is no answer the client keeps what it has.
func (b *Broker) queryAssignment(ctx context.Context, c *remoting.Call) error {
	body, err := decode[protocol.QueryAssignmentRequestBody](c)
	if err != nil {
		return err
	}
	if body.Topic == "" || body.MessageModel == 0 {
		return protocol.Errorf(protocol.RespSystemError, "topic %q, messageModel %q: both are needed", body.Topic, body.MessageModel)
	}
	mode := b.requestMode(body.Topic, body.ConsumerGroup)
	var out protocol.QueryAssignmentResponseBody
	if queues, ok := b.assigned(ctx, &body, mode); ok {
		out.MessageQueueAssignments = make([]protocol.MessageQueueAssignment, len(queues))
		for i, q := range queues {
			out.MessageQueueAssignments[i] = protocol.MessageQueueAssignment{MessageQueue: q, Mode: mode.Mode}
		}
	}
	return replyJSON(c, &out)
}

// requestMode is how a group reads a topic: as it was set, or by default.
func (b *Broker) requestMode(topic, group string) assign.Mode {
	if mode, ok := b.modes.Find(topic, group); ok {
		return mode
	}
	cfg := b.config()
	mode := assign.Mode{Topic: topic, ConsumerGroup: group, Mode: protocol.RequestPull}
	if cfg.DefaultRequestMode == protocol.RequestPop.String() && !strings.HasPrefix(topic, protocol.RetryPrefix) {
		mode.Mode, mode.PopShareQueueNum = protocol.RequestPop, int32(cfg.DefaultPopShareQueueNum)
	}
	return mode
}

// assigned is the part of a client; ok is false when it cannot be told.
func (b *Broker) assigned(ctx context.Context, body *protocol.QueryAssignmentRequestBody, mode assign.Mode) ([]protocol.MessageQueue, bool) {
	switch {
	case body.MessageModel == protocol.Broadcasting:
		return b.routes.queues(ctx, body.Topic)
	case body.MessageModel != protocol.Clustering:
		return nil, false
	}
	queues := []protocol.MessageQueue{{Topic: body.Topic, BrokerName: b.config().BrokerName}}
	if !protocol.IsLMQ(body.Topic) {
		var known bool
		if queues, known = b.routes.queues(ctx, body.Topic); !known {
			return nil, false
		}
	}
	if !b.config().ServerLoadBalancer {
		return queues, true
	}
	group, online := b.clients.ConsumerGroup(body.ConsumerGroup)
	if !online {
		return nil, false
	}
	return assign.Divide(assign.Share{
		Client: body.ClientID, Clients: group.ClientIDs(), Queues: queues,
		Strategy: body.StrategyName, Mode: mode.Mode, PopShare: mode.PopShareQueueNum,
	})
}

// setMessageRequestMode serves SET_MESSAGE_REQUEST_MODE.
func (b *Broker) setMessageRequestMode(_ context.Context, c *remoting.Call) error {
	body, err := decode[protocol.SetMessageRequestModeRequestBody](c)
	if err != nil {
		return err
	}
	if body.Mode != protocol.RequestPull && body.Mode != protocol.RequestPop {
		return protocol.Errorf(protocol.RespSystemError, "mode %q, want PULL or POP", body.Mode)
	}
	if strings.HasPrefix(body.Topic, protocol.RetryPrefix) {
		return protocol.Errorf(protocol.RespNoPermission, "retry topic is not allowed to set mode")
	}
	if _, known := b.topics.Lookup(body.Topic); !known {
		return protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist", body.Topic)
	}
	if _, known := b.groups.Find(body.ConsumerGroup); !known {
		return protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "subscription group does not exist")
	}
	if err := b.modes.Set(body); err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s", err)
	}
	if err := b.modes.Sync(); err != nil {
		return err
	}
	b.log.Info("message request mode set", "topic", body.Topic, "group", body.ConsumerGroup, "mode", body.Mode.String(),
		"share", body.PopShareQueueNum, "peer", c.Conn().RemoteAddr())
	return replyOK(c)
}

// messageRequestModes serves GET_ALL_MESSAGE_REQUEST_MODE.
func (b *Broker) messageRequestModes(_ context.Context, c *remoting.Call) error {
	return replyJSON(c, &protocol.MessageRequestModeSerializeWrapper{MessageRequestModeMap: b.modes.All()})
}
