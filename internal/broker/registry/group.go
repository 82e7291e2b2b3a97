package registry

import (
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Channel is a client's connection as far as the registry needs to know it. The
// identity is never used again after the connection has closed.
type Channel interface {
	ID() uint64
	RemoteAddr() netip.AddrPort
}

// Client is who sent a heartbeat.
type Client struct {
	Channel  Channel
	ID       string // chosen by the client, not unique
	Language protocol.Language
	Version  int32
}

// Member is a client in a group. Everything but the time of its last heartbeat
// is fixed.
type Member struct {
	Client
	Type          protocol.ConsumeType
	Subscriptions Subscriptions // its own; none while they are not known
	shape         string
	seen          atomic.Int64 // ms
}

// Seen is the time of the last heartbeat, to the millisecond.
func (m *Member) Seen() time.Time { return time.UnixMilli(m.seen.Load()) }

func newMember(c Client, now time.Time) *Member {
	m := &Member{Client: c}
	m.seen.Store(now.UnixMilli())
	return m
}

// Group is a consumer group as it was at one moment. It is immutable.
type Group struct {
	Name             string
	ConsumeType      protocol.ConsumeType
	MessageModel     protocol.MessageModel
	ConsumeFromWhere protocol.ConsumeFromWhere
	// Subscriptions are those of all members together: of each topic the newest.
	Subscriptions Subscriptions
	// Mixed says that members differ in what they subscribe to.
	Mixed bool
	// Members in the order of their connections.
	Members []*Member

	shape       string // of all members, when they agree
	fingerprint int32  // of the last heartbeat of version 2, 0 when there was none
}

// Member gives the client's newest connection.
func (g *Group) Member(clientID string) (*Member, bool) {
	for _, m := range slices.Backward(g.Members) {
		if m.ID == clientID {
			return m, true
		}
	}
	return nil, false
}

// Of gives the member that is the connection.
func (g *Group) Of(channel uint64) (*Member, bool) {
	i, ok := find(g.Members, channel)
	if !ok {
		return nil, false
	}
	return g.Members[i], true
}

// ClientIDs lists the clients of all members; one with two connections is there twice.
func (g *Group) ClientIDs() []string {
	ids := make([]string, len(g.Members))
	for i, m := range g.Members {
		ids[i] = m.ID
	}
	return ids
}

func find(members []*Member, channel uint64) (int, bool) {
	return slices.BinarySearchFunc(members, channel, func(m *Member, id uint64) int {
		switch {
		case m.Channel.ID() < id:
			return -1
		case m.Channel.ID() > id:
			return 1
		}
		return 0
	})
}

// with returns members with the client in its place, and whether it is new.
func with(members []*Member, c Client, now time.Time) ([]*Member, bool) {
	i, known := find(members, c.Channel.ID())
	switch {
	case !known:
		return slices.Insert(slices.Clone(members), i, newMember(c, now)), true
	case members[i].ID != c.ID || members[i].Version != c.Version || members[i].Language != c.Language:
		members = slices.Clone(members)
		members[i] = newMember(c, now)
		return members, false
	}
	members[i].seen.Store(now.UnixMilli())
	return members, false
}

// without returns members without the connection, and whether it was there.
func without(members []*Member, channel uint64) ([]*Member, bool) {
	i, known := find(members, channel)
	if !known {
		return members, false
	}
	return slices.Delete(slices.Clone(members), i, i+1), true
}

// consuming returns members with the client in its place, as a heartbeat says, and
// whether it is new. Without subs the subscriptions stay what they were.
func consuming(members []*Member, h Heartbeat, d *protocol.ConsumerData) ([]*Member, bool) {
	next, joined := with(members, h.Client, h.Now)
	i, _ := find(next, h.Client.Channel.ID())
	m := next[i]
	var own *Member // as it was
	if k, known := find(members, h.Client.Channel.ID()); known {
		own = members[k]
	} else {
		own = &Member{}
	}
	subs := own.Subscriptions
	if !h.WithoutSub {
		subs = subs.updated(d.SubscriptionDataSet)
	}
	if m == own && m.Type == d.ConsumeType && sameMap(subs, own.Subscriptions) {
		return next, false
	}
	if m == own {
		m = newMember(h.Client, h.Now)
		next = slices.Clone(next)
		next[i] = m
	}
	m.Type, m.Subscriptions, m.shape = d.ConsumeType, subs, subs.shape()
	for _, other := range members { // equal shapes share their memory
		if other.shape == m.shape {
			m.shape = other.shape
			break
		}
	}
	return next, joined
}

// sameMap tells whether updated gave back what it was called on.
func sameMap(a, b Subscriptions) bool { return len(a) == len(b) && maps.Equal(a, b) }

// equal tells whether two groups differ in nothing but the time of heartbeats.
func (g *Group) equal(o *Group) bool {
	return g.ConsumeType == o.ConsumeType && g.MessageModel == o.MessageModel &&
		g.ConsumeFromWhere == o.ConsumeFromWhere && g.fingerprint == o.fingerprint && g.Mixed == o.Mixed &&
		slices.Equal(g.Members, o.Members) && maps.Equal(g.Subscriptions, o.Subscriptions)
}
