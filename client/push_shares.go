package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// keepShares takes and gives queues as the group changes: at once, when a broker
// says so, and from time to time.
func (c *PushConsumer) keepShares(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.rebalance)
	defer tick.Stop()
	c.learnRoutes(ctx)
	c.heartbeat(ctx)
	for {
		again := c.rebalance(ctx)
		var soon <-chan time.Time
		if again {
			soon = time.After(rebalanceSoon)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-soon:
		case <-c.now:
		case <-c.beat:
			c.heartbeat(ctx)
		}
	}
}

// rebalanceSoon is when what failed is tried again.
const rebalanceSoon = 500 * time.Millisecond

// learnRoutes looks the topics up, so that the first heartbeat has addressees.
func (c *PushConsumer) learnRoutes(ctx context.Context) {
	for _, topic := range sortedKeys(c.cfg.topics) {
		if _, err := c.routes.Topic(ctx, topic); err != nil && ctx.Err() == nil {
			c.cfg.logger.Warn("no route yet", "topic", topic, "error", err)
		}
	}
}

// rebalance shares the queues of all topics out. It tells whether something should
// be tried again soon.
func (c *PushConsumer) rebalance(ctx context.Context) (again bool) {
	changed := false
	for _, topic := range c.topics() {
		wanted, err := c.wanted(ctx, topic)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, &protocol.Error{Code: protocol.RespTopicNotExist}) {
				c.cfg.logger.Warn("queues are not shared out", "topic", topic, "error", err)
			}
			again = again || topic != protocol.RetryTopic(c.cfg.group)
			continue
		}
		moved, failed := c.adopt(ctx, topic, wanted)
		changed, again = changed || moved, again || failed
	}
	if changed {
		c.version.Store(max(time.Now().UnixMilli(), c.version.Load()+1))
		c.heartbeat(ctx)
	}
	return again
}

// wanted are the queues of a topic that this member should have.
func (c *PushConsumer) wanted(ctx context.Context, topic string) ([]Queue, error) {
	route, err := c.routes.Topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(route.Subscribe)
	slices.SortFunc(all, func(a, b cluster.Queue) int { return messageQueue(queueOf(a)).Compare(messageQueue(queueOf(b))) })
	if c.cfg.broadcast {
		return queuesOf(all), nil
	}
	members, err := c.members(ctx, route)
	if err != nil {
		return nil, err
	}
	return queuesOf(c.cfg.strategy.Allocate(c.clientID, members, all)), nil
}

// members asks a broker of a topic who belongs to the group.
func (c *PushConsumer) members(ctx context.Context, route *cluster.Route) ([]string, error) {
	addrs := route.Addrs()
	if len(addrs) == 0 {
		return nil, fmt.Errorf("topic %s: %w: the route has no broker", route.Topic, ErrNoQueue)
	}
	var errs []error
	for _, i := range rand.Perm(len(addrs)) {
		resp, err := c.cluster.Call(ctx, addrs[i], cluster.Request{
			Code: protocol.ReqGetConsumerListByGroup, Header: &protocol.GetConsumerListByGroupRequest{ConsumerGroup: c.cfg.group},
		})
		if err != nil {
			c.routes.Invalidate(route.Topic)
			errs = append(errs, err)
			continue
		}
		var body protocol.GetConsumerListByGroupResponseBody
		if err := cluster.DecodeBody(addrs[i], resp, &body); err != nil {
			return nil, err
		}
		slices.Sort(body.ConsumerIDList)
		if !slices.Contains(body.ConsumerIDList, c.clientID) {
			signal(c.beat) // the broker has forgotten this member
		}
		return slices.Compact(body.ConsumerIDList), nil
	}
	signal(c.beat)
	return nil, cluster.Join(errs...)
}

// adopt gives back the queues of a topic that are not wanted and takes those that
// are. It tells whether anything moved, and whether something failed.
func (c *PushConsumer) adopt(ctx context.Context, topic string, wanted []Queue) (moved, failed bool) {
	for _, s := range c.held() {
		if s.queue.Topic == topic && !slices.Contains(wanted, s.queue) {
			c.giveBack(s)
			moved = true
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(wanted), c.has)
	if len(fresh) == 0 {
		return moved, false
	}
	granted := c.lock(ctx, fresh)
	for _, q := range fresh {
		if !slices.Contains(granted, q) {
			failed = true
			continue
		}
		offset, err := c.startOffset(ctx, q)
		if err != nil {
			if ctx.Err() == nil {
				c.cfg.logger.Warn("queue not taken", "queue", q.String(), "error", err)
			}
			failed = true
			continue
		}
		moved = c.take(q, offset) || moved
	}
	return moved, failed
}

// has tells whether a queue is held, or still on its way back.
func (c *PushConsumer) has(q Queue) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.mu.shares[q]
	return ok
}

func (c *PushConsumer) take(q Queue, offset int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return false
	}
	s := c.newShare(q, offset)
	c.mu.shares[q] = s
	s.start()
	c.cfg.logger.Info("queue taken", "queue", q.String(), "offset", offset)
	return true
}

// giveBack stops a share. The queue cannot be taken again before the last handler
// of it has ended and its offset is stored.
func (c *PushConsumer) giveBack(s *share) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed || c.mu.shares[s.queue] != s {
		return
	}
	c.mu.shares[s.queue] = nil
	s.stop()
	c.group.Go("give back "+s.queue.String(), func(ctx context.Context) error {
		s.tasks.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.requestTimeout)
		defer cancel()
		c.storeOffset(ctx, s)
		c.offsets.forget(s.queue)
		c.unlock(ctx, []*share{s})
		c.mu.Lock()
		delete(c.mu.shares, s.queue)
		c.mu.Unlock()
		c.cfg.logger.Info("queue given back", "queue", s.queue.String())
		return nil
	})
}

// startOffset is where a queue begins for this member.
func (c *PushConsumer) startOffset(ctx context.Context, q Queue) (int64, error) {
	addr, err := c.replica(ctx, q, cluster.MasterID)
	if err != nil {
		return 0, err
	}
	offset, found, err := c.offsets.load(ctx, addr, q)
	if err != nil || found {
		return offset, err
	}
	p := c.cfg.start
	if protocol.IsRetryTopic(q.Topic) && p.kind == positionEnd {
		return 0, nil // what came back to a new group is not to be lost
	}
	return resolve(ctx, c.cluster, addr, q, p)
}

func (c *PushConsumer) replica(ctx context.Context, q Queue, id int64) (string, error) {
	return replicaOf(ctx, c.routes, q, id)
}

// sortedKeys lists the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
