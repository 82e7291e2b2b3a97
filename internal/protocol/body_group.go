package protocol

// SubscriptionGroupConfig is a consumer group as a broker keeps it.
type SubscriptionGroupConfig struct {
	GroupName                      string                   `json:"groupName,omitempty"`
	ConsumeEnable                  bool                     `json:"consumeEnable"`
	ConsumeFromMinEnable           bool                     `json:"consumeFromMinEnable"`
	ConsumeBroadcastEnable         bool                     `json:"consumeBroadcastEnable"`
	ConsumeMessageOrderly          bool                     `json:"consumeMessageOrderly"`
	RetryQueueNums                 int32                    `json:"retryQueueNums"`
	RetryMaxTimes                  int32                    `json:"retryMaxTimes"`
	GroupRetryPolicy               *GroupRetryPolicy        `json:"groupRetryPolicy"`
	BrokerID                       int64                    `json:"brokerId"`
	WhichBrokerWhenConsumeSlowly   int64                    `json:"whichBrokerWhenConsumeSlowly"`
	NotifyConsumerIDsChangedEnable bool                     `json:"notifyConsumerIdsChangedEnable"`
	GroupSysFlag                   int32                    `json:"groupSysFlag"`
	ConsumeTimeoutMinute           int32                    `json:"consumeTimeoutMinute"`
	SubscriptionDataSet            []SimpleSubscriptionData `json:"subscriptionDataSet"`
	Attributes                     map[string]string        `json:"attributes" java:"always"`
}

// NewSubscriptionGroupConfig returns a group with Java's defaults.
func NewSubscriptionGroupConfig(name string) SubscriptionGroupConfig {
	c := SubscriptionGroupConfig{GroupName: name}
	c.SetJSONDefaults()
	return c
}

// SetJSONDefaults sets what a description may leave out.
func (c *SubscriptionGroupConfig) SetJSONDefaults() {
	c.ConsumeEnable, c.ConsumeFromMinEnable, c.ConsumeBroadcastEnable = true, true, true
	c.RetryQueueNums, c.RetryMaxTimes = 1, 16
	c.GroupRetryPolicy = &GroupRetryPolicy{Type: RetryCustomized}
	c.WhichBrokerWhenConsumeSlowly = 1
	c.NotifyConsumerIDsChangedEnable = true
	c.ConsumeTimeoutMinute = 15
}

// GroupRetryPolicy chooses the delays before messages are delivered again. A
// missing policy of the chosen type means Java's default delays.
type GroupRetryPolicy struct {
	Type                   GroupRetryPolicyType    `json:"type"`
	ExponentialRetryPolicy *ExponentialRetryPolicy `json:"exponentialRetryPolicy"`
	CustomizedRetryPolicy  *CustomizedRetryPolicy  `json:"customizedRetryPolicy"`
}

// SetJSONDefaults sets what a description may leave out.
func (p *GroupRetryPolicy) SetJSONDefaults() { p.Type = RetryCustomized }

// ExponentialRetryPolicy multiplies the delay with every attempt. Times are
// milliseconds.
type ExponentialRetryPolicy struct {
	Initial    int64 `json:"initial"`
	Max        int64 `json:"max"`
	Multiplier int64 `json:"multiplier"`
}

// SetJSONDefaults sets what a description may leave out.
func (p *ExponentialRetryPolicy) SetJSONDefaults() {
	p.Initial, p.Max, p.Multiplier = 5000, 7_200_000, 2
}

// CustomizedRetryPolicy lists the delays in milliseconds.
type CustomizedRetryPolicy struct {
	Next []int64 `json:"next"`
}

// SetJSONDefaults sets what a description may leave out: the 18 delays from one
// second to two hours.
func (p *CustomizedRetryPolicy) SetJSONDefaults() {
	const s, m, h = 1000, 60_000, 3_600_000
	p.Next = []int64{
		1 * s, 5 * s, 10 * s, 30 * s, 1 * m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 7 * m, 8 * m, 9 * m, 10 * m,
		20 * m, 30 * m, 1 * h, 2 * h,
	}
}

// SimpleSubscriptionData is a subscription stored with a group.
type SimpleSubscriptionData struct {
	Topic          string `json:"topic,omitempty"`
	ExpressionType string `json:"expressionType,omitempty"`
	Expression     string `json:"expression,omitempty"`
	Version        int64  `json:"version"`
}

// SubscriptionGroupWrapper is the group table: the file subscriptionGroup.json
// and the answer to ReqGetAllSubscriptionGroupConfig.
type SubscriptionGroupWrapper struct {
	SubscriptionGroupTable map[string]SubscriptionGroupConfig `json:"subscriptionGroupTable" java:"always"`
	ForbiddenTable         map[string]map[string]int32        `json:"forbiddenTable" java:"always"` // group to topic to bits
	DataVersion            DataVersion                        `json:"dataVersion"`
}

// ForbiddenRead is the bit in SubscriptionGroupWrapper.ForbiddenTable that
// forbids a group to read a topic.
const ForbiddenRead = 1 << 2

// SubscriptionGroupList is the body of ReqUpdateAndCreateSubscriptionGroupList.
type SubscriptionGroupList struct {
	GroupConfigList []SubscriptionGroupConfig `json:"groupConfigList"`
}

// GroupForbidden is the answer to ReqUpdateAndGetGroupForbidden.
type GroupForbidden struct {
	Topic    string `json:"topic,omitempty"`
	Group    string `json:"group,omitempty"`
	Readable *bool  `json:"readable"`
}

// ConsumerOffsetSerializeWrapper is the offset table: the file
// consumerOffset.json and the answer to ReqGetAllConsumerOffset. The keys of
// the tables are "topic@group", those of the inner maps queue numbers.
type ConsumerOffsetSerializeWrapper struct {
	OffsetTable     map[string]map[int32]int64 `json:"offsetTable" java:"always"`
	DataVersion     DataVersion                `json:"dataVersion"`
	GroupTopicMap   map[string][]string        `json:"groupTopicMap"`   // derived, not read back
	PullOffsetTable map[string]map[int32]int64 `json:"pullOffsetTable"` // not read back
	LMQOffsetTable  map[string]int64           `json:"lmqOffsetTable"`  // lmqConsumerOffset.json only
}

// DelayOffsetSerializeWrapper is the progress of the delay levels: the file
// delayOffset.json and the answer to ReqGetAllDelayOffset.
type DelayOffsetSerializeWrapper struct {
	OffsetTable map[int32]int64 `json:"offsetTable" java:"always"` // by delay level
	DataVersion DataVersion     `json:"dataVersion"`
}

// MessageRequestModeSerializeWrapper is the file messageRequestMode.json and
// the answer to ReqGetAllMessageRequestMode: topic to group to mode.
type MessageRequestModeSerializeWrapper struct {
	MessageRequestModeMap map[string]map[string]SetMessageRequestModeRequestBody `json:"messageRequestModeMap" java:"always"`
}

// SetMessageRequestModeRequestBody is the body of ReqSetMessageRequestMode.
type SetMessageRequestModeRequestBody struct {
	Topic            string             `json:"topic,omitempty"`
	ConsumerGroup    string             `json:"consumerGroup,omitempty"`
	Mode             MessageRequestMode `json:"mode"`
	PopShareQueueNum int32              `json:"popShareQueueNum"`
}

// SetJSONDefaults sets what a description may leave out.
func (b *SetMessageRequestModeRequestBody) SetJSONDefaults() { b.Mode = RequestPull }
