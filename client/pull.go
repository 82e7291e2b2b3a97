package client

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
)

// PullConsumer reads the queues that it is told to read: nobody else's presence
// changes them. Make it with NewPullConsumer, give it queues with Assign, take
// messages with Poll, and Close it.
//
// Each queue is pulled ahead of Poll as far as WithBufferedBatches allows, with
// pulls that the broker holds until a message comes. Messages of one queue come
// in order. Positions are the caller's business: Commit stores at the broker
// what Poll has handed out so far, and a later consumer of the group starts
// there.
type PullConsumer struct {
	cfg     pullConfig
	tags    map[string]bool // nil: all
	cluster *cluster.Cluster
	routes  *cluster.Routes
	group   *run.Group
	batches chan batch
	closing chan struct{}
	close   sync.Once

	mu struct {
		sync.Mutex
		queues map[Queue]*assignment
	}
}

// batch is what one pull brought, or why a queue does not go on.
type batch struct {
	from     *assignment
	messages []*MessageView
	next     int64 // offset after the last one
	err      error
}

// NewPullConsumer returns a consumer without queues. The group is the name under
// which offsets are committed. When ctx ends, pulling ends.
func NewPullConsumer(ctx context.Context, group string, opts ...PullConsumerOption) (*PullConsumer, error) {
	cfg, err := newPullConfig(group, opts)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(&cfg.config, cfg.requestTimeout, nil)
	if err != nil {
		return nil, fmt.Errorf("pull consumer: %w", err)
	}
	p := &PullConsumer{
		cfg: cfg, tags: tagSet(cfg.filter), cluster: c, routes: cluster.NewRoutes(c, cfg.logger, cfg.routeRefresh),
		group: run.NewGroup(ctx), batches: make(chan batch, cfg.buffered), closing: make(chan struct{}),
	}
	p.mu.queues = make(map[Queue]*assignment)
	p.group.Go("routes", func(ctx context.Context) error { return p.routes.Run(ctx, nil) })
	return p, nil
}

// tagSet are the tags of an expression, nil for all. Brokers filter by a hash of
// the tag, so the consumer has to look at the tag itself.
func tagSet(expression string) map[string]bool {
	if expression == protocol.SubscribeAll {
		return nil
	}
	set := make(map[string]bool)
	for tag := range strings.SplitSeq(expression, "||") {
		if tag = strings.TrimSpace(tag); tag != "" {
			set[tag] = true
		}
	}
	return set
}

// Queues lists the readable queues of a topic.
func (c *PullConsumer) Queues(ctx context.Context, topic string) ([]Queue, error) {
	route, err := c.routes.Topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	return queuesOf(route.Subscribe), nil
}

// Assign makes the consumer read exactly the given queues. Those it reads
// already go on where they are; the others start at the group's committed
// offset, or where WithStart says if there is none.
func (c *PullConsumer) Assign(ctx context.Context, queues ...Queue) error {
	offsets := make(map[Queue]int64)
	for _, q := range queues {
		if c.assigned(q) != nil {
			continue
		}
		offset, err := c.startOffset(ctx, q)
		if err != nil {
			return err
		}
		offsets[q] = offset
	}
	c.drop(func(q Queue) bool { return !slices.Contains(queues, q) })
	for q, offset := range offsets {
		if err := c.put(q, offset, func(old *assignment) bool { return old == nil }); err != nil {
			return err
		}
	}
	return nil
}

// drop stops reading some queues.
func (c *PullConsumer) drop(unwanted func(Queue) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for q, a := range c.mu.queues {
		if unwanted(q) {
			a.stop()
			delete(c.mu.queues, q)
		}
	}
}

// Add makes the consumer read more queues, from a position, whatever the group
// has committed. A queue that it reads already stays where it is.
func (c *PullConsumer) Add(ctx context.Context, p Position, queues ...Queue) error {
	for _, q := range queues {
		if c.assigned(q) != nil {
			continue
		}
		offset, err := c.offsetOf(ctx, q, p)
		if err != nil {
			return err
		}
		if err := c.put(q, offset, func(old *assignment) bool { return old == nil }); err != nil {
			return err
		}
	}
	return nil
}

// put starts a queue at an offset in place of what is there, if that is wanted.
func (c *PullConsumer) put(q Queue, offset int64, wanted func(old *assignment) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closing:
		return ErrClosed
	default:
	}
	old := c.mu.queues[q]
	if !wanted(old) {
		return nil
	}
	if old != nil {
		old.stop()
	}
	c.mu.queues[q] = c.start(q, offset)
	return nil
}

func (c *PullConsumer) assigned(q Queue) *assignment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.queues[q]
}

// Assigned lists the queues that are being read.
func (c *PullConsumer) Assigned() []Queue {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.mu.queues))
}

func (c *PullConsumer) startOffset(ctx context.Context, q Queue) (int64, error) {
	offset, found, err := c.Committed(ctx, q)
	if err != nil || found {
		return offset, err
	}
	return c.offsetOf(ctx, q, c.cfg.start)
}

func (c *PullConsumer) offsetOf(ctx context.Context, q Queue, p Position) (int64, error) {
	addr, err := c.replica(ctx, q, cluster.MasterID)
	if err != nil {
		return 0, err
	}
	return resolve(ctx, c.cluster, addr, q, p)
}

// replica finds the address to read a queue from.
func (c *PullConsumer) replica(ctx context.Context, q Queue, id int64) (string, error) {
	return replicaOf(ctx, c.routes, q, id)
}

func replicaOf(ctx context.Context, routes *cluster.Routes, q Queue, id int64) (string, error) {
	route, err := routes.Topic(ctx, q.Topic)
	if err != nil {
		return "", err
	}
	addr, ok := route.Replica(q.Broker, id)
	if !ok {
		routes.Invalidate(q.Topic)
		return "", fmt.Errorf("queue %v: %w: the route has no broker %s", q, ErrNoQueue, q.Broker)
	}
	return addr, nil
}

// Committed returns the offset that the group has committed for a queue. found
// is false if it has none.
func (c *PullConsumer) Committed(ctx context.Context, q Queue) (offset int64, found bool, err error) {
	addr, err := c.replica(ctx, q, cluster.MasterID)
	if err != nil {
		return 0, false, err
	}
	return queryOffset(ctx, c.cluster, addr, c.cfg.group, q, protocol.Some(false))
}

// queryOffset asks a broker for the offset of a group. zero says whether it may
// answer 0 for a group that has none in a young queue.
func queryOffset(ctx context.Context, c *cluster.Cluster, addr, group string, q Queue, zero protocol.Opt[bool]) (offset int64, found bool, err error) {
	resp, err := c.Call(ctx, addr, cluster.Request{
		Code: protocol.ReqQueryConsumerOffset,
		Header: &protocol.QueryConsumerOffsetRequest{
			ConsumerGroup: group, Topic: q.Topic, QueueID: q.ID, SetZeroIfNotFound: zero, BrokerName: q.Broker,
		},
		Accept: []protocol.ResponseCode{protocol.RespQueryNotFound},
	})
	if err != nil {
		return 0, false, fmt.Errorf("queue %v: committed offset: %w", q, err)
	}
	if resp.Code != int32(protocol.RespSuccess) {
		return 0, false, nil
	}
	var h protocol.QueryConsumerOffsetResponse
	if err := cluster.Bind(addr, resp, &h); err != nil {
		return 0, false, fmt.Errorf("queue %v: committed offset: %w", q, err)
	}
	return h.Offset, true, nil
}

// Ends returns the offset of the oldest message that a queue still has, and the
// one that its next message will get.
func (c *PullConsumer) Ends(ctx context.Context, q Queue) (first, next int64, err error) {
	if first, err = c.offsetOf(ctx, q, AtBegin()); err != nil {
		return 0, 0, err
	}
	next, err = c.offsetOf(ctx, q, AtEnd())
	return first, next, err
}

// Seek continues a queue at a position. What was pulled from elsewhere and not
// polled yet is dropped.
func (c *PullConsumer) Seek(ctx context.Context, q Queue, p Position) error {
	if c.assigned(q) == nil {
		return fmt.Errorf("seek: queue %v is not assigned", q)
	}
	offset, err := c.offsetOf(ctx, q, p)
	if err != nil {
		return fmt.Errorf("seek: %w", err)
	}
	return c.put(q, offset, func(old *assignment) bool { return old != nil })
}

// Poll returns the messages of one pull, at least one, all of one queue. It
// waits for them until ctx ends. An error that is neither ErrClosed nor the
// context's is a broker's refusal to serve a queue; the consumer goes on trying
// meanwhile, and so may the caller.
func (c *PullConsumer) Poll(ctx context.Context) ([]*MessageView, error) {
	for {
		select {
		case <-c.closing:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case b := <-c.batches:
			if c.accept(b) {
				return b.messages, b.err
			}
		}
	}
}

// accept moves the position of a batch's queue, unless the batch is from before
// a Seek or Assign.
func (c *PullConsumer) accept(b batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.queues[b.from.queue] != b.from {
		return false
	}
	if b.err == nil {
		b.from.polled = b.next
	}
	return b.err != nil || len(b.messages) > 0
}

// Positions returns, for every assigned queue, the offset after the last message
// that Poll handed out.
func (c *PullConsumer) Positions() map[Queue]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	positions := make(map[Queue]int64, len(c.mu.queues))
	for q, a := range c.mu.queues {
		positions[q] = a.polled
	}
	return positions
}

// Commit stores the current positions at the brokers.
func (c *PullConsumer) Commit(ctx context.Context) error {
	var errs []error
	for q, offset := range c.Positions() {
		if err := c.CommitOffset(ctx, q, offset); err != nil {
			errs = append(errs, err)
		}
	}
	return cluster.Join(errs...)
}

// CommitOffset stores one offset of the group at the broker of a queue.
func (c *PullConsumer) CommitOffset(ctx context.Context, q Queue, offset int64) error {
	addr, err := c.replica(ctx, q, cluster.MasterID)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return commitOffset(ctx, c.cluster, addr, c.cfg.group, q, offset)
}

func commitOffset(ctx context.Context, c *cluster.Cluster, addr, group string, q Queue, offset int64) error {
	_, err := c.Call(ctx, addr, cluster.Request{
		Code: protocol.ReqUpdateConsumerOffset,
		Header: &protocol.UpdateConsumerOffsetRequest{
			ConsumerGroup: group, Topic: q.Topic, QueueID: q.ID, CommitOffset: offset, BrokerName: q.Broker,
		},
	})
	if err != nil {
		return fmt.Errorf("commit: queue %v: %w", q, err)
	}
	return nil
}

// Close ends all pulls and waits for them. It commits nothing. It returns nil;
// the error is for io.Closer. It may be called more than once.
func (c *PullConsumer) Close() error {
	c.close.Do(func() {
		c.mu.Lock()
		close(c.closing)
		c.mu.Unlock()
		c.group.Cancel()
		if err := c.group.Wait(); err != nil {
			c.cfg.logger.Error("pull consumer ended with an error", "error", err)
		}
		c.cluster.Close()
	})
	return nil
}
