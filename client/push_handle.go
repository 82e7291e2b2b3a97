package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// backlog is the messages of all queues that wait for a handler. It is bounded by
// the windows of the queues.
type backlog struct {
	mu     sync.Mutex
	some   sync.Cond
	tasks  []task
	closed bool
}

func newBacklog() *backlog {
	b := &backlog{}
	b.some.L = &b.mu
	return b
}

func (b *backlog) put(tasks []task) {
	if len(tasks) == 0 {
		return
	}
	b.mu.Lock()
	b.tasks = append(b.tasks, tasks...)
	b.mu.Unlock()
	b.some.Broadcast()
}

// take waits for a message. It is false when the backlog is closed.
func (b *backlog) take() (task, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.tasks) == 0 && !b.closed {
		b.some.Wait()
	}
	if b.closed {
		return task{}, false
	}
	t := b.tasks[0]
	b.tasks[0] = task{}
	if b.tasks = b.tasks[1:]; len(b.tasks) == 0 {
		b.tasks = nil
	}
	return t, true
}

func (b *backlog) close() {
	b.mu.Lock()
	b.closed, b.tasks = true, nil
	b.mu.Unlock()
	b.some.Broadcast()
}

// handleBacklog is one of the concurrent handlers.
func (c *PushConsumer) handleBacklog(ctx context.Context) error {
	for {
		t, ok := c.backlog.take()
		if !ok {
			return nil
		}
		if t.share.counts(t) {
			c.handleOne(ctx, t)
		}
	}
}

// handleOne calls the handler for a message, and gives the message back to the
// group if that fails. While not even that works the message is kept and tried
// again.
func (c *PushConsumer) handleOne(ctx context.Context, t task) {
	for {
		err := c.call(ctx, t.message)
		if err == nil || c.cfg.broadcast {
			if err != nil {
				c.cfg.logger.Warn("message dropped: its handler failed", "message", t.message.ID(), "error", err)
			}
			break
		}
		if !t.share.counts(t) {
			return
		}
		c.cfg.logger.Warn("handler failed", "message", t.message.ID(), "topic", t.message.Topic(), "attempt", t.message.ReconsumeTimes+1, "error", err)
		if err = c.sendBack(ctx, t.message, err); err == nil {
			break
		}
		c.cfg.logger.Warn("message could not be given back, handled again soon", "message", t.message.ID(), "error", err)
		if !sleep(t.share.ctx, localRetry) {
			return
		}
		again := *t.message
		again.ReconsumeTimes++
		t.message = &again
	}
	t.share.done(t)
}

// localRetry is when a message is handled again that could not be given back, as
// in Java's clients.
const localRetry = 5 * time.Second

// call calls the handler.
func (c *PushConsumer) call(ctx context.Context, m *MessageView) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return c.cfg.handler(ctx, m)
}

// asSent is a message under the topic it was sent to: one that came back to the
// group was stored under the group's own.
func (c *PushConsumer) asSent(v *MessageView) *MessageView {
	if v.Queue.Topic == protocol.RetryTopic(c.cfg.group) {
		if topic := v.Properties[message.PropRetryTopic]; topic != "" {
			v.Queue.Topic = topic
		}
	}
	return v
}

// handleInOrder calls the handler for the messages of a queue one after the other,
// as long as the queue is locked for this member.
func (s *share) handleInOrder(ctx context.Context) {
	c := s.consumer
	for {
		t, ok := s.first()
		if !ok {
			select {
			case <-s.ready:
				continue
			case <-s.ctx.Done():
				return
			}
		}
		if !s.lockCounts() {
			if !sleep(s.ctx, lockRetry) {
				return
			}
			c.relock(s)
			continue
		}
		select {
		case c.slots <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		rest := s.handleFirst(ctx, t)
		<-c.slots
		if rest && !sleep(s.ctx, c.cfg.suspend) {
			return
		}
	}
}

// first is the message in front.
func (s *share) first() (task, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.line) == 0 {
		return task{}, false
	}
	return s.mu.line[0], true
}

// handleFirst handles the message in front. It tells whether the queue must rest.
func (s *share) handleFirst(ctx context.Context, t task) (rest bool) {
	c := s.consumer
	err := c.call(ctx, t.message)
	if err != nil {
		c.cfg.logger.Warn("handler failed", "message", t.message.ID(), "queue", s.queue.String(), "attempt", t.message.ReconsumeTimes+1, "error", err)
		if !s.counts(t) {
			return false
		}
		var v *verdict
		rejected := errors.As(err, &v) && v.level < 0
		if !rejected && (c.cfg.maxAttempts == 0 || int(t.message.ReconsumeTimes) < c.cfg.maxAttempts) {
			s.again(t)
			return true
		}
		if err := c.sendDead(ctx, t.message); err != nil {
			c.cfg.logger.Warn("message could not be given back", "message", t.message.ID(), "error", err)
			return true
		}
	}
	if s.done(t) {
		s.mu.Lock()
		s.mu.line = s.mu.line[1:]
		s.mu.Unlock()
	}
	return false
}

// again counts an attempt at the message in front.
func (s *share) again(t task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.window == t.window {
		m := *t.message
		m.ReconsumeTimes++
		s.mu.line[0].message = &m
	}
}
