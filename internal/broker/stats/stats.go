package stats

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMax is how many topics, and how many pairs of topic and group, are
// counted by name. What comes beyond is counted for the broker only; Skipped
// tells how often that happened.
const DefaultMax = 1 << 20

// idleHours is how many hourly snapshots without an addition make a topic
// forgotten: the day window spans 24 hours.
const idleHours = daySamples

// Config sets Stats up.
type Config struct {
	// Cluster is the key of the broker's own items, as in Java.
	Cluster string
	// System tells system topics and groups from users'. Nil: none is.
	System func(topic, group string) bool
	// Max bounds the topics and the pairs; DefaultMax when 0.
	Max int
}

// Stats holds all counters of a broker. See New.
type Stats struct {
	cfg Config

	topics  sync.Map // string -> *Topic
	pairs   sync.Map // pairKey -> *Pair
	nTopics atomic.Int64
	nPairs  atomic.Int64
	skipped atomic.Int64

	brokerPut, brokerPutUser Item
	brokerGet, brokerGetUser Item

	totals    Totals
	times     putTimes
	schedule  schedule
	clock     clock
	activity  activity
	latencies atomic.Int64 // that may still be made
	rates     rates
	days      days
}

// New returns counters at zero.
func New(cfg Config) *Stats {
	if cfg.Max <= 0 {
		cfg.Max = DefaultMax
	}
	if cfg.System == nil {
		cfg.System = func(string, string) bool { return false }
	}
	s := &Stats{cfg: cfg}
	s.latencies.Store(maxLatencies)
	return s
}

// Totals counts the broker's work since its start.
type Totals struct {
	Put        atomic.Int64 // messages stored
	PutBytes   atomic.Int64 // bytes of their records
	PutFailed  atomic.Int64 // messages refused by the store
	GetFound   atomic.Int64 // reads that gave something
	GetMiss    atomic.Int64 // reads that gave nothing
	Transfer   atomic.Int64 // messages handed out
	GetTimeMax atomic.Int64 // slowest read, ms
	PutTimeMax atomic.Int64 // slowest write, ms
}

// Totals gives the counters since the start. They may be read at any time.
func (s *Stats) Totals() *Totals { return &s.totals }

// Skipped is how many topics or pairs were not counted by name for want of room.
func (s *Stats) Skipped() int64 { return s.skipped.Load() }

// Put counts messages of one topic and queue that were stored: how many, the
// bytes of their records, and how long it took from the request to the result.
func (s *Stats) Put(topic string, queue int32, kind Kind, messages, bytes int64, took time.Duration) {
	s.totals.Put.Add(messages)
	s.totals.PutBytes.Add(bytes)
	s.times.add(took)
	raise(&s.totals.PutTimeMax, took.Milliseconds())
	s.brokerPut.Add(messages, 1)
	t := s.topic(topic)
	if t == nil {
		return
	}
	if !t.System {
		s.brokerPutUser.Add(messages, 1)
	}
	t.put.addBytes(messages, bytes)
	if i := t.putLatency.item(queue, &s.latencies); i != nil {
		i.Add(took.Milliseconds(), 1)
	}
	t.kind(kind).add(messages, bytes)
	s.activity.note(minute, t)
}

// PutFailed counts messages that the store refused.
func (s *Stats) PutFailed(messages int64) { s.totals.PutFailed.Add(messages) }

// Get counts messages of one queue handed to a group, and how long the read took.
func (s *Stats) Get(topic, group string, queue int32, messages, bytes int64, took time.Duration) {
	s.totals.GetFound.Add(1)
	s.totals.Transfer.Add(messages)
	raise(&s.totals.GetTimeMax, took.Milliseconds())
	s.brokerGet.Add(messages, 1)
	p := s.pair(topic, group)
	if p == nil {
		return
	}
	if !p.System {
		s.brokerGetUser.Add(messages, 1)
	}
	p.get.addBytes(messages, bytes)
	if i := p.getLatency.item(queue, &s.latencies); i != nil {
		i.Add(took.Milliseconds(), 1)
	}
	s.activity.note(minute, p)
}

// GetMiss counts a read that found nothing.
func (s *Stats) GetMiss() { s.totals.GetMiss.Add(1) }

// SendBack counts a message that a group sent back to be retried.
func (s *Stats) SendBack(topic, group string) {
	if p := s.pair(topic, group); p != nil {
		p.sendBack.Add(1, 1)
		s.activity.note(minute, p)
	}
}

// DeadLetter counts a message of topic that a group gave up.
func (s *Stats) DeadLetter(topic, group string) {
	if p := s.pair(topic, group); p != nil {
		p.deadLetter.Add(1, 1)
		s.activity.note(minute, p)
	}
}

// DropTopic forgets a deleted topic and its pairs.
func (s *Stats) DropTopic(topic string) {
	s.dropTopic(topic)
	s.dropPairs(func(k pairKey) bool { return k.topic == topic })
}

func (s *Stats) dropTopic(topic string) {
	if v, ok := s.topics.LoadAndDelete(topic); ok {
		s.nTopics.Add(-1)
		s.latencies.Add(v.(*Topic).putLatency.count())
	}
}

// DropGroup forgets a deleted group.
func (s *Stats) DropGroup(group string) {
	s.dropPairs(func(k pairKey) bool { return k.group == group })
}

func (s *Stats) dropPairs(match func(pairKey) bool) {
	for key := range s.pairs.Range {
		if k := key.(pairKey); match(k) {
			s.dropPair(k)
		}
	}
}

func (s *Stats) dropPair(k pairKey) {
	if v, ok := s.pairs.LoadAndDelete(k); ok {
		s.nPairs.Add(-1)
		s.latencies.Add(v.(*Pair).getLatency.count())
	}
}

// topic finds or makes the counters of a topic; nil when there is no room.
func (s *Stats) topic(name string) *Topic {
	if v, ok := s.topics.Load(name); ok {
		return v.(*Topic)
	}
	if s.nTopics.Load() >= int64(s.cfg.Max) {
		s.skipped.Add(1)
		return nil
	}
	name = strings.Clone(name) // the caller's may alias a frame
	v, loaded := s.topics.LoadOrStore(name, &Topic{Name: name, System: s.cfg.System(name, "")})
	if !loaded {
		s.nTopics.Add(1)
	}
	return v.(*Topic)
}

func (s *Stats) pair(topic, group string) *Pair {
	if v, ok := s.pairs.Load(pairKey{topic, group}); ok {
		return v.(*Pair)
	}
	if s.nPairs.Load() >= int64(s.cfg.Max) {
		s.skipped.Add(1)
		return nil
	}
	k := pairKey{strings.Clone(topic), strings.Clone(group)}
	v, loaded := s.pairs.LoadOrStore(k, &Pair{Topic: k.topic, Group: k.group, System: s.cfg.System(k.topic, k.group)})
	if !loaded {
		s.nPairs.Add(1)
	}
	return v.(*Pair)
}

type pairKey struct{ topic, group string }

// raise lifts an atomic maximum.
func raise(at *atomic.Int64, v int64) {
	for old := at.Load(); v > old; old = at.Load() {
		if at.CompareAndSwap(old, v) {
			return
		}
	}
}
