package protocol

// PopMessageRequest takes messages for a while (ReqPopMessage). InitMode is 0
// for the start and 1 for the end of a queue nobody has consumed; times are
// milliseconds.
type PopMessageRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"` // -1: any queue
	MaxMsgNums    int32     `rmq:"maxMsgNums,required"`
	InvisibleTime int64     `rmq:"invisibleTime,required"`
	PollTime      int64     `rmq:"pollTime,required"`
	BornTime      int64     `rmq:"bornTime,required"`
	InitMode      int32     `rmq:"initMode,required"`
	ExpType       string    `rmq:"expType"`
	Exp           string    `rmq:"exp"`
	Order         bool      `rmq:"order"`
	AttemptID     string    `rmq:"attemptId"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// PopMessageResponse describes the messages taken; the body holds records back
// to back.
type PopMessageResponse struct {
	PopTime         int64  `rmq:"popTime,required"`
	InvisibleTime   int64  `rmq:"invisibleTime,required"`
	ReviveQueueID   int32  `rmq:"reviveQid,required"`
	RestNum         int64  `rmq:"restNum,required"`
	StartOffsetInfo string `rmq:"startOffsetInfo"`
	MsgOffsetInfo   string `rmq:"msgOffsetInfo"`
	OrderCountInfo  string `rmq:"orderCountInfo"`
}

// PopLiteMessageRequest takes messages of the lite topics a client subscribes
// to (ReqPopLiteMessage).
type PopLiteMessageRequest struct {
	ClientID      string `rmq:"clientId,required"`
	ConsumerGroup string `rmq:"consumerGroup,required"`
	Topic         string `rmq:"topic,required"`     // the parent topic
	MaxMsgNum     int32  `rmq:"maxMsgNum,required"` // singular, unlike PopMessageRequest
	InvisibleTime int64  `rmq:"invisibleTime,required"`
	PollTime      int64  `rmq:"pollTime,required"`
	BornTime      int64  `rmq:"bornTime,required"`
	AttemptID     string `rmq:"attemptId"`
	BrokerName    string `rmq:"bname"`
}

// PopLiteMessageResponse describes the messages taken.
type PopLiteMessageResponse struct {
	PopTime         int64  `rmq:"popTime,required"`
	InvisibleTime   int64  `rmq:"invisibleTime,required"`
	ReviveQueueID   int32  `rmq:"reviveQid,required"`
	StartOffsetInfo string `rmq:"startOffsetInfo"`
	MsgOffsetInfo   string `rmq:"msgOffsetInfo"`
	OrderCountInfo  string `rmq:"orderCountInfo"`
}

// AckMessageRequest acknowledges one popped message (ReqAckMessage).
type AckMessageRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"`
	ExtraInfo     string    `rmq:"extraInfo,required"` // the receipt handle of the pop
	Offset        int64     `rmq:"offset,required"`
	LiteTopic     string    `rmq:"liteTopic"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// ChangeInvisibleTimeRequest makes a popped message visible again after
// InvisibleTime milliseconds from now (ReqChangeMessageInvisibleTime).
type ChangeInvisibleTimeRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"`
	ExtraInfo     string    `rmq:"extraInfo,required"`
	Offset        int64     `rmq:"offset,required"`
	InvisibleTime int64     `rmq:"invisibleTime,required"`
	LiteTopic     string    `rmq:"liteTopic"`
	Suspend       bool      `rmq:"suspend"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// ChangeInvisibleTimeResponse carries what a new receipt handle is made of.
type ChangeInvisibleTimeResponse struct {
	PopTime       int64 `rmq:"popTime,required"`
	InvisibleTime int64 `rmq:"invisibleTime,required"`
	ReviveQueueID int32 `rmq:"reviveQid,required"`
}

// PeekMessageRequest looks at messages without taking them (ReqPeekMessage).
type PeekMessageRequest struct {
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"`
	MaxMsgNums    int32     `rmq:"maxMsgNums,required"`
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// NotificationRequest waits until a pop would find something
// (ReqNotification).
type NotificationRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"`
	PollTime      int64     `rmq:"pollTime,required"`
	BornTime      int64     `rmq:"bornTime,required"`
	Order         bool      `rmq:"order"`
	AttemptID     string    `rmq:"attemptId"`
	ExpType       string    `rmq:"expType"`
	Exp           string    `rmq:"exp"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// NotificationResponse says whether there is something to pop.
type NotificationResponse struct {
	HasMsg      bool `rmq:"hasMsg,required"`
	PollingFull bool `rmq:"pollingFull"`
}

// PollingInfoRequest asks how many pops wait (ReqPollingInfo).
type PollingInfoRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic,required"`
	QueueID       int32     `rmq:"queueId,required"`
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// PollingInfoResponse carries the number of waiting pops.
type PollingInfoResponse struct {
	PollingNum int32 `rmq:"pollingNum,required"`
}

// LiteSubscriptionCtlRequest has no fields of its own; the body is
// LiteSubscriptionCtlRequestBody (ReqLiteSubscriptionCtl).
type LiteSubscriptionCtlRequest struct {
	BrokerName string `rmq:"bname"`
}

// NotifyUnsubscribeLiteRequest tells a client that a lite subscription ended
// (ReqNotifyUnsubscribeLite, oneway).
type NotifyUnsubscribeLiteRequest struct {
	LiteTopic     string `rmq:"liteTopic,required"`
	ConsumerGroup string `rmq:"consumerGroup,required"`
	ClientID      string `rmq:"clientId,required"`
	BrokerName    string `rmq:"bname"`
}

// GetParentTopicInfoRequest asks for the lite topics below a topic
// (ReqGetParentTopicInfo).
type GetParentTopicInfoRequest struct {
	Topic string `rmq:"topic,required"`
}

// GetLiteTopicInfoRequest asks for one lite topic (ReqGetLiteTopicInfo).
type GetLiteTopicInfoRequest struct {
	ParentTopic string `rmq:"parentTopic"`
	LiteTopic   string `rmq:"liteTopic"`
}

// GetLiteClientInfoRequest asks for the lite topics of a client
// (ReqGetLiteClientInfo).
type GetLiteClientInfoRequest struct {
	ParentTopic string     `rmq:"parentTopic"`
	Group       string     `rmq:"group"`
	ClientID    string     `rmq:"clientId"`
	MaxCount    Opt[int32] `rmq:"maxCount"` // default 1000
}

// GetLiteGroupInfoRequest asks for the progress of a lite group
// (ReqGetLiteGroupInfo).
type GetLiteGroupInfoRequest struct {
	Group     string `rmq:"group,required"`
	LiteTopic string `rmq:"liteTopic"`
	TopK      int32  `rmq:"topK"`
}

// TriggerLiteDispatchRequest has lite events dispatched now
// (ReqTriggerLiteDispatch).
type TriggerLiteDispatchRequest struct {
	Group    string `rmq:"group,required"`
	ClientID string `rmq:"clientId"`
}
