package protocol

// Connection is one client in ConsumerConnection and ProducerConnection.
type Connection struct {
	ClientID   string   `json:"clientId,omitempty"`
	ClientAddr string   `json:"clientAddr,omitempty"` // ip:port
	Language   Language `json:"language"`
	Version    int32    `json:"version"`
}

// ConsumerConnection is the answer to ReqGetConsumerConnectionList.
type ConsumerConnection struct {
	ConnectionSet     []Connection                `json:"connectionSet" java:"always"`
	SubscriptionTable map[string]SubscriptionData `json:"subscriptionTable" java:"always"` // by topic
	ConsumeType       ConsumeType                 `json:"consumeType"`
	MessageModel      MessageModel                `json:"messageModel"`
	ConsumeFromWhere  ConsumeFromWhere            `json:"consumeFromWhere"`
	// SubscriptionMismatch says what the members differ in and what they have missed
	// by that. aerobee only; left out where they agree.
	SubscriptionMismatch []string `json:"subscriptionMismatch,omitempty"`
}

// ProducerConnection is the answer to ReqGetProducerConnectionList.
type ProducerConnection struct {
	ConnectionSet []Connection `json:"connectionSet" java:"always"`
}

// ProducerTableInfo is the answer to ReqGetAllProducerInfo: clients by group.
type ProducerTableInfo struct {
	Data map[string][]ProducerInfo `json:"data" java:"always"`
}

// ProducerInfo is one client in ProducerTableInfo.
type ProducerInfo struct {
	ClientID            string   `json:"clientId,omitempty"`
	RemoteIP            string   `json:"remoteIP,omitempty"` // "/ip:port", the slash included
	Language            Language `json:"language"`
	Version             int32    `json:"version"`
	LastUpdateTimestamp int64    `json:"lastUpdateTimestamp"`
}

// OffsetWrapper is the progress of a group in one queue.
type OffsetWrapper struct {
	BrokerOffset   int64 `json:"brokerOffset"` // offset of the next message
	ConsumerOffset int64 `json:"consumerOffset"`
	PullOffset     int64 `json:"pullOffset"`
	LastTimestamp  int64 `json:"lastTimestamp"` // store time of the last message consumed
}

// ConsumeStats is the answer to ReqGetConsumeStats.
type ConsumeStats struct {
	OffsetTable map[MessageQueue]OffsetWrapper `json:"offsetTable" java:"always"`
	ConsumeTPS  float64                        `json:"consumeTps"`
}

// ConsumeStatsList is the answer to ReqGetBrokerConsumeStats: one map per
// group, from its name to one ConsumeStats per topic.
type ConsumeStatsList struct {
	ConsumeStatsList  []map[string][]ConsumeStats `json:"consumeStatsList" java:"always"`
	BrokerAddr        string                      `json:"brokerAddr,omitempty"`
	TotalDiff         int64                       `json:"totalDiff"`
	TotalInflightDiff int64                       `json:"totalInflightDiff"`
}

// RollbackStats is one queue in the report of a reset done by a tool.
type RollbackStats struct {
	BrokerName      string `json:"brokerName,omitempty"`
	QueueID         int64  `json:"queueId"`
	BrokerOffset    int64  `json:"brokerOffset"`
	ConsumerOffset  int64  `json:"consumerOffset"`
	TimestampOffset int64  `json:"timestampOffset"`
	RollbackOffset  int64  `json:"rollbackOffset"`
}

// BrokerStatsItem is a statistics item over one window. Rates are per second.
type BrokerStatsItem struct {
	Sum   int64   `json:"sum"`
	TPS   float64 `json:"tps"`
	AvgPT float64 `json:"avgpt"` // average per event
}

// BrokerStatsData is the answer to ReqViewBrokerStatsData.
type BrokerStatsData struct {
	StatsMinute *BrokerStatsItem `json:"statsMinute"`
	StatsHour   *BrokerStatsItem `json:"statsHour"`
	StatsDay    *BrokerStatsItem `json:"statsDay"`
}

// QueryConsumeTimeSpanBody is the answer to ReqQueryConsumeTimeSpan.
type QueryConsumeTimeSpanBody struct {
	ConsumeTimeSpanSet []QueueTimeSpan `json:"consumeTimeSpanSet" java:"always"`
}

// QueueTimeSpan says how far a group is in one queue, in milliseconds since
// 1970. The text forms repeat the times as yyyy-MM-dd#HH:mm:ss:SSS in local
// time.
type QueueTimeSpan struct {
	MessageQueue        MessageQueue `json:"messageQueue"`
	MinTimeStamp        int64        `json:"minTimeStamp"`
	MaxTimeStamp        int64        `json:"maxTimeStamp"`
	ConsumeTimeStamp    int64        `json:"consumeTimeStamp"`
	DelayTime           int64        `json:"delayTime"`
	MinTimeStampStr     string       `json:"minTimeStampStr,omitempty"`
	MaxTimeStampStr     string       `json:"maxTimeStampStr,omitempty"`
	ConsumeTimeStampStr string       `json:"consumeTimeStampStr,omitempty"`
}

// QueryCorrectionOffsetBody is the answer to ReqQueryCorrectionOffset.
type QueryCorrectionOffsetBody struct {
	CorrectionOffsets map[int32]int64 `json:"correctionOffsets" java:"always"` // by queue
}

// QuerySubscriptionResponseBody is the answer to ReqQuerySubscriptionByConsumer.
type QuerySubscriptionResponseBody struct {
	SubscriptionData *SubscriptionData `json:"subscriptionData"`
	Group            string            `json:"group,omitempty"`
	Topic            string            `json:"topic,omitempty"`
}

// ConsumeByWho is declared by Java without a request code.
type ConsumeByWho struct {
	ConsumedGroup    []string `json:"consumedGroup" java:"always"`
	NotConsumedGroup []string `json:"notConsumedGroup" java:"always"`
	Topic            string   `json:"topic,omitempty"`
	QueueID          int32    `json:"queueId"`
	Offset           int64    `json:"offset"`
}

// ColdDataFlowCtrInfo is the answer to ReqGetColdDataFlowCtrInfo. Sizes are
// bytes.
type ColdDataFlowCtrInfo struct {
	RuntimeTable            map[string]ColdReadState `json:"runtimeTable" java:"always"`
	ConfigTable             map[string]int64         `json:"configTable" java:"always"` // limit by group
	CGColdReadThreshold     int64                    `json:"cgColdReadThreshold"`
	GlobalColdReadThreshold int64                    `json:"globalColdReadThreshold"`
	GlobalAcc               int64                    `json:"globalAcc"`
}

// ColdReadState is what one group has read from disk.
type ColdReadState struct {
	ColdAcc          int64 `json:"coldAcc"`
	LastColdReadTime int64 `json:"lastColdReadTimeMills"`
	CreateTime       int64 `json:"createTimeMills"`
}
