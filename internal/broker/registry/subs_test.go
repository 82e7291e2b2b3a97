package registry

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// tagged makes a heartbeat with one subscription by tags.
func tagged(conn uint64, id, topic string, version int64, tags ...string) Heartbeat {
	h := client(conn, id)
	h.Consumers = []protocol.ConsumerData{{
		GroupName: "g", MessageModel: protocol.Clustering, ConsumeType: protocol.ConsumePassively,
		SubscriptionDataSet: []protocol.SubscriptionData{{Topic: topic, SubString: fmt.Sprint(tags), TagsSet: tags, SubVersion: version}},
	}}
	return h
}

func TestMembersThatDiffer(t *testing.T) {
	r := New(DefaultLimits)
	require.Empty(t, beat(t, r, tagged(1, "a", "t", 1, "x", "y")).Mismatches)
	require.Empty(t, beat(t, r, tagged(2, "b", "t", 2, "y", "x")).Mismatches, "the order of tags is no difference")
	g, _ := r.ConsumerGroup("g")
	require.False(t, g.Mixed)

	line := []string{`topic t: tags x || y (a), tags z (b)`}
	require.Equal(t, []Mismatch{{"g", line}}, beat(t, r, tagged(2, "b", "t", 3, "z")).Mismatches)
	require.Empty(t, beat(t, r, tagged(2, "b", "t", 3, "z").at(time.Second)).Mismatches, "told once")
	g, _ = r.ConsumerGroup("g")
	require.True(t, g.Mixed)
	require.Equal(t, line, g.Differences())
	require.Equal(t, []string{"z"}, g.Subscriptions["t"].TagsSet, "the newest is the group's")
	a, _ := g.Of(1)
	require.Equal(t, []string{"x", "y"}, a.Subscriptions["t"].TagsSet, "each has its own")
	require.Len(t, g.Others("t", a.Subscriptions["t"]), 1)

	e := r.CloseChannel(2)
	require.Equal(t, []Mismatch{{"g", nil}}, e.Mismatches)
	require.Equal(t, []Seat{{"g", "b"}}, e.Left)
	g, _ = r.ConsumerGroup("g")
	require.Equal(t, []string{"x", "y"}, g.Subscriptions["t"].TagsSet)
}

func TestDifferentTopicsAddUp(t *testing.T) {
	r := New(DefaultLimits)
	beat(t, r, tagged(1, "a", "t", 1, "x"))
	e := beat(t, r, tagged(2, "b", "u", 1, "x"))
	require.Equal(t, []Mismatch{{"g", []string{
		"topic t: not subscribed (b), tags x (a)", "topic u: not subscribed (a), tags x (b)",
	}}}, e.Mismatches)
	for range 3 {
		require.Empty(t, told(beat(t, r, tagged(1, "a", "t", 1, "x"))), "no storm")
		require.Empty(t, told(beat(t, r, tagged(2, "b", "u", 1, "x"))))
	}
	g, _ := r.ConsumerGroup("g")
	require.Len(t, g.Subscriptions, 2)
}

func TestALaterDifferentMemberIsRefused(t *testing.T) {
	r := New(DefaultLimits)
	refusing := func(h Heartbeat) (Effects, error) {
		h.RefuseMismatch = true
		e, _, err := r.Heartbeat(h)
		return e, err
	}
	_, err := refusing(tagged(1, "a", "t", 1, "x"))
	require.NoError(t, err)
	h := tagged(2, "b", "t", 1, "z").consumes("h", "t")
	e, err := refusing(h)
	require.ErrorContains(t, err, "the subscriptions of client b in group g differ from those of client a, and the broker is told to refuse that")
	require.Equal(t, []string{"h:2"}, told(e), "its other groups are served")
	g, _ := r.ConsumerGroup("g")
	require.Len(t, g.Members, 1)
	_, err = refusing(tagged(1, "a", "t", 2, "z"))
	require.NoError(t, err, "a lone member may change its mind")
	_, err = refusing(h)
	require.NoError(t, err)
	e, err = refusing(tagged(2, "b", "t", 2, "x"))
	require.Error(t, err)
	require.Equal(t, []Seat{{"g", "b"}}, e.Left, "who begins to differ is out")
}

func TestAClientWithTwoConnectionsStays(t *testing.T) {
	r := New(DefaultLimits)
	require.Equal(t, []Seat{{"g", "a"}}, beat(t, r, tagged(1, "a", "t", 1)).Joined)
	require.Empty(t, beat(t, r, tagged(2, "a", "t", 1)).Joined)
	require.Empty(t, r.CloseChannel(1).Left)
	require.Equal(t, []Seat{{"g", "a"}}, r.Unregister(2, "", "g").Left)
}
