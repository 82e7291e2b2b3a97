package broker

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

// liteRig is a broker with a parent topic P and a group G bound to it.
func liteRig(t testing.TB, change ...func(*config.Broker)) *rig {
	r := runRig(t, append([]func(*config.Broker){func(c *config.Broker) { c.EnableLMQ, c.EnableMultiDispatch = true, true }}, change...)...)
	_, err := r.topics.Update([]*protocol.TopicConfig{{
		TopicName: "P", ReadQueueNums: 1, WriteQueueNums: 1, Perm: readWrite,
		Attributes: map[string]string{"+message.type": "LITE", "+lite.topic.expiration": "1"},
	}})
	require.NoError(t, err)
	group := protocol.NewSubscriptionGroupConfig("G")
	group.Attributes = map[string]string{"+lite.bind.topic": "P"}
	require.NoError(t, r.groups.Update([]*protocol.SubscriptionGroupConfig{&group}))
	return r
}

// putLite stores a message in each of some lite topics.
func (r *rig) putLite(t testing.TB, names ...string) {
	messages := make([]message.Message, len(names))
	for i, name := range names {
		props := message.AppendProperty(nil, message.PropLiteTopic, name)
		props = message.AppendProperty(props, message.PropInnerMultiDispatch, protocol.LiteQueueName("P", name))
		messages[i] = message.Message{Topic: "P", Body: []byte("b"), Properties: string(props), BornHost: r.traffic.host, StoreHost: r.traffic.host}
	}
	results := make([]store.PutResult, len(names))
	r.putAll(messages, results, stats.Lite)
	for i := range results {
		require.Equal(t, store.PutOK, results[i].Status)
	}
}

func (p *peer) ctl(body string) *protocol.ResponseCode {
	p.write(protocol.ReqLiteSubscriptionCtl, nil, []byte(body), 0)
	code := protocol.ResponseCode(p.read().Code)
	return &code
}

func TestLiteSubscriptionsThatCannotBe(t *testing.T) {
	r := liteRig(t)
	p := r.dial(t)
	dto := func(action, rest string) string {
		return fmt.Sprintf(`{"subscriptionSet":[{"action":%q,"clientId":"c","group":"G","topic":"P"%s}]}`, action, rest)
	}
	for body, want := range map[string]protocol.ResponseCode{
		"":                         protocol.RespIllegalOperation,
		`{}`:                       protocol.RespIllegalOperation,
		`{"subscriptionSet":[]}`:   protocol.RespIllegalOperation,
		`{"subscriptionSet":[{}]}`: protocol.RespSuccess, // blank names are passed over
		dto("PARTIAL_ADD", `,"liteTopicSet":["a","","x$y"]`): protocol.RespSuccess,
		dto("NONE", ``):            protocol.RespSystemError,
		dto("COMPLETE_ADD", ``):    protocol.RespSuccess,
		dto("COMPLETE_REMOVE", ``): protocol.RespSuccess,
	} {
		require.Equal(t, want, *p.ctl(body), body)
	}
}

func TestLiteExpiryTakesAllWithIt(t *testing.T) {
	r := liteRig(t)
	p := r.dial(t)
	r.putLite(t, "a", "a", "b")
	require.Equal(t, protocol.RespSuccess, *p.ctl(`{"subscriptionSet":[{"action":"PARTIAL_ADD","clientId":"c","group":"G","topic":"P","liteTopicSet":["a"]}]}`))
	queue := protocol.LiteQueueName("P", "a")
	require.NoError(t, r.offsets.Commit("G", queue, 0, 1))
	deleted, err := r.store.DeleteIdle([]store.Idle{{Queue: queue, End: 1}})
	require.NoError(t, err)
	require.Equal(t, []bool{false}, deleted, "it ends at 2")
	require.NoError(t, r.dropLite("P"))
	require.Zero(t, r.store.MaxOffset(queue, 0))
	_, known := r.offsets.Query("G", queue, 0)
	require.False(t, known)
	require.Zero(t, r.lite.Stats().Queues)
	r.putLite(t, "a")
	require.EqualValues(t, 1, r.store.MaxOffset(queue, 0))
}

// TestLiteOffsetBeyondTheEnd: a group whose offset is of a queue that began anew
// loses nothing.
func TestLiteOffsetBeyondTheEnd(t *testing.T) {
	r := liteRig(t)
	p := r.dial(t)
	queue := protocol.LiteQueueName("P", "a")
	require.NoError(t, r.offsets.Commit("G", queue, 0, 50))
	r.putLite(t, "a")
	p.ctl(`{"subscriptionSet":[{"action":"PARTIAL_ADD","clientId":"c","group":"G","topic":"P","liteTopicSet":["a"]}]}`)
	p.write(protocol.ReqPopLiteMessage, &protocol.PopLiteMessageRequest{
		ClientID: "c", ConsumerGroup: "G", Topic: "P", MaxMsgNum: 8, InvisibleTime: 60_000, PollTime: 5000, BornTime: r.now().UnixMilli(),
	}, nil, 0)
	answer := p.read()
	require.EqualValues(t, protocol.RespSuccess, answer.Code)
	m, err := message.Parse(answer.Body)
	require.NoError(t, err)
	offset, ok := lightOffset(m.Properties, queue)
	require.True(t, ok)
	require.Zero(t, offset)
}

// TestLiteMemory counts what a lite topic costs the whole broker: the queue, the
// entry, and the offset of one group.
func TestLiteMemory(t *testing.T) {
	r := liteRig(t)
	const n, batch = 5000, 1000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	r.putLite(t, "first")
	before := heap()
	for i := 0; i < n; i += batch {
		names := make([]string, batch)
		for k := range names {
			names[k] = "session-" + strconv.Itoa(i+k)
		}
		r.putLite(t, names...)
		for _, name := range names {
			require.NoError(t, r.offsets.Commit("G", protocol.LiteQueueName("P", name), 0, 1))
		}
	}
	each := float64(heap()-before) / n
	t.Logf("bytes for a lite topic: %.0f", each)
	require.Less(t, each, 1073.0, "a million take less than 1 GiB")
}

func TestLiteGroupLag(t *testing.T) {
	r := liteRig(t, func(c *config.Broker) { c.LiteLagTimes = true })
	p := r.dial(t)
	r.putLite(t, "a", "b", "b", "b", "c")
	for name, at := range map[string]int64{"a": 0, "b": 1, "c": 1} {
		require.NoError(t, r.offsets.Commit("G", protocol.LiteQueueName("P", name), 0, at))
	}
	p.write(protocol.ReqGetLiteGroupInfo, &protocol.GetLiteGroupInfoRequest{Group: "G", TopK: 1}, nil, 0)
	var body protocol.GetLiteGroupInfoResponseBody
	require.NoError(t, javajson.Unmarshal(p.read().Body, &body))
	require.EqualValues(t, 3, body.TotalLagCount)
	require.Len(t, body.LagCountTopK, 1)
	require.Equal(t, "b", body.LagCountTopK[0].LiteTopic)
	require.Len(t, body.LagTimestampTopK, 1)
	require.Positive(t, body.EarliestUnconsumedTimestamp)
}

func TestConsistentHash(t *testing.T) {
	// Values of Guava's Hashing.consistentHash.
	require.Zero(t, consistentHash(10863919174838991, 1))
	for _, c := range []struct {
		key     int64
		n, want int
	}{{10863919174838991, 11, 6}, {2016238256797177309, 11, 3}, {1673758223894951030, 11, 5}, {2, 100001, 80343}, {2201, 100001, 22152}, {2202, 100001, 15018}} {
		require.Equal(t, c.want, consistentHash(c.key, c.n), c.key)
	}
}
