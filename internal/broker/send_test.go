package broker

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func vector(t testing.TB, name string) []byte {
	text, err := os.ReadFile("testdata/java/" + name + ".hex")
	require.NoError(t, err)
	return frameOf(t, string(text))
}

func decodeFrame(t testing.TB, frame []byte) *remoting.Command {
	var cmd remoting.Command
	require.NoError(t, remoting.DecodeCommand(frame[4:], &cmd, new(remoting.Scratch)))
	return cmd.Clone()
}

func fieldsOf(cmd *remoting.Command) map[string]string {
	m := map[string]string{}
	for _, f := range cmd.Ext {
		m[f.Key] = f.Value
	}
	return m
}

// TestVectorsOfJava plays requests captured from Java clients and compares the
// answers, and the stored record, with those of a Java broker.
func TestVectorsOfJava(t *testing.T) {
	p := runRig(t).dial(t)
	p.raw(vector(t, "send_v2_request"))
	got, want := p.read(), decodeFrame(t, vector(t, "send_v2_response"))
	sent, java := fieldsOf(got), fieldsOf(want)
	require.Len(t, sent["msgId"], 32)
	require.Equal(t, "0", sent["queueOffset"])
	for _, own := range []string{"msgId", "queueOffset"} {
		sent[own] = java[own]
	}
	require.Equal(t, java, sent)
	require.Equal(t, want.Code, got.Code)
	require.Equal(t, want.Opaque, got.Opaque)

	p.raw(vector(t, "send_v2_binary_request"))
	got = p.read()
	require.EqualValues(t, 102, got.Opaque)
	require.Equal(t, "1", fieldsOf(got)["queueId"])

	p.raw(vector(t, "pull_request"))
	got, want = p.read(), decodeFrame(t, vector(t, "pull_response"))
	sent, java = fieldsOf(got), fieldsOf(want)
	require.Equal(t, "1", sent["maxOffset"])
	sent["maxOffset"] = java["maxOffset"]
	require.Equal(t, java, sent)
	require.Equal(t, want.Remark, got.Remark)
	mine, theirs := records(t, got.Body)[0], records(t, want.Body)[0]
	require.Equal(t, maps.Collect(message.Properties(theirs.Properties)), maps.Collect(message.Properties(mine.Properties)))
	require.Equal(t, theirs.Body, mine.Body)
	require.Equal(t, theirs.BornTimestamp, mine.BornTimestamp)
	require.Equal(t, theirs.Topic, mine.Topic)
	require.Equal(t, theirs.BornHost.Addr(), mine.BornHost.Addr())
	require.Equal(t, len(want.Body), len(got.Body))
}

func TestSendStoresWhatWasSent(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	response := p.send("T", 2, "hello", "TAGS", "a", "KEYS", "k", "POP_CK", "x", "CLUSTER", "wrong")
	require.EqualValues(t, 2, response.QueueID)
	require.Len(t, response.TransactionID, 32)
	host, physical, err := message.ParseOffsetID(response.MsgID)
	require.NoError(t, err)
	require.Equal(t, r.Addr(), host)
	rec, err := r.store.Record(physical, nil)
	require.NoError(t, err)
	m := records(t, rec)[0]
	require.Equal(t, "hello", string(m.Body))
	require.Equal(t, "T", m.Topic)
	require.Equal(t, p.conn.LocalAddr().String(), m.BornHost.String())
	require.Equal(t, map[string]string{
		"TAGS": "a", "KEYS": "k", "UNIQ_KEY": response.TransactionID,
		"MSG_REGION": "DefaultRegion", "TRACE_ON": "true", "CLUSTER": "DefaultCluster",
	}, maps.Collect(message.Properties(m.Properties)))
	topic, ok := r.topics.Lookup("T")
	require.True(t, ok)
	require.EqualValues(t, 4, topic.WriteQueueNums)
	require.EqualValues(t, 1, r.stats.Totals().Put.Load())
	require.EqualValues(t, len(rec), r.stats.Totals().PutBytes.Load())
}

func TestOffsetsFollowOneAnother(t *testing.T) {
	p := runRig(t).dial(t)
	for i := range int64(5) {
		require.Equal(t, i, p.send("T", 0, "x").QueueOffset)
	}
	queue := p.send("T", -1, "x").QueueID
	require.True(t, queue >= 0 && queue < 4)
}

func TestSendRefusals(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.MaxMessageSize = 1 << 20 })
	p := r.dial(t)
	p.send("T", 0, "x")
	ordered, err := r.topics.CreateInSendBack("ordered", 1, readWrite, 0)
	require.NoError(t, err)
	require.NotNil(t, ordered)
	big := strings.Repeat("b", 1<<20+1)
	for _, c := range []struct {
		name, body string
		header     *protocol.SendMessageRequest
		code       protocol.ResponseCode
		remark     string
	}{
		{"no body", "", sendHeader("T", 0), protocol.RespSystemError, "no body"},
		{"bad topic", "x", sendHeader("T*", 0), protocol.RespInvalidParameter, "The specified topic: T*, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"},
		{"blank topic", "x", sendHeader(" ", 0), protocol.RespInvalidParameter, "The specified topic is blank."},
		{"closed topic", "x", sendHeader("SCHEDULE_TOPIC_XXXX", 0), protocol.RespNoPermission, "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden."},
		{"no template", "x", func() *protocol.SendMessageRequest {
			h := sendHeader("new", 0)
			h.DefaultTopic = "nothing"
			return h
		}(), protocol.RespTopicNotExist, "topic[new] not exist, apply first please!\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."},
		{"no such queue", "x", sendHeader("T", 4), protocol.RespInvalidParameter, "request queueId[4] is illegal, "},
		{"body too large", big, sendHeader("T", 0), protocol.RespMessageIllegal, "the message is illegal, maybe msg body or properties length not matched. msg body length limit 1048576B, msg properties length limit 32KB."},
		{"properties too large", "x", sendHeader("T", 0, "p", strings.Repeat("v", 33000)), protocol.RespMessageIllegal, "the message is illegal"},
		{"half message", "x", sendHeader("T", 0, "TRAN_MSG", "true"), protocol.RespNoPermission, "sending transaction message is forbidden"},
		{"inner batch", "x", sendHeader("T", 0, "INNER_NUM", "5"), protocol.RespMessageIllegal, "batch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, code := range []protocol.RequestCode{protocol.ReqSendMessage, protocol.ReqSendMessageV2} {
				p.short = code == protocol.ReqSendMessageV2
				answer := p.call(code, c.header, []byte(c.body))
				require.Equal(t, c.code.String(), protocol.ResponseCode(answer.Code).String(), answer.Remark)
				require.Contains(t, answer.Remark, c.remark)
				require.Equal(t, map[string]string{"MSG_REGION": "DefaultRegion", "TRACE_ON": "true"}, fieldsOf(answer))
			}
			p.short = false
		})
	}
	require.EqualValues(t, 1, r.store.MaxOffset("T", 0), "nothing was stored")
	answer := p.call(protocol.ReqSendMessage, &protocol.ViewMessageRequest{Offset: 3}, []byte("x"))
	require.EqualValues(t, protocol.RespSystemError, answer.Code, "a header without its required fields")
}

func TestSendOneway(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	for range 10 {
		p.write(protocol.ReqSendMessage, sendHeader("T", 0), []byte("x"), 2)
	}
	p.write(protocol.ReqSendMessage, sendHeader("T*", 0), []byte("x"), 2) // refused, not answered
	response := p.send("T", 0, "last")
	require.EqualValues(t, 10, response.QueueOffset)
}

func TestManyConnectionsAtOnce(t *testing.T) {
	r := runRig(t)
	const conns, each = 8, 200
	peers := make([]*peer, conns)
	for i := range peers {
		peers[i] = r.dial(t)
		for n := range each {
			peers[i].write(protocol.ReqSendMessage, sendHeader("T", int32(i%4)), fmt.Appendf(nil, "%d-%d", i, n), 0)
		}
	}
	for _, p := range peers {
		last := int64(-1)
		for n := range each {
			answer := p.read()
			require.EqualValues(t, n+1, answer.Opaque, "answers of a connection come in order")
			var response protocol.SendMessageResponse
			require.NoError(t, remoting.Bind(answer.Ext, &response))
			require.Greater(t, response.QueueOffset, last)
			last = response.QueueOffset
		}
	}
	total := int64(0)
	for q := range int32(4) {
		total += r.store.MaxOffset("T", q)
	}
	require.EqualValues(t, conns*each, total)
}

func TestBatch(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.short = true
	var body []byte
	for i := range 3 {
		body = message.AppendBatchItem(body, message.BatchItem{Flag: int32(i), Properties: encoded("UNIQ_KEY", fmt.Sprint("u", i)), Body: fmt.Append(nil, "m", i)})
	}
	h := sendHeader("T", 1)
	h.Batch = true
	for _, code := range []protocol.RequestCode{protocol.ReqSendBatchMessage, protocol.ReqSendMessageV2} { // the header decides
		var response protocol.SendMessageResponse
		p.ok(code, h, &response, body)
		ids := strings.Split(response.MsgID, ",")
		require.Len(t, ids, 3)
		require.Empty(t, response.TransactionID)
		require.EqualValues(t, 1, response.QueueID)
	}
	_, _, stored := p.pull(pullHeader("g", "T", 1, 0))
	require.Equal(t, []string{"m0", "m1", "m2", "m0", "m1", "m2"}, bodies(stored))
	require.EqualValues(t, 2, stored[2].Flag)
	require.Equal(t, encoded("UNIQ_KEY", "u1"), stored[1].Properties)

	raw := sendHeader("T", 2)
	p.ok(protocol.ReqSendBatchMessage, raw, nil, body)
	_, _, stored = p.pull(pullHeader("g", "T", 2, 0))
	require.Equal(t, []string{string(body)}, bodies(stored), "not a batch: stored as it is")
}

func TestBatchRefusals(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.MaxMessageSize = 1000 })
	p := r.dial(t)
	item := message.AppendBatchItem(nil, message.BatchItem{Body: []byte("x")})
	refused := func(name string, code protocol.ResponseCode, body []byte, change func(*protocol.SendMessageRequest)) {
		h := sendHeader("T", 0)
		h.Batch = true
		change(h)
		answer := p.call(protocol.ReqSendBatchMessage, h, body)
		require.EqualValues(t, code, answer.Code, "%s: %s", name, answer.Remark)
	}
	none := func(*protocol.SendMessageRequest) {}
	refused("garbage", protocol.RespSystemError, []byte("garbage garbage garbage"), none)
	refused("cut off", protocol.RespSystemError, item[:len(item)-1], none)
	refused("second item bad", protocol.RespSystemError, append(bytes.Clone(item), 0, 0, 0, 9), none)
	refused("too large", protocol.RespSystemError, bytes.Repeat(item, 50), none)
	refused("retry topic", protocol.RespMessageIllegal, item, func(h *protocol.SendMessageRequest) { h.Topic = "%RETRY%g" })
	refused("delayed", protocol.RespMessageIllegal, item, func(h *protocol.SendMessageRequest) { h.Properties = encoded("DELAY", "1") })
	refused("transaction", protocol.RespMessageIllegal, item, func(h *protocol.SendMessageRequest) { h.SysFlag = 4 })
	require.Zero(t, r.store.MaxOffset("T", 0))
}

func TestRetryTopicRedirectsToDeadLetters(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	h := sendHeader("%RETRY%g", 0, "DELAY", "4", "k", "v")
	h.ReconsumeTimes = 16
	p.ok(protocol.ReqSendMessage, h, nil, []byte("once more"))
	require.EqualValues(t, 1, r.store.MaxOffset("SCHEDULE_TOPIC_XXXX", 3))
	h.ReconsumeTimes = 17
	p.ok(protocol.ReqSendMessage, h, nil, []byte("given up"))
	_, _, stored := p.pull(pullHeader("g", "%DLQ%g", 0, 0))
	require.Equal(t, []string{"given up"}, bodies(stored))
	require.Equal(t, "-1", property(stored[0], "DELAY"))
	require.EqualValues(t, 17, stored[0].ReconsumeTimes)

	h.ReconsumeTimes, h.MaxReconsumeTimes = 3, protocol.Some[int32](2)
	p.ok(protocol.ReqSendMessage, h, nil, []byte("by its own limit"))
	h.ReconsumeTimes, h.MaxReconsumeTimes = 0, protocol.Opt[int32]{}
	r.locks.Lock("g", "c", []protocol.MessageQueue{{Topic: "T", BrokerName: "b"}})
	p.ok(protocol.ReqSendMessage, h, nil, []byte("consumed in order"))
	require.EqualValues(t, 3, r.store.MaxOffset("%DLQ%g", 0))
}

func TestReadOnlyBrokerRefusesOrderedTopicsOnly(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.BrokerPermission = protocol.PermRead })
	p := r.dial(t)
	p.send("T", 0, "x")
	r.topics.SetOrdered([]string{"T"})
	answer := p.call(protocol.ReqSendMessage, sendHeader("T", 0), []byte("x"))
	require.EqualValues(t, protocol.RespNoPermission, answer.Code)
	require.Equal(t, "the broker[127.0.0.1] sending message is forbidden", answer.Remark)
}

func TestNotBeforeTheStartTime(t *testing.T) {
	at := time.Now().Add(time.Hour)
	p := runRig(t, func(c *config.Broker) { c.StartAcceptSendRequest = at.UnixMilli() }).dial(t)
	answer := p.call(protocol.ReqSendMessage, sendHeader("T", 0), []byte("x"))
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	require.Contains(t, answer.Remark, "broker unable to service, until ")
}

func TestPriorityChoosesTheQueue(t *testing.T) {
	p := runRig(t).dial(t)
	require.EqualValues(t, 2, p.send("T", 0, "x", "_SYS_MSG_PRIORITY_", "2").QueueID)
	require.EqualValues(t, 3, p.send("T", 0, "x", "_SYS_MSG_PRIORITY_", "99").QueueID)
	require.EqualValues(t, 0, p.send("T", 0, "x", "_SYS_MSG_PRIORITY_", "2", "__SHARDINGKEY", "s").QueueID)
	_, _, stored := p.pull(pullHeader("g", "T", 0, 0))
	require.Equal(t, "", property(stored[0], "_SYS_MSG_PRIORITY_"))
}
