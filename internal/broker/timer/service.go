package timer

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Topic holds the messages that wait, in its queue 0.
const Topic = protocol.TimerTopic

// Store is what the service reads of the store.
type Store interface {
	MinOffset(topic string, queueID int32) int64
	MaxOffset(topic string, queueID int32) int64
	Units(topic string, queueID int32, from int64, n int) []store.Unit
	Record(physical int64, dst []byte) ([]byte, error)
	LogMin() int64
	LogMax() int64
	Flushed() int64
}

// Outcome is what became of a copy.
type Outcome uint8

// The outcomes.
const (
	Retry   Outcome = iota // not stored, but may be later
	Stored                 // in the log
	Refused                // can never be stored
)

// Settings are what may change while the service runs.
type Settings struct {
	FlushInterval  time.Duration // between writes of the index: timerFlushIntervalMs
	StopEnqueue    bool          // index nothing: timerStopEnqueue
	StopDequeue    bool          // deliver nothing: timerStopDequeue
	TopicInRecalls bool          // a recall's key has the topic before it: appendTopicForTimerDeleteKey
}

// Config connects a service to what it needs.
type Config struct {
	Store Store
	FS    vfs.FS
	Dir   string // of the store
	// Precision, RollWindow in slots, and LogFileSize shape the files: timerPrecisionMs,
	// timerRollWindowSlot, mappedFileSizeTimerLog. Java must have the same.
	Precision   time.Duration
	RollWindow  int64
	LogFileSize int64
	Settings    func() Settings
	// Deliver stores copies, in order where they go to one queue, and tells what
	// became of each. It may block. The messages are valid until it returns.
	Deliver func(ctx context.Context, copies []message.Message, outcomes []Outcome)
	// Late is told by how much a copy was stored after its slot became due.
	Late func(topic string, by time.Duration)
	Now  func() time.Time // time.Now when nil
	Log  *slog.Logger
}

// Limits of one turn, so that neither indexing nor delivery keeps the other waiting.
const (
	turnMessages = 1024
	turnBytes    = 4 << 20
	keptBytes    = 1 << 20 // memory kept between turns
)

// Waits of the service.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 2 * time.Second
	clockCheck = time.Second // longest wait while something is pending: the wall clock may be set
)

// Service delivers messages at their time. See Open.
type Service struct {
	cfg       Config
	precision int64 // ms
	signal    chan struct{}
	drained   atomic.Bool // the end of the queue is reached

	// Owned by the goroutine of run.
	log     *timerLog
	queue   int64 // next offset to index
	done    int64 // messages before this offset that are due before read were delivered: see recover
	read    int64 // unit of the first slot that is not delivered
	part    int64 // of that slot, messages before this physical offset are delivered
	open    *opened
	staged  staged
	out     batch // copies on their way
	record  []byte
	retryAt time.Time
	backoff time.Duration

	files struct {
		sync.Mutex  // held while the index is written
		wheel       vfs.File
		check       vfs.File
		durable     check // what timercheck says
		candidate   *candidate
		countsSaved time.Time
		cleaned     time.Time
	}
	mu struct {
		sync.Mutex
		wheel   wheel
		state   check // as far as everything is settled; read in ms
		changed bool  // since the last check point
		broken  error // a sync failed: nobody knows what is on disk
		counts  counts
		rates   rates
	}
}

// Open opens the index, makes what is missing of it, and returns a service that
// goes on where the last one, ours or Java's, stopped. The error names the file.
func Open(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.RollWindow < 2 || cfg.RollWindow > slotsAhead-blankSlots {
		cfg.RollWindow = slotsAhead - blankSlots
	}
	s := &Service{cfg: cfg, precision: cfg.Precision.Milliseconds(), signal: make(chan struct{}, 1)}
	if s.precision < 1 || cfg.LogFileSize < 2*entrySize+blankSize {
		return nil, fmt.Errorf("timer: a precision of %v and log files of %d bytes, expected at least 1 ms and %d", cfg.Precision, cfg.LogFileSize, 2*entrySize+blankSize)
	}
	if err := s.openFiles(); err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	return s, nil
}

// Start starts the goroutines of the service in g.
func (s *Service) Start(g *run.Group) {
	g.Go("timer", s.run)
	g.Go("timer check points", s.checkpoints)
}

// Arrived tells the service of a new message in its queue. It is called by the
// goroutine that wrote it, after the message became readable.
func (s *Service) Arrived() {
	if s.drained.Load() {
		s.wake()
	}
}

func (s *Service) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// run is the goroutine that indexes and delivers.
func (s *Service) run(ctx context.Context) error { return run.Turns(ctx, s.signal, clockCheck, s.turn) }

// turn does a part of what there is to do and answers how long nothing will be.
func (s *Service) turn(ctx context.Context) time.Duration {
	if wait := s.retryAt.Sub(s.cfg.Now()); wait > 0 {
		return wait
	}
	if !s.settle(ctx) {
		return s.backoff
	}
	s.mu.Lock()
	broken := s.mu.broken
	s.mu.Unlock()
	if broken != nil {
		s.rebuild(broken)
		return 0
	}
	settings := s.cfg.Settings()
	busy := !settings.StopEnqueue && s.index()
	if !s.settle(ctx) {
		return s.backoff
	}
	busy = !settings.StopDequeue && !s.rebuilding() && s.expire(settings) || busy
	if !s.settle(ctx) {
		return s.backoff
	}
	if busy {
		return 0
	}
	return s.idle(settings)
}

// idle is how long the service may sleep.
func (s *Service) idle(settings Settings) time.Duration {
	if settings.StopEnqueue || settings.StopDequeue {
		return clockCheck // nobody tells when that changes
	}
	s.mu.Lock()
	unit, ok := s.mu.wheel.next(s.read, s.read+wheelSlots)
	s.mu.Unlock()
	if !ok {
		return run.Forever
	}
	return max(time.UnixMilli((unit+1)*s.precision).Sub(s.cfg.Now()), time.Millisecond)
}

// settle brings the copies that were made to the store, then the entries that were
// added to the log and the wheel, and publishes how far the service is. It answers
// false when some of that failed and has to be done again. Copies come first: an
// entry in the log says that all before it in the queue is indexed or delivered.
func (s *Service) settle(ctx context.Context) bool {
	if !s.deliver(ctx) {
		return false
	}
	if err := s.log.write(); err != nil {
		s.failed("timer log not written, trying again", err)
		return false
	}
	s.backoff = 0
	now := s.cfg.Now().UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply(now)
	c := &s.mu.state
	c.queue, c.master, c.log = s.queue, s.queue, s.log.pending.at
	c.read, c.done, c.part = s.read*s.precision, s.done, s.part
	return true
}

// failed sets the pause before the next attempt.
func (s *Service) failed(what string, err error) {
	if s.backoff == 0 || s.backoff >= retryMost {
		s.cfg.Log.Error(what, slog.Any("error", err))
	}
	s.backoff = min(max(2*s.backoff, retryFirst), retryMost)
	s.retryAt = s.cfg.Now().Add(s.backoff)
}

// unitNow is the unit that the clock is in: slots before it are due.
func (s *Service) unitNow() int64 { return s.cfg.Now().UnixMilli() / s.precision }

func (s *Service) path(name string) string { return filepath.Join(s.cfg.Dir, name) }
