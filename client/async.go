package client

import (
	"context"

	"github.com/aerobee/aerobee/internal/remoting"
)

// SendAsync sends a message and calls done with the outcome: once, from any
// goroutine, possibly before SendAsync returns. done must not block. SendAsync
// itself waits while the route of the topic is looked up or too much is in
// flight, at most until ctx ends; ctx has no further meaning for the message.
//
// A broker that cannot be reached is retried elsewhere as by Send. A broker's
// answer is final here, as in Java's client: the order in which retries would
// leave could not be what the caller expects.
func (p *Producer) SendAsync(ctx context.Context, m *Message, done func(SendResult, error)) {
	s, err := p.newSend(m)
	if err != nil {
		done(SendResult{}, err)
		return
	}
	if err := p.begin(ctx); err != nil {
		done(SendResult{}, s.failed(err, 0))
		return
	}
	a := &asyncSend{p: p, s: s, done: done}
	route, cached := p.routes.Cached(s.topic)
	if !cached {
		if route, err = p.routes.TopicForSend(ctx, s.topic); err != nil {
			a.finish(SendResult{}, err)
			return
		}
	}
	t, err := p.pick(route, s, "")
	if err != nil {
		a.finish(SendResult{}, err)
		return
	}
	a.attempts = 1
	p.cluster.CallAsync(t.addr, p.request(s, t), func(resp *remoting.Command, err error) { a.answered(t, resp, err) })
}

// asyncSend is a message of SendAsync that holds a slot.
type asyncSend struct {
	p        *Producer
	s        *send
	done     func(SendResult, error)
	attempts int
}

func (a *asyncSend) finish(r SendResult, err error) {
	if err != nil {
		err = a.s.failed(err, a.attempts)
	}
	// The slot is given back last: Close waits for it, and after Close no
	// callback may run.
	defer a.p.end()
	a.done(r, err)
}

// answered runs on the connection's goroutine. What may block, the next attempt,
// goes to a goroutine of the producer; there are at most as many as slots.
func (a *asyncSend) answered(t target, resp *remoting.Command, err error) {
	if err == nil {
		var results []SendResult
		if results, err = a.s.results(resp, t); err == nil {
			a.finish(results[0], nil)
			return
		}
	}
	a.p.distrust(a.s.topic, err)
	if _, final := CodeOf(err); final || a.p.cfg.retries == 0 || a.s.to != nil {
		a.finish(SendResult{}, err)
		return
	}
	a.p.group.Go("retry", func(ctx context.Context) error {
		a.retry(ctx, t.queue.Broker, err)
		return nil
	})
}

// retry goes on synchronously until an attempt is answered.
func (a *asyncSend) retry(ctx context.Context, avoid string, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.p.cfg.sendTimeout)
	defer cancel()
	for err != nil && a.attempts <= a.p.cfg.retries && ctx.Err() == nil {
		if _, final := CodeOf(err); final {
			break
		}
		a.attempts++
		var results []SendResult
		if results, avoid, err = a.p.attempt(ctx, a.s, avoid, a.attempts); err == nil {
			a.finish(results[0], nil)
			return
		}
	}
	a.finish(SendResult{}, err)
}
