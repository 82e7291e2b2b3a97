package embedded

import (
	"log/slog"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Option configures a Server.
type Option func(*options)

type options struct {
	dir    string
	logger *slog.Logger
	now    func() time.Time
	topics map[string]int
	keys   map[string]string
	faults func(Request) Fault
}

// WithDir keeps everything below a directory, in the files of a RocketMQ broker.
// Default: in memory.
func WithDir(dir string) Option { return func(o *options) { o.dir = dir } }

// WithLogger sets where nameserver and broker log. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// WithClock sets where the broker takes the time from that it stamps messages
// with and that delays and timeouts are measured against. It may be moved at
// will, forward; what is due then is delivered within a second of real time.
// Default: time.Now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithTopic makes a topic of so many queues before Start returns. Other topics
// are made by the first message, with 4 queues.
func WithTopic(name string, queues int) Option {
	return func(o *options) { o.topics[name] = queues }
}

// WithConfig sets a key of broker.conf, as docs/configuration.md lists them.
func WithConfig(key, value string) Option { return func(o *options) { o.keys[key] = value } }

// WithFaults is asked about every request to the broker before it is served. It
// may be called from many goroutines at once and must not block.
func WithFaults(f func(Request) Fault) Option { return func(o *options) { o.faults = f } }

// Request is a request to the broker.
type Request struct {
	Code  int    // as in RocketMQ's RequestCode, for example 310 for a send
	Verb  string // its name, for example SEND_MESSAGE_V2
	Topic string // if it is about one
	Group string // if it is about one
}

// Fault is what happens to a request. The zero value is nothing.
type Fault struct {
	// Drop serves nothing and answers nothing.
	Drop bool
	// Silent serves the request and loses the answer.
	Silent bool
	// Delay is how long the request waits before it is served.
	Delay time.Duration
	// Code refuses the request with a response code, if not 0, and Remark.
	Code   int
	Remark string
}

func (f Fault) code() protocol.ResponseCode { return protocol.ResponseCode(f.Code) }
