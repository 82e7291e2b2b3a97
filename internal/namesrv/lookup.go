package namesrv

import (
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// memberSyncTopic starts the names of the topics through which the members of a
// group find each other; their routes always show the true ids.
const memberSyncTopic = "rmq_sys_SYNC_BROKER_MEMBER_"

// Route is who serves a topic. Everything in it is shared: read only.
type Route struct {
	Queues   []protocol.QueueData
	Groups   []*Group
	Mappings []protocol.TopicQueueMappingInfo
}

// Route looks a topic up. It may run at any time, also during changes. It
// returns false when no broker of the topic is known.
//
// With acting (supportActingMaster), a group that allows it and has neither a
// master nor writable queues shows its smallest member with id 0.
func (t *Table) Route(topic string, acting bool) (Route, bool) {
	state := t.topics.get(topic)
	if state == nil {
		return Route{}, false
	}
	acting = acting && !strings.HasPrefix(topic, memberSyncTopic)
	r := Route{Queues: state.queues, Mappings: state.mappings, Groups: make([]*Group, 0, len(state.queues))}
	for _, q := range state.queues {
		g := t.groups.get(q.BrokerName)
		if g == nil {
			continue
		}
		if acting && g.ActingMaster && len(g.Members) > 0 && !g.hasMaster() && q.Perm&protocol.PermWrite == 0 {
			g = g.clone()
			g.Members[0].ID = masterID
		}
		r.Groups = append(r.Groups, g)
	}
	return r, len(r.Groups) > 0
}

// InZone keeps the groups of a zone, and those without a master so that clients
// can read on from slaves elsewhere. The result may be empty.
func (r Route) InZone(zone string) Route {
	out := Route{Mappings: r.Mappings}
	removed := map[string]bool{}
	for _, g := range r.Groups {
		if g.hasMaster() && !strings.EqualFold(g.Zone, zone) {
			removed[g.Name] = true
			continue
		}
		out.Groups = append(out.Groups, g)
	}
	for _, q := range r.Queues {
		if !removed[q.BrokerName] {
			out.Queues = append(out.Queues, q)
		}
	}
	return out
}

// Group returns a group by broker name, or nil. It may run at any time.
func (t *Table) Group(broker string) *Group { return t.groups.get(broker) }

// Groups returns all groups, sorted by name.
func (t *Table) Groups() []*Group {
	all := make([]*Group, 0, t.groups.size)
	for _, g := range t.groups.all {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Group) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// topicFilter selects topics for a list.
type topicFilter func(*topicState) bool

// The lists of codes 206, 311, 312 and 313. The flags of a topic are those of
// its first broker; Java takes an arbitrary one.
var (
	allTopics     topicFilter = func(*topicState) bool { return true }
	unitTopics    topicFilter = func(t *topicState) bool { return t.queues[0].TopicSysFlag&protocol.TopicSysFlagUnit != 0 }
	unitSubTopics topicFilter = func(t *topicState) bool { return t.queues[0].TopicSysFlag&protocol.TopicSysFlagUnitSub != 0 }
	onlySubTopics topicFilter = func(t *topicState) bool { return unitSubTopics(t) && !unitTopics(t) }
)

// Topics returns the names of the topics that filter keeps, in no order.
func (t *Table) Topics(filter topicFilter) []string {
	names := make([]string, 0, t.topics.size)
	for name, state := range t.topics.all {
		if filter(state) {
			names = append(names, name)
		}
	}
	return names
}

// ofCluster keeps the topics that a broker of the cluster serves.
func (t *Table) ofCluster(cluster string) topicFilter {
	names := t.clusters[cluster]
	return func(state *topicState) bool {
		return slices.ContainsFunc(state.queues, func(q protocol.QueueData) bool { _, ok := names[q.BrokerName]; return ok })
	}
}

// Sizes are the numbers of entries, for metrics.
type Sizes struct {
	Topics, Groups, Clusters, Processes int
}

// Sizes counts.
func (t *Table) Sizes() Sizes {
	return Sizes{Topics: t.topics.size, Groups: t.groups.size, Clusters: len(t.clusters), Processes: len(t.live)}
}
