package remoting

import (
	"context"
	"fmt"
	"sync"
)

// calls are the requests of this side that wait for a response on a connection.
type calls struct {
	limit int

	mu struct {
		sync.Mutex
		waiting map[int32]*waitingCall
		err     error // why no more calls are taken; nil while open
	}
}

// waitingCall is a request in flight. It is resolved exactly once, by whoever took
// it out of the table.
type waitingCall struct {
	done     chan outcome          // capacity 1; nil for an asynchronous call
	callback func(*Command, error) // of an asynchronous call
	deadline int64                 // on endpoint.clock's scale; 0: its caller has one
}

type outcome struct {
	cmd *Command
	err error
}

var waitingPool = sync.Pool{New: func() any { return &waitingCall{done: make(chan outcome, 1)} }}

func (w *waitingCall) resolve(cmd *Command, err error) {
	if w.callback != nil {
		w.callback(cmd, err)
		return
	}
	w.done <- outcome{cmd, err}
}

// add registers a call.
func (c *calls) add(opaque int32, w *waitingCall) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mu.err != nil:
		return c.mu.err
	case len(c.mu.waiting) >= c.limit:
		return fmt.Errorf("%d calls: %w", c.limit, ErrBusy)
	case c.mu.waiting == nil:
		c.mu.waiting = make(map[int32]*waitingCall)
	}
	if _, dup := c.mu.waiting[opaque]; dup {
		return fmt.Errorf("opaque %d in use: %w", opaque, ErrBusy) // after 2^32 calls, a very old one
	}
	c.mu.waiting[opaque] = w
	return nil
}

// take removes a call; nil if it is not there any more.
func (c *calls) take(opaque int32) *waitingCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.mu.waiting[opaque]
	delete(c.mu.waiting, opaque)
	return w
}

// complete hands a response to its call. Responses nobody waits for are dropped, as
// Java does.
func (c *calls) complete(cmd *Command) {
	if w := c.take(cmd.Opaque); w != nil {
		w.resolve(cmd.Clone(), nil)
	}
}

// expire fails the calls whose deadline has passed.
func (c *calls) expire(now int64) {
	c.mu.Lock()
	var late []*waitingCall
	for opaque, w := range c.mu.waiting {
		if w.deadline != 0 && w.deadline <= now {
			late = append(late, w)
			delete(c.mu.waiting, opaque)
		}
	}
	c.mu.Unlock()
	for _, w := range late {
		w.resolve(nil, ErrTimeout)
	}
}

// fail fails all calls, and the ones to come.
func (c *calls) fail(err error) {
	c.mu.Lock()
	waiting := c.mu.waiting
	c.mu.waiting, c.mu.err = nil, err
	c.mu.Unlock()
	for _, w := range waiting {
		w.resolve(nil, err)
	}
}

// Invoke sends a request of this side and waits for the response, whatever its code
// is; Command.Err tells. The command is not changed; opaque, codec and, if it is 0,
// version are chosen here. Without a deadline in ctx the endpoint's timeout counts.
// It must not be called from a handler, which runs on the goroutine that reads the
// response; use Call.Detach.
func (c *Conn) Invoke(ctx context.Context, cmd *Command) (*Command, error) {
	resp, _, err := c.invoke(ctx, cmd)
	return resp, err
}

// invoke also tells whether the request may have left; a request that did not can be
// sent on another connection.
func (c *Conn) invoke(ctx context.Context, cmd *Command) (resp *Command, sent bool, err error) {
	w := waitingPool.Get().(*waitingCall)
	w.deadline = 0
	if _, ok := ctx.Deadline(); !ok {
		w.deadline = c.ep.now() + int64(c.ep.cfg.timeout)
	}
	opaque, err := c.send(cmd, w)
	if err != nil {
		waitingPool.Put(w)
		return nil, false, fmt.Errorf("invoke %s: %w", c, err)
	}
	var o outcome
	select {
	case o = <-w.done:
	case <-ctx.Done():
		if c.calls.take(opaque) != nil {
			o.err = ctx.Err()
		} else { // taken by somebody who is about to resolve it
			o = <-w.done
		}
	}
	waitingPool.Put(w)
	if o.err != nil {
		return nil, true, fmt.Errorf("invoke %s: %w", c, o.err)
	}
	return o.cmd, true, nil
}

// InvokeAsync is Invoke with a callback, which is called exactly once, with the
// response or an error: on the reader's goroutine, where it must not block, or on the
// caller's if nothing was sent. The endpoint's timeout counts.
func (c *Conn) InvokeAsync(cmd *Command, callback func(*Command, error)) {
	if err := c.invokeAsync(cmd, callback); err != nil {
		callback(nil, err)
	}
}

// invokeAsync returns an error, and does not call back, if the request was not sent.
func (c *Conn) invokeAsync(cmd *Command, callback func(*Command, error)) error {
	w := &waitingCall{callback: callback, deadline: c.ep.now() + int64(c.ep.cfg.timeout)}
	if _, err := c.send(cmd, w); err != nil {
		return fmt.Errorf("invoke %s: %w", c, err)
	}
	return nil
}

// Oneway sends a request that gets no response. It does not block: a peer that does
// not read what it is sent gives ErrBusy.
func (c *Conn) Oneway(cmd *Command) error {
	if err := c.request(cmd, c.opaque.Add(1), FlagOneway); err != nil {
		return fmt.Errorf("oneway %s: %w", c, err)
	}
	return nil
}

// send registers w and sends cmd. After an error w is neither registered nor
// resolved.
func (c *Conn) send(cmd *Command, w *waitingCall) (opaque int32, err error) {
	opaque = c.opaque.Add(1)
	if err := c.calls.add(opaque, w); err != nil {
		return opaque, err
	}
	if err := c.request(cmd, opaque, 0); err != nil {
		if c.calls.take(opaque) == nil { // failed meanwhile by the end of the connection
			if w.callback != nil {
				return opaque, nil
			}
			return opaque, (<-w.done).err
		}
		return opaque, err
	}
	return opaque, nil
}

// request appends a request to the output and sends it.
func (c *Conn) request(cmd *Command, opaque, flag int32) error {
	r := *cmd
	r.Opaque, r.Flag, r.Codec = opaque, cmd.Flag&^(FlagResponse|FlagOneway)|flag, c.ep.cfg.codec
	c.ep.prepare(&r)
	if err := c.out.appendRequest(&r); err != nil {
		return err
	}
	c.out.flush(causeReply)
	return nil
}
