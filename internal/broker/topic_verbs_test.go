package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

func createHeader(topic string) *protocol.CreateTopicRequest {
	return &protocol.CreateTopicRequest{
		Topic: topic, DefaultTopic: "TBW102", ReadQueueNums: 2, WriteQueueNums: 2, Perm: 6, TopicFilterType: "SINGLE_TAG",
	}
}

// body decodes the body of a successful answer.
func body[T any](p *peer, code protocol.RequestCode, header any) T {
	var out T
	answer := p.ok(code, header, nil, nil)
	require.NoError(p.t, javajson.Unmarshal(answer.Body, &out), "%s", answer.Body)
	return out
}

func TestTopicLife(t *testing.T) {
	cfg := rigConfig(t)
	r := runRigOn(t, cfg)
	p := r.dial(t)
	h := createHeader("t")
	h.Attributes = "+message.type=FIFO"
	p.ok(protocol.ReqUpdateAndCreateTopic, h, nil, nil)
	answer := p.ok(protocol.ReqGetTopicConfig, &protocol.GetTopicConfigRequest{Topic: "t"}, nil, nil)
	require.Equal(t, `{"attributes":{"message.type":"FIFO"},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG",`+
		`"topicName":"t","topicSysFlag":0,"writeQueueNums":2}`, string(answer.Body))

	p.send("t", 1, "x")
	stats := body[protocol.TopicStatsTable](p, protocol.ReqGetTopicStatsInfo, &protocol.GetTopicStatsInfoRequest{Topic: "t"})
	require.Len(t, stats.OffsetTable, 2)
	last := stats.OffsetTable[r.queueOf("t", 1)]
	require.EqualValues(t, 1, last.MaxOffset)
	require.Positive(t, last.LastUpdateTimestamp)
	require.Zero(t, stats.OffsetTable[r.queueOf("t", 0)])

	require.NoError(t, r.offsets.Commit("g", "t", 1, 1))
	groups := body[protocol.GroupList](p, protocol.ReqQueryTopicConsumeByWho, &protocol.QueryTopicConsumeByWhoRequest{Topic: "t"})
	require.Equal(t, []string{"g"}, groups.GroupList)
	topics := body[protocol.TopicList](p, protocol.ReqQueryTopicsByConsumer, &protocol.QueryTopicsByConsumerRequest{Group: "g"})
	require.Equal(t, protocol.TopicList{TopicList: []string{"t"}, BrokerAddr: r.Advertised()}, topics)

	p.ok(protocol.ReqDeleteTopicInBroker, &protocol.DeleteTopicRequest{Topic: "t"}, nil, nil)
	p.ok(protocol.ReqDeleteTopicInBroker, &protocol.DeleteTopicRequest{Topic: "t"}, nil, nil)
	require.EqualValues(t, protocol.RespTopicNotExist, p.call(protocol.ReqGetTopicConfig, &protocol.GetTopicConfigRequest{Topic: "t"}, nil).Code)
	require.EqualValues(t, protocol.RespTopicNotExist, p.call(protocol.ReqGetTopicStatsInfo, &protocol.GetTopicStatsInfoRequest{Topic: "t"}, nil).Code)
	require.Zero(t, r.store.MaxOffset("t", 1))
	require.Empty(t, r.offsets.Topics("g"))

	p.ok(protocol.ReqUpdateAndCreateTopic, createHeader("kept"), nil, nil)
	r.shutdown()
	again := runRigOn(t, cfg)
	_, ok := again.topics.Lookup("kept")
	require.True(t, ok)
	_, ok = again.topics.Lookup("t")
	require.False(t, ok)
}

func TestTopicRefusals(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	for _, c := range []struct {
		change func(*protocol.CreateTopicRequest)
		code   protocol.ResponseCode
		remark string
	}{
		{func(h *protocol.CreateTopicRequest) { h.Topic = "a b" }, 29, "The specified topic: a b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"},
		{func(h *protocol.CreateTopicRequest) { h.Topic = "TBW102" }, 29, "The topic[TBW102] is conflict with system topic."},
		{func(h *protocol.CreateTopicRequest) { h.TopicFilterType = "x" }, 1, "topicFilterType = [x] value invalid"},
		{func(h *protocol.CreateTopicRequest) { h.Attributes = "+foo=1" }, 1, "unsupported key: foo"},
		{func(h *protocol.CreateTopicRequest) { h.Attributes = "foo=1" }, 1, "add/alter attribute format is wrong: foo"},
	} {
		h := createHeader("t")
		c.change(h)
		answer := p.call(protocol.ReqUpdateAndCreateTopic, h, nil)
		require.EqualValues(t, c.code, answer.Code)
		require.Equal(t, c.remark, answer.Remark)
	}
	for topic, remark := range map[string]string{
		" ": "The specified topic is blank.", "BenchmarkTest": "The topic[BenchmarkTest] is conflict with system topic.",
	} {
		answer := p.call(protocol.ReqDeleteTopicInBroker, &protocol.DeleteTopicRequest{Topic: topic}, nil)
		require.EqualValues(t, protocol.RespInvalidParameter, answer.Code)
		require.Equal(t, remark, answer.Remark)
	}
}

func TestTopicListAppliesTheRest(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.ok(protocol.ReqUpdateAndCreateTopic, createHeader("a"), nil, nil)
	same := protocol.NewTopicConfig("a")
	same.ReadQueueNums, same.WriteQueueNums = 2, 2
	list := protocol.CreateTopicListRequestBody{TopicConfigList: []protocol.TopicConfig{same, protocol.NewTopicConfig("b")}}
	p.ok(protocol.ReqUpdateAndCreateTopicList, nil, nil, javajson.Marshal(&list))
	_, ok := r.topics.Lookup("b")
	require.True(t, ok)
}

func TestAllTopicsInPages(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.SplitMetadataSize = 4 })
	p := r.dial(t)
	whole := body[protocol.TopicConfigAndMapping](p, protocol.ReqGetAllTopicConfig, nil)
	require.Len(t, whole.TopicConfigTable, r.topics.Len())

	seen, version := map[string]bool{}, ""
	for total := 2; len(seen) < total-1; { // as the Java client does
		h := &protocol.GetAllTopicConfigRequest{TopicSeq: protocol.Some(int32(len(seen))), DataVersion: version, MaxTopicNum: protocol.Some[int32](100)}
		answer := p.ok(protocol.ReqGetAllTopicConfig, h, nil, nil)
		var header protocol.GetAllTopicConfigResponse
		require.NoError(t, bindExt(answer, &header))
		total = int(header.TotalTopicNum.Value)
		var page protocol.TopicConfigAndMapping
		require.NoError(t, javajson.Unmarshal(answer.Body, &page))
		require.LessOrEqual(t, len(page.TopicConfigTable), 5)
		for name := range page.TopicConfigTable {
			seen[name] = true
		}
		version = string(javajson.Marshal(&page.DataVersion))
	}
	require.Len(t, seen, r.topics.Len())
}

func TestSystemTopicsAndSubscriptions(t *testing.T) {
	r := runRig(t, quiet)
	p := r.dial(t)
	list := body[protocol.TopicList](p, protocol.ReqGetSystemTopicListFromBroker, nil)
	require.Contains(t, list.TopicList, "broker-a")
	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "t"))
	sub := body[protocol.QuerySubscriptionResponseBody](p, protocol.ReqQuerySubscriptionByConsumer,
		&protocol.QuerySubscriptionByConsumerRequest{Group: "g", Topic: "t"})
	require.Equal(t, "*", sub.SubscriptionData.SubString)
	groups := body[protocol.GroupList](p, protocol.ReqQueryTopicConsumeByWho, &protocol.QueryTopicConsumeByWhoRequest{Topic: "t"})
	require.Equal(t, []string{"g"}, groups.GroupList)
}
