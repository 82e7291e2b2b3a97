package protocol

// GetRouteInfoRequest asks for the route of a topic (ReqGetRouteInfoByTopic).
type GetRouteInfoRequest struct {
	Topic                  string    `rmq:"topic"`
	AcceptStandardJsonOnly bool      `rmq:"acceptStandardJsonOnly"`
	BrokerName             string    `rmq:"bname"`
	Logical                Opt[bool] `rmq:"lo"`
}

// RegisterBrokerRequest registers a broker and its topics (ReqRegisterBroker).
// Addresses are host:port.
type RegisterBrokerRequest struct {
	BrokerName             string     `rmq:"brokerName,required"`
	BrokerAddr             string     `rmq:"brokerAddr,required"`
	ClusterName            string     `rmq:"clusterName,required"`
	HAServerAddr           string     `rmq:"haServerAddr,required"`
	BrokerID               int64      `rmq:"brokerId,required"`      // 0 is the master
	HeartbeatTimeoutMillis Opt[int64] `rmq:"heartbeatTimeoutMillis"` // default 120000
	EnableActingMaster     Opt[bool]  `rmq:"enableActingMaster"`     // absent: a broker from before 5.0
	Compressed             bool       `rmq:"compressed"`             // the body is compressed
	BodyCRC32              int32      `rmq:"bodyCrc32"`              // 0: unchecked; the top bit is always clear
}

// RegisterBrokerResponse tells a replica where its master is.
type RegisterBrokerResponse struct {
	HAServerAddr string `rmq:"haServerAddr"`
	MasterAddr   string `rmq:"masterAddr"`
}

// UnregisterBrokerRequest takes a broker out of the routes
// (ReqUnregisterBroker).
type UnregisterBrokerRequest struct {
	BrokerName  string `rmq:"brokerName,required"`
	BrokerAddr  string `rmq:"brokerAddr,required"`
	ClusterName string `rmq:"clusterName,required"`
	BrokerID    int64  `rmq:"brokerId,required"`
}

// QueryDataVersionRequest compares the data version in the body with the
// registered one and counts as a heartbeat (ReqQueryDataVersion).
type QueryDataVersionRequest struct {
	BrokerName  string `rmq:"brokerName,required"`
	BrokerAddr  string `rmq:"brokerAddr,required"`
	ClusterName string `rmq:"clusterName,required"`
	BrokerID    int64  `rmq:"brokerId,required"`
}

// QueryDataVersionResponse says whether the versions differ; the body is the
// registered one.
type QueryDataVersionResponse struct {
	Changed bool `rmq:"changed,required"`
}

// BrokerHeartbeatRequest is a broker's heartbeat (ReqBrokerHeartbeat).
// Nameservers need the first three fields only; the others are for
// controllers.
type BrokerHeartbeatRequest struct {
	ClusterName           string     `rmq:"clusterName,required"`
	BrokerAddr            string     `rmq:"brokerAddr,required"`
	BrokerName            string     `rmq:"brokerName,required"`
	BrokerID              Opt[int64] `rmq:"brokerId"`
	Epoch                 Opt[int32] `rmq:"epoch"`
	MaxOffset             Opt[int64] `rmq:"maxOffset"`
	ConfirmOffset         Opt[int64] `rmq:"confirmOffset"`
	HeartbeatTimeoutMills Opt[int64] `rmq:"heartbeatTimeoutMills"`
	ElectionPriority      Opt[int32] `rmq:"electionPriority"`
}

// GetBrokerMemberGroupRequest asks for the addresses of a broker group
// (ReqGetBrokerMemberGroup).
type GetBrokerMemberGroupRequest struct {
	ClusterName string `rmq:"clusterName,required"`
	BrokerName  string `rmq:"brokerName,required"`
}

// NotifyMinBrokerIDChangeRequest tells a broker which member of its group has
// the smallest id now (ReqNotifyMinBrokerIDChange, oneway).
type NotifyMinBrokerIDChangeRequest struct {
	MinBrokerID       Opt[int64] `rmq:"minBrokerId"`
	BrokerName        string     `rmq:"brokerName"`
	MinBrokerAddr     string     `rmq:"minBrokerAddr"`
	OfflineBrokerAddr string     `rmq:"offlineBrokerAddr"`
	HABrokerAddr      string     `rmq:"haBrokerAddr"`
}

// RegisterTopicRequest adds a topic to the routes (ReqRegisterTopicInNamesrv);
// the body is TopicRouteData, of which QueueDatas is used.
type RegisterTopicRequest struct {
	Topic      string    `rmq:"topic,required"`
	BrokerName string    `rmq:"bname"`
	Logical    Opt[bool] `rmq:"lo"`
}

// DeleteTopicFromNamesrvRequest removes a topic from the routes
// (ReqDeleteTopicInNamesrv).
type DeleteTopicFromNamesrvRequest struct {
	Topic       string    `rmq:"topic,required"`
	ClusterName string    `rmq:"clusterName"` // only the brokers of this cluster
	BrokerName  string    `rmq:"bname"`
	Logical     Opt[bool] `rmq:"lo"`
}

// RegisterOrderTopicRequest is declared by Java without a request code.
type RegisterOrderTopicRequest struct {
	Topic            string `rmq:"topic,required"`
	OrderTopicString string `rmq:"orderTopicString,required"`
}

// PutKVConfigRequest writes a KV entry (ReqPutKVConfig).
type PutKVConfigRequest struct {
	Namespace string `rmq:"namespace,required"`
	Key       string `rmq:"key,required"`
	Value     string `rmq:"value"`
}

// GetKVConfigRequest reads a KV entry (ReqGetKVConfig).
type GetKVConfigRequest struct {
	Namespace string `rmq:"namespace,required"`
	Key       string `rmq:"key,required"`
}

// GetKVConfigResponse carries the value.
type GetKVConfigResponse struct {
	Value string `rmq:"value"`
}

// DeleteKVConfigRequest deletes a KV entry (ReqDeleteKVConfig).
type DeleteKVConfigRequest struct {
	Namespace string `rmq:"namespace,required"`
	Key       string `rmq:"key,required"`
}

// GetKVListByNamespaceRequest lists the KV entries of a namespace
// (ReqGetKVListByNamespace).
type GetKVListByNamespaceRequest struct {
	Namespace string `rmq:"namespace,required"`
}

// WipeWritePermOfBrokerRequest makes all topics of a broker read-only in the
// routes (ReqWipeWritePermOfBroker).
type WipeWritePermOfBrokerRequest struct {
	BrokerName string `rmq:"brokerName,required"`
}

// WipeWritePermOfBrokerResponse counts the topics changed.
type WipeWritePermOfBrokerResponse struct {
	WipeTopicCount int32 `rmq:"wipeTopicCount,required"`
}

// AddWritePermOfBrokerRequest makes all topics of a broker writable in the
// routes (ReqAddWritePermOfBroker).
type AddWritePermOfBrokerRequest struct {
	BrokerName string `rmq:"brokerName,required"`
}

// AddWritePermOfBrokerResponse counts the topics changed.
type AddWritePermOfBrokerResponse struct {
	AddTopicCount int32 `rmq:"addTopicCount,required"`
}

// GetTopicsByClusterRequest lists the topics of a cluster
// (ReqGetTopicsByCluster).
type GetTopicsByClusterRequest struct {
	Cluster string `rmq:"cluster,required"`
}
