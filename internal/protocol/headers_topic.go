package protocol

// CreateTopicRequest creates or changes a topic (ReqUpdateAndCreateTopic, and
// ReqUpdateAndCreateStaticTopic with a TopicQueueMappingDetail as body).
type CreateTopicRequest struct {
	Topic           string    `rmq:"topic,required"`
	DefaultTopic    string    `rmq:"defaultTopic"`
	ReadQueueNums   int32     `rmq:"readQueueNums,required"`
	WriteQueueNums  int32     `rmq:"writeQueueNums,required"`
	Perm            int32     `rmq:"perm,required"`
	TopicFilterType string    `rmq:"topicFilterType,required"` // SINGLE_TAG or MULTI_TAG
	TopicSysFlag    int32     `rmq:"topicSysFlag"`
	Order           bool      `rmq:"order"`
	Attributes      string    `rmq:"attributes"` // "+k=v,-k2"
	Force           bool      `rmq:"force"`
	BrokerName      string    `rmq:"bname"`
	Logical         Opt[bool] `rmq:"lo"`
}

// CreateTopicListRequest has no fields of its own; the body is
// CreateTopicListRequestBody (ReqUpdateAndCreateTopicList).
type CreateTopicListRequest struct {
	BrokerName string `rmq:"bname"`
}

// DeleteTopicRequest deletes a topic of a broker (ReqDeleteTopicInBroker).
type DeleteTopicRequest struct {
	Topic      string    `rmq:"topic,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// PurgeTopicRequest takes from sight what one queue of a topic holds, or all of
// them when no queue is given (ReqPurgeTopic). The answer is PurgeTopicResponseBody.
type PurgeTopicRequest struct {
	Topic   string     `rmq:"topic,required"`
	QueueID Opt[int32] `rmq:"queueId"`
}

// GetTopicConfigRequest asks for one topic (ReqGetTopicConfig).
type GetTopicConfigRequest struct {
	Topic      string    `rmq:"topic,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// GetAllTopicConfigRequest asks for the topic table, in pages when a field is
// given (ReqGetAllTopicConfig).
type GetAllTopicConfigRequest struct {
	TopicSeq    Opt[int32] `rmq:"topicSeq"`
	DataVersion string     `rmq:"dataVersion"` // JSON of the version the pages so far belong to
	MaxTopicNum Opt[int32] `rmq:"maxTopicNum"`
}

// GetAllTopicConfigResponse carries the number of topics of all pages.
type GetAllTopicConfigResponse struct {
	TotalTopicNum Opt[int32] `rmq:"totalTopicNum"`
}

// GetTopicStatsInfoRequest asks for the offsets of a topic's queues
// (ReqGetTopicStatsInfo).
type GetTopicStatsInfoRequest struct {
	Topic      string    `rmq:"topic,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// QueryTopicConsumeByWhoRequest asks which groups consume a topic
// (ReqQueryTopicConsumeByWho).
type QueryTopicConsumeByWhoRequest struct {
	Topic      string    `rmq:"topic,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// QueryConsumeQueueRequest asks for entries of a consume queue
// (ReqQueryConsumeQueue).
type QueryConsumeQueueRequest struct {
	Topic         string    `rmq:"topic"`
	QueueID       int32     `rmq:"queueId"`
	Index         int64     `rmq:"index"` // queue offset of the first entry
	Count         int32     `rmq:"count"`
	ConsumerGroup string    `rmq:"consumerGroup"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// CheckRocksDBCQWriteProgressRequest compares RocksDB and file queues
// (ReqCheckRocksDBCQWriteProgress).
type CheckRocksDBCQWriteProgressRequest struct {
	Topic          string `rmq:"topic,required"`
	CheckStoreTime int64  `rmq:"checkStoreTime"`
}
