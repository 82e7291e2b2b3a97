package delay

import (
	"context"
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

// Outcome is what became of a copy.
type Outcome uint8

// The outcomes.
const (
	Retry   Outcome = iota // not stored, but may be later
	Stored                 // in the log
	Refused                // can never be stored
)

// Config connects a service to what it needs.
type Config struct {
	Store  Store
	Levels Levels
	// Deliver stores copies, in order where they go to one queue, and tells what
	// became of each. It may block. The messages are valid until it returns.
	Deliver func(ctx context.Context, copies []message.Message, outcomes []Outcome)
	FS      vfs.FS
	Path    string // of delayOffset.json
	// Interval is the time between checkpoints (flushDelayOffsetInterval), asked
	// anew each time.
	Interval    func() time.Duration
	VersionStep int64            // DefaultVersionStep when 0
	Now         func() time.Time // time.Now when nil
	Log         *slog.Logger
}

// DefaultVersionStep is after how many deliveries the data version moves, as in
// Java (delayOffsetUpdateVersionStep).
const DefaultVersionStep = 200

// Limits of one turn of a level, so that no level keeps the others waiting.
const (
	turnMessages = 128
	turnBytes    = 4 << 20
	keptBytes    = 256 << 10 // memory a level keeps between turns
)

// Waits of the service.
const (
	retryFirst = 100 * time.Millisecond // as in Java
	retryMost  = 2 * time.Second
	clockCheck = time.Second // how long a wait may be while messages are pending, see D3
)

// Service delivers delayed messages. See Open.
type Service struct {
	cfg     Config
	signal  chan struct{} // one token: a level that had nothing has something
	drained []atomic.Bool // by queue: the cursor is at the end of its queue
	cursors []*cursor     // owned by the goroutine of run

	mu struct {
		sync.Mutex
		offsets []int64 // by queue: the next one to deliver
		version protocol.DataVersion
		moves   int64
	}
	file struct {
		sync.Mutex            // held while the file is written
		candidate  *candidate // the next checkpoint, once the log is flushed far enough
		written    []int64
	}
}

// Start starts the goroutines of the service in g.
func (s *Service) Start(g *run.Group) {
	g.Go("delayed delivery", s.run)
	g.Go("delay checkpoints", s.checkpoints)
}

// Arrived tells the service of a new entry in a queue of Topic. It is called by
// the goroutine that wrote it, after the entry became readable.
func (s *Service) Arrived(queueID int32) {
	if queueID >= 0 && int(queueID) < len(s.drained) && s.drained[queueID].Load() {
		select {
		case s.signal <- struct{}{}:
		default:
		}
	}
}

// Levels is the table of delays.
func (s *Service) Levels() Levels { return s.cfg.Levels }

// Offsets returns by level the next offset to deliver, for the levels that were
// ever used.
func (s *Service) Offsets() map[int32]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return byLevel(s.mu.offsets)
}

func byLevel(offsets []int64) map[int32]int64 {
	m := make(map[int32]int64)
	for queue, offset := range offsets {
		if offset > 0 {
			m[int32(queue)+1] = offset
		}
	}
	return m
}

// run is the goroutine that delivers.
func (s *Service) run(ctx context.Context) error {
	return run.Turns(ctx, s.signal, clockCheck, s.round)
}

// round gives every level a turn and answers how long nothing will be due.
func (s *Service) round(ctx context.Context) time.Duration {
	wait := run.Forever
	for _, c := range s.cursors {
		if ctx.Err() != nil {
			break
		}
		wait = min(wait, s.turn(ctx, c))
	}
	return wait
}
