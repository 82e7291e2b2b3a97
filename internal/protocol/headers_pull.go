package protocol

// PullMessageRequest is the header of ReqPullMessage and ReqLitePullMessage.
// SysFlag bits: 0 commit CommitOffset, 1 suspend when there is nothing, 2
// Subscription is given, 3 class filter (legacy), 4 lite pull.
type PullMessageRequest struct {
	ConsumerGroup        string     `rmq:"consumerGroup,required"`
	Topic                string     `rmq:"topic,required"`
	LiteTopic            string     `rmq:"liteTopic"` // reads the lite topic's queue instead
	QueueID              int32      `rmq:"queueId,required"`
	QueueOffset          int64      `rmq:"queueOffset,required"`
	MaxMsgNums           int32      `rmq:"maxMsgNums,required"`
	SysFlag              int32      `rmq:"sysFlag,required"`
	CommitOffset         int64      `rmq:"commitOffset,required"`
	SuspendTimeoutMillis int64      `rmq:"suspendTimeoutMillis,required"`
	Subscription         string     `rmq:"subscription"`
	SubVersion           int64      `rmq:"subVersion,required"`
	ExpressionType       string     `rmq:"expressionType"` // empty or TAG, SQL92
	MaxMsgBytes          Opt[int32] `rmq:"maxMsgBytes"`
	RequestSource        Opt[int32] `rmq:"requestSource"`        // -1 client, 0 to 2 a proxy
	ProxyFrowardClientID string     `rmq:"proxyFrowardClientId"` // spelt so on the wire
	BrokerName           string     `rmq:"bname"`
	Logical              Opt[bool]  `rmq:"lo"`
}

// PullMessageResponse answers a pull; the body holds stored records back to
// back.
type PullMessageResponse struct {
	SuggestWhichBrokerID int64      `rmq:"suggestWhichBrokerId,required"` // broker id to pull from next time
	NextBeginOffset      int64      `rmq:"nextBeginOffset,required"`
	MinOffset            int64      `rmq:"minOffset,required"`
	MaxOffset            int64      `rmq:"maxOffset,required"`
	OffsetDelta          Opt[int64] `rmq:"offsetDelta"`
	TopicSysFlag         Opt[int32] `rmq:"topicSysFlag"`
	GroupSysFlag         Opt[int32] `rmq:"groupSysFlag"`
	ForbiddenType        Opt[int32] `rmq:"forbiddenType"` // why a pull was forbidden, see ForbiddenBroker and its siblings
}

// QueryConsumerOffsetRequest asks for the committed offset of a group in one
// queue (ReqQueryConsumerOffset).
type QueryConsumerOffsetRequest struct {
	ConsumerGroup     string    `rmq:"consumerGroup,required"`
	Topic             string    `rmq:"topic,required"`
	QueueID           int32     `rmq:"queueId,required"`
	SetZeroIfNotFound Opt[bool] `rmq:"setZeroIfNotFound"` // false: never answer 0 for a young queue
	BrokerName        string    `rmq:"bname"`
	Logical           Opt[bool] `rmq:"lo"`
}

// QueryConsumerOffsetResponse carries the committed offset.
type QueryConsumerOffsetResponse struct {
	Offset int64 `rmq:"offset,required"`
}

// UpdateConsumerOffsetRequest commits an offset (ReqUpdateConsumerOffset),
// usually oneway.
type UpdateConsumerOffsetRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"`
	CommitOffset  int64     `rmq:"commitOffset,required"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// UpdateConsumerOffsetResponse has no fields.
type UpdateConsumerOffsetResponse struct{}

// GetMaxOffsetRequest asks for the offset the next message will get
// (ReqGetMaxOffset).
type GetMaxOffsetRequest struct {
	Topic      string    `rmq:"topic,required"`
	QueueID    int32     `rmq:"queueId,required"`
	Committed  Opt[bool] `rmq:"committed"` // default true
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// GetMaxOffsetResponse carries the next offset of the queue.
type GetMaxOffsetResponse struct {
	Offset int64 `rmq:"offset,required"`
}

// GetMinOffsetRequest asks for the first offset still stored
// (ReqGetMinOffset).
type GetMinOffsetRequest struct {
	Topic      string    `rmq:"topic,required"`
	QueueID    int32     `rmq:"queueId,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// GetMinOffsetResponse carries the first offset of the queue.
type GetMinOffsetResponse struct {
	Offset int64 `rmq:"offset,required"`
}

// SearchOffsetRequest asks for the offset at a store time in milliseconds
// (ReqSearchOffsetByTimestamp).
type SearchOffsetRequest struct {
	Topic        string    `rmq:"topic,required"`
	LiteTopic    string    `rmq:"liteTopic"`
	QueueID      int32     `rmq:"queueId,required"`
	Timestamp    int64     `rmq:"timestamp,required"`
	BoundaryType string    `rmq:"boundaryType"` // LOWER or UPPER, see ParseBoundaryType
	BrokerName   string    `rmq:"bname"`
	Logical      Opt[bool] `rmq:"lo"`
}

// SearchOffsetResponse carries the offset found.
type SearchOffsetResponse struct {
	Offset int64 `rmq:"offset,required"`
}

// GetEarliestMsgStoreTimeRequest asks when the first message of a queue was
// stored (ReqGetEarliestMsgStoreTime).
type GetEarliestMsgStoreTimeRequest struct {
	Topic      string    `rmq:"topic,required"`
	QueueID    int32     `rmq:"queueId,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// GetEarliestMsgStoreTimeResponse carries that time in milliseconds, -1 when
// the queue is empty.
type GetEarliestMsgStoreTimeResponse struct {
	Timestamp int64 `rmq:"timestamp,required"`
}

// QueryMessageRequest finds messages by key (ReqQueryMessage). The extra field
// _UNIQUE_KEY_QUERY, set to true, makes Key a unique key.
type QueryMessageRequest struct {
	Topic          string    `rmq:"topic,required"`
	Key            string    `rmq:"key,required"`
	MaxNum         int32     `rmq:"maxNum,required"`
	BeginTimestamp int64     `rmq:"beginTimestamp,required"`
	EndTimestamp   int64     `rmq:"endTimestamp,required"`
	IndexType      string    `rmq:"indexType"` // K (default), U or T
	LastKey        string    `rmq:"lastKey"`   // where the last page of a RocksDB index ended
	BrokerName     string    `rmq:"bname"`
	Logical        Opt[bool] `rmq:"lo"`
}

// QueryMessageResponse says how far the index reaches; the body holds records
// back to back.
type QueryMessageResponse struct {
	IndexLastUpdateTimestamp int64 `rmq:"indexLastUpdateTimestamp,required"`
	IndexLastUpdatePhyoffset int64 `rmq:"indexLastUpdatePhyoffset,required"`
}

// ViewMessageRequest asks for one record by commit log offset
// (ReqViewMessageByID).
type ViewMessageRequest struct {
	Topic  string `rmq:"topic"`
	Offset int64  `rmq:"offset,required"`
}

// ViewMessageResponse has no fields; the body is the record.
type ViewMessageResponse struct{}
