package protocol

// HeartbeatData is the body of ReqHeartBeat.
type HeartbeatData struct {
	ClientID             string         `json:"clientID,omitempty"`
	ProducerDataSet      []ProducerData `json:"producerDataSet" java:"always"`
	ConsumerDataSet      []ConsumerData `json:"consumerDataSet" java:"always"`
	HeartbeatFingerprint int32          `json:"heartbeatFingerprint"` // 0: first version of heartbeats
	WithoutSub           bool           `json:"withoutSub"`           // subscriptions left out because unchanged
}

// ProducerData is a producer group of a client.
type ProducerData struct {
	GroupName string `json:"groupName,omitempty"`
}

// ConsumerData is a consumer group of a client with its subscriptions.
type ConsumerData struct {
	GroupName           string             `json:"groupName,omitempty"`
	ConsumeType         ConsumeType        `json:"consumeType"`
	MessageModel        MessageModel       `json:"messageModel"`
	ConsumeFromWhere    ConsumeFromWhere   `json:"consumeFromWhere"`
	SubscriptionDataSet []SubscriptionData `json:"subscriptionDataSet" java:"always"`
	UnitMode            bool               `json:"unitMode"`
}

// SubscriptionData is a group's subscription to a topic. CodeSet holds
// StringHash of each tag.
type SubscriptionData struct {
	ClassFilterMode   bool     `json:"classFilterMode"`
	Topic             string   `json:"topic,omitempty"`
	SubString         string   `json:"subString,omitempty"` // the expression
	TagsSet           []string `json:"tagsSet" java:"always"`
	CodeSet           []int32  `json:"codeSet" java:"always"`
	SubVersion        int64    `json:"subVersion"` // milliseconds since 1970; a change needs a greater one
	ExpressionType    string   `json:"expressionType,omitempty"`
	FilterClassSource string   `json:"filterClassSource" java:"decodeonly"` // legacy, never written
}

// SetJSONDefaults sets what a description may leave out.
func (s *SubscriptionData) SetJSONDefaults() { s.ExpressionType = ExpressionTag }

// CheckClientRequestBody is the body of ReqCheckClientConfig.
type CheckClientRequestBody struct {
	ClientID         string            `json:"clientId,omitempty"`
	Group            string            `json:"group,omitempty"`
	SubscriptionData *SubscriptionData `json:"subscriptionData"`
	Namespace        string            `json:"namespace,omitempty"`
}

// GetConsumerListByGroupResponseBody is the answer to
// ReqGetConsumerListByGroup.
type GetConsumerListByGroupResponseBody struct {
	ConsumerIDList []string `json:"consumerIdList"`
}

// LockBatchRequestBody is the body of ReqLockBatchMQ.
type LockBatchRequestBody struct {
	ConsumerGroup  string         `json:"consumerGroup,omitempty"`
	ClientID       string         `json:"clientId,omitempty"`
	OnlyThisBroker bool           `json:"onlyThisBroker"`
	MQSet          []MessageQueue `json:"mqSet" java:"always"`
}

// UnlockBatchRequestBody is the body of ReqUnlockBatchMQ.
type UnlockBatchRequestBody struct {
	ConsumerGroup  string         `json:"consumerGroup,omitempty"`
	ClientID       string         `json:"clientId,omitempty"`
	OnlyThisBroker bool           `json:"onlyThisBroker"`
	MQSet          []MessageQueue `json:"mqSet" java:"always"`
}

// LockBatchResponseBody lists the queues that are locked for the client now.
type LockBatchResponseBody struct {
	LockOKMQSet []MessageQueue `json:"lockOKMQSet" java:"always"`
}

// ResetOffsetBody is the answer to ReqInvokeBrokerToResetOffset and the body of
// ReqResetConsumerClientOffset.
type ResetOffsetBody struct {
	OffsetTable map[MessageQueue]int64 `json:"offsetTable" java:"always"`
}

// ResetOffsetBodyForC is the body of ReqResetConsumerClientOffset for C++
// clients.
type ResetOffsetBodyForC struct {
	OffsetTable []MessageQueueForC `json:"offsetTable" java:"always"`
}

// MessageQueueForC is a queue with its offset.
type MessageQueueForC struct {
	Topic      string `json:"topic,omitempty"`
	BrokerName string `json:"brokerName,omitempty"`
	QueueID    int32  `json:"queueId"`
	Offset     int64  `json:"offset"`
}

// GetConsumerStatusBody is the answer to ReqGetConsumerStatusFromClient, which
// fills MessageQueueTable, and to ReqInvokeBrokerToGetConsumerStatus, which
// fills ConsumerTable by client id.
type GetConsumerStatusBody struct {
	MessageQueueTable map[MessageQueue]int64            `json:"messageQueueTable" java:"always"`
	ConsumerTable     map[string]map[MessageQueue]int64 `json:"consumerTable" java:"always"`
}

// ConsumeMessageDirectlyResult is the answer to ReqConsumeMessageDirectly.
type ConsumeMessageDirectlyResult struct {
	Order          bool     `json:"order"`
	AutoCommit     bool     `json:"autoCommit"`
	ConsumeResult  CMResult `json:"consumeResult"`
	Remark         string   `json:"remark,omitempty"`
	SpentTimeMills int64    `json:"spentTimeMills"`
}

// SetJSONDefaults sets what a description may leave out.
func (r *ConsumeMessageDirectlyResult) SetJSONDefaults() { r.AutoCommit = true }

// ConsumerRunningInfo is the answer to ReqGetConsumerRunningInfo.
type ConsumerRunningInfo struct {
	Properties       map[string]string                    `json:"properties" java:"always"`
	SubscriptionSet  []SubscriptionData                   `json:"subscriptionSet" java:"always"`
	MQTable          map[MessageQueue]ProcessQueueInfo    `json:"mqTable" java:"always"`
	MQPopTable       map[MessageQueue]PopProcessQueueInfo `json:"mqPopTable" java:"always"`
	StatusTable      map[string]ConsumeStatus             `json:"statusTable" java:"always"` // by topic
	UserConsumerInfo map[string]string                    `json:"userConsumerInfo" java:"always"`
	Jstack           string                               `json:"jstack,omitempty"`
}

// Keys of ConsumerRunningInfo.Properties that tools read.
const (
	RunningNamesrvAddr    = "PROP_NAMESERVER_ADDR"
	RunningThreadPoolSize = "PROP_THREADPOOL_CORE_SIZE"
	RunningConsumeOrderly = "PROP_CONSUMEORDERLY"
	RunningConsumeType    = "PROP_CONSUME_TYPE"
	RunningClientVersion  = "PROP_CLIENT_VERSION"
	RunningStartTimestamp = "PROP_CONSUMER_START_TIMESTAMP"
)

// ProcessQueueInfo is a client's state of one queue it pulls. Times are
// milliseconds since 1970.
type ProcessQueueInfo struct {
	CommitOffset            int64 `json:"commitOffset"`
	CachedMsgMinOffset      int64 `json:"cachedMsgMinOffset"`
	CachedMsgMaxOffset      int64 `json:"cachedMsgMaxOffset"`
	CachedMsgCount          int32 `json:"cachedMsgCount"`
	CachedMsgSizeInMiB      int32 `json:"cachedMsgSizeInMiB"`
	TransactionMsgMinOffset int64 `json:"transactionMsgMinOffset"`
	TransactionMsgMaxOffset int64 `json:"transactionMsgMaxOffset"`
	TransactionMsgCount     int32 `json:"transactionMsgCount"`
	Locked                  bool  `json:"locked"`
	TryUnlockTimes          int64 `json:"tryUnlockTimes"`
	LastLockTimestamp       int64 `json:"lastLockTimestamp"`
	Dropped                 bool  `json:"droped"` // spelt so on the wire
	LastPullTimestamp       int64 `json:"lastPullTimestamp"`
	LastConsumeTimestamp    int64 `json:"lastConsumeTimestamp"`
}

// PopProcessQueueInfo is a client's state of one queue it pops.
type PopProcessQueueInfo struct {
	WaitAckCount     int32 `json:"waitAckCount"`
	Dropped          bool  `json:"droped"`           // spelt so on the wire
	LastPopTimestamp int64 `json:"lastPopTimestamp"` // milliseconds since 1970
}

// ConsumeStatus is a client's throughput for one topic: round trip times in
// milliseconds, rates per second.
type ConsumeStatus struct {
	PullRT            float64 `json:"pullRT"`
	PullTPS           float64 `json:"pullTPS"`
	ConsumeRT         float64 `json:"consumeRT"`
	ConsumeOKTPS      float64 `json:"consumeOKTPS"`
	ConsumeFailedTPS  float64 `json:"consumeFailedTPS"`
	ConsumeFailedMsgs int64   `json:"consumeFailedMsgs"`
}

// QueryAssignmentRequestBody is the body of ReqQueryAssignment.
type QueryAssignmentRequestBody struct {
	Topic         string       `json:"topic,omitempty"`
	ConsumerGroup string       `json:"consumerGroup,omitempty"`
	ClientID      string       `json:"clientId,omitempty"`
	StrategyName  string       `json:"strategyName,omitempty"` // StrategyAverage and its siblings
	MessageModel  MessageModel `json:"messageModel"`
}

// QueryAssignmentResponseBody is the answer. A nil list is left out and means
// "keep what you have", an empty one "give everything back".
type QueryAssignmentResponseBody struct {
	MessageQueueAssignments []MessageQueueAssignment `json:"messageQueueAssignments"`
}

// MessageQueueAssignment is one queue for a client and the way to read it.
type MessageQueueAssignment struct {
	MessageQueue MessageQueue       `json:"messageQueue"`
	Mode         MessageRequestMode `json:"mode"`
	Attachments  map[string]string  `json:"attachments"`
}

// SetJSONDefaults sets what a description may leave out.
func (a *MessageQueueAssignment) SetJSONDefaults() { a.Mode = RequestPull }

// BatchAckMessageRequestBody is the body of ReqBatchAckMessage.
type BatchAckMessageRequestBody struct {
	BrokerName string     `json:"brokerName,omitempty"`
	Acks       []BatchAck `json:"acks"`
}

// BatchAck acknowledges messages of one pop. BitSet holds one bit per message
// after StartOffset, the lowest bit of the first byte first; JSON has it as
// base64.
type BatchAck struct {
	ConsumerGroup string `json:"c,omitempty" java:"alt=consumerGroup"`
	Topic         string `json:"t,omitempty" java:"alt=topic"`
	Retry         string `json:"r,omitempty" java:"alt=retry"` // "0" normal, "1" retry, "2" retry V2
	StartOffset   int64  `json:"so" java:"alt=startOffset"`
	QueueID       int32  `json:"q" java:"alt=queueId"`
	ReviveQueueID int32  `json:"rq" java:"alt=reviveQueueId"`
	PopTime       int64  `json:"pt" java:"alt=popTime"`
	InvisibleTime int64  `json:"it" java:"alt=invisibleTime"`
	BitSet        []byte `json:"b" java:"alt=bitSet"`
}

// OffsetMovedEvent is a message on OffsetMovedTopic.
type OffsetMovedEvent struct {
	ConsumerGroup string       `json:"consumerGroup,omitempty"`
	MessageQueue  MessageQueue `json:"messageQueue"`
	OffsetRequest int64        `json:"offsetRequest"`
	OffsetNew     int64        `json:"offsetNew"`
}
