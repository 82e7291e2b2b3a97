package load

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits of a configuration. The number in flight is bounded because one
// goroutine both writes and reads a connection: all unread responses must fit
// the socket buffers, or server and generator would wait for each other.
const (
	maxConns    = 4096
	maxInflight = 2048
	maxSize     = 4 << 20
	maxBatch    = 1024
	maxQueue    = 99999   // five digits are stamped
	maxQueues   = 999_999 // and six of a request's number
)

// Queue is one queue of the topic under load and where it lives.
type Queue struct {
	Addr   string // host:port of the broker
	Broker string // broker name, sent along
	ID     int32
	Start  int64  // offset at which a consumer begins
	Topic  string // empty: that of the configuration
}

// Config says what to send where. The zero value of a field means its default.
type Config struct {
	Topic  string
	Queues []Queue // at least one; Resolve finds them

	Group    string        // producer or consumer group, default "aerobee_bench"
	Conns    int           // connections, default 4
	Inflight int           // requests unanswered per connection, default 32
	Size     int           // bytes of a message body, default 1024
	Batch    int           // messages per send request (1: single sends) or per pull, default 1 and 32
	Delay    time.Duration // of the delivery of sent messages: TIMER_DELAY_MS; not in batches
	Rate     float64       // messages a second over all connections; 0: as fast as the server answers
	Warmup   time.Duration // not counted
	Duration time.Duration // counted time; 0: until Count
	Count    int64         // messages; 0: until Duration
	Random   bool          // queues in random order instead of in turn
	Loop     bool          // a consumer that reached the end starts over
	SQL      string        // expression of a consumer's filter, empty for none
	// Properties are what messages have besides, encoded and all of one length: the
	// messages of a batch take them in turn.
	Properties []string
	PID        int // process whose CPU time and memory to watch, 0: none
}

// WithDefaults returns c with every zero field that has a default filled in.
func (c Config) WithDefaults() Config {
	setDefault(&c.Group, "aerobee_bench")
	setDefault(&c.Conns, 4)
	setDefault(&c.Inflight, 32)
	setDefault(&c.Size, 1024)
	setDefault(&c.Batch, 1)
	if c.Duration == 0 && c.Count == 0 {
		c.Duration = 10 * time.Second
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every field that is out of range.
func (c Config) Validate() error {
	var problems []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	check(c.Topic != "", "topic is empty")
	check(len(c.Queues) > 0, "topic %s has no queue to use", c.Topic)
	check(c.Conns >= 1 && c.Conns <= maxConns, "conns is %d, must be 1 to %d", c.Conns, maxConns)
	check(c.Inflight >= 1 && c.Inflight <= maxInflight, "inflight is %d, must be 1 to %d", c.Inflight, maxInflight)
	check(c.Size >= 1 && c.Size <= maxSize, "size is %d, must be 1 to %d", c.Size, maxSize)
	check(c.Batch >= 1 && c.Batch <= maxBatch, "batch is %d, must be 1 to %d", c.Batch, maxBatch)
	for _, props := range c.Properties {
		check(len(props) == len(c.Properties[0]), "properties %q and %q differ in length", props, c.Properties[0])
	}
	check(c.Delay >= 0 && (c.Delay == 0 || c.Batch == 1), "delay is %v, must not be negative, and 0 in batches", c.Delay)
	check(c.Rate >= 0, "rate is %g, must not be negative", c.Rate)
	check(c.Duration >= 0 && c.Warmup >= 0 && c.Count >= 0, "duration, warmup and count must not be negative")
	check(len(c.Queues) <= maxQueues, "topic %s has %d queues, more than %d", c.Topic, len(c.Queues), maxQueues)
	for _, q := range c.Queues {
		check(q.ID >= 0 && q.ID <= maxQueue, "queue %d of broker %s: must be 0 to %d", q.ID, q.Broker, maxQueue)
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}

// framesOf builds what is sent to each of the queues, which are of one broker:
// the same frame for neighbours of the same topic.
func (c Config) framesOf(queues []Queue, build func(c Config, broker string) (*frame, error)) ([]*frame, error) {
	frames := make([]*frame, len(queues))
	for i, q := range queues {
		if i > 0 && q.Topic == queues[i-1].Topic {
			frames[i] = frames[i-1]
			continue
		}
		of := c
		if q.Topic != "" {
			of.Topic = q.Topic
		}
		var err error
		if frames[i], err = build(of, q.Broker); err != nil {
			return nil, err
		}
	}
	return frames, nil
}

// brokers groups the queues by address in the order of their first queue.
func (c Config) brokers() (addrs []string, queues map[string][]Queue) {
	queues = make(map[string][]Queue)
	for _, q := range c.Queues {
		if _, known := queues[q.Addr]; !known {
			addrs = append(addrs, q.Addr)
		}
		queues[q.Addr] = append(queues[q.Addr], q)
	}
	return addrs, queues
}

// sendPart is the part of connection n: an address and the queues there that it
// uses. Connections are dealt to brokers in turn.
func (c Config) sendPart(n int) (addr string, queues []Queue) {
	addrs, byAddr := c.brokers()
	addr = addrs[n%len(addrs)]
	return addr, byAddr[addr]
}

// pullPart gives connection n its own share of the queues of one broker, so
// that every queue has exactly one reader. The share may be empty.
func (c Config) pullPart(n int) (addr string, queues []Queue) {
	addrs, byAddr := c.brokers()
	addr = addrs[n%len(addrs)]
	readers := (c.Conns - n%len(addrs) + len(addrs) - 1) / len(addrs)
	for i, q := range byAddr[addr] {
		if i%readers == n/len(addrs) {
			queues = append(queues, q)
		}
	}
	return addr, queues
}
