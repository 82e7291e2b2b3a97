package client

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aerobee/aerobee/client/internal/allocate"
	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// PushConsumerOption configures a PushConsumer.
type PushConsumerOption interface{ applyPushConsumer(*pushConfig) }

func (o option) applyPushConsumer(c *pushConfig) { o(&c.config) }

type pushOption func(*pushConfig)

func (o pushOption) applyPushConsumer(c *pushConfig) { o(c) }

// Filter says which messages of a topic are wanted. The zero value is all.
type Filter struct {
	sql  bool
	text string
}

// Tags wants the messages with one of the tags of an expression like "paid ||
// refunded"; "*" is all.
func Tags(expression string) Filter { return Filter{text: expression} }

// SQL wants the messages whose properties fulfil an SQL92 condition like "price
// > 5 AND region = 'eu'". The broker must have enablePropertyFilter.
func SQL(condition string) Filter { return Filter{sql: true, text: condition} }

func (f Filter) expression() string {
	if f.text == "" {
		return protocol.SubscribeAll
	}
	return f.text
}

func (f Filter) kind() string {
	if f.sql {
		return protocol.ExpressionSQL92
	}
	return protocol.ExpressionTag
}

type pushConfig struct {
	config
	group       string
	handler     Handler
	topics      map[string]Filter
	strategy    allocate.Strategy
	start       Position
	ordered     bool
	broadcast   bool
	offsetsDir  string
	concurrency int
	batch       int
	messages    int
	bytes       int
	span        int
	maxAttempts int
	suspend     time.Duration
	hold        time.Duration
	backoff     time.Duration
	commit      time.Duration
	rebalance   time.Duration
	drain       time.Duration
}

func newPushConfig(group string, h Handler, opts []PushConsumerOption) (pushConfig, error) {
	c := pushConfig{
		config: defaultConfig(), group: group, handler: h, topics: make(map[string]Filter), strategy: allocate.Averagely(), start: AtEnd(),
		concurrency: 20, batch: 32, messages: 1000, bytes: 100 << 20, span: 2000, suspend: time.Second, hold: 15 * time.Second,
		backoff: 3 * time.Second, commit: 5 * time.Second, rebalance: 20 * time.Second, drain: 30 * time.Second,
	}
	for _, o := range opts {
		o.applyPushConsumer(&c)
	}
	errs := []error{
		protocol.ValidateGroup(group),
		c.validate(),
		check(h != nil, "the handler is nil"),
		check(len(c.topics) > 0, "WithTopic: no topic"),
		check(!c.ordered || !c.broadcast, "WithOrder and WithBroadcast exclude each other"),
		check(c.concurrency >= 1 && c.concurrency <= 1000, "WithConcurrency: %d, must be 1 to 1000", c.concurrency),
		check(c.batch >= 1 && c.batch <= 1024, "WithPullBatch: %d, must be 1 to 1024", c.batch),
		check(c.messages >= 1 && c.messages <= 65535, "WithBufferedMessages: %d, must be 1 to 65535", c.messages),
		check(c.bytes >= 1<<20 && c.bytes <= 1<<30, "WithBufferedBytes: %d, must be 1 MiB to 1 GiB", c.bytes),
		check(c.span >= 1 && c.span <= 65535, "WithMaxSpan: %d, must be 1 to 65535", c.span),
		check(c.maxAttempts >= 0, "WithMaxAttempts: %d, must not be negative", c.maxAttempts),
		check(c.suspend >= 10*time.Millisecond && c.suspend <= 30*time.Second, "WithSuspend: %v, must be 10ms to 30s", c.suspend),
		check(c.hold >= 0 && c.hold <= 5*time.Minute, "WithPullWait: %v, must be 0 to 5m", c.hold),
		check(c.commit >= 10*time.Millisecond, "WithCommitInterval: %v, must be at least 10ms", c.commit),
		check(c.rebalance >= 10*time.Millisecond, "WithRebalanceInterval: %v, must be at least 10ms", c.rebalance),
		check(c.drain >= 0, "WithDrainTimeout: %v, must not be negative", c.drain),
	}
	for _, topic := range slices.Sorted(maps.Keys(c.topics)) {
		errs = append(errs, protocol.ValidateTopic(topic))
	}
	if err := cluster.Join(errs...); err != nil {
		return c, fmt.Errorf("push consumer: %w", err)
	}
	return c, nil
}

// WithTopic subscribes to a topic; give it once per topic. All members of a group
// must have the same subscriptions: a broker keeps one per group.
func WithTopic(topic string, f Filter) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.topics[topic] = f })
}

// WithOrder delivers the messages of a queue one after the other: the next one
// only when the handler has returned nil for the one before it, by one member of
// the group at a time. WithConcurrency is then the number of queues at work.
func WithOrder() PushConsumerOption { return pushOption(func(c *pushConfig) { c.ordered = true }) }

// WithBroadcast delivers every message to every member. Offsets are kept in a
// file below dir, by client id and group, as Java's clients do; empty means
// .rocketmq_offsets in the home directory. WithInstance gives the client an id
// that outlives the process; without it every start is a new member. Messages
// whose handler fails are not delivered again.
func WithBroadcast(dir string) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.broadcast, c.offsetsDir = true, dir })
}

// WithConcurrency bounds how many handlers run at once. Default 20, 1 to 1000.
func WithConcurrency(n int) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.concurrency = n })
}

// WithBufferedMessages bounds the messages of one queue that are pulled and not
// yet consumed. Default 1000, 1 to 65535.
func WithBufferedMessages(n int) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.messages = n })
}

// WithBufferedBytes bounds the same in bytes. Default 100 MiB, 1 MiB to 1 GiB.
func WithBufferedBytes(n int) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.bytes = n })
}

// WithMaxSpan bounds how far consumption may run ahead of the oldest message that
// is not consumed, in queue offsets: so many may be delivered again after a crash.
// Default 2000, 1 to 65535. Ordered consumers do not need it.
func WithMaxSpan(n int) PushConsumerOption { return pushOption(func(c *pushConfig) { c.span = n }) }

// WithMaxAttempts sets after how many failed deliveries a message goes to the dead
// letters. Default 0: what the group's settings at the broker say (16), and without
// end when consuming in order.
func WithMaxAttempts(n int) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.maxAttempts = n })
}

// WithSuspend sets how long an ordered queue rests after a failure. Default 1 s,
// 10 ms to 30 s.
func WithSuspend(d time.Duration) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.suspend = d })
}

// WithCommitInterval sets how often offsets are stored. Default 5 s, at least 10
// ms. Closing stores them, too.
func WithCommitInterval(d time.Duration) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.commit = d })
}

// WithRebalanceInterval sets how often the queues are shared out anew when no
// broker has said that the group has changed. Default 20 s, at least 10 ms.
func WithRebalanceInterval(d time.Duration) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.rebalance = d })
}

// WithDrainTimeout bounds how long Close waits for running handlers before their
// context ends. Default 30 s.
func WithDrainTimeout(d time.Duration) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.drain = d })
}

// Allocation decides which queues a member of a group gets; all members must
// use the same. See WithAllocation.
type Allocation struct{ strategy allocate.Strategy }

// AllocateAveragely gives each member a run of neighbouring queues (AVG).
func AllocateAveragely() Allocation { return Allocation{allocate.Averagely()} }

// AllocateInCircle deals the queues out like cards (AVG_BY_CIRCLE).
func AllocateInCircle() Allocation { return Allocation{allocate.InCircle()} }

// AllocateByHash moves few queues when members come and go (CONSISTENT_HASH).
// Each member has so many places on the ring; below 1 means 10, as in Java.
func AllocateByHash(places int) Allocation { return Allocation{allocate.ConsistentHash(places)} }

// AllocateFixed gives exactly these queues (CONFIG).
func AllocateFixed(queues ...Queue) Allocation {
	fixed := make([]cluster.Queue, len(queues))
	for i, q := range queues {
		fixed[i] = cluster.Queue{Topic: q.Topic, Broker: q.Broker, ID: q.ID}
	}
	return Allocation{allocate.Fixed(fixed...)}
}

// AllocateInRooms gives queues of brokers named room@broker only (MACHINE_ROOM).
func AllocateInRooms(rooms ...string) Allocation { return Allocation{allocate.Rooms(rooms...)} }

// AllocateNearby lets the members of a room share the queues of its brokers, and
// all share those of rooms without members (MACHINE_ROOM_NEARBY). The functions
// tell the room of a broker's name and of a client id.
func AllocateNearby(within Allocation, roomOfBroker, roomOfClient func(string) string) Allocation {
	return Allocation{allocate.Nearby(within.strategy, roomOfBroker, roomOfClient)}
}

// WithAllocation sets how a group shares its queues. Default AllocateAveragely.
func WithAllocation(a Allocation) PushConsumerOption {
	return pushOption(func(c *pushConfig) { c.strategy = a.strategy })
}
