package remoting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/remoting/proxyproto"
)

// Conn is a connection, accepted by a Server or made by a Client. Both ends may send
// requests on it. Its methods may be called from any goroutine.
type Conn struct {
	ep     *endpoint
	id     uint64
	dialed string // the address a client dialed, empty on a server
	base   net.Conn
	stream net.Conn   // base, or TLS over it; set before OnOpen
	raw    *rawSocket // nil if the stream cannot be tried without waiting

	remote, local netip.AddrPort
	proxy         *proxyproto.Header

	opaque  atomic.Int32
	touched atomic.Bool // something was read since the sweeper looked
	value   atomic.Value
	once    sync.Once
	done    chan struct{} // closed by Close

	in    input
	out   output
	calls calls
	idle  idleState // the sweeper's
}

// newConn makes a connection; run must be called next.
func (ep *endpoint) newConn(nc net.Conn, dialed string) *Conn {
	c := &Conn{ep: ep, dialed: dialed, base: nc, stream: nc, done: make(chan struct{})}
	c.remote, c.local = addrPort(nc.RemoteAddr()), addrPort(nc.LocalAddr())
	c.in.budget = &ep.budget
	c.out.init(c)
	c.calls.limit = ep.cfg.maxCalls
	c.idle.since = ep.now()
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAlive(false) // as Java; the idle timeout finds dead peers
		c.raw = newRawSocket(nc, &c.in)
		c.in.lazy = c.raw != nil
	}
	return c
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// ID is unique among the connections of a server or client, and never 0.
func (c *Conn) ID() uint64 { return c.id }

// RemoteAddr is the socket's other end, also when a PROXY header named another one;
// the zero value if it is no TCP socket. IPv4 addresses are never mapped ones.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// LocalAddr is the socket's own end.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Dialed is the address a client gave to reach the peer; empty on a server.
func (c *Conn) Dialed() string { return c.dialed }

// Proxy is what a PROXY protocol header said, nil if there was none.
func (c *Conn) Proxy() *proxyproto.Header { return c.proxy }

// TLS reports whether the connection is encrypted.
func (c *Conn) TLS() bool {
	_, ok := c.stream.(*tls.Conn)
	return ok
}

// String names the peer, for errors and logs.
func (c *Conn) String() string {
	if c.dialed != "" {
		return c.dialed
	}
	return c.remote.String()
}

// Done is closed when the connection is closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// SetValue attaches a value of the handler's choice, always of the same type.
func (c *Conn) SetValue(v any) { c.value.Store(v) }

// Value returns what SetValue attached, nil at first.
func (c *Conn) Value() any { return c.value.Load() }

// Writable reports whether the peer keeps up with its output: false while more than
// MaxPendingBytesPerConn wait, and then pushes should be held back.
func (c *Conn) Writable() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return !c.out.mu.closed && c.out.backlogLocked() <= c.ep.cfg.highWater
}

// Flush writes what Ticket.Queue appended. It does not block. While the reader
// handles the frames of a batch, the output leaves right after that; during
// AfterBatch Flush writes at once.
func (c *Conn) Flush() { c.out.flush(causeExplicit) }

// Close closes the connection, drops unwritten output and fails the calls that wait
// on it. It may be called more than once and does not wait for the reader.
func (c *Conn) Close() {
	c.once.Do(func() {
		c.out.close()
		close(c.done)
		_ = c.base.Close() // nothing depends on its outcome
	})
}

// run reads the connection until its end. It is the reader.
func (c *Conn) run(context.Context) error {
	defer c.end()
	err := c.read()
	level := slog.LevelDebug
	if errors.Is(err, ErrMalformed) || errors.Is(err, ErrBusy) {
		level = slog.LevelWarn
	}
	c.ep.cfg.logger.Log(c.ep.group.Context(), level, "connection closed",
		slog.String("peer", c.String()), slog.Any("error", err))
	return nil
}

// end releases what the reader owns.
func (c *Conn) end() {
	if r := recover(); r != nil {
		c.ep.panicked(c, r)
	}
	c.Close()
	c.in.drop()
	c.calls.fail(ErrClosed)
	c.ep.remove(c)
}

func (ep *endpoint) panicked(c *Conn, r any) {
	ep.stats.panics.Add(1)
	ep.cfg.logger.Error("handler panicked", slog.String("peer", c.String()), slog.Any("panic", r),
		slog.String("stack", string(debug.Stack())))
}

func (c *Conn) read() error {
	if c.dialed == "" {
		if err := c.sniff(); err != nil {
			return err
		}
	}
	if f := c.ep.cfg.onClose; f != nil {
		defer f(c)
	}
	if f := c.ep.cfg.onOpen; f != nil {
		f(c)
	}
	for {
		if err := c.batch(); err != nil {
			return err
		}
		c.out.waitEased()
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// fill waits for input.
func (c *Conn) fill() error {
	if err := c.in.reserve(c.done, c.ep.cfg.stallTimeout); err != nil {
		return err
	}
	var err error
	if c.raw != nil {
		err = c.raw.read()
	} else {
		var n int
		if n, err = c.stream.Read(c.in.room()); n > 0 {
			c.in.received(n)
			err = nil
		}
	}
	if err != nil {
		if c.ep.quiescing.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			<-c.done // Shutdown stopped the reading; it closes when all is answered
			return ErrClosed
		}
		return err
	}
	if !c.touched.Load() {
		c.touched.Store(true)
	}
	return nil
}

// batch is what handling the frames of one read needs; it is pooled.
type batch struct {
	call     Call
	scratch  Scratch
	requests int64 // requests to be answered since the output's begin
	frames   int
	read     int64 // when, on the scale of endpoint.now
}

var batchPool = sync.Pool{New: func() any { return new(batch) }}

// batch handles the whole frames of the input.
func (c *Conn) batch() error {
	if len(c.in.pending()) == 0 {
		return nil
	}
	frame, n, need, err := splitFrame(c.in.pending(), c.ep.cfg.maxFrame)
	if err == nil && n == 0 {
		c.in.need = need
		c.in.compact()
		return nil
	}
	b := batchPool.Get().(*batch)
	b.read = c.ep.now()
	c.out.begin()
	for err == nil && n > 0 {
		c.in.at += n
		if err = c.frame(b, frame); err == nil && c.out.full.Load() {
			c.relieve(b)
		}
		if err == nil {
			frame, n, need, err = splitFrame(c.in.pending(), c.ep.cfg.maxFrame)
		}
	}
	c.ep.stats.frames.Add(int64(b.frames))
	c.finish(b)
	b.frames, b.call = 0, Call{}
	b.scratch.trim()
	batchPool.Put(b)
	if err != nil {
		c.ep.stats.malformed.Add(1)
		return err
	}
	c.in.need = need
	c.in.compact()
	return nil
}

// frame handles one frame: a response to a call of this side or a request.
func (c *Conn) frame(b *batch, frame []byte) error {
	call := &b.call
	if err := DecodeCommand(frame, &call.Command, &b.scratch); err != nil {
		return err
	}
	b.frames++
	if call.IsResponse() {
		c.calls.complete(&call.Command)
		return nil
	}
	call.Ticket = Ticket{
		conn: c, start: b.read, opaque: call.Opaque, code: call.Code, version: call.Command.Version, oneway: call.IsOneway(),
	}
	if !call.oneway {
		b.requests++
	}
	c.ep.serve(call, c.ep.cfg.handler)
	return nil
}

// relieve writes large output in the middle of a batch. If the peer does not read it,
// the batch is finished first, so that nothing waits for it while the reader waits.
func (c *Conn) relieve(b *batch) {
	c.out.flush(causeFull)
	if c.out.stuck() {
		c.finish(b)
		c.out.waitEased()
		c.out.begin()
	}
}

// finish ends the handling of frames: AfterBatch, then the flush.
func (c *Conn) finish(b *batch) {
	c.out.handled(b.requests)
	b.requests = 0
	if f := c.ep.cfg.afterBatch; f != nil {
		f(c)
	}
	c.out.flush(causeEnd)
}

// tryWrite sends what the stream takes without waiting.
func (c *Conn) tryWrite(b []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	return c.raw.write(b, false)
}

// waitWrite sends some of b, and waits until the stream takes it.
func (c *Conn) waitWrite(b []byte) (int, error) {
	if c.raw == nil {
		return c.stream.Write(b)
	}
	return c.raw.write(b, true)
}

// handshake makes t the stream.
func (c *Conn) handshake(ctx context.Context, t *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, c.ep.cfg.handshakeTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.stream, c.raw, c.in.lazy = t, nil, false
	return nil
}
