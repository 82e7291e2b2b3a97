package protocol

// GetAllSubscriptionGroupRequest asks for the group table, in pages when a
// field is given (ReqGetAllSubscriptionGroupConfig).
type GetAllSubscriptionGroupRequest struct {
	GroupSeq    Opt[int32] `rmq:"groupSeq"`
	DataVersion string     `rmq:"dataVersion"`
	MaxGroupNum Opt[int32] `rmq:"maxGroupNum"`
}

// GetAllSubscriptionGroupResponse carries the number of groups of all pages.
type GetAllSubscriptionGroupResponse struct {
	TotalGroupNum Opt[int32] `rmq:"totalGroupNum"`
}

// GetSubscriptionGroupConfigRequest asks for one group
// (ReqGetSubscriptionGroupConfig).
type GetSubscriptionGroupConfigRequest struct {
	Group      string `rmq:"group,required"`
	BrokerName string `rmq:"bname"`
}

// DeleteSubscriptionGroupRequest deletes a group (ReqDeleteSubscriptionGroup).
type DeleteSubscriptionGroupRequest struct {
	GroupName   string `rmq:"groupName,required"`
	CleanOffset bool   `rmq:"cleanOffset"`
	BrokerName  string `rmq:"bname"`
}

// UpdateGroupForbiddenRequest forbids or allows a topic to a group, or only
// asks when Readable is absent (ReqUpdateAndGetGroupForbidden).
type UpdateGroupForbiddenRequest struct {
	Group      string    `rmq:"group,required"`
	Topic      string    `rmq:"topic,required"`
	Readable   Opt[bool] `rmq:"readable"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// GetConsumeStatsRequest asks for the progress of a group
// (ReqGetConsumeStats).
type GetConsumeStatsRequest struct {
	ConsumerGroup string    `rmq:"consumerGroup,required"`
	Topic         string    `rmq:"topic"`
	TopicList     string    `rmq:"topicList"` // joined by semicolons
	BrokerName    string    `rmq:"bname"`
	Logical       Opt[bool] `rmq:"lo"`
}

// GetConsumeStatsInBrokerRequest asks for the progress of all groups
// (ReqGetBrokerConsumeStats).
type GetConsumeStatsInBrokerRequest struct {
	IsOrder bool `rmq:"isOrder"`
}

// GetConsumerConnectionListRequest asks for the connections of a consumer
// group (ReqGetConsumerConnectionList).
type GetConsumerConnectionListRequest struct {
	ConsumerGroup string `rmq:"consumerGroup,required"`
	BrokerName    string `rmq:"bname"`
}

// GetProducerConnectionListRequest asks for the connections of a producer
// group (ReqGetProducerConnectionList).
type GetProducerConnectionListRequest struct {
	ProducerGroup string `rmq:"producerGroup,required"`
	BrokerName    string `rmq:"bname"`
}

// GetAllProducerInfoRequest has no fields (ReqGetAllProducerInfo).
type GetAllProducerInfoRequest struct{}

// QueryConsumeTimeSpanRequest asks how far behind a group is in time
// (ReqQueryConsumeTimeSpan).
type QueryConsumeTimeSpanRequest struct {
	Topic      string    `rmq:"topic,required"`
	Group      string    `rmq:"group,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// QueryCorrectionOffsetRequest asks for offsets corrected by those of other
// groups (ReqQueryCorrectionOffset).
type QueryCorrectionOffsetRequest struct {
	FilterGroups string    `rmq:"filterGroups"` // joined by commas
	CompareGroup string    `rmq:"compareGroup,required"`
	Topic        string    `rmq:"topic,required"`
	BrokerName   string    `rmq:"bname"`
	Logical      Opt[bool] `rmq:"lo"`
}

// QuerySubscriptionByConsumerRequest asks for a group's subscription to a
// topic (ReqQuerySubscriptionByConsumer).
type QuerySubscriptionByConsumerRequest struct {
	Group      string    `rmq:"group,required"`
	Topic      string    `rmq:"topic"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// QueryTopicsByConsumerRequest asks for the topics of a group
// (ReqQueryTopicsByConsumer).
type QueryTopicsByConsumerRequest struct {
	Group      string `rmq:"group,required"`
	BrokerName string `rmq:"bname"`
}

// CloneGroupOffsetRequest copies the offsets of a group (ReqCloneGroupOffset).
type CloneGroupOffsetRequest struct {
	SrcGroup   string `rmq:"srcGroup,required"`
	DestGroup  string `rmq:"destGroup,required"`
	Topic      string `rmq:"topic"`
	Offline    bool   `rmq:"offline"`
	BrokerName string `rmq:"bname"`
}
