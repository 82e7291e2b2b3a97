package protocol

// AlterSyncStateSetRequest changes the in-sync set of a broker group
// (ReqControllerAlterSyncStateSet); the body is SyncStateSet.
type AlterSyncStateSetRequest struct {
	BrokerName     string     `rmq:"brokerName"`
	MasterBrokerID Opt[int64] `rmq:"masterBrokerId"`
	MasterEpoch    Opt[int32] `rmq:"masterEpoch"`
	InvokeTime     int64      `rmq:"invokeTime"`
}

// AlterSyncStateSetResponse carries the new epoch of the set.
type AlterSyncStateSetResponse struct {
	NewSyncStateSetEpoch int32 `rmq:"newSyncStateSetEpoch"`
}

// ElectMasterRequest elects a master (ReqControllerElectMaster).
type ElectMasterRequest struct {
	ClusterName    string     `rmq:"clusterName"`
	BrokerName     string     `rmq:"brokerName"`
	BrokerID       Opt[int64] `rmq:"brokerId"` // default -1: the controller chooses
	DesignateElect bool       `rmq:"designateElect"`
	InvokeTime     int64      `rmq:"invokeTime"`
}

// ElectMasterResponse names the master elected; the body is
// ElectMasterResponseBody.
type ElectMasterResponse struct {
	MasterBrokerID    Opt[int64] `rmq:"masterBrokerId"`
	MasterAddress     string     `rmq:"masterAddress"`
	MasterEpoch       Opt[int32] `rmq:"masterEpoch"`
	SyncStateSetEpoch Opt[int32] `rmq:"syncStateSetEpoch"`
}

// GetMetaDataResponse describes the controllers
// (ReqControllerGetMetadataInfo). Peers has the form id:host:port, joined by
// semicolons.
type GetMetaDataResponse struct {
	Group                   string `rmq:"group"`
	ControllerLeaderID      string `rmq:"controllerLeaderId"`
	ControllerLeaderAddress string `rmq:"controllerLeaderAddress"`
	IsLeader                bool   `rmq:"isLeader"`
	Peers                   string `rmq:"peers"`
}

// GetReplicaInfoRequest asks for the master of a broker group
// (ReqControllerGetReplicaInfo).
type GetReplicaInfoRequest struct {
	BrokerName string `rmq:"brokerName"`
}

// GetReplicaInfoResponse names the master; the body is SyncStateSet.
type GetReplicaInfoResponse struct {
	MasterBrokerID Opt[int64] `rmq:"masterBrokerId"`
	MasterAddress  string     `rmq:"masterAddress"`
	MasterEpoch    Opt[int32] `rmq:"masterEpoch"`
}

// CleanControllerBrokerDataRequest forgets brokers (ReqCleanBrokerData). The
// ids are joined by semicolons.
type CleanControllerBrokerDataRequest struct {
	ClusterName                string `rmq:"clusterName"`
	BrokerName                 string `rmq:"brokerName,required"`
	BrokerControllerIDsToClean string `rmq:"brokerControllerIdsToClean"`
	IsCleanLivingBroker        bool   `rmq:"isCleanLivingBroker"`
	InvokeTime                 int64  `rmq:"invokeTime"`
}

// ApplyBrokerIDRequest claims a broker id (ReqControllerApplyBrokerID).
type ApplyBrokerIDRequest struct {
	ClusterName       string     `rmq:"clusterName"`
	BrokerName        string     `rmq:"brokerName"`
	AppliedBrokerID   Opt[int64] `rmq:"appliedBrokerId"`
	RegisterCheckCode string     `rmq:"registerCheckCode"` // address;timestamp, to recognise a retry
}

// ApplyBrokerIDResponse confirms the claim.
type ApplyBrokerIDResponse struct {
	ClusterName string `rmq:"clusterName"`
	BrokerName  string `rmq:"brokerName"`
}

// GetNextBrokerIDRequest asks for the next free broker id
// (ReqControllerGetNextBrokerID).
type GetNextBrokerIDRequest struct {
	ClusterName string `rmq:"clusterName"`
	BrokerName  string `rmq:"brokerName"`
}

// GetNextBrokerIDResponse carries that id.
type GetNextBrokerIDResponse struct {
	ClusterName  string     `rmq:"clusterName"`
	BrokerName   string     `rmq:"brokerName"`
	NextBrokerID Opt[int64] `rmq:"nextBrokerId"`
}

// RegisterBrokerToControllerRequest announces a broker that has an id
// (ReqControllerRegisterBroker).
type RegisterBrokerToControllerRequest struct {
	ClusterName   string     `rmq:"clusterName"`
	BrokerName    string     `rmq:"brokerName"`
	BrokerID      Opt[int64] `rmq:"brokerId"`
	BrokerAddress string     `rmq:"brokerAddress"`
	InvokeTime    int64      `rmq:"invokeTime"`
}

// RegisterBrokerToControllerResponse names the master; the body is
// SyncStateSet.
type RegisterBrokerToControllerResponse struct {
	ClusterName       string     `rmq:"clusterName"`
	BrokerName        string     `rmq:"brokerName"`
	MasterBrokerID    Opt[int64] `rmq:"masterBrokerId"`
	MasterAddress     string     `rmq:"masterAddress"`
	MasterEpoch       Opt[int32] `rmq:"masterEpoch"`
	SyncStateSetEpoch Opt[int32] `rmq:"syncStateSetEpoch"`
}

// NotifyBrokerRoleChangedRequest tells a broker its role
// (ReqNotifyBrokerRoleChanged); the body is SyncStateSet.
type NotifyBrokerRoleChangedRequest struct {
	MasterAddress     string     `rmq:"masterAddress"`
	MasterEpoch       Opt[int32] `rmq:"masterEpoch"`
	SyncStateSetEpoch Opt[int32] `rmq:"syncStateSetEpoch"`
	MasterBrokerID    Opt[int64] `rmq:"masterBrokerId"`
}
