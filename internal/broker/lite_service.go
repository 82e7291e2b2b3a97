package broker

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/broker/lite"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
)

// maxLitePolls bounds the pops of lite topics that are held (maxPopPollingSize). A
// proxy holds those of all its clients on one connection.
const maxLitePolls = 100_000

// liteTopics serves lite topics: what is known of them, the pops that are held, and
// which broker a lite topic belongs to.
type liteTopics struct {
	*lite.Service
	hold   *hold.Table
	routes liteRoutes
}

// openLite makes the service. The store, the offsets, topics and groups must be open.
func (b *Broker) openLite() {
	b.lite.Service = lite.New(lite.Config{
		Now: b.now, Limits: b.liteLimits, Rules: b.liteRules,
		Wake:      func(key string) { b.lite.hold.Wake(key, 0, 1) },
		MaxOffset: func(queue string) int64 { return b.store.MaxOffset(queue, 0) },
		Committed: func(group, queue string) (int64, bool) { return b.offsets.Query(group, queue, 0) },
		Commit: func(group, queue string, offset int64) {
			// A pending reset counts more, and what is too much to remember comes again.
			_ = b.offsets.Commit(group, queue, 0, offset)
		},
		Listed: b.lightQueues, TTL: b.liteTTL,
		StoredAt:  func(queue string, end int64) (int64, bool) { return b.store.StoreTimeAt(queue, 0, end-1) },
		Groups:    b.liteGroups,
		Delete:    b.deleteIdle,
		Forgotten: b.offsets.Remove,
	})
	b.lite.hold = hold.New(hold.Config{
		Resume: b.resumeLitePops, Now: b.now, Max: maxLitePolls, MaxPerConn: maxLitePolls,
	})
}

func (b *Broker) startLite(g *run.Group) {
	b.lite.hold.Start(g)
	b.lite.Start(g)
}

// liteArrived is told of every new entry of a light queue.
func (b *Broker) liteArrived(a store.Arrival) {
	if a.QueueID == 0 && protocol.IsLMQ(a.Topic) {
		b.lite.Arrived(a.Topic, a.StoreTime)
	}
}

func (b *Broker) liteLimits() lite.Limits {
	cfg := b.config()
	return lite.Limits{
		Check: cfg.LiteEventCheck, FullDispatch: cfg.LiteFullDispatch, WildcardDispatch: cfg.LiteWildcardDispatch,
		SubscriptionCheck: cfg.LiteSubCheck, SubscriptionTimeout: cfg.LiteSubTimeout,
		Subscriptions: int(cfg.LiteSubscriptions), ExpiryCheck: cfg.LiteTTLCheck, MinTTL: cfg.MinLiteTTL,
	}
}

// liteRules reads a group's attributes. A group without lite.bind.topic is not lite,
// but the other attributes count all the same, as in Java.
func (b *Broker) liteRules(group string) (lite.Rules, bool) {
	g, ok := b.groups.Peek(group)
	if !ok {
		return lite.Rules{MaxEvents: b.config().LiteClientEvents}, false
	}
	parent, bound := g.Attributes[protocol.GroupAttrLiteBindTopic]
	_, wildcard := g.Attributes[protocol.GroupAttrLiteWildcard]
	return lite.Rules{
		Parent: parent, Wildcard: wildcard,
		Exclusive:        g.Attributes[protocol.GroupAttrLiteModel] == "Exclusive",
		ResetExclusive:   strings.EqualFold(g.Attributes[protocol.GroupAttrLiteResetExclusive], "true"),
		ResetUnsubscribe: strings.EqualFold(g.Attributes[protocol.GroupAttrLiteResetUnsubscribe], "true"),
		MaxEvents:        b.liteEvents(g.Attributes[protocol.GroupAttrLiteMaxEvents]),
	}, bound
}

// liteEvents reads how many events a client may have.
func (b *Broker) liteEvents(attribute string) int {
	if attribute != "" {
		if n, err := strconv.ParseInt(attribute, 10, 64); err == nil && n > 0 {
			return int(min(n, lite.MaxEvents))
		}
	}
	return b.config().LiteClientEvents
}

// liteParent gives a topic that has lite topics.
func liteParent(t *protocol.TopicConfig) bool {
	return t.Attributes[protocol.TopicAttrMessageType] == "LITE"
}

// liteMinutes is the lifetime of a parent's lite topics; -1: they do not expire.
func liteMinutes(t *protocol.TopicConfig) int32 {
	minutes, err := strconv.ParseInt(t.Attributes[protocol.TopicAttrLiteExpiration], 10, 32)
	if err != nil {
		return -1
	}
	return int32(minutes)
}

func (b *Broker) liteTTL(parent string) (time.Duration, bool) {
	t, ok := b.topics.Lookup(parent)
	if !ok || !liteParent(t) {
		return 0, false
	}
	return time.Duration(max(liteMinutes(t), 0)) * time.Minute, true
}

// liteGroups lists the groups that are bound to a parent.
func (b *Broker) liteGroups(parent string) (groups []string) {
	_, all := b.groups.Snapshot()
	for _, g := range all {
		if bound, ok := g.Attributes[protocol.GroupAttrLiteBindTopic]; ok && bound == parent {
			groups = append(groups, g.GroupName)
		}
	}
	return groups
}

// lightQueues lists the light queues of the store.
func (b *Broker) lightQueues() (queues []string, err error) {
	if !b.config().EnableLMQ {
		return nil, nil
	}
	names, err := b.store.Topics()
	for _, name := range names {
		if protocol.IsLMQ(name) {
			queues = append(queues, name)
		}
	}
	return queues, err
}

// deleteIdle removes the queues of lite topics that have expired.
func (b *Broker) deleteIdle(queues []lite.Idle) []bool {
	idle := make([]store.Idle, len(queues))
	for i, q := range queues {
		idle[i] = store.Idle(q)
	}
	deleted, err := b.store.DeleteIdle(idle)
	if err != nil {
		b.log.Error("queues of expired lite topics not removed completely", "queues", len(queues), "error", err)
	}
	for i, done := range deleted {
		if done {
			b.log.Info("lite topic expired", "queue", queues[i].Queue, "messages", queues[i].End)
		}
	}
	return deleted
}

// dropLite removes the lite topics of a parent that is deleted. It asks the store,
// since the service may not have read all names yet.
func (b *Broker) dropLite(parent string) error {
	if t, ok := b.topics.Lookup(parent); !ok || !liteParent(t) {
		return nil
	}
	all, err := b.lightQueues()
	if err != nil {
		return err
	}
	groups := b.liteGroups(parent)
	queues := slices.DeleteFunc(all, func(queue string) bool {
		of, _, ok := protocol.SplitLiteQueueName(queue)
		return !ok || of != parent
	})
	if len(queues) == 0 {
		return nil
	}
	if err := b.store.DeleteTopic(queues...); err != nil {
		return err
	}
	for _, queue := range queues {
		for _, group := range groups {
			b.offsets.Remove(group, queue)
		}
	}
	b.lite.Remove(queues, groups)
	b.log.Info("lite topics deleted with their parent", "topic", parent, "queues", len(queues))
	return nil
}

// admitLight keeps the number of light queues within the quota, if there is one.
func (b *Broker) admitLight(dispatch string) error {
	cfg := b.config()
	if dispatch == "" || !cfg.LMQQuota || !cfg.EnableLMQ || !cfg.EnableMultiDispatch {
		return nil
	}
	for name := range strings.SplitSeq(dispatch, ",") {
		if protocol.IsLMQ(name) && !b.lite.Reserve(name, cfg.MaxLMQ) {
			return protocol.Errorf(protocol.RespLMQQuotaExceeded, "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]broker config enableLmqQuota=true: light queue %s would be one more than maxLmqConsumeQueueNum=%d", name, cfg.MaxLMQ)
		}
	}
	return nil
}

// notifyUnsubscribed tells a client that another one took a lite topic over.
func (b *Broker) notifyUnsubscribed(d lite.Displaced, name string) {
	conn, ok := d.Conn.(*remoting.Conn)
	if !ok {
		return
	}
	header := &protocol.NotifyUnsubscribeLiteRequest{LiteTopic: name, ConsumerGroup: d.Group, ClientID: d.ID}
	err := conn.Oneway(&remoting.Command{
		Code: int32(protocol.ReqNotifyUnsubscribeLite), Version: protocol.Version,
		Ext: remoting.AppendHeader(nil, header, false),
	})
	if err != nil {
		b.log.Debug("client not told of a lite topic that it lost", "client", d.ID, "group", d.Group, "lite topic", name, "error", err)
	}
}
