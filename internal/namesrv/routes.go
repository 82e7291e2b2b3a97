package namesrv

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// DefaultTimeout is how long a broker that states no heartbeat timeout may be
// silent (Java: DEFAULT_BROKER_CHANNEL_EXPIRED_TIME).
const DefaultTimeout = 2 * time.Minute

// maxName bounds each name and address of a registration, in bytes. Topic names
// have at most 255; the rest is generous.
const maxName = 1024

// Options are the configuration keys that the state machine depends on. They
// may change between calls.
type Options struct {
	ActingMaster       bool // supportActingMaster
	NotifyMinBrokerID  bool // notifyMinBrokerIdChanged
	DeleteUnregistered bool // deleteTopicWithBrokerRegistration
	MaxTopics          int  // entries of the topic table
	MaxBrokers         int  // broker processes
}

// Table is the state of a nameserver. Calls that change it must not overlap.
// Route and Group may run at any time; the other reads must not overlap changes.
type Table struct {
	topics   snapshots[topicState]
	groups   snapshots[Group]
	clusters map[string]map[string]struct{} // cluster to broker names
	live     map[process]*liveness
	conns    map[uint64]map[process]struct{} // connection to the processes that registered on it
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{
		clusters: map[string]map[string]struct{}{},
		live:     map[process]*liveness{},
		conns:    map[uint64]map[process]struct{}{},
	}
}

// TopicEntry is one topic of a registration.
type TopicEntry struct {
	Topic              string
	Read, Write        int32
	Perm, TopicSysFlag int32
}

// Registration is what a broker says about itself (code 103).
type Registration struct {
	Cluster, Broker, Addr, HAAddr string
	ID                            int64
	Zone                          string
	Timeout                       time.Duration // 0: DefaultTimeout
	OldBroker                     bool          // from before 5.0: enableActingMaster was absent
	ActingMaster                  bool
	Version                       protocol.DataVersion
	Topics                        []TopicEntry
	Mappings                      []protocol.TopicQueueMappingInfo
	Filters                       []string // nil leaves the registered ones
	Conn                          uint64   // identifies the connection
}

// Registered is the answer to a registration: where the master is, for a slave.
type Registered struct {
	MasterAddr, HAAddr string
}

// Effect is something the driver has to do after a change: CloseConn or NotifyMinBroker.
type Effect interface{ effect() }

// CloseConn asks to close a connection whose broker went silent.
type CloseConn struct{ Conn uint64 }

// NotifyMinBroker asks to send code 905 to brokers of a group.
type NotifyMinBroker struct {
	To          []string // addresses
	MinID       int64
	MinAddr     string
	OfflineAddr string // "" when a broker joined
	HAAddr      string // of the broker that joined, "" otherwise
}

func (CloseConn) effect()       {}
func (NotifyMinBroker) effect() {}

// limitError is a registration that was refused as a whole.
type limitError struct{ text string }

func (e *limitError) Error() string { return e.text }

// errFirstNotFull refuses a registration of one single topic before a full one:
// the broker would otherwise be in the routes with that topic only.
var errFirstNotFull = &limitError{"register broker failed"}

// Register takes a registration at the time now.
//
// A process whose id is held by another address with a greater state version is
// not taken, and not told either: the answer is a success without addresses.
func (t *Table) Register(now time.Time, r *Registration, o Options) (Registered, []Effect, error) {
	if err := t.admit(r, o); err != nil {
		return Registered{}, nil, err
	}
	p := process{r.Cluster, r.Addr}
	var effects []Effect
	if l := t.live[p]; l != nil && l.group != r.Broker {
		effects = t.leave([]leaving{t.leavingOf(p, l)}, o) // the process has a new name
	}
	old := t.groups.get(r.Broker)
	g := &Group{Name: r.Broker, Cluster: r.Cluster}
	if old != nil {
		g = old.clone()
	}
	prevMin := int64(masterID)
	if len(g.Members) > 0 {
		prevMin = g.Members[0].ID
	}
	g.ActingMaster, g.Zone = r.ActingMaster && !r.OldBroker, r.Zone
	var filters []string
	g.Members = slices.DeleteFunc(g.Members, func(m Member) bool {
		if m.Addr == r.Addr {
			filters = m.Filters
		}
		return m.Addr == r.Addr && m.ID != r.ID
	})
	i, known := g.member(r.ID)
	if known && g.Members[i].Addr != r.Addr {
		holder := t.live[process{r.Cluster, g.Members[i].Addr}]
		if holder != nil && holder.version.StateVersion > r.Version.StateVersion {
			t.forget(p)
			t.publish(g)
			return Registered{}, effects, nil
		}
	}
	if !known && len(r.Topics) == 1 {
		return Registered{}, effects, errFirstNotFull
	}
	if r.Filters != nil {
		filters = r.Filters
	}
	self := Member{ID: r.ID, Addr: r.Addr, Filters: filters}
	if known {
		g.Members[i] = self
	} else {
		g.Members = slices.Insert(g.Members, i, self)
	}
	t.join(r.Cluster, r.Broker)
	t.groups.put(r.Broker, g)
	first := old == nil || !known
	if r.ID == masterID || !r.OldBroker && g.Members[0].ID == r.ID {
		t.takeTopics(r, g, first, o)
	}
	t.renew(p, now, r)
	if r.ID < prevMin && o.NotifyMinBrokerID {
		effects = append(effects, minBroker(g, "", r.HAAddr))
	}
	return t.master(r.ID, r.Cluster, g), effects, nil
}

// admit checks names and limits before anything is changed.
func (t *Table) admit(r *Registration, o Options) error {
	for _, name := range []string{r.Cluster, r.Broker, r.Addr} {
		if name == "" || len(name) > maxName {
			return &limitError{fmt.Sprintf("clusterName, brokerName and brokerAddr must have 1 to %d bytes, one has %d", maxName, len(name))}
		}
	}
	if len(r.Zone) > maxName || len(r.HAAddr) > maxName {
		return &limitError{fmt.Sprintf("haServerAddr and zone must have at most %d bytes", maxName)}
	}
	if t.live[process{r.Cluster, r.Addr}] == nil && len(t.live) >= o.MaxBrokers {
		return &limitError{fmt.Sprintf("%d brokers are registered, aerobeeMaxBrokers allows no more", len(t.live))}
	}
	fresh := 0
	for i := range r.Topics {
		name := r.Topics[i].Topic
		if name == "" || len(name) > maxName {
			return &limitError{fmt.Sprintf("a topic name must have 1 to %d bytes, one has %d", maxName, len(name))}
		}
		if t.topics.get(name) == nil {
			fresh++
		}
	}
	if fresh > 0 && t.topics.size+fresh > o.MaxTopics {
		return &limitError{fmt.Sprintf("%d topics are registered and %d would be new, aerobeeMaxTopics allows %d", t.topics.size, fresh, o.MaxTopics)}
	}
	return nil
}

// publish stores a changed group, or removes it when it lost its last member.
func (t *Table) publish(g *Group) {
	if len(g.Members) == 0 {
		t.dropGroup(g.Name)
		return
	}
	t.groups.put(g.Name, g)
}

// join enters a group in a cluster's list.
func (t *Table) join(cluster, broker string) {
	names := t.clusters[cluster]
	if names == nil {
		names = map[string]struct{}{}
		t.clusters[cluster] = names
	}
	names[broker] = struct{}{}
}

// dropGroup removes a group and its cluster entries, but not its topics.
func (t *Table) dropGroup(name string) {
	t.groups.remove(name)
	for cluster, names := range t.clusters {
		delete(names, name)
		if len(names) == 0 {
			delete(t.clusters, cluster)
		}
	}
}

// renew replaces the liveness of a process by what its registration says.
func (t *Table) renew(p process, now time.Time, r *Registration) {
	t.forget(p)
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	t.live[p] = &liveness{group: r.Broker, last: now, timeout: timeout, version: r.Version, conn: r.Conn, haAddr: r.HAAddr}
	of := t.conns[r.Conn]
	if of == nil {
		of = map[process]struct{}{}
		t.conns[r.Conn] = of
	}
	of[p] = struct{}{}
}

// forget removes the liveness of a process, if there is one.
func (t *Table) forget(p process) {
	l := t.live[p]
	if l == nil {
		return
	}
	delete(t.live, p)
	of := t.conns[l.conn]
	delete(of, p)
	if len(of) == 0 {
		delete(t.conns, l.conn)
	}
}

// master returns where the live master is, for a member other than the master.
func (t *Table) master(id int64, cluster string, g *Group) Registered {
	i, ok := g.member(masterID)
	if id == masterID || !ok {
		return Registered{}
	}
	addr := g.Members[i].Addr
	if l := t.live[process{cluster, addr}]; l != nil {
		return Registered{MasterAddr: addr, HAAddr: l.haAddr}
	}
	return Registered{}
}

// takeTopics enters the topics of a master, or of the smallest slave while there
// is no master. Topics that are not named stay.
func (t *Table) takeTopics(r *Registration, g *Group, first bool, o Options) {
	prev := t.live[process{r.Cluster, r.Addr}]
	changed := first || prev == nil || prev.version != r.Version
	if o.DeleteUnregistered && len(r.Mappings) == 0 {
		t.deleteOthers(g.Name, r.Topics)
	}
	for i := range r.Topics {
		e := &r.Topics[i]
		state := t.topics.get(e.Topic)
		at, listed := 0, false
		if state != nil {
			at, listed = state.queue(g.Name)
		}
		if listed && !changed {
			continue
		}
		q := protocol.QueueData{BrokerName: g.Name, ReadQueueNums: e.Read, WriteQueueNums: e.Write, Perm: e.Perm, TopicSysFlag: e.TopicSysFlag}
		if r.ID != masterID && g.ActingMaster {
			q.Perm &^= protocol.PermWrite
		}
		if !listed || state.queues[at] != q {
			t.topics.put(e.Topic, state.with(q))
		}
	}
	if !changed {
		return
	}
	for _, m := range r.Mappings {
		if state := t.topics.get(m.Topic); state != nil && len(m.BName) <= maxName {
			t.topics.put(m.Topic, state.withMapping(m))
		}
	}
}

// deleteOthers takes a broker out of all topics that are not listed.
func (t *Table) deleteOthers(broker string, listed []TopicEntry) {
	keep := make(map[string]struct{}, len(listed))
	for i := range listed {
		keep[listed[i].Topic] = struct{}{}
	}
	for topic, state := range t.topics.all {
		if _, ok := keep[topic]; !ok {
			t.cut(topic, state, broker)
		}
	}
}

// cut takes a broker out of a topic, and the topic out of the table when no
// broker is left.
func (t *Table) cut(topic string, state *topicState, broker string) {
	if _, ok := state.queue(broker); !ok {
		return
	}
	if next := state.without(broker); next != nil {
		t.topics.put(topic, next)
	} else {
		t.topics.remove(topic)
	}
}

// minBroker makes the notification that the smallest id of a group changed. A
// broker that left is told to all the others; one that joined to those that
// were there before, or to itself when it is alone.
func minBroker(g *Group, offline, ha string) NotifyMinBroker {
	n := NotifyMinBroker{MinID: g.Members[0].ID, MinAddr: g.Members[0].Addr, OfflineAddr: offline, HAAddr: ha}
	for i, m := range g.Members {
		if offline != "" || len(g.Members) == 1 || i > 0 {
			n.To = append(n.To, m.Addr)
		}
	}
	return n
}

// RegisterTopic enters queues of a topic (code 217). Unless every broker named
// is known, nothing happens.
func (t *Table) RegisterTopic(topic string, queues []protocol.QueueData, o Options) error {
	if topic == "" || len(topic) > maxName {
		return &limitError{fmt.Sprintf("a topic name must have 1 to %d bytes, this one has %d", maxName, len(topic))}
	}
	state := t.topics.get(topic)
	if state == nil && t.topics.size >= o.MaxTopics {
		return &limitError{fmt.Sprintf("%d topics are registered, aerobeeMaxTopics allows no more", t.topics.size)}
	}
	for _, q := range queues {
		g := t.groups.get(q.BrokerName)
		if g == nil {
			return nil
		}
		q.BrokerName = g.Name
		state = state.with(q)
	}
	if state != nil {
		t.topics.put(topic, state)
	}
	return nil
}

// DeleteTopic removes a topic (code 216), or with a cluster only the queues of
// that cluster's brokers. A broker that still has it brings it back with its
// next registration.
func (t *Table) DeleteTopic(topic, cluster string) {
	if cluster == "" {
		t.topics.remove(topic)
		return
	}
	for broker := range t.clusters[cluster] {
		if state := t.topics.get(topic); state != nil {
			t.cut(topic, state, broker)
		}
	}
}

// SetWritable gives or takes the write permission of all topics of a broker
// (codes 327 and 205) and counts them. Giving sets exactly read and write, as
// in Java. It lasts until the broker registers another data version.
func (t *Table) SetWritable(broker string, writable bool) int {
	n := 0
	for topic, state := range t.topics.all {
		i, ok := state.queue(broker)
		if !ok {
			continue
		}
		n++
		q := state.queues[i]
		q.Perm &^= protocol.PermWrite
		if writable {
			q.Perm = protocol.PermRead | protocol.PermWrite
		}
		if q != state.queues[i] {
			t.topics.put(topic, state.with(q))
		}
	}
	return n
}

// Clusters returns the broker names of every cluster, sorted.
func (t *Table) Clusters() map[string][]string {
	all := make(map[string][]string, len(t.clusters))
	for cluster, names := range t.clusters {
		all[cluster] = slices.Sorted(maps.Keys(names))
	}
	return all
}
