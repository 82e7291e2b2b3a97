package registry

import (
	"maps"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// ConsumerGroup gives a consumer group that is online.
func (r *Registry) ConsumerGroup(group string) (*Group, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	g, ok := r.consumers[group]
	return g, ok
}

// Subscription gives what an online group subscribes to of a topic. It must not
// be changed.
func (r *Registry) Subscription(group, topic string) (*protocol.SubscriptionData, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	g, ok := r.consumers[group]
	if !ok {
		return nil, false
	}
	s, ok := g.Subscriptions[topic]
	return s, ok
}

// ConsumerGroups lists the consumer groups that are online, by name.
func (r *Registry) ConsumerGroups() []*Group {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.SortedFunc(maps.Values(r.consumers), func(a, b *Group) int { return strings.Compare(a.Name, b.Name) })
}

// GroupsOf lists the consumer groups online that subscribe to a topic, by name.
func (r *Registry) GroupsOf(topic string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.topics[topic]))
}

// ProducerGroup gives the members of a producer group; none means it is not online.
func (r *Registry) ProducerGroup(group string) []*Member {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.producers[group] // replaced, never changed
}

// Producers gives all producer groups and their members.
func (r *Registry) Producers() map[string][]*Member {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return maps.Clone(r.producers)
}

// Producer gives the newest connection of a client with producers.
func (r *Registry) Producer(clientID string) (*Member, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	members := r.senders[clientID]
	if len(members) == 0 {
		return nil, false
	}
	return members[len(members)-1], true
}
