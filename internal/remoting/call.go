package remoting

import (
	"context"
	"errors"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Handler serves requests. It runs on the connection's reader goroutine, so it must
// not block: what may, uses Call.Detach or answers later through the call's Ticket.
// An error is answered with its code and remark (RespSystemError unless it is a
// protocol.Error), nothing is if it is nil. A handler that has handed the Ticket to
// somebody else returns nil.
type Handler func(c *Call) error

// Call is one request. The Command is valid until the handler returns (R1); the
// Ticket may be copied and used longer.
type Call struct {
	Command
	Ticket
}

// Conn returns the connection the request came from.
func (c *Call) Conn() *Conn { return c.conn }

// Version returns the protocol version of the requester.
func (c *Call) Version() int32 { return c.Command.Version }

// Reply answers the request; see Ticket.Reply.
func (c *Call) Reply(r Reply) {
	c.Ticket.Reply(r)
	c.replied = true
}

// Detach continues the request on a bounded pool of workers, where f may block; f
// gets a clone of the call and a context that ends with the server or client. Its
// error is answered like a handler's. The handler returns nil after Detach. If all
// workers are busy and their queue is full, the request is answered with
// RespSystemBusy and f is not called.
func (c *Call) Detach(f func(ctx context.Context, c *Call) error) {
	ep := c.conn.ep
	d := &Call{Command: *c.Command.Clone(), Ticket: c.Ticket}
	size := int64(d.size())
	c.replied = true // from here on the answer is the worker's business
	if !ep.budget.tryCharge(size) {
		c.Ticket.fail(errOverload)
		return
	}
	ok := ep.workers.submit(func(ctx context.Context) {
		defer ep.budget.charge(-size)
		ep.serve(d, func(d *Call) error { return f(ctx, d) })
	})
	if !ok {
		ep.budget.charge(-size)
		c.Ticket.fail(errOverload)
	}
}

// Texts of Java's NettyRemotingAbstract that clients and their users know.
var (
	errOverload = &protocol.Error{Code: protocol.RespSystemBusy, Remark: "[OVERLOAD]system busy, start flow control for a while"}
	errGoAway   = &protocol.Error{Code: protocol.RespGoAway, Remark: "please go away"}
)

// NotSupported is the Handler for request codes nobody serves: code 3 with Java's
// remark.
func NotSupported(c *Call) error {
	return protocol.Errorf(protocol.RespRequestCodeNotSupported, " request type %d not supported", c.Code)
}

// Ticket says who asked and how to answer: a small value that may be copied, kept
// and used from any goroutine, also after the handler returned. Exactly one of its
// copies answers, once.
type Ticket struct {
	conn    *Conn
	start   int64 // when the batch of the request was read, on the scale of endpoint.now
	opaque  int32
	code    int32
	version int32
	oneway  bool
	replied bool // only meaningful in the Call that the reader owns
}

// Oneway reports whether the requester waits for no answer.
func (t Ticket) Oneway() bool { return t.oneway }

// Mute loses the answer, as if the requester did not wait for one. For tests that
// need a network that loses things.
func (t *Ticket) Mute() { t.oneway = true }

// Conn returns the connection the request came from.
func (t Ticket) Conn() *Conn { return t.conn }

// Version returns the protocol version of the requester.
func (t Ticket) Version() int32 { return t.version }

// Reply appends the answer to the connection's output and sends it. While the
// reader is inside a batch the answer leaves with the batch instead. It does not
// block, copies what it needs of r before it returns, and does nothing for a oneway
// request or a closed connection.
func (t Ticket) Reply(r Reply) {
	if t.append(&r) {
		t.conn.out.flush(causeReply)
	}
}

// Queue appends the answer without sending it; the caller calls Conn().Flush() when
// it has appended a group of them. Otherwise as Reply.
func (t Ticket) Queue(r Reply) { t.append(&r) }

func (t Ticket) append(r *Reply) bool {
	if t.oneway {
		return false
	}
	ok := t.conn.out.appendReply(t.opaque, r)
	t.observe(r.Code, r.Took)
	return ok
}

// Age is the time since the request was read.
func (t Ticket) Age() time.Duration { return time.Duration(t.conn.ep.now() - t.start) }

// fail answers with an error.
func (t Ticket) fail(err error) {
	r := Reply{Code: protocol.RespSystemError}
	var e *protocol.Error
	if errors.As(err, &e) {
		r.Code, r.Remark = e.Code, e.Remark
	} else {
		r.Remark = err.Error()
	}
	t.Reply(r)
}

func (t Ticket) observe(resp protocol.ResponseCode, took time.Duration) {
	observe := t.conn.ep.cfg.observe
	if observe == nil {
		return
	}
	if took == 0 {
		took = t.Age()
	}
	observe(protocol.RequestCode(t.code), resp, took)
}

// Reply is the answer to a request.
type Reply struct {
	Code   protocol.ResponseCode
	Remark string
	// Header is a struct of package protocol, or a pointer to one; its fields become
	// extFields.
	Header any
	// Ext follows the fields of Header.
	Ext []Field
	// Body is copied before Reply or Queue return.
	Body []byte
	// EmptyExt writes "extFields":{} when there are no fields. A non-nil Header does
	// that, too.
	EmptyExt bool
	// Took is the Ticket's Age, if whoever answers has looked at it; 0 reads the clock.
	Took time.Duration
}
