package admin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Answers as Java 5.5.0 gives them.
const (
	consumersOfG = `{"connectionSet":[{"clientAddr":"127.0.0.1:37402","clientId":"c2","language":"JAVA","version":509},{"clientAddr":"127.0.0.1:1","clientId":"c1","language":"GO","version":317}],"consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{"T":{"classFilterMode":false,"codeSet":[97],"expressionType":"TAG","subString":"a","subVersion":1795210000000,"tagsSet":["a"],"topic":"T"}}}`
	statsOfG     = `{"consumeTps":1.5,"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:{"brokerOffset":10,"consumerOffset":4,"lastTimestamp":1000,"pullOffset":6},{"brokerName":"broker-a","queueId":0,"topic":"T"}:{"brokerOffset":5,"consumerOffset":5,"lastTimestamp":0,"pullOffset":0}}}`
	noStats      = `{"consumeTps":0.0,"offsetTable":{}}`
	runningInfo  = `{"mqTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:{"cachedMsgCount":3,"commitOffset":4}},"properties":{"PROP_CONSUME_TYPE":"CONSUME_PASSIVELY"},"statusTable":{},"subscriptionSet":[{"expressionType":"TAG","subString":"a","topic":"T"}]}`
)

// withGroup makes group g known: its retry topic, its progress, its members.
func withGroup(f *fake.Cluster) {
	f.CreateTopic("%RETRY%g", 1)
	for _, name := range []string{"broker-a", "broker-b"} {
		b := f.Broker(name)
		b.Handle(protocol.ReqGetConsumeStats, raw(noStats))
		b.Handle(protocol.ReqGetConsumerConnectionList, raw(consumersOfG))
		b.Handle(protocol.ReqGetConsumerRunningInfo, raw(runningInfo))
		b.Handle(protocol.ReqQueryTopicConsumeByWho, raw(`{"groupList":["g"]}`))
	}
	f.Broker("broker-a").Handle(protocol.ReqGetConsumeStats, raw(statsOfG))
}

func TestGroupProgress(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	p, err := c.GroupProgress(t.Context(), ProgressQuery{Group: "g", Clients: true})
	require.NoError(t, err)
	q := func(id int32) client.Queue { return client.Queue{Topic: "T", Broker: "broker-a", ID: id} }
	require.Equal(t, Progress{Group: "g", TPS: 1.5, Lag: 6, Inflight: 2, Queues: []QueueProgress{
		{Queue: q(0), BrokerOffset: 5, ConsumerOffset: 5, PullOffset: 5},
		{Queue: q(1), BrokerOffset: 10, ConsumerOffset: 4, PullOffset: 6, LastConsumed: time.UnixMilli(1000), ClientID: "c1"},
	}}, p)

	_, err = c.GroupProgress(t.Context(), ProgressQuery{Group: "unknown"})
	require.Equal(t, client.CodeTopicNotExist, code(err))
	require.ErrorContains(t, err, "%RETRY%unknown")
	_, err = c.GroupProgress(t.Context(), ProgressQuery{Group: "unknown", Topic: "T"})
	require.NoError(t, err, "a group without a retry topic is looked for at the topic's brokers")
}

func TestGroups(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	f.CreateTopic("%RETRY%off", 1)
	list, err := c.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, GroupSummary{Group: "g", Members: 2, Version: "V4_5_2", Type: "PUSH", Model: "CLUSTERING", TPS: 1.5, Lag: 6}, list[0])

	for _, name := range []string{"broker-a", "broker-b"} {
		f.Broker(name).Handle(protocol.ReqGetConsumerConnectionList, fake.Answer(fake.Refuse(protocol.RespConsumerNotOnline, "the consumer group[off] not online")))
	}
	list, err = c.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, "OFFLINE", list[1].Version)
	require.Empty(t, list[1].Err)
}

func TestConnections(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	got, err := c.ConsumerConnections(t.Context(), "g", "")
	require.NoError(t, err)
	require.Equal(t, Consumers{
		Group: "g", ConsumeType: "CONSUME_PASSIVELY", MessageModel: "CLUSTERING", FromWhere: "CONSUME_FROM_FIRST_OFFSET",
		Connections:   []Connection{{"c1", "127.0.0.1:1", "GO", "V4_5_2"}, {"c2", "127.0.0.1:37402", "JAVA", "V5_4_8"}},
		Subscriptions: []Subscription{{"T", "a", "TAG", time.UnixMilli(1795210000000)}},
	}, got)
	b := f.Broker("broker-b")
	b.Handle(protocol.ReqGetConsumerConnectionList, raw(`{"connectionSet":[],"subscriptionTable":{}}`))
	_, err = c.ConsumerConnections(t.Context(), "g", b.Addr)
	require.Equal(t, client.CodeConsumerNotOnline, code(err))

	f.Broker("broker-a").Handle(protocol.ReqGetProducerConnectionList, raw(`{"connectionSet":[{"clientAddr":"a:1","clientId":"p1","language":"JAVA","version":513}]}`))
	list, err := c.ProducerConnections(t.Context(), "pg", "T")
	require.NoError(t, err)
	require.Equal(t, []Connection{{"p1", "a:1", "JAVA", "V5_5_0"}}, list)
}

func TestConsumerStatus(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	state, err := c.ConsumerStatus(t.Context(), "g", "", "", true)
	require.NoError(t, err)
	require.Len(t, state.Members, 2)
	require.True(t, state.SameSubscription)
	require.Equal(t, "c1", state.Members[0].ClientID)
	require.True(t, bindTo[protocol.GetConsumerRunningInfoRequest](t, f.Broker("broker-a").Seen(protocol.ReqGetConsumerRunningInfo)[0]).JstackEnable)

	state, err = c.ConsumerStatus(t.Context(), "g", "c2", "", false)
	require.NoError(t, err)
	require.Len(t, state.Members, 1)
	_, err = c.ConsumerStatus(t.Context(), "g", "c9", "", false)
	require.Equal(t, client.CodeConsumerNotOnline, code(err))

	member := func(sub string) ConsumerState {
		return ConsumerState{Info: protocol.ConsumerRunningInfo{SubscriptionSet: []protocol.SubscriptionData{{Topic: "T", SubString: sub}}}}
	}
	require.True(t, sameSubscription([]ConsumerState{member("a"), {Err: "gone"}, member("a")}))
	require.False(t, sameSubscription([]ConsumerState{member("a"), member("b")}))
}

func TestUpdateAndDeleteGroup(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	for _, name := range []string{"broker-a", "broker-b"} {
		f.Broker(name).Handle(protocol.ReqUpdateAndCreateSubscriptionGroup, raw(""))
		f.Broker(name).Handle(protocol.ReqDeleteSubscriptionGroup, raw(""))
	}
	config := NewGroupConfig("g")
	config.RetryPolicy = `{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":100,"max":1000,"multiplier":3}}`
	config.Attributes = "+priority.factor=5"
	done, err := c.UpdateGroup(t.Context(), Target{Cluster: "DefaultCluster"}, config)
	require.NoError(t, err)
	require.Len(t, done, 2)
	var body protocol.SubscriptionGroupConfig
	require.NoError(t, javajson.Unmarshal(f.Broker("broker-a").Seen(protocol.ReqUpdateAndCreateSubscriptionGroup)[0].Body, &body))
	require.Equal(t, map[string]string{"+priority.factor": "5"}, body.Attributes)
	require.EqualValues(t, 3, body.GroupRetryPolicy.ExponentialRetryPolicy.Multiplier)
	require.False(t, body.ConsumeBroadcastEnable)
	require.EqualValues(t, 16, body.RetryMaxTimes)

	config.RetryPolicy = "{"
	_, err = c.UpdateGroup(t.Context(), Target{Cluster: "DefaultCluster"}, config)
	require.ErrorContains(t, err, "retry policy of group g")
	config.RetryPolicy, config.Attributes = "", "x"
	_, err = c.UpdateGroup(t.Context(), Target{Cluster: "DefaultCluster"}, config)
	require.ErrorContains(t, err, "attribute change")

	_, err = c.DeleteGroup(t.Context(), Target{Cluster: "DefaultCluster"}, "g", true)
	require.NoError(t, err)
	require.True(t, bindTo[protocol.DeleteSubscriptionGroupRequest](t, f.Broker("broker-a").Seen(protocol.ReqDeleteSubscriptionGroup)[0]).CleanOffset)
	require.Len(t, f.Broker("broker-a").Seen(protocol.ReqDeleteTopicInBroker), 2, "its retry and dead letter topics")
}

// TestGroupTablePages: the table comes in pages, and starts over when it changes.
func TestGroupTablePages(t *testing.T) {
	f, c := setup(t)
	total := &protocol.GetAllSubscriptionGroupResponse{TotalGroupNum: protocol.Some[int32](2)}
	page := func(name string, counter string) *fakeAnswer {
		return &fakeAnswer{total, `{"dataVersion":{"counter":` + counter + `},"subscriptionGroupTable":{"` + name + `":{"groupName":"` + name + `"}}}`}
	}
	pages := []*fakeAnswer{page("old", "1"), page("a", "2"), page("g", "2")}
	serve(f.Broker("broker-a"), pages)
	serve(f.Broker("broker-b"), []*fakeAnswer{{nil, `{"subscriptionGroupTable":{}}`}})
	found, err := c.GroupConfigs(t.Context(), "g")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "broker-a", found[0].Broker)
	require.Equal(t, "g", found[0].Config.GroupName)
}

func TestResetOffsets(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	a, b := f.Broker("broker-a"), f.Broker("broker-b")
	a.Handle(protocol.ReqInvokeBrokerToResetOffset, raw(`{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:2}}`))
	b.Handle(protocol.ReqInvokeBrokerToResetOffset, raw(`{"offsetTable":{}}`))
	changes, err := c.ResetOffsets(t.Context(), Reset{Group: "g", Topic: "T", Time: time.UnixMilli(1234), Force: true})
	require.NoError(t, err)
	require.Equal(t, []OffsetChange{{client.Queue{Topic: "T", Broker: "broker-a", ID: 1}, 4, 2}}, changes)
	h := bindTo[protocol.ResetOffsetRequest](t, a.Seen(protocol.ReqInvokeBrokerToResetOffset)[0])
	require.EqualValues(t, 1234, h.Timestamp)
	require.True(t, h.IsForce)
	_, err = c.ResetOffsets(t.Context(), Reset{Group: "g", Topic: "T"})
	require.NoError(t, err)
	require.EqualValues(t, -1, bindTo[protocol.ResetOffsetRequest](t, a.Seen(protocol.ReqInvokeBrokerToResetOffset)[1]).Timestamp)

	// A broker that needs the group online: the offsets are written one by one.
	offline := fake.Answer(fake.Refuse(protocol.RespConsumerNotOnline, "no"))
	a.Handle(protocol.ReqInvokeBrokerToResetOffset, offline)
	a.Handle(protocol.ReqSearchOffsetByTimestamp, fake.Answer(fake.OK(&protocol.SearchOffsetResponse{Offset: 5}, nil)))
	changes, err = c.ResetOffsets(t.Context(), Reset{Group: "g", Topic: "T", Time: time.UnixMilli(1234)})
	require.NoError(t, err)
	require.Equal(t, []OffsetChange{{client.Queue{Topic: "T", Broker: "broker-a"}, 5, 5}}, changes, "queue 1 would go forward")
	changes, err = c.ResetOffsets(t.Context(), Reset{Group: "g", Topic: "T", Time: time.UnixMilli(1234), Force: true})
	require.NoError(t, err)
	require.Len(t, changes, 2)

	a.Handle(protocol.ReqInvokeBrokerToResetOffset, fake.Answer(fake.Refuse(protocol.RespSubscriptionGroupNotExist, "no group")))
	_, err = c.ResetOffsets(t.Context(), Reset{Group: "g", Topic: "T"})
	require.Equal(t, client.CodeGroupNotExist, code(err))
}

func TestResetQueueOffset(t *testing.T) {
	f, c := setup(t)
	a := f.Broker("broker-a")
	a.Handle(protocol.ReqInvokeBrokerToResetOffset, raw(`{"offsetTable":{}}`))
	change, err := c.ResetQueueOffset(t.Context(), QueueReset{Group: "g", Topic: "T", Broker: a.Addr, Queue: 1, Offset: 7})
	require.NoError(t, err)
	require.EqualValues(t, 7, change.To)
	require.EqualValues(t, 7, bindTo[protocol.UpdateConsumerOffsetRequest](t, a.Seen(protocol.ReqUpdateConsumerOffset)[0]).CommitOffset)
	h := bindTo[protocol.ResetOffsetRequest](t, a.Seen(protocol.ReqInvokeBrokerToResetOffset)[0])
	require.Equal(t, protocol.Some[int64](7), h.Offset)
	require.Equal(t, protocol.Some[int32](1), h.QueueID)
	change, err = c.ResetQueueOffset(t.Context(), QueueReset{Group: "g", Topic: "T", Broker: a.Addr, Queue: 1, Time: time.UnixMilli(1), Offset: -1})
	require.NoError(t, err)
	require.Zero(t, change.To)
}

func TestCloneOffsets(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	changes, err := c.CloneOffsets(t.Context(), "g", "h", "T")
	require.NoError(t, err)
	require.Len(t, changes, 2)
	h := bindTo[protocol.UpdateConsumerOffsetRequest](t, f.Broker("broker-a").Seen(protocol.ReqUpdateConsumerOffset)[1])
	require.Equal(t, protocol.UpdateConsumerOffsetRequest{ConsumerGroup: "h", Topic: "T", QueueID: 1, CommitOffset: 4, BrokerName: "broker-a"}, h)
}

func TestDeliveries(t *testing.T) {
	f, c := setup(t)
	withGroup(f)
	at := func(queue int32, offset int64, tag string) string {
		m := &client.MessageView{Queue: client.Queue{Topic: "T", Broker: "broker-a", ID: queue}, Offset: offset, Properties: map[string]string{"TAGS": tag}}
		list, err := c.Deliveries(t.Context(), m)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "g", list[0].Group)
		return list[0].Status
	}
	require.Equal(t, DeliveredConsumed, at(1, 3, "a"))
	require.Equal(t, DeliveredNotYet, at(1, 4, "a"))
	require.Equal(t, DeliveredFiltered, at(1, 3, "b"))
	require.Equal(t, DeliveredUnknown, at(7, 3, "a"))
	broadcast := `{"connectionSet":[{"clientId":"c"}],"consumeType":"CONSUME_PASSIVELY","messageModel":"BROADCASTING","subscriptionTable":{}}`
	for body, status := range map[string]string{
		broadcast: DeliveredBroadcast,
		`{"connectionSet":[{"clientId":"c"}],"consumeType":"CONSUME_ACTIVELY","messageModel":"CLUSTERING","subscriptionTable":{}}`: DeliveredPull,
	} {
		f.Broker("broker-a").Handle(protocol.ReqGetConsumerConnectionList, raw(body))
		require.Equal(t, status, at(1, 3, "a"))
	}
	f.Broker("broker-a").Handle(protocol.ReqGetConsumerConnectionList, fake.Answer(fake.Refuse(protocol.RespConsumerNotOnline, "")))
	require.Equal(t, DeliveredOffline, at(1, 3, "a"))
}

func TestConsumeDirectly(t *testing.T) {
	f, c := setup(t)
	a := f.Broker("broker-a")
	a.Handle(protocol.ReqConsumeMessageDirectly, raw(`{"autoCommit":true,"consumeResult":"CR_SUCCESS","order":false,"spentTimeMills":3}`))
	m, err := sent(t, f, c)
	require.NoError(t, err)
	result, err := c.ConsumeDirectly(t.Context(), "g", "c1", m)
	require.NoError(t, err)
	require.Equal(t, "CR_SUCCESS", result.ConsumeResult.String())
	require.EqualValues(t, 3, result.SpentTimeMills)
	h := bindTo[protocol.ConsumeMessageDirectlyRequest](t, a.Seen(protocol.ReqConsumeMessageDirectly)[0])
	require.Equal(t, m.OffsetID(), h.MsgID)
}
