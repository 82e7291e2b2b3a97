package namesrv

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Heartbeat renews a process (codes 322 and 904). It returns the data version it
// registered, or ok false when it is not known; then nothing happens.
func (t *Table) Heartbeat(now time.Time, cluster, addr string) (v protocol.DataVersion, ok bool) {
	l := t.live[process{cluster, addr}]
	if l == nil {
		return protocol.DataVersion{}, false
	}
	l.last = now
	return l.version, true
}

// Unregister takes a process out (code 104). What is not known is left alone.
func (t *Table) Unregister(cluster, broker, addr string, id int64, o Options) []Effect {
	p := process{cluster, addr}
	list := []leaving{{p, broker, id}}
	if l := t.live[p]; l != nil && l.group != broker {
		list = append(list, t.leavingOf(p, l)) // what it says and what it registered differ
	}
	return t.leave(list, o)
}

// Expire takes out every process that was silent for longer than its timeout,
// and asks to close its connection.
func (t *Table) Expire(now time.Time, o Options) []Effect {
	var gone []leaving
	var effects []Effect
	for p, l := range t.live {
		if now.Sub(l.last) > l.timeout {
			gone = append(gone, t.leavingOf(p, l))
			effects = append(effects, CloseConn{l.conn})
		}
	}
	slices.SortFunc(effects, func(a, b Effect) int { return cmp.Compare(a.(CloseConn).Conn, b.(CloseConn).Conn) })
	return append(slices.Compact(effects), t.leave(gone, o)...)
}

// ConnClosed takes out every process that registered last on the connection. A
// Java nameserver takes out one of them and leaves the others to their timeout.
func (t *Table) ConnClosed(conn uint64, o Options) []Effect {
	var gone []leaving
	for p := range t.conns[conn] {
		gone = append(gone, t.leavingOf(p, t.live[p]))
	}
	return t.leave(gone, o)
}

// leaving is a process on its way out.
type leaving struct {
	process
	group string
	id    int64
}

func (t *Table) leavingOf(p process, l *liveness) leaving {
	out := leaving{process: p, group: l.group, id: math.MinInt64}
	if g := t.groups.get(l.group); g != nil {
		for _, m := range g.Members {
			if m.Addr == p.addr {
				out.id = m.ID
			}
		}
	}
	return out
}

// leave takes processes out of everything, looking at each topic once.
func (t *Table) leave(list []leaving, o Options) []Effect {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b leaving) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.id, b.id), cmp.Compare(a.addr, b.addr))
	})
	gone, masterless := map[string]bool{}, map[string]bool{}
	offline := map[string]string{} // group to the address that held its smallest id
	var order []string
	for _, l := range list {
		t.forget(l.process)
		old := t.groups.get(l.group)
		if old == nil {
			continue
		}
		g := old.clone()
		g.Members = slices.DeleteFunc(g.Members, func(m Member) bool { return m.Addr == l.addr })
		removed := len(g.Members) < len(old.Members)
		if removed {
			t.publish(g)
		}
		switch {
		case len(g.Members) == 0:
			gone[l.group] = true
			delete(masterless, l.group)
			delete(offline, l.group)
			continue
		case g.ActingMaster && !g.hasMaster():
			masterless[l.group] = true
		}
		if removed && old.Members[0].ID == l.id {
			order = append(order, l.group)
			offline[l.group] = l.addr
		}
	}
	t.cleanTopics(gone, masterless)
	var effects []Effect
	for _, name := range slices.Compact(order) {
		addr, ok := offline[name]
		if g := t.groups.get(name); ok && g != nil && g.ActingMaster && o.NotifyMinBrokerID {
			effects = append(effects, minBroker(g, addr, ""))
		}
	}
	return effects
}

// cleanTopics removes the queues of groups that are gone, and the write
// permission of groups that have no master and let a slave stand in.
func (t *Table) cleanTopics(gone, masterless map[string]bool) {
	if len(gone) == 0 && len(masterless) == 0 {
		return
	}
	for topic, state := range t.topics.all {
		next := state
		for _, q := range state.queues {
			switch {
			case gone[q.BrokerName]:
				next = next.without(q.BrokerName)
			case masterless[q.BrokerName] && q.Perm&protocol.PermWrite != 0:
				q.Perm &^= protocol.PermWrite
				next = next.with(q)
			}
		}
		if next == nil {
			t.topics.remove(topic)
		} else if next != state {
			t.topics.put(topic, next)
		}
	}
}
