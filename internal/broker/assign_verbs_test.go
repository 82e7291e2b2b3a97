package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

func TestAssignmentsWithoutARoute(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("t", 0, "0")
	p.subscribe("g", "t", "*", protocol.Clustering)
	ask := func(topic string) string {
		body := protocol.QueryAssignmentRequestBody{
			Topic: topic, ConsumerGroup: "g", ClientID: "c1@" + p.conn.LocalAddr().String(),
			StrategyName: protocol.StrategyAverage, MessageModel: protocol.Clustering,
		}
		return string(p.ok(protocol.ReqQueryAssignment, nil, nil, javajson.Marshal(&body)).Body)
	}
	require.Equal(t, "{}", ask("t"), "no nameserver: the client keeps what it has")
	require.Equal(t, `{"messageQueueAssignments":[{"messageQueue":{"brokerName":"broker-a","queueId":0,"topic":"%LMQ%q"},"mode":"PULL"}]}`, ask("%LMQ%q"))
}

func TestRequestModes(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("t", 0, "0")
	set := func(body string) protocol.ResponseCode {
		return protocol.ResponseCode(p.call(protocol.ReqSetMessageRequestMode, nil, []byte(body)).Code)
	}
	require.Equal(t, protocol.RespSuccess, set(`{"topic":"t","consumerGroup":"g","mode":"POP","popShareQueueNum":3}`))
	require.Equal(t, protocol.RespNoPermission, set(`{"topic":"%RETRY%g","consumerGroup":"g","mode":"POP"}`))
	require.Equal(t, protocol.RespTopicNotExist, set(`{"topic":"u","consumerGroup":"g","mode":"POP"}`))
	require.Equal(t, protocol.RespSubscriptionGroupNotExist, set(`{"topic":"t","consumerGroup":"a b","mode":"POP"}`))
	require.Equal(t, protocol.RespSystemError, set(`{"topic":"t","consumerGroup":"g","mode":"PUSH"}`))
	require.Equal(t, `{"messageRequestModeMap":{"t":{"g":{"consumerGroup":"g","mode":"POP","popShareQueueNum":3,"topic":"t"}}}}`,
		string(p.ok(protocol.ReqGetAllMessageRequestMode, nil, nil, nil).Body))
	require.Equal(t, protocol.RequestPop, r.requestMode("t", "g").Mode)
	require.Equal(t, protocol.RequestPull, r.requestMode("%RETRY%g", "g").Mode)
}
