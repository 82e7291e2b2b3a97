package protocol

// LiteSubscriptionCtlRequestBody is the body of ReqLiteSubscriptionCtl.
type LiteSubscriptionCtlRequestBody struct {
	SubscriptionSet []LiteSubscriptionDTO `json:"subscriptionSet"`
}

// LiteSubscriptionDTO adds or removes lite topics of one client.
type LiteSubscriptionDTO struct {
	Action       LiteSubscriptionAction `json:"action"`
	ClientID     string                 `json:"clientId,omitempty"`
	Group        string                 `json:"group,omitempty"`
	Topic        string                 `json:"topic,omitempty"` // the parent topic
	LiteTopicSet []string               `json:"liteTopicSet"`
	OffsetOption *OffsetOption          `json:"offsetOption"`
	Version      int64                  `json:"version"`
}

// OffsetOption says where a new lite subscription starts.
type OffsetOption struct {
	Type  OffsetOptionType `json:"type"`
	Value int64            `json:"value"`
}

// GetBrokerLiteInfoResponseBody is the answer to ReqGetBrokerLiteInfo.
type GetBrokerLiteInfoResponseBody struct {
	StoreType             string              `json:"storeType,omitempty"`
	MaxLMQNum             int32               `json:"maxLmqNum"`
	CurrentLMQNum         int32               `json:"currentLmqNum"`
	LiteSubscriptionCount int32               `json:"liteSubscriptionCount"`
	OrderInfoCount        int32               `json:"orderInfoCount"`
	CQTableSize           int32               `json:"cqTableSize"`
	OffsetTableSize       int32               `json:"offsetTableSize"`
	EventMapSize          int32               `json:"eventMapSize"`
	TopicMeta             map[string]int32    `json:"topicMeta"` // parent topic to lifetime in minutes
	GroupMeta             map[string][]string `json:"groupMeta"` // by topic
}

// GetParentTopicInfoResponseBody is the answer to ReqGetParentTopicInfo.
type GetParentTopicInfoResponseBody struct {
	Topic          string   `json:"topic,omitempty"`
	TTL            int32    `json:"ttl"` // minutes
	Groups         []string `json:"groups"`
	LMQNum         int32    `json:"lmqNum"`
	LiteTopicCount int32    `json:"liteTopicCount"`
}

// GetLiteTopicInfoResponseBody is the answer to ReqGetLiteTopicInfo.
type GetLiteTopicInfoResponseBody struct {
	ParentTopic      string        `json:"parentTopic,omitempty"`
	LiteTopic        string        `json:"liteTopic,omitempty"`
	Subscriber       []ClientGroup `json:"subscriber"`
	TopicOffset      *TopicOffset  `json:"topicOffset"`
	ShardingToBroker bool          `json:"shardingToBroker"`
}

// ClientGroup is a client in a group.
type ClientGroup struct {
	ClientID string `json:"clientId,omitempty"`
	Group    string `json:"group,omitempty"`
}

// GetLiteClientInfoResponseBody is the answer to ReqGetLiteClientInfo.
type GetLiteClientInfoResponseBody struct {
	ParentTopic     string   `json:"parentTopic,omitempty"`
	Group           string   `json:"group,omitempty"`
	ClientID        string   `json:"clientId,omitempty"`
	LastAccessTime  int64    `json:"lastAccessTime"`
	LastConsumeTime int64    `json:"lastConsumeTime"`
	LiteTopicCount  int32    `json:"liteTopicCount"` // -1: client unknown
	LiteTopicSet    []string `json:"liteTopicSet"`
}

// GetLiteGroupInfoResponseBody is the answer to ReqGetLiteGroupInfo.
type GetLiteGroupInfoResponseBody struct {
	Group                       string         `json:"group,omitempty"`
	ParentTopic                 string         `json:"parentTopic,omitempty"`
	LiteTopic                   string         `json:"liteTopic,omitempty"`
	EarliestUnconsumedTimestamp int64          `json:"earliestUnconsumedTimestamp"` // -1: nothing left
	TotalLagCount               int64          `json:"totalLagCount"`
	LiteTopicOffsetWrapper      *OffsetWrapper `json:"liteTopicOffsetWrapper"`
	LagCountTopK                []LiteLagInfo  `json:"lagCountTopK"`
	LagTimestampTopK            []LiteLagInfo  `json:"lagTimestampTopK"`
}

// SetJSONDefaults sets what a description may leave out.
func (b *GetLiteGroupInfoResponseBody) SetJSONDefaults() { b.EarliestUnconsumedTimestamp = -1 }

// LiteLagInfo is the backlog of one lite topic.
type LiteLagInfo struct {
	LiteTopic                   string `json:"liteTopic,omitempty"`
	LagCount                    int64  `json:"lagCount"`
	EarliestUnconsumedTimestamp int64  `json:"earliestUnconsumedTimestamp"`
}

// SetJSONDefaults sets what a description may leave out.
func (i *LiteLagInfo) SetJSONDefaults() { i.EarliestUnconsumedTimestamp = -1 }
