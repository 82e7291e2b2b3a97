package protocol

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/stretchr/testify/require"
)

// javaBodies pairs the names of Java's body classes with our types.
var javaBodies = map[string]reflect.Type{
	"AclInfo": of[ACLInfo](), "CheckRocksdbCqWriteResult": of[CheckRocksDBCQWriteResult](),
	"TopicConfigAndMappingSerializeWrapper": of[TopicConfigAndMapping](),
	"TimerMetricsSerializeWrapper":          of[TimerMetrics](),
	"TransactionMetricsSerializeWrapper":    of[TransactionMetrics](),
}

// moreBodies are those of the same name that are not in Verbs.
var moreBodies = []reflect.Type{
	of[BrokerMemberGroup](), of[Connection](), of[ConsumeByWho](), of[ResetOffsetBodyForC](), of[RollbackStats](),
	of[TopicConfigSerializeWrapper](), of[TopicQueueMappingSerializeWrapper](), of[TopicConfig](), of[OffsetMovedEvent](),
	of[BrokerSyncInfo](), of[UnlockBatchRequestBody](), of[CreateTopicListRequestBody](),
}

func bodyTypes() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for n, t := range javaBodies {
		out[n] = t
	}
	all := moreBodies
	for _, v := range Verbs {
		all = append(all, v.RequestBody, v.ResponseBody)
	}
	for _, t := range all {
		if t != nil && t.Kind() == reflect.Struct {
			out[t.Name()] = t
		}
	}
	return out
}

// TestBodiesOfJava reads what Java 5.5.0 wrote for an object of each body class
// with every field set, and writes the same bytes again.
func TestBodiesOfJava(t *testing.T) {
	data, err := os.ReadFile("testdata/java/bodies.txt")
	require.NoError(t, err)
	types := bodyTypes()
	for l := range strings.Lines(string(data)) {
		class, text, ok := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		require.True(t, ok)
		typ, ok := types[class]
		require.True(t, ok, class)
		v := reflect.New(typ)
		require.NoError(t, javajson.Unmarshal([]byte(text), v.Interface()), class)
		require.Equal(t, text, string(javajson.Marshal(v.Interface())), class)
	}
}

// TestBodiesOfTheBroker does the same with bodies observed on a live broker.
func TestBodiesOfTheBroker(t *testing.T) {
	check := func(v any, text string) {
		t.Helper()
		require.NoError(t, javajson.Unmarshal([]byte(text), v))
		require.Equal(t, text, string(javajson.Marshal(v)))
	}
	check(new(TopicConfig), `{"attributes":{"message.type":"NORMAL"},"order":false,"perm":6,"readQueueNums":4,"topicFilterType":"SINGLE_TAG","topicName":"t","topicSysFlag":0,"writeQueueNums":4}`)
	check(new(SubscriptionGroupConfig), `{"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"g","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":0,"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":16,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}`)
	check(new(DataVersion), `{"counter":2,"stateVersion":0,"timestamp":1795217902233}`)
	check(new(SubscriptionData), `{"classFilterMode":false,"codeSet":[3552112],"expressionType":"TAG","subString":"tagA","subVersion":1795210000000,"tagsSet":["tagA"],"topic":"t"}`)
	check(new(TopicList), `{"brokerAddr":"1.2.3.4:10911","topicList":["a","b"]}`)
	check(new(ClusterInfo), `{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-a"]}}`)
	check(new(TopicStatsTable), `{"offsetTable":{{"brokerName":"broker-a","queueId":2,"topic":"t"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0}},"topicPutTps":0.0}`)
	check(new(ConsumeStats), `{"consumeTps":0.0,"offsetTable":{{"brokerName":"b","queueId":1,"topic":"t"}:{"brokerOffset":1,"consumerOffset":1,"lastTimestamp":1795218364994,"pullOffset":1}}}`)
	check(new(ResetOffsetBody), `{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"t"}:0}}`)
	check(new(ConsumerOffsetSerializeWrapper), `{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":2},"groupTopicMap":{"g":["t"]},"offsetTable":{"t@g":{0:0}},"pullOffsetTable":{}}`)
	check(new(QueryCorrectionOffsetBody), `{"correctionOffsets":{0:0}}`)
	check(new(HARuntimeInfo), `{"haClientRuntimeInfo":{"lastReadTimestamp":0,"lastWriteTimestamp":0,"masterFlushOffset":0,"maxOffset":0,"transferredByteInSecond":0},"haConnectionInfo":[],"inSyncSlaveNums":0,"master":true,"masterCommitLogMaxOffset":5}`)
	check(new(ColdDataFlowCtrInfo), `{"cgColdReadThreshold":3145728,"configTable":{"g":1000000},"globalAcc":0,"globalColdReadThreshold":104857600,"runtimeTable":{}}`)
	check(new(BrokerStatsData), `{"statsDay":{"avgpt":0.0,"sum":0,"tps":0.0},"statsHour":{"avgpt":0.0,"sum":0,"tps":0.0},"statsMinute":{"avgpt":0.0,"sum":0,"tps":0.0}}`)
	check(new([]UserInfo), `[{"password":"p1","userStatus":"enable","userType":"Normal","username":"u1"}]`)
	check(new(QueryAssignmentResponseBody), `{}`)
	check(new(QueryAssignmentResponseBody), `{"messageQueueAssignments":[]}`)
	check(new(GetBrokerLiteInfoResponseBody), `{"cqTableSize":5,"currentLmqNum":0,"eventMapSize":0,"groupMeta":{},"liteSubscriptionCount":0,"maxLmqNum":20000,"offsetTableSize":2,"orderInfoCount":0,"storeType":"default","topicMeta":{"parent":1}}`)
}

// TestSharedShapes does the same with the shapes that the protocol pages give.
func TestSharedShapes(t *testing.T) {
	check := func(v any, text string) {
		t.Helper()
		require.NoError(t, javajson.Unmarshal([]byte(text), v))
		require.Equal(t, text, string(javajson.Marshal(v)))
	}
	check(new(MessageQueue), `{"brokerName":"b","queueId":1,"topic":"t"}`)
	check(new(KVTable), `{"table":{"k":"v"}}`)
	check(new(GetConsumerListByGroupResponseBody), `{"consumerIdList":["id1","id2"]}`)
	check(new(GroupForbidden), `{"group":"g","readable":false,"topic":"t"}`)
	check(new(GroupForbidden), `{"group":"g","topic":"t"}`)
	check(new(ConsumeMessageDirectlyResult), `{"autoCommit":true,"consumeResult":"CR_SUCCESS","order":false,"remark":"r","spentTimeMills":0}`)
	check(new(MessageRequestModeSerializeWrapper), `{"messageRequestModeMap":{"t":{"g":{"consumerGroup":"g","mode":"POP","popShareQueueNum":2,"topic":"t"}}}}`)
	check(new(GetConsumerStatusBody), `{"consumerTable":{"cid":{{"brokerName":"b","queueId":1,"topic":"t"}:7}},"messageQueueTable":{}}`)
	check(new(ResetOffsetBodyForC), `{"offsetTable":[{"brokerName":"b","offset":5,"queueId":1,"topic":"t"}]}`)
	check(new(DelayOffsetSerializeWrapper), `{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":2},"offsetTable":{1:5,18:7}}`)
	check(new(TopicQueueMappingInfo), `{"bname":"b","currIdMap":{0:0},"dirty":false,"epoch":1,"scope":"__global__","topic":"t","totalQueues":4}`)
	check(new(ACLInfo), `{"policies":[{"entries":[{"actions":["Create","Pub"],"decision":"Allow","resource":"Topic:adm_*","sourceIps":["127.0.0.0/8"]},{"actions":["All"],"decision":"Deny","resource":"Topic:adm_no"}],"policyType":"Custom"}],"subject":"User:u1"}`)
	check(new(LiteSubscriptionCtlRequestBody), `{"subscriptionSet":[{"action":"PARTIAL_ADD","clientId":"c","group":"g","liteTopicSet":["l1"],"offsetOption":{"type":"POLICY","value":0},"topic":"t","version":0}]}`)
	check(new(GetBrokerMemberGroupResponseBody), `{"brokerMemberGroup":{"brokerAddrs":{},"brokerName":"b","cluster":"c"}}`)
}

// TestConfigFilesOfJava reads files as Java's broker writes them, with integer
// keys without quotes, and writes them as standard JSON.
func TestConfigFilesOfJava(t *testing.T) {
	java := "{\n\t\"dataVersion\":{\n\t\t\"counter\":1,\n\t\t\"stateVersion\":0,\n\t\t\"timestamp\":2\n\t},\n\t\"offsetTable\":{\n\t\t\"t@g\":{\n\t\t\t0:5,\n\t\t\t10:6\n\t\t}\n\t}\n}"
	var w ConsumerOffsetSerializeWrapper
	require.NoError(t, javajson.Unmarshal([]byte(java), &w))
	require.Equal(t, map[int32]int64{0: 5, 10: 6}, w.OffsetTable["t@g"])
	want := strings.NewReplacer("0:5", `"0":5`, "10:6", `"10":6`).Replace(java)
	require.Equal(t, want, string(javajson.MarshalPretty(&w)))
}

func TestRouteInBothDialects(t *testing.T) {
	// The body of the route answer captured from a live nameserver.
	standard := `{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":7,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}`
	var r TopicRouteData
	require.NoError(t, javajson.Unmarshal([]byte(standard), &r))
	require.Equal(t, "127.0.0.1:10911", r.BrokerDatas[0].BrokerAddrs[MasterID])
	require.Equal(t, standard, string(javajson.MarshalStandard(&r)))
	require.Equal(t, strings.Replace(standard, `"0"`, `0`, 1), string(javajson.Marshal(&r)))
}

// TestHeartbeatOfGoClient reads the spelling of rocketmq-client-go.
func TestHeartbeatOfGoClient(t *testing.T) {
	var h HeartbeatData
	require.NoError(t, javajson.Unmarshal([]byte(`{"clientID":"c","producerDataSet":[{"groupName":"pg"}],"consumerDataSet":[
		{"groupName":"g","consumeType":"CONSUME_PASSIVELY","messageModel":"Clustering","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",
		 "subscriptionDataSet":[{"classFilterMode":false,"topic":"t","subString":"*","tagsSet":null,"codeSet":[],"subVersion":5,"expressionType":"TAG"}],"unitMode":false},
		{"groupName":"b","messageModel":"BroadCasting","consumeType":0,"consumeFromWhere":"NO_SUCH_PLACE"}]}`), &h))
	require.Equal(t, Clustering, h.ConsumerDataSet[0].MessageModel)
	require.Equal(t, ConsumePassively, h.ConsumerDataSet[0].ConsumeType)
	require.Equal(t, Broadcasting, h.ConsumerDataSet[1].MessageModel)
	require.Equal(t, ConsumeActively, h.ConsumerDataSet[1].ConsumeType)
	require.Zero(t, h.ConsumerDataSet[1].ConsumeFromWhere)
	require.Equal(t, int64(5), h.ConsumerDataSet[0].SubscriptionDataSet[0].SubVersion)
	require.Nil(t, h.ConsumerDataSet[0].SubscriptionDataSet[0].TagsSet)
}

func TestBatchAckNames(t *testing.T) {
	var b BatchAckMessageRequestBody
	require.NoError(t, javajson.Unmarshal([]byte(`{"brokerName":"b","acks":[
		{"c":"g","t":"t","r":"1","so":5,"q":1,"rq":2,"pt":3,"it":4,"b":"AQI="},
		{"consumerGroup":"g","topic":"t","retry":"1","startOffset":5,"queueId":1,"reviveQueueId":2,"popTime":3,"invisibleTime":4,"bitSet":"AQI="}]}`), &b))
	want := BatchAck{
		ConsumerGroup: "g", Topic: "t", Retry: "1", StartOffset: 5, QueueID: 1, ReviveQueueID: 2, PopTime: 3, InvisibleTime: 4,
		BitSet: []byte{1, 2}, // messages 0 and 9
	}
	require.Equal(t, []BatchAck{want, want}, b.Acks)
}

func TestDefaults(t *testing.T) {
	read := func(v any, text string) {
		t.Helper()
		require.NoError(t, javajson.Unmarshal([]byte(text), v))
	}
	var c TopicConfig
	read(&c, `{"topicName":"t"}`)
	require.True(t, c.Equal(NewTopicConfig("t")))
	require.Equal(t, []int32{16, 16, 6}, []int32{c.ReadQueueNums, c.WriteQueueNums, c.Perm})

	var table TopicConfigSerializeWrapper
	read(&table, `{"topicConfigTable":{"t":{"topicName":"t","perm":4}}}`)
	require.Equal(t, int32(16), table.TopicConfigTable["t"].ReadQueueNums)
	require.Equal(t, int32(4), table.TopicConfigTable["t"].Perm)

	var g SubscriptionGroupConfig
	read(&g, `{"groupName":"g"}`)
	require.Equal(t, NewSubscriptionGroupConfig("g"), g)
	read(&g, `{"groupRetryPolicy":{"type":"EXPONENTIAL","exponentialRetryPolicy":{"max":9},"customizedRetryPolicy":{}}}`)
	require.Equal(t, &ExponentialRetryPolicy{Initial: 5000, Max: 9, Multiplier: 2}, g.GroupRetryPolicy.ExponentialRetryPolicy)
	require.Len(t, g.GroupRetryPolicy.CustomizedRetryPolicy.Next, 18)

	var d TopicQueueMappingDetail
	read(&d, `{"topic":"t","hostedQueues":{0:[{"gen":1}]}}`)
	require.Equal(t, GlobalScope, d.Scope)
	require.Equal(t, int64(-1), d.HostedQueues[0][0].EndOffset)

	var m MessageQueueAssignment
	read(&m, `{}`)
	require.Equal(t, RequestPull, m.Mode)
}

func TestTopicConfigEqual(t *testing.T) {
	a := NewTopicConfig("t")
	a.Attributes = map[string]string{"k": "v"}
	b := a
	b.Attributes = map[string]string{"k": "v"}
	require.True(t, a.Equal(b))
	b.Attributes["k"] = "w"
	require.False(t, a.Equal(b))
	b.Attributes = map[string]string{"l": "v"}
	require.False(t, a.Equal(b))
	b.Attributes = nil
	require.False(t, a.Equal(b))
	b = a
	b.Order = true
	require.False(t, a.Equal(b))
	require.True(t, TopicConfig{}.Equal(TopicConfig{Attributes: map[string]string{}}))
}

func TestDataVersionOrder(t *testing.T) {
	v := DataVersion{StateVersion: 1, Timestamp: 10, Counter: 3}
	require.Zero(t, v.Compare(v))
	require.Equal(t, 1, v.Compare(DataVersion{StateVersion: 0, Timestamp: 99, Counter: 99}))
	require.Equal(t, -1, v.Compare(DataVersion{StateVersion: 1, Timestamp: 0, Counter: 4}))
	require.Equal(t, 1, v.Compare(DataVersion{StateVersion: 1, Timestamp: 9, Counter: 3}))
	require.Equal(t, DataVersion{StateVersion: 0, Timestamp: 20, Counter: 4}, v.Next(20, 0))
}

func TestMessageQueueOrder(t *testing.T) {
	a := MessageQueue{Topic: "a", BrokerName: "z", QueueID: 10}
	require.Equal(t, -1, a.Compare(MessageQueue{Topic: "b", BrokerName: "a"}))
	require.Equal(t, 1, a.Compare(MessageQueue{Topic: "a", BrokerName: "y", QueueID: 11}))
	require.Equal(t, 1, a.Compare(MessageQueue{Topic: "a", BrokerName: "z", QueueID: 9}))
	require.Zero(t, a.Compare(a))
}

func TestEnumerations(t *testing.T) {
	var l Language
	for text, want := range map[string]Language{
		"JAVA": LanguageJava, "go": LanguageGo, "13": LanguageNodeJS, "14": LanguageNone, "ADA": LanguageNone, "": LanguageNone,
		"99999999999999999999": LanguageNone, "-1": LanguageNone,
	} {
		require.NoError(t, l.UnmarshalText([]byte(text)))
		require.Equal(t, want, l, text)
	}
	require.Equal(t, LanguageGo, LanguageOf(9))
	require.Equal(t, LanguageNone, LanguageOf(14))
	require.Empty(t, LanguageNone.String())
	require.Equal(t, "NODE_JS", LanguageNodeJS.String())

	require.Equal(t, BoundaryUpper, ParseBoundaryType("Upper"))
	require.Equal(t, BoundaryLower, ParseBoundaryType("x"))
	require.Equal(t, "UPPER LOWER", BoundaryUpper.String()+" "+BoundaryLower.String())
	require.Equal(t, MultiTag, ParseTopicFilterType("MULTI_TAG"))
	require.Zero(t, ParseTopicFilterType("multi_tag"))
	require.Empty(t, MessageModel(0).String()+MessageModel(200).String())
}

func FuzzHeartbeat(f *testing.F) {
	f.Add([]byte(`{"clientID":"c","consumerDataSet":[{"groupName":"g","messageModel":"Clustering","subscriptionDataSet":[{"topic":"t"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) { settle(t, data, new(HeartbeatData), new(HeartbeatData)) })
}

func FuzzRegisterBrokerBody(f *testing.F) {
	f.Add([]byte(`{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1},"topicConfigTable":{"t":{"topicName":"t"}},"topicQueueMappingDetailMap":{"t":{"hostedQueues":{0:[{}]}}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) { settle(t, data, new(RegisterBrokerBody), new(RegisterBrokerBody)) })
}

func FuzzResetOffsetBody(f *testing.F) {
	f.Add([]byte(`{"offsetTable":{{"brokerName":"b","queueId":1,"topic":"t"}:5}}`))
	f.Fuzz(func(t *testing.T, data []byte) { settle(t, data, new(ResetOffsetBody), new(ResetOffsetBody)) })
}

// settle reads data, and checks that what is written for it is a fixed point
// from the second time on. (An explicit null of a field with a default is left
// out the first time and comes back as the default.)
func settle(t *testing.T, data []byte, a, b any) {
	t.Helper()
	if javajson.Unmarshal(data, a) != nil {
		return
	}
	require.NoError(t, javajson.Unmarshal(javajson.Marshal(a), b))
	second := javajson.Marshal(b)
	require.NoError(t, javajson.Unmarshal(second, a))
	require.Equal(t, string(second), string(javajson.Marshal(a)))
}
