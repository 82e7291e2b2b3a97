package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func TestReplyReachesTheRequester(t *testing.T) {
	r := runRig(t)
	requester, responder := r.dial(t), r.dial(t)
	requester.ok(protocol.ReqHeartBeat, nil, nil, javajson.Marshal(protocol.HeartbeatData{
		ClientID: "requester@1", ProducerDataSet: []protocol.ProducerData{{GroupName: "pg"}},
	}))
	h := sendHeader("DefaultCluster_REPLY_TOPIC", 0, "REPLY_TO_CLIENT", "requester@1", "CORRELATION_ID", "c7", "TRACE_ON", "x")
	h.SysFlag = 0x1
	opaque := responder.write(protocol.ReqSendReplyMessage, h, []byte("the reply"), 0)

	pushed := requester.read()
	require.EqualValues(t, protocol.ReqPushReplyMessageToClient, pushed.Code)
	require.False(t, pushed.IsOneway())
	require.Equal(t, "the reply", string(pushed.Body))
	var push protocol.ReplyMessageRequest
	require.NoError(t, remoting.Bind(pushed.Ext, &push))
	require.Equal(t, responder.conn.LocalAddr().String(), push.BornHost)
	require.Equal(t, r.Addr().String(), push.StoreHost)
	require.EqualValues(t, 1, push.SysFlag)
	require.Contains(t, push.Properties, encoded("CORRELATION_ID", "c7"))
	require.Contains(t, push.Properties, "PUSH_REPLY_TIME\x01")
	requester.answer(pushed, protocol.RespSuccess, nil)

	answer := responder.read()
	require.Equal(t, opaque, answer.Opaque)
	require.EqualValues(t, protocol.RespSuccess, answer.Code, answer.Remark)
	var response protocol.SendMessageResponse
	require.NoError(t, remoting.Bind(answer.Ext, &response))
	require.Len(t, response.MsgID, 32)
	_, _, stored := responder.pull(pullHeader("g", "DefaultCluster_REPLY_TOPIC", 0, 0))
	require.Equal(t, []string{"the reply"}, bodies(stored))
	require.Equal(t, "true", property(stored[0], "TRACE_ON"))
	require.Equal(t, "", property(stored[0], "PUSH_REPLY_TIME"))
}

func TestReplyRefusals(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	topic := "DefaultCluster_REPLY_TOPIC"
	for remark, h := range map[string]*protocol.SendMessageRequest{
		"reply message properties[REPLY_TO_CLIENT] is null":           sendHeader(topic, 0),
		"push reply message fail, channel of <nobody@1> not found.":   sendHeader(topic, 0, "REPLY_TO_CLIENT", "nobody@1"),
		"Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.": sendHeader("SCHEDULE_TOPIC_XXXX", 0),
	} {
		answer := p.call(protocol.ReqSendReplyMessage, h, []byte("x"))
		require.NotZero(t, answer.Code)
		require.Equal(t, remark, answer.Remark)
		require.Equal(t, "DefaultRegion", fieldsOf(answer)["MSG_REGION"])
	}
	require.EqualValues(t, 2, r.store.MaxOffset(topic, 0), "stored whether or not it could be pushed")
}

func TestRequesterThatFailsAndRepliesNotStored(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.StoreReplyMessageEnable = false })
	requester, responder := r.dial(t), r.dial(t)
	requester.ok(protocol.ReqHeartBeat, nil, nil, javajson.Marshal(protocol.HeartbeatData{
		ClientID: "requester@1", ProducerDataSet: []protocol.ProducerData{{GroupName: "pg"}},
	}))
	h := sendHeader("DefaultCluster_REPLY_TOPIC", -1, "REPLY_TO_CLIENT", "requester@1")
	for _, code := range []protocol.ResponseCode{protocol.RespSystemError, protocol.RespSuccess} {
		responder.write(protocol.ReqSendReplyMessage, h, []byte("x"), 0)
		requester.answer(requester.read(), code, nil)
		answer := responder.read()
		require.EqualValues(t, code, answer.Code)
		if code == protocol.RespSuccess {
			require.Equal(t, "0", fieldsOf(answer)["msgId"])
		} else {
			require.Equal(t, "push reply message to requester@1fail.", answer.Remark)
		}
	}
	require.Zero(t, r.store.MaxOffset("DefaultCluster_REPLY_TOPIC", 0))
}
