package protocol

// HeartbeatRequest has no fields of its own; the body is HeartbeatData
// (ReqHeartBeat).
type HeartbeatRequest struct {
	BrokerName string `rmq:"bname"`
}

// UnregisterClientRequest says that a client leaves a producer or consumer
// group (ReqUnregisterClient).
type UnregisterClientRequest struct {
	ClientID      string `rmq:"clientID,required"`
	ProducerGroup string `rmq:"producerGroup"`
	ConsumerGroup string `rmq:"consumerGroup"`
	BrokerName    string `rmq:"bname"`
}

// UnregisterClientResponse has no fields.
type UnregisterClientResponse struct{}

// GetConsumerListByGroupRequest asks for the client ids of a group
// (ReqGetConsumerListByGroup).
type GetConsumerListByGroupRequest struct {
	ConsumerGroup string `rmq:"consumerGroup,required"`
	BrokerName    string `rmq:"bname"`
}

// GetConsumerListByGroupResponse has no fields; the body is
// GetConsumerListByGroupResponseBody.
type GetConsumerListByGroupResponse struct{}

// NotifyConsumerIDsChangedRequest tells a client that the membership of its
// group changed (ReqNotifyConsumerIDsChanged, oneway).
type NotifyConsumerIDsChangedRequest struct {
	ConsumerGroup string `rmq:"consumerGroup,required"`
	BrokerName    string `rmq:"bname"`
}

// LockBatchMQRequest has no fields of its own; the body is
// LockBatchRequestBody (ReqLockBatchMQ).
type LockBatchMQRequest struct {
	BrokerName string `rmq:"bname"`
}

// UnlockBatchMQRequest has no fields of its own; the body is
// UnlockBatchRequestBody (ReqUnlockBatchMQ).
type UnlockBatchMQRequest struct {
	BrokerName string `rmq:"bname"`
}

// GetConsumerRunningInfoRequest asks one consumer for its state
// (ReqGetConsumerRunningInfo); the broker forwards it.
type GetConsumerRunningInfoRequest struct {
	ConsumerGroup string `rmq:"consumerGroup,required"`
	ClientID      string `rmq:"clientId,required"`
	JstackEnable  bool   `rmq:"jstackEnable"` // with a dump of all threads
	BrokerName    string `rmq:"bname"`
}

// ConsumeMessageDirectlyRequest has one consumer consume one message
// (ReqConsumeMessageDirectly); the broker looks the message up and forwards
// it.
type ConsumeMessageDirectlyRequest struct {
	ConsumerGroup string     `rmq:"consumerGroup,required"`
	ClientID      string     `rmq:"clientId"`
	MsgID         string     `rmq:"msgId"` // offset message id
	BrokerName    string     `rmq:"brokerName"`
	Topic         string     `rmq:"topic"`
	TopicSysFlag  Opt[int32] `rmq:"topicSysFlag"`
	GroupSysFlag  Opt[int32] `rmq:"groupSysFlag"`
	Logical       Opt[bool]  `rmq:"lo"`
}

// ResetOffsetRequest is the header of ReqInvokeBrokerToResetOffset and of the
// push ReqResetConsumerClientOffset. A negative Timestamp means the end of the
// queue.
type ResetOffsetRequest struct {
	Group      string     `rmq:"group,required"`
	Topic      string     `rmq:"topic,required"`
	QueueID    Opt[int32] `rmq:"queueId"` // default -1: all queues
	Offset     Opt[int64] `rmq:"offset"`  // default -1: by timestamp
	Timestamp  int64      `rmq:"timestamp,required"`
	IsForce    bool       `rmq:"isForce"`
	BrokerName string     `rmq:"bname"`
	Logical    Opt[bool]  `rmq:"lo"`
}

// GetConsumerStatusRequest is the header of ReqInvokeBrokerToGetConsumerStatus
// and of the push ReqGetConsumerStatusFromClient.
type GetConsumerStatusRequest struct {
	Topic      string    `rmq:"topic,required"`
	Group      string    `rmq:"group,required"`
	ClientAddr string    `rmq:"clientAddr"` // a client id despite its name; empty for all
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// InitConsumerOffsetRequest is declared by Java without a request code.
type InitConsumerOffsetRequest struct {
	Topic      string    `rmq:"topic"`
	InitMode   int32     `rmq:"initMode"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// StatisticsMessagesRequest is declared by Java without a request code.
type StatisticsMessagesRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"`
	FromTime      int64     `rmq:"fromTime"`
	ToTime        int64     `rmq:"toTime"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}
