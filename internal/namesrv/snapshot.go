package namesrv

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// masterID is the broker id of a master.
const masterID = 0

// Member is one broker process of a group.
type Member struct {
	ID      int64
	Addr    string
	Filters []string // legacy filter servers; never written
}

// Group is all processes with one broker name: a master and its slaves. A
// *Group that a table gave out never changes.
type Group struct {
	Name, Cluster string
	Zone          string
	ActingMaster  bool     // a slave may stand in for a missing master
	Members       []Member // by ascending id
}

// member returns the position of id, or where it belongs.
func (g *Group) member(id int64) (int, bool) {
	return slices.BinarySearchFunc(g.Members, id, func(m Member, id int64) int { return cmp.Compare(m.ID, id) })
}

// hasMaster says whether a member has id 0.
func (g *Group) hasMaster() bool {
	_, ok := g.member(masterID)
	return ok
}

// clone returns a group that may be changed, Members included.
func (g *Group) clone() *Group {
	c := *g
	c.Members = slices.Clone(g.Members)
	return &c
}

// topicState is what the table knows of one topic. It is never changed, only
// replaced, so that it can be read without a lock.
type topicState struct {
	queues   []protocol.QueueData             // by ascending broker name
	mappings []protocol.TopicQueueMappingInfo // by ascending broker name; static topics only
}

func (t *topicState) queue(broker string) (int, bool) {
	return slices.BinarySearchFunc(t.queues, broker, func(q protocol.QueueData, name string) int { return cmp.Compare(q.BrokerName, name) })
}

func (t *topicState) mapping(broker string) (int, bool) {
	return slices.BinarySearchFunc(t.mappings, broker, func(m protocol.TopicQueueMappingInfo, name string) int { return cmp.Compare(m.BName, name) })
}

// with returns t with q put in place; t may be nil.
func (t *topicState) with(q protocol.QueueData) *topicState {
	if t == nil {
		return &topicState{queues: []protocol.QueueData{q}}
	}
	i, found := t.queue(q.BrokerName)
	next := &topicState{queues: slices.Clone(t.queues), mappings: t.mappings}
	if found {
		next.queues[i] = q
	} else {
		next.queues = slices.Insert(next.queues, i, q)
	}
	return next
}

// without returns t without a broker's entries, or nil when no queue is left.
func (t *topicState) without(broker string) *topicState {
	i, found := t.queue(broker)
	if found && len(t.queues) == 1 {
		return nil
	}
	next := &topicState{queues: t.queues, mappings: t.mappings}
	if found {
		next.queues = slices.Delete(slices.Clone(t.queues), i, i+1)
	}
	if j, ok := t.mapping(broker); ok {
		next.mappings = slices.Delete(slices.Clone(t.mappings), j, j+1)
	}
	return next
}

// withMapping returns t with m put in place.
func (t *topicState) withMapping(m protocol.TopicQueueMappingInfo) *topicState {
	i, found := t.mapping(m.BName)
	next := &topicState{queues: t.queues, mappings: slices.Clone(t.mappings)}
	if found {
		next.mappings[i] = m
	} else {
		next.mappings = slices.Insert(next.mappings, i, m)
	}
	return next
}

// process identifies a broker process: Java's key of the live table.
type process struct{ cluster, addr string }

// liveness is what the last registration and heartbeat of a process said.
type liveness struct {
	group   string
	last    time.Time
	timeout time.Duration
	version protocol.DataVersion
	conn    uint64
	haAddr  string
}

// snapshots is a map of immutable values with one writer and any number of
// readers without a lock.
type snapshots[V any] struct {
	m    sync.Map
	size int // the writer's
}

func (s *snapshots[V]) get(key string) *V {
	v, ok := s.m.Load(key)
	if !ok {
		return nil
	}
	return v.(*V)
}

func (s *snapshots[V]) put(key string, v *V) {
	if _, replaced := s.m.Swap(key, v); !replaced {
		s.size++
	}
}

func (s *snapshots[V]) remove(key string) {
	if _, found := s.m.LoadAndDelete(key); found {
		s.size--
	}
}

// all visits every entry, in no order. The writer may change the entries it visits.
func (s *snapshots[V]) all(yield func(string, *V) bool) {
	s.m.Range(func(k, v any) bool { return yield(k.(string), v.(*V)) })
}
