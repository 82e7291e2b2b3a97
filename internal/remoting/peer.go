package remoting

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// peer is an address a client has connected to or tried to.
type peer struct {
	client *Client
	addr   string
	conn   atomic.Pointer[Conn] // the connection to use; may be closed already

	mu struct {
		sync.Mutex
		dialing  *dialing
		failures int
		err      error // why the last attempt failed
		until    int64 // no attempt before, on endpoint.clock's scale
	}
}

// dialing is an attempt to connect that any number of calls wait for.
type dialing struct {
	done    chan struct{} // closed at the end
	conn    *Conn
	err     error
	waiting []func(*Conn, error) // guarded by the peer's mutex until the end
}

// Back-off after failed attempts, and the number of addresses whose failures are
// remembered.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
	keepPeers    = 1024
)

// peer returns what is known of an address.
func (c *Client) peer(addr string) *peer {
	c.mu.RLock()
	p := c.mu.peers[addr]
	c.mu.RUnlock()
	if p != nil {
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p = c.mu.peers[addr]; p == nil {
		if len(c.mu.peers) >= keepPeers {
			c.pruneLocked()
		}
		p = &peer{client: c, addr: addr}
		c.mu.peers[addr] = p
	}
	return p
}

// pruneLocked forgets addresses without a connection.
func (c *Client) pruneLocked() {
	now := c.ep.now()
	for addr, p := range c.mu.peers {
		p.mu.Lock()
		unused := p.mu.dialing == nil && p.mu.until < now && p.current() == nil
		p.mu.Unlock()
		if unused {
			delete(c.mu.peers, addr)
		}
	}
}

// current returns the connection if there is an open one.
func (p *peer) current() *Conn {
	c := p.conn.Load()
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
		return nil
	default:
		return c
	}
}

// forget makes the next call use another connection. The old one lives on until its
// calls are done and it is idle.
func (p *peer) forget(c *Conn) { p.conn.CompareAndSwap(c, nil) }

// connect returns the connection and waits for it if it has to be made.
func (p *peer) connect(ctx context.Context) (*Conn, error) {
	if c := p.current(); c != nil {
		return c, nil
	}
	p.mu.Lock()
	c, d, err := p.attemptLocked()
	p.mu.Unlock()
	if d == nil {
		return c, err
	}
	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, fmt.Errorf("connect %s: %w", p.addr, ctx.Err())
	}
}

// whenConnected calls f once there is a connection, or none can be made.
func (p *peer) whenConnected(f func(*Conn, error)) {
	p.mu.Lock()
	c, d, err := p.attemptLocked()
	if d != nil && len(d.waiting) < p.client.ep.cfg.maxCalls {
		d.waiting = append(d.waiting, f)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	if d != nil {
		err = fmt.Errorf("connect %s: %d calls: %w", p.addr, p.client.ep.cfg.maxCalls, ErrBusy)
	}
	f(c, err)
}

// attemptLocked returns the connection, or the attempt that goes on or was started
// now, or why there is neither.
func (p *peer) attemptLocked() (*Conn, *dialing, error) {
	if c := p.current(); c != nil {
		return c, nil, nil
	}
	if p.mu.dialing != nil {
		return nil, p.mu.dialing, nil
	}
	c := p.client
	c.life.RLock() // Close waits for what is started under it
	defer c.life.RUnlock()
	if c.life.closed {
		return nil, nil, fmt.Errorf("client: %w", ErrClosed)
	}
	if p.mu.err != nil && c.ep.now() < p.mu.until {
		return nil, nil, p.mu.err
	}
	d := &dialing{done: make(chan struct{})}
	p.mu.dialing = d
	c.group.Go("remoting-dial", func(ctx context.Context) error {
		conn, err := c.open(ctx, p.addr)
		p.finish(d, conn, err)
		return nil
	})
	return nil, d, nil
}

// finish ends an attempt.
func (p *peer) finish(d *dialing, conn *Conn, err error) {
	p.mu.Lock()
	d.conn, d.err = conn, err
	p.mu.dialing = nil
	p.mu.err = err
	if err == nil {
		p.mu.failures = 0
		p.conn.Store(conn)
	} else {
		wait := min(firstBackoff<<min(p.mu.failures, 10), lastBackoff)
		p.mu.failures++
		p.mu.until = p.client.ep.now() + int64(wait)
	}
	waiting := d.waiting
	p.mu.Unlock()
	close(d.done)
	for _, f := range waiting {
		f(conn, err)
	}
}

// open connects and starts the reader.
func (c *Client) open(ctx context.Context, addr string) (*Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, c.dialTimeout)
	defer cancel()
	nc, err := c.dial(dialCtx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err) // the dialer's error has the address
	}
	conn := c.ep.newConn(nc, addr)
	if c.ep.cfg.tls != nil {
		err = conn.handshake(dialCtx, tls.Client(nc, tlsFor(c.ep.cfg.tls, addr)))
	}
	if err == nil {
		err = c.ep.add(conn)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect %s: %w", addr, err)
	}
	c.group.Go("remoting-conn", conn.run)
	return conn, nil
}

// tlsFor sets the name to verify, unless the configuration says another one.
func tlsFor(cfg *tls.Config, addr string) *tls.Config {
	if cfg.ServerName != "" || cfg.InsecureSkipVerify {
		return cfg
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return cfg // the handshake says what is missing
	}
	cfg = cfg.Clone()
	cfg.ServerName = host
	return cfg
}
