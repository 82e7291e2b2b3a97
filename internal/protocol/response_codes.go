package protocol

import "strconv"

// ResponseCode says how a request went. Clients branch on the number only; the
// remark beside it is for people.
type ResponseCode int32

// Response codes, in numeric order, with the names of Java's ResponseCode and
// RemotingSysResponseCode.
const (
	RespRPCTimeOut                           ResponseCode = -1006 // broker to broker call timed out
	RespRPCSendToChannelFailed               ResponseCode = -1004 // broker to broker call not sent
	RespRPCAddrIsNull                        ResponseCode = -1002 // broker to broker call without address
	RespRPCUnknown                           ResponseCode = -1000 // broker to broker call failed
	RespSuccess                              ResponseCode = 0     // done
	RespSystemError                          ResponseCode = 1     // failed for a reason with no code of its own
	RespSystemBusy                           ResponseCode = 2     // flow control: retry later or elsewhere
	RespRequestCodeNotSupported              ResponseCode = 3     // nobody handles this request code
	RespTransactionFailed                    ResponseCode = 4     // transaction failed
	RespFlushDiskTimeout                     ResponseCode = 10    // stored, not yet on disk
	RespSlaveNotAvailable                    ResponseCode = 11    // stored, no replica reachable
	RespFlushSlaveTimeout                    ResponseCode = 12    // stored, no replica confirmed in time
	RespMessageIllegal                       ResponseCode = 13    // message or batch malformed or too large
	RespServiceNotAvailable                  ResponseCode = 14    // not accepting writes now
	RespVersionNotSupported                  ResponseCode = 15    // version of the peer too old
	RespNoPermission                         ResponseCode = 16    // forbidden by permission, role or configuration
	RespTopicNotExist                        ResponseCode = 17    // topic unknown
	RespTopicExistAlready                    ResponseCode = 18    // topic exists already
	RespPullNotFound                         ResponseCode = 19    // nothing at this offset yet
	RespPullRetryImmediately                 ResponseCode = 20    // pull again at once from the offset given
	RespPullOffsetMoved                      ResponseCode = 21    // offset out of range, continue at the one given
	RespQueryNotFound                        ResponseCode = 22    // nothing found
	RespSubscriptionParseFailed              ResponseCode = 23    // filter expression malformed
	RespSubscriptionNotExist                 ResponseCode = 24    // group has no such subscription
	RespSubscriptionNotLatest                ResponseCode = 25    // broker's subscription is older than the client's
	RespSubscriptionGroupNotExist            ResponseCode = 26    // group unknown
	RespFilterDataNotExist                   ResponseCode = 27    // no filter data for the group
	RespFilterDataNotLatest                  ResponseCode = 28    // filter data older than the subscription
	RespInvalidParameter                     ResponseCode = 29    // parameter out of range
	RespTransactionShouldCommit              ResponseCode = 200   // half message is to be committed
	RespTransactionShouldRollback            ResponseCode = 201   // half message is to be rolled back
	RespTransactionStateUnknow               ResponseCode = 202   // state unknown, ask again
	RespTransactionStateGroupWrong           ResponseCode = 203   // transaction of another group
	RespNoBuyerID                            ResponseCode = 204   // no buyer id
	RespNotInCurrentUnit                     ResponseCode = 205   // message of another unit
	RespConsumerNotOnline                    ResponseCode = 206   // consumer offline
	RespConsumeMsgTimeout                    ResponseCode = 207   // consumer did not answer in time
	RespNoMessage                            ResponseCode = 208   // offset holds no message
	RespPollingFull                          ResponseCode = 209   // too many waiting pops
	RespPollingTimeout                       ResponseCode = 210   // pop wait ended without a message
	RespBrokerNotExist                       ResponseCode = 211   // broker unknown
	RespBrokerDispatchNotComplete            ResponseCode = 212   // queue not yet dispatched
	RespBroadcastConsumption                 ResponseCode = 213   // group consumes by broadcasting
	RespFlowControl                          ResponseCode = 215   // flow control
	RespNotLeaderForQueue                    ResponseCode = 501   // another broker leads this logical queue
	RespIllegalOperation                     ResponseCode = 604   // operation not allowed in this state
	RespGoAway                               ResponseCode = 1500  // peer shuts down: reconnect and repeat
	RespControllerFencedMasterEpoch          ResponseCode = 2000  // master epoch outdated
	RespControllerFencedSyncStateSetEpoch    ResponseCode = 2001  // in-sync set epoch outdated
	RespControllerInvalidMaster              ResponseCode = 2002  // not the master
	RespControllerInvalidReplicas            ResponseCode = 2003  // replica set not valid
	RespControllerMasterNotAvailable         ResponseCode = 2004  // no master now
	RespControllerInvalidRequest             ResponseCode = 2005  // malformed controller request
	RespControllerBrokerNotAlive             ResponseCode = 2006  // broker not alive
	RespControllerNotLeader                  ResponseCode = 2007  // another controller leads
	RespControllerBrokerMetadataNotExist     ResponseCode = 2008  // broker unknown to the controller
	RespControllerInvalidCleanBrokerMetadata ResponseCode = 2009  // broker data may not be cleaned
	RespControllerBrokerNeedToBeRegistered   ResponseCode = 2010  // broker has to register first
	RespControllerMasterStillExist           ResponseCode = 2011  // master still alive
	RespControllerElectMasterFailed          ResponseCode = 2012  // no master could be elected
	RespControllerAlterSyncStateSetFailed    ResponseCode = 2013  // in-sync set not changed
	RespControllerBrokerIDInvalid            ResponseCode = 2014  // broker id taken or not valid
	RespControllerJraftInternalError         ResponseCode = 2015  // consensus library failed
	RespControllerBrokerLiveInfoNotExists    ResponseCode = 2016  // no live information of the broker
	RespLMQQuotaExceeded                     ResponseCode = 2017  // too many light queues
	RespLiteSubscriptionQuotaExceeded        ResponseCode = 2018  // too many lite subscriptions
	RespUserNotExist                         ResponseCode = 3001  // user unknown
	RespPolicyNotExist                       ResponseCode = 3002  // policy unknown
)

// responseNames maps a code to Java's name of it.
var responseNames = map[ResponseCode]string{
	RespRPCTimeOut:                           "RPC_TIME_OUT",
	RespRPCSendToChannelFailed:               "RPC_SEND_TO_CHANNEL_FAILED",
	RespRPCAddrIsNull:                        "RPC_ADDR_IS_NULL",
	RespRPCUnknown:                           "RPC_UNKNOWN",
	RespSuccess:                              "SUCCESS",
	RespSystemError:                          "SYSTEM_ERROR",
	RespSystemBusy:                           "SYSTEM_BUSY",
	RespRequestCodeNotSupported:              "REQUEST_CODE_NOT_SUPPORTED",
	RespTransactionFailed:                    "TRANSACTION_FAILED",
	RespFlushDiskTimeout:                     "FLUSH_DISK_TIMEOUT",
	RespSlaveNotAvailable:                    "SLAVE_NOT_AVAILABLE",
	RespFlushSlaveTimeout:                    "FLUSH_SLAVE_TIMEOUT",
	RespMessageIllegal:                       "MESSAGE_ILLEGAL",
	RespServiceNotAvailable:                  "SERVICE_NOT_AVAILABLE",
	RespVersionNotSupported:                  "VERSION_NOT_SUPPORTED",
	RespNoPermission:                         "NO_PERMISSION",
	RespTopicNotExist:                        "TOPIC_NOT_EXIST",
	RespTopicExistAlready:                    "TOPIC_EXIST_ALREADY",
	RespPullNotFound:                         "PULL_NOT_FOUND",
	RespPullRetryImmediately:                 "PULL_RETRY_IMMEDIATELY",
	RespPullOffsetMoved:                      "PULL_OFFSET_MOVED",
	RespQueryNotFound:                        "QUERY_NOT_FOUND",
	RespSubscriptionParseFailed:              "SUBSCRIPTION_PARSE_FAILED",
	RespSubscriptionNotExist:                 "SUBSCRIPTION_NOT_EXIST",
	RespSubscriptionNotLatest:                "SUBSCRIPTION_NOT_LATEST",
	RespSubscriptionGroupNotExist:            "SUBSCRIPTION_GROUP_NOT_EXIST",
	RespFilterDataNotExist:                   "FILTER_DATA_NOT_EXIST",
	RespFilterDataNotLatest:                  "FILTER_DATA_NOT_LATEST",
	RespInvalidParameter:                     "INVALID_PARAMETER",
	RespTransactionShouldCommit:              "TRANSACTION_SHOULD_COMMIT",
	RespTransactionShouldRollback:            "TRANSACTION_SHOULD_ROLLBACK",
	RespTransactionStateUnknow:               "TRANSACTION_STATE_UNKNOW",
	RespTransactionStateGroupWrong:           "TRANSACTION_STATE_GROUP_WRONG",
	RespNoBuyerID:                            "NO_BUYER_ID",
	RespNotInCurrentUnit:                     "NOT_IN_CURRENT_UNIT",
	RespConsumerNotOnline:                    "CONSUMER_NOT_ONLINE",
	RespConsumeMsgTimeout:                    "CONSUME_MSG_TIMEOUT",
	RespNoMessage:                            "NO_MESSAGE",
	RespPollingFull:                          "POLLING_FULL",
	RespPollingTimeout:                       "POLLING_TIMEOUT",
	RespBrokerNotExist:                       "BROKER_NOT_EXIST",
	RespBrokerDispatchNotComplete:            "BROKER_DISPATCH_NOT_COMPLETE",
	RespBroadcastConsumption:                 "BROADCAST_CONSUMPTION",
	RespFlowControl:                          "FLOW_CONTROL",
	RespNotLeaderForQueue:                    "NOT_LEADER_FOR_QUEUE",
	RespIllegalOperation:                     "ILLEGAL_OPERATION",
	RespGoAway:                               "GO_AWAY",
	RespControllerFencedMasterEpoch:          "CONTROLLER_FENCED_MASTER_EPOCH",
	RespControllerFencedSyncStateSetEpoch:    "CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH",
	RespControllerInvalidMaster:              "CONTROLLER_INVALID_MASTER",
	RespControllerInvalidReplicas:            "CONTROLLER_INVALID_REPLICAS",
	RespControllerMasterNotAvailable:         "CONTROLLER_MASTER_NOT_AVAILABLE",
	RespControllerInvalidRequest:             "CONTROLLER_INVALID_REQUEST",
	RespControllerBrokerNotAlive:             "CONTROLLER_BROKER_NOT_ALIVE",
	RespControllerNotLeader:                  "CONTROLLER_NOT_LEADER",
	RespControllerBrokerMetadataNotExist:     "CONTROLLER_BROKER_METADATA_NOT_EXIST",
	RespControllerInvalidCleanBrokerMetadata: "CONTROLLER_INVALID_CLEAN_BROKER_METADATA",
	RespControllerBrokerNeedToBeRegistered:   "CONTROLLER_BROKER_NEED_TO_BE_REGISTERED",
	RespControllerMasterStillExist:           "CONTROLLER_MASTER_STILL_EXIST",
	RespControllerElectMasterFailed:          "CONTROLLER_ELECT_MASTER_FAILED",
	RespControllerAlterSyncStateSetFailed:    "CONTROLLER_ALTER_SYNC_STATE_SET_FAILED",
	RespControllerBrokerIDInvalid:            "CONTROLLER_BROKER_ID_INVALID",
	RespControllerJraftInternalError:         "CONTROLLER_JRAFT_INTERNAL_ERROR",
	RespControllerBrokerLiveInfoNotExists:    "CONTROLLER_BROKER_LIVE_INFO_NOT_EXISTS",
	RespLMQQuotaExceeded:                     "LMQ_QUOTA_EXCEEDED",
	RespLiteSubscriptionQuotaExceeded:        "LITE_SUBSCRIPTION_QUOTA_EXCEEDED",
	RespUserNotExist:                         "USER_NOT_EXIST",
	RespPolicyNotExist:                       "POLICY_NOT_EXIST",
}

// String returns Java's name of the code, for example "TOPIC_NOT_EXIST", or
// "RESPONSE_<number>" for a number that has none.
func (c ResponseCode) String() string {
	if s, ok := responseNames[c]; ok {
		return s
	}
	return "RESPONSE_" + strconv.Itoa(int(c))
}
