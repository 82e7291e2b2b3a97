package broker

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func TestQueryByKey(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.MaxMsgsNumBatch, c.DefaultQueryMaxNum = 3, 2 })
	p := r.dial(t)
	first := p.send("T", 0, "a", "KEYS", "k1 k2")
	p.send("T", 0, "b", "KEYS", "k2", "TAGS", "tag")
	p.send("U", 0, "c", "KEYS", "k2")
	for i := range 5 {
		p.send("T", 0, fmt.Sprint(i), "KEYS", "many")
	}
	query := func(h protocol.QueryMessageRequest, unique bool) (*remoting.Command, []string) {
		h.EndTimestamp = math.MaxInt64
		cmd := remoting.Command{Code: int32(protocol.ReqQueryMessage), Opaque: 1000, Ext: remoting.AppendHeader(nil, &h, false)}
		if unique {
			cmd.Ext = append(cmd.Ext, remoting.Field{Key: uniqueQuery, Value: "true"})
		}
		frame, err := remoting.AppendCommand(nil, &cmd)
		require.NoError(t, err)
		p.raw(frame)
		answer := p.read()
		return answer, bodies(records(t, answer.Body))
	}
	find := func(topic, key string) []string {
		var found []string
		eventually(t, "the index has "+key, func() bool {
			_, found = query(protocol.QueryMessageRequest{Topic: topic, Key: key, MaxNum: 10}, false)
			return len(found) > 0
		})
		return found
	}
	require.Len(t, find("T", "many"), 3, "the broker's limit")
	require.Equal(t, []string{"a"}, find("T", "k1"))
	require.ElementsMatch(t, []string{"a", "b"}, find("T", "k2"))
	require.Equal(t, []string{"c"}, find("U", "k2"))
	require.Equal(t, []string{"a"}, find("T", first.TransactionID))
	answer, found := query(protocol.QueryMessageRequest{Topic: "T", Key: first.TransactionID, MaxNum: 0}, true)
	require.EqualValues(t, protocol.RespSuccess, answer.Code)
	require.Equal(t, []string{"a"}, found)
	_, found = query(protocol.QueryMessageRequest{Topic: "T", Key: "k1", MaxNum: 10}, true)
	require.Empty(t, found, "a key is no unique key")
	_, found = query(protocol.QueryMessageRequest{Topic: "T", Key: "tag", MaxNum: 10, IndexType: "T"}, false)
	require.Equal(t, []string{"b"}, found)
	answer, _ = query(protocol.QueryMessageRequest{Topic: "T", Key: "nobody", MaxNum: 10}, false)
	require.EqualValues(t, protocol.RespQueryNotFound, answer.Code)
	require.Equal(t, "can not find message, maybe time range not correct", answer.Remark)
	var response protocol.QueryMessageResponse
	require.NoError(t, remoting.Bind(answer.Ext, &response))
	require.Positive(t, response.IndexLastUpdateTimestamp)
}

func TestViewMessageByID(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	sent := p.send("T", 0, "look at me")
	at := physical(t, sent.MsgID)
	answer := p.ok(protocol.ReqViewMessageByID, &protocol.ViewMessageRequest{Offset: at}, nil, nil)
	require.Equal(t, []string{"look at me"}, bodies(records(t, answer.Body)))
	answer = p.call(protocol.ReqViewMessageByID, &protocol.ViewMessageRequest{Offset: 1 << 40}, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	require.Equal(t, "can not find message by the offset, 1099511627776", answer.Remark)
	answer = p.call(protocol.ReqViewMessageByID, &protocol.ViewMessageRequest{Offset: at + 1}, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
}

func TestQueryConsumeQueue(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("T", 0, "a", "TAGS", "TagA")
	p.send("T", 0, "b")
	query := func(h protocol.QueryConsumeQueueRequest) (*remoting.Command, protocol.QueryConsumeQueueResponseBody) {
		answer := p.call(protocol.ReqQueryConsumeQueue, &h, nil)
		var body protocol.QueryConsumeQueueResponseBody
		if len(answer.Body) > 0 {
			require.NoError(t, javajson.Unmarshal(answer.Body, &body))
		}
		return answer, body
	}
	_, body := query(protocol.QueryConsumeQueueRequest{Topic: "T", Count: 10})
	require.Len(t, body.QueueData, 2)
	require.EqualValues(t, 2598919, body.QueueData[0].TagsCode)
	require.EqualValues(t, 2, body.MaxQueueIndex)
	_, body = query(protocol.QueryConsumeQueueRequest{Topic: "T", Index: 1, Count: 1, ConsumerGroup: "g"})
	require.Len(t, body.QueueData, 1)
	require.Equal(t, "g@T is not online!", body.FilterData)
	answer, _ := query(protocol.QueryConsumeQueueRequest{Topic: "T", Index: 2, Count: 1})
	require.EqualValues(t, protocol.RespSuccess, answer.Code)
	require.Equal(t, "Index 2 of 0@T is not exist!", answer.Remark)
	answer, _ = query(protocol.QueryConsumeQueueRequest{Topic: "T", QueueID: 99, Count: 1})
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	require.Equal(t, "99@T is not exist!", answer.Remark)
}
