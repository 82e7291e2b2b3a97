package message

import "net/netip"

// Message is a message with all that a broker adds to it. Times are
// milliseconds since the epoch.
type Message struct {
	Topic          string
	QueueID        int32
	Flag           int32 // the producer's, opaque
	SysFlag        int32 // see the Flag constants
	BornTimestamp  int64 // clock of the producer
	BornHost       netip.AddrPort
	StoreTimestamp int64 // clock of the broker, never decreasing in a log
	StoreHost      netip.AddrPort
	ReconsumeTimes int32
	// PreparedTransactionOffset is the physical offset of the half message that
	// a commit record belongs to.
	PreparedTransactionOffset int64
	QueueOffset               int64
	PhysicalOffset            int64
	Properties                string // encoded, see Property
	Body                      []byte
}

// Bits of SysFlag [MessageSysFlag].
const (
	FlagCompressed      = 0x1
	FlagMultiTags       = 0x2
	FlagTransactionMask = 0xC
	FlagTransactionHalf = 0x4
	FlagTransactionDone = 0x8
	FlagTransactionUndo = 0xC
	FlagBornHostV6      = 0x10
	FlagStoreHostV6     = 0x20
	FlagNeedUnwrap      = 0x40
	FlagInnerBatch      = 0x80
	FlagCompressionMask = 0x700
	FlagCompressionLZ4  = 0x100
	FlagCompressionZstd = 0x200
	FlagCompressionZlib = 0x300
	MaxPropertiesLength = 32767 // the record has an int16 for it
	MaxTopicLengthV1    = 127   // signed byte in a version 1 record
	MaxTopicLengthV2    = 255   // limit of retry topics, the only users of version 2
)

// Reserved property names [MessageConst] that the server reads or writes.
const (
	PropTags                = "TAGS"
	PropKeys                = "KEYS"
	PropUniqKey             = "UNIQ_KEY"
	PropWait                = "WAIT"
	PropDelay               = "DELAY"
	PropRealTopic           = "REAL_TOPIC"
	PropRealQueueID         = "REAL_QID"
	PropRetryTopic          = "RETRY_TOPIC"
	PropOriginMessageID     = "ORIGIN_MESSAGE_ID"
	PropReconsumeTime       = "RECONSUME_TIME"
	PropMaxReconsumeTimes   = "MAX_RECONSUME_TIMES"
	PropDLQOriginTopic      = "DLQ_ORIGIN_TOPIC"
	PropDLQOriginMessageID  = "DLQ_ORIGIN_MESSAGE_ID"
	PropProducerGroup       = "PGROUP"
	PropTransactionPrepared = "TRAN_MSG"
	PropInnerNum            = "INNER_NUM"
	PropInnerBase           = "INNER_BASE"
	PropInnerMultiDispatch  = "INNER_MULTI_DISPATCH"
	PropInnerMultiOffset    = "INNER_MULTI_QUEUE_OFFSET"
	PropLiteTopic           = "__LITE_TOPIC"
	PropTimerDelaySec       = "TIMER_DELAY_SEC"
	PropTimerDelayMs        = "TIMER_DELAY_MS"
	PropTimerDeliverMs      = "TIMER_DELIVER_MS"
	PropShardingKey         = "__SHARDINGKEY"
	PropPriority            = "_SYS_MSG_PRIORITY_"
	PropCluster             = "CLUSTER"
	PropRegion              = "MSG_REGION"
	PropTraceOn             = "TRACE_ON"
	PropMessageType         = "MSG_TYPE"
	PropCorrelationID       = "CORRELATION_ID"
	PropReplyToClient       = "REPLY_TO_CLIENT"
	PropTTL                 = "TTL"
	PropPushReplyTime       = "PUSH_REPLY_TIME"
	PropPopCheckpoint       = "POP_CK"
	PropBornTimestamp       = "BORN_TIMESTAMP"
	PropCRC                 = "__CRC32#"

	// Properties that only aerobee has. OwnPropertyPrefix is before all of them.
	OwnPropertyPrefix = "AEROBEE_"
	PropDeadReason    = "AEROBEE_DLQ_REASON" // why a message is a dead letter
	PropDeadLimit     = "AEROBEE_DLQ_LIMIT"  // how often it might have been tried again
	PropDeadClient    = "AEROBEE_DLQ_CLIENT" // address of the consumer that gave it up
	PropRedriven      = "AEROBEE_REDRIVEN"   // id of the dead letter that a message is a copy of
	// Values of PropDeadReason.
	DeadMaxAttempts              = "MAX_ATTEMPTS" // it was tried as often as allowed
	DeadRejected                 = "REJECTED"     // its consumer asked for it: delay level -1
	DeadOrdered                  = "ORDERED"      // sent to the retry topic too often, or by a group that holds queue locks
	PropTimerOutMs               = "TIMER_OUT_MS"
	PropTimerEnqueueMs           = "TIMER_ENQUEUE_MS"
	PropTimerDequeueMs           = "TIMER_DEQUEUE_MS"
	PropTimerRollTimes           = "TIMER_ROLL_TIMES"
	PropTimerDelUniqKey          = "TIMER_DEL_UNIQKEY"
	PropStartDeliverTime         = "__STARTDELIVERTIME"
	TransientPropertyPrefix      = "__RMQ.TRANSIENT."
	nameSeparator           byte = 1 // between a property's name and its value
	propertySeparator       byte = 2 // after each property
)
