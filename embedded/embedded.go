package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/admin"
	"github.com/aerobee/aerobee/internal/broker"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/namesrv"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Server is a nameserver and a broker. Its methods may be used by any number of
// goroutines.
type Server struct {
	opts   options
	names  *run.Group
	namesv string
	dir    string
	dark   atomic.Bool // the disk has no power

	mu     sync.Mutex // guards what follows
	mem    *vfs.Mem   // nil on a directory
	broker *broker.Broker
	port   int // of the broker; it keeps the first one it got
}

// ErrRunning is the answer of StartBroker to a broker that runs.
var ErrRunning = errors.New("the broker runs already")

// BrokerName is the name of the broker.
const BrokerName = "broker-a"

// stopTimeout bounds how long a broker may take to stop.
const stopTimeout = 10 * time.Second

// Start starts a nameserver and a broker and returns when clients can use them.
// ctx bounds the start alone.
func Start(ctx context.Context, opts ...Option) (*Server, error) {
	s := &Server{opts: options{
		logger: slog.New(slog.DiscardHandler), now: time.Now, topics: make(map[string]int), keys: make(map[string]string),
	}}
	for _, o := range opts {
		o(&s.opts)
	}
	if s.dir = s.opts.dir; s.dir == "" {
		s.mem, s.dir = vfs.NewMem(), "/embedded"
		s.mem.SetClock(s.opts.now)
	}
	if err := s.startNameserver(ctx); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	err := s.StartBroker(ctx)
	if err == nil {
		err = s.makeTopics(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) startNameserver(ctx context.Context) error {
	cfg := config.DefaultNamesrv()
	cfg.BindAddress, cfg.ListenPort = "127.0.0.1", 0
	cfg.KVConfigPath = filepath.Join(s.dir, "namesrv", "kvConfig.json")
	cfg.ConfigStorePath = filepath.Join(s.dir, "namesrv", "namesrv.properties")
	ns := namesrv.New(namesrv.Config{Namesrv: cfg, FS: s.fs(), Logger: s.opts.logger})
	addr, err := ns.Listen()
	if err != nil {
		return err
	}
	s.namesv = addr.String()
	s.names = run.NewGroup(context.WithoutCancel(ctx))
	s.names.Go("nameserver", ns.Run)
	return nil
}

// settings is the broker's configuration: that of aerobee server, with small files
// in memory.
func (s *Server) settings() (*config.Broker, error) {
	cfg := config.DefaultBroker()
	keys := map[string]string{
		"brokerName": BrokerName, "bindAddress": "127.0.0.1", "brokerIP1": "127.0.0.1", "brokerIP2": "127.0.0.1",
		"listenPort": strconv.Itoa(s.port), "namesrvAddr": s.namesv, "flushDiskType": "SYNC_FLUSH", "enablePropertyFilter": "true",
		"storePathRootDir": s.dir, "storePathCommitLog": filepath.Join(s.dir, "commitlog"),
	}
	if s.mem != nil {
		keys["mappedFileSizeCommitLog"] = strconv.Itoa(16 << 20)
		keys["mappedFileSizeConsumeQueue"] = strconv.Itoa(6000 * 20)
		keys["maxHashSlotNum"], keys["maxIndexNum"] = "5000", "20000"
	}
	for key, value := range s.opts.keys {
		keys[key] = value
	}
	var errs []error
	for key, value := range keys {
		errs = append(errs, cfg.Override(key, value))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return cfg, cfg.Validate()
}

// StartBroker starts the broker after StopBroker or Crash, on the port it had and
// with the messages it had.
func (s *Server) StartBroker(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker != nil {
		return ErrRunning
	}
	cfg, err := s.settings()
	if err != nil {
		return err
	}
	b, err := broker.New(broker.Config{Broker: cfg, FS: s.fs(), Logger: s.opts.logger, Now: s.opts.now, Intercept: s.intercept()})
	if err != nil {
		return err
	}
	if err := b.Start(ctx); err != nil {
		return err
	}
	b.AwaitRegistration(ctx)
	s.broker, s.port = b, int(b.Addr().Port())
	return nil
}

// StopBroker stops the broker in an orderly way. Without one it does nothing.
func (s *Server) StopBroker(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	err := s.broker.Stop(ctx)
	s.broker = nil
	return err
}

// Crash takes the broker away as a power cut does: what was not acknowledged as
// durable may be gone, sector by sector, as the seed has it. Only a server in
// memory can crash.
func (s *Server) Crash(ctx context.Context, seed uint64) error {
	s.mu.Lock()
	mem := s.mem
	s.mu.Unlock()
	if mem == nil {
		return errors.New("embedded: a server on a directory cannot crash")
	}
	s.dark.Store(true)
	defer s.dark.Store(false)
	if err := s.StopBroker(ctx); err != nil {
		s.opts.logger.Debug("stopped without power", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mem = mem.Crash(rand.New(rand.NewPCG(seed, 0)))
	return nil
}

// errDark is what calls to the disk get without power.
var errDark = errors.New("no power")

// fs is the file system. The disk of a broker that crashes takes nothing more.
func (s *Server) fs() vfs.FS {
	if s.mem == nil {
		return vfs.OS
	}
	return vfs.WithFaults(s.mem, func(vfs.Op, string, int) (int, error) {
		if s.dark.Load() {
			return 0, errDark
		}
		return 0, nil
	})
}

// makeTopics makes the topics of the options.
func (s *Server) makeTopics(ctx context.Context) error {
	if len(s.opts.topics) == 0 {
		return nil
	}
	a, err := admin.New(admin.WithNameservers(s.namesv))
	if err != nil {
		return err
	}
	defer a.Close()
	for name, queues := range s.opts.topics {
		topic := admin.TopicConfig{Topic: name, ReadQueues: int32(queues), WriteQueues: int32(queues), Perm: 6}
		if _, err := a.UpdateTopic(ctx, admin.Target{Broker: s.Broker()}, topic); err != nil {
			return err
		}
	}
	return nil
}

// Nameserver is the address of the nameserver, for client.WithNameservers and
// every other RocketMQ client.
func (s *Server) Nameserver() string { return s.namesv }

// Broker is the address of the broker.
func (s *Server) Broker() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Messages lists what is stored in a topic, queue by queue, at most so many
// messages; all if n is 0. It disturbs no consumer.
func (s *Server) Messages(ctx context.Context, topic string, n int) ([]*client.MessageView, error) {
	c, err := client.NewPullConsumer(ctx, "embedded-inspection", client.WithNameservers(s.namesv), client.WithPullWait(0))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	queues, err := c.Queues(ctx, topic)
	if err != nil {
		return nil, err
	}
	var all []*client.MessageView
	for _, q := range queues {
		first, next, err := c.Ends(ctx, q)
		if err != nil {
			return nil, err
		}
		if first == next {
			continue
		}
		if err := c.Add(ctx, client.AtOffset(first), q); err != nil {
			return nil, err
		}
		for last := int64(-1); last < next-1 && (n == 0 || len(all) < n); {
			some, err := c.Poll(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
			last = some[len(some)-1].Offset
		}
		if err := c.Assign(ctx); err != nil {
			return nil, err
		}
	}
	if n > 0 && len(all) > n {
		all = all[:n]
	}
	return all, nil
}

// Close stops broker and nameserver and releases everything.
func (s *Server) Close() error {
	err := s.StopBroker(context.Background())
	s.names.Cancel()
	return errors.Join(err, s.names.Wait())
}
