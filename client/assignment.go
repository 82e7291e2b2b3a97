package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// assignment is a queue that is being pulled. A seek replaces it by a new one, so
// what an old one still brings can be told apart.
type assignment struct {
	queue  Queue
	cancel context.CancelFunc
	polled int64 // guarded by PullConsumer.mu: offset after the last message polled

	// The rest belongs to the pulling goroutine.
	consumer *PullConsumer
	offset   int64
	replica  int64 // broker id to pull from
	failures int
}

func (c *PullConsumer) start(q Queue, offset int64) *assignment {
	ctx, cancel := context.WithCancel(c.group.Context())
	a := &assignment{queue: q, cancel: cancel, polled: offset, consumer: c, offset: offset, replica: cluster.MasterID}
	c.group.Go("pull "+q.String(), func(context.Context) error {
		defer cancel()
		return a.run(ctx)
	})
	return a
}

func (a *assignment) stop() { a.cancel() }

// run pulls until ctx ends. Trouble with the network is waited out; anything
// else that is wrong is handed to Poll, too.
func (a *assignment) run(ctx context.Context) error {
	for ctx.Err() == nil {
		b, err := a.pull(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if !a.fail(ctx, err) {
				return nil
			}
			continue
		}
		a.failures = 0
		if !a.deliver(ctx, b) {
			return nil
		}
	}
	return nil
}

// errAnswer marks an answer that cannot be used.
var errAnswer = errors.New("unusable answer")

func (a *assignment) deliver(ctx context.Context, b batch) bool {
	select {
	case a.consumer.batches <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// fail reports an error and waits before the next attempt: 100 ms, doubled with
// each failure up to the 3 s of Java's clients.
func (a *assignment) fail(ctx context.Context, err error) bool {
	c := a.consumer
	c.cfg.logger.Warn("pull failed", "queue", a.queue.String(), "offset", a.offset, "error", err)
	c.routes.Invalidate(a.queue.Topic)
	code, answered := CodeOf(err)
	if (answered && code != CodeSystemBusy) || errors.Is(err, errAnswer) {
		if !a.deliver(ctx, batch{from: a, err: fmt.Errorf("pull from queue %v: %w", a.queue, err)}) {
			return false
		}
	}
	wait := min(100*time.Millisecond<<min(a.failures, 10), c.cfg.backoff)
	a.failures++
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pullGrace is how much longer than the hold time an answer may take: brokers
// look at held pulls every five seconds.
const pullGrace = 10 * time.Second

// pull makes one request and moves the offset.
func (a *assignment) pull(ctx context.Context) (batch, error) {
	c := a.consumer
	addr, err := c.replica(ctx, a.queue, a.replica)
	if err != nil {
		return batch{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.hold+pullGrace)
	defer cancel()
	resp, err := c.cluster.Call(ctx, addr, cluster.Request{
		Code: protocol.ReqPullMessage,
		Header: &protocol.PullMessageRequest{
			ConsumerGroup: c.cfg.group, Topic: a.queue.Topic, QueueID: a.queue.ID, QueueOffset: a.offset,
			MaxMsgNums: int32(c.cfg.batch), SysFlag: protocol.PullSubscription | protocol.PullSuspend,
			SuspendTimeoutMillis: c.cfg.hold.Milliseconds(), Subscription: c.cfg.filter,
			ExpressionType: protocol.ExpressionTag, BrokerName: a.queue.Broker,
		},
		Accept: []protocol.ResponseCode{
			protocol.RespPullNotFound, protocol.RespPullRetryImmediately, protocol.RespPullOffsetMoved,
		},
	})
	if err != nil {
		return batch{}, err
	}
	return a.take(addr, resp)
}

// take reads an answer. One without messages is a batch too: it moves the
// position over what the filter left out.
func (a *assignment) take(addr string, resp *remoting.Command) (batch, error) {
	var h protocol.PullMessageResponse
	if err := cluster.Bind(addr, resp, &h); err != nil {
		return batch{}, err
	}
	a.replica = h.SuggestWhichBrokerID
	b := batch{from: a}
	if protocol.ResponseCode(resp.Code) == protocol.RespSuccess {
		if h.NextBeginOffset <= a.offset {
			return batch{}, fmt.Errorf("%s: %w: messages from offset %d, but no later one to go on from", addr, errAnswer, a.offset)
		}
		views, err := DecodeMessages(resp.Body, a.queue.Broker)
		if err != nil {
			return batch{}, fmt.Errorf("%s: %w: offset %d: %w", addr, errAnswer, a.offset, err)
		}
		b.messages = a.wanted(views)
	}
	a.offset = h.NextBeginOffset
	b.next = a.offset
	return b, nil
}

// wanted drops messages whose tag only has the same hash as one asked for, and
// messages of a batch record from before the offset.
func (a *assignment) wanted(views []*MessageView) []*MessageView {
	kept := views[:0]
	for _, v := range views {
		if v.Offset >= a.offset && (a.consumer.tags == nil || a.consumer.tags[v.Tag()]) {
			kept = append(kept, v)
		}
	}
	return kept
}
