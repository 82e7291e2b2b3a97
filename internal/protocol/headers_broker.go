package protocol

// GetBrokerConfigResponse carries the version of the configuration as JSON of
// DataVersion; the body is properties text (ReqGetBrokerConfig).
type GetBrokerConfigResponse struct {
	Version string `rmq:"version,required"`
}

// ViewBrokerStatsDataRequest asks for one statistics item
// (ReqViewBrokerStatsData).
type ViewBrokerStatsDataRequest struct {
	StatsName string `rmq:"statsName,required"`
	StatsKey  string `rmq:"statsKey,required"`
}

// ExportRocksDBConfigToJSONRequest exports RocksDB metadata
// (ReqExportRocksDBConfigToJSON). ConfigType joins topics, subscriptionGroups
// and consumerOffsets by semicolons.
type ExportRocksDBConfigToJSONRequest struct {
	TypeName   string `rmq:"typeName"`
	ConfigType string `rmq:"configType,required"`
}

// AddBrokerRequest adds a broker to a container (ReqAddBroker).
type AddBrokerRequest struct {
	ConfigPath string `rmq:"configPath"`
}

// RemoveBrokerRequest removes a broker from a container (ReqRemoveBroker).
type RemoveBrokerRequest struct {
	BrokerName        string `rmq:"brokerName,required"`
	BrokerClusterName string `rmq:"brokerClusterName,required"`
	BrokerID          int64  `rmq:"brokerId,required"`
}

// ExchangeHAInfoRequest tells a peer of the broker group about addresses and
// the flush offset (ReqExchangeBrokerHAInfo).
type ExchangeHAInfoRequest struct {
	MasterHAAddress   string     `rmq:"masterHaAddress"`
	MasterFlushOffset Opt[int64] `rmq:"masterFlushOffset"`
	MasterAddress     string     `rmq:"masterAddress"`
}

// ExchangeHAInfoResponse carries the same of the answering broker.
type ExchangeHAInfoResponse struct {
	MasterHAAddress   string     `rmq:"masterHaAddress"`
	MasterFlushOffset Opt[int64] `rmq:"masterFlushOffset"`
	MasterAddress     string     `rmq:"masterAddress"`
}

// ResetMasterFlushOffsetRequest resets the flush offset a replica follows
// (ReqResetMasterFlushOffset).
type ResetMasterFlushOffsetRequest struct {
	MasterFlushOffset int64 `rmq:"masterFlushOffset,required"`
}
