package transaction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Store is what the service reads of the store.
type Store interface {
	MinOffset(topic string, queueID int32) int64
	MaxOffset(topic string, queueID int32) int64
	Units(topic string, queueID int32, from int64, n int) []store.Unit
	Record(physical int64, dst []byte) ([]byte, error)
	LogMax() int64
	Flushed() int64
}

// Offsets are the committed offsets of the group CID_RMQ_SYS_TRANS.
type Offsets interface {
	Query(group, topic string, queue int32) (offset int64, ok bool)
	Commit(group, topic string, queue int32, offset int64) error
}

// Check is a question to a producer, valid as long as it is being asked.
type Check struct {
	Group  string
	Header protocol.CheckTransactionStateRequest
	Body   []byte // the half message
}

// Settings are the configured values, asked anew each time.
type Settings struct {
	Timeout       time.Duration // transactionTimeOut
	CheckMax      int           // transactionCheckMax
	CheckInterval time.Duration
	OpMaxSize     int
	OpInterval    time.Duration
	MetricFlush   time.Duration
	Reserve       time.Duration // how long the log keeps messages
}

// Config connects a service to what it needs.
type Config struct {
	Store    Store
	Offsets  Offsets
	Settings func() Settings
	// Put stores messages, in order where they go to one queue, and waits until
	// they are durable.
	Put func(messages []message.Message, results []store.PutResult)
	// Ask hands a question to a connection of the group, and answers whether there
	// was one that took it. It must not block.
	Ask   func(Check) bool
	FS    vfs.FS
	Path  string                 // of transactionMetrics
	Host  func() message.Message // an empty message with the hosts of the broker's own
	Now   func() time.Time       // time.Now when nil
	Log   *slog.Logger
	Block string // the broker's name, for questions
}

// maxPending is how many done half messages may wait for their op message.
const maxPending = 1 << 20

// Errors of Begin.
var (
	ErrAlready = errors.New("the transaction has ended already")
	ErrBusy    = errors.New("another request is ending the transaction")
	ErrPending = fmt.Errorf("%d ended transactions wait to be noted, the store does not take them", maxPending)
)

// Service keeps the transactions of a broker. See Open.
type Service struct {
	cfg     Config
	end     atomic.Int64  // of the half queue
	wake    chan struct{} // one token: enough op entries for a message
	recheck chan struct{} // one token: somebody wants a round now
	counts  counts
	stats   Stats

	mu struct {
		sync.Mutex
		table   *table
		pending []int64   // done, not yet in an op message
		since   time.Time // of the oldest pending one
	}
	// The rest belongs to the goroutine.
	candidate *candidate
	buf       []byte
}

// Stats count what happened since the start. They may be read at any time.
type Stats struct {
	Checks, Unasked, Commits, Rollbacks, GivenUp, Carried atomic.Int64
}

// candidate are offsets that may be committed when the log is flushed to end.
type candidate struct{ half, op, end int64 }

// Open rebuilds the table from the queues. What it reads are the op messages
// since the committed offset, not the half messages.
func Open(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{cfg: cfg, wake: make(chan struct{}, 1), recheck: make(chan struct{}, 1)}
	if err := s.counts.load(cfg.FS, cfg.Path); err != nil {
		return nil, err
	}
	first, op := s.committed(protocol.HalfTopic), s.committed(protocol.OpHalfTopic)
	end := cfg.Store.MaxOffset(protocol.HalfTopic, 0)
	s.end.Store(end)
	s.mu.table = newTable(first, end, op)
	s.readOps(s.mu.table, op)
	return s, nil
}

// committed is where a queue is to be read from: what was committed, inside what
// is there.
func (s *Service) committed(topic string) int64 {
	low, high := s.cfg.Store.MinOffset(topic, 0), s.cfg.Store.MaxOffset(topic, 0)
	offset, ok := s.cfg.Offsets.Query(protocol.TransactionGroup, topic, 0)
	if !ok {
		return low
	}
	return min(max(offset, low), high)
}

// opBatch is how many op messages are looked up at a time.
const opBatch = 256

// readOps takes in the op messages from an offset on. One that cannot be read
// counts as empty: what it ended is asked about again.
func (s *Service) readOps(t *table, from int64) {
	for {
		units := s.cfg.Store.Units(protocol.OpHalfTopic, 0, from, opBatch)
		if len(units) == 0 {
			break
		}
		for i, u := range units {
			last, err := s.readOp(t, u.Phy)
			if err != nil {
				s.cfg.Log.Warn("op message passed over", slog.Int64("offset", from+int64(i)), slog.Any("error", err))
			}
			t.mark(from+int64(i), last)
		}
		from += int64(len(units))
	}
	t.advance()
}

func (s *Service) readOp(t *table, phy int64) (last int64, err error) {
	last = -1
	if s.buf, err = s.cfg.Store.Record(phy, s.buf[:0]); err != nil {
		return last, err
	}
	m, err := message.Parse(s.buf)
	if err != nil {
		return last, err
	}
	tag, _ := message.Property(m.Properties, message.PropTags)
	switch tag {
	case tagDone:
		err = readDone(string(m.Body), func(offset int64) { t.done(offset); last = max(last, offset) })
	case tagChecks:
		err = readNotes(string(m.Body), func(offset int64, checks int32) { t.note(offset, checks); last = max(last, offset) })
	default:
		err = fmt.Errorf("%w: tag %q", errOp, tag)
	}
	return last, err
}

// Start starts the goroutine of the service in g.
func (s *Service) Start(g *run.Group) { g.Go("transactions", s.run) }

// Arrived tells the service of a new half message. It is called by the goroutine
// that wrote it, after it became readable.
func (s *Service) Arrived(offset int64) { s.end.Store(offset + 1) }

// Stored counts a half message of a topic that was stored.
func (s *Service) Stored(topic string) { s.counts.add(topic, 1, s.cfg.Now()) }

// lock locks the table and brings it up to the end of the queue.
func (s *Service) lock() *table {
	s.mu.Lock()
	s.mu.table.extend(s.end.Load())
	return s.mu.table
}

// Begin asks whether the transaction of the half message at a position of the
// half queue may be ended. If so, Finish must follow.
func (s *Service) Begin(offset int64) error {
	t := s.lock()
	defer s.mu.Unlock()
	if len(s.mu.pending) >= maxPending {
		return ErrPending
	}
	switch t.begin(offset) {
	case already:
		return ErrAlready
	case busy:
		return ErrBusy
	default:
		return nil
	}
}

// Finish tells what became of it. It may be called by the store's leader.
func (s *Service) Finish(offset int64, topic string, ended bool) {
	t := s.lock()
	was := t.state(offset)
	positions, n := t.finish(offset, ended)
	full := s.pendLocked(positions[:n]...)
	s.mu.Unlock()
	if ended && was == open {
		s.counts.add(topic, -1, s.cfg.Now())
	}
	if full {
		signal(s.wake)
	}
}

// pendLocked notes positions for the next op message and tells whether it is full.
func (s *Service) pendLocked(positions ...int64) bool {
	if len(positions) == 0 {
		return false
	}
	if len(s.mu.pending) == 0 {
		s.mu.since = s.cfg.Now()
	}
	s.mu.pending = append(s.mu.pending, positions...)
	return len(s.mu.pending)*opEntry >= s.cfg.Settings().OpMaxSize
}

// opEntry is about the size of an entry in the body of an op message.
const opEntry = 8

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Checks is how often producers were asked about an open half message.
func (s *Service) Checks(offset int64) int32 {
	t := s.lock()
	defer s.mu.Unlock()
	if h := t.halves[offset]; h != nil {
		return h.checks
	}
	return t.asked[offset]
}

// Statistics are the counts of the service.
func (s *Service) Statistics() *Stats { return &s.stats }

// Open is how many half messages are open, and the time in ms at which the first
// of those that are old enough to be asked about was born, 0 if none is.
func (s *Service) Open() (n, oldest int64) {
	t := s.lock()
	defer s.mu.Unlock()
	if list := t.opened(t.first, 1); len(list) > 0 {
		oldest = list[0].born
	}
	return t.openCount(), oldest
}

// run is the goroutine: op messages when they are full or old, checks and offsets
// from time to time.
func (s *Service) run(ctx context.Context) error {
	check, metric := s.cfg.Now(), s.cfg.Now()
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		now := false
		select {
		case <-ctx.Done():
			return s.leave(ctx)
		case <-s.wake:
			s.writeOps(false)
			continue
		case <-s.recheck:
			now = true
		case <-timer.C:
		}
		set := s.cfg.Settings()
		s.writeOps(false)
		if now || s.cfg.Now().Sub(check) >= set.CheckInterval {
			check = s.cfg.Now()
			s.round(ctx, now)
		}
		s.moveOffsets()
		if s.cfg.Now().Sub(metric) >= set.MetricFlush {
			metric = s.cfg.Now()
			s.saveCounts()
		}
		timer.Reset(min(tick, set.CheckInterval, set.OpInterval))
	}
}

// tick is how often the goroutine looks at the clock.
const tick = 500 * time.Millisecond

// leave stores what is pending.
func (s *Service) leave(ctx context.Context) error {
	s.writeOps(true)
	s.saveCounts()
	return ctx.Err()
}

// Close commits the offsets. Call it after the goroutine has ended and the log is
// flushed.
func (s *Service) Close() {
	t := s.lock()
	half, op := t.first, t.opFirst()
	s.mu.Unlock()
	s.commit(half, op)
}

// moveOffsets commits the offsets of the last call, if the log is flushed beyond
// what made them move.
func (s *Service) moveOffsets() {
	if c := s.candidate; c != nil && s.cfg.Store.Flushed() >= c.end {
		s.candidate = nil
		s.commit(c.half, c.op)
	}
	if s.candidate == nil {
		t := s.lock()
		c := candidate{half: t.first, op: t.opFirst()}
		s.mu.Unlock()
		c.end = s.cfg.Store.LogMax()
		s.candidate = &c
	}
}

func (s *Service) commit(half, op int64) {
	for _, c := range []struct {
		topic  string
		offset int64
	}{{protocol.HalfTopic, half}, {protocol.OpHalfTopic, op}} {
		was, ok := s.cfg.Offsets.Query(protocol.TransactionGroup, c.topic, 0)
		if ok && was == c.offset || !ok && c.offset == 0 {
			continue
		}
		if err := s.cfg.Offsets.Commit(protocol.TransactionGroup, c.topic, 0, c.offset); err != nil {
			s.cfg.Log.Error("offset of the transactions not committed", slog.String("topic", c.topic), slog.Any("error", err))
		}
	}
}

// writeOps stores op messages for what is done: all of it, or when there is
// enough or it is old. What cannot be stored stays.
func (s *Service) writeOps(all bool) {
	set := s.cfg.Settings()
	for {
		s.mu.Lock()
		n := len(s.mu.pending)
		ready := n > 0 && (all || n*opEntry >= set.OpMaxSize || s.cfg.Now().Sub(s.mu.since) >= set.OpInterval)
		list := s.mu.pending
		s.mu.Unlock()
		if !ready {
			return
		}
		var body []byte
		taken, last := 0, int64(-1)
		for taken < n && (taken == 0 || len(body) < set.OpMaxSize) {
			body = appendDone(body, list[taken])
			last = max(last, list[taken])
			taken++
		}
		if err := s.putOp(tagDone, body, last); err != nil {
			s.cfg.Log.Error("op message not stored, ended transactions may be checked again after a restart", slog.Int("transactions", n), slog.Any("error", err))
			return
		}
		s.mu.Lock()
		s.mu.pending = s.mu.pending[taken:]
		if len(s.mu.pending) == 0 {
			s.mu.pending = nil
		}
		s.mu.since = s.cfg.Now()
		s.mu.Unlock()
	}
}

// putOp stores an op message and remembers it. Only the goroutine does that, so
// they are remembered in order.
func (s *Service) putOp(tag string, body []byte, last int64) error {
	m := s.cfg.Host()
	m.Topic, m.Body, m.BornTimestamp = protocol.OpHalfTopic, body, s.cfg.Now().UnixMilli()
	props := message.AppendProperty(nil, message.PropTags, tag)
	m.Properties = string(message.AppendProperty(props, message.PropWait, "true"))
	result, err := s.put(m)
	if err != nil {
		return err
	}
	t := s.lock()
	t.mark(result.QueueOffset, last)
	t.advance()
	s.mu.Unlock()
	return nil
}

func (s *Service) put(m message.Message) (store.PutResult, error) {
	var results [1]store.PutResult
	s.cfg.Put([]message.Message{m}, results[:])
	if r := results[0]; r.Status != store.PutOK {
		return r, fmt.Errorf("%s: %w", r.Status, errors.Join(r.Err))
	}
	return results[0], nil
}
