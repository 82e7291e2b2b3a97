package protocol

import "strings"

// Prefixes and fixed parts of names that RocketMQ derives from others.
const (
	RetryPrefix       = "%RETRY%"      // retry topic of a group
	DLQPrefix         = "%DLQ%"        // dead letter topic of a group
	LMQPrefix         = "%LMQ%"        // light queue
	LitePrefix        = "%LMQ%$"       // queue of a lite topic
	LiteSeparator     = '$'            // between parent and lite topic
	ReplyTopicSuffix  = "_REPLY_TOPIC" // after the cluster name
	SystemTopicPrefix = "rmq_sys_"     // every topic with it is a system topic
	SystemGroupPrefix = "CID_RMQ_SYS_" // every group with it is a system group

	ReviveTopicPrefix           = "rmq_sys_REVIVE_LOG_"         // before the cluster name
	SyncBrokerMemberTopicPrefix = "rmq_sys_SYNC_BROKER_MEMBER_" // before the broker name
	LogicalBrokerPrefix         = "__syslo__"                   // before the scope of static topics
	LogicalBrokerNone           = "__syslo__none__"
	GlobalScope                 = "__global__" // scope of static topics
	OrderTopicNamespace         = "ORDER_TOPIC_CONFIG"
	DefaultRegion               = "DefaultRegion"
	DefaultCluster              = "DefaultCluster"

	// MasterID is the broker id of a master.
	MasterID = 0
)

// System topics. Those marked "closed" refuse messages of clients.
const (
	AutoCreateTopicKey = "TBW102"                              // template for topics created on the fly
	ScheduleTopic      = "SCHEDULE_TOPIC_XXXX"                 // closed; queue = delay level - 1
	BenchmarkTopic     = "BenchmarkTest"                       //
	SelfTestTopic      = "SELF_TEST_TOPIC"                     // closed
	OffsetMovedTopic   = "OFFSET_MOVED_EVENT"                  // closed
	HalfTopic          = "RMQ_SYS_TRANS_HALF_TOPIC"            // closed; half messages
	OpHalfTopic        = "RMQ_SYS_TRANS_OP_HALF_TOPIC"         // closed; ended half messages
	RocksDBHalfTopic   = "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC"    // closed
	RocksDBOpHalfTopic = "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC" // closed
	TransCheckMaxTopic = "TRANS_CHECK_MAX_TIME_TOPIC"          // closed; half messages given up
	TraceTopic         = "RMQ_SYS_TRACE_TOPIC"                 //
	CheckpointTopic    = "CHECKPOINT_TOPIC"                    //
	TimerTopic         = "rmq_sys_wheel_timer"                 // messages that wait in the timer
)

// Groups that exist from the start, and other predefined group names.
const (
	ToolsGroup            = "TOOLS_CONSUMER"
	FilterServerGroup     = "FILTERSRV_CONSUMER"
	SelfTestConsumerGroup = "SELF_TEST_C_GROUP"
	ONSHTTPProxyGroup     = "CID_ONS-HTTP-PROXY"
	ONSAPIPullGroup       = "CID_ONSAPI_PULL"
	ONSAPIPermissionGroup = "CID_ONSAPI_PERMISSION"
	ONSAPIOwnerGroup      = "CID_ONSAPI_OWNER"
	TransactionGroup      = "CID_RMQ_SYS_TRANS"
	ReviveGroup           = "CID_RMQ_SYS_REVIVE_GROUP"
	DefaultConsumerGroup  = "DEFAULT_CONSUMER"
	DefaultProducerGroup  = "DEFAULT_PRODUCER"
	ScheduleGroup         = "SCHEDULE_CONSUMER"
	MonitorGroup          = "__MONITOR_CONSUMER"
	ClientInnerProducer   = "CLIENT_INNER_PRODUCER"
	SelfTestProducerGroup = "SELF_TEST_P_GROUP"
)

// systemTopics holds the fixed system topics; the value says whether clients
// may send to them.
var systemTopics = map[string]bool{
	AutoCreateTopicKey: true, BenchmarkTopic: true, TraceTopic: true, CheckpointTopic: true,
	ScheduleTopic: false, SelfTestTopic: false, OffsetMovedTopic: false,
	HalfTopic: false, OpHalfTopic: false, RocksDBHalfTopic: false, RocksDBOpHalfTopic: false,
	TransCheckMaxTopic: false,
}

// BuiltinTopics returns the fixed system topics in the order in which a broker
// lists them (ReqGetSystemTopicListFromBroker). The caller owns the slice.
func BuiltinTopics() []string {
	return []string{
		AutoCreateTopicKey, ScheduleTopic, BenchmarkTopic, HalfTopic, OpHalfTopic, RocksDBHalfTopic,
		RocksDBOpHalfTopic, TransCheckMaxTopic, SelfTestTopic, OffsetMovedTopic, TraceTopic, CheckpointTopic,
	}
}

// BuiltinGroups returns the groups a broker has from the start. The caller owns
// the slice.
func BuiltinGroups() []string {
	return []string{
		ToolsGroup, FilterServerGroup, SelfTestConsumerGroup, ONSHTTPProxyGroup, ONSAPIPullGroup,
		ONSAPIPermissionGroup, ONSAPIOwnerGroup, TransactionGroup,
	}
}

// IsSystemTopic reports whether topic is a fixed system topic or has the system
// prefix. A broker's own topics (cluster, broker name, reply topic) are system
// topics too; the broker knows them.
func IsSystemTopic(topic string) bool {
	_, ok := systemTopics[topic]
	return ok || strings.HasPrefix(topic, SystemTopicPrefix)
}

// IsClosedTopic reports whether clients may not send to the topic; the refusal
// is RespNoPermission.
func IsClosedTopic(topic string) bool {
	open, ok := systemTopics[topic]
	return ok && !open
}

// IsBuiltinGroup reports whether a broker has the group from the start.
func IsBuiltinGroup(group string) bool {
	switch group {
	case ToolsGroup, FilterServerGroup, SelfTestConsumerGroup, ONSHTTPProxyGroup, ONSAPIPullGroup,
		ONSAPIPermissionGroup, ONSAPIOwnerGroup, TransactionGroup:
		return true
	}
	return false
}

// IsSystemGroup reports whether the group has the prefix of system groups.
func IsSystemGroup(group string) bool { return strings.HasPrefix(group, SystemGroupPrefix) }

// RetryTopic returns the topic that holds the messages of group to be delivered
// again.
func RetryTopic(group string) string { return RetryPrefix + group }

// DLQTopic returns the topic that holds the messages group gave up.
func DLQTopic(group string) string { return DLQPrefix + group }

// IsRetryTopic reports whether topic is a retry topic, of a group or of a pop
// group and topic.
func IsRetryTopic(topic string) bool { return strings.HasPrefix(topic, RetryPrefix) }

// IsDLQTopic reports whether topic is a dead letter topic.
func IsDLQTopic(topic string) bool { return strings.HasPrefix(topic, DLQPrefix) }

// GroupOfRetryTopic returns what follows the retry prefix: the group, or group
// and topic of a pop retry topic. It returns topic itself without the prefix.
func GroupOfRetryTopic(topic string) string { return strings.TrimPrefix(topic, RetryPrefix) }

// PopRetryTopic returns the retry topic of a pop group and topic in the form
// every broker knows.
func PopRetryTopic(topic, group string) string { return RetryPrefix + group + "_" + topic }

// PopRetryTopicV2 returns the retry topic of a pop group and topic in the form
// used with enableRetryTopicV2. Its "+" would not pass ValidateTopic.
func PopRetryTopicV2(topic, group string) string { return RetryPrefix + group + "+" + topic }

// ReplyTopic returns the topic for replies of request-reply messaging.
func ReplyTopic(cluster string) string { return cluster + ReplyTopicSuffix }

// ReviveTopic returns the topic of pop check points.
func ReviveTopic(cluster string) string { return ReviveTopicPrefix + cluster }

// SyncBrokerMemberTopic returns the topic whose route lists a broker's group.
func SyncBrokerMemberTopic(broker string) string { return SyncBrokerMemberTopicPrefix + broker }

// IsLMQ reports whether name is that of a light queue.
func IsLMQ(name string) bool { return strings.HasPrefix(name, LMQPrefix) }

// LiteQueueName returns the light queue of a lite topic, or the empty string
// when one of the names is empty.
func LiteQueueName(parent, lite string) string {
	if parent == "" || lite == "" {
		return ""
	}
	return LitePrefix + parent + string(LiteSeparator) + lite
}

// SplitLiteQueueName returns the parent and the lite topic of a name made by
// LiteQueueName.
func SplitLiteQueueName(name string) (parent, lite string, ok bool) {
	rest, ok := strings.CutPrefix(name, LitePrefix)
	if !ok {
		return "", "", false
	}
	parent, lite, ok = strings.Cut(rest, string(LiteSeparator))
	if !ok || parent == "" || lite == "" || strings.IndexByte(lite, LiteSeparator) >= 0 {
		return "", "", false
	}
	return parent, lite, true
}
