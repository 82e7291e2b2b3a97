package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// answer replies to a request that the broker made.
func (p *peer) answer(request *remoting.Command, code protocol.ResponseCode, body []byte) {
	frame, err := remoting.AppendCommand(nil, &remoting.Command{
		Code: int32(code), Opaque: request.Opaque, Flag: remoting.FlagResponse, Version: protocol.Version, Body: body,
	})
	require.NoError(p.t, err)
	p.raw(frame)
}

func quiet(c *config.Broker) { c.NotifyConsumerIDsChanged = false }

func TestRunningInfoIsRelayed(t *testing.T) {
	r := runRig(t, quiet)
	client, admin := r.dial(t), r.dial(t)
	client.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "t"))
	h := &protocol.GetConsumerRunningInfoRequest{ConsumerGroup: "g", ClientID: "a", JstackEnable: true}
	opaque := admin.write(protocol.ReqGetConsumerRunningInfo, h, nil, 0)
	request := client.read()
	require.EqualValues(t, protocol.ReqGetConsumerRunningInfo, request.Code)
	jstack, _ := request.Ext.Get("jstackEnable")
	require.Equal(t, "true", jstack)
	client.answer(request, protocol.RespSuccess, []byte(`{"jstack":"x"}`))
	answer := admin.read()
	require.Equal(t, opaque, answer.Opaque)
	require.JSONEq(t, `{"jstack":"x"}`, string(answer.Body))

	h.ClientID = "b"
	answer = admin.call(protocol.ReqGetConsumerRunningInfo, h, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	require.Equal(t, "The Consumer <g> <b> not online", answer.Remark)
}

func TestConsumeDirectlyBringsTheMessage(t *testing.T) {
	r := runRig(t, quiet)
	client, admin := r.dial(t), r.dial(t)
	sent := admin.send("t", 0, "hello")
	client.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "t"))
	h := &protocol.ConsumeMessageDirectlyRequest{ConsumerGroup: "g", ClientID: "a", MsgID: sent.MsgID, Topic: "t"}
	admin.write(protocol.ReqConsumeMessageDirectly, h, nil, 0)
	request := client.read()
	name, _ := request.Ext.Get("brokerName")
	require.Equal(t, "broker-a", name)
	flag, _ := request.Ext.Get("topicSysFlag")
	require.Equal(t, "0", flag)
	m, err := message.Parse(request.Body)
	require.NoError(t, err)
	require.Equal(t, "hello", string(m.Body))
	client.answer(request, protocol.RespSuccess, []byte(`{"consumeResult":"CR_SUCCESS"}`))
	require.EqualValues(t, 0, admin.read().Code)

	h.MsgID = "rubbish"
	require.EqualValues(t, protocol.RespSystemError, admin.call(protocol.ReqConsumeMessageDirectly, h, nil).Code)
}

func TestConsumerStatusIsCollected(t *testing.T) {
	r := runRig(t, quiet)
	client, admin := r.dial(t), r.dial(t)
	client.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "t"))
	admin.write(protocol.ReqInvokeBrokerToGetConsumerStatus, &protocol.GetConsumerStatusRequest{Group: "g", Topic: "t"}, nil, 0)
	request := client.read()
	require.EqualValues(t, protocol.ReqGetConsumerStatusFromClient, request.Code)
	client.answer(request, protocol.RespSuccess, []byte(`{"consumerTable":{},"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"t"}:7}}`))
	require.Equal(t, `{"consumerTable":{"a":{{"brokerName":"broker-a","queueId":0,"topic":"t"}:7}},"messageQueueTable":{}}`, string(admin.read().Body))
}

func TestResetOffsetHere(t *testing.T) {
	r := runRig(t, quiet)
	p := r.dial(t)
	for range 5 {
		p.send("t", 1, "x")
	}
	_, ok := r.groups.Find("g")
	require.True(t, ok)
	reset := func(h protocol.ResetOffsetRequest) *remoting.Command {
		h.Group, h.Topic = "g", "t"
		return p.call(protocol.ReqInvokeBrokerToResetOffset, &h, nil)
	}
	answer := reset(protocol.ResetOffsetRequest{Timestamp: -1})
	var body protocol.ResetOffsetBody
	require.NoError(t, javajson.Unmarshal(answer.Body, &body))
	require.Len(t, body.OffsetTable, 4)
	require.EqualValues(t, 5, body.OffsetTable[r.queueOf("t", 1)])

	answer = reset(protocol.ResetOffsetRequest{QueueID: protocol.Some[int32](1), Offset: protocol.Some[int64](2)})
	require.Equal(t, `{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"t"}:2}}`, string(answer.Body))
	offset, _ := r.offsets.Query("g", "t", 1)
	require.EqualValues(t, 2, offset)
	pulled, header, _ := p.pull(pullHeader("g", "t", 1, 4))
	require.EqualValues(t, protocol.RespPullOffsetMoved, pulled.Code)
	require.EqualValues(t, 2, header.NextBeginOffset)

	answer = reset(protocol.ResetOffsetRequest{QueueID: protocol.Some[int32](1), Offset: protocol.Some[int64](9)})
	require.Equal(t, "Target offset 9 not in consume queue range [0-5]", answer.Remark)
	require.EqualValues(t, protocol.RespTopicNotExist, p.call(protocol.ReqInvokeBrokerToResetOffset,
		&protocol.ResetOffsetRequest{Group: "g", Topic: "no"}, nil).Code)
	require.EqualValues(t, protocol.RespSubscriptionGroupNotExist, p.call(protocol.ReqInvokeBrokerToResetOffset,
		&protocol.ResetOffsetRequest{Group: "no", Topic: "t"}, nil).Code)
}

func TestResetOffsetByClients(t *testing.T) {
	r := runRig(t, quiet, func(c *config.Broker) { c.ServerSideResetOffset = false })
	client, admin := r.dial(t), r.dial(t)
	admin.send("t", 0, "x")
	h := &protocol.ResetOffsetRequest{Group: "g", Topic: "t", Timestamp: 0, IsForce: true}
	require.EqualValues(t, protocol.RespSystemError, admin.call(protocol.ReqInvokeBrokerToResetOffset, h, nil).Code, "no offsets")
	for q := range int32(4) {
		require.NoError(t, r.offsets.Commit("g", "t", q, 0))
	}
	require.EqualValues(t, protocol.RespConsumerNotOnline, admin.call(protocol.ReqInvokeBrokerToResetOffset, h, nil).Code)
	client.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "t"))
	var body protocol.ResetOffsetBody
	require.NoError(t, javajson.Unmarshal(admin.ok(protocol.ReqInvokeBrokerToResetOffset, h, nil, nil).Body, &body))
	require.Len(t, body.OffsetTable, 4)
	push := client.read()
	require.EqualValues(t, protocol.ReqResetConsumerClientOffset, push.Code)
	require.True(t, push.IsOneway())
	var pushed protocol.ResetOffsetBody
	require.NoError(t, javajson.Unmarshal(push.Body, &pushed))
	require.Equal(t, body, pushed)
}
