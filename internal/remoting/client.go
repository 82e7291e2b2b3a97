package remoting

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
)

// ClientConfig configures a Client. Zero values mean the defaults.
type ClientConfig struct {
	Logger *slog.Logger // discards by default

	// Handler serves requests that servers push; NotSupported by default. It runs on the
	// connection's reader, as AfterBatch, OnOpen and OnClose do.
	Handler         Handler
	AfterBatch      func(*Conn)
	OnOpen, OnClose func(*Conn)

	// Sign may add fields to a request before it is encoded, for access control. What it
	// appends to Ext is its own; it must not change the fields that are there.
	Sign func(*Command)

	TLS   *tls.Config // nil: plain connections
	Codec Codec       // of requests and replies; JSON by default

	// Dial replaces the network's dialer, for tests.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	MaxFrame               int   // as in ServerConfig
	MaxPendingBytesPerConn int   // unsent requests above which further ones get ErrBusy; 32 MiB by default
	MaxPendingBytesTotal   int64 // as in ServerConfig
	MaxConns               int   // as in ServerConfig
	MaxCalls               int   // in flight on a connection; 65,535 by default
	Workers, WorkerQueue   int   // as in ServerConfig

	Timeout      time.Duration // of calls without a deadline; 3 s by default
	DialTimeout  time.Duration // with TLS handshake; 3 s by default
	IdleTimeout  time.Duration // as in ServerConfig
	FrameTimeout time.Duration // as in ServerConfig
	StallTimeout time.Duration // as in ServerConfig
}

// Client sends requests to servers: any number of them at a time over one connection
// per address, which is made when it is needed. Its methods may be called from any
// goroutine.
type Client struct {
	ep          endpoint
	group       *run.Group
	dial        func(ctx context.Context, addr string) (net.Conn, error)
	dialTimeout time.Duration

	mu struct {
		sync.RWMutex
		peers map[string]*peer
	}
	// life is locked after mu and a peer's mutex: nothing is started once closed is set.
	life struct {
		sync.RWMutex
		closed bool
	}
}

const defaultDialTimeout = 3 * time.Second // Java's connectTimeoutMillis

// NewClient returns a client; Close ends it.
func NewClient(cfg ClientConfig) *Client {
	c := &Client{dial: cfg.Dial, dialTimeout: or(cfg.DialTimeout, defaultDialTimeout)}
	if c.dial == nil {
		d := &net.Dialer{KeepAlive: -1}
		c.dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	c.mu.peers = make(map[string]*peer)
	c.ep.init(settings{
		logger: cfg.Logger, handler: cfg.Handler, afterBatch: cfg.AfterBatch, onOpen: cfg.OnOpen, onClose: cfg.OnClose,
		sign: cfg.Sign, tls: cfg.TLS, codec: cfg.Codec,
		maxFrame: cfg.MaxFrame, highWater: or(cfg.MaxPendingBytesPerConn, defaultUnsent), totalLimit: cfg.MaxPendingBytesTotal,
		maxConns: cfg.MaxConns, maxCalls: or(cfg.MaxCalls, defaultClientCalls), workers: cfg.Workers, queue: cfg.WorkerQueue,
		idleTimeout: cfg.IdleTimeout, frameTimeout: cfg.FrameTimeout, stallTimeout: cfg.StallTimeout,
		handshakeTimeout: c.dialTimeout, timeout: or(cfg.Timeout, defaultClientCall),
	})
	c.group = run.NewGroup(context.Background()) // ends with Close
	c.ep.begin(c.group)
	return c
}

// Invoke sends a request to addr and waits for the response, whatever its code is.
// The command is not changed. A connection that turns out to be closed before the
// request is sent is made anew, once; so is one whose server answers RespGoAway. An
// address that could not be reached is not tried again at once: its error is returned
// until the back-off (50 ms, doubling to 2 s) is over.
func (c *Client) Invoke(ctx context.Context, addr string, cmd *Command) (*Command, error) {
	for again := true; ; again = false {
		p := c.peer(addr)
		conn, err := p.connect(ctx)
		if err != nil {
			return nil, err
		}
		resp, sent, err := conn.invoke(ctx, cmd)
		switch {
		case err != nil && (sent || !errors.Is(err, ErrClosed)):
			return nil, err
		case err == nil && resp.Code != int32(protocol.RespGoAway):
			return resp, nil
		}
		p.forget(conn)
		if !again {
			return resp, err
		}
	}
}

// InvokeAsync is Invoke with a callback, which is called exactly once: on a goroutine
// of the client, where it must not block, or on the caller's when the request could
// not be sent. The command must not be changed before that. Config.Timeout counts
// from the moment it is sent; RespGoAway is handed on.
func (c *Client) InvokeAsync(addr string, cmd *Command, callback func(*Command, error)) {
	p := c.peer(addr)
	if conn := p.current(); conn != nil {
		err := conn.invokeAsync(cmd, callback)
		if err == nil {
			return
		}
		if !errors.Is(err, ErrClosed) {
			callback(nil, err)
			return
		}
	}
	p.whenConnected(func(conn *Conn, err error) {
		if err == nil {
			conn.InvokeAsync(cmd, callback)
		} else {
			callback(nil, err)
		}
	})
}

// Oneway sends a request that gets no response. Nil means that it was handed to the
// connection, not that it arrived.
func (c *Client) Oneway(ctx context.Context, addr string, cmd *Command) error {
	conn, err := c.Conn(ctx, addr)
	if err != nil {
		return err
	}
	return conn.Oneway(cmd)
}

// Conn returns the connection to addr, which is made if there is none.
func (c *Client) Conn(ctx context.Context, addr string) (*Conn, error) {
	p := c.peer(addr)
	return p.connect(ctx)
}

// Conns returns the open connections.
func (c *Client) Conns() []*Conn { return c.ep.open() }

// Stats returns the client's figures.
func (c *Client) Stats() Stats { return c.ep.snapshot() }

// Close closes all connections, fails what waits, and returns when all goroutines have
// ended. It must not be called from a handler or callback.
func (c *Client) Close() {
	c.life.Lock()
	c.life.closed = true
	c.life.Unlock()
	c.ep.closeAll()
	c.group.Cancel()
	_ = c.group.Wait() // the group's goroutines return no errors
}
