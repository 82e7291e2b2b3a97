package offsets

import (
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Limits of a table.
const (
	// MaxQueues is the most queues of one topic that a group may have offsets of.
	MaxQueues = 1 << 16
	// MaxPairs is the most pairs of group and topic.
	MaxPairs = 1 << 22
)

// DefaultVersionStep is after how many commits the data version moves, as in
// Java (consumerOffsetUpdateVersionStep).
const DefaultVersionStep = 500

// ErrTooMany is what commits of new queues get when a limit is reached.
var ErrTooMany = errors.New("too many consumer offsets")

// ErrResetPending is what commits get until the pending reset is taken.
var ErrResetPending = errors.New("the offset was reset and the consumer has not taken it yet")

// Config sets a table up.
type Config struct {
	FS          vfs.FS
	Path        string           // of consumerOffset.json
	LMQ         bool             // it is lmqConsumerOffset.json, which has another place for groups with names of light queues
	Now         func() time.Time // of the data version; time.Now when nil
	VersionStep int64            // DefaultVersionStep when 0
	Log         *slog.Logger
}

// Table holds the offsets of all groups. See Open.
type Table struct {
	cfg    Config
	seed   maphash.Seed
	shards [shardCount]shard
	pairs  atomic.Int64 // of all shards
	resets atomic.Int64 // pending resets of all shards
	commit atomic.Int64 // accepted commits, for the data version
	change atomic.Int64 // changes of what the file holds

	version struct {
		sync.Mutex
		protocol.DataVersion
	}
	file struct {
		sync.Mutex       // held while the file is written
		written    int64 // Table.change of what the file holds
	}
}

const shardCount = 64

type shard struct {
	sync.Mutex
	pairs map[pair]*progress
	_     [40]byte // keeps two shards out of one cache line
}

// pair is a group and a topic. The group may be a pseudo group with an @ in it.
type pair struct{ group, topic string }

// progress is where a group is in a topic, sorted by queue. Nearly always the
// queues are 0 to n-1 and the index is the queue.
type progress struct{ queues []position }

// position is where a group is in a queue; none for what is not known.
type position struct {
	queue                    int32
	committed, pulled, reset int64
}

const none int64 = -1

func (p *progress) find(queue int32) (int, bool) {
	if i := int(queue); i >= 0 && i < len(p.queues) && p.queues[i].queue == queue {
		return i, true
	}
	i := sort.Search(len(p.queues), func(i int) bool { return p.queues[i].queue >= queue })
	return i, i < len(p.queues) && p.queues[i].queue == queue
}

func (p *progress) known() bool {
	for _, q := range p.queues {
		if q.committed != none {
			return true
		}
	}
	return false
}

func newTable(cfg Config) *Table {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.VersionStep <= 0 {
		cfg.VersionStep = DefaultVersionStep
	}
	t := &Table{cfg: cfg, seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].pairs = make(map[pair]*progress)
	}
	t.version.Timestamp = cfg.Now().UnixMilli()
	return t
}

func (t *Table) shard(group, topic string) *shard {
	h := maphash.String(t.seed, group)*31 + maphash.String(t.seed, topic)
	return &t.shards[h%shardCount]
}

// at calls f with the position of a queue, or nil, with the shard locked.
func (t *Table) at(group, topic string, queue int32, f func(*position)) {
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	p := s.pairs[pair{group, topic}]
	if p == nil {
		f(nil)
	} else if i, ok := p.find(queue); ok {
		f(&p.queues[i])
	} else {
		f(nil)
	}
}

// position returns the position of a queue, made when missing. The strings are
// copied. The shard must be locked.
func (t *Table) positionLocked(s *shard, group, topic string, queue int32) (*position, error) {
	p := s.pairs[pair{group, topic}]
	if p == nil {
		if t.pairs.Add(1) > MaxPairs {
			t.pairs.Add(-1)
			return nil, fmt.Errorf("%w: %d groups and topics", ErrTooMany, MaxPairs)
		}
		p = &progress{}
		s.pairs[pair{strings.Clone(group), strings.Clone(topic)}] = p
	}
	i, ok := p.find(queue)
	if !ok {
		if len(p.queues) >= MaxQueues {
			return nil, fmt.Errorf("%w: %d queues of topic %s for group %s", ErrTooMany, MaxQueues, topic, group)
		}
		p.queues = append(p.queues, position{})
		copy(p.queues[i+1:], p.queues[i:])
		p.queues[i] = position{queue: queue, committed: none, pulled: none, reset: none}
	}
	return &p.queues[i], nil
}

// Commit stores offset, the next one to consume, which may be lower than the
// last one. A negative offset makes the queue unknown. It fails with
// ErrResetPending or ErrTooMany. The strings may be reused afterwards.
func (t *Table) Commit(group, topic string, queue int32, offset int64) error {
	offset = max(offset, none)
	s := t.shard(group, topic)
	s.Lock()
	p, err := t.positionLocked(s, group, topic, queue)
	if err != nil {
		s.Unlock()
		return err
	}
	if p.reset != none {
		s.Unlock()
		return ErrResetPending
	}
	changed := p.committed != offset
	p.committed = offset
	if changed {
		t.change.Add(1)
	}
	s.Unlock()
	if t.commit.Add(1)%t.cfg.VersionStep == 0 {
		t.nextVersion()
	}
	return nil
}

// Query answers where the group is to go on: the pending reset if there is one,
// else the committed offset.
func (t *Table) Query(group, topic string, queue int32) (offset int64, ok bool) {
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	p := s.pairs[pair{group, topic}]
	if p == nil {
		return none, false
	}
	i, ok := p.find(queue)
	if !ok {
		return none, false
	}
	offset = p.queues[i].committed
	if reset := p.queues[i].reset; reset != none {
		offset = reset
	}
	return offset, offset != none
}

// Pulled notes where the next pull of the group will begin. It is kept in memory
// and shown in the file, but not read back. Beyond the limits it does nothing.
func (t *Table) Pulled(group, topic string, queue int32, next int64) {
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	if p, err := t.positionLocked(s, group, topic, queue); err == nil {
		p.pulled = max(next, none)
	}
}

// QueryPulled answers where the next pull of the group will begin, or, when it
// never pulled here, what Query answers.
func (t *Table) QueryPulled(group, topic string, queue int32) (offset int64, ok bool) {
	t.at(group, topic, queue, func(p *position) {
		if p != nil && p.pulled != none {
			offset, ok = p.pulled, true
		}
	})
	if !ok {
		return t.Query(group, topic, queue)
	}
	return offset, ok
}

// Reset sets the offset of a queue on the server's side: it is committed at
// once, and the consumer is sent there on its next pull. It fails with
// ErrTooMany.
func (t *Table) Reset(group, topic string, queue int32, offset int64) error {
	if queue < 0 || offset < 0 {
		return fmt.Errorf("reset group %s, topic %s: queue %d or offset %d is negative", group, topic, queue, offset)
	}
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	p, err := t.positionLocked(s, group, topic, queue)
	if err != nil {
		return err
	}
	if p.reset == none {
		t.resets.Add(1)
	}
	p.reset, p.committed = offset, offset
	t.change.Add(1)
	return nil
}

// TakeReset hands out a pending reset and forgets it. It costs one load when no
// reset is pending at all.
func (t *Table) TakeReset(group, topic string, queue int32) (offset int64, ok bool) {
	if t.resets.Load() == 0 {
		return none, false
	}
	t.at(group, topic, queue, func(p *position) {
		if p != nil && p.reset != none {
			offset, ok = p.reset, true
			p.reset = none
			t.resets.Add(-1)
		}
	})
	return offset, ok
}

// DataVersion is the version that slaves compare; it moves every VersionStep commits.
func (t *Table) DataVersion() protocol.DataVersion {
	t.version.Lock()
	defer t.version.Unlock()
	return t.version.DataVersion
}

func (t *Table) nextVersion() {
	t.version.Lock()
	defer t.version.Unlock()
	t.version.Counter++
	t.version.StateVersion = 0
	t.version.Timestamp = t.cfg.Now().UnixMilli()
}
