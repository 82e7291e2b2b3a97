package broker

import (
	"strconv"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// forbidden is an error of a pull with the reason in a field of its own.
type forbidden struct {
	refusal *protocol.Error
	kind    int32
}

func (f *forbidden) Error() string { return f.refusal.Error() }

// admit makes the checks of a pull, consumption.md 4, and finds topic, group and
// filter. They are made again when a held pull is woken.
func (p *pull) admit() error {
	b, h, cfg := p.b, &p.header, p.b.config()
	if cfg.BrokerPermission&protocol.PermRead == 0 {
		return p.forbid(protocol.ForbiddenBroker, "the broker[%s] pulling message is forbidden", cfg.BrokerIP1)
	}
	if p.code == protocol.ReqLitePullMessage && !cfg.LitePull {
		return p.forbid(protocol.ForbiddenBroker, "the broker[%s] for lite pull consumer is forbidden", cfg.BrokerIP1)
	}
	var ok bool
	if p.group, ok = b.groups.Find(h.ConsumerGroup); !ok {
		return protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "subscription group [%s] does not exist, %s", h.ConsumerGroup, faq)
	}
	if !p.group.ConsumeEnable {
		return p.forbid(protocol.ForbiddenGroup, "subscription group no permission, %s", h.ConsumerGroup)
	}
	if p.topic, ok = b.topics.Lookup(h.Topic); !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist, apply first please! %s", h.Topic, faq)
	}
	if p.topic.Perm&protocol.PermRead == 0 {
		return p.forbid(protocol.ForbiddenTopic, "the topic[%s] pulling message is forbidden", h.Topic)
	}
	if h.QueueID < 0 || h.QueueID >= p.topic.ReadQueueNums {
		return protocol.Errorf(protocol.RespInvalidParameter, "queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d] consumer:[%s]",
			h.QueueID, h.Topic, p.topic.ReadQueueNums, p.ticket.Conn().RemoteAddr())
	}
	p.online, _ = b.clients.ConsumerGroup(h.ConsumerGroup)
	if err := p.subscribe(); err != nil {
		return err
	}
	return p.admitPuller()
}

func (p *pull) forbid(kind int32, format string, args ...any) error {
	return &forbidden{protocol.Errorf(protocol.RespNoPermission, format, args...), kind}
}

// subscribe finds the filter: from the request, or from the group's heartbeats.
func (p *pull) subscribe() error {
	b, h := p.b, &p.header
	if h.SysFlag&pullSubscription == 0 {
		return p.subscribeAsGroup()
	}
	var err error
	if p.filter, err = b.messageFilter(h.ExpressionType, h.Subscription); err != nil {
		return protocol.Errorf(protocol.RespSubscriptionParseFailed, "parse the consumer's subscription failed: %q: %v", h.Subscription, err)
	}
	if byTags(h.ExpressionType) {
		return nil
	}
	return p.filterProperties(h.ExpressionType)
}

// subscribeAsGroup takes the filter from the group's heartbeats.
func (p *pull) subscribeAsGroup() error {
	sub, err := p.subscribed()
	if err != nil {
		return err
	}
	p.filter = filterOf(sub)
	if byTags(sub.ExpressionType) {
		return nil
	}
	program, err := p.b.groupFilter(p.header.Topic, p.header.ConsumerGroup, p.header.SubVersion)
	if err != nil {
		return err
	}
	if p.filter != nil { // not classFilterMode
		p.filter = program
	}
	return p.filterProperties(sub.ExpressionType)
}

// filterProperties is what a filter that is not one by tags goes through.
func (p *pull) filterProperties(expressionType string) error {
	b := p.b
	if err := b.propertyFilter(expressionType); err != nil {
		return err
	}
	p.byProperties = p.filter != nil
	if p.byProperties && protocol.IsRetryTopic(p.topic.TopicName) && b.config().FilterSupportRetry {
		p.filter = retryFilter{b.filters, protocol.GroupOfRetryTopic(p.topic.TopicName)}
	}
	return nil
}

// subscribed is what the group's heartbeats say about the topic.
func (p *pull) subscribed() (*protocol.SubscriptionData, error) {
	h := &p.header
	if p.online == nil {
		return nil, protocol.Errorf(protocol.RespSubscriptionNotExist, "the consumer's group info not exist%s", faq)
	}
	if !p.group.ConsumeBroadcastEnable && p.online.MessageModel == protocol.Broadcasting {
		return nil, p.forbid(protocol.ForbiddenBroadcasting, "the consumer group[%s] can not consume by broadcast way", h.ConsumerGroup)
	}
	if !p.b.groups.Readable(h.ConsumerGroup, h.Topic) {
		return nil, p.forbid(protocol.ForbiddenSubscription, "the consumer group[%s] is forbidden for topic[%s]", h.ConsumerGroup, h.Topic)
	}
	sub := p.online.Subscriptions[h.Topic]
	if sub == nil {
		return nil, protocol.Errorf(protocol.RespSubscriptionNotExist, "the consumer's subscription not exist%s", faq)
	}
	if sub.SubVersion < h.SubVersion {
		return nil, protocol.Errorf(protocol.RespSubscriptionNotLatest, "the consumer's subscription not latest: %d, the request says %d", sub.SubVersion, h.SubVersion)
	}
	return sub, nil
}

// admitPuller refuses consumers that poll on their own when the broker is told to.
func (p *pull) admitPuller() error {
	if !p.b.config().RejectPullConsumer || protocol.IsSystemGroup(p.header.ConsumerGroup) {
		return nil
	}
	if p.online != nil {
		_, member := p.online.Of(p.ticket.Conn().ID())
		if member || p.online.ConsumeType != protocol.ConsumeActively {
			return nil
		}
	}
	return protocol.Errorf(protocol.RespSubscriptionNotExist, "the consumer's group info not exist, or the pull consumer is rejected by server. %s", faq)
}

// refuse answers a pull that failed its checks. Such an answer has none of the
// fields of PullMessageResponse but the reason of a prohibition.
func (p *pull) refuse(err error) {
	r := remoting.Reply{EmptyExt: true}
	if f, ok := err.(*forbidden); ok {
		r.Ext = []remoting.Field{{Key: "forbiddenType", Value: strconv.Itoa(int(f.kind))}}
		err = f.refusal
	}
	r.Code, r.Remark = outcome(err)
	p.ticket.Reply(r)
}
