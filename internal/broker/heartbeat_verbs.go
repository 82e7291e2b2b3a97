package broker

import (
	"strconv"

	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// clientOf is who sent a request with the client id.
func clientOf(c *remoting.Call, id string) registry.Client {
	return registry.Client{Channel: c.Conn(), ID: id, Language: c.Language, Version: c.Version()}
}

// heartBeat serves HEART_BEAT (consumption.md 1.1): it makes the groups and their
// retry topics, and registers producers and consumers.
func (b *Broker) heartBeat(c *remoting.Call) error {
	data, err := decode[protocol.HeartbeatData](c)
	if err != nil {
		return err
	}
	h := registry.Heartbeat{
		Client: clientOf(c, data.ClientID), Now: b.now(),
		Fingerprint: data.HeartbeatFingerprint, WithoutSub: data.WithoutSub && data.HeartbeatFingerprint != 0,
	}
	for i := range data.ConsumerDataSet {
		if b.admitConsumer(&data.ConsumerDataSet[i], h.WithoutSub) {
			h.Consumers = append(h.Consumers, data.ConsumerDataSet[i])
		}
	}
	if b.producersWanted() {
		for _, p := range data.ProducerDataSet {
			h.Producers = append(h.Producers, p.GroupName)
		}
	}
	effects, resend, err := b.clients.Heartbeat(h)
	if err != nil {
		return err
	}
	b.apply(effects)
	if !h.WithoutSub {
		b.registerFilters(h.Consumers)
	}
	c.Reply(remoting.Reply{Ext: []remoting.Field{
		{Key: protocol.ExtHeartbeatV2Supported, Value: "true"},
		{Key: protocol.ExtSubscriptionChanged, Value: strconv.FormatBool(resend)},
	}})
	return nil
}

// admitConsumer tells whether a group may register, and makes it and its retry
// topic if so.
func (b *Broker) admitConsumer(d *protocol.ConsumerData, withoutSub bool) bool {
	if b.config().RejectPullConsumer && d.ConsumeType == protocol.ConsumeActively {
		return false
	}
	group, ok := b.groups.Find(d.GroupName)
	if !ok {
		return false
	}
	var sysFlag int32
	if d.UnitMode {
		sysFlag = protocol.TopicSysFlagUnitSub
	}
	retry := protocol.RetryTopic(d.GroupName)
	if withoutSub { // the order flag follows from the topics
		_, err := b.topics.CreateInSendBack(retry, group.RetryQueueNums, readWrite, sysFlag)
		return err == nil
	}
	_, err := b.topics.EnsureRetry(retry, group.RetryQueueNums, sysFlag, b.anyOrdered(d.SubscriptionDataSet))
	return err == nil
}

func (b *Broker) anyOrdered(subs []protocol.SubscriptionData) bool {
	for i := range subs {
		if topic, ok := b.topics.Lookup(subs[i].Topic); ok && topic.Order {
			return true
		}
	}
	return false
}

// producersWanted tells whether producers are registered. Only a broker without
// transactions can do without them.
func (b *Broker) producersWanted() bool {
	cfg := b.config()
	if cfg.RegisterProducer {
		return true
	}
	rejects, _ := cfg.Value("rejectTransactionMessage")
	return rejects != "true"
}

// unregisterClient serves UNREGISTER_CLIENT. The connection counts, not the id.
func (b *Broker) unregisterClient(c *remoting.Call) error {
	h, err := bind[protocol.UnregisterClientRequest](c)
	if err != nil {
		return err
	}
	b.apply(b.clients.Unregister(c.Conn().ID(), h.ProducerGroup, h.ConsumerGroup))
	return replyOK(c)
}

// checkClientConfig serves CHECK_CLIENT_CONFIG: whether a subscription can be
// filtered here. Clients ask once before they start.
func (b *Broker) checkClientConfig(c *remoting.Call) error {
	body, err := decode[protocol.CheckClientRequestBody](c)
	if err != nil {
		return err
	}
	sub := body.SubscriptionData
	if sub == nil || byTags(sub.ExpressionType) {
		return replyOK(c)
	}
	if err := b.propertyFilter(sub.ExpressionType); err != nil {
		return err
	}
	if _, err := b.messageFilter(sub.ExpressionType, sub.SubString); err != nil {
		return protocol.Errorf(protocol.RespSubscriptionParseFailed, "%s", err)
	}
	return replyOK(c)
}

// consumerListByGroup serves GET_CONSUMER_LIST_BY_GROUP, on which clients base
// their rebalance.
func (b *Broker) consumerListByGroup(c *remoting.Call) error {
	h, err := bind[protocol.GetConsumerListByGroupRequest](c)
	if err != nil {
		return err
	}
	g, online := b.clients.ConsumerGroup(h.ConsumerGroup)
	if !online {
		return protocol.Errorf(protocol.RespSystemError, "no consumer for this group, %s", h.ConsumerGroup)
	}
	return replyJSON(c, &protocol.GetConsumerListByGroupResponseBody{ConsumerIDList: g.ClientIDs()})
}
