package broker

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/broker/delay"
	"github.com/aerobee/aerobee/internal/broker/filters"
	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/broker/locks"
	"github.com/aerobee/aerobee/internal/broker/offsets"
	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
)

// Settings of Java's broker that are not configurable here.
const (
	broadcastOfflineExpiry = 120 * time.Second // broadcastOffsetExpireSecond
	broadcastIdleExpiry    = 300 * time.Second // broadcastOffsetExpireMaxSecond
)

// traffic is what the send and pull paths share beside the tables named in Broker.
type traffic struct {
	host      netip.AddrPort // of stored records: where clients reach this broker
	cold      int64          // bytes behind the end of the log from where reading may wait for the disk
	uniq      *message.UniqIDs
	broadcast *offsets.Broadcast
	sends     sync.Pool // of *sending
	pulls     sync.Pool // of *pull
	buffers   sync.Pool // of *[]byte, records on their way out
	inline    filterCache
	suffix    atomic.Pointer[brokerProps]
	asked     atomic.Uint32 // questions to producers, to take turns

	// follow has the services that read topics of the broker's own, by topic. They
	// must not block. It does not change once the store has the table.
	follow map[string]func(store.Arrival)

	// touched are the connections with answers of the current group of puts. It
	// belongs to whoever leads the store's group.
	touched []*remoting.Conn
}

// brokerProps is the encoded form of the properties that the broker gives every
// message, for one configuration.
type brokerProps struct {
	cfg  *config.Broker
	text string
	ext  []remoting.Field // the same two that go into answers
}

// openTraffic makes the tables of the send and pull paths, loads what they kept
// in files, and connects them to the store, which must be open.
func (b *Broker) openTraffic(host netip.AddrPort) error {
	cfg := b.config()
	b.traffic.host, b.traffic.cold = host, store.ColdDistance
	b.traffic.uniq = message.NewUniqIDs(host.Addr())
	b.locks, b.lockGivers = locks.New(b.now), newLockGivers()
	var err error
	file := "consumerOffset.json"
	if cfg.EnableLMQ {
		file = "lmqConsumerOffset.json"
	}
	b.offsets, err = offsets.Open(offsets.Config{
		FS: b.store.FS(), Path: filepath.Join(cfg.StorePathRootDir, "config", file), LMQ: cfg.EnableLMQ,
		Now: b.now, Log: b.log,
		Before: b.persistingOffsets, Follow: b.store.FlushLog,
	})
	if err != nil {
		return err
	}
	if !b.store.Recovery().Clean {
		if n := b.offsets.Clamp(b.store.MaxOffset); n > 0 {
			b.log.Warn("consumer offsets beyond the end of their queues lowered after an unclean stop", slog.Int("offsets", n))
		}
	}
	b.delay, err = delay.Open(delay.Config{
		Store: b.store, Levels: cfg.DelayLevels(), Deliver: b.deliverDelayed,
		FS: b.store.FS(), Path: filepath.Join(cfg.StorePathRootDir, "config", "delayOffset.json"),
		Interval: func() time.Duration { return b.config().FlushDelayOffset },
		Now:      b.now, Log: b.log,
	})
	if err != nil {
		return err
	}
	b.filters, err = filters.Open(filters.Config{
		FS: b.store.FS(), Path: filepath.Join(cfg.StorePathRootDir, "config", "consumerFilter.json"),
		Keep:      func() time.Duration { return b.config().FilterCleanTime },
		ErrorRate: cfg.BloomErrorRate, Consumers: cfg.BloomConsumers, Now: b.now, Log: b.log,
	})
	if err != nil {
		return err
	}
	if err := b.openTimer(); err != nil {
		return err
	}
	if err := b.openTransactions(); err != nil {
		return err
	}
	b.hold = hold.New(hold.Config{Resume: b.resumePulls, Dropped: b.dropPull, Now: b.now})
	b.traffic.broadcast = offsets.NewBroadcast(offsets.BroadcastConfig{
		Offsets: b.offsets, Online: b.clientOnline, Start: b.firstOffset, Now: b.now,
		OfflineExpiry: func() time.Duration { return broadcastOfflineExpiry },
		IdleExpiry:    func() time.Duration { return broadcastIdleExpiry },
	})
	if err := b.openPops(); err != nil {
		return err
	}
	b.traffic.follow = map[string]func(store.Arrival){
		delay.Topic:        func(a store.Arrival) { b.delay.Arrived(a.QueueID) },
		protocol.HalfTopic: func(a store.Arrival) { b.transactions.Arrived(a.Offset) },
		protocol.ReviveTopic(cfg.BrokerClusterName): b.pops.Arrived,
	}
	if b.timer != nil {
		b.traffic.follow[timer.Topic] = func(store.Arrival) { b.timer.Arrived() }
	}
	b.openLite()
	b.store.SetArrival(b.arrived)
	b.store.SetGroupDone(b.flushTouched)
	return nil
}

// startTraffic starts the goroutines of the send and pull paths in g.
func (b *Broker) startTraffic(g *run.Group) {
	b.hold.Start(g)
	b.delay.Start(g)
	b.popping.held.Start(g)
	b.pops.Start(g)
	if b.timer != nil {
		b.timer.Start(g)
	}
	b.transactions.Start(g)
	b.startLite(g)
	g.Go("consumer offsets", func(ctx context.Context) error {
		return b.offsets.Run(ctx, func() time.Duration { return b.config().FlushConsumerOffset })
	})
	g.Go("consumer filters", b.filters.Run)
	g.Go("broadcast offsets", b.traffic.broadcast.Run)
	g.Go("queue locks", b.giveLocksUp)
	g.Go("duplicates", b.sweepDedup)
}

// closeTraffic writes the places of the delay levels, the consumers' filters, the
// timer's index and the transactions. It is called after the goroutines have
// ended and the store is flushed.
func (b *Broker) closeTraffic() error {
	b.hold.Close()
	b.lite.hold.Close()
	b.transactions.Close()
	b.popping.held.Close()
	return errors.Join(b.delay.Save(), b.filters.Save(), b.closeTimer())
}

// trafficClosed forgets the pulls and pops of a connection that has closed.
func (b *Broker) trafficClosed(conn *remoting.Conn) {
	b.hold.CloseConn(conn.ID())
	b.lite.hold.CloseConn(conn.ID())
	b.popping.held.CloseConn(conn.ID())
}

// persistingOffsets is called before consumer offsets go to the disk.
func (b *Broker) persistingOffsets() {
	if b.pops != nil {
		b.pops.Persisting()
	}
}

// arrived is called by the leader for every new entry of a queue.
func (b *Broker) arrived(a store.Arrival) {
	b.hold.Arrive(a.Topic, a.QueueID, a.Offset, a.TagsCode)
	b.popArrived(&a)
	if follow, ok := b.traffic.follow[a.Topic]; ok {
		follow(a)
	}
	b.liteArrived(a)
}

// touch remembers that conn got an answer. It is called by the leader.
func (b *Broker) touch(conn *remoting.Conn) {
	t := b.traffic.touched
	if len(t) == 0 || t[len(t)-1] != conn {
		b.traffic.touched = append(t, conn)
	}
}

// flushTouched is called by the leader after a group.
func (b *Broker) flushTouched() {
	b.pops.GroupDone()
	for _, conn := range b.traffic.touched {
		conn.Flush()
	}
	clear(b.traffic.touched)
	b.traffic.touched = b.traffic.touched[:0]
}

// props returns the properties and answer fields of the present configuration.
func (b *Broker) props() *brokerProps {
	cfg := b.config()
	if p := b.traffic.suffix.Load(); p != nil && p.cfg == cfg {
		return p
	}
	trace := strconv.FormatBool(cfg.TraceOn)
	text := message.AppendProperty(nil, message.PropRegion, cfg.RegionID)
	text = message.AppendProperty(text, message.PropTraceOn, trace)
	text = message.AppendProperty(text, message.PropCluster, cfg.BrokerClusterName)
	p := &brokerProps{
		cfg: cfg, text: string(text),
		ext: []remoting.Field{{Key: message.PropRegion, Value: cfg.RegionID}, {Key: message.PropTraceOn, Value: trace}},
	}
	b.traffic.suffix.Store(p)
	return p
}
