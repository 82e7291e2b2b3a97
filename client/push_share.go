package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/client/internal/window"
	"github.com/aerobee/aerobee/internal/protocol"
)

// share is a queue that a push consumer has.
type share struct {
	consumer *PushConsumer
	queue    Queue
	tags     map[string]bool // nil: all
	ctx      context.Context
	stop     context.CancelFunc
	tasks    sync.WaitGroup // pulling, and handlers at work
	room     chan struct{}  // one token: the window has shrunk
	ready    chan struct{}  // one token: there are messages to handle in order

	// The pulling goroutine's.
	replica  int64
	failures int

	mu struct {
		sync.Mutex
		window   *window.Window // replaced by a reset of the offset
		next     int64          // to pull from
		line     []task         // to handle in order
		locked   time.Time      // until when the broker's lock counts
		pulled   time.Time
		consumed time.Time
	}
}

// task is a message on its way to the handler. It counts only while the share
// has the window it came in.
type task struct {
	share   *share
	window  *window.Window
	message *MessageView
	offset  int64
}

func (c *PushConsumer) newShare(q Queue, offset int64) *share {
	s := &share{
		consumer: c, queue: q, tags: tagSet(protocol.SubscribeAll), replica: cluster.MasterID,
		room: make(chan struct{}, 1), ready: make(chan struct{}, 1),
	}
	if f := c.cfg.topics[q.Topic]; !f.sql {
		s.tags = tagSet(f.expression())
	}
	s.ctx, s.stop = context.WithCancel(c.group.Context())
	s.mu.window, s.mu.next = window.New(offset), offset
	if c.cfg.ordered {
		s.mu.locked = time.Now().Add(lockTrusted)
	}
	return s
}

// start begins to pull, and to handle if that goes in order. Called with the
// consumer's mutex held.
func (s *share) start() {
	s.tasks.Add(1)
	s.consumer.group.Go("pull "+s.queue.String(), func(context.Context) error {
		defer s.tasks.Done()
		s.pullOn(s.ctx)
		return nil
	})
	if s.consumer.cfg.ordered {
		s.tasks.Add(1)
		s.consumer.handlers.Go("handle "+s.queue.String(), func(ctx context.Context) error {
			defer s.tasks.Done()
			s.handleInOrder(ctx)
			return nil
		})
	}
}

// pullOn pulls until ctx ends.
func (s *share) pullOn(ctx context.Context) {
	for ctx.Err() == nil {
		if !s.roomFor(ctx) {
			return
		}
		if err := s.pull(ctx); err != nil && !s.fail(ctx, err) {
			return
		}
	}
}

// roomFor waits until the window takes another pull.
func (s *share) roomFor(ctx context.Context) bool {
	for {
		if !s.full() {
			return true
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *share) full() bool {
	cfg := &s.consumer.cfg
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.mu.window
	return w.Len() >= cfg.messages || w.Bytes() >= cfg.bytes || !cfg.ordered && w.Span() > int64(cfg.span)
}

// fail waits after a failed pull.
func (s *share) fail(ctx context.Context, err error) bool {
	c := s.consumer
	if ctx.Err() != nil {
		return false
	}
	if code, answered := CodeOf(err); answered {
		switch protocol.ResponseCode(code) {
		case protocol.RespSubscriptionNotExist, protocol.RespSubscriptionNotLatest, protocol.RespFilterDataNotExist, protocol.RespFilterDataNotLatest:
			signal(c.beat) // the broker has restarted, or is behind
		case protocol.RespFlowControl:
			return sleep(ctx, flowControlRest)
		}
	}
	c.cfg.logger.Warn("pull failed", "queue", s.queue.String(), "error", err)
	c.routes.Invalidate(s.queue.Topic)
	wait := min(100*time.Millisecond<<min(s.failures, 10), c.cfg.backoff)
	s.failures++
	return sleep(ctx, wait)
}

// flowControlRest is how long a broker that asks for it is left alone.
const flowControlRest = 20 * time.Millisecond

// sleep waits. It is false if ctx ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pull makes one request, commits with it what is consumed, and passes on what it
// brought.
func (s *share) pull(ctx context.Context) error {
	c := s.consumer
	addr, err := c.replica(ctx, s.queue, s.replica)
	if err != nil {
		return err
	}
	s.mu.Lock()
	w, next, commit := s.mu.window, s.mu.next, s.mu.window.Commit()
	s.mu.pulled = time.Now()
	s.mu.Unlock()
	h := protocol.PullMessageRequest{
		ConsumerGroup: c.cfg.group, Topic: s.queue.Topic, QueueID: s.queue.ID, QueueOffset: next,
		MaxMsgNums: int32(c.cfg.batch), SysFlag: protocol.PullSuspend, SuspendTimeoutMillis: c.cfg.hold.Milliseconds(),
		SubVersion: c.version.Load(), ExpressionType: c.cfg.topics[s.queue.Topic].kind(), BrokerName: s.queue.Broker,
	}
	if commit > 0 && !c.cfg.broadcast && s.replica == cluster.MasterID {
		h.SysFlag |= protocol.PullCommitOffset
		h.CommitOffset = commit
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.hold+pullGrace)
	defer cancel()
	resp, err := c.cluster.Call(ctx, addr, cluster.Request{
		Code: protocol.ReqPullMessage, Header: &h,
		Accept: []protocol.ResponseCode{protocol.RespPullNotFound, protocol.RespPullRetryImmediately, protocol.RespPullOffsetMoved},
	})
	if err != nil {
		return err
	}
	var answer protocol.PullMessageResponse
	if err := cluster.Bind(addr, resp, &answer); err != nil {
		return err
	}
	s.replica = answer.SuggestWhichBrokerID
	switch protocol.ResponseCode(resp.Code) {
	case protocol.RespPullOffsetMoved:
		c.cfg.logger.Warn("the broker moved the offset", "queue", s.queue.String(), "from", next, "to", answer.NextBeginOffset)
		s.move(answer.NextBeginOffset)
	case protocol.RespSuccess:
		if answer.NextBeginOffset <= next {
			return fmt.Errorf("%s: %w: messages from offset %d, but no later one to go on from", addr, errAnswer, next)
		}
		views, err := DecodeMessages(resp.Body, s.queue.Broker)
		if err != nil {
			return fmt.Errorf("%s: %w: offset %d: %w", addr, errAnswer, next, err)
		}
		s.accept(w, next, views, answer.NextBeginOffset)
	default:
		s.accept(w, next, nil, answer.NextBeginOffset)
	}
	s.failures = 0
	return nil
}

// move makes the queue go on at another offset, as the broker or an operator wants.
// What was pulled from elsewhere no longer counts.
func (s *share) move(offset int64) {
	s.mu.Lock()
	s.mu.window, s.mu.next, s.mu.line = window.New(offset), offset, nil
	s.mu.Unlock()
	signal(s.room)
}

// accept puts what a pull brought into the window, unless that was moved
// meanwhile, and in line for the handler.
func (s *share) accept(w *window.Window, from int64, views []*MessageView, next int64) {
	s.mu.Lock()
	if s.mu.window != w {
		s.mu.Unlock()
		return
	}
	var tasks []task
	for _, v := range views {
		wanted := v.Offset >= from && (s.tags == nil || s.tags[v.Tag()])
		if wanted && w.Add(v.Offset, v.Size) {
			tasks = append(tasks, task{s, w, s.consumer.asSent(v), v.Offset})
		}
	}
	w.Advance(next)
	s.mu.next = next
	if s.consumer.cfg.ordered {
		s.mu.line = append(s.mu.line, tasks...)
		tasks = nil
		signal(s.ready)
	}
	s.mu.Unlock()
	s.consumer.backlog.put(tasks)
}

// done notes the end of a message. It is false if the message does not count any
// more.
func (s *share) done(t task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.window != t.window {
		return false
	}
	t.window.Done(t.offset)
	s.mu.consumed = time.Now()
	signal(s.room)
	return true
}

// counts tells whether a message should still be handled.
func (s *share) counts(t task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.window == t.window && s.ctx.Err() == nil
}

// position is the offset that may be committed.
func (s *share) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.window.Commit()
}
