package pop

import (
	"hash/fnv"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Store is what a service needs of the store.
type Store interface {
	MinOffset(topic string, queueID int32) int64
	MaxOffset(topic string, queueID int32) int64
	Units(topic string, queueID int32, from int64, n int) []store.Unit
	Record(physical int64, dst []byte) ([]byte, error)
	Queues(topic string) []int32
	AcquirePut() *store.Put
	ReleasePut(p *store.Put)
	Enqueue(p *store.Put)
	EnqueueAll(puts []*store.Put)
	Commit()
}

// Offsets is what a service needs of the table of consumer offsets.
type Offsets interface {
	Query(group, topic string, queue int32) (offset int64, ok bool)
	Commit(group, topic string, queue int32, offset int64) error
	TakeReset(group, topic string, queue int32) (offset int64, ok bool)
}

// Target is where unacknowledged messages go.
type Target struct {
	Topic string
	Queue int32
	Batch bool // the topic has batch queues
}

// Config connects a service to what it needs. All functions are required.
type Config struct {
	Store   Store
	Offsets Offsets
	Topic   string // the revive topic
	Queues  int    // of it
	Broker  string // name, in receipts and check points
	Host    netip.AddrPort

	// Redeliver finds the retry topic of a topic and a group for a message of a
	// queue, and makes it when it is missing. gone says that topic or group do not
	// exist any more.
	Redeliver func(topic, group string, queue int32) (t Target, gone bool, err error)
	// Redelivered is told of each message that was put into a retry topic. It is called by
	// the leader.
	Redelivered func(t Target, bytes int64)
	// Wake is told of a normal topic that has something for a group again; queue is -1 for
	// a retry topic.
	Wake func(topic, group string, queue int32)
	// Exists tells whether a pair is still to be kept in mind.
	Exists func(topic, group string) bool

	MaxLeases func() int
	FS        vfs.FS
	Path      string // of consumerOrderInfo.json
	Now       func() time.Time
	Log       *slog.Logger
}

// seenGroup is a pseudo group in the table of offsets: the records of the revive
// topic below its offset are in the table's other offsets and in
// consumerOrderInfo.json. Java passes over it.
const seenGroup = protocol.ReviveGroup + "@aerobee"

// Service keeps the leases. See Open.
type Service struct {
	cfg    Config
	shards []*shard
	leases atomic.Int64

	pairs struct {
		sync.RWMutex
		m map[pairName]*pair
	}

	signal chan struct{} // one token: there may be something to do
	alarm  atomic.Int64  // ms: when the goroutine looks again

	unlocks unlocks
	file    orderFile
	puts    sync.Pool // of *recordPut
	rounds  rounds
}

type pairName struct{ topic, group string }

// shard is a queue of the revive topic.
type shard struct {
	id int32

	end     int64 // behind the last record of the queue; belongs to the leader
	changed bool  // end moved in this group; belongs to the leader

	mu struct {
		sync.Mutex
		ledger  *ledger
		written int64  // records before are in the ledger, but for gaps
		gaps    []span // records of others, not read yet
	}
}

// Start starts the goroutine of the service in g.
func (s *Service) Start(g *run.Group) { g.Go("pop redelivery", s.run) }

// shardOf is the shard of a group and a normal topic.
func (s *Service) shardOf(normal, group string) *shard {
	h := fnv.New32a()
	_, _ = h.Write([]byte(normal))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(group))
	return s.shards[h.Sum32()%uint32(s.cfg.Queues)]
}

// shard finds the shard of a receipt, nil when there is none.
func (s *Service) shard(id int32) *shard {
	if id < 0 || int(id) >= len(s.shards) {
		return nil
	}
	return s.shards[id]
}

// ReviveQueue is the queue of the revive topic for a group and a normal topic.
func (s *Service) ReviveQueue(topic, group string) int32 { return s.shardOf(topic, group).id }

// Revives tells whether a receipt may name a queue of the revive topic.
func (s *Service) Revives(id int32) bool { return s.shard(id) != nil }

// pair gives a pair, made when missing. The strings may alias a frame.
func (s *Service) pair(topic, group string) *pair {
	k := pairName{topic, group}
	s.pairs.RLock()
	p := s.pairs.m[k]
	s.pairs.RUnlock()
	if p != nil {
		return p
	}
	s.pairs.Lock()
	defer s.pairs.Unlock()
	if p := s.pairs.m[k]; p != nil {
		return p
	}
	p = &pair{topic: strings.Clone(topic), group: strings.Clone(group)}
	p.normal = NormalTopic(p.topic, p.group)
	p.shard = s.shardOf(p.normal, p.group)
	s.pairs.m[pairName{p.topic, p.group}] = p
	return p
}

// lookup gives a pair, nil when nothing is known of it.
func (s *Service) lookup(topic, group string) *pair {
	s.pairs.RLock()
	defer s.pairs.RUnlock()
	return s.pairs.m[pairName{topic, group}]
}

// Cursor gives the cursor of a group in a queue of a topic, which must exist.
func (s *Service) Cursor(topic, group string, queue int32) *Cursor {
	return s.pair(topic, group).cursor(s, queue)
}

// Leases is the number of live leases.
func (s *Service) Leases() int64 { return s.leases.Load() }

// Full tells whether no more leases are given out.
func (s *Service) Full() bool { return s.leases.Load() >= int64(s.cfg.MaxLeases()) }

// InflightOf is the number of messages of a topic that are lent to a group.
func (s *Service) InflightOf(topic, group string) int64 {
	if p := s.lookup(topic, group); p != nil {
		return p.inflight.Load()
	}
	return 0
}

// Drop forgets what matches: leases, cursors and what is popped in order. It is
// called when a topic or a group is deleted, after that.
func (s *Service) Drop(match func(topic, group string) bool) {
	s.pairs.Lock()
	dropped := make(map[*pair]bool)
	for k, p := range s.pairs.m {
		if match(k.topic, k.group) {
			dropped[p] = true
			delete(s.pairs.m, k)
		}
	}
	s.pairs.Unlock()
	if len(dropped) == 0 {
		return
	}
	for _, h := range s.shards {
		h.mu.Lock()
		h.mu.ledger.drop(func(p *pair) bool { return dropped[p] })
		h.mu.Unlock()
	}
	s.file.touch()
}

// Arrived is told of each new record of the revive topic. It is called by the
// leader.
func (s *Service) Arrived(a store.Arrival) {
	if h := s.shard(a.QueueID); h != nil {
		h.end, h.changed = a.Offset+1, true
	}
}

// GroupDone is called by the leader after each group. What the service put itself
// is in the ledgers by then; what is left came from somebody else, as the check
// points of a Java broker out of its timer.
func (s *Service) GroupDone() {
	for _, h := range s.shards {
		if !h.changed {
			continue
		}
		h.changed = false
		h.mu.Lock()
		if h.mu.written < h.end {
			h.mu.gaps = append(h.mu.gaps, span{h.mu.written, h.end})
			h.mu.written = h.end
			s.notify()
		}
		h.mu.Unlock()
	}
}

// passLocked notes that the records from at on, which are the service's own, are in
// the ledger.
func (s *Service) passLocked(h *shard, at int64, n int) {
	if at > h.mu.written {
		h.mu.gaps = append(h.mu.gaps, span{h.mu.written, at})
		s.notify()
	}
	h.mu.written = at + int64(n)
}

// Persisting brings the table of offsets up to date about the revive topic. It is
// called before the table's changes go to the disk.
func (s *Service) Persisting() {
	seen := make([]int64, len(s.shards))
	for i, h := range s.shards {
		h.mu.Lock()
		upTo := h.mu.written
		if len(h.mu.gaps) > 0 {
			upTo = h.mu.gaps[0].start
		}
		seen[i] = upTo
		floor := min(h.mu.ledger.floor(upTo), upTo)
		h.mu.Unlock()
		if floor > 0 || s.known(protocol.ReviveGroup, h.id) {
			_ = s.cfg.Offsets.Commit(protocol.ReviveGroup, s.cfg.Topic, h.id, floor-1) // too many groups: the next start reads more
		}
	}
	if err := s.saveOrders(); err != nil {
		s.cfg.Log.Error("pop: state of orderly groups not saved", slog.Any("error", err))
		return
	}
	for i, h := range s.shards {
		if seen[i] > 0 || s.known(seenGroup, h.id) {
			_ = s.cfg.Offsets.Commit(seenGroup, s.cfg.Topic, h.id, seen[i])
		}
	}
}

func (s *Service) known(group string, queue int32) bool {
	_, ok := s.cfg.Offsets.Query(group, s.cfg.Topic, queue)
	return ok
}

// notify wakes the goroutine.
func (s *Service) notify() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// dueAt wakes the goroutine if it would sleep past a time.
func (s *Service) dueAt(ms int64) {
	if ms < s.alarm.Load() {
		s.notify()
	}
}

func (s *Service) nowMs() int64 { return s.cfg.Now().UnixMilli() }
