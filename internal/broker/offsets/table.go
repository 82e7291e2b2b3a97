package offsets

import (
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/journal"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Limits of a table.
const (
	// MaxQueues is the most queues of one topic that a group may have offsets of,
	// when they follow each other; of scattered ones there may be fewer.
	MaxQueues = 1 << 20
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
	// Before is called before changes are gathered for the disk, and Follow between
	// that and the writing: it makes durable what the offsets follow, so that none
	// is ever ahead of it after a power cut. Both may be nil.
	Before func()
	Follow func() error
}

// Table holds the offsets of all groups. See Open. A group with 8 queues of a
// topic takes about 370 bytes of memory with names of 20 bytes, one with many
// queues 16 bytes for each queue.
type Table struct {
	cfg     Config
	journal *journal.Journal
	seed    maphash.Seed
	shards  [shardCount]shard
	pairs   atomic.Int64 // of all shards
	made    atomic.Int64 // pairs made and removed so far
	resets  atomic.Int64 // pending resets of all shards
	commit  atomic.Int64 // accepted commits, for the data version

	version struct {
		sync.Mutex
		protocol.DataVersion
	}
	persist sync.Mutex // held while changes are gathered: their order is that of the journal
	sorted  struct {
		sync.Mutex
		made int64 // Table.made of list
		list []Pair
	}
}

const shardCount = 64

type shard struct {
	sync.Mutex
	pairs map[Pair]*progress
	// resets are the pending ones.
	resets map[queueOf]int64
	// What is not in the journal: pairs that are gone, then offsets.
	removed map[Pair]struct{}
	dirty   []*progress
	_       [32]byte // keeps two shards out of one cache line
}

// Pair is a group and a topic. The group may be a pseudo group with an @ in it.
type Pair struct{ Group, Topic string }

// queueOf is a queue for a group.
type queueOf struct {
	Pair
	queue int32
}

// Limits of where the offsets of a pair are.
const (
	pageBits   = 6 // so that a word has a bit for each queue
	pageQueues = 1 << pageBits
)

// progress is where a group is in a topic: pages by ascending number. Nearly
// always there is one.
type progress struct {
	pair  Pair
	pages []page
	dirty bool // in shard.dirty
	gone  bool // not in the table any more
}

// page has the queues from number*pageQueues on, as far as needed.
type page struct {
	number int32
	dirty  uint64 // queues whose committed offset is not in the journal
	at     []position
}

// position is where a group is in a queue; none for what is not known.
type position struct{ committed, pulled int64 }

const none int64 = -1

// search gives the index of the page with a number, or where it belongs. It is a
// loop of its own because sort.Search would cost the hot paths more than all else.
func (p *progress) search(number int32) int {
	low, high := 0, len(p.pages)
	for low < high {
		if mid := (low + high) / 2; p.pages[mid].number < number {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// find gives the position of a queue, nil when there is none.
func (p *progress) find(queue int32) *position {
	i, at := p.search(queue>>pageBits), int(queue&(pageQueues-1))
	if i == len(p.pages) || p.pages[i].number != queue>>pageBits || at >= len(p.pages[i].at) {
		return nil
	}
	return &p.pages[i].at[at]
}

// place gives the position of a queue and its page, made when missing; nil when
// there are too many.
func (p *progress) place(queue int32) (*page, *position) {
	number, at := queue>>pageBits, int(queue&(pageQueues-1))
	i := p.search(number)
	if i == len(p.pages) || p.pages[i].number != number {
		if len(p.pages) >= MaxQueues/pageQueues {
			return nil, nil
		}
		p.pages = append(p.pages, page{})
		copy(p.pages[i+1:], p.pages[i:])
		p.pages[i] = page{number: number}
	}
	g := &p.pages[i]
	for len(g.at) <= at {
		g.at = append(g.at, position{none, none})
	}
	return g, &g.at[at]
}

// each calls f for every queue.
func (p *progress) each(f func(queue int32, at *position)) {
	for i := range p.pages {
		g := &p.pages[i]
		for k := range g.at {
			f(g.number<<pageBits|int32(k), &g.at[k])
		}
	}
}

func (p *progress) known() bool {
	for i := range p.pages {
		for _, at := range p.pages[i].at {
			if at.committed != none {
				return true
			}
		}
	}
	return false
}

// setLocked changes a committed offset and marks it as not saved.
func (s *shard) setLocked(p *progress, queue int32, offset int64) error {
	g, at := p.place(queue)
	if at == nil {
		return fmt.Errorf("%w: %d queues of topic %s for group %s", ErrTooMany, MaxQueues, p.pair.Topic, p.pair.Group)
	}
	if at.committed == offset {
		return nil
	}
	at.committed = offset
	g.dirty |= 1 << (queue & (pageQueues - 1))
	if !p.dirty {
		p.dirty = true
		s.dirty = append(s.dirty, p)
	}
	return nil
}

func newTable(cfg Config) *Table {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.VersionStep <= 0 {
		cfg.VersionStep = DefaultVersionStep
	}
	t := &Table{cfg: cfg, seed: maphash.MakeSeed()}
	t.clear()
	return t
}

// clear makes the table empty. Nobody else may have it.
func (t *Table) clear() {
	for i := range t.shards {
		t.shards[i] = shard{
			pairs: make(map[Pair]*progress), resets: make(map[queueOf]int64),
			removed: make(map[Pair]struct{}),
		}
	}
	t.pairs.Store(0)
	t.version.DataVersion = protocol.DataVersion{Timestamp: t.cfg.Now().UnixMilli()}
}

func (t *Table) shard(group, topic string) *shard {
	h := maphash.String(t.seed, group)*31 + maphash.String(t.seed, topic)
	return &t.shards[h%shardCount]
}

// positionLocked gives the position of a queue, nil when there is none.
func (s *shard) positionLocked(k Pair, queue int32) *position {
	if p := s.pairs[k]; p != nil {
		return p.find(queue)
	}
	return nil
}

// progressLocked gives the progress of a pair, made when missing. The strings are
// copied. The shard must be locked.
func (t *Table) progressLocked(s *shard, k Pair) (*progress, error) {
	if p := s.pairs[k]; p != nil {
		return p, nil
	}
	if t.pairs.Add(1) > MaxPairs {
		t.pairs.Add(-1)
		return nil, fmt.Errorf("%w: %d groups and topics", ErrTooMany, MaxPairs)
	}
	p := &progress{pair: Pair{strings.Clone(k.Group), strings.Clone(k.Topic)}}
	s.pairs[p.pair] = p
	t.made.Add(1)
	return p, nil
}

// Commit stores offset, the next one to consume, which may be lower than the
// last one. A negative offset makes the queue unknown. It fails with
// ErrResetPending or ErrTooMany. The strings may be reused afterwards.
func (t *Table) Commit(group, topic string, queue int32, offset int64) error {
	k := Pair{group, topic}
	s := t.shard(group, topic)
	s.Lock()
	err := t.commitLocked(s, k, queue, max(offset, none))
	s.Unlock()
	if err == nil && t.commit.Add(1)%t.cfg.VersionStep == 0 {
		t.nextVersion()
	}
	return err
}

func (t *Table) commitLocked(s *shard, k Pair, queue int32, offset int64) error {
	if len(s.resets) > 0 {
		if _, pending := s.resets[queueOf{k, queue}]; pending {
			return ErrResetPending
		}
	}
	p, err := t.progressLocked(s, k)
	if err != nil {
		return err
	}
	return s.setLocked(p, queue, offset)
}

// Query answers where the group is to go on: the pending reset if there is one,
// else the committed offset.
func (t *Table) Query(group, topic string, queue int32) (offset int64, ok bool) {
	k := Pair{group, topic}
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	if len(s.resets) > 0 {
		if offset, ok := s.resets[queueOf{k, queue}]; ok {
			return offset, true
		}
	}
	at := s.positionLocked(k, queue)
	if at == nil {
		return none, false
	}
	return at.committed, at.committed != none
}

// Pulled notes where the next pull of the group will begin. It is kept in memory
// and shown in the file, but not read back. Beyond the limits it does nothing.
func (t *Table) Pulled(group, topic string, queue int32, next int64) {
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	p, err := t.progressLocked(s, Pair{group, topic})
	if err != nil {
		return
	}
	if _, at := p.place(queue); at != nil {
		at.pulled = max(next, none)
	}
}

// QueryPulled answers where the next pull of the group will begin, or, when it
// never pulled here, what Query answers.
func (t *Table) QueryPulled(group, topic string, queue int32) (offset int64, ok bool) {
	s := t.shard(group, topic)
	s.Lock()
	at := s.positionLocked(Pair{group, topic}, queue)
	if at != nil && at.pulled != none {
		offset, ok = at.pulled, true
	}
	s.Unlock()
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
	p, err := t.progressLocked(s, Pair{group, topic})
	if err != nil {
		return err
	}
	if err := s.setLocked(p, queue, offset); err != nil {
		return err
	}
	k := queueOf{p.pair, queue}
	if _, pending := s.resets[k]; !pending {
		t.resets.Add(1)
	}
	s.resets[k] = offset
	return nil
}

// TakeReset hands out a pending reset and forgets it. It costs one load when no
// reset is pending at all.
func (t *Table) TakeReset(group, topic string, queue int32) (offset int64, ok bool) {
	if t.resets.Load() == 0 {
		return none, false
	}
	k := queueOf{Pair{group, topic}, queue}
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	if offset, ok = s.resets[k]; !ok {
		return none, false
	}
	delete(s.resets, k)
	t.resets.Add(-1)
	return offset, true
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
