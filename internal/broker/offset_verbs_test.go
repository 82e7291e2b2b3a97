package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func TestConsumerOffsets(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	query := func(queue int32, zero protocol.Opt[bool]) (protocol.ResponseCode, int64) {
		answer := p.call(protocol.ReqQueryConsumerOffset, &protocol.QueryConsumerOffsetRequest{ConsumerGroup: "g", Topic: "T", QueueID: queue, SetZeroIfNotFound: zero}, nil)
		var response protocol.QueryConsumerOffsetResponse
		if answer.Code != 0 {
			return protocol.ResponseCode(answer.Code), -1
		}
		require.NoError(t, remoting.Bind(answer.Ext, &response))
		return 0, response.Offset
	}
	update := func(group, topic string, offset int64) (protocol.ResponseCode, string) {
		answer := p.call(protocol.ReqUpdateConsumerOffset, &protocol.UpdateConsumerOffsetRequest{ConsumerGroup: group, Topic: topic, CommitOffset: offset}, nil)
		return protocol.ResponseCode(answer.Code), answer.Remark
	}
	code, remark := update("g", "T", 1)
	require.Equal(t, protocol.RespSubscriptionGroupNotExist, code)
	require.Equal(t, "Group g not exist!", remark)
	r.groups.Find("g")
	code, remark = update("g", "T", 1)
	require.Equal(t, protocol.RespTopicNotExist, code)
	require.Equal(t, "Topic T not exist!", remark)
	code, _ = query(0, protocol.Opt[bool]{})
	require.Equal(t, protocol.RespQueryNotFound, code, "there is no such queue")

	p.send("T", 0, "x")
	code, offset := query(0, protocol.Opt[bool]{})
	require.Equal(t, protocol.RespSuccess, code)
	require.Zero(t, offset, "a young queue is consumed from its start")
	code, _ = query(0, protocol.Some(false))
	require.Equal(t, protocol.RespQueryNotFound, code)
	code, _ = query(1, protocol.Some(true))
	require.Equal(t, protocol.RespQueryNotFound, code, "nothing in this queue")

	code, _ = update("g", "T", 7)
	require.Equal(t, protocol.RespSuccess, code)
	_, offset = query(0, protocol.Some(false))
	require.EqualValues(t, 7, offset)
	require.NoError(t, r.offsets.Reset("g", "T", 0, 3))
	code, remark = update("g", "T", 9)
	require.Equal(t, protocol.RespSuccess, code)
	require.Equal(t, "Offset has been previously reset", remark)
	_, offset = query(0, protocol.Some(false))
	require.EqualValues(t, 3, offset)

	answer := p.ok(protocol.ReqGetAllConsumerOffset, nil, nil, nil)
	require.Contains(t, string(answer.Body), `"offsetTable":{"T@g":{0:3}}`)
	answer = p.ok(protocol.ReqGetAllDelayOffset, nil, nil, nil)
	require.Contains(t, string(answer.Body), `"offsetTable":{}`)
}

func TestQueueBoundaries(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	for range 4 {
		p.send("T", 0, "x")
	}
	first, ok := r.store.StoreTimeAt("T", 0, 0)
	require.True(t, ok)
	last, _ := r.store.StoreTimeAt("T", 0, 3)
	offset := func(code protocol.RequestCode, header any) int64 {
		var response protocol.GetMaxOffsetResponse // all four have the one field
		p.ok(code, header, &response, nil)
		return response.Offset
	}
	require.EqualValues(t, 4, offset(protocol.ReqGetMaxOffset, &protocol.GetMaxOffsetRequest{Topic: "T"}))
	require.EqualValues(t, 0, offset(protocol.ReqGetMinOffset, &protocol.GetMinOffsetRequest{Topic: "T"}))
	require.EqualValues(t, 0, offset(protocol.ReqGetMaxOffset, &protocol.GetMaxOffsetRequest{Topic: "nothing", QueueID: 9}))
	search := func(at int64, boundary string) int64 {
		return offset(protocol.ReqSearchOffsetByTimestamp, &protocol.SearchOffsetRequest{Topic: "T", Timestamp: at, BoundaryType: boundary})
	}
	require.EqualValues(t, 4, search(last+1000, ""))
	require.EqualValues(t, 4, search(last+1000, "lower"))
	require.EqualValues(t, 3, search(last+1000, "UPPER"))
	require.EqualValues(t, 0, search(first-1000, "LOWER"))
	var earliest protocol.GetEarliestMsgStoreTimeResponse
	p.ok(protocol.ReqGetEarliestMsgStoreTime, &protocol.GetEarliestMsgStoreTimeRequest{Topic: "T"}, &earliest, nil)
	require.Equal(t, first, earliest.Timestamp)
	p.ok(protocol.ReqGetEarliestMsgStoreTime, &protocol.GetEarliestMsgStoreTimeRequest{Topic: "T", QueueID: 1}, &earliest, nil)
	require.EqualValues(t, -1, earliest.Timestamp)
}

func TestQueueLocks(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	lock := func(client string, queues ...int32) (held []int32) {
		body := protocol.LockBatchRequestBody{ConsumerGroup: "g", ClientID: client}
		for _, q := range queues {
			body.MQSet = append(body.MQSet, protocol.MessageQueue{Topic: "T", BrokerName: "broker-a", QueueID: q})
		}
		answer := p.ok(protocol.ReqLockBatchMQ, nil, nil, javajson.Marshal(body))
		var response protocol.LockBatchResponseBody
		require.NoError(t, javajson.Unmarshal(answer.Body, &response))
		for _, q := range response.LockOKMQSet {
			held = append(held, q.QueueID)
		}
		return held
	}
	require.Equal(t, []int32{0, 1}, lock("c1", 0, 1))
	require.Equal(t, []int32{2}, lock("c2", 0, 1, 2))
	body := protocol.UnlockBatchRequestBody{ConsumerGroup: "g", ClientID: "c1", MQSet: []protocol.MessageQueue{{Topic: "T", BrokerName: "broker-a", QueueID: 1}}}
	p.ok(protocol.ReqUnlockBatchMQ, nil, nil, javajson.Marshal(body))
	require.Equal(t, []int32{1, 2}, lock("c2", 0, 1, 2))
	require.Empty(t, lock("c3", 0))
	answer := p.call(protocol.ReqLockBatchMQ, nil, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	answer = p.call(protocol.ReqLockBatchMQ, nil, []byte(`{"mqSet":7`))
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
}
