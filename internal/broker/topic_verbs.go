package broker

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/broker/meta"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// updateTopic serves UPDATE_AND_CREATE_TOPIC (admin.md 3.1).
func (b *Broker) updateTopic(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.CreateTopicRequest](c)
	if err != nil {
		return err
	}
	began := b.now()
	err = b.createTopic(ctx, &h)
	b.metrics.topicCreated(b.now().Sub(began), err == nil, b.topics.IsSystem(h.Topic))
	if err != nil {
		return err
	}
	return replyOK(c)
}

func (b *Broker) createTopic(ctx context.Context, h *protocol.CreateTopicRequest) error {
	if err := protocol.ValidateTopic(h.Topic); err != nil {
		return err
	}
	topic := protocol.TopicConfig{
		TopicName: h.Topic, ReadQueueNums: h.ReadQueueNums, WriteQueueNums: h.WriteQueueNums,
		Perm: h.Perm, TopicSysFlag: h.TopicSysFlag, Order: h.Order,
	}
	switch h.TopicFilterType {
	case "SINGLE_TAG":
		topic.TopicFilterType = protocol.SingleTag
	case "MULTI_TAG":
		topic.TopicFilterType = protocol.MultiTag
	default:
		return protocol.Errorf(protocol.RespSystemError, "topicFilterType = [%s] value invalid", h.TopicFilterType)
	}
	var err error
	if topic.Attributes, err = meta.ParseAttributes(h.Attributes); err != nil {
		return protocol.Errorf(protocol.RespSystemError, "%s", err)
	}
	return b.applyTopics(ctx, []*protocol.TopicConfig{&topic})
}

// updateTopicList serves UPDATE_AND_CREATE_TOPIC_LIST. Topics that are as wanted
// already are passed over, the rest is applied.
func (b *Broker) updateTopicList(ctx context.Context, c *remoting.Call) error {
	body, err := decode[protocol.CreateTopicListRequestBody](c)
	if err != nil {
		return err
	}
	list := make([]*protocol.TopicConfig, len(body.TopicConfigList))
	for i := range body.TopicConfigList {
		list[i] = &body.TopicConfigList[i]
	}
	if err := b.applyTopics(ctx, list); err != nil {
		return err
	}
	return replyOK(c)
}

// applyTopics changes topics, makes the change durable, and tells the
// nameservers before it returns.
func (b *Broker) applyTopics(ctx context.Context, list []*protocol.TopicConfig) error {
	changed, err := b.topics.Update(list)
	if err != nil || len(changed) == 0 {
		return err
	}
	if err := b.topics.Sync(); err != nil {
		return err
	}
	b.register.settle(ctx)
	return nil
}

// topicsChanged is told of every topic made or changed.
func (b *Broker) topicsChanged(changed []*protocol.TopicConfig) {
	names := make([]string, len(changed))
	for i, c := range changed {
		names[i] = c.TopicName
	}
	b.register.announce(names)
}

// deleteTopic serves DELETE_TOPIC_IN_BROKER. A topic that is not there is fine.
func (b *Broker) deleteTopic(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.DeleteTopicRequest](c)
	if err != nil {
		return err
	}
	if strings.TrimSpace(h.Topic) == "" {
		return protocol.Errorf(protocol.RespInvalidParameter, "The specified topic is blank.")
	}
	if b.config().ValidateSystemTopic && b.topics.IsSystem(h.Topic) {
		return protocol.Errorf(protocol.RespInvalidParameter, "The topic[%s] is conflict with system topic.", h.Topic)
	}
	names := []string{h.Topic}
	if b.config().ClearRetryTopic {
		for _, group := range b.offsets.Groups(h.Topic) {
			names = append(names, protocol.PopRetryTopic(h.Topic, group), protocol.PopRetryTopicV2(h.Topic, group))
		}
	}
	for i, name := range names {
		if _, known := b.topics.Lookup(name); !known && i > 0 {
			continue
		}
		if err := b.dropTopic(name); err != nil {
			return err
		}
	}
	// Offsets that came back after a crash would skip messages of a new topic.
	if err := errors.Join(b.offsets.Persist(), b.topics.Sync()); err != nil {
		return err
	}
	b.log.Info("topic deleted", "topic", h.Topic, "peer", c.Conn().RemoteAddr())
	return replyOK(c)
}

// dropTopic forgets a topic. The queues go before the table's file is written: a
// crash in between leaves an empty topic, and never queues without one.
func (b *Broker) dropTopic(name string) error {
	if err := b.dropLite(name); err != nil {
		return err
	}
	known := b.topics.Delete(name)
	if !known && len(b.store.Queues(name)) == 0 {
		return nil
	}
	b.transactions.Forget(name)
	if err := b.store.DeleteTopic(name); err != nil {
		return err
	}
	b.offsets.RemoveTopic(name)
	b.pops.Drop(func(topic, _ string) bool { return topic == name })
	if b.config().AutoDeleteUnusedStats {
		b.stats.DropTopic(name)
	}
	return nil
}

// allTopicConfig serves GET_ALL_TOPIC_CONFIG, whole or in pages.
func (b *Broker) allTopicConfig(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetAllTopicConfigRequest](c)
	if err != nil {
		return err
	}
	cfg := b.config()
	p := meta.Page{Max: meta.MaxTopics}
	if cfg.EnableSplitMetadata && (h.TopicSeq.Set || h.MaxTopicNum.Set || h.DataVersion != "") {
		p = meta.Page{
			From: int(h.TopicSeq.Or(0)), Version: h.DataVersion,
			Max: min(cfg.SplitMetadataSize, int(h.MaxTopicNum.Or(int32(cfg.SplitMetadataSize)))),
		}
	}
	version, list, total := b.topics.Page(p)
	body := protocol.TopicConfigAndMapping{DataVersion: version, TopicConfigTable: topicTable(list)}
	c.Reply(remoting.Reply{
		Header: &protocol.GetAllTopicConfigResponse{TotalTopicNum: protocol.Some(int32(total))},
		Body:   javajson.Marshal(&body),
	})
	return nil
}

func topicTable(list []*protocol.TopicConfig) map[string]protocol.TopicConfig {
	table := make(map[string]protocol.TopicConfig, len(list))
	for _, t := range list {
		table[t.TopicName] = *t
	}
	return table
}

// topicConfig serves GET_TOPIC_CONFIG.
func (b *Broker) topicConfig(c *remoting.Call) error {
	h, err := bind[protocol.GetTopicConfigRequest](c)
	if err != nil {
		return err
	}
	topic, ok := b.topics.Lookup(h.Topic)
	if !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "No topic in this broker. topic: %s", h.Topic)
	}
	return replyJSON(c, &protocol.TopicConfigAndQueueMapping{TopicConfig: *topic})
}

// topicStats serves GET_TOPIC_STATS_INFO.
func (b *Broker) topicStats(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetTopicStatsInfoRequest](c)
	if err != nil {
		return err
	}
	topic, ok := b.topics.Lookup(h.Topic)
	if !ok {
		return protocol.Errorf(protocol.RespTopicNotExist, "topic[%s] not exist", h.Topic)
	}
	out := protocol.TopicStatsTable{
		OffsetTable: map[protocol.MessageQueue]protocol.TopicOffset{},
		TopicPutTPS: b.stats.TopicPutTPS(h.Topic),
	}
	for q := range max(topic.ReadQueueNums, topic.WriteQueueNums) {
		high := b.store.MaxOffset(h.Topic, q)
		offset := protocol.TopicOffset{MinOffset: max(b.store.MinOffset(h.Topic, q), 0), MaxOffset: max(high, 0)}
		if high > 0 {
			offset.LastUpdateTimestamp, _ = b.store.StoreTimeAt(h.Topic, q, high-1)
		}
		out.OffsetTable[b.queueOf(h.Topic, q)] = offset
	}
	return replyJSON(c, &out)
}

// systemTopics serves GET_SYSTEM_TOPIC_LIST_FROM_BROKER.
func (b *Broker) systemTopics(c *remoting.Call) error {
	return replyJSON(c, &protocol.TopicList{TopicList: b.topics.SystemNames()})
}

// groupsOfTopic serves QUERY_TOPIC_CONSUME_BY_WHO: groups online that subscribe to
// a topic, and those with offsets of it.
func (b *Broker) groupsOfTopic(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.QueryTopicConsumeByWhoRequest](c)
	if err != nil {
		return err
	}
	groups := append(b.clients.GroupsOf(h.Topic), b.offsets.Groups(h.Topic)...)
	slices.Sort(groups)
	return replyJSON(c, &protocol.GroupList{GroupList: slices.Compact(groups)})
}

// topicsOfGroup serves QUERY_TOPICS_BY_CONSUMER.
func (b *Broker) topicsOfGroup(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.QueryTopicsByConsumerRequest](c)
	if err != nil {
		return err
	}
	return replyJSON(c, &protocol.TopicList{TopicList: b.offsets.Topics(h.Group), BrokerAddr: b.Advertised()})
}

// subscriptionOfGroup serves QUERY_SUBSCRIPTION_BY_CONSUMER.
func (b *Broker) subscriptionOfGroup(c *remoting.Call) error {
	h, err := bind[protocol.QuerySubscriptionByConsumerRequest](c)
	if err != nil {
		return err
	}
	out := protocol.QuerySubscriptionResponseBody{Group: h.Group, Topic: h.Topic}
	if sub, ok := b.clients.Subscription(h.Group, h.Topic); ok {
		out.SubscriptionData = sub
	}
	return replyJSON(c, &out)
}
