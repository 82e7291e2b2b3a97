package remoting

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
)

// settings are a server's or client's configuration with all defaults filled in.
type settings struct {
	logger     *slog.Logger
	handler    Handler
	afterBatch func(*Conn)
	onOpen     func(*Conn)
	onClose    func(*Conn)
	observe    func(protocol.RequestCode, protocol.ResponseCode, time.Duration)
	sign       func(*Command)
	tls        *tls.Config
	tlsMode    TLSMode
	codec      Codec

	maxFrame   int
	highWater  int   // output of a connection above which its reader waits
	hardLimit  int   // output of a connection above which it is closed
	totalLimit int64 // the budget
	maxConns   int
	maxCalls   int // of this side in flight per connection
	workers    int
	queue      int // of the workers

	idleTimeout      time.Duration
	frameTimeout     time.Duration
	stallTimeout     time.Duration
	handshakeTimeout time.Duration
	timeout          time.Duration // of calls without their own
}

// Defaults; see ServerConfig and ClientConfig for what they mean.
const (
	defaultHighWater    = 1 << 20
	defaultUnsent       = 32 << 20 // of a client: many large messages in flight are usual
	defaultTotalLimit   = 256 << 20
	defaultMaxConns     = 1 << 16
	defaultServerCalls  = 256 + 64 // Java's serverOnewaySemaphoreValue + serverAsyncSemaphoreValue
	defaultClientCalls  = 65535    // Java's clientAsyncSemaphoreValue
	defaultWorkers      = 16       // Java's admin pool
	defaultQueue        = 1024
	defaultIdle         = 120 * time.Second // Java's serverChannelMaxIdleTimeSeconds
	defaultFrameTimeout = 120 * time.Second
	defaultStall        = 30 * time.Second
	defaultHandshake    = 10 * time.Second
	defaultCall         = 10 * time.Second // Java's broker-to-client calls
	defaultClientCall   = 3 * time.Second  // Java's send timeout

	// hardLimitFactor times the high-water mark, plus a frame, is what a connection may
	// hold of output: replies to requests accepted before its reader stopped.
	hardLimitFactor = 16
)

// or returns v, or def when v is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (s *settings) fill() {
	s.logger = or(s.logger, slog.New(slog.DiscardHandler))
	if s.handler == nil {
		s.handler = NotSupported
	}
	s.maxFrame = min(or(s.maxFrame, MaxFrame), MaxFrame)
	s.highWater = or(s.highWater, defaultHighWater)
	s.hardLimit = hardLimitFactor*s.highWater + MaxFrame
	s.totalLimit = or(s.totalLimit, defaultTotalLimit)
	s.maxConns = or(s.maxConns, defaultMaxConns)
	s.workers = or(s.workers, defaultWorkers)
	s.queue = or(s.queue, defaultQueue)
	s.idleTimeout = or(s.idleTimeout, defaultIdle)
	s.frameTimeout = or(s.frameTimeout, defaultFrameTimeout)
	s.stallTimeout = or(s.stallTimeout, defaultStall)
	s.handshakeTimeout = or(s.handshakeTimeout, defaultHandshake)
}

// endpoint is what the connections of a server or client share.
type endpoint struct {
	cfg     settings
	group   *run.Group
	workers *workers
	budget  budget
	start   time.Time
	stats   counters

	leaving   atomic.Bool // newer clients are told to go away
	quiescing atomic.Bool // readers that meet a deadline wait for the end

	mu struct {
		sync.Mutex
		conns  map[*Conn]struct{}
		lastID uint64
		closed bool
	}
}

// counters count since the start.
type counters struct {
	accepted, refused, frames, malformed, panics, overflows, bytesOut atomic.Int64
}

// Stats are figures of a server or client since it was made.
type Stats struct {
	Conns     int   // open now
	Accepted  int64 // connections
	Refused   int64 // connections, for MaxConns
	Frames    int64 // read
	Malformed int64 // connections closed for a bad frame
	Overflows int64 // connections closed for unread output
	Panics    int64 // of handlers
	BytesOut  int64
	Pending   int64 // bytes charged to MaxPendingBytesTotal now
}

func (ep *endpoint) init(cfg settings) {
	cfg.fill()
	ep.cfg = cfg
	ep.budget.limit = cfg.totalLimit
	ep.start = time.Now()
	ep.mu.conns = make(map[*Conn]struct{})
}

// begin makes group the owner of the endpoint's goroutines.
func (ep *endpoint) begin(group *run.Group) {
	ep.group = group
	ep.workers = newWorkers(group, ep.cfg.workers, ep.cfg.queue)
	group.Go("remoting-sweep", ep.sweep)
}

// now is a monotonic time in nanoseconds, never 0.
func (ep *endpoint) now() int64 { return int64(time.Since(ep.start)) + 1 }

// add registers a connection, unless there are too many or the end has begun.
func (ep *endpoint) add(c *Conn) error {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.mu.closed {
		return ErrClosed
	}
	if len(ep.mu.conns) >= ep.cfg.maxConns {
		return ErrBusy
	}
	ep.mu.lastID++
	c.id = ep.mu.lastID
	ep.mu.conns[c] = struct{}{}
	return nil
}

func (ep *endpoint) remove(c *Conn) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	delete(ep.mu.conns, c)
}

// open returns the connections there are now.
func (ep *endpoint) open() []*Conn {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	conns := make([]*Conn, 0, len(ep.mu.conns))
	for c := range ep.mu.conns {
		conns = append(conns, c)
	}
	return conns
}

// closeAll closes all connections and takes no more.
func (ep *endpoint) closeAll() {
	ep.mu.Lock()
	ep.mu.closed = true
	ep.mu.Unlock()
	for _, c := range ep.open() {
		c.Close()
	}
}

func (ep *endpoint) snapshot() Stats {
	ep.mu.Lock()
	n := len(ep.mu.conns)
	ep.mu.Unlock()
	s := &ep.stats
	return Stats{
		Conns: n, Accepted: s.accepted.Load(), Refused: s.refused.Load(), Frames: s.frames.Load(),
		Malformed: s.malformed.Load(), Overflows: s.overflows.Load(), Panics: s.panics.Load(),
		BytesOut: s.bytesOut.Load(), Pending: ep.budget.used.Load(),
	}
}

// serve runs a handler and answers its error or panic.
func (ep *endpoint) serve(call *Call, h Handler) {
	defer func() {
		if r := recover(); r != nil {
			ep.panicked(call.conn, r)
			if !call.replied {
				call.fail(errPanic)
			}
		}
	}()
	if ep.leaving.Load() && call.version > protocol.VersionGoAway {
		call.fail(errGoAway)
		return
	}
	err := h(call)
	switch {
	case err != nil && !call.replied:
		call.fail(err)
	case call.oneway:
		call.observe(protocol.RespSuccess, 0)
	}
}

// errPanic does not say what happened: that is in the log.
var errPanic = &protocol.Error{Code: protocol.RespSystemError, Remark: "the server failed to handle the request, see its log"}

// prepare completes a request of this side.
func (ep *endpoint) prepare(r *Command) {
	if r.Version == 0 {
		r.Version = protocol.Version
	}
	if ep.cfg.sign != nil {
		r.Ext = r.Ext[:len(r.Ext):len(r.Ext)] // what is appended must not reach the caller's array
		ep.cfg.sign(r)
	}
}

// idleState is what the sweeper knows of a connection.
type idleState struct {
	since     int64 // when it last saw it active
	partial   uint32
	partialAt int64
}

// sweep closes idle connections and those that leave a frame unfinished, and fails
// calls nobody answers. It looks often enough to be at most an eighth late.
func (ep *endpoint) sweep(ctx context.Context) error {
	shortest := min(ep.cfg.idleTimeout, ep.cfg.frameTimeout, ep.cfg.timeout)
	tick := time.NewTicker(max(time.Millisecond, min(shortest/8, time.Second)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := ep.now()
		for _, c := range ep.open() {
			ep.inspect(c, now)
			c.calls.expire(now)
		}
	}
}

func (ep *endpoint) inspect(c *Conn, now int64) {
	s := &c.idle
	if read, wrote := c.touched.Swap(false), c.out.wrote.Swap(false); read || wrote {
		s.since = now
	}
	if p := c.in.partial.Load(); p != s.partial {
		s.partial, s.partialAt = p, now
	}
	idle := now-s.since > int64(ep.cfg.idleTimeout)
	stuck := s.partial != 0 && now-s.partialAt > int64(ep.cfg.frameTimeout)
	if idle || stuck {
		c.Close()
	}
}
