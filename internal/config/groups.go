package config

import "time"

// Role is the value of brokerRole.
type Role string

// The roles of a broker within its group.
const (
	AsyncMaster Role = "ASYNC_MASTER" // acknowledges without waiting for slaves
	SyncMaster  Role = "SYNC_MASTER"  // waits for inSyncReplicas copies
	Slave       Role = "SLAVE"
)

// FlushType is the value of flushDiskType.
type FlushType string

// What an acknowledgement of a normal message means.
const (
	AsyncFlush FlushType = "ASYNC_FLUSH" // written
	SyncFlush  FlushType = "SYNC_FLUSH"  // flushed to disk
)

// Identity says who the broker is and where it is reached.
type Identity struct {
	BrokerClusterName string `prop:"brokerClusterName" default:"DefaultCluster" doc:"Name of the cluster; also a topic name."`
	BrokerName        string `prop:"brokerName" default:"{host}" doc:"Name of the master and its slaves together; also a topic name."`
	BrokerID          int64  `prop:"brokerId" default:"0" min:"-1" doc:"0 is the master, greater numbers are slaves. A master's number is always 0."`
	BrokerRole        Role   `prop:"brokerRole" default:"ASYNC_MASTER" oneof:"ASYNC_MASTER|SYNC_MASTER|SLAVE" doc:"Role within the group. SLAVE needs replication, which is not there yet."`
	BrokerIP1         string `prop:"brokerIP1" default:"{ip}" doc:"Address that is registered with the nameservers and given to clients."`
	BrokerIP2         string `prop:"brokerIP2" default:"{ip}" doc:"Address that is registered for slaves."`
	BindAddress       string `prop:"bindAddress" default:"0.0.0.0" doc:"Address to listen on."`
	ListenPort        int    `prop:"listenPort" default:"10911" min:"0" max:"65535" doc:"Port for clients; 0 chooses one. The fast port is two below it."`
	HAListenPort      int    `prop:"haListenPort" default:"0" min:"0" max:"65535" doc:"Port for slaves; 0 means listenPort+1."`
	BrokerPermission  int    `prop:"brokerPermission" default:"6" min:"0" max:"15" reload:"true" doc:"4 read, 2 write, added. Limits what all topics of the broker allow."`
	RegionID          string `prop:"regionId" default:"DefaultRegion" doc:"Value of the MSG_REGION property of every stored message."`
	TraceOn           bool   `prop:"traceOn" default:"true" reload:"true" doc:"Value of the TRACE_ON property of every stored message."`
	ConfigBlackList   string `prop:"configBlackList" default:"configBlackList;brokerConfigPath" doc:"Keys that code 25 refuses, separated by ;."`
}

// Nameserver says which nameservers know the broker and how it tells them.
type Nameserver struct {
	NamesrvAddr              string        `prop:"namesrvAddr" default:"{namesrv}" reload:"true" doc:"Nameservers, host:port separated by ;. The environment variable NAMESRV_ADDR is the default."`
	RegisterNameServerPeriod time.Duration `prop:"registerNameServerPeriod" default:"30000" unit:"ms" min:"0" reload:"true" doc:"Time between full registrations; used within 10 s and 60 s."`
	RegisterBrokerTimeout    time.Duration `prop:"registerBrokerTimeoutMills" default:"24000" unit:"ms" min:"1" reload:"true" doc:"How long one nameserver may take to answer a registration."`
	ForceRegister            bool          `prop:"forceRegister" default:"true" reload:"true" doc:"Register fully without asking first whether anything changed, up to 4096 topics."`
	CompressedRegister       bool          `prop:"compressedRegister" default:"false" doc:"Compress the registration body."`
	EnableSingleTopic        bool          `prop:"enableSingleTopicRegister" default:"false" reload:"true" doc:"Announce one changed topic with code 217 instead of an incremental registration."`
	EnableSplitRegistration  bool          `prop:"enableSplitRegistration" default:"false" reload:"true" doc:"Send a registration in chunks."`
	SplitRegistrationSize    int           `prop:"splitRegistrationSize" default:"800" min:"1" reload:"true" doc:"Topics in one chunk."`
	EnableSplitMetadata      bool          `prop:"enableSplitMetadata" default:"true" reload:"true" doc:"Answer requests for all topics or groups in pages when the client asks for pages."`
	SplitMetadataSize        int           `prop:"splitMetadataSize" default:"2000" min:"1" reload:"true" doc:"Topics or groups in one page."`
}

// Topics says how topics and groups come to be.
type Topics struct {
	AutoCreateTopic         bool   `prop:"autoCreateTopicEnable" default:"true" reload:"true" doc:"Create a topic when the first message for it arrives."`
	DefaultTopicQueues      int    `prop:"defaultTopicQueueNums" default:"8" min:"1" max:"65535" reload:"true" doc:"Most queues of a topic that is created by a message."`
	ClusterTopicEnable      bool   `prop:"clusterTopicEnable" default:"true" doc:"The topic named after the cluster is a template for others."`
	BrokerTopicEnable       bool   `prop:"brokerTopicEnable" default:"true" doc:"The topic named after the broker is a template for others."`
	AutoCreateGroup         bool   `prop:"autoCreateSubscriptionGroup" default:"true" reload:"true" doc:"Create a consumer group when it is first used."`
	CreateSysGroup          bool   `prop:"enableCreateSysGroup" default:"true" reload:"true" doc:"Create system groups even when autoCreateSubscriptionGroup is off."`
	MixedMessageType        bool   `prop:"enableMixedMessageType" default:"false" reload:"true" doc:"Allow topics with message.type=MIXED."`
	ValidateSystemTopic     bool   `prop:"validateSystemTopicWhenUpdateTopic" default:"true" reload:"true" doc:"Refuse to change system topics."`
	ClearRetryTopic         bool   `prop:"clearRetryTopicWhenDeleteTopic" default:"true" reload:"true" doc:"Deleting a topic deletes its groups' POP retry topics."`
	AutoDeleteUnusedStats   bool   `prop:"autoDeleteUnusedStats" default:"true" reload:"true" doc:"Deleting a topic or group deletes its statistics."`
	TraceTopicEnable        bool   `prop:"traceTopicEnable" default:"false" doc:"Create the trace topic at start."`
	MsgTraceTopicName       string `prop:"msgTraceTopicName" default:"RMQ_SYS_TRACE_TOPIC" doc:"Name of the trace topic."`
	StoreReplyMessageEnable bool   `prop:"storeReplyMessageEnable" default:"true" reload:"true" doc:"Store the reply of a request-reply exchange."`
	ReviveQueueNum          int    `prop:"reviveQueueNum" default:"8" min:"1" max:"65535" doc:"Queues of the POP revive topic, which is created at start."`
}

// Store says where and in which shape messages are kept.
type Store struct {
	StorePathRootDir       string        `prop:"storePathRootDir" default:"{home}/store" doc:"The store directory."`
	StorePathCommitLog     string        `prop:"storePathCommitLog" default:"" doc:"Directories of the commit log, separated by a comma; empty means commitlog below storePathRootDir. See Broker.CommitLogDirs."`
	ReadOnlyCommitLogPaths string        `prop:"readOnlyCommitLogStorePaths" default:"" doc:"Further commit log directories to which nothing is written."`
	EnableCompaction       bool          `prop:"enableCompaction" default:"true" doc:"Keep the latest message of each key of topics with cleanup.policy=COMPACTION."`
	CompactionFileSize     int64         `prop:"compactionMappedFileSize" default:"104857600" unit:"bytes" min:"4096" max:"2147483647" doc:"Size of a compaction log file, rounded to a multiple of that of its queue files, five at least. Must not change for an existing store."`
	CompactionCqFileSize   int64         `prop:"compactionCqMappedFileSize" default:"10485760" unit:"bytes" min:"92" max:"429496700" doc:"Size of its queue files, rounded down to a multiple of 46. Must not change for an existing store."`
	CompactionInterval     time.Duration `prop:"compactionScheduleInternal" default:"900000" unit:"ms" min:"1" doc:"Time between compactions."`
	CommitLogFileSize      int64         `prop:"mappedFileSizeCommitLog" default:"1073741824" unit:"bytes" min:"4096" max:"2147483647" doc:"Size of a commit log file. Must not change for an existing store."`
	ConsumeQueueFileSize   int64         `prop:"mappedFileSizeConsumeQueue" default:"6000000" unit:"bytes" min:"20" max:"2147483640" doc:"Size of a queue file, rounded up to a multiple of 20. Must not change for an existing store."`
	BatchQueueFileSize     int64         `prop:"mapperFileSizeBatchConsumeQueue" default:"13800000" unit:"bytes" min:"46" max:"2147483616" doc:"Size of a queue file of topics with queue.type=BatchCQ, a multiple of 46. Must not change for an existing store."`
	ConsumeQueueExtSize    int64         `prop:"mappedFileSizeConsumeQueueExt" default:"50331648" unit:"bytes" min:"64" max:"2147483647" doc:"Size of an extended queue file, as a broker with enableConsumeQueueExt wrote it; aerobee reads them and writes none. Must not change for an existing store."`
	EnableLMQ              bool          `prop:"enableLmq" default:"false" doc:"Serve light queues (%LMQ%...). Consumer offsets are then in lmqConsumerOffset.json."`
	EnableMultiDispatch    bool          `prop:"enableMultiDispatch" default:"false" doc:"Dispatch messages with the property INNER_MULTI_DISPATCH to the light queues that it names; needs enableLmq as well."`
	MaxHashSlotNum         int           `prop:"maxHashSlotNum" default:"5000000" min:"1" max:"500000000" doc:"Hash slots of an index file."`
	MaxIndexNum            int           `prop:"maxIndexNum" default:"20000000" min:"2" max:"100000000" doc:"Entries of an index file."`
	MessageIndexEnable     bool          `prop:"messageIndexEnable" default:"true" doc:"Index messages by key."`
	MessageIndexSafe       bool          `prop:"messageIndexSafe" default:"false" doc:"Rebuild the index from the last flushed position after a crash."`
	MaxMessageSize         int           `prop:"maxMessageSize" default:"4194304" unit:"bytes" min:"1" max:"134217728" reload:"true" doc:"Largest message body, and largest client batch."`
	MaxTopicLength         int           `prop:"maxTopicLength" default:"127" min:"1" max:"32767" doc:"Longest topic name in bytes; over 127 needs records of version 2."`
	AutoMessageVersion     bool          `prop:"autoMessageVersionOnTopicLen" default:"true" doc:"Write records of version 2 for topic names over 127 bytes."`
	AppendPropCRC          bool          `prop:"enabledAppendPropCRC" default:"false" doc:"Append a checksum over each record to its properties."`
	ForceVerifyPropCRC     bool          `prop:"forceVerifyPropCRC" default:"false" doc:"Treat a record without that checksum as damaged."`
	CheckCRCOnRecover      bool          `prop:"checkCRCOnRecover" default:"true" doc:"Verify body checksums when recovering."`
	CommitLogRecoverMaxNum int           `prop:"commitLogRecoverMaxNum" default:"10" min:"1" doc:"Most commit log files that recovery goes back."`
}

// Flush says when written messages reach the disk.
type Flush struct {
	FlushDiskType               FlushType     `prop:"flushDiskType" default:"ASYNC_FLUSH" oneof:"ASYNC_FLUSH|SYNC_FLUSH" doc:"What an acknowledgement means: ASYNC_FLUSH written, SYNC_FLUSH flushed to disk."`
	FlushCommitLogInterval      time.Duration `prop:"flushIntervalCommitLog" default:"500" unit:"ms" min:"1" reload:"true" doc:"Time between asynchronous flushes of the commit log."`
	FlushCommitLogLeastPages    int           `prop:"flushCommitLogLeastPages" default:"4" min:"0" reload:"true" doc:"Pages of 4096 bytes that make such a flush worth while."`
	FlushCommitLogThorough      time.Duration `prop:"flushCommitLogThoroughInterval" default:"10000" unit:"ms" min:"1" reload:"true" doc:"Time after which whatever there is gets flushed."`
	FlushConsumeQueueInterval   time.Duration `prop:"flushIntervalConsumeQueue" default:"1000" unit:"ms" min:"1" reload:"true" doc:"Time between flushes of queue files."`
	FlushConsumeQueueLeastPages int           `prop:"flushConsumeQueueLeastPages" default:"2" min:"0" reload:"true" doc:"Pages of 4096 bytes that make such a flush worth while."`
	FlushConsumeQueueThorough   time.Duration `prop:"flushConsumeQueueThoroughInterval" default:"60000" unit:"ms" min:"1" reload:"true" doc:"Time after which whatever there is gets flushed."`
	SyncFlushTimeout            time.Duration `prop:"syncFlushTimeout" default:"5000" unit:"ms" min:"1" reload:"true" doc:"How long a message waits for its flush before FLUSH_DISK_TIMEOUT."`
	FlushConsumerOffset         time.Duration `prop:"flushConsumerOffsetInterval" default:"5000" unit:"ms" min:"1" doc:"Time between writes of consumer offsets."`
}

// Duplicates says what suppressing duplicates may cost (topic attribute
// dedup.window).
type Duplicates struct {
	DedupMaxEntries int `prop:"aerobeeDedupMaxEntries" default:"1000000" min:"1" max:"100000000" doc:"aerobee only: most messages, of all topics with the attribute dedup.window, that are remembered. Beyond them the oldest are forgotten before their window ends, which aerobee_dedup_forgotten_total counts. 20 to 35 bytes of memory each."`
}

// Retention says when old messages go.
type Retention struct {
	FileReservedTime           time.Duration `prop:"fileReservedTime" default:"72" unit:"h" min:"0" reload:"true" doc:"Age at which commit log files may be deleted."`
	DeleteWhen                 string        `prop:"deleteWhen" default:"04" reload:"true" doc:"Hours of the day at which aged files are deleted, separated by ;."`
	DiskMaxUsedSpaceRatio      int           `prop:"diskMaxUsedSpaceRatio" default:"75" unit:"percent" min:"10" max:"95" reload:"true" doc:"Use of the disk above which aged files are deleted at any hour."`
	DiskSpaceWarningRatio      int           `prop:"diskSpaceWarningLevelRatio" default:"90" unit:"percent" min:"35" max:"100" reload:"true" doc:"Use of the disk above which messages are refused; 100: never. They are taken again at diskSpaceCleanForciblyRatio. Apache's broker takes values above 90 for 90."`
	DiskSpaceCleanForcibly     int           `prop:"diskSpaceCleanForciblyRatio" default:"85" unit:"percent" min:"30" max:"100" reload:"true" doc:"Use of the disk above which files are deleted whatever their age; 100: never. Apache's broker takes values above 85 for 85."`
	CleanFileForcibly          bool          `prop:"cleanFileForciblyEnable" default:"true" reload:"true" doc:"Allow deletion before fileReservedTime when the disk fills."`
	CleanResourceInterval      time.Duration `prop:"cleanResourceInterval" default:"10000" unit:"ms" min:"1" doc:"Time between looks at the disk."`
	DeleteCommitLogInterval    time.Duration `prop:"deleteCommitLogFilesInterval" default:"100" unit:"ms" min:"0" reload:"true" doc:"Pause between deletions of two commit log files."`
	DeleteConsumeQueueInterval time.Duration `prop:"deleteConsumeQueueFilesInterval" default:"100" unit:"ms" min:"0" reload:"true" doc:"Pause between deletions of two queue files."`
	DeleteFileBatchMax         int           `prop:"deleteFileBatchMax" default:"10" min:"1" reload:"true" doc:"Most files deleted in one go."`
	DeleteContinuously         bool          `prop:"aerobeeDeleteContinuously" default:"false" reload:"true" doc:"aerobee only: aged files are deleted at any hour, whatever deleteWhen says. aerobee server sets it."`
	DiskMinFreeBytes           int64         `prop:"aerobeeDiskMinFreeBytes" default:"0" unit:"bytes" min:"0" reload:"true" doc:"aerobee only: free space of the disk below which messages are refused; below twice as much files are deleted whatever their age. 0: only the ratios count. aerobee server sets 512 MiB, and both ratios to 100."`
	StoreMaxBytes              int64         `prop:"aerobeeStoreMaxBytes" default:"0" unit:"bytes" min:"0" reload:"true" doc:"aerobee only: size on disk of commit log, queues and index above which the oldest commit log files are deleted whatever their age. The newest file always stays. 0: no limit."`
}

// Reads says what one pull or query may bring.
type Reads struct {
	MaxTransferBytesMemory int           `prop:"maxTransferBytesOnMessageInMemory" default:"262144" unit:"bytes" min:"1" reload:"true" doc:"Most bytes of a pull of recent messages."`
	MaxTransferCountMemory int           `prop:"maxTransferCountOnMessageInMemory" default:"32" min:"1" reload:"true" doc:"Most messages of a pull of recent messages."`
	MaxTransferBytesDisk   int           `prop:"maxTransferBytesOnMessageInDisk" default:"65536" unit:"bytes" min:"1" reload:"true" doc:"Most bytes of a pull of old messages."`
	MaxTransferCountDisk   int           `prop:"maxTransferCountOnMessageInDisk" default:"8" min:"1" reload:"true" doc:"Most messages of a pull of old messages."`
	InMemoryMaxRatio       int           `prop:"accessMessageInMemoryMaxRatio" default:"40" unit:"percent" min:"0" max:"100" reload:"true" doc:"Share of the machine's memory by which a message may lie behind the newest one and still count as recent."`
	PullBatchMaxCount      int           `prop:"pullBatchMaxMessageCount" default:"160" min:"1" reload:"true" doc:"Most messages a pull may ask for."`
	MaxMsgsNumBatch        int           `prop:"maxMsgsNumBatch" default:"64" min:"1" reload:"true" doc:"Most messages a query by key returns."`
	DefaultQueryMaxNum     int           `prop:"defaultQueryMaxNum" default:"32" min:"1" reload:"true" doc:"Messages of a query that states no number."`
	LongPolling            bool          `prop:"longPollingEnable" default:"true" reload:"true" doc:"Hold a pull that finds nothing as long as the client allows."`
	ShortPolling           time.Duration `prop:"shortPollingTimeMills" default:"1000" unit:"ms" min:"1" reload:"true" doc:"How long such a pull is held when longPollingEnable is off."`
	LitePull               bool          `prop:"litePullMessageEnable" default:"true" reload:"true" doc:"Answer code 361."`
	RejectPullConsumer     bool          `prop:"rejectPullConsumerEnable" default:"false" reload:"true" doc:"Refuse pulls of consumers that poll on their own."`
	ServerSideResetOffset  bool          `prop:"useServerSideResetOffset" default:"true" reload:"true" doc:"Reset offsets at the broker instead of asking the consumers."`
	DisableSlowConsumer    bool          `prop:"disableConsumeIfConsumerReadSlowly" default:"false" reload:"true" doc:"Stop a group that has fallen behind too far."`
	ConsumerFallbehind     int64         `prop:"consumerFallbehindThreshold" default:"17179869184" unit:"bytes" min:"0" reload:"true" doc:"How far that is."`
}

// Filters says what subscriptions by SQL92 may do.
type Filters struct {
	PropertyFilter     bool          `prop:"enablePropertyFilter" default:"false" reload:"true" doc:"Filter by SQL92 expressions over properties. aerobee server sets it."`
	FilterSupportRetry bool          `prop:"filterSupportRetry" default:"false" reload:"true" doc:"Where a retry topic is subscribed to by SQL92, filter by the expression for the topic that a message failed in."`
	FilterCleanTime    time.Duration `prop:"filterDataCleanTimeSpan" default:"86400000" unit:"ms" min:"0" reload:"true" doc:"How long the expression of a group without consumers is kept."`
	BloomErrorRate     int           `prop:"maxErrorRateOfBloomFilter" default:"20" unit:"percent" min:"1" max:"99" doc:"Shapes a part of consumerFilter.json that only a Java broker uses. One with other values ignores the file."`
	BloomConsumers     int           `prop:"expectConsumerNumUseFilter" default:"32" min:"1" max:"65536" doc:"The same."`
}

// Lite says how light queues and lite topics are served.
type Lite struct {
	LMQQuota             bool          `prop:"enableLmqQuota" default:"false" reload:"true" doc:"Refuse a message that would make more than maxLmqConsumeQueueNum light queues."`
	MaxLMQ               int           `prop:"maxLmqConsumeQueueNum" default:"20000" min:"1" reload:"true" doc:"Most light queues, with enableLmqQuota."`
	LiteSubscriptions    int64         `prop:"maxLiteSubscriptionCount" default:"100000" min:"0" max:"4194304" reload:"true" doc:"Pairs of a client and a lite topic above which no client subscribes to another one."`
	LiteClientEvents     int           `prop:"maxClientEventCount" default:"100" min:"1" max:"100000" reload:"true" doc:"Lite topics with messages that a client is told of at once, where its group does not say."`
	LiteEventCheck       time.Duration `prop:"liteEventCheckInterval" default:"10000" unit:"ms" min:"1" reload:"true" doc:"Time between looks for clients that do not take what they are told of."`
	LiteFullDispatch     time.Duration `prop:"liteEventFullDispatchDelayTime" default:"10000" unit:"ms" min:"1" reload:"true" doc:"When all lite topics of a client are looked at that could not be told of all."`
	LiteWildcardDispatch time.Duration `prop:"liteEventFullDispatchDelayTimeForWildcardGroup" default:"10000" unit:"ms" min:"1" reload:"true" doc:"The same for a group that subscribes to all lite topics of a parent."`
	LiteSubCheck         time.Duration `prop:"liteSubscriptionCheckInterval" default:"120000" unit:"ms" min:"1" reload:"true" doc:"Time between looks for lite subscriptions that have expired."`
	LiteSubTimeout       time.Duration `prop:"liteSubscriptionCheckTimeoutMills" default:"180000" unit:"ms" min:"1" reload:"true" doc:"How long a client's lite subscriptions last after it last sent any."`
	LiteTTLCheck         time.Duration `prop:"liteTtlCheckInterval" default:"120000" unit:"ms" min:"1" reload:"true" doc:"Time between looks for lite topics that have expired."`
	MinLiteTTL           time.Duration `prop:"minLiteTTl" default:"900000" unit:"ms" min:"0" reload:"true" doc:"Age below which no lite topic expires, and uptime of the broker before which none does."`
	LiteLagTimes         bool          `prop:"liteLagLatencyCollectEnable" default:"false" reload:"true" doc:"Code 200078 tells the lite topics whose oldest message not consumed is the oldest. It reads them to find out."`
	LiteLagMetrics       bool          `prop:"liteLagCountMetricsEnable" default:"false" reload:"true" doc:"Metrics have the messages of lite topics that a group has not consumed."`
}

// Delay says when delayed messages come.
type Delay struct {
	MessageDelayLevel string        `prop:"messageDelayLevel" default:"1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h" doc:"Delays of the levels 1, 2 and so on, with the units s, m, h and d."`
	FlushDelayOffset  time.Duration `prop:"flushDelayOffsetInterval" default:"10000" unit:"ms" min:"1" doc:"Time between writes of the delay levels' offsets."`
}

// Pop says how messages are popped.
type Pop struct {
	PopPollingSize         int  `prop:"popPollingSize" default:"1024" min:"1" reload:"true" doc:"Most pops of one group that wait at one queue of a topic."`
	MaxPopPollingSize      int  `prop:"maxPopPollingSize" default:"100000" min:"1" doc:"Most pops that wait at the broker."`
	PopForceNotifyInterval int  `prop:"popLongPollingForceNotifyInterval" default:"800" min:"0" reload:"true" doc:"Every so many messages of a queue a waiting pop is woken whatever its filter says; 0: never."`
	InitPopOffsetInMemory  bool `prop:"initPopOffsetByCheckMsgInMem" default:"true" reload:"true" doc:"A group that pops from the end begins at 0 on a queue whose first message is still there."`
	RetryTopicV2           bool `prop:"enableRetryTopicV2" default:"false" reload:"true" doc:"POP retry topics are named %RETRY%group+topic instead of %RETRY%group_topic."`
	RetrieveRetryTopicV1   bool `prop:"retrieveMessageFromPopRetryTopicV1" default:"true" reload:"true" doc:"Pop from the retry topic with the old name as well when enableRetryTopicV2 is on."`
	RetryProbability       int  `prop:"popFromRetryProbability" default:"20" unit:"percent" min:"0" max:"100" reload:"true" doc:"Share of pops that look into the retry topic first."`
	RetryProbPriority      int  `prop:"popFromRetryProbabilityForPriority" default:"0" unit:"percent" min:"0" max:"100" reload:"true" doc:"The same for topics with message.type=PRIORITY."`
	PriorityOrderAsc       bool `prop:"priorityOrderAsc" default:"true" reload:"true" doc:"A greater number is a higher priority."`
	SeparateRetryQueue     bool `prop:"useSeparateRetryQueue" default:"false" reload:"true" doc:"A POP retry topic has as many queues as its topic, and a message returns to its own."`
	NotificationFilter     bool `prop:"useMessageFilterForNotification" default:"true" reload:"true" doc:"A notification tells of messages only that its filter wants."`
	NotificationFilterNum  int  `prop:"maxMessageFilterNumForNotification" default:"64" min:"0" reload:"true" doc:"With more messages than this in a queue its filter is not asked."`
	ReturnActualRetryTopic bool `prop:"popResponseReturnActualRetryTopic" default:"false" reload:"true" doc:"Messages of a retry topic are answered with its name instead of the topic that was asked for."`
	PopInflightThreshold   int  `prop:"popInflightMessageThreshold" default:"10000" min:"0" reload:"true" doc:"With enablePopMessageThreshold: most popped and unacknowledged messages of a group in a queue."`
	PopInflightThresholdOn bool `prop:"enablePopMessageThreshold" default:"false" reload:"true" doc:"Pop no more from a queue with more unacknowledged messages than popInflightMessageThreshold."`
	MaxPopLeases           int  `prop:"aerobeeMaxPopLeases" default:"1000000" min:"1" reload:"true" doc:"aerobee only: most pops with unacknowledged messages, of all groups; beyond it pops are refused with FLOW_CONTROL. Each takes about 300 bytes of memory."`
}

// Timer says how messages are delivered at any time, and recalled.
type Timer struct {
	TimerEnable         bool          `prop:"timerWheelEnable" default:"true" doc:"Deliver messages at the time that they ask for. Without it such messages are refused, and those that wait go on waiting."`
	TimerPrecisionWish  time.Duration `prop:"timerPrecisionMs" default:"1000" unit:"ms" min:"1" doc:"By how much a delivery may be late: 100, 200, 500 or 1000; other values count as the next one below. The files depend on it: after a change they are made anew, and a Java broker must have the same."`
	TimerRollWindow     int64         `prop:"timerRollWindowSlot" default:"172800" min:"0" doc:"A message that waits longer than so many times timerPrecisionMs is stored anew on the way; at most two thirds of fileReservedTime."`
	TimerLogFileSize    int64         `prop:"mappedFileSizeTimerLog" default:"104857600" unit:"bytes" min:"1" doc:"Size of a file of the timer log. A Java broker must have the same."`
	TimerFlushInterval  time.Duration `prop:"timerFlushIntervalMs" default:"1000" unit:"ms" min:"1" reload:"true" doc:"Time between writes of the timer's index. What was delivered since the last one is delivered again after a crash."`
	TimerMaxDelay       time.Duration `prop:"timerMaxDelaySec" default:"259200" unit:"s" min:"1" reload:"true" doc:"How far ahead a delivery may be asked for. aerobee server sets 40 days."`
	TimerStopEnqueue    bool          `prop:"timerStopEnqueue" default:"false" reload:"true" doc:"Take no more messages from the timer's queue into its index: they wait."`
	TimerStopDequeue    bool          `prop:"timerStopDequeue" default:"false" reload:"true" doc:"Deliver nothing that the timer has."`
	TimerCongestNum     int64         `prop:"timerCongestNumEachSlot" default:"2147483647" min:"1" reload:"true" doc:"Messages due in one timerPrecisionMs above which some more, and from twice as many on all, are refused."`
	TimerTopicInRecalls bool          `prop:"appendTopicForTimerDeleteKey" default:"false" reload:"true" doc:"Recalls name the topic too, so that two messages with one unique key in different topics are told apart."`
	RecallEnable        bool          `prop:"recallMessageEnable" default:"false" reload:"true" doc:"Allow the recall of messages that wait in the timer. aerobee server sets it."`
	RecallUnwritable    bool          `prop:"allowRecallWhenBrokerNotWriteable" default:"true" reload:"true" doc:"Allow it also while brokerPermission has no write."`
}

// Transactions says what becomes of half messages.
type Transactions struct {
	RejectTransaction      bool          `prop:"rejectTransactionMessage" default:"false" reload:"true" doc:"Refuse half messages."`
	TransactionTimeOut     time.Duration `prop:"transactionTimeOut" default:"6000" unit:"ms" min:"0" reload:"true" doc:"Age from which a producer is asked about a half message that nobody committed or rolled back; CHECK_IMMUNITY_TIME_IN_SECONDS of the message goes before."`
	TransactionCheckMax    int           `prop:"transactionCheckMax" default:"15" min:"1" reload:"true" doc:"How often a producer is asked before the half message goes to TRANS_CHECK_MAX_TIME_TOPIC. Unlike Apache's broker, only questions that could be sent count."`
	TransactionCheckPeriod time.Duration `prop:"transactionCheckInterval" default:"30000" unit:"ms" min:"1" reload:"true" doc:"Time between checks."`
	TransactionOpMaxSize   int           `prop:"transactionOpMsgMaxSize" default:"4096" unit:"bytes" min:"1" max:"1048576" reload:"true" doc:"Size of the body at which a message that lists ended transactions is stored."`
	TransactionOpInterval  time.Duration `prop:"transactionOpBatchInterval" default:"3000" unit:"ms" min:"1" reload:"true" doc:"Time after which it is stored whatever its size."`
	TransactionMetricFlush time.Duration `prop:"transactionMetricFlushInterval" default:"10000" unit:"ms" min:"1" reload:"true" doc:"Time between writes of the file transactionMetrics."`
}

// Clients says how long connected clients are remembered and what they hear.
type Clients struct {
	ChannelExpiredTimeout      time.Duration `prop:"channelExpiredTimeout" default:"120000" unit:"ms" min:"1" reload:"true" doc:"A client without a heartbeat for so long is gone."`
	SubscriptionExpiredTimeout time.Duration `prop:"subscriptionExpiredTimeout" default:"600000" unit:"ms" min:"1" reload:"true" doc:"A subscription without a heartbeat for so long is gone."`
	NotifyConsumerIDsChanged   bool          `prop:"notifyConsumerIdsChangedEnable" default:"true" reload:"true" doc:"Tell consumers when their group changes."`
	RealTimeNotify             bool          `prop:"realTimeNotifyConsumerChange" default:"true" reload:"true" doc:"Tell them at once instead of every 15 s."`
	RegisterProducer           bool          `prop:"enableRegisterProducer" default:"true" reload:"true" doc:"Remember producers."`
	ServerLoadBalancer         bool          `prop:"serverLoadBalancerEnable" default:"true" reload:"true" doc:"Divide queues among the clients that leave it to the broker (code 400). false: each of them gets all queues."`
	LoadBalancePollInterval    time.Duration `prop:"loadBalancePollNameServerInterval" default:"30000" unit:"ms" min:"1" reload:"true" doc:"Age from which a topic's route is asked for again before its queues are divided."`
	DefaultRequestMode         string        `prop:"defaultMessageRequestMode" default:"PULL" oneof:"PULL|POP" reload:"true" doc:"How groups read for which setConsumeMode set nothing, when the broker divides the queues."`
	DefaultPopShareQueueNum    int           `prop:"defaultPopShareQueueNum" default:"-1" reload:"true" doc:"With how many clients one that pops shares its queues, by default; 0 and less: everybody pops everything."`
	LockGrace                  time.Duration `prop:"aerobeeLockGrace" default:"4000" unit:"ms" min:"0" max:"60000" reload:"true" doc:"aerobee only: how long the queue locks of a client are kept whose connection broke and that does not come back. It unlocks at once when it signs off. 60000: as long as a Java broker keeps them."`
	RefuseMismatch             bool          `prop:"aerobeeRefuseSubscriptionMismatch" default:"false" reload:"true" doc:"aerobee only: refuse the heartbeat of a consumer whose subscriptions differ from those of its group's members."`
	StartAcceptSendRequest     int64         `prop:"startAcceptSendRequestTimeStamp" default:"0" unit:"Unix time in ms" min:"0" reload:"true" doc:"Refuse messages before this time."`
}

// Network is the part of the remoting layer's settings that means the same in
// aerobee.
type Network struct {
	ServerMaxIdle  time.Duration `prop:"serverChannelMaxIdleTimeSeconds" default:"120" unit:"s" min:"1" doc:"An incoming connection without traffic for so long is closed."`
	ClientMaxIdle  time.Duration `prop:"clientChannelMaxIdleTimeSeconds" default:"120" unit:"s" min:"1" doc:"An outgoing connection without traffic for so long is closed."`
	ConnectTimeout time.Duration `prop:"connectTimeoutMillis" default:"3000" unit:"ms" min:"1" doc:"How long connecting may take."`
	ShutdownWait   time.Duration `prop:"shutdownWaitTimeSeconds" default:"30" unit:"s" min:"0" doc:"How long accepted requests may take to finish at shutdown; 10 s at most are used."`
}
