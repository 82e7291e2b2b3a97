package registry

import (
	"fmt"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Limits bound what clients can make the registry keep.
type Limits struct {
	GroupsPerConn  int // producer and consumer groups of one connection together
	TopicsPerGroup int // subscriptions of one consumer group
}

// DefaultLimits are far above what a client needs.
var DefaultLimits = Limits{GroupsPerConn: 1 << 14, TopicsPerGroup: 1 << 14}

// Heartbeat is one heartbeat of a client.
type Heartbeat struct {
	Client    Client
	Now       time.Time
	Producers []string // groups
	Consumers []protocol.ConsumerData
	// Fingerprint is 0 in a heartbeat of version 1.
	Fingerprint int32
	// WithoutSub says that the subscriptions are those of the last heartbeat.
	WithoutSub bool
}

// Effects are what the broker has to do after an event.
type Effects struct {
	// Changes are the groups whose members must rebalance.
	Changes []Change
	// Gone are the groups whose last member has left.
	Gone []string
	// Close are connections whose clients are gone. They are out of the tables.
	Close []Channel
}

// Change tells that the members or the topics of a group changed.
type Change struct {
	Group   string
	Members []*Member // those to tell: all that are left
}

// Registry is the table of clients. See New.
type Registry struct {
	limits Limits

	mu        sync.RWMutex
	consumers map[string]*Group
	producers map[string][]*Member
	topics    map[string]map[string]struct{} // topic -> consumer groups
	conns     map[uint64]*memberships
	// senders are the connections of producers by client id.
	senders map[string][]*Member
}

// memberships are the groups of one connection.
type memberships struct {
	consumers, producers map[string]struct{}
	sender               string // client id in Registry.senders, when it has producers
}

// New returns an empty registry.
func New(limits Limits) *Registry {
	return &Registry{
		limits:    limits,
		consumers: make(map[string]*Group),
		producers: make(map[string][]*Member),
		topics:    make(map[string]map[string]struct{}),
		conns:     make(map[uint64]*memberships),
		senders:   make(map[string][]*Member),
	}
}

// Heartbeat takes a heartbeat in. Resend tells the client to send its
// subscriptions in full the next time (IS_SUB_CHANGE): always with version 1;
// with version 2 when another fingerprint is stored for one of the groups, or
// when the heartbeat left out subscriptions that are not known here, as after a
// restart. It fails when a limit would be passed; nothing is changed then.
func (r *Registry) Heartbeat(h Heartbeat) (e Effects, resend bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.conns[h.Client.Channel.ID()]
	if err := r.checkLocked(h, m); err != nil {
		return Effects{}, false, err
	}
	if m == nil {
		m = &memberships{consumers: make(map[string]struct{}), producers: make(map[string]struct{})}
	}
	resend = h.Fingerprint == 0
	for i := range h.Consumers {
		c := &h.Consumers[i]
		old := r.consumers[c.GroupName]
		switch {
		case old == nil:
			resend = resend || h.WithoutSub
		case old.fingerprint != 0 && old.fingerprint != h.Fingerprint:
			resend = true
		}
		m.consumers[c.GroupName] = struct{}{}
		if change, ok := r.consumeLocked(h, c, old); ok {
			e.Changes = append(e.Changes, change)
		}
	}
	for _, g := range h.Producers {
		m.producers[g] = struct{}{}
		r.producers[g], _ = with(r.producers[g], h.Client, h.Now)
	}
	r.senderLocked(h, m)
	if len(m.consumers)+len(m.producers) > 0 {
		r.conns[h.Client.Channel.ID()] = m
	}
	return e, resend, nil
}

func (r *Registry) checkLocked(h Heartbeat, m *memberships) error {
	groups := len(h.Producers) + len(h.Consumers)
	if m != nil && groups > 0 {
		groups = len(m.producers) + len(m.consumers)
		for _, g := range h.Producers {
			if _, known := m.producers[g]; !known {
				groups++
			}
		}
		for i := range h.Consumers {
			if _, known := m.consumers[h.Consumers[i].GroupName]; !known {
				groups++
			}
		}
	}
	if groups > r.limits.GroupsPerConn {
		return fmt.Errorf("client %s is in %d groups, at most %d are allowed for one connection", h.Client.ID, groups, r.limits.GroupsPerConn)
	}
	for i := range h.Consumers {
		c := &h.Consumers[i]
		if n := len(c.SubscriptionDataSet); n > r.limits.TopicsPerGroup {
			return fmt.Errorf("group %s subscribes to %d topics, at most %d are allowed", c.GroupName, n, r.limits.TopicsPerGroup)
		}
	}
	return nil
}

// senderLocked enters the client of a heartbeat with producers in the index.
func (r *Registry) senderLocked(h Heartbeat, m *memberships) {
	if len(h.Producers) == 0 {
		return
	}
	if m.sender != h.Client.ID {
		r.dropSenderLocked(h.Client.Channel.ID(), m)
	}
	m.sender = h.Client.ID
	r.senders[m.sender], _ = with(r.senders[m.sender], h.Client, h.Now)
}

func (r *Registry) dropSenderLocked(channel uint64, m *memberships) {
	left, _ := without(r.senders[m.sender], channel)
	if len(left) == 0 {
		delete(r.senders, m.sender)
	} else {
		r.senders[m.sender] = left
	}
	m.sender = ""
}

// consumeLocked applies one consumer entry of a heartbeat.
func (r *Registry) consumeLocked(h Heartbeat, c *protocol.ConsumerData, old *Group) (Change, bool) {
	next := &Group{
		Name: c.GroupName, ConsumeType: c.ConsumeType, MessageModel: c.MessageModel,
		ConsumeFromWhere: c.ConsumeFromWhere, fingerprint: h.Fingerprint,
	}
	if old == nil {
		old = &Group{}
	}
	joined, topics := false, false
	next.Members, joined = with(old.Members, h.Client, h.Now)
	next.Subscriptions = old.Subscriptions
	if !h.WithoutSub {
		next.Subscriptions, topics = subscribed(old.Subscriptions, c.SubscriptionDataSet)
		r.indexLocked(next.Name, old.Subscriptions, next.Subscriptions)
	}
	if !next.equal(old) {
		r.consumers[next.Name] = next
	}
	if !joined && !topics {
		return Change{}, false
	}
	return next.change()
}

// change is the effect of a new state of the group, if it has one.
func (g *Group) change() (Change, bool) {
	if g.MessageModel == protocol.Broadcasting || len(g.Members) == 0 {
		return Change{}, false
	}
	return Change{Group: g.Name, Members: g.Members}, true
}

// indexLocked keeps topic -> groups in step with a group's subscriptions.
func (r *Registry) indexLocked(group string, old, next map[string]*protocol.SubscriptionData) {
	for topic := range old {
		if next[topic] == nil {
			delete(r.topics[topic], group)
			if len(r.topics[topic]) == 0 {
				delete(r.topics, topic)
			}
		}
	}
	for topic := range next {
		if r.topics[topic] == nil {
			r.topics[topic] = make(map[string]struct{})
		}
		r.topics[topic][group] = struct{}{}
	}
}

// Unregister takes a connection out of the groups named; an empty name means none.
func (r *Registry) Unregister(channel uint64, producerGroup, consumerGroup string) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var e Effects
	m := r.conns[channel]
	if m == nil {
		return e
	}
	if producerGroup != "" {
		r.leaveProducersLocked(channel, producerGroup)
		if delete(m.producers, producerGroup); len(m.producers) == 0 {
			r.dropSenderLocked(channel, m)
		}
	}
	if consumerGroup != "" {
		r.leaveConsumersLocked(channel, consumerGroup, &e)
		delete(m.consumers, consumerGroup)
	}
	if len(m.consumers)+len(m.producers) == 0 {
		delete(r.conns, channel)
	}
	return e
}

// CloseChannel takes a closed connection out of all its groups.
func (r *Registry) CloseChannel(channel uint64) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var e Effects
	r.closeLocked(channel, &e)
	return e
}

func (r *Registry) closeLocked(channel uint64, e *Effects) {
	m := r.conns[channel]
	if m == nil {
		return
	}
	delete(r.conns, channel)
	r.dropSenderLocked(channel, m)
	for group := range m.producers {
		r.leaveProducersLocked(channel, group)
	}
	for group := range m.consumers {
		r.leaveConsumersLocked(channel, group, e)
	}
}

func (r *Registry) leaveProducersLocked(channel uint64, group string) {
	left, _ := without(r.producers[group], channel)
	if len(left) == 0 {
		delete(r.producers, group)
		return
	}
	r.producers[group] = left
}

func (r *Registry) leaveConsumersLocked(channel uint64, group string, e *Effects) {
	old := r.consumers[group]
	if old == nil {
		return
	}
	left, was := without(old.Members, channel)
	if !was {
		return
	}
	if len(left) == 0 {
		delete(r.consumers, group)
		r.indexLocked(group, old.Subscriptions, nil)
		e.Gone = append(e.Gone, group)
		return
	}
	next := *old
	next.Members = left
	r.consumers[group] = &next
	if change, ok := next.change(); ok {
		e.Changes = append(e.Changes, change)
	}
}

// Expire takes out every connection one of whose groups got no heartbeat for
// the timeout. Its other groups lose it as well, because it is to be closed.
func (r *Registry) Expire(now time.Time, consumers, producers time.Duration) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := make(map[uint64]Channel)
	note := func(members []*Member, timeout time.Duration) {
		for _, m := range members {
			if now.UnixMilli()-m.seen.Load() > timeout.Milliseconds() {
				gone[m.Channel.ID()] = m.Channel
			}
		}
	}
	for _, g := range r.consumers {
		note(g.Members, consumers)
	}
	for _, members := range r.producers {
		note(members, producers)
	}
	var e Effects
	for id, channel := range gone {
		r.closeLocked(id, &e)
		e.Close = append(e.Close, channel)
	}
	return e
}
