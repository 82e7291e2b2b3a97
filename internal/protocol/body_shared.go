package protocol

import "cmp"

// DataVersion is the version of a table: topics, groups, offsets. Two are equal
// when all three members are.
type DataVersion struct {
	StateVersion int64 `json:"stateVersion"`
	Timestamp    int64 `json:"timestamp"` // milliseconds since 1970
	Counter      int64 `json:"counter"`
}

// Compare orders versions by state version, then counter, then timestamp.
func (v DataVersion) Compare(o DataVersion) int {
	return cmp.Or(
		cmp.Compare(v.StateVersion, o.StateVersion),
		cmp.Compare(v.Counter, o.Counter),
		cmp.Compare(v.Timestamp, o.Timestamp),
	)
}

// Next returns the version after v: one more on the counter, the given time in
// milliseconds and the given state version (0 outside controller mode).
func (v DataVersion) Next(nowMillis, stateVersion int64) DataVersion {
	return DataVersion{StateVersion: stateVersion, Timestamp: nowMillis, Counter: v.Counter + 1}
}

// MessageQueue is one queue of a topic on one broker. It is the key of several
// tables, which JSON writes with the object itself as key.
type MessageQueue struct {
	Topic      string `json:"topic"`
	BrokerName string `json:"brokerName"`
	QueueID    int32  `json:"queueId"`
}

// Compare orders queues by topic, broker and number, as Java does.
func (q MessageQueue) Compare(o MessageQueue) int {
	return cmp.Or(
		cmp.Compare(q.Topic, o.Topic),
		cmp.Compare(q.BrokerName, o.BrokerName),
		cmp.Compare(q.QueueID, o.QueueID),
	)
}

// KVTable is a table of strings (ReqGetKVListByNamespace,
// ReqGetBrokerRuntimeInfo, answer to ReqRegisterBroker).
type KVTable struct {
	Table map[string]string `json:"table" java:"always"`
}

// TopicList is the answer of all requests for topic names.
type TopicList struct {
	TopicList  []string `json:"topicList" java:"always"`
	BrokerAddr string   `json:"brokerAddr,omitempty"` // ReqGetSystemTopicListFromNS, ReqQueryTopicsByConsumer
}

// GroupList is the answer to ReqQueryTopicConsumeByWho.
type GroupList struct {
	GroupList []string `json:"groupList" java:"always"`
}

// Metric counts messages of a topic in timer and transaction metrics.
type Metric struct {
	Count     int64 `json:"count"`
	TimeStamp int64 `json:"timeStamp"` // milliseconds since 1970
}

// TimerMetrics is the answer to ReqGetTimerMetrics and the content of the file
// timermetrics.
type TimerMetrics struct {
	DataVersion DataVersion       `json:"dataVersion"`
	TimingCount map[string]Metric `json:"timingCount" java:"always"`
}

// TransactionMetrics is the content of the file transactionMetrics.
type TransactionMetrics struct {
	DataVersion      DataVersion       `json:"dataVersion"`
	TransactionCount map[string]Metric `json:"transactionCount" java:"always"`
}
