package client

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Option configures any client of this package.
type Option interface {
	ProducerOption
	PullConsumerOption
	PushConsumerOption
}

// ConsumerOption configures a consumer that pulls.
type ConsumerOption interface {
	PullConsumerOption
	PushConsumerOption
}

// pulling is what WithPullBatch and its siblings set.
type pulling struct {
	pull func(*pullConfig)
	push func(*pushConfig)
}

func (o pulling) applyPullConsumer(c *pullConfig) { o.pull(c) }
func (o pulling) applyPushConsumer(c *pushConfig) { o.push(c) }

// ProducerOption configures a Producer.
type ProducerOption interface{ applyProducer(*producerConfig) }

// PullConsumerOption configures a PullConsumer.
type PullConsumerOption interface{ applyPullConsumer(*pullConfig) }

type option func(*config)

func (o option) applyProducer(c *producerConfig) { o(&c.config) }
func (o option) applyPullConsumer(c *pullConfig) { o(&c.config) }

type producerOption func(*producerConfig)

func (o producerOption) applyProducer(c *producerConfig) { o(c) }

type pullOption func(*pullConfig)

func (o pullOption) applyPullConsumer(c *pullConfig) { o(c) }

// config is what all clients have.
type config struct {
	nameservers    []string
	logger         *slog.Logger
	tls            *tls.Config
	instance       string
	requestTimeout time.Duration
	routeRefresh   time.Duration
}

func defaultConfig() config {
	return config{
		logger:         slog.New(slog.DiscardHandler),
		requestTimeout: cluster.DefaultRequestTimeout,
		routeRefresh:   cluster.DefaultRefresh,
	}
}

// WithNameservers says where the nameservers are, as host:port. One of them is
// asked at a time; when it is silent, the next. There is no default.
func WithNameservers(addrs ...string) Option {
	return option(func(c *config) { c.nameservers = addrs })
}

// WithLogger sets where the client reports what it retries and what heals
// itself. The default is silence; errors of calls are returned, not logged.
func WithLogger(l *slog.Logger) Option {
	return option(func(c *config) { c.logger = l })
}

// WithTLS makes every connection use TLS. The default is plain TCP.
func WithTLS(t *tls.Config) Option {
	return option(func(c *config) { c.tls = t })
}

// WithInstance tells two clients of one process apart in the client id that
// brokers show. The default is process id and a number.
func WithInstance(name string) Option {
	return option(func(c *config) { c.instance = name })
}

// WithRequestTimeout bounds requests to nameservers, and requests to brokers
// whose context has no deadline. Default 3 s, at least 10 ms.
func WithRequestTimeout(d time.Duration) Option {
	return option(func(c *config) { c.requestTimeout = d })
}

// WithRouteRefresh sets how often the routes in use are looked up again. Default
// 30 s, at least 100 ms. A route that proved wrong is looked up at once.
func WithRouteRefresh(d time.Duration) Option {
	return option(func(c *config) { c.routeRefresh = d })
}

func (c *config) validate() error {
	return cluster.Join(
		check(len(c.nameservers) > 0, "WithNameservers: no address"),
		check(c.logger != nil, "WithLogger: nil"),
		check(c.requestTimeout >= 10*time.Millisecond, "WithRequestTimeout: %v, must be at least 10ms", c.requestTimeout),
		check(c.routeRefresh >= 100*time.Millisecond, "WithRouteRefresh: %v, must be at least 100ms", c.routeRefresh),
	)
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// Limits of a producer's options.
const (
	maxRetries  = 16
	maxInFlight = 1 << 16
)

type producerConfig struct {
	config
	group          string
	sendTimeout    time.Duration
	attemptTimeout time.Duration
	retries        int
	inFlight       int
	maxMessageSize int
	templateQueues int32
}

func newProducerConfig(group string, opts []ProducerOption) (producerConfig, error) {
	c := producerConfig{
		config: defaultConfig(), group: group, sendTimeout: 3 * time.Second, retries: 2, inFlight: 4096,
		maxMessageSize: protocol.MaxBodyBytes, templateQueues: 4,
	}
	for _, o := range opts {
		o.applyProducer(&c)
	}
	err := cluster.Join(
		protocol.ValidateGroup(group),
		c.validate(),
		check(c.sendTimeout >= time.Millisecond, "WithSendTimeout: %v, must be at least 1ms", c.sendTimeout),
		check(c.attemptTimeout >= 0, "WithAttemptTimeout: %v, must not be negative", c.attemptTimeout),
		check(c.retries >= 0 && c.retries <= maxRetries, "WithRetries: %d, must be 0 to %d", c.retries, maxRetries),
		check(c.inFlight >= 1 && c.inFlight <= maxInFlight, "WithMaxInFlight: %d, must be 1 to %d", c.inFlight, maxInFlight),
		check(c.maxMessageSize >= 1 && c.maxMessageSize <= protocol.MaxFrameBytes/2, "WithMaxMessageSize: %d, must be 1 to %d", c.maxMessageSize, protocol.MaxFrameBytes/2),
	)
	if err != nil {
		return c, fmt.Errorf("producer: %w", err)
	}
	return c, nil
}

// WithSendTimeout bounds a send with all its attempts; a context with an earlier
// deadline wins. Default 3 s.
func WithSendTimeout(d time.Duration) ProducerOption {
	return producerOption(func(c *producerConfig) { c.sendTimeout = d })
}

// WithAttemptTimeout bounds every attempt of a send but the last, so that a
// silent broker leaves time for another one. Default 0: an attempt may use up
// the whole send timeout, as in Java's client.
func WithAttemptTimeout(d time.Duration) ProducerOption {
	return producerOption(func(c *producerConfig) { c.attemptTimeout = d })
}

// WithRetries sets how often a send is tried again. Default 2, at most 16.
func WithRetries(n int) ProducerOption {
	return producerOption(func(c *producerConfig) { c.retries = n })
}

// WithMaxInFlight bounds the messages that are being sent at one time; at the
// bound, sends wait. Default 4096, at most 65536.
func WithMaxInFlight(n int) ProducerOption {
	return producerOption(func(c *producerConfig) { c.inFlight = n })
}

// WithMaxMessageSize bounds the body of a message, and of a whole batch, in
// bytes. Default 4 MiB, the default limit of brokers.
func WithMaxMessageSize(bytes int) ProducerOption {
	return producerOption(func(c *producerConfig) { c.maxMessageSize = bytes })
}

type pullConfig struct {
	config
	group    string
	filter   string
	start    Position
	batch    int
	buffered int
	hold     time.Duration
	backoff  time.Duration
}

func newPullConfig(group string, opts []PullConsumerOption) (pullConfig, error) {
	c := pullConfig{
		config: defaultConfig(), group: group, filter: protocol.SubscribeAll, start: AtEnd(), batch: 32, buffered: 16,
		hold: 15 * time.Second, backoff: 3 * time.Second,
	}
	for _, o := range opts {
		o.applyPullConsumer(&c)
	}
	err := cluster.Join(
		protocol.ValidateGroup(group),
		c.validate(),
		check(c.filter != "", "WithTags: empty expression"),
		check(c.batch >= 1 && c.batch <= 1024, "WithPullBatch: %d, must be 1 to 1024", c.batch),
		check(c.buffered >= 1 && c.buffered <= 4096, "WithBufferedBatches: %d, must be 1 to 4096", c.buffered),
		check(c.hold >= 0 && c.hold <= 5*time.Minute, "WithPullWait: %v, must be 0 to 5m", c.hold),
	)
	if err != nil {
		return c, fmt.Errorf("pull consumer: %w", err)
	}
	return c, nil
}

// WithTags makes brokers deliver only messages with one of the tags of an
// expression like "paid || refunded". Default "*": everything.
func WithTags(expression string) PullConsumerOption {
	return pullOption(func(c *pullConfig) { c.filter = expression })
}

// WithStart says where a queue is read from when the group has no committed
// offset there. Default AtEnd.
func WithStart(p Position) ConsumerOption {
	return pulling{func(c *pullConfig) { c.start = p }, func(c *pushConfig) { c.start = p }}
}

// WithPullBatch sets how many messages are asked for at once. Default 32; a
// broker may give fewer.
func WithPullBatch(n int) ConsumerOption {
	return pulling{func(c *pullConfig) { c.batch = n }, func(c *pushConfig) { c.batch = n }}
}

// WithBufferedBatches bounds how many batches wait for Poll. Default 16.
func WithBufferedBatches(n int) PullConsumerOption {
	return pullOption(func(c *pullConfig) { c.buffered = n })
}

// WithPullWait sets how long a broker may hold a pull that finds nothing.
// Default 15 s.
func WithPullWait(d time.Duration) ConsumerOption {
	return pulling{func(c *pullConfig) { c.hold = d }, func(c *pushConfig) { c.hold = d }}
}
