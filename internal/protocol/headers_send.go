package protocol

// SendMessageRequest is the header of ReqSendMessage and ReqSendReplyMessage
// with the long field names, and of ReqSendMessageV2, ReqSendBatchMessage and
// ReqSendReplyMessageV2 with the one-letter names. Batch, not the request
// code, decides how the body is read.
type SendMessageRequest struct {
	ProducerGroup         string     `rmq:"producerGroup,short=a,required"`
	Topic                 string     `rmq:"topic,short=b,required"`
	DefaultTopic          string     `rmq:"defaultTopic,short=c"`          // template for auto-creation, normally TBW102
	DefaultTopicQueueNums int32      `rmq:"defaultTopicQueueNums,short=d"` // queues the client wants when the topic is created
	QueueID               int32      `rmq:"queueId,short=e,required"`      // negative: the broker chooses
	SysFlag               int32      `rmq:"sysFlag,short=f,required"`
	BornTimestamp         int64      `rmq:"bornTimestamp,short=g,required"` // milliseconds since 1970
	Flag                  int32      `rmq:"flag,short=h,required"`          // the user's own flag
	Properties            string     `rmq:"properties,short=i"`             // k 0x01 v 0x02, repeated
	ReconsumeTimes        int32      `rmq:"reconsumeTimes,short=j"`
	UnitMode              bool       `rmq:"unitMode,short=k"`
	MaxReconsumeTimes     Opt[int32] `rmq:"maxReconsumeTimes,short=l"` // overrides the group's limit
	Batch                 bool       `rmq:"batch,short=m"`
	BrokerName            string     `rmq:"bname,short=n"`
	Logical               Opt[bool]  `rmq:"lo"`
}

// SendMessageResponse answers every send. It is present, with all required
// fields, also for RespFlushDiskTimeout, RespFlushSlaveTimeout and
// RespSlaveNotAvailable, because then the message is stored. MSG_REGION and
// TRACE_ON travel beside it as extra fields.
type SendMessageResponse struct {
	MsgID         string `rmq:"msgId,required"` // offset message id; of a batch, joined by commas
	QueueID       int32  `rmq:"queueId,required"`
	QueueOffset   int64  `rmq:"queueOffset,required"` // of a batch, that of its first message
	TransactionID string `rmq:"transactionId"`        // the message's unique key
	BatchUniqID   string `rmq:"batchUniqId"`
	RecallHandle  string `rmq:"recallHandle"` // only for recallable delayed messages
}

// ReplyMessageRequest is the header of ReqPushReplyMessageToClient: the broker
// hands a reply to the client that waits for it. Hosts have the form ip:port.
type ReplyMessageRequest struct {
	ProducerGroup         string    `rmq:"producerGroup,required"`
	Topic                 string    `rmq:"topic,required"`
	DefaultTopic          string    `rmq:"defaultTopic,required"`
	DefaultTopicQueueNums int32     `rmq:"defaultTopicQueueNums,required"`
	QueueID               int32     `rmq:"queueId,required"`
	SysFlag               int32     `rmq:"sysFlag,required"`
	BornTimestamp         int64     `rmq:"bornTimestamp,required"`
	Flag                  int32     `rmq:"flag,required"`
	Properties            string    `rmq:"properties"`
	ReconsumeTimes        int32     `rmq:"reconsumeTimes"`
	UnitMode              bool      `rmq:"unitMode"`
	BornHost              string    `rmq:"bornHost,required"`
	StoreHost             string    `rmq:"storeHost,required"`
	StoreTimestamp        int64     `rmq:"storeTimestamp,required"`
	BrokerName            string    `rmq:"bname"`
	Logical               Opt[bool] `rmq:"lo"`
}

// ConsumerSendMsgBackRequest asks the broker to redeliver a message to the
// group later (ReqConsumerSendMsgBack).
type ConsumerSendMsgBackRequest struct {
	Offset            int64      `rmq:"offset,required"` // in the commit log
	Group             string     `rmq:"group,required"`
	DelayLevel        int32      `rmq:"delayLevel,required"` // negative: to the DLQ; 0: by the number of attempts
	OriginMsgID       string     `rmq:"originMsgId"`
	OriginTopic       string     `rmq:"originTopic"`
	UnitMode          bool       `rmq:"unitMode"`
	MaxReconsumeTimes Opt[int32] `rmq:"maxReconsumeTimes"`
	BrokerName        string     `rmq:"bname"`
}

// RecallMessageRequest cancels a delayed message (ReqRecallMessage).
type RecallMessageRequest struct {
	ProducerGroup string    `rmq:"producerGroup"`
	Topic         string    `rmq:"topic,required"`
	RecallHandle  string    `rmq:"recallHandle,required"` // from SendMessageResponse
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// RecallMessageResponse names the message that was recalled by its unique key.
type RecallMessageResponse struct {
	MsgID string `rmq:"msgId,required"`
}

// EndTransactionRequest ends a half message (ReqEndTransaction).
// CommitOrRollback is 8 to commit, 12 to roll back, 0 for not known yet; 0
// gets no answer.
type EndTransactionRequest struct {
	Topic                string `rmq:"topic"`
	ProducerGroup        string `rmq:"producerGroup,required"`
	TranStateTableOffset int64  `rmq:"tranStateTableOffset,required"` // queue offset of the half message
	CommitLogOffset      int64  `rmq:"commitLogOffset,required"`
	CommitOrRollback     int32  `rmq:"commitOrRollback,required"`
	FromTransactionCheck bool   `rmq:"fromTransactionCheck"`
	MsgID                string `rmq:"msgId"`
	TransactionID        string `rmq:"transactionId"`
	BrokerName           string `rmq:"bname"`
}

// EndTransactionResponse has no fields.
type EndTransactionResponse struct{}

// CheckTransactionStateRequest asks a producer for the fate of a half message
// (ReqCheckTransactionState, oneway).
type CheckTransactionStateRequest struct {
	Topic                string `rmq:"topic"`
	TranStateTableOffset int64  `rmq:"tranStateTableOffset,required"`
	CommitLogOffset      int64  `rmq:"commitLogOffset,required"`
	MsgID                string `rmq:"msgId"` // unique key
	TransactionID        string `rmq:"transactionId"`
	OffsetMsgID          string `rmq:"offsetMsgId"`
	BrokerName           string `rmq:"bname"`
}

// CheckTransactionStateResponse is declared by Java but never sent: clients
// answer with EndTransactionRequest.
type CheckTransactionStateResponse struct {
	ProducerGroup        string `rmq:"producerGroup,required"`
	TranStateTableOffset int64  `rmq:"tranStateTableOffset,required"`
	CommitLogOffset      int64  `rmq:"commitLogOffset,required"`
	CommitOrRollback     int32  `rmq:"commitOrRollback,required"`
}

// ResumeCheckHalfMessageRequest has a half message checked again from the
// first attempt on (ReqResumeCheckHalfMessage). MsgID is an offset message id.
type ResumeCheckHalfMessageRequest struct {
	Topic string `rmq:"topic"`
	MsgID string `rmq:"msgId"`
}

// ListOpenTransactionsRequest asks for open half messages from an offset of the
// half queue on, of a topic and a producer group if given
// (ReqListOpenTransactions). The answer is OpenTransactions.
type ListOpenTransactionsRequest struct {
	Offset        int64  `rmq:"offset"`
	MaxNum        int32  `rmq:"maxNum"` // 0 means 100; at most 1000
	Topic         string `rmq:"topic"`
	ProducerGroup string `rmq:"producerGroup"`
}

// DecideTransactionRequest ends an open transaction in place of its producer
// (ReqDecideTransaction). CommitOrRollback is 8 or 12.
type DecideTransactionRequest struct {
	Offset           int64 `rmq:"offset,required"` // of the half message in its queue
	CommitOrRollback int32 `rmq:"commitOrRollback,required"`
}
