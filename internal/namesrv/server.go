package namesrv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Config says how a nameserver runs.
type Config struct {
	// Namesrv holds the keys of namesrv.conf. They must not be written any more.
	Namesrv *config.Namesrv
	// FS holds the key-value configuration and run-time changes; nil is vfs.OS.
	FS vfs.FS
	// Logger is nil for none.
	Logger *slog.Logger
	// Observe, if set, is told about every answer. It must be quick.
	Observe func(code protocol.RequestCode, resp protocol.ResponseCode, took time.Duration)
	// ShutdownTimeout is how long accepted requests may take when Run ends; 0 is 5 s.
	ShutdownTimeout time.Duration
}

// Server is a nameserver. Listen, then Run; Close at any time.
type Server struct {
	cfg     Config
	log     *slog.Logger
	net     *remoting.Server
	client  *remoting.Client // for notifications to brokers
	live    *config.LiveNamesrv
	kv      *kvStore
	started time.Time
	notices chan NotifyMinBroker
	closing chan struct{} // closed by Close
	once    sync.Once     // for closing
	running sync.WaitGroup

	mu    sync.Mutex // guards changes of table, and conns
	table *Table
	conns map[uint64]*remoting.Conn // on which a broker registered
}

// maxNotices bounds the notifications that wait to be sent. What does not fit is
// dropped and logged: brokers also ask on their own.
const maxNotices = 1024

// noticeTimeout is how long one broker may hold up the others' notifications.
const noticeTimeout = 3 * time.Second

// New returns a nameserver that has touched neither disk nor network.
func New(cfg Config) *Server {
	if cfg.FS == nil {
		cfg.FS = vfs.OS
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.ShutdownTimeout == 0 {
		cfg.ShutdownTimeout = 5 * time.Second
	}
	return &Server{
		cfg: cfg, log: cfg.Logger, table: NewTable(), closing: make(chan struct{}),
		conns: map[uint64]*remoting.Conn{}, notices: make(chan NotifyMinBroker, maxNotices),
	}
}

// Listen reads the key-value file and the stored configuration changes, and
// opens the port. It returns the address, whose port was chosen if it was 0.
func (s *Server) Listen() (net.Addr, error) {
	live, dropped, err := config.NewLiveNamesrv(s.cfg.FS, s.cfg.Namesrv.RuntimePath(), s.cfg.Namesrv)
	if err != nil {
		return nil, err
	}
	if len(dropped) > 0 {
		s.log.Warn("stored configuration changes do not apply any more", "keys", dropped)
	}
	s.live = live
	set := live.Current()
	if s.kv, err = openKV(s.cfg.FS, set.KVConfigPath); err != nil {
		return nil, err
	}
	s.net = remoting.NewServer(remoting.ServerConfig{
		Logger: s.log, Handler: s.handle, OnClose: s.closed, Observe: s.cfg.Observe, IdleTimeout: set.ServerMaxIdle,
	})
	s.client = remoting.NewClient(remoting.ClientConfig{Logger: s.log})
	addr, err := s.net.Listen(net.JoinHostPort(set.BindAddress, strconv.Itoa(set.ListenPort)))
	if err != nil {
		return nil, fmt.Errorf("nameserver: %w", err)
	}
	s.started = time.Now()
	return addr, nil
}

// Run serves until ctx ends or Close is called, then finishes accepted requests.
// It is called once, after Listen.
func (s *Server) Run(ctx context.Context) error {
	s.running.Add(1)
	defer s.running.Done()
	defer s.client.Close()
	g := run.NewGroup(ctx)
	g.Go("nameserver", func(ctx context.Context) error {
		defer g.Cancel()
		return s.net.Serve(context.WithoutCancel(ctx)) // until shutdown has drained it
	})
	g.Go("nameserver expiry", s.expireLoop)
	g.Go("nameserver notices", s.noticeLoop)
	g.Go("nameserver shutdown", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-s.closing:
		}
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
		defer cancel()
		return s.net.Shutdown(late)
	})
	return g.Wait()
}

// Close ends Run and waits for it. It may be called more than once, also without
// Listen or Run.
func (s *Server) Close() {
	s.once.Do(func() { close(s.closing) })
	s.running.Wait()
	if s.net != nil {
		s.net.Close()
		s.client.Close()
	}
}

// Sizes counts what is registered.
func (s *Server) Sizes() Sizes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.Sizes()
}

func (s *Server) settings() *config.Namesrv { return s.live.Current() }

func (s *Server) options() Options {
	set := s.settings()
	return Options{
		ActingMaster: set.ActingMaster, NotifyMinBrokerID: set.NotifyMinBrokerID, DeleteUnregistered: set.DeleteUnregistered,
		MaxTopics: set.MaxTopics, MaxBrokers: set.MaxBrokers,
	}
}

// change runs edit under the lock and does its effects after it.
func (s *Server) change(edit func(o Options) []Effect) {
	o := s.options()
	s.mu.Lock()
	effects := edit(o)
	silent := s.connsLocked(effects)
	s.mu.Unlock()
	for _, conn := range silent {
		conn.Close()
	}
	for _, e := range effects {
		if n, ok := e.(NotifyMinBroker); ok {
			s.notify(n)
		}
	}
}

// connsLocked finds the connections that effects asks to close.
func (s *Server) connsLocked(effects []Effect) []*remoting.Conn {
	var list []*remoting.Conn
	for _, e := range effects {
		if c, ok := e.(CloseConn); ok && s.conns[c.Conn] != nil {
			list = append(list, s.conns[c.Conn])
		}
	}
	return list
}

// register takes a registration that came on conn.
func (s *Server) register(conn *remoting.Conn, r *Registration) (answer Registered, err error) {
	r.Conn = conn.ID()
	known := false
	s.change(func(o Options) []Effect {
		var effects []Effect
		known = s.table.live[process{r.Cluster, r.Addr}] != nil
		answer, effects, err = s.table.Register(time.Now(), r, o)
		if err == nil {
			s.conns[r.Conn] = conn
		}
		return effects
	})
	switch {
	case err != nil:
		s.log.Warn("registration refused", "broker", r.Broker, "id", r.ID, "addr", r.Addr, "err", err)
	case !known:
		s.log.Info("broker registered", "cluster", r.Cluster, "broker", r.Broker, "id", r.ID, "addr", r.Addr, "topics", len(r.Topics))
	}
	return answer, err
}

// renew is a heartbeat of a process.
func (s *Server) renew(cluster, addr string) (protocol.DataVersion, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.Heartbeat(time.Now(), cluster, addr)
}

// closed is the server's OnClose.
func (s *Server) closed(conn *remoting.Conn) {
	id := conn.ID()
	s.change(func(o Options) []Effect {
		if s.conns[id] == nil {
			return nil
		}
		delete(s.conns, id)
		s.log.Info("connection of a broker closed", "peer", conn.RemoteAddr())
		return s.table.ConnClosed(id, o)
	})
}

// expireLoop looks for silent brokers.
func (s *Server) expireLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.settings().ScanInterval):
		}
		s.change(func(o Options) []Effect {
			before := len(s.table.live)
			effects := s.table.Expire(time.Now(), o)
			if n := before - len(s.table.live); n > 0 {
				s.log.Warn("brokers went silent", "count", n)
			}
			return effects
		})
	}
}

// notify queues a notification.
func (s *Server) notify(n NotifyMinBroker) {
	select {
	case s.notices <- n:
	default:
		s.log.Warn("notification dropped: too many wait", "limit", maxNotices, "min", n.MinAddr)
	}
}

// noticeLoop sends code 905. A broker that cannot be reached is left out: it
// also finds out on its own.
func (s *Server) noticeLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-s.notices:
			for _, addr := range n.To {
				if err := s.sendNotice(ctx, addr, n); err != nil && !errors.Is(err, context.Canceled) {
					s.log.Warn("broker could not be told that the smallest id changed", "addr", addr, "err", err)
				}
			}
		}
	}
}

func (s *Server) sendNotice(ctx context.Context, addr string, n NotifyMinBroker) error {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	return s.client.Oneway(ctx, addr, &remoting.Command{
		Code: int32(protocol.ReqNotifyMinBrokerIDChange),
		Ext: remoting.AppendHeader(nil, &protocol.NotifyMinBrokerIDChangeRequest{
			MinBrokerID: protocol.Some(n.MinID), MinBrokerAddr: n.MinAddr,
			OfflineBrokerAddr: n.OfflineAddr, HABrokerAddr: n.HAAddr,
		}, false),
	})
}
