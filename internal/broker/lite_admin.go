package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/aerobee/aerobee/internal/broker/lite"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// Bounds of what one administrator's request about lite topics gathers.
const (
	maxLiteNames = 10_000 // lite topics of a client
	maxLiteTop   = 10_000 // lite topics with the greatest lag
	liteNames    = 1000   // when the request says no number
)

// brokerLiteInfo serves GET_BROKER_LITE_INFO.
func (b *Broker) brokerLiteInfo(_ context.Context, c *remoting.Call) error {
	s, pairs := b.lite.Stats(), b.offsets.Len()
	out := protocol.GetBrokerLiteInfoResponseBody{
		StoreType: "default", MaxLMQNum: int32(b.config().MaxLMQ), CurrentLMQNum: int32(s.Queues),
		LiteSubscriptionCount: int32(s.Subscriptions), OrderInfoCount: int32(s.Orders), CQTableSize: int32(b.store.TopicCount()),
		OffsetTableSize: int32(pairs), EventMapSize: int32(s.Clients),
		TopicMeta: map[string]int32{}, GroupMeta: map[string][]string{},
	}
	_, topics := b.topics.Snapshot()
	for _, t := range topics {
		if liteParent(t) {
			out.TopicMeta[t.TopicName] = liteMinutes(t)
		}
	}
	_, groups := b.groups.Snapshot()
	for _, g := range groups {
		if parent, ok := g.Attributes[protocol.GroupAttrLiteBindTopic]; ok {
			out.GroupMeta[parent] = append(out.GroupMeta[parent], g.GroupName)
		}
	}
	return replyJSON(c, &out)
}

// liteParentNamed finds a topic that has lite topics.
func (b *Broker) liteParentNamed(name string) (*protocol.TopicConfig, error) {
	topic, ok := b.topics.Lookup(name)
	if !ok {
		return nil, protocol.Errorf(protocol.RespTopicNotExist, "Topic [%s] not exist.", name)
	}
	if !liteParent(topic) {
		return nil, protocol.Errorf(protocol.RespInvalidParameter, "Topic [%s] type not match.", name)
	}
	return topic, nil
}

// parentTopicInfo serves GET_PARENT_TOPIC_INFO.
func (b *Broker) parentTopicInfo(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetParentTopicInfoRequest](c)
	if err != nil {
		return err
	}
	topic, err := b.liteParentNamed(h.Topic)
	if err != nil {
		return err
	}
	return replyJSON(c, &protocol.GetParentTopicInfoResponseBody{
		Topic: h.Topic, TTL: liteMinutes(topic), Groups: b.liteGroups(h.Topic),
		LMQNum: int32(b.lite.Stats().Queues), LiteTopicCount: int32(b.lite.Topics(h.Topic)),
	})
}

// liteTopicInfo serves GET_LITE_TOPIC_INFO.
func (b *Broker) liteTopicInfo(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetLiteTopicInfoRequest](c)
	if err != nil {
		return err
	}
	if _, err := b.liteParentNamed(h.ParentTopic); err != nil {
		return err
	}
	queue := protocol.LiteQueueName(h.ParentTopic, h.LiteTopic)
	at := protocol.TopicOffset{}
	if at.MaxOffset = b.store.MaxOffset(queue, 0); at.MaxOffset > 0 {
		at.MinOffset = b.store.MinOffset(queue, 0)
		at.LastUpdateTimestamp, _ = b.store.StoreTimeAt(queue, 0, at.MaxOffset-1)
	}
	out := protocol.GetLiteTopicInfoResponseBody{
		ParentTopic: h.ParentTopic, LiteTopic: h.LiteTopic, TopicOffset: &at,
		Subscriber: []protocol.ClientGroup{}, ShardingToBroker: b.ownsLite(ctx, h.ParentTopic, h.LiteTopic),
	}
	for _, s := range b.lite.Subscribers(queue) {
		out.Subscriber = append(out.Subscriber, protocol.ClientGroup{ClientID: s.ID, Group: s.Group})
	}
	return replyJSON(c, &out)
}

// liteClientInfo serves GET_LITE_CLIENT_INFO.
func (b *Broker) liteClientInfo(_ context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetLiteClientInfoRequest](c)
	if err != nil {
		return err
	}
	if _, err := b.liteParentNamed(h.ParentTopic); err != nil {
		return err
	}
	group, ok := b.groups.Find(h.Group)
	if !ok {
		return protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "Group [%s] not exist.", h.Group)
	}
	if bound, ok := group.Attributes[protocol.GroupAttrLiteBindTopic]; !ok || bound != h.ParentTopic {
		return protocol.Errorf(protocol.RespInvalidParameter, "Subscription [%s]-[%s] not match.", h.Group, h.ParentTopic)
	}
	out := protocol.GetLiteClientInfoResponseBody{
		ParentTopic: h.ParentTopic, Group: h.Group, ClientID: h.ClientID, LiteTopicCount: -1, LastAccessTime: -1,
	}
	most := min(max(int(h.MaxCount.Or(liteNames)), 0), maxLiteNames)
	info, ok := b.lite.Info(lite.Client{Group: h.Group, ID: h.ClientID}, most)
	if !ok {
		return replyJSON(c, &out)
	}
	out.LiteTopicCount, out.LiteTopicSet = int32(info.Count), info.Queues
	if info.Wildcard {
		out.LiteTopicSet = []string{h.ParentTopic + "@" + h.Group}
	}
	if !info.Accessed.IsZero() {
		out.LastAccessTime = info.Accessed.UnixMilli()
	}
	if !info.Consumed.IsZero() {
		out.LastConsumeTime = info.Consumed.UnixMilli()
	}
	return replyJSON(c, &out)
}

// liteGroupNamed finds a group that consumes lite topics, and their parent.
func (b *Broker) liteGroupNamed(name string) (parent string, err error) {
	group, ok := b.groups.Find(name)
	if !ok {
		return "", protocol.Errorf(protocol.RespSubscriptionGroupNotExist, "Group [%s] not exist.", name)
	}
	if parent = group.Attributes[protocol.GroupAttrLiteBindTopic]; parent == "" {
		return "", protocol.Errorf(protocol.RespInvalidParameter, "Group [%s] is not a LITE group.", name)
	}
	return parent, nil
}

// liteGroupInfo serves GET_LITE_GROUP_INFO: the lag of a group in one lite topic, or
// in which lite topics it is greatest.
func (b *Broker) liteGroupInfo(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.GetLiteGroupInfoRequest](c)
	if err != nil {
		return err
	}
	parent, err := b.liteGroupNamed(h.Group)
	if err != nil {
		return err
	}
	out := protocol.GetLiteGroupInfoResponseBody{Group: h.Group, ParentTopic: parent, LiteTopic: h.LiteTopic}
	if h.LiteTopic != "" {
		b.describeLiteLag(&out, protocol.LiteQueueName(parent, h.LiteTopic))
		return replyJSON(c, &out)
	}
	lags, total := b.liteLags(ctx, h.Group)
	k := min(max(int(h.TopK), 0), maxLiteTop)
	out.TotalLagCount, out.EarliestUnconsumedTimestamp = total, -1
	slices.SortFunc(lags, func(a, b liteLag) int { return cmp.Compare(b.count, a.count) })
	out.LagCountTopK = b.liteLagInfos(lags[:min(k, len(lags))])
	out.LagTimestampTopK = []protocol.LiteLagInfo{}
	if b.config().LiteLagTimes {
		infos := b.liteLagInfos(lags[:min(maxLagTimes, len(lags))])
		slices.SortFunc(infos, func(a, b protocol.LiteLagInfo) int {
			return cmp.Compare(a.EarliestUnconsumedTimestamp, b.EarliestUnconsumedTimestamp)
		})
		if len(infos) > 0 {
			out.EarliestUnconsumedTimestamp = infos[0].EarliestUnconsumedTimestamp
		}
		out.LagTimestampTopK = infos[:min(k, len(infos))]
	}
	return replyJSON(c, &out)
}

// describeLiteLag fills in the lag in one lite topic.
func (b *Broker) describeLiteLag(out *protocol.GetLiteGroupInfoResponseBody, queue string) {
	end := b.store.MaxOffset(queue, 0)
	if end <= 0 {
		out.TotalLagCount, out.EarliestUnconsumedTimestamp = -1, -1
		return
	}
	committed, ok := b.offsets.Query(out.Group, queue, 0)
	if !ok {
		return
	}
	out.TotalLagCount = end - committed
	out.EarliestUnconsumedTimestamp = b.storeTimeOr(queue, committed, -1)
	at := protocol.OffsetWrapper{BrokerOffset: end, ConsumerOffset: committed}
	if committed > 0 {
		at.LastTimestamp = b.storeTimeOr(queue, committed-1, -1)
	}
	out.LiteTopicOffsetWrapper = &at
}

func (b *Broker) storeTimeOr(queue string, offset, otherwise int64) int64 {
	if ms, ok := b.store.StoreTimeAt(queue, 0, offset); ok {
		return ms
	}
	return otherwise
}

// liteLag is how many messages of a lite topic a group has not consumed.
type liteLag struct {
	queue            string
	committed, count int64
}

// liteLags looks at all lite topics in which a group has an offset.
func (b *Broker) liteLags(ctx context.Context, group string) (lags []liteLag, total int64) {
	for _, queue := range b.offsets.Topics(group) {
		if ctx.Err() != nil {
			break
		}
		if _, _, ok := protocol.SplitLiteQueueName(queue); !ok {
			continue
		}
		committed, ok := b.offsets.Query(group, queue, 0)
		if n := b.store.MaxOffset(queue, 0) - committed; ok && n > 0 {
			lags, total = append(lags, liteLag{queue, committed, n}), total+n
		}
	}
	return lags, total
}

func (b *Broker) liteLagInfos(lags []liteLag) []protocol.LiteLagInfo {
	infos := make([]protocol.LiteLagInfo, len(lags))
	for i, l := range lags {
		_, name, _ := protocol.SplitLiteQueueName(l.queue)
		infos[i] = protocol.LiteLagInfo{LiteTopic: name, LagCount: l.count, EarliestUnconsumedTimestamp: b.storeTimeOr(l.queue, l.committed, -1)}
	}
	return infos
}

// triggerLiteDispatch serves TRIGGER_LITE_DISPATCH.
func (b *Broker) triggerLiteDispatch(ctx context.Context, c *remoting.Call) error {
	h, err := bind[protocol.TriggerLiteDispatchRequest](c)
	if err != nil {
		return err
	}
	if _, err := b.liteGroupNamed(h.Group); err != nil {
		return err
	}
	if h.ClientID != "" {
		b.lite.DispatchClient(ctx, lite.Client{Group: h.Group, ID: h.ClientID})
	} else {
		b.lite.DispatchGroup(ctx, h.Group)
	}
	return replyOK(c)
}
