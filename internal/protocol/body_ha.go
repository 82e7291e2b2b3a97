package protocol

// HARuntimeInfo is the answer to ReqGetBrokerHAStatus.
type HARuntimeInfo struct {
	Master                   bool                      `json:"master"`
	MasterCommitLogMaxOffset int64                     `json:"masterCommitLogMaxOffset"`
	InSyncSlaveNums          int32                     `json:"inSyncSlaveNums"`
	HAConnectionInfo         []HAConnectionRuntimeInfo `json:"haConnectionInfo" java:"always"`
	HAClientRuntimeInfo      HAClientRuntimeInfo       `json:"haClientRuntimeInfo"`
}

// HAConnectionRuntimeInfo is one replica, seen from the master.
type HAConnectionRuntimeInfo struct {
	Addr                    string `json:"addr,omitempty"`
	SlaveAckOffset          int64  `json:"slaveAckOffset"`
	Diff                    int64  `json:"diff"` // bytes behind
	InSync                  bool   `json:"inSync"`
	TransferredByteInSecond int64  `json:"transferredByteInSecond"`
	TransferFromWhere       int64  `json:"transferFromWhere"`
}

// HAClientRuntimeInfo is a replica's own view. Times are milliseconds since
// 1970.
type HAClientRuntimeInfo struct {
	MasterAddr              string `json:"masterAddr,omitempty"`
	TransferredByteInSecond int64  `json:"transferredByteInSecond"`
	MaxOffset               int64  `json:"maxOffset"`
	LastReadTimestamp       int64  `json:"lastReadTimestamp"`
	LastWriteTimestamp      int64  `json:"lastWriteTimestamp"`
	MasterFlushOffset       int64  `json:"masterFlushOffset"`
	Activated               bool   `json:"isActivated" java:"decodeonly"` // not written by brokers
}

// BrokerSyncInfo is what a replica learns from ReqExchangeBrokerHAInfo.
type BrokerSyncInfo struct {
	MasterHAAddress   string `json:"masterHaAddress,omitempty"`
	MasterFlushOffset int64  `json:"masterFlushOffset"`
	MasterAddress     string `json:"masterAddress,omitempty"`
}

// EpochEntry says where the log of an epoch begins and ends.
type EpochEntry struct {
	Epoch       int32 `json:"epoch"`
	StartOffset int64 `json:"startOffset"`
	EndOffset   int64 `json:"endOffset"`
}

// LastEpochEndOffset is the end of an epoch that has not ended.
const LastEpochEndOffset = 1<<63 - 1

// SetJSONDefaults sets what a description may leave out.
func (e *EpochEntry) SetJSONDefaults() { e.EndOffset = LastEpochEndOffset }

// EpochEntryCache is the answer to ReqGetBrokerEpochCache.
type EpochEntryCache struct {
	ClusterName string       `json:"clusterName,omitempty"`
	BrokerName  string       `json:"brokerName,omitempty"`
	BrokerID    int64        `json:"brokerId"`
	EpochList   []EpochEntry `json:"epochList"`
	MaxOffset   int64        `json:"maxOffset"`
}

// SyncStateSet is the in-sync set of a broker group.
type SyncStateSet struct {
	SyncStateSet      []int64 `json:"syncStateSet"` // broker ids
	SyncStateSetEpoch int32   `json:"syncStateSetEpoch"`
}

// ElectMasterResponseBody is the answer to ReqControllerElectMaster.
type ElectMasterResponseBody struct {
	BrokerMemberGroup *BrokerMemberGroup `json:"brokerMemberGroup"`
	SyncStateSet      []int64            `json:"syncStateSet"`
}

// RoleChangeNotifyEntry is what a controller sends to the members of a broker
// group after an election; it is not a body.
type RoleChangeNotifyEntry struct {
	BrokerMemberGroup *BrokerMemberGroup
	MasterAddress     string
	MasterBrokerID    int64
	MasterEpoch       int32
	SyncStateSetEpoch int32
	SyncStateSet      []int64
}

// BrokerReplicasInfo is the answer to ReqControllerGetSyncStateData, whose
// request body is a JSON array of broker names.
type BrokerReplicasInfo struct {
	ReplicasInfoTable map[string]ReplicasInfo `json:"replicasInfoTable" java:"always"`
}

// ReplicasInfo describes the members of one broker group.
type ReplicasInfo struct {
	MasterBrokerID    *int64            `json:"masterBrokerId"`
	MasterAddress     string            `json:"masterAddress,omitempty"`
	MasterEpoch       int32             `json:"masterEpoch"`
	SyncStateSetEpoch int32             `json:"syncStateSetEpoch"`
	InSyncReplicas    []ReplicaIdentity `json:"inSyncReplicas"`
	NotInSyncReplicas []ReplicaIdentity `json:"notInSyncReplicas"`
}

// ReplicaIdentity is one member of a broker group.
type ReplicaIdentity struct {
	BrokerName    string `json:"brokerName,omitempty"`
	BrokerID      *int64 `json:"brokerId"`
	BrokerAddress string `json:"brokerAddress,omitempty"`
	Alive         *bool  `json:"alive"`
}
