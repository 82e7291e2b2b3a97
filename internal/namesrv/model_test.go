package namesrv

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/protocol"
)

// model says the same as Table in the most direct way: plain maps, every
// question answered by looking at everything.
type model struct {
	queues  map[[2]string]protocol.QueueData // topic, broker
	members map[string]map[int64]string
	meta    map[string]Group // cluster, zone, acting
	in      map[[2]string]bool
	live    map[process]liveness
}

func newModel() *model {
	return &model{map[[2]string]protocol.QueueData{}, map[string]map[int64]string{}, map[string]Group{}, map[[2]string]bool{}, map[process]liveness{}}
}

func (m *model) register(now time.Time, r *Registration, o Options) error {
	p := process{r.Cluster, r.Addr}
	if l, ok := m.live[p]; ok && l.group != r.Broker {
		m.remove(p, l.group)
	}
	ids := m.members[r.Broker]
	holder, held := ids[r.ID]
	conflict := false
	if held && holder != r.Addr {
		l, ok := m.live[process{r.Cluster, holder}]
		conflict = ok && l.version.StateVersion > r.Version.StateVersion
	}
	if !held && !conflict && len(r.Topics) == 1 {
		return errFirstNotFull
	}
	fresh := ids == nil || !held
	if ids == nil {
		ids = map[int64]string{}
		m.members[r.Broker] = ids
		m.meta[r.Broker] = Group{Cluster: r.Cluster}
	}
	g := m.meta[r.Broker]
	g.ActingMaster, g.Zone = r.ActingMaster && !r.OldBroker, r.Zone
	m.meta[r.Broker] = g
	maps.DeleteFunc(ids, func(id int64, addr string) bool { return addr == r.Addr && id != r.ID })
	if conflict {
		delete(m.live, p)
		return nil
	}
	ids[r.ID] = r.Addr
	m.in[[2]string{r.Cluster, r.Broker}] = true
	old, seen := m.live[p]
	smallest := slices.Min(slices.Collect(maps.Keys(ids)))
	if r.ID == 0 || !r.OldBroker && r.ID == smallest {
		if o.DeleteUnregistered {
			maps.DeleteFunc(m.queues, func(k [2]string, _ protocol.QueueData) bool {
				return k[1] == r.Broker && !slices.ContainsFunc(r.Topics, func(e TopicEntry) bool { return e.Topic == k[0] })
			})
		}
		for _, e := range r.Topics {
			key := [2]string{e.Topic, r.Broker}
			_, listed := m.queues[key]
			if listed && !fresh && seen && old.version == r.Version {
				continue
			}
			q := protocol.QueueData{BrokerName: r.Broker, ReadQueueNums: e.Read, WriteQueueNums: e.Write, Perm: e.Perm, TopicSysFlag: e.TopicSysFlag}
			if r.ID != 0 && g.ActingMaster {
				q.Perm &^= protocol.PermWrite
			}
			m.queues[key] = q
		}
	}
	timeout := r.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	m.live[p] = liveness{group: r.Broker, last: now, timeout: timeout, version: r.Version, conn: r.Conn}
	return nil
}

func (m *model) remove(p process, broker string) {
	delete(m.live, p)
	ids := m.members[broker]
	if ids == nil {
		return
	}
	maps.DeleteFunc(ids, func(_ int64, addr string) bool { return addr == p.addr })
	_, master := ids[0]
	for key, q := range m.queues {
		switch {
		case key[1] != broker:
		case len(ids) == 0:
			delete(m.queues, key)
		case m.meta[broker].ActingMaster && !master:
			q.Perm &^= protocol.PermWrite
			m.queues[key] = q
		}
	}
	if len(ids) == 0 {
		delete(m.members, broker)
		delete(m.meta, broker)
		maps.DeleteFunc(m.in, func(k [2]string, _ bool) bool { return k[1] == broker })
	}
}

// compare checks everything that can be asked of the table, and the invariants.
func compare(t *rapid.T, table *Table, m *model, topics []string) {
	clusters := map[string][]string{}
	for key := range m.in {
		clusters[key[0]] = append(clusters[key[0]], key[1])
	}
	for _, names := range clusters {
		slices.Sort(names)
	}
	require.Equal(t, clusters, table.Clusters())
	require.Len(t, table.Groups(), len(m.members))
	for name, ids := range m.members {
		g := table.Group(name)
		require.NotNil(t, g)
		require.Equal(t, m.meta[name].Cluster, g.Cluster)
		require.Equal(t, m.meta[name].Zone, g.Zone)
		require.Equal(t, m.meta[name].ActingMaster, g.ActingMaster)
		have := map[int64]string{}
		for _, member := range g.Members {
			have[member.ID] = member.Addr
		}
		require.Equal(t, ids, have)
		require.True(t, slices.IsSortedFunc(g.Members, func(a, b Member) int { return int(a.ID - b.ID) }), "N2")
	}
	sizes := map[string]bool{}
	for _, topic := range topics {
		var want []protocol.QueueData
		for key, q := range m.queues {
			if key[0] == topic {
				want = append(want, q)
				sizes[topic] = true
			}
		}
		route, ok := table.Route(topic, false)
		require.Equal(t, len(want) > 0, ok, "N3: no queue without a group")
		require.ElementsMatch(t, want, route.Queues)
		require.Len(t, route.Groups, len(want))
	}
	live := map[process]liveness{}
	conns := map[uint64]int{}
	for p, l := range table.live {
		l := *l
		l.haAddr = ""
		live[p] = l
		conns[l.conn]++
		require.Contains(t, table.conns[l.conn], p)
	}
	require.Equal(t, m.live, live)
	require.Len(t, table.conns, len(conns))
	require.Equal(t, Sizes{Topics: len(sizes), Groups: len(m.members), Clusters: len(clusters), Processes: len(m.live)}, table.Sizes())
}

func TestTableAgainstModel(t *testing.T) {
	topics := []string{"t1", "t2", "t3"}
	rapid.Check(t, func(t *rapid.T) {
		table, m, now := NewTable(), newModel(), start
		o := Options{MaxTopics: 100, MaxBrokers: 100, DeleteUnregistered: rapid.Bool().Draw(t, "delete"), NotifyMinBrokerID: rapid.Bool().Draw(t, "notify")}
		pick := func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name) }
		name := func(prefix string, n int) string { return fmt.Sprint(prefix, pick(prefix, n)) }
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { compare(t, table, m, topics) },
			"register": func(t *rapid.T) {
				r := &Registration{
					Cluster: name("c", 2), Broker: name("b", 2), Addr: name("a", 4), ID: int64(pick("id", 3)),
					Zone: name("z", 2), OldBroker: pick("old", 4) == 0, ActingMaster: pick("acting", 2) == 0,
					Version: protocol.DataVersion{StateVersion: int64(pick("state", 2)), Counter: int64(pick("counter", 2))},
					Conn:    uint64(pick("conn", 3)), Timeout: time.Duration(pick("timeout", 2)) * time.Second,
				}
				for _, topic := range topics {
					if pick("has", 3) > 0 {
						r.Topics = append(r.Topics, TopicEntry{Topic: topic, Perm: int32(pick("perm", 8)), Read: 1})
					}
				}
				_, _, err := table.Register(now, r, o)
				want := m.register(now, r, o)
				require.Equal(t, want == nil, err == nil)
			},
			"heartbeat": func(t *rapid.T) {
				p := process{name("c", 2), name("a", 4)}
				l, ok := m.live[p]
				v, known := table.Heartbeat(now, p.cluster, p.addr)
				require.Equal(t, ok, known)
				if ok {
					require.Equal(t, l.version, v)
					l.last = now
					m.live[p] = l
				}
			},
			"time": func(*rapid.T) { now = now.Add(time.Duration(pick("ms", 70000)) * time.Millisecond) },
			"expire": func(t *rapid.T) {
				table.Expire(now, o)
				for p, l := range m.live {
					if now.Sub(l.last) > l.timeout {
						m.remove(p, l.group)
					}
				}
			},
			"close": func(t *rapid.T) {
				conn := uint64(pick("conn", 3))
				table.ConnClosed(conn, o)
				for p, l := range m.live {
					if l.conn == conn {
						m.remove(p, l.group)
					}
				}
			},
			"unregister": func(t *rapid.T) {
				p, broker := process{name("c", 2), name("a", 4)}, name("b", 2)
				table.Unregister(p.cluster, broker, p.addr, int64(pick("id", 3)), o)
				l, ok := m.live[p]
				m.remove(p, broker)
				if ok {
					m.remove(p, l.group)
				}
			},
			"delete": func(t *rapid.T) {
				topic, cluster := name("t", 4), []string{"", "c0", "c1"}[pick("of", 3)]
				table.DeleteTopic(topic, cluster)
				maps.DeleteFunc(m.queues, func(k [2]string, _ protocol.QueueData) bool {
					return k[0] == topic && (cluster == "" || m.in[[2]string{cluster, k[1]}])
				})
			},
			"writable": func(t *rapid.T) {
				broker, writable := name("b", 2), pick("writable", 2) == 0
				n := table.SetWritable(broker, writable)
				for k, q := range m.queues {
					if k[1] != broker {
						continue
					}
					n--
					q.Perm &^= protocol.PermWrite
					if writable {
						q.Perm = protocol.PermRead | protocol.PermWrite
					}
					m.queues[k] = q
				}
				require.Zero(t, n)
			},
			"registerTopic": func(t *rapid.T) {
				q := protocol.QueueData{BrokerName: name("b", 2), Perm: int32(pick("perm", 8))}
				topic := topics[pick("topic", 3)]
				require.NoError(t, table.RegisterTopic(topic, []protocol.QueueData{q}, o))
				if m.members[q.BrokerName] != nil {
					m.queues[[2]string{topic, q.BrokerName}] = q
				}
			},
		})
	})
}

// Whatever a reader sees during changes is one whole state of a topic.
func TestRoutesAreReadDuringChanges(t *testing.T) {
	table := NewTable()
	done := make(chan struct{})
	readers := make(chan error, 2)
	for range 2 {
		go func() {
			for {
				select {
				case <-done:
					readers <- nil
					return
				default:
				}
				if route, ok := table.Route("t", true); ok && len(route.Queues) > 0 && route.Queues[0].ReadQueueNums != route.Queues[0].WriteQueueNums {
					readers <- fmt.Errorf("torn: %+v", route.Queues)
					return
				}
			}
		}()
	}
	for i := range 2000 {
		r := acting(reg(int64(i%2), fmt.Sprint("a", i%2), int64(i), "t", "u"))
		r.Topics[0].Read, r.Topics[0].Write = int32(i), int32(i)
		_, _, err := table.Register(start, r, roomy)
		require.NoError(t, err)
		if i%7 == 0 {
			table.Unregister("c", "b", "a0", 0, roomy)
		}
	}
	close(done)
	for range 2 {
		require.NoError(t, <-readers)
	}
}
