package protocol

import "strconv"

// RequestCode says what a request asks for. The numbers and their names are
// those of Java's RequestCode; a number is never reused for something else.
type RequestCode int32

// Request codes, in numeric order. "B" is served by brokers, "N" by
// nameservers, "C" by controllers, "P" is pushed by a broker to a client, "-"
// has no handler in 5.5.0 and is answered with RespRequestCodeNotSupported.
const (
	ReqSendMessage                          RequestCode = 10     // B: send one message, long field names
	ReqPullMessage                          RequestCode = 11     // B: pull messages of one queue
	ReqQueryMessage                         RequestCode = 12     // B: find messages by key
	ReqQueryBrokerOffset                    RequestCode = 13     // -: legacy
	ReqQueryConsumerOffset                  RequestCode = 14     // B: committed offset of a group
	ReqUpdateConsumerOffset                 RequestCode = 15     // B: commit an offset
	ReqUpdateAndCreateTopic                 RequestCode = 17     // B: create or change a topic
	ReqUpdateAndCreateTopicList             RequestCode = 18     // B: create or change several topics
	ReqGetAllTopicConfig                    RequestCode = 21     // B: topic table, paged
	ReqGetTopicConfigList                   RequestCode = 22     // -: legacy
	ReqGetTopicNameList                     RequestCode = 23     // -: legacy
	ReqUpdateBrokerConfig                   RequestCode = 25     // B: change the broker configuration
	ReqGetBrokerConfig                      RequestCode = 26     // B: read the broker configuration
	ReqTriggerDeleteFiles                   RequestCode = 27     // -: legacy
	ReqGetBrokerRuntimeInfo                 RequestCode = 28     // B: runtime figures
	ReqSearchOffsetByTimestamp              RequestCode = 29     // B: queue offset for a time
	ReqGetMaxOffset                         RequestCode = 30     // B: next offset of a queue
	ReqGetMinOffset                         RequestCode = 31     // B: first offset of a queue
	ReqGetEarliestMsgStoreTime              RequestCode = 32     // B: store time of a queue's first message
	ReqViewMessageByID                      RequestCode = 33     // B: one message by commit log offset
	ReqHeartBeat                            RequestCode = 34     // B: client heartbeat
	ReqUnregisterClient                     RequestCode = 35     // B: client leaves
	ReqConsumerSendMsgBack                  RequestCode = 36     // B: consumer gives a message back
	ReqEndTransaction                       RequestCode = 37     // B: commit or roll back a half message
	ReqGetConsumerListByGroup               RequestCode = 38     // B: client ids of a group
	ReqCheckTransactionState                RequestCode = 39     // P: ask a producer about a half message
	ReqNotifyConsumerIDsChanged             RequestCode = 40     // P: group membership changed
	ReqLockBatchMQ                          RequestCode = 41     // B: lock queues
	ReqUnlockBatchMQ                        RequestCode = 42     // B: unlock queues
	ReqGetAllConsumerOffset                 RequestCode = 43     // B: consumer offset table, for replicas
	ReqGetAllDelayOffset                    RequestCode = 45     // B: delay level offsets, for replicas
	ReqCheckClientConfig                    RequestCode = 46     // B: check a subscription before it is used
	ReqGetClientConfig                      RequestCode = 47     // -: legacy
	ReqGetTimerCheckPoint                   RequestCode = 60     // B: timer check point, for replicas
	ReqGetTimerMetrics                      RequestCode = 61     // B: timer metrics, for replicas
	ReqPutKVConfig                          RequestCode = 100    // N: write a KV entry
	ReqGetKVConfig                          RequestCode = 101    // N: read a KV entry
	ReqDeleteKVConfig                       RequestCode = 102    // N: delete a KV entry
	ReqRegisterBroker                       RequestCode = 103    // N: register a broker
	ReqUnregisterBroker                     RequestCode = 104    // N: unregister a broker
	ReqGetRouteInfoByTopic                  RequestCode = 105    // N: route of a topic
	ReqGetBrokerClusterInfo                 RequestCode = 106    // N: brokers and clusters
	ReqUpdateAndCreateSubscriptionGroup     RequestCode = 200    // B: create or change a group
	ReqGetAllSubscriptionGroupConfig        RequestCode = 201    // B: group table, paged
	ReqGetTopicStatsInfo                    RequestCode = 202    // B: offsets of a topic's queues
	ReqGetConsumerConnectionList            RequestCode = 203    // B: connections of a consumer group
	ReqGetProducerConnectionList            RequestCode = 204    // B: connections of a producer group
	ReqWipeWritePermOfBroker                RequestCode = 205    // N: make a broker's topics read-only
	ReqGetAllTopicListFromNameServer        RequestCode = 206    // N: all topics
	ReqDeleteSubscriptionGroup              RequestCode = 207    // B: delete a group
	ReqGetConsumeStats                      RequestCode = 208    // B: progress of a group
	ReqSuspendConsumer                      RequestCode = 209    // -: legacy
	ReqResumeConsumer                       RequestCode = 210    // -: legacy
	ReqResetConsumerOffsetInConsumer        RequestCode = 211    // -: legacy
	ReqResetConsumerOffsetInBroker          RequestCode = 212    // -: legacy
	ReqAdjustConsumerThreadPool             RequestCode = 213    // -: legacy
	ReqWhoConsumeTheMessage                 RequestCode = 214    // -: legacy
	ReqDeleteTopicInBroker                  RequestCode = 215    // B: delete a topic
	ReqDeleteTopicInNamesrv                 RequestCode = 216    // N: delete a topic
	ReqRegisterTopicInNamesrv               RequestCode = 217    // N: register a topic
	ReqGetKVListByNamespace                 RequestCode = 219    // N: all KV entries of a namespace
	ReqResetConsumerClientOffset            RequestCode = 220    // P: move a consumer's offsets
	ReqGetConsumerStatusFromClient          RequestCode = 221    // P: ask a consumer for its offsets
	ReqInvokeBrokerToResetOffset            RequestCode = 222    // B: reset offsets of a group
	ReqInvokeBrokerToGetConsumerStatus      RequestCode = 223    // B: offsets held by a group's clients
	ReqGetTopicsByCluster                   RequestCode = 224    // N: topics of a cluster
	ReqUpdateAndCreateSubscriptionGroupList RequestCode = 225    // B: create or change several groups
	ReqQueryTopicConsumeByWho               RequestCode = 300    // B: groups that consume a topic
	ReqRegisterFilterServer                 RequestCode = 301    // -: legacy
	ReqRegisterMessageFilterClass           RequestCode = 302    // -: legacy
	ReqQueryConsumeTimeSpan                 RequestCode = 303    // B: time span a group has to catch up
	ReqGetSystemTopicListFromNS             RequestCode = 304    // N: cluster and broker names
	ReqGetSystemTopicListFromBroker         RequestCode = 305    // B: system topics
	ReqCleanExpiredConsumeQueue             RequestCode = 306    // B: delete expired queue files
	ReqGetConsumerRunningInfo               RequestCode = 307    // B, P: state of one consumer
	ReqQueryCorrectionOffset                RequestCode = 308    // B: offsets corrected by other groups
	ReqConsumeMessageDirectly               RequestCode = 309    // B, P: let a consumer consume one message
	ReqSendMessageV2                        RequestCode = 310    // B: send one message, one-letter field names
	ReqGetUnitTopicList                     RequestCode = 311    // N: unit topics
	ReqGetHasUnitSubTopicList               RequestCode = 312    // N: topics with unit subscriptions
	ReqGetHasUnitSubUnunitTopicList         RequestCode = 313    // N: non-unit topics with unit subscriptions
	ReqCloneGroupOffset                     RequestCode = 314    // B: copy a group's offsets
	ReqViewBrokerStatsData                  RequestCode = 315    // B: one statistics item
	ReqCleanUnusedTopic                     RequestCode = 316    // B: delete queues of unknown topics
	ReqGetBrokerConsumeStats                RequestCode = 317    // B: progress of all groups
	ReqUpdateNamesrvConfig                  RequestCode = 318    // N: change the nameserver configuration
	ReqGetNamesrvConfig                     RequestCode = 319    // N: read the nameserver configuration
	ReqSendBatchMessage                     RequestCode = 320    // B: send a batch
	ReqQueryConsumeQueue                    RequestCode = 321    // B: entries of a consume queue
	ReqQueryDataVersion                     RequestCode = 322    // N: compare a broker's data version
	ReqResumeCheckHalfMessage               RequestCode = 323    // B: check a half message again
	ReqSendReplyMessage                     RequestCode = 324    // B: send a reply, long field names
	ReqSendReplyMessageV2                   RequestCode = 325    // B: send a reply, one-letter field names
	ReqPushReplyMessageToClient             RequestCode = 326    // P: hand a reply to the requester
	ReqAddWritePermOfBroker                 RequestCode = 327    // N: make a broker's topics writable
	ReqGetAllProducerInfo                   RequestCode = 328    // B: all producers
	ReqDeleteExpiredCommitLog               RequestCode = 329    // B: delete expired commit log files
	ReqQueryTopicsByConsumer                RequestCode = 343    // B: topics of a group
	ReqQuerySubscriptionByConsumer          RequestCode = 345    // B: subscription of a group to a topic
	ReqGetTopicConfig                       RequestCode = 351    // B: one topic
	ReqGetSubscriptionGroupConfig           RequestCode = 352    // B: one group
	ReqUpdateAndGetGroupForbidden           RequestCode = 353    // B: forbid a topic to a group
	ReqCheckRocksDBCQWriteProgress          RequestCode = 354    // B: compare RocksDB and file queues
	ReqExportRocksDBConfigToJSON            RequestCode = 355    // B: export RocksDB configuration
	ReqLitePullMessage                      RequestCode = 361    // B: pull, of a lite pull consumer
	ReqRecallMessage                        RequestCode = 370    // B: recall a delayed message
	ReqQueryAssignment                      RequestCode = 400    // B: queues assigned to a client
	ReqSetMessageRequestMode                RequestCode = 401    // B: choose pull or pop for a group
	ReqGetAllMessageRequestMode             RequestCode = 402    // B: pull or pop choices, for replicas
	ReqUpdateAndCreateStaticTopic           RequestCode = 513    // B: create or change a static topic
	ReqGetBrokerMemberGroup                 RequestCode = 901    // N: members of a broker group
	ReqAddBroker                            RequestCode = 902    // broker container: add a broker
	ReqRemoveBroker                         RequestCode = 903    // broker container: remove a broker
	ReqBrokerHeartbeat                      RequestCode = 904    // N, C: broker heartbeat
	ReqNotifyMinBrokerIDChange              RequestCode = 905    // B: smallest broker id of the group changed
	ReqExchangeBrokerHAInfo                 RequestCode = 906    // B: replicas exchange addresses
	ReqGetBrokerHAStatus                    RequestCode = 907    // B: replication state
	ReqResetMasterFlushOffset               RequestCode = 908    // B: reset the flush offset a replica follows
	ReqControllerAlterSyncStateSet          RequestCode = 1001   // C: change the in-sync set
	ReqControllerElectMaster                RequestCode = 1002   // C: elect a master
	ReqControllerRegisterBroker             RequestCode = 1003   // C: register a broker
	ReqControllerGetReplicaInfo             RequestCode = 1004   // C: master of a broker group
	ReqControllerGetMetadataInfo            RequestCode = 1005   // C: leader and peers
	ReqControllerGetSyncStateData           RequestCode = 1006   // C: in-sync sets
	ReqGetBrokerEpochCache                  RequestCode = 1007   // B: epochs of a broker
	ReqNotifyBrokerRoleChanged              RequestCode = 1008   // B: role given by the controller
	ReqUpdateControllerConfig               RequestCode = 1009   // C: change the configuration
	ReqGetControllerConfig                  RequestCode = 1010   // C: read the configuration
	ReqCleanBrokerData                      RequestCode = 1011   // C: forget a broker
	ReqControllerGetNextBrokerID            RequestCode = 1012   // C: next free broker id
	ReqControllerApplyBrokerID              RequestCode = 1013   // C: claim a broker id
	ReqUpdateColdDataFlowCtrConfig          RequestCode = 2001   // B: set cold read limits of groups
	ReqRemoveColdDataFlowCtrConfig          RequestCode = 2002   // B: remove a cold read limit
	ReqGetColdDataFlowCtrInfo               RequestCode = 2003   // B: cold read state
	ReqSetCommitLogReadMode                 RequestCode = 2004   // B: read-ahead of the commit log
	ReqAuthCreateUser                       RequestCode = 3001   // B: create a user
	ReqAuthUpdateUser                       RequestCode = 3002   // B: change a user
	ReqAuthDeleteUser                       RequestCode = 3003   // B: delete a user
	ReqAuthGetUser                          RequestCode = 3004   // B: read a user
	ReqAuthListUser                         RequestCode = 3005   // B: list users
	ReqAuthCreateACL                        RequestCode = 3006   // B: create an ACL
	ReqAuthUpdateACL                        RequestCode = 3007   // B: change an ACL
	ReqAuthDeleteACL                        RequestCode = 3008   // B: delete an ACL
	ReqAuthGetACL                           RequestCode = 3009   // B: read an ACL
	ReqAuthListACL                          RequestCode = 3010   // B: list ACLs
	ReqSwitchTimerEngine                    RequestCode = 5001   // B: choose the timer engine
	ReqPopMessage                           RequestCode = 200050 // B: pop messages
	ReqAckMessage                           RequestCode = 200051 // B: acknowledge a popped message
	ReqPeekMessage                          RequestCode = 200052 // B: look without taking
	ReqChangeMessageInvisibleTime           RequestCode = 200053 // B: change the invisible time
	ReqNotification                         RequestCode = 200054 // B: wait until there are messages
	ReqPollingInfo                          RequestCode = 200055 // B: number of waiting pops
	ReqPopRollback                          RequestCode = 200056 // B: move pop records to files
	ReqPopLiteMessage                       RequestCode = 200070 // B: pop from lite topics
	ReqLiteSubscriptionCtl                  RequestCode = 200071 // B: subscribe to lite topics
	ReqAckLiteMessage                       RequestCode = 200072 // -: constant without a handler
	ReqNotifyUnsubscribeLite                RequestCode = 200073 // P: lite subscription ended
	ReqGetBrokerLiteInfo                    RequestCode = 200074 // B: lite figures of a broker
	ReqGetParentTopicInfo                   RequestCode = 200075 // B: lite figures of a parent topic
	ReqGetLiteTopicInfo                     RequestCode = 200076 // B: one lite topic
	ReqGetLiteClientInfo                    RequestCode = 200077 // B: lite topics of a client
	ReqGetLiteGroupInfo                     RequestCode = 200078 // B: lite progress of a group
	ReqTriggerLiteDispatch                  RequestCode = 200079 // B: dispatch lite events now
	ReqBatchAckMessage                      RequestCode = 200151 // B: acknowledge many popped messages
)

// Request codes that only aerobee has, from FirstOwnCode on: far from Java's, whose
// servers answer them with RespRequestCodeNotSupported.
const (
	FirstOwnCode RequestCode = 910000

	ReqPurgeTopic           RequestCode = 910001 // B: take from sight what the queues of a topic hold
	ReqListOpenTransactions RequestCode = 910010 // B: half messages that are neither committed nor rolled back
	ReqDecideTransaction    RequestCode = 910011 // B: commit or roll back in place of the producer
	ReqRecheckTransactions  RequestCode = 910012 // B: ask producers now about all open transactions
)

// requestNames maps a code to Java's name of it, or to ours.
var requestNames = map[RequestCode]string{
	ReqSendMessage:                          "SEND_MESSAGE",
	ReqPullMessage:                          "PULL_MESSAGE",
	ReqQueryMessage:                         "QUERY_MESSAGE",
	ReqQueryBrokerOffset:                    "QUERY_BROKER_OFFSET",
	ReqQueryConsumerOffset:                  "QUERY_CONSUMER_OFFSET",
	ReqUpdateConsumerOffset:                 "UPDATE_CONSUMER_OFFSET",
	ReqUpdateAndCreateTopic:                 "UPDATE_AND_CREATE_TOPIC",
	ReqUpdateAndCreateTopicList:             "UPDATE_AND_CREATE_TOPIC_LIST",
	ReqGetAllTopicConfig:                    "GET_ALL_TOPIC_CONFIG",
	ReqGetTopicConfigList:                   "GET_TOPIC_CONFIG_LIST",
	ReqGetTopicNameList:                     "GET_TOPIC_NAME_LIST",
	ReqUpdateBrokerConfig:                   "UPDATE_BROKER_CONFIG",
	ReqGetBrokerConfig:                      "GET_BROKER_CONFIG",
	ReqTriggerDeleteFiles:                   "TRIGGER_DELETE_FILES",
	ReqGetBrokerRuntimeInfo:                 "GET_BROKER_RUNTIME_INFO",
	ReqSearchOffsetByTimestamp:              "SEARCH_OFFSET_BY_TIMESTAMP",
	ReqGetMaxOffset:                         "GET_MAX_OFFSET",
	ReqGetMinOffset:                         "GET_MIN_OFFSET",
	ReqGetEarliestMsgStoreTime:              "GET_EARLIEST_MSG_STORETIME",
	ReqViewMessageByID:                      "VIEW_MESSAGE_BY_ID",
	ReqHeartBeat:                            "HEART_BEAT",
	ReqUnregisterClient:                     "UNREGISTER_CLIENT",
	ReqConsumerSendMsgBack:                  "CONSUMER_SEND_MSG_BACK",
	ReqEndTransaction:                       "END_TRANSACTION",
	ReqGetConsumerListByGroup:               "GET_CONSUMER_LIST_BY_GROUP",
	ReqCheckTransactionState:                "CHECK_TRANSACTION_STATE",
	ReqNotifyConsumerIDsChanged:             "NOTIFY_CONSUMER_IDS_CHANGED",
	ReqLockBatchMQ:                          "LOCK_BATCH_MQ",
	ReqUnlockBatchMQ:                        "UNLOCK_BATCH_MQ",
	ReqGetAllConsumerOffset:                 "GET_ALL_CONSUMER_OFFSET",
	ReqGetAllDelayOffset:                    "GET_ALL_DELAY_OFFSET",
	ReqCheckClientConfig:                    "CHECK_CLIENT_CONFIG",
	ReqGetClientConfig:                      "GET_CLIENT_CONFIG",
	ReqGetTimerCheckPoint:                   "GET_TIMER_CHECK_POINT",
	ReqGetTimerMetrics:                      "GET_TIMER_METRICS",
	ReqPutKVConfig:                          "PUT_KV_CONFIG",
	ReqGetKVConfig:                          "GET_KV_CONFIG",
	ReqDeleteKVConfig:                       "DELETE_KV_CONFIG",
	ReqRegisterBroker:                       "REGISTER_BROKER",
	ReqUnregisterBroker:                     "UNREGISTER_BROKER",
	ReqGetRouteInfoByTopic:                  "GET_ROUTEINFO_BY_TOPIC",
	ReqGetBrokerClusterInfo:                 "GET_BROKER_CLUSTER_INFO",
	ReqUpdateAndCreateSubscriptionGroup:     "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP",
	ReqGetAllSubscriptionGroupConfig:        "GET_ALL_SUBSCRIPTIONGROUP_CONFIG",
	ReqGetTopicStatsInfo:                    "GET_TOPIC_STATS_INFO",
	ReqGetConsumerConnectionList:            "GET_CONSUMER_CONNECTION_LIST",
	ReqGetProducerConnectionList:            "GET_PRODUCER_CONNECTION_LIST",
	ReqWipeWritePermOfBroker:                "WIPE_WRITE_PERM_OF_BROKER",
	ReqGetAllTopicListFromNameServer:        "GET_ALL_TOPIC_LIST_FROM_NAMESERVER",
	ReqDeleteSubscriptionGroup:              "DELETE_SUBSCRIPTIONGROUP",
	ReqGetConsumeStats:                      "GET_CONSUME_STATS",
	ReqSuspendConsumer:                      "SUSPEND_CONSUMER",
	ReqResumeConsumer:                       "RESUME_CONSUMER",
	ReqResetConsumerOffsetInConsumer:        "RESET_CONSUMER_OFFSET_IN_CONSUMER",
	ReqResetConsumerOffsetInBroker:          "RESET_CONSUMER_OFFSET_IN_BROKER",
	ReqAdjustConsumerThreadPool:             "ADJUST_CONSUMER_THREAD_POOL",
	ReqWhoConsumeTheMessage:                 "WHO_CONSUME_THE_MESSAGE",
	ReqDeleteTopicInBroker:                  "DELETE_TOPIC_IN_BROKER",
	ReqDeleteTopicInNamesrv:                 "DELETE_TOPIC_IN_NAMESRV",
	ReqRegisterTopicInNamesrv:               "REGISTER_TOPIC_IN_NAMESRV",
	ReqGetKVListByNamespace:                 "GET_KVLIST_BY_NAMESPACE",
	ReqResetConsumerClientOffset:            "RESET_CONSUMER_CLIENT_OFFSET",
	ReqGetConsumerStatusFromClient:          "GET_CONSUMER_STATUS_FROM_CLIENT",
	ReqInvokeBrokerToResetOffset:            "INVOKE_BROKER_TO_RESET_OFFSET",
	ReqInvokeBrokerToGetConsumerStatus:      "INVOKE_BROKER_TO_GET_CONSUMER_STATUS",
	ReqGetTopicsByCluster:                   "GET_TOPICS_BY_CLUSTER",
	ReqUpdateAndCreateSubscriptionGroupList: "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST",
	ReqQueryTopicConsumeByWho:               "QUERY_TOPIC_CONSUME_BY_WHO",
	ReqRegisterFilterServer:                 "REGISTER_FILTER_SERVER",
	ReqRegisterMessageFilterClass:           "REGISTER_MESSAGE_FILTER_CLASS",
	ReqQueryConsumeTimeSpan:                 "QUERY_CONSUME_TIME_SPAN",
	ReqGetSystemTopicListFromNS:             "GET_SYSTEM_TOPIC_LIST_FROM_NS",
	ReqGetSystemTopicListFromBroker:         "GET_SYSTEM_TOPIC_LIST_FROM_BROKER",
	ReqCleanExpiredConsumeQueue:             "CLEAN_EXPIRED_CONSUMEQUEUE",
	ReqGetConsumerRunningInfo:               "GET_CONSUMER_RUNNING_INFO",
	ReqQueryCorrectionOffset:                "QUERY_CORRECTION_OFFSET",
	ReqConsumeMessageDirectly:               "CONSUME_MESSAGE_DIRECTLY",
	ReqSendMessageV2:                        "SEND_MESSAGE_V2",
	ReqGetUnitTopicList:                     "GET_UNIT_TOPIC_LIST",
	ReqGetHasUnitSubTopicList:               "GET_HAS_UNIT_SUB_TOPIC_LIST",
	ReqGetHasUnitSubUnunitTopicList:         "GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST",
	ReqCloneGroupOffset:                     "CLONE_GROUP_OFFSET",
	ReqViewBrokerStatsData:                  "VIEW_BROKER_STATS_DATA",
	ReqCleanUnusedTopic:                     "CLEAN_UNUSED_TOPIC",
	ReqGetBrokerConsumeStats:                "GET_BROKER_CONSUME_STATS",
	ReqUpdateNamesrvConfig:                  "UPDATE_NAMESRV_CONFIG",
	ReqGetNamesrvConfig:                     "GET_NAMESRV_CONFIG",
	ReqSendBatchMessage:                     "SEND_BATCH_MESSAGE",
	ReqQueryConsumeQueue:                    "QUERY_CONSUME_QUEUE",
	ReqQueryDataVersion:                     "QUERY_DATA_VERSION",
	ReqResumeCheckHalfMessage:               "RESUME_CHECK_HALF_MESSAGE",
	ReqSendReplyMessage:                     "SEND_REPLY_MESSAGE",
	ReqSendReplyMessageV2:                   "SEND_REPLY_MESSAGE_V2",
	ReqPushReplyMessageToClient:             "PUSH_REPLY_MESSAGE_TO_CLIENT",
	ReqAddWritePermOfBroker:                 "ADD_WRITE_PERM_OF_BROKER",
	ReqGetAllProducerInfo:                   "GET_ALL_PRODUCER_INFO",
	ReqDeleteExpiredCommitLog:               "DELETE_EXPIRED_COMMITLOG",
	ReqQueryTopicsByConsumer:                "QUERY_TOPICS_BY_CONSUMER",
	ReqQuerySubscriptionByConsumer:          "QUERY_SUBSCRIPTION_BY_CONSUMER",
	ReqGetTopicConfig:                       "GET_TOPIC_CONFIG",
	ReqGetSubscriptionGroupConfig:           "GET_SUBSCRIPTIONGROUP_CONFIG",
	ReqUpdateAndGetGroupForbidden:           "UPDATE_AND_GET_GROUP_FORBIDDEN",
	ReqCheckRocksDBCQWriteProgress:          "CHECK_ROCKSDB_CQ_WRITE_PROGRESS",
	ReqExportRocksDBConfigToJSON:            "EXPORT_ROCKSDB_CONFIG_TO_JSON",
	ReqLitePullMessage:                      "LITE_PULL_MESSAGE",
	ReqRecallMessage:                        "RECALL_MESSAGE",
	ReqQueryAssignment:                      "QUERY_ASSIGNMENT",
	ReqSetMessageRequestMode:                "SET_MESSAGE_REQUEST_MODE",
	ReqGetAllMessageRequestMode:             "GET_ALL_MESSAGE_REQUEST_MODE",
	ReqUpdateAndCreateStaticTopic:           "UPDATE_AND_CREATE_STATIC_TOPIC",
	ReqGetBrokerMemberGroup:                 "GET_BROKER_MEMBER_GROUP",
	ReqAddBroker:                            "ADD_BROKER",
	ReqRemoveBroker:                         "REMOVE_BROKER",
	ReqBrokerHeartbeat:                      "BROKER_HEARTBEAT",
	ReqNotifyMinBrokerIDChange:              "NOTIFY_MIN_BROKER_ID_CHANGE",
	ReqExchangeBrokerHAInfo:                 "EXCHANGE_BROKER_HA_INFO",
	ReqGetBrokerHAStatus:                    "GET_BROKER_HA_STATUS",
	ReqResetMasterFlushOffset:               "RESET_MASTER_FLUSH_OFFSET",
	ReqControllerAlterSyncStateSet:          "CONTROLLER_ALTER_SYNC_STATE_SET",
	ReqControllerElectMaster:                "CONTROLLER_ELECT_MASTER",
	ReqControllerRegisterBroker:             "CONTROLLER_REGISTER_BROKER",
	ReqControllerGetReplicaInfo:             "CONTROLLER_GET_REPLICA_INFO",
	ReqControllerGetMetadataInfo:            "CONTROLLER_GET_METADATA_INFO",
	ReqControllerGetSyncStateData:           "CONTROLLER_GET_SYNC_STATE_DATA",
	ReqGetBrokerEpochCache:                  "GET_BROKER_EPOCH_CACHE",
	ReqNotifyBrokerRoleChanged:              "NOTIFY_BROKER_ROLE_CHANGED",
	ReqUpdateControllerConfig:               "UPDATE_CONTROLLER_CONFIG",
	ReqGetControllerConfig:                  "GET_CONTROLLER_CONFIG",
	ReqCleanBrokerData:                      "CLEAN_BROKER_DATA",
	ReqControllerGetNextBrokerID:            "CONTROLLER_GET_NEXT_BROKER_ID",
	ReqControllerApplyBrokerID:              "CONTROLLER_APPLY_BROKER_ID",
	ReqUpdateColdDataFlowCtrConfig:          "UPDATE_COLD_DATA_FLOW_CTR_CONFIG",
	ReqRemoveColdDataFlowCtrConfig:          "REMOVE_COLD_DATA_FLOW_CTR_CONFIG",
	ReqGetColdDataFlowCtrInfo:               "GET_COLD_DATA_FLOW_CTR_INFO",
	ReqSetCommitLogReadMode:                 "SET_COMMITLOG_READ_MODE",
	ReqAuthCreateUser:                       "AUTH_CREATE_USER",
	ReqAuthUpdateUser:                       "AUTH_UPDATE_USER",
	ReqAuthDeleteUser:                       "AUTH_DELETE_USER",
	ReqAuthGetUser:                          "AUTH_GET_USER",
	ReqAuthListUser:                         "AUTH_LIST_USER",
	ReqAuthCreateACL:                        "AUTH_CREATE_ACL",
	ReqAuthUpdateACL:                        "AUTH_UPDATE_ACL",
	ReqAuthDeleteACL:                        "AUTH_DELETE_ACL",
	ReqAuthGetACL:                           "AUTH_GET_ACL",
	ReqAuthListACL:                          "AUTH_LIST_ACL",
	ReqSwitchTimerEngine:                    "SWITCH_TIMER_ENGINE",
	ReqPopMessage:                           "POP_MESSAGE",
	ReqAckMessage:                           "ACK_MESSAGE",
	ReqPeekMessage:                          "PEEK_MESSAGE",
	ReqChangeMessageInvisibleTime:           "CHANGE_MESSAGE_INVISIBLETIME",
	ReqNotification:                         "NOTIFICATION",
	ReqPollingInfo:                          "POLLING_INFO",
	ReqPopRollback:                          "POP_ROLLBACK",
	ReqPopLiteMessage:                       "POP_LITE_MESSAGE",
	ReqLiteSubscriptionCtl:                  "LITE_SUBSCRIPTION_CTL",
	ReqAckLiteMessage:                       "ACK_LITE_MESSAGE",
	ReqNotifyUnsubscribeLite:                "NOTIFY_UNSUBSCRIBE_LITE",
	ReqGetBrokerLiteInfo:                    "GET_BROKER_LITE_INFO",
	ReqGetParentTopicInfo:                   "GET_PARENT_TOPIC_INFO",
	ReqGetLiteTopicInfo:                     "GET_LITE_TOPIC_INFO",
	ReqGetLiteClientInfo:                    "GET_LITE_CLIENT_INFO",
	ReqGetLiteGroupInfo:                     "GET_LITE_GROUP_INFO",
	ReqTriggerLiteDispatch:                  "TRIGGER_LITE_DISPATCH",
	ReqBatchAckMessage:                      "BATCH_ACK_MESSAGE",
	ReqPurgeTopic:                           "PURGE_TOPIC",
	ReqListOpenTransactions:                 "LIST_OPEN_TRANSACTIONS",
	ReqDecideTransaction:                    "DECIDE_TRANSACTION",
	ReqRecheckTransactions:                  "RECHECK_TRANSACTIONS",
}

// String returns Java's name of the code, for example "SEND_MESSAGE_V2", or
// "REQUEST_<number>" for a number that has none.
func (c RequestCode) String() string {
	if s, ok := requestNames[c]; ok {
		return s
	}
	return "REQUEST_" + strconv.Itoa(int(c))
}

// Known reports whether the number is one of the constants above.
func (c RequestCode) Known() bool {
	_, ok := requestNames[c]
	return ok
}
