package remoting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
)

// ServerConfig configures a Server. Zero values mean the defaults; only Handler is
// usually given.
type ServerConfig struct {
	Logger  *slog.Logger // discards by default
	Handler Handler      // NotSupported by default

	// AfterBatch is called on the reader once after all frames of one read were handled,
	// before the connection's output is written. It may take as long as a disk does.
	AfterBatch func(*Conn)
	// OnOpen is called on the reader before the first frame, after PROXY header and TLS
	// handshake; OnClose after the last one, for each connection that was opened.
	OnOpen, OnClose func(*Conn)
	// Observe is called for every request when it is answered, or, if it is oneway, when
	// its handler has returned. It must be quick. Nil saves reading the clock.
	Observe func(code protocol.RequestCode, resp protocol.ResponseCode, took time.Duration)

	TLS     *tls.Config // nil: TLS connections are refused
	TLSMode TLSMode
	Codec   Codec // of responses and of requests to clients; JSON by default

	MaxFrame               int   // bytes of a frame with its length field; MaxFrame by default, which is the maximum
	MaxPendingBytesPerConn int   // unread output above which a connection's requests are not read; 1 MiB by default
	MaxPendingBytesTotal   int64 // unread output, unfinished frames and detached requests of all connections; 256 MiB. Above it readers wait, at twice it connections that need more are closed
	MaxConns               int   // connections at a time, further ones are closed at once; 65,536 by default
	MaxCalls               int   // calls to a client that wait for its response; 320 by default
	Workers, WorkerQueue   int   // goroutines for Call.Detach, and requests waiting for one; 16 and 1,024

	IdleTimeout  time.Duration // without read and write until a connection is closed; 120 s by default
	FrameTimeout time.Duration // from the first byte of a frame to its last; 120 s by default
	StallTimeout time.Duration // a peer that reads nothing of its output is closed after it; 30 s by default
	CallTimeout  time.Duration // of Conn.Invoke without a deadline; 10 s by default

	// GoAway makes Shutdown answer requests of clients that understand it (version above
	// 475) with RespGoAway until they have left or the context ends, instead of reading
	// no more requests.
	GoAway bool
}

// Server accepts connections and serves their requests. Listen, then Serve; Shutdown
// or Close from any goroutine, or the end of Serve's context, end it.
type Server struct {
	cfg ServerConfig
	ep  endpoint

	stop     chan struct{} // closed by Close
	stopOnce sync.Once
	served   chan struct{} // closed when Serve has returned

	mu struct {
		sync.Mutex
		listeners []net.Listener
		serving   bool
		closed    bool
	}
}

// NewServer returns a server that does nothing yet.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg, stop: make(chan struct{}), served: make(chan struct{})}
	s.ep.init(settings{
		logger: cfg.Logger, handler: cfg.Handler, afterBatch: cfg.AfterBatch, onOpen: cfg.OnOpen, onClose: cfg.OnClose,
		observe: cfg.Observe, tls: cfg.TLS, tlsMode: cfg.TLSMode, codec: cfg.Codec,
		maxFrame: cfg.MaxFrame, highWater: cfg.MaxPendingBytesPerConn, totalLimit: cfg.MaxPendingBytesTotal,
		maxConns: cfg.MaxConns, maxCalls: or(cfg.MaxCalls, defaultServerCalls), workers: cfg.Workers, queue: cfg.WorkerQueue,
		idleTimeout: cfg.IdleTimeout, frameTimeout: cfg.FrameTimeout, stallTimeout: cfg.StallTimeout,
		timeout: or(cfg.CallTimeout, defaultCall),
	})
	return s
}

// Listen opens a port and returns its address; port 0 chooses one. Clients can
// connect, but are not served before Serve. It may be called several times, before
// Serve.
func (s *Server) Listen(addr string) (net.Addr, error) {
	if s.cfg.TLSMode == TLSEnforcing && s.cfg.TLS == nil {
		return nil, fmt.Errorf("listen %s: TLS is enforced, but there is no certificate", addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || s.mu.serving {
		return nil, fmt.Errorf("listen %s: %w", addr, ErrClosed)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.mu.listeners = append(s.mu.listeners, l)
	return l.Addr(), nil
}

// Serve serves until ctx ends, Close or the end of Shutdown; all goroutines have
// ended when it returns. It may be called once.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	if s.mu.closed || s.mu.serving {
		s.mu.Unlock()
		return fmt.Errorf("serve: %w", ErrClosed)
	}
	s.mu.serving = true
	listeners := s.mu.listeners
	group := run.NewGroup(ctx)
	s.ep.begin(group)
	s.mu.Unlock()
	defer close(s.served)
	for _, l := range listeners {
		group.Go("remoting-accept", func(ctx context.Context) error { return s.accept(ctx, l) })
	}
	select {
	case <-group.Context().Done():
	case <-s.stop:
	}
	s.closeListeners()
	s.ep.closeAll()
	group.Cancel()
	return group.Wait()
}

// accept serves one listener. Errors other than its end, such as too many open
// files, are waited out.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	const first, last = 5 * time.Millisecond, time.Second
	delay := first
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = first
			s.open(nc)
			continue
		case errors.Is(err, net.ErrClosed):
			return nil
		}
		s.ep.cfg.logger.Warn("accept", slog.Any("error", err), slog.Duration("again", delay))
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		delay = min(2*delay, last)
	}
}

// open starts a connection's reader.
func (s *Server) open(nc net.Conn) {
	c := s.ep.newConn(nc, "")
	if err := s.ep.add(c); err != nil {
		s.ep.stats.refused.Add(1)
		c.Close()
		return
	}
	s.ep.stats.accepted.Add(1)
	s.ep.group.Go("remoting-conn", c.run)
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	listeners := s.mu.listeners
	s.mu.listeners, s.mu.closed = nil, true
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close() // it only frees the port
	}
}

// Shutdown accepts no more connections and reads no more requests, waits until those
// that were read are answered and the answers written, and closes. When ctx ends
// first it closes at once and returns the context's error. With GoAway see there.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closeListeners()
	if s.cfg.GoAway {
		s.ep.leaving.Store(true)
	} else {
		s.ep.quiescing.Store(true)
		for _, c := range s.ep.open() {
			_ = c.base.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed
		}
	}
	err := s.drained(ctx)
	s.Close()
	return err
}

// drained waits until no connection has anything to do, or none is left.
func (s *Server) drained(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		busy := false
		for _, c := range s.ep.open() {
			busy = busy || s.cfg.GoAway || !c.out.quiet()
		}
		if !busy {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("shutdown: %w", ctx.Err())
		case <-s.stop:
			return nil
		}
	}
}

// Close closes listeners and connections at once and waits for Serve to return. It
// must not be called from a handler.
func (s *Server) Close() {
	s.closeListeners()
	s.stopOnce.Do(func() { close(s.stop) })
	s.mu.Lock()
	serving := s.mu.serving
	s.mu.Unlock()
	if serving {
		<-s.served
	}
}

// Conns returns the open connections.
func (s *Server) Conns() []*Conn { return s.ep.open() }

// Stats returns the server's figures.
func (s *Server) Stats() Stats { return s.ep.snapshot() }
