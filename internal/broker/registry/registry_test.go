package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/protocol"
)

type channel uint64

func (c channel) ID() uint64                 { return uint64(c) }
func (c channel) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

var start = time.UnixMilli(1_700_000_000_000)

// client makes a heartbeat of one client on one connection.
func client(conn uint64, id string) Heartbeat {
	return Heartbeat{Client: Client{Channel: channel(conn), ID: id, Version: protocol.Version}, Now: start}
}

func (h Heartbeat) at(d time.Duration) Heartbeat { h.Now = start.Add(d); return h }

func (h Heartbeat) v2(fingerprint int32, withoutSub bool) Heartbeat {
	h.Fingerprint, h.WithoutSub = fingerprint, withoutSub
	return h
}

func (h Heartbeat) consumes(group string, topics ...string) Heartbeat {
	return h.consumesAt(1, protocol.Clustering, group, topics...)
}

func (h Heartbeat) consumesAt(version int64, model protocol.MessageModel, group string, topics ...string) Heartbeat {
	c := protocol.ConsumerData{GroupName: group, MessageModel: model, ConsumeType: protocol.ConsumePassively}
	for _, topic := range topics {
		c.SubscriptionDataSet = append(c.SubscriptionDataSet, protocol.SubscriptionData{
			Topic: topic, SubString: fmt.Sprint("v", version), SubVersion: version,
		})
	}
	h.Consumers = append(h.Consumers, c)
	return h
}

func beat(t require.TestingT, r *Registry, h Heartbeat) Effects {
	e, _, err := r.Heartbeat(h)
	require.NoError(t, err)
	return e
}

// told lists "group:connections" of the changes.
func told(e Effects) (out []string) {
	for _, c := range e.Changes {
		s := c.Group + ":"
		for _, m := range c.Members {
			s += fmt.Sprint(m.Channel.ID())
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func TestMembershipChangesAreTold(t *testing.T) {
	r := New(DefaultLimits)
	require.Equal(t, []string{"g:1"}, told(beat(t, r, client(1, "a").consumes("g", "t"))))
	require.Empty(t, told(beat(t, r, client(1, "a").consumes("g", "t").at(time.Second))))
	require.Equal(t, []string{"g:12"}, told(beat(t, r, client(2, "b").consumes("g", "t"))))
	require.Empty(t, told(beat(t, r, client(2, "c").consumes("g", "t"))), "another id on a connection is no change")
	require.Equal(t, []string{"g:12"}, told(beat(t, r, client(1, "a").consumes("g", "t", "u"))), "a topic came")
	require.Empty(t, told(beat(t, r, client(1, "a").consumes("g", "u"))), "the other still has it")
	require.Equal(t, []string{"g:12"}, told(beat(t, r, client(2, "c").consumes("g", "u"))), "a topic went")
	require.Equal(t, []string{"g"}, r.GroupsOf("u"))
	require.Empty(t, r.GroupsOf("t"))
	require.Equal(t, []string{"g:2"}, told(r.Unregister(1, "", "g")))
	require.Empty(t, told(r.CloseChannel(2)), "nobody is left to tell")
	_, online := r.ConsumerGroup("g")
	require.False(t, online)
	require.Empty(t, r.GroupsOf("u"))
}

func TestBroadcastingGroupsAreNotTold(t *testing.T) {
	r := New(DefaultLimits)
	for conn := range uint64(3) {
		require.Empty(t, told(beat(t, r, client(conn, "a").consumesAt(1, protocol.Broadcasting, "g", "t"))))
	}
	require.Empty(t, told(r.CloseChannel(1)))
	g, _ := r.ConsumerGroup("g")
	require.Len(t, g.Members, 2)
}

func TestSubscriptionsFollowTheirVersion(t *testing.T) {
	r := New(DefaultLimits)
	beat(t, r, client(1, "a").consumesAt(5, protocol.Clustering, "g", "t"))
	for _, c := range []struct {
		version int64
		want    string
	}{{4, "v5"}, {5, "v5"}, {6, "v6"}} {
		require.Empty(t, told(beat(t, r, client(1, "a").consumesAt(c.version, protocol.Clustering, "g", "t"))))
		s, ok := r.Subscription("g", "t")
		require.True(t, ok)
		require.Equal(t, c.want, s.SubString)
	}
	_, ok := r.Subscription("g", "u")
	require.False(t, ok)
	_, ok = r.Subscription("h", "t")
	require.False(t, ok)
}

func TestResend(t *testing.T) {
	r := New(DefaultLimits)
	resend := func(h Heartbeat) bool {
		_, again, err := r.Heartbeat(h)
		require.NoError(t, err)
		return again
	}
	require.True(t, resend(client(1, "a").consumes("g", "t")), "version 1: always")
	r.CloseChannel(1)
	require.False(t, resend(client(1, "a").consumes("g", "t").v2(7, false)), "never seen")
	require.False(t, resend(client(1, "a").consumes("g").v2(7, true)))
	_, ok := r.Subscription("g", "t")
	require.True(t, ok, "a heartbeat without subscriptions leaves them alone")
	require.True(t, resend(client(2, "b").consumes("g").v2(8, true)), "another fingerprint")
	r.CloseChannel(1)
	r.CloseChannel(2)
	require.True(t, resend(client(1, "a").consumes("g").v2(7, true)), "the subscriptions are not known")
}

func TestExpiry(t *testing.T) {
	r := New(DefaultLimits)
	beat(t, r, client(1, "a").consumes("g", "t"))
	h := client(2, "b").consumes("g", "t").at(100 * time.Second)
	h.Producers = []string{"p"}
	beat(t, r, h)
	require.Zero(t, r.Expire(start.Add(120*time.Second), 120*time.Second, 120*time.Second))
	e := r.Expire(start.Add(121*time.Second), 120*time.Second, 120*time.Second)
	require.Equal(t, []Channel{channel(1)}, e.Close)
	require.Equal(t, []string{"g:2"}, told(e))
	require.Len(t, r.ProducerGroup("p"), 1)
	e = r.Expire(start.Add(400*time.Second), time.Hour, 120*time.Second)
	require.Equal(t, []Channel{channel(2)}, e.Close, "its consumer goes with the producer")
	require.Empty(t, r.ConsumerGroups())
	require.Empty(t, r.Producers())
}

func TestLimits(t *testing.T) {
	r := New(Limits{GroupsPerConn: 2, TopicsPerGroup: 2})
	h := client(1, "a").consumes("g", "t", "u")
	h.Producers = []string{"p"}
	beat(t, r, h)
	beat(t, r, h)
	_, _, err := r.Heartbeat(client(1, "a").consumes("h", "t"))
	require.EqualError(t, err, "client a is in 3 groups, at most 2 are allowed for one connection")
	_, _, err = r.Heartbeat(client(1, "a").consumes("g", "t", "u", "v"))
	require.EqualError(t, err, "group g subscribes to 3 topics, at most 2 are allowed")
	_, online := r.ConsumerGroup("h")
	require.False(t, online)
	r.Unregister(1, "p", "")
	beat(t, r, client(1, "a").consumes("h", "t"))
}

func TestProducersByClient(t *testing.T) {
	r := New(DefaultLimits)
	produces := func(conn uint64, id string, groups ...string) {
		h := client(conn, id)
		h.Producers = groups
		beat(t, r, h)
	}
	conn := func(id string) uint64 {
		m, ok := r.Producer(id)
		if !ok {
			return 0
		}
		return m.Channel.ID()
	}
	produces(1, "a", "p", "q")
	produces(2, "a", "p")
	require.EqualValues(t, 2, conn("a"), "the newest connection")
	r.Unregister(1, "p", "")
	r.CloseChannel(2)
	require.EqualValues(t, 1, conn("a"))
	produces(1, "b", "q")
	require.Zero(t, conn("a"))
	require.EqualValues(t, 1, conn("b"))
	r.Unregister(1, "q", "")
	require.Zero(t, conn("b"))
	require.Empty(t, r.senders)
	require.Empty(t, r.conns)
}

// TestAgainstModel runs random events and compares with plain sets.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(DefaultLimits)
		type seat struct {
			group string
			conn  uint64
		}
		members := map[seat]bool{}
		topics := map[seat][]string{}
		of := func(group string) (all []string) {
			for s := range members {
				if s.group == group {
					all = append(all, topics[s]...)
				}
			}
			slices.Sort(all)
			return slices.Compact(all)
		}
		producers := map[seat]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			conn := rapid.Uint64Range(1, 4).Draw(t, "conn")
			group := rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group")
			before := len(members)
			had := of(group)
			_, was := members[seat{group, conn}]
			var e Effects
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				subs := rapid.SampledFrom([][]string{{"t"}, {"t", "u"}, {"u"}}).Draw(t, "topics")
				h := client(conn, "c").consumes(group, subs...)
				h.Producers = []string{group}
				e = beat(t, r, h)
				members[seat{group, conn}], producers[seat{group, conn}] = true, true
				topics[seat{group, conn}] = subs
				changed := !was || !slices.Equal(had, of(group))
				require.Equal(t, changed, len(e.Changes) == 1)
			case 1:
				e = r.Unregister(conn, "", group)
				delete(members, seat{group, conn})
			case 2:
				r.Unregister(conn, group, "")
				delete(producers, seat{group, conn})
			case 3:
				e = r.CloseChannel(conn)
				for _, g := range []string{"g", "h"} {
					delete(members, seat{g, conn})
					delete(producers, seat{g, conn})
				}
			}
			if len(members) == before && was {
				require.LessOrEqual(t, len(e.Changes), 1)
			}
			for _, g := range []string{"g", "h"} {
				var want, wantProducers []uint64
				for c := range uint64(5) {
					if members[seat{g, c}] {
						want = append(want, c)
					}
					if producers[seat{g, c}] {
						wantProducers = append(wantProducers, c)
					}
				}
				require.Equal(t, wantProducers, conns(r.ProducerGroup(g)))
				got, online := r.ConsumerGroup(g)
				require.Equal(t, len(want) > 0, online)
				if !online {
					continue
				}
				mixed := false
				for s := range members {
					for o := range members {
						mixed = mixed || s.group == g && o.group == g && !slices.Equal(topics[s], topics[o])
					}
				}
				require.Equal(t, mixed, got.Mixed)
				require.Equal(t, mixed, len(got.Differences()) > 0)
				require.Equal(t, want, conns(got.Members))
				for _, topic := range []string{"t", "u"} {
					subscribed := slices.Contains(of(g), topic)
					require.Equal(t, subscribed, got.Subscriptions[topic] != nil)
					require.Equal(t, subscribed, slices.Contains(r.GroupsOf(topic), g))
				}
			}
		}
	})
}

func conns(members []*Member) (ids []uint64) {
	for _, m := range members {
		ids = append(ids, m.Channel.ID())
	}
	return ids
}

func TestSubscriptionLookupDoesNotAllocate(t *testing.T) {
	r := New(DefaultLimits)
	beat(t, r, client(1, "a").consumes("g", "t"))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, ok := r.Subscription("g", "t"); !ok {
			t.Fatal("lost")
		}
	}))
}
