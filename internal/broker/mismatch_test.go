package broker

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// asMember is a pull by what the heartbeat of the connection said.
func asMember(h *protocol.PullMessageRequest) *protocol.PullMessageRequest {
	h.SysFlag, h.SubVersion = h.SysFlag&^pullSubscription, 1
	return h
}

func TestMembersGetWhatTheyAskedForThemselves(t *testing.T) {
	r := runRig(t)
	a, b := r.dial(t), r.dial(t)
	for i, tag := range []string{"x", "y", "z", "x", "y"} {
		a.send("t", 0, string(rune('0'+i)), "TAGS", tag)
	}
	a.subscribe("g", "t", "x", protocol.Clustering)
	b.subscribe("g", "t", "y", protocol.Clustering)
	_, _, got := a.pull(asMember(pullHeader("g", "t", 0, 0)))
	require.Equal(t, []string{"0", "3"}, bodies(got))
	_, _, got = b.pull(asMember(pullHeader("g", "t", 0, 0)))
	require.Equal(t, []string{"1", "4"}, bodies(got))

	answer := a.ok(protocol.ReqGetConsumerConnectionList, &protocol.GetConsumerConnectionListRequest{ConsumerGroup: "g"}, nil, nil)
	var found protocol.ConsumerConnection
	require.NoError(t, javajson.Unmarshal(answer.Body, &found))
	require.Len(t, found.SubscriptionMismatch, 2)
	require.Contains(t, found.SubscriptionMismatch[0], "topic t: tags x (c1@")
	// In the first pull a passed over the two of b; b over the two of a.
	require.Equal(t, "topic t: 4 messages since the broker's start that one member passed over and another one wants", found.SubscriptionMismatch[1])

	beat := a.ok(protocol.ReqHeartBeat, nil, nil, heartbeatOf(t, "g", "t", "x"))
	require.Contains(t, beat.Remark, "group g: topic t: tags x")

	require.NoError(t, b.conn.Close())
	eventually(t, "b is gone", func() bool { g, ok := r.clients.ConsumerGroup("g"); return ok && len(g.Members) == 1 })
	beat = a.ok(protocol.ReqHeartBeat, nil, nil, heartbeatOf(t, "g", "t", "x"))
	require.Empty(t, beat.Remark)
}

func heartbeatOf(t *testing.T, group, topic, expression string) []byte {
	sub := protocol.SubscriptionData{Topic: topic, ExpressionType: protocol.ExpressionTag}
	require.NoError(t, parseTags(&sub, expression))
	sub.SubVersion = 1
	return javajson.Marshal(protocol.HeartbeatData{ClientID: "c1", ConsumerDataSet: []protocol.ConsumerData{{
		GroupName: group, ConsumeType: protocol.ConsumePassively, MessageModel: protocol.Clustering,
		SubscriptionDataSet: []protocol.SubscriptionData{sub},
	}}})
}

func TestABrokerMayRefuseDifferentMembers(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.RefuseMismatch = true })
	a, b := r.dial(t), r.dial(t)
	a.send("t", 0, "0")
	a.subscribe("g", "t", "x", protocol.Clustering)
	body := heartbeatOf(t, "g", "t", "y")
	answer := b.call(protocol.ReqHeartBeat, nil, body)
	require.EqualValues(t, protocol.RespSubscriptionNotLatest, answer.Code)
	require.Contains(t, answer.Remark, "differ from those of client c1@")
	require.NoError(t, a.conn.Close())
	eventually(t, "a is gone", func() bool { _, ok := r.clients.ConsumerGroup("g"); return !ok })
	b.ok(protocol.ReqHeartBeat, nil, nil, body)
}

func TestLocksOfAVanishedClientAreGivenUp(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.LockGrace = 0 })
	a, b := r.dial(t), r.dial(t)
	a.send("t", 0, "0")
	a.subscribe("g", "t", "*", protocol.Clustering)
	b.subscribe("g", "t", "*", protocol.Clustering)
	lock := func(p *peer, client string) int {
		body, err := json.Marshal(map[string]any{
			"consumerGroup": "g", "clientId": client,
			"mqSet": []map[string]any{{"topic": "t", "brokerName": "broker-a", "queueId": 0}},
		})
		require.NoError(t, err)
		var held protocol.LockBatchResponseBody
		require.NoError(t, javajson.Unmarshal(p.ok(protocol.ReqLockBatchMQ, nil, nil, body).Body, &held))
		return len(held.LockOKMQSet)
	}
	ofA := "c1@" + a.conn.LocalAddr().String()
	require.Equal(t, 1, lock(a, ofA))
	require.Zero(t, lock(b, "b"))
	require.NoError(t, a.conn.Close())
	eventually(t, "the lock is free", func() bool { return lock(b, "b") == 1 })
}
