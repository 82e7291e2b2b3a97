package hold

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/run"
)

// Errors of Park. The request was not taken.
var (
	ErrFull     = errors.New("too many pulls are waiting")
	ErrConnFull = errors.New("too many pulls of one connection are waiting")
	ErrClosed   = errors.New("the table of waiting pulls is closed")
)

// Config sets a table up. Resume is required.
type Config struct {
	// Resume gets the requests that are ready, in no particular order. It is
	// called on the shard's goroutine and may run them there one by one. The
	// slice is the table's again when it returns.
	Resume func(batch []*Request)
	// Dropped gets requests that nobody waits for any more.
	Dropped func(r *Request)
	// Now is the clock of the deadlines; time.Now when nil.
	Now func() time.Time
	// Max bounds the table, MaxPerConn the requests of one connection in one shard.
	Max, MaxPerConn int
	// Shards is the number of shards and goroutines; the processors, at most 4, when 0.
	Shards int
}

// Defaults of Config. A consumer parks one pull for each queue it owns.
const (
	DefaultMax        = 1 << 18
	DefaultMaxPerConn = 1 << 16
	maxShards         = 4
)

// Table is the long-polling table. See New.
type Table struct {
	cfg    Config
	seed   maphash.Seed
	shards []*shard
	parked atomic.Int64
	closed atomic.Bool
}

// New returns an empty table. Start must be called for requests to be handed out.
func New(cfg Config) *Table {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Dropped == nil {
		cfg.Dropped = func(*Request) {}
	}
	if cfg.Max <= 0 {
		cfg.Max = DefaultMax
	}
	if cfg.MaxPerConn <= 0 {
		cfg.MaxPerConn = DefaultMaxPerConn
	}
	if cfg.Shards <= 0 {
		cfg.Shards = min(runtime.GOMAXPROCS(0), maxShards)
	}
	t := &Table{cfg: cfg, seed: maphash.MakeSeed()}
	for range cfg.Shards {
		t.shards = append(t.shards, newShard(t))
	}
	return t
}

// Start starts the goroutines of the table in g. They end with the group's context.
func (t *Table) Start(g *run.Group) {
	for i, s := range t.shards {
		g.Go(fmt.Sprintf("long polling %d", i), func(ctx context.Context) error { return s.run(ctx) })
	}
}

// Park takes r until it is ready. The queue's end must be looked at again
// afterwards, see invariant H2. It fails with ErrFull, ErrConnFull or ErrClosed.
func (t *Table) Park(r *Request) error {
	if t.parked.Add(1) > int64(t.cfg.Max) {
		t.parked.Add(-1)
		return fmt.Errorf("%w: %d, the limit", ErrFull, t.cfg.Max)
	}
	if err := t.shard(r.Topic, r.QueueID).park(r); err != nil {
		t.parked.Add(-1)
		return err
	}
	return nil
}

// Arrive tells the table of a new entry at offset in a queue. It is called for
// every message by the goroutine that wrote it, after the entry became readable.
func (t *Table) Arrive(topic string, queueID int32, offset, tagsCode int64) {
	if t.parked.Load() == 0 {
		return
	}
	t.shard(topic, queueID).arrive(queueKey{topic, queueID}, offset, tagsCode)
}

// Wake hands out the requests of a queue that wait for an entry before end,
// whatever their filters say.
func (t *Table) Wake(topic string, queueID int32, end int64) {
	if t.parked.Load() == 0 {
		return
	}
	t.shard(topic, queueID).wake(queueKey{topic, queueID}, end)
}

// WakeOne hands out the request that has waited longest at a queue and whose filter
// wants a message with these tags; with force, whatever its filter says. It tells
// whether there was one. Offsets do not count.
func (t *Table) WakeOne(topic string, queueID int32, tagsCode int64, force bool) bool {
	if t.parked.Load() == 0 {
		return false
	}
	return t.shard(topic, queueID).wakeOne(queueKey{topic, queueID}, tagsCode, force)
}

// Count is the number of requests that wait at a queue.
func (t *Table) Count(topic string, queueID int32) int {
	return t.shard(topic, queueID).countOf(queueKey{topic, queueID})
}

// WakeAll hands out every request.
func (t *Table) WakeAll() {
	for _, s := range t.shards {
		s.wakeAll()
	}
}

// CloseConn drops the requests of a connection.
func (t *Table) CloseConn(conn uint64) {
	if t.parked.Load() == 0 {
		return
	}
	for _, s := range t.shards {
		s.closeConn(conn)
	}
}

// Close drops all requests; later ones are refused. Call it after the
// goroutines of the group have ended, or before.
func (t *Table) Close() {
	t.closed.Store(true)
	for _, s := range t.shards {
		s.close()
	}
}

// Len is the number of requests that wait.
func (t *Table) Len() int { return int(t.parked.Load()) }

func (t *Table) shard(topic string, queueID int32) *shard {
	if len(t.shards) == 1 {
		return t.shards[0]
	}
	h := maphash.String(t.seed, topic) + uint64(uint32(queueID))
	return t.shards[h%uint64(len(t.shards))]
}
