package protocol

// TopicConfig is a topic as a broker keeps it.
type TopicConfig struct {
	TopicName       string            `json:"topicName,omitempty"`
	ReadQueueNums   int32             `json:"readQueueNums"`
	WriteQueueNums  int32             `json:"writeQueueNums"`
	Perm            int32             `json:"perm"` // PermRead and its siblings
	TopicFilterType TopicFilterType   `json:"topicFilterType"`
	TopicSysFlag    int32             `json:"topicSysFlag"`
	Order           bool              `json:"order"`
	Attributes      map[string]string `json:"attributes" java:"always"` // without signs, except in requests
}

// DefaultQueueNums is the number of queues of a topic whose description does
// not say.
const DefaultQueueNums = 16

// NewTopicConfig returns a topic with Java's defaults: 16 queues, readable and
// writable, one tag per message.
func NewTopicConfig(name string) TopicConfig {
	c := TopicConfig{TopicName: name}
	c.SetJSONDefaults()
	return c
}

// SetJSONDefaults sets what a description may leave out.
func (c *TopicConfig) SetJSONDefaults() {
	c.ReadQueueNums, c.WriteQueueNums = DefaultQueueNums, DefaultQueueNums
	c.Perm = PermRead | PermWrite
	c.TopicFilterType = SingleTag
}

// Equal reports whether both describe the same topic.
func (c TopicConfig) Equal(o TopicConfig) bool {
	if len(c.Attributes) != len(o.Attributes) {
		return false
	}
	for k, v := range c.Attributes {
		if w, ok := o.Attributes[k]; !ok || v != w {
			return false
		}
	}
	return c.TopicName == o.TopicName && c.ReadQueueNums == o.ReadQueueNums &&
		c.WriteQueueNums == o.WriteQueueNums && c.Perm == o.Perm && c.TopicFilterType == o.TopicFilterType &&
		c.TopicSysFlag == o.TopicSysFlag && c.Order == o.Order
}

// TopicConfigSerializeWrapper is the topic table: the file topics.json, and the
// part of RegisterBrokerBody and of the answer to ReqGetAllTopicConfig that
// does not deal with static topics.
type TopicConfigSerializeWrapper struct {
	TopicConfigTable map[string]TopicConfig `json:"topicConfigTable" java:"always"`
	DataVersion      DataVersion            `json:"dataVersion"`
}

// TopicConfigAndMapping is the topic table with the static topics
// (ReqGetAllTopicConfig, RegisterBrokerBody).
type TopicConfigAndMapping struct {
	TopicConfigTable           map[string]TopicConfig             `json:"topicConfigTable" java:"always"`
	TopicQueueMappingInfoMap   map[string]TopicQueueMappingInfo   `json:"topicQueueMappingInfoMap" java:"always"`
	TopicQueueMappingDetailMap map[string]TopicQueueMappingDetail `json:"topicQueueMappingDetailMap" java:"always"`
	MappingDataVersion         DataVersion                        `json:"mappingDataVersion"`
	DataVersion                DataVersion                        `json:"dataVersion"`
}

// TopicConfigAndQueueMapping is the answer to ReqGetTopicConfig: the fields of
// TopicConfig, with the mapping of a static topic beside them.
type TopicConfigAndQueueMapping struct {
	TopicConfig
	MappingDetail *TopicQueueMappingDetail `json:"mappingDetail"`
}

// TopicQueueMappingSerializeWrapper is the file topicQueueMapping.json.
type TopicQueueMappingSerializeWrapper struct {
	TopicQueueMappingInfoMap map[string]TopicQueueMappingDetail `json:"topicQueueMappingInfoMap" java:"always"`
	DataVersion              DataVersion                        `json:"dataVersion"`
}

// TopicQueueMappingInfo says which global queues of a static topic a broker
// hosts.
type TopicQueueMappingInfo struct {
	Topic       string          `json:"topic,omitempty"`
	Scope       string          `json:"scope,omitempty"` // GlobalScope
	TotalQueues int32           `json:"totalQueues"`
	BName       string          `json:"bname,omitempty"` // name of the hosting broker
	Epoch       int64           `json:"epoch"`
	Dirty       bool            `json:"dirty"`                   // changed since it was registered
	CurrIDMap   map[int32]int32 `json:"currIdMap" java:"always"` // global queue to queue of the broker
}

// SetJSONDefaults sets what a description may leave out.
func (i *TopicQueueMappingInfo) SetJSONDefaults() { i.Scope = GlobalScope }

// TopicQueueMappingDetail is TopicQueueMappingInfo with the history of each
// queue (body of ReqUpdateAndCreateStaticTopic).
type TopicQueueMappingDetail struct {
	TopicQueueMappingInfo
	HostedQueues map[int32][]LogicQueueMappingItem `json:"hostedQueues" java:"always"`
}

// LogicQueueMappingItem says which part of a global queue lies in one queue of
// one broker. Offsets and times are -1 when open.
type LogicQueueMappingItem struct {
	Gen         int32  `json:"gen"`
	QueueID     int32  `json:"queueId"`
	BName       string `json:"bname,omitempty"`
	LogicOffset int64  `json:"logicOffset"`
	StartOffset int64  `json:"startOffset"`
	EndOffset   int64  `json:"endOffset"`
	TimeOfStart int64  `json:"timeOfStart"`
	TimeOfEnd   int64  `json:"timeOfEnd"`
}

// SetJSONDefaults sets what a description may leave out.
func (i *LogicQueueMappingItem) SetJSONDefaults() {
	i.EndOffset, i.TimeOfStart, i.TimeOfEnd = -1, -1, -1
}

// CreateTopicListRequestBody is the body of ReqUpdateAndCreateTopicList.
type CreateTopicListRequestBody struct {
	TopicConfigList []TopicConfig `json:"topicConfigList"`
}

// TopicOffset is the extent of a queue in TopicStatsTable.
type TopicOffset struct {
	MinOffset           int64 `json:"minOffset"`
	MaxOffset           int64 `json:"maxOffset"`           // offset of the next message
	LastUpdateTimestamp int64 `json:"lastUpdateTimestamp"` // store time of the last message, 0 when empty
}

// PurgeTopicResponseBody is the answer to ReqPurgeTopic.
type PurgeTopicResponseBody struct {
	Queues []PurgedQueue `json:"queues" java:"always"`
}

// PurgedQueue says what a purge took from sight: the messages from MinOffset up to
// but not including MaxOffset, which is where the queue begins now.
type PurgedQueue struct {
	QueueID   int32 `json:"queueId"`
	MinOffset int64 `json:"minOffset"`
	MaxOffset int64 `json:"maxOffset"`
}

// OpenTransactions is the answer to ReqListOpenTransactions.
type OpenTransactions struct {
	Open         int64             `json:"open"` // all there are
	Next         int64             `json:"next"` // where the list goes on, -1 at its end
	Transactions []OpenTransaction `json:"transactions" java:"always"`
}

// OpenTransaction is a half message that is neither committed nor rolled back.
type OpenTransaction struct {
	Offset         int64  `json:"offset"` // in the half queue
	Topic          string `json:"topic"`
	QueueID        int32  `json:"queueId"`
	ProducerGroup  string `json:"producerGroup"`
	TransactionID  string `json:"transactionId"`
	OffsetMsgID    string `json:"offsetMsgId"`
	BornTimestamp  int64  `json:"bornTimestamp"`
	StoreTimestamp int64  `json:"storeTimestamp"`
	Checks         int32  `json:"checks"`
}

// TopicStatsTable is the answer to ReqGetTopicStatsInfo.
type TopicStatsTable struct {
	OffsetTable map[MessageQueue]TopicOffset `json:"offsetTable" java:"always"`
	TopicPutTPS float64                      `json:"topicPutTps"`
}

// QueryConsumeQueueResponseBody is the answer to ReqQueryConsumeQueue.
type QueryConsumeQueueResponseBody struct {
	SubscriptionData *SubscriptionData  `json:"subscriptionData"`
	FilterData       string             `json:"filterData,omitempty"`
	QueueData        []ConsumeQueueData `json:"queueData"`
	MaxQueueIndex    int64              `json:"maxQueueIndex"`
	MinQueueIndex    int64              `json:"minQueueIndex"`
}

// ConsumeQueueData is one entry of a consume queue.
type ConsumeQueueData struct {
	PhysicOffset   int64  `json:"physicOffset"`
	PhysicSize     int32  `json:"physicSize"`
	TagsCode       int64  `json:"tagsCode"`
	ExtendDataJSON string `json:"extendDataJson,omitempty"`
	BitMap         string `json:"bitMap,omitempty"`
	Eval           bool   `json:"eval"` // result of the subscription's filter
	Msg            string `json:"msg,omitempty"`
}

// CheckRocksDBCQWriteResult is the answer to ReqCheckRocksDBCQWriteProgress.
type CheckRocksDBCQWriteResult struct {
	CheckResult string `json:"checkResult,omitempty"`
	CheckStatus int32  `json:"checkStatus"` // 0 equal, 1 different, 2 still comparing, 3 failed
}
