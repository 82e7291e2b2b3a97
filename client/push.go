package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
)

// Handler consumes one message. Nil means that the message is consumed. After an
// error it is delivered again: later, and perhaps to another member of the group;
// when consuming in order, to this one after a rest. See RetryAt and Reject. A
// handler that panics has failed. ctx ends when the consumer has been closed for
// longer than WithDrainTimeout.
type Handler func(ctx context.Context, m *MessageView) error

// verdict is an error of a handler that says when to try again.
type verdict struct {
	err   error
	level int32 // of the delay; -1: never
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// RetryAt is an error for a Handler to return: the message is delivered again after
// the delay of a level, 1 to 18, instead of the one that the number of attempts
// asks for. It means nothing to a consumer in order.
func RetryAt(level int, err error) error { return &verdict{err, int32(max(level, 1))} }

// Reject is an error for a Handler to return: the message goes to the group's dead
// letters at once.
func Reject(err error) error { return &verdict{err, -1} }

// PushConsumer is a member of a consumer group: it takes its share of the queues of
// its topics and calls a Handler for each message. Make it with NewPushConsumer
// and Close it.
//
// Every message is delivered at least once to the group: again after a handler's
// error, after a crash, or when a queue changes its owner. Offsets are committed
// behind the oldest message that is not consumed.
type PushConsumer struct {
	cfg      pushConfig
	clientID string
	started  time.Time
	cluster  *cluster.Cluster
	routes   *cluster.Routes
	offsets  offsetStore
	backlog  *backlog      // of messages to handle, unless in order
	slots    chan struct{} // as many as handlers may run in order
	version  atomic.Int64  // of the subscription, ms since 1970

	group    *run.Group // pulls and what happens periodically
	handlers *run.Group // runs until after the last pull
	now      chan struct{}
	beat     chan struct{}
	close    sync.Once

	mu struct {
		sync.Mutex
		closed bool
		shares map[Queue]*share // nil while a queue is being given back
	}
}

// NewPushConsumer makes a member of a group and starts it. It works until Close;
// when ctx ends, it stops taking messages. Nameservers and brokers that cannot be
// reached are waited for. An error names every option that is out of range, or a
// filter that a broker refuses.
func NewPushConsumer(ctx context.Context, group string, h Handler, opts ...PushConsumerOption) (*PushConsumer, error) {
	cfg, err := newPushConfig(group, h, opts)
	if err != nil {
		return nil, err
	}
	c := &PushConsumer{
		cfg: cfg, clientID: clientID(localAddr(), cfg.instance), started: time.Now(), backlog: newBacklog(),
		slots: make(chan struct{}, cfg.concurrency), now: make(chan struct{}, 1), beat: make(chan struct{}, 1),
	}
	c.version.Store(c.started.UnixMilli())
	c.mu.shares = make(map[Queue]*share)
	if c.offsets, err = c.newOffsetStore(); err != nil {
		return nil, fmt.Errorf("push consumer: %w", err)
	}
	if c.cluster, err = newCluster(&cfg.config, cfg.requestTimeout, c.serve); err != nil {
		return nil, fmt.Errorf("push consumer: %w", err)
	}
	c.routes = cluster.NewRoutes(c.cluster, cfg.logger, cfg.routeRefresh)
	if err := c.checkFilters(ctx); err != nil {
		c.cluster.Close()
		return nil, fmt.Errorf("push consumer: %w", err)
	}
	c.group = run.NewGroup(ctx)
	c.handlers = run.NewGroup(context.WithoutCancel(ctx))
	c.group.Go("routes", func(ctx context.Context) error { return c.routes.Run(ctx, c.heartbeat) })
	c.group.Go("shares", c.keepShares)
	c.group.Go("offsets", c.keepOffsets)
	if cfg.ordered && !cfg.broadcast {
		c.group.Go("locks", c.keepLocks)
	}
	if !cfg.ordered {
		for range cfg.concurrency {
			c.handlers.Go("handler", c.handleBacklog)
		}
	}
	return c, nil
}

// ClientID is the id under which brokers list this member.
func (c *PushConsumer) ClientID() string { return c.clientID }

// Assigned lists the queues that this member has.
func (c *PushConsumer) Assigned() []Queue {
	var queues []Queue
	for _, s := range c.held() {
		queues = append(queues, s.queue)
	}
	slices.SortFunc(queues, func(a, b Queue) int { return messageQueue(a).Compare(messageQueue(b)) })
	return queues
}

// held lists the shares.
func (c *PushConsumer) held() []*share {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*share, 0, len(c.mu.shares))
	for _, s := range c.mu.shares {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

func messageQueue(q Queue) protocol.MessageQueue {
	return protocol.MessageQueue{Topic: q.Topic, BrokerName: q.Broker, QueueID: q.ID}
}

// Close stops pulling, waits for the handlers that are running, stores the offsets,
// gives the queues back and leaves the group. It returns nil; the error is for
// io.Closer. It may be called more than once, and not from a handler.
func (c *PushConsumer) Close() error {
	c.close.Do(func() {
		c.mu.Lock()
		c.mu.closed = true
		c.mu.Unlock()
		c.group.Cancel()
		c.backlog.close()
		timer := time.AfterFunc(c.cfg.drain, c.handlers.Cancel)
		defer timer.Stop()
		for _, s := range c.held() {
			s.stop()
		}
		if err := cluster.Join(c.group.Wait(), c.handlers.Wait()); err != nil {
			c.cfg.logger.Error("push consumer ended with an error", "error", err)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.group.Context()), c.cfg.requestTimeout)
		defer cancel()
		c.leave(ctx)
		c.cluster.Close()
	})
	return nil
}

// leave is the last words to the brokers.
func (c *PushConsumer) leave(ctx context.Context) {
	held := c.held()
	for _, s := range held {
		c.storeOffset(ctx, s)
	}
	if err := c.offsets.save(); err != nil {
		c.cfg.logger.Error("offsets are not stored", "error", err)
	}
	c.unlock(ctx, held)
	for _, addr := range c.brokers() {
		_, err := c.cluster.Call(ctx, addr, cluster.Request{
			Code:   protocol.ReqUnregisterClient,
			Header: &protocol.UnregisterClientRequest{ClientID: c.clientID, ConsumerGroup: c.cfg.group},
		})
		if err != nil {
			c.cfg.logger.Debug("unregister failed", "broker", addr, "error", err)
		}
	}
}

// brokers lists the addresses of all brokers and replicas of the topics.
func (c *PushConsumer) brokers() []string {
	var addrs []string
	for _, route := range c.routes.All() {
		addrs = append(addrs, route.Addrs()...)
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

// subscriptions are the group's, as brokers want to know them. A member of a group
// that shares messages also reads those that come back to the group.
func (c *PushConsumer) subscriptions() []protocol.SubscriptionData {
	var subs []protocol.SubscriptionData
	for _, topic := range c.topics() {
		subs = append(subs, c.subscription(topic))
	}
	return subs
}

func (c *PushConsumer) topics() []string {
	topics := sortedKeys(c.cfg.topics)
	if !c.cfg.broadcast {
		topics = append(topics, protocol.RetryTopic(c.cfg.group))
	}
	return topics
}

func (c *PushConsumer) subscription(topic string) protocol.SubscriptionData {
	f := c.cfg.topics[topic]
	s := protocol.SubscriptionData{
		Topic: topic, SubString: f.expression(), ExpressionType: f.kind(), SubVersion: c.version.Load(),
		TagsSet: []string{}, CodeSet: []int32{},
	}
	if !f.sql {
		for _, tag := range sortedKeys(tagSet(s.SubString)) {
			s.TagsSet = append(s.TagsSet, tag)
			s.CodeSet = append(s.CodeSet, protocol.StringHash(tag))
		}
	}
	return s
}

// heartbeat tells all brokers who this member is and what it wants.
func (c *PushConsumer) heartbeat(ctx context.Context) {
	data := protocol.ConsumerData{
		GroupName: c.cfg.group, ConsumeType: protocol.ConsumePassively, MessageModel: protocol.Clustering,
		ConsumeFromWhere: c.cfg.start.consumeFrom(), SubscriptionDataSet: c.subscriptions(),
	}
	if c.cfg.broadcast {
		data.MessageModel = protocol.Broadcasting
	}
	body := javajson.Marshal(&protocol.HeartbeatData{ClientID: c.clientID, ConsumerDataSet: []protocol.ConsumerData{data}})
	for _, addr := range c.brokers() {
		_, err := c.cluster.Call(ctx, addr, cluster.Request{Code: protocol.ReqHeartBeat, Body: body})
		if err != nil && ctx.Err() == nil {
			c.cfg.logger.Warn("heartbeat failed", "broker", addr, "error", err)
		}
	}
}

// checkFilters asks a broker of each topic whether it understands the filter. What
// cannot be asked now shows itself later.
func (c *PushConsumer) checkFilters(ctx context.Context) error {
	for _, topic := range sortedKeys(c.cfg.topics) {
		if !c.cfg.topics[topic].sql {
			continue
		}
		route, err := c.routes.Topic(ctx, topic)
		if err != nil {
			continue
		}
		sub := c.subscription(topic)
		body := javajson.Marshal(&protocol.CheckClientRequestBody{ClientID: c.clientID, Group: c.cfg.group, SubscriptionData: &sub})
		for _, addr := range route.Addrs() {
			_, err := c.cluster.Call(ctx, addr, cluster.Request{Code: protocol.ReqCheckClientConfig, Body: body})
			var refused *protocol.Error
			if errors.As(err, &refused) {
				return fmt.Errorf("topic %s: filter %q: %w", topic, c.cfg.topics[topic].text, err)
			}
		}
	}
	return nil
}

// serve answers what brokers ask; it runs on a connection's reader.
func (c *PushConsumer) serve(call *remoting.Call) error {
	if protocol.RequestCode(call.Code) == protocol.ReqNotifyConsumerIDsChanged {
		signal(c.now)
		return nil
	}
	return c.serveTools(call)
}

// signal leaves one token.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
