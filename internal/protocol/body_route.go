package protocol

// TopicRouteData is the answer to ReqGetRouteInfoByTopic: which brokers have
// how many queues of a topic. The order of the lists means nothing.
type TopicRouteData struct {
	OrderTopicConf            string                           `json:"orderTopicConf,omitempty"` // "broker:queues;..."
	QueueDatas                []QueueData                      `json:"queueDatas" java:"always"`
	BrokerDatas               []BrokerData                     `json:"brokerDatas" java:"always"`
	FilterServerTable         map[string][]string              `json:"filterServerTable" java:"always"` // legacy
	TopicQueueMappingByBroker map[string]TopicQueueMappingInfo `json:"topicQueueMappingByBroker"`
}

// QueueData describes the queues of a topic on one broker name.
type QueueData struct {
	BrokerName     string `json:"brokerName,omitempty"`
	ReadQueueNums  int32  `json:"readQueueNums"`
	WriteQueueNums int32  `json:"writeQueueNums"`
	Perm           int32  `json:"perm"`
	TopicSysFlag   int32  `json:"topicSysFlag"`
}

// BrokerData gives the addresses of the members of a broker group by broker id;
// id 0 is the master.
type BrokerData struct {
	Cluster            string           `json:"cluster,omitempty"`
	BrokerName         string           `json:"brokerName,omitempty"`
	BrokerAddrs        map[int64]string `json:"brokerAddrs"`
	ZoneName           string           `json:"zoneName,omitempty"`
	EnableActingMaster bool             `json:"enableActingMaster"`
}

// ClusterInfo is the answer to ReqGetBrokerClusterInfo.
type ClusterInfo struct {
	BrokerAddrTable  map[string]BrokerData `json:"brokerAddrTable" java:"always"`
	ClusterAddrTable map[string][]string   `json:"clusterAddrTable" java:"always"` // cluster to broker names
}

// RegisterBrokerBody is the body of ReqRegisterBroker.
type RegisterBrokerBody struct {
	TopicConfigSerializeWrapper TopicConfigAndMapping `json:"topicConfigSerializeWrapper"`
	FilterServerList            []string              `json:"filterServerList" java:"always"`
}

// RegisterBrokerResult is what a broker learns from its registration; it is not
// a body.
type RegisterBrokerResult struct {
	HAServerAddr string
	MasterAddr   string
	KVTable      KVTable // order topic configuration
}

// BrokerMemberGroup lists the members of a broker group.
type BrokerMemberGroup struct {
	Cluster     string           `json:"cluster,omitempty"`
	BrokerName  string           `json:"brokerName,omitempty"`
	BrokerAddrs map[int64]string `json:"brokerAddrs"`
}

// GetBrokerMemberGroupResponseBody is the answer to ReqGetBrokerMemberGroup.
type GetBrokerMemberGroupResponseBody struct {
	BrokerMemberGroup *BrokerMemberGroup `json:"brokerMemberGroup"`
}

// KVConfig is the file kvConfig.json of a nameserver: namespace to key to
// value.
type KVConfig struct {
	ConfigTable map[string]map[string]string `json:"configTable" java:"always"`
}
