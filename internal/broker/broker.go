package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/broker/assign"
	"github.com/aerobee/aerobee/internal/broker/dedup"
	"github.com/aerobee/aerobee/internal/broker/delay"
	"github.com/aerobee/aerobee/internal/broker/filters"
	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/broker/locks"
	"github.com/aerobee/aerobee/internal/broker/meta"
	"github.com/aerobee/aerobee/internal/broker/offsets"
	"github.com/aerobee/aerobee/internal/broker/pop"
	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/broker/transaction"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Config sets a broker up.
type Config struct {
	// Broker is the configuration of the file or the flags; it must be valid and
	// is not changed. Run-time changes of an earlier run are applied over it.
	Broker *config.Broker
	// Advertise is the host:port that is registered with the nameservers and goes
	// into message ids. Empty, or port 0: brokerIP1 and the port in use.
	Advertise string
	// Repair mends a damaged store before it is opened.
	Repair bool
	FS     vfs.FS           // vfs.OS when nil
	Logger *slog.Logger     // slog.Default when nil
	Now    func() time.Time // time.Now when nil
	// Intercept is asked about every request, if set: for tests that need a broker
	// that fails. It must not block.
	Intercept func(*remoting.Call) Fault
}

// Broker is a running broker. See New.
type Broker struct {
	cfg      Config
	settings settings
	log      *slog.Logger
	now      func() time.Time

	store        *store.Store
	topics       *meta.Topics
	groups       *meta.Groups
	modes        *assign.Modes
	routes       *routes
	clients      *registry.Registry
	offsets      *offsets.Table
	hold         *hold.Table
	delay        *delay.Service
	pops         *pop.Service
	popping      poppers
	filters      *filters.Table
	timer        *timer.Service // nil without timerWheelEnable
	transactions *transaction.Service
	dedup        *dedup.Table
	locks        *locks.Table
	stats        *stats.Stats
	cold         coldLimits
	skipped      mismatches
	lite         liteTopics
	traffic      traffic
	metrics      *metrics

	ports      ports
	group      *run.Group // all goroutines
	register   *registrar
	notify     *notifier
	lockGivers lockGivers
	life       life
}

// settings is the configuration and its version.
type settings struct {
	live    *config.LiveBroker
	version configVersion
}

// life is the state of Start and Stop.
type life struct {
	started  time.Time
	progress store.Progress // of opening the store
	opened   atomic.Bool    // the store is
	running  bool           // Start succeeded
	stopping atomic.Bool    // requests are held no more
	once     sync.Once
	err      error // of Stop
}

// config is the present configuration. It never changes.
func (b *Broker) config() *config.Broker { return b.settings.live.Current() }

// New makes a broker. It does not touch the disk or the network; see Start.
func New(cfg Config) (*Broker, error) {
	if cfg.FS == nil {
		cfg.FS = vfs.OS
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Advertise != "" {
		if _, _, err := net.SplitHostPort(cfg.Advertise); err != nil {
			return nil, fmt.Errorf("advertised address %q is not host:port: %w", cfg.Advertise, err)
		}
	}
	b := &Broker{cfg: cfg, log: cfg.Logger.With("broker", cfg.Broker.BrokerName), now: cfg.Now}
	b.clients = registry.New(registry.DefaultLimits)
	b.routes = newRoutes(b)
	b.stats = stats.New(stats.Config{Cluster: cfg.Broker.BrokerClusterName, System: b.isSystem})
	b.metrics = newMetrics(b)
	return b, nil
}

// Start opens the store, listens, and serves. When it fails nothing is left
// running. The context bounds the start alone.
func (b *Broker) Start(ctx context.Context) error {
	b.life.started = b.now()
	b.group = run.NewGroup(context.WithoutCancel(ctx))
	for _, step := range []func(context.Context) error{b.loadConfig, b.listen, b.openStore, b.openTables} {
		if err := step(ctx); err != nil {
			return errors.Join(unreadable(err), b.abandon(ctx))
		}
	}
	b.startTasks()
	b.life.running = true
	return nil
}

// loadConfig applies the run-time changes of an earlier run.
func (b *Broker) loadConfig(context.Context) error {
	path := filepath.Join(b.cfg.Broker.StorePathRootDir, "config", "broker.runtime.json")
	live, dropped, err := config.NewLiveBroker(b.cfg.FS, path, b.cfg.Broker)
	if err != nil {
		return err
	}
	if len(dropped) > 0 {
		b.log.Warn("run-time changes of the configuration no longer apply", "keys", dropped)
	}
	b.settings.live = live
	b.settings.version.set(b.now())
	return nil
}

// openTables loads what the broker knows besides the messages.
func (b *Broker) openTables(ctx context.Context) error {
	var err error
	if b.groups, err = meta.OpenGroups(b.metaConfig()); err != nil {
		return err
	}
	b.modes, err = assign.OpenModes(assign.Config{
		FS: b.cfg.FS, Dir: b.config().StorePathRootDir, Log: b.log, Now: b.now,
	})
	if err != nil {
		return err
	}
	if err := b.restoreTopics(); err != nil {
		return err
	}
	if err := b.store.SetReserve(ctx, b.reserveTimes); err != nil {
		return err
	}
	if err := b.openTraffic(b.storeHost(ctx)); err != nil {
		return err
	}
	return b.openDedup(ctx)
}

// startTasks starts everything that runs beside the requests.
func (b *Broker) startTasks() {
	g := b.group
	g.Go("topics file", b.topics.Run)
	g.Go("groups file", b.groups.Run)
	g.Go("message request modes file", b.modes.Run)
	g.Go("registration", b.register.run)
	g.Go("notifications", b.notify.run)
	g.Go("client expiry", b.expireClients)
	g.Go("statistics", b.sampleStats)
	b.startTraffic(g)
	g.Go("main port", b.ports.main.serve)
	g.Go("fast port", b.ports.fast.serve)
	b.log.Info("broker started", "addr", b.ports.main.addr, "advertised", b.Advertised(), "store", b.config().StorePathRootDir,
		"topics", b.topics.Len(), "groups", b.groups.Len(), "took", b.now().Sub(b.life.started))
}

// Addr is the main port's address, valid after Start.
func (b *Broker) Addr() netip.AddrPort { return b.ports.main.addr }

// Advertised is the host:port that clients and nameservers know the broker by.
func (b *Broker) Advertised() string {
	host, port := b.config().BrokerIP1, "0"
	if b.cfg.Advertise != "" {
		host, port, _ = net.SplitHostPort(b.cfg.Advertise)
	}
	if port == "0" {
		port = strconv.Itoa(int(b.ports.main.addr.Port()))
	}
	return net.JoinHostPort(host, port)
}

// haAddr is what is registered as the replication address.
func (b *Broker) haAddr() string {
	cfg := b.config()
	port := cfg.HAListenPort
	if port <= 0 {
		port = int(b.ports.main.addr.Port()) + protocol.HAPortOffset
	}
	return net.JoinHostPort(cfg.BrokerIP2, strconv.Itoa(port))
}

// storeHost is the address in records and message ids: the advertised one as an
// IP address. A name that cannot be resolved counts as the loopback address.
func (b *Broker) storeHost(ctx context.Context) netip.AddrPort {
	host, port, _ := net.SplitHostPort(b.Advertised())
	n, _ := strconv.ParseUint(port, 10, 16)
	ip, err := netip.ParseAddr(host)
	if err != nil {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err == nil && len(found) > 0 {
			ip = found[0]
		} else {
			b.log.Warn("the advertised host name cannot be resolved; message ids have the loopback address", "host", host, "error", err)
		}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n))
}

const resolveTimeout = 3 * time.Second

// restoreTopics makes configs for topics that have messages but none: the broker
// died between the first message and the write of the topics' file.
func (b *Broker) restoreTopics() error {
	if b.store.Recovery().Clean {
		return nil
	}
	names, err := b.store.Topics()
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, known := b.topics.Lookup(name); known {
			continue
		}
		queues := b.store.Queues(name)
		if len(queues) == 0 || protocol.IsLMQ(name) {
			continue
		}
		b.log.Warn("topic without configuration restored after an unclean stop", "topic", name)
		if _, err := b.topics.Restore(name, queues[len(queues)-1]+1, b.store.HasBatchQueues(name)); err != nil {
			return err
		}
	}
	return nil
}

// isSystem tells the broker's own topics and groups from users'.
func (b *Broker) isSystem(topic, group string) bool {
	return b.topics.IsSystem(topic) || protocol.IsSystemGroup(group) || protocol.IsBuiltinGroup(group)
}

// expireClients takes out clients that went silent (remoting.md 1.7).
func (b *Broker) expireClients(ctx context.Context) error {
	return every(ctx, clientScan, func() {
		b.apply(b.clients.Expire(b.now(), b.config().ChannelExpiredTimeout, protocol.ClientExpiry), 0)
	})
}

func (b *Broker) sampleStats(ctx context.Context) error {
	return every(ctx, time.Second, func() { b.stats.Sample(b.now()) })
}

const clientScan = 10 * time.Second

// every calls f at once and then periodically until ctx ends.
func every(ctx context.Context, period time.Duration, f func()) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
