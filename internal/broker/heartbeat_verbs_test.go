package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// responses reads frames until n responses and pushes have come, in any order.
func (p *peer) responses(n int) (answers, pushes []*remoting.Command) {
	for range n {
		if cmd := p.read(); cmd.IsResponse() {
			answers = append(answers, cmd)
		} else {
			pushes = append(pushes, cmd)
		}
	}
	return answers, pushes
}

func consumerBeat(client, group string, model protocol.MessageModel, topics ...string) []byte {
	d := protocol.ConsumerData{GroupName: group, ConsumeType: protocol.ConsumePassively, MessageModel: model}
	for _, topic := range topics {
		d.SubscriptionDataSet = append(d.SubscriptionDataSet, protocol.SubscriptionData{
			Topic: topic, SubString: "*", SubVersion: 1, ExpressionType: "TAG",
		})
	}
	return javajson.Marshal(protocol.HeartbeatData{ClientID: client, ConsumerDataSet: []protocol.ConsumerData{d}})
}

func TestHeartbeatMakesGroupAndTellsMembers(t *testing.T) {
	r := runRig(t)
	a, b := r.dial(t), r.dial(t)
	a.write(protocol.ReqHeartBeat, nil, consumerBeat("a", "g", protocol.Clustering, "t"), 0)
	answers, pushes := a.responses(2)
	require.EqualValues(t, 0, answers[0].Code)
	v2, _ := answers[0].Ext.Get("IS_SUPPORT_HEART_BEAT_V2")
	changed, _ := answers[0].Ext.Get("IS_SUB_CHANGE")
	require.Equal(t, "true true", v2+" "+changed)
	require.EqualValues(t, protocol.ReqNotifyConsumerIDsChanged, pushes[0].Code)
	require.True(t, pushes[0].IsOneway())

	retry, ok := r.topics.Lookup("%RETRY%g")
	require.True(t, ok)
	require.EqualValues(t, 1, retry.WriteQueueNums)
	require.EqualValues(t, 6, retry.Perm)

	b.write(protocol.ReqHeartBeat, nil, consumerBeat("b", "g", protocol.Clustering, "t"), 0)
	b.responses(2)
	_, pushes = a.responses(1)
	group, _ := pushes[0].Ext.Get("consumerGroup")
	require.Equal(t, "g", group)

	var list protocol.GetConsumerListByGroupResponseBody
	h := &protocol.GetConsumerListByGroupRequest{ConsumerGroup: "g"}
	require.NoError(t, javajson.Unmarshal(a.ok(protocol.ReqGetConsumerListByGroup, h, nil, nil).Body, &list))
	require.ElementsMatch(t, []string{"a", "b"}, list.ConsumerIDList)

	b.ok(protocol.ReqUnregisterClient, &protocol.UnregisterClientRequest{ClientID: "b", ConsumerGroup: "g"}, nil, nil)
	a.responses(1)
	require.NoError(t, a.conn.Close())
	eventually(t, "the group is gone", func() bool { _, online := r.clients.ConsumerGroup("g"); return !online })
	answer := b.call(protocol.ReqGetConsumerListByGroup, h, nil)
	require.EqualValues(t, 1, answer.Code)
	require.Equal(t, "no consumer for this group, g", answer.Remark)
}

func TestNotificationsCanBeTurnedOff(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.NotifyConsumerIDsChanged = false })
	p := r.dial(t)
	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "t"))
	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "u"))
}

func TestHeartbeatSkipsWhatIsNotAllowed(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.AutoCreateGroup, c.RejectPullConsumer = false, true })
	p := r.dial(t)
	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "unknown", protocol.Clustering, "t"))
	body := javajson.Marshal(protocol.HeartbeatData{ClientID: "a", ConsumerDataSet: []protocol.ConsumerData{
		{GroupName: "TOOLS_CONSUMER", ConsumeType: protocol.ConsumeActively, MessageModel: protocol.Clustering},
	}})
	p.ok(protocol.ReqHeartBeat, nil, nil, body)
	require.Empty(t, r.clients.ConsumerGroups())
	for _, body := range [][]byte{nil, []byte("{"), []byte(`{"consumerDataSet":3}`)} {
		require.EqualValues(t, protocol.RespSystemError, p.call(protocol.ReqHeartBeat, nil, body).Code, "%s", body)
	}
}

func TestOrderedTopicsMakeOrderedRetryTopics(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.NotifyConsumerIDsChanged = false })
	ordered := protocol.NewTopicConfig("o")
	ordered.Order = true
	_, err := r.topics.Update([]*protocol.TopicConfig{&ordered})
	require.NoError(t, err)
	p := r.dial(t)
	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "o"))
	retry, _ := r.topics.Lookup("%RETRY%g")
	require.True(t, retry.Order)
}

func TestCheckClientConfig(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	check := func(expressionType string) *remoting.Command {
		return p.call(protocol.ReqCheckClientConfig, nil, javajson.Marshal(protocol.CheckClientRequestBody{
			ClientID: "a", Group: "g", SubscriptionData: &protocol.SubscriptionData{Topic: "t", SubString: "a > 1", ExpressionType: expressionType},
		}))
	}
	require.EqualValues(t, 0, check("TAG").Code)
	answer := check("SQL92")
	require.EqualValues(t, 1, answer.Code)
	require.Equal(t, "The broker does not support consumer to filter message by SQL92", answer.Remark)
}

func TestConnections(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.NotifyConsumerIDsChanged = false })
	p := r.dial(t)
	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Broadcasting, "t"))
	p.ok(protocol.ReqHeartBeat, nil, nil, javajson.Marshal(protocol.HeartbeatData{
		ClientID: "a", ProducerDataSet: []protocol.ProducerData{{GroupName: "pg"}},
	}))
	addr := p.conn.LocalAddr().String()

	var consumers protocol.ConsumerConnection
	answer := p.ok(protocol.ReqGetConsumerConnectionList, &protocol.GetConsumerConnectionListRequest{ConsumerGroup: "g"}, nil, nil)
	require.NoError(t, javajson.Unmarshal(answer.Body, &consumers))
	require.Equal(t, []protocol.Connection{{ClientID: "a", ClientAddr: addr, Version: protocol.Version}}, consumers.ConnectionSet)
	require.Equal(t, protocol.Broadcasting, consumers.MessageModel)
	require.Contains(t, consumers.SubscriptionTable, "t")
	answer = p.call(protocol.ReqGetConsumerConnectionList, &protocol.GetConsumerConnectionListRequest{ConsumerGroup: "h"}, nil)
	require.EqualValues(t, protocol.RespConsumerNotOnline, answer.Code)

	var producers protocol.ProducerConnection
	answer = p.ok(protocol.ReqGetProducerConnectionList, &protocol.GetProducerConnectionListRequest{ProducerGroup: "pg"}, nil, nil)
	require.NoError(t, javajson.Unmarshal(answer.Body, &producers))
	require.Len(t, producers.ConnectionSet, 1)
	answer = p.call(protocol.ReqGetProducerConnectionList, &protocol.GetProducerConnectionListRequest{ProducerGroup: "x"}, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)

	var all protocol.ProducerTableInfo
	require.NoError(t, javajson.Unmarshal(p.ok(protocol.ReqGetAllProducerInfo, nil, nil, nil).Body, &all))
	require.Equal(t, "/"+addr, all.Data["pg"][0].RemoteIP)
}
