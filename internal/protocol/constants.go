package protocol

import "time"

// Versions: ordinals of Java's MQVersion. A peer sends its own in every header;
// the named ones are those on which somebody decides something.
const (
	Version = 513 // 5.5.0, what aerobee sends

	VersionResetOffsetPush   = 28  // older consumers get no reset-offset push
	VersionRegisterBody      = 37  // since then the registration body is RegisterBrokerBody
	VersionRunningInfo       = 62  // older consumers get no running-info call
	VersionMaxReconsumeTimes = 121 // since then maxReconsumeTimes in headers counts
	VersionSQL92             = 232 // clients refuse SQL92 with an older broker
	VersionUniqueKeySigned   = 400 // newer requests sign the unique-key query flag, too
	VersionStandardRoute     = 401 // since then routes are standard JSON
	VersionStaticTopics      = 413 // since then a compressed registration has the static topic part
	VersionGoAway            = 475 // only newer clients understand RespGoAway
	VersionHighest           = 612 // larger numbers are taken for this one
)

// Permission bits of topics and brokers.
const (
	PermInherit  = 1 // other topics may be created after this one
	PermWrite    = 2
	PermRead     = 4
	PermPriority = 8
)

// Readable reports whether perm allows to read.
func Readable(perm int32) bool { return perm&PermRead != 0 }

// Writable reports whether perm allows to write.
func Writable(perm int32) bool { return perm&PermWrite != 0 }

// Inherited reports whether topics may be created after one with perm.
func Inherited(perm int32) bool { return perm&PermInherit != 0 }

// PermString returns perm as mqadmin prints it: three of "RWX", "-" where a bit
// is missing.
func PermString(perm int32) string {
	s := []byte("---")
	if Readable(perm) {
		s[0] = 'R'
	}
	if Writable(perm) {
		s[1] = 'W'
	}
	if Inherited(perm) {
		s[2] = 'X'
	}
	return string(s)
}

// Bits of a topic's sysFlag.
const (
	TopicSysFlagUnit    = 1 // the topic belongs to a unit
	TopicSysFlagUnitSub = 2 // the topic has subscriptions of a unit
)

// Bits of PullMessageRequest.SysFlag.
const (
	PullCommitOffset = 1  // CommitOffset is to be committed
	PullSuspend      = 2  // wait when there is nothing
	PullSubscription = 4  // the subscription is in the request
	PullClassFilter  = 8  // legacy
	PullLite         = 16 // from a lite pull consumer
)

// Values of PullMessageResponse.ForbiddenType.
const (
	ForbiddenBroker       = 1 // the broker is not readable
	ForbiddenGroup        = 2 // the group may not consume
	ForbiddenTopic        = 3 // the topic is not readable
	ForbiddenBroadcasting = 4 // the group may not broadcast
	ForbiddenSubscription = 5 // the group may not consume this topic
)

// Values of EndTransactionRequest.CommitOrRollback.
const (
	TransactionUnknown  = 0
	TransactionCommit   = 8
	TransactionRollback = 12
)

// Filter expression types of subscriptions.
const (
	ExpressionTag   = "TAG"
	ExpressionSQL92 = "SQL92"
	SubscribeAll    = "*"
)

// Allocation strategies of QueryAssignmentRequestBody.
const (
	StrategyAverage         = "AVG"
	StrategyAverageByCircle = "AVG_BY_CIRCLE"
)

// Extra fields that are not part of a typed header.
const (
	ExtAccessKey            = "AccessKey"
	ExtSignature            = "Signature"
	ExtSecurityToken        = "SecurityToken"
	ExtZoneName             = "__ZONE_NAME"
	ExtZoneMode             = "__ZONE_MODE"
	ExtUniqueKeyQuery       = "_UNIQUE_KEY_QUERY" // QueryMessageRequest.Key is a unique key
	ExtRegion               = "MSG_REGION"        // in answers to sends
	ExtTraceOn              = "TRACE_ON"          // in answers to sends
	ExtHeartbeatV2Supported = "IS_SUPPORT_HEART_BEAT_V2"
	ExtSubscriptionChanged  = "IS_SUB_CHANGE"
	ExtRequestType          = "ReqT"
	ExtReadAheadMode        = "READ_AHEAD_MODE" // of ReqSetCommitLogReadMode: 0 or 1
	ExtTimerEngine          = "E_T"             // of ReqSwitchTimerEngine: R or F
)

// Attributes of topics.
const (
	TopicAttrMessageType    = "message.type"
	TopicAttrQueueType      = "queue.type"     // not changeable
	TopicAttrCleanupPolicy  = "cleanup.policy" // not changeable
	TopicAttrReserveTime    = "reserve.time"
	TopicAttrLiteExpiration = "lite.topic.expiration" // minutes
	TopicAttrDedupWindow    = "dedup.window"          // aerobee's own: how long a message is known
	TopicAttrDedupKey       = "dedup.key"             // aerobee's own: the property it is known by
)

// CleanupCompaction is the value of cleanup.policy for topics of which the latest
// message of each key is kept.
const CleanupCompaction = "COMPACTION"

// QueueTypeBatch is the value of queue.type for topics with batch queues.
const QueueTypeBatch = "BatchCQ"

// Attributes of groups.
const (
	GroupAttrPriorityFactor       = "priority.factor"
	GroupAttrLiteBindTopic        = "lite.bind.topic" // makes the group a lite group
	GroupAttrLiteModel            = "lite.sub.model"
	GroupAttrLiteResetExclusive   = "lite.sub.reset.offset.exclusive"
	GroupAttrLiteResetUnsubscribe = "lite.sub.reset.offset.unsubscribe"
	GroupAttrLiteClientQuota      = "lite.sub.client.quota"
	GroupAttrLiteMaxEvents        = "lite.sub.client.max.event.cnt"
	GroupAttrLiteWildcard         = "lite.sub.wildcard"
)

// Ports that clients derive from others.
const (
	DefaultNamesrvPort = 9876
	DefaultBrokerPort  = 10911
	FastPortOffset     = -2 // second port of a broker, relative to the first
	HAPortOffset       = 1  // replication port, relative to the first
)

// Limits of names, messages and frames, all with Java's values.
const (
	MaxTopicLength      = 127     // UTF-16 units
	MaxRetryTopicLength = 255     // UTF-16 units, of %RETRY% and %DLQ% topics
	MaxGroupLength      = 120     // UTF-16 units
	MaxFrameBytes       = 1 << 24 // whole frame with the length field
	MaxHeaderBytes      = 1<<24 - 1
	MaxBodyBytes        = 4 << 20   // default maxMessageSize of a broker
	MaxPropertiesBytes  = 1<<15 - 1 // encoded properties of one message
	MaxPopMessages      = 32        // messages of one pop
	MaxQueryMessages    = 64        // messages of one key query
)

// Times with Java's values that both sides rely on.
const (
	HeartbeatInterval      = 30 * time.Second  // of clients
	ClientExpiry           = 120 * time.Second // without heartbeat
	ConnectionIdleTimeout  = 120 * time.Second
	DefaultBrokerExpiry    = 120 * time.Second // at the nameserver
	QueueLockExpiry        = 60 * time.Second
	BrokerRegisterInterval = 30 * time.Second
)
