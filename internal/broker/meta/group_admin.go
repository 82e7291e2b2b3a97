package meta

import (
	"maps"
	"reflect"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Update makes or changes groups as an administrator asks. The keys of their
// Attributes carry a sign. All are checked before the first one is applied;
// errors are *protocol.Error. Sync makes the change durable.
func (g *Groups) Update(updates []*protocol.SubscriptionGroupConfig) error {
	for _, u := range updates {
		if err := protocol.ValidateGroup(u.GroupName); err != nil {
			return err
		}
	}
	changed, err := g.apply(updates)
	for _, c := range changed {
		g.cfg.Log.Info("group changed", "group", c.GroupName)
	}
	return err
}

func (g *Groups) apply(updates []*protocol.SubscriptionGroupConfig) ([]*protocol.SubscriptionGroupConfig, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := make([]*protocol.SubscriptionGroupConfig, 0, len(updates))
	created := 0
	for _, u := range updates {
		old, exists := g.Peek(u.GroupName)
		var current map[string]string
		if exists {
			current = old.Attributes
		} else {
			created++
		}
		attributes, err := alterAttributes(groupAttributes, !exists, current, u.Attributes)
		if err != nil {
			return nil, protocol.Errorf(protocol.RespSystemError, "%s", err)
		}
		c := *u
		c.GroupName = strings.Clone(u.GroupName)
		c.Attributes = attributes
		if len(attributes) == 0 {
			c.Attributes = nil // as in the table
		}
		if !exists || !reflect.DeepEqual(old, &c) {
			next = append(next, &c)
		}
	}
	if g.mu.count+created > MaxGroups {
		return nil, protocol.Errorf(protocol.RespSystemError, "the broker has %d groups and keeps at most %d", g.mu.count, MaxGroups)
	}
	changes := make([]groupChange, len(next))
	for i, c := range next {
		g.putLocked(c)
		changes[i].Group = c
	}
	if len(next) > 0 {
		g.changedLocked(changes...)
	}
	return next, nil
}

// Delete removes a group with its forbidden bits and tells whether it was there.
func (g *Groups) Delete(group string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, bits := g.removeLocked(group)
	if found || bits {
		g.changedLocked(groupChange{Deleted: group})
	}
	return found
}

// Readable tells whether a group may read a topic, as request 353 set it.
func (g *Groups) Readable(group, topic string) bool {
	return (*g.forbidden.Load())[group][topic]&protocol.ForbiddenRead == 0
}

// SetReadable allows or forbids a group to read a topic.
func (g *Groups) SetReadable(group, topic string, readable bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	topics := maps.Clone(g.Forbidden()[group])
	old := topics[topic]
	bits := old | protocol.ForbiddenRead
	if readable {
		bits = old &^ protocol.ForbiddenRead
	}
	if bits == old {
		return
	}
	if topics == nil {
		topics = make(map[string]int32)
	}
	topics[strings.Clone(topic)] = bits
	if bits == 0 {
		delete(topics, topic)
	}
	changed := map[string]map[string]int32{strings.Clone(group): topics}
	g.forbidLocked(changed)
	g.changedLocked(groupChange{Forbidden: changed})
}

// Forbidden gives the forbidden bits by group and topic. It must not be changed.
func (g *Groups) Forbidden() map[string]map[string]int32 { return *g.forbidden.Load() }
