package protocol

import "reflect"

// Place says who serves a request. Places can be combined.
type Place uint8

// Places.
const (
	ByBroker     Place = 1 << iota // a broker's main port
	ByFastPort                     // a broker's second port, see FastPortOffset
	ByNamesrv                      // nameservers
	ByController                   // controllers
	ByContainer                    // containers of several brokers
	ToClient                       // clients: a broker asks

	// Nowhere is the place of codes that nobody serves in 5.5.0.
	Nowhere Place = 0

	both = ByBroker | ByFastPort
)

// RawBody stands in Verbs for a body that is not JSON: messages, properties
// text, binary tables.
type RawBody []byte

// Verb describes one request. A nil type means that there are no fields or no
// body.
type Verb struct {
	Code         RequestCode
	Served       Place
	Request      reflect.Type // header of the request
	Response     reflect.Type // header of the response
	RequestBody  reflect.Type
	ResponseBody reflect.Type
}

// none is the type of what a verb does not have.
var none reflect.Type

// of returns the type T.
func of[T any]() reflect.Type { return reflect.TypeFor[T]() }

// Verbs lists every request code with the types of what travels with it, by
// family. It is never changed.
var Verbs = []Verb{
	// Sends.
	{ReqSendMessage, both, of[SendMessageRequest](), of[SendMessageResponse](), of[RawBody](), none},
	{ReqSendMessageV2, both, of[SendMessageRequest](), of[SendMessageResponse](), of[RawBody](), none},
	{ReqSendBatchMessage, both, of[SendMessageRequest](), of[SendMessageResponse](), of[RawBody](), none},
	{ReqSendReplyMessage, both, of[SendMessageRequest](), of[SendMessageResponse](), of[RawBody](), none},
	{ReqSendReplyMessageV2, both, of[SendMessageRequest](), of[SendMessageResponse](), of[RawBody](), none},
	{ReqPushReplyMessageToClient, ToClient, of[ReplyMessageRequest](), none, of[RawBody](), none},
	{ReqConsumerSendMsgBack, both, of[ConsumerSendMsgBackRequest](), none, none, none},
	{ReqRecallMessage, both, of[RecallMessageRequest](), of[RecallMessageResponse](), none, none},
	{ReqEndTransaction, both, of[EndTransactionRequest](), of[EndTransactionResponse](), none, none},
	{ReqCheckTransactionState, ToClient, of[CheckTransactionStateRequest](), none, of[RawBody](), none},
	{ReqResumeCheckHalfMessage, both, of[ResumeCheckHalfMessageRequest](), none, none, none},

	// Pulls and offsets.
	{ReqPullMessage, ByBroker, of[PullMessageRequest](), of[PullMessageResponse](), none, of[RawBody]()},
	{ReqLitePullMessage, ByBroker, of[PullMessageRequest](), of[PullMessageResponse](), none, of[RawBody]()},
	{ReqQueryConsumerOffset, both, of[QueryConsumerOffsetRequest](), of[QueryConsumerOffsetResponse](), none, none},
	{ReqUpdateConsumerOffset, both, of[UpdateConsumerOffsetRequest](), of[UpdateConsumerOffsetResponse](), none, none},
	{ReqGetMaxOffset, both, of[GetMaxOffsetRequest](), of[GetMaxOffsetResponse](), none, none},
	{ReqGetMinOffset, both, of[GetMinOffsetRequest](), of[GetMinOffsetResponse](), none, none},
	{ReqSearchOffsetByTimestamp, both, of[SearchOffsetRequest](), of[SearchOffsetResponse](), none, none},
	{ReqGetEarliestMsgStoreTime, both, of[GetEarliestMsgStoreTimeRequest](), of[GetEarliestMsgStoreTimeResponse](), none, none},
	{ReqQueryMessage, both, of[QueryMessageRequest](), of[QueryMessageResponse](), none, of[RawBody]()},
	{ReqViewMessageByID, both, of[ViewMessageRequest](), of[ViewMessageResponse](), none, of[RawBody]()},

	// Clients.
	{ReqHeartBeat, both, of[HeartbeatRequest](), none, of[HeartbeatData](), none},
	{ReqUnregisterClient, both, of[UnregisterClientRequest](), of[UnregisterClientResponse](), none, none},
	{ReqCheckClientConfig, both, none, none, of[CheckClientRequestBody](), none},
	{ReqGetConsumerListByGroup, both, of[GetConsumerListByGroupRequest](), of[GetConsumerListByGroupResponse](), none, of[GetConsumerListByGroupResponseBody]()},
	{ReqNotifyConsumerIDsChanged, ToClient, of[NotifyConsumerIDsChangedRequest](), none, none, none},
	{ReqLockBatchMQ, both, of[LockBatchMQRequest](), none, of[LockBatchRequestBody](), of[LockBatchResponseBody]()},
	{ReqUnlockBatchMQ, both, of[UnlockBatchMQRequest](), none, of[UnlockBatchRequestBody](), none},
	{ReqResetConsumerClientOffset, ToClient, of[ResetOffsetRequest](), none, of[ResetOffsetBody](), none},
	{ReqGetConsumerStatusFromClient, ToClient, of[GetConsumerStatusRequest](), none, none, of[GetConsumerStatusBody]()},
	{ReqGetConsumerRunningInfo, both | ToClient, of[GetConsumerRunningInfoRequest](), none, none, of[ConsumerRunningInfo]()},
	{ReqConsumeMessageDirectly, both | ToClient, of[ConsumeMessageDirectlyRequest](), none, of[RawBody](), of[ConsumeMessageDirectlyResult]()},
	{ReqInvokeBrokerToResetOffset, both, of[ResetOffsetRequest](), none, none, of[ResetOffsetBody]()},
	{ReqInvokeBrokerToGetConsumerStatus, both, of[GetConsumerStatusRequest](), none, none, of[GetConsumerStatusBody]()},
	{ReqQueryAssignment, both, none, none, of[QueryAssignmentRequestBody](), of[QueryAssignmentResponseBody]()},
	{ReqSetMessageRequestMode, both, none, none, of[SetMessageRequestModeRequestBody](), none},
	{ReqGetAllMessageRequestMode, both, none, none, none, of[MessageRequestModeSerializeWrapper]()},

	// Pop and lite topics.
	{ReqPopMessage, ByBroker, of[PopMessageRequest](), of[PopMessageResponse](), none, of[RawBody]()},
	{ReqAckMessage, both, of[AckMessageRequest](), none, none, none},
	{ReqBatchAckMessage, both, none, none, of[BatchAckMessageRequestBody](), none},
	{ReqChangeMessageInvisibleTime, both, of[ChangeInvisibleTimeRequest](), of[ChangeInvisibleTimeResponse](), none, none},
	{ReqPeekMessage, ByBroker, of[PeekMessageRequest](), of[PopMessageResponse](), none, of[RawBody]()},
	{ReqNotification, ByBroker, of[NotificationRequest](), of[NotificationResponse](), none, none},
	{ReqPollingInfo, ByBroker, of[PollingInfoRequest](), of[PollingInfoResponse](), none, none},
	{ReqPopRollback, both, none, none, none, none},
	{ReqPopLiteMessage, ByBroker, of[PopLiteMessageRequest](), of[PopLiteMessageResponse](), none, of[RawBody]()},
	{ReqLiteSubscriptionCtl, both, of[LiteSubscriptionCtlRequest](), none, of[LiteSubscriptionCtlRequestBody](), none},
	{ReqAckLiteMessage, Nowhere, none, none, none, none},
	{ReqNotifyUnsubscribeLite, ToClient, of[NotifyUnsubscribeLiteRequest](), none, none, none},
	{ReqGetBrokerLiteInfo, both, none, none, none, of[GetBrokerLiteInfoResponseBody]()},
	{ReqGetParentTopicInfo, both, of[GetParentTopicInfoRequest](), none, none, of[GetParentTopicInfoResponseBody]()},
	{ReqGetLiteTopicInfo, both, of[GetLiteTopicInfoRequest](), none, none, of[GetLiteTopicInfoResponseBody]()},
	{ReqGetLiteClientInfo, both, of[GetLiteClientInfoRequest](), none, none, of[GetLiteClientInfoResponseBody]()},
	{ReqGetLiteGroupInfo, both, of[GetLiteGroupInfoRequest](), none, none, of[GetLiteGroupInfoResponseBody]()},
	{ReqTriggerLiteDispatch, both, of[TriggerLiteDispatchRequest](), none, none, none},

	// Topics.
	{ReqUpdateAndCreateTopic, both, of[CreateTopicRequest](), none, none, none},
	{ReqUpdateAndCreateTopicList, both, of[CreateTopicListRequest](), none, of[CreateTopicListRequestBody](), none},
	{ReqUpdateAndCreateStaticTopic, both, of[CreateTopicRequest](), none, of[TopicQueueMappingDetail](), none},
	{ReqDeleteTopicInBroker, both, of[DeleteTopicRequest](), none, none, none},
	{ReqGetAllTopicConfig, both, of[GetAllTopicConfigRequest](), of[GetAllTopicConfigResponse](), none, of[TopicConfigAndMapping]()},
	{ReqGetTopicConfig, both, of[GetTopicConfigRequest](), none, none, of[TopicConfigAndQueueMapping]()},
	{ReqGetTopicStatsInfo, both, of[GetTopicStatsInfoRequest](), none, none, of[TopicStatsTable]()},
	{ReqGetSystemTopicListFromBroker, both, none, none, none, of[TopicList]()},
	{ReqQueryTopicConsumeByWho, both, of[QueryTopicConsumeByWhoRequest](), none, none, of[GroupList]()},
	{ReqQueryConsumeQueue, both, of[QueryConsumeQueueRequest](), none, none, of[QueryConsumeQueueResponseBody]()},
	{ReqCheckRocksDBCQWriteProgress, both, of[CheckRocksDBCQWriteProgressRequest](), none, none, of[CheckRocksDBCQWriteResult]()},

	// Groups.
	{ReqUpdateAndCreateSubscriptionGroup, both, none, none, of[SubscriptionGroupConfig](), none},
	{ReqUpdateAndCreateSubscriptionGroupList, both, none, none, of[SubscriptionGroupList](), none},
	{ReqGetAllSubscriptionGroupConfig, both, of[GetAllSubscriptionGroupRequest](), of[GetAllSubscriptionGroupResponse](), none, of[SubscriptionGroupWrapper]()},
	{ReqGetSubscriptionGroupConfig, both, of[GetSubscriptionGroupConfigRequest](), none, none, of[SubscriptionGroupConfig]()},
	{ReqDeleteSubscriptionGroup, both, of[DeleteSubscriptionGroupRequest](), none, none, none},
	{ReqUpdateAndGetGroupForbidden, both, of[UpdateGroupForbiddenRequest](), none, none, of[GroupForbidden]()},
	{ReqGetConsumeStats, both, of[GetConsumeStatsRequest](), none, none, of[ConsumeStats]()},
	{ReqGetBrokerConsumeStats, both, of[GetConsumeStatsInBrokerRequest](), none, none, of[ConsumeStatsList]()},
	{ReqGetConsumerConnectionList, both, of[GetConsumerConnectionListRequest](), none, none, of[ConsumerConnection]()},
	{ReqGetProducerConnectionList, both, of[GetProducerConnectionListRequest](), none, none, of[ProducerConnection]()},
	{ReqGetAllProducerInfo, both, of[GetAllProducerInfoRequest](), none, none, of[ProducerTableInfo]()},
	{ReqQueryConsumeTimeSpan, both, of[QueryConsumeTimeSpanRequest](), none, none, of[QueryConsumeTimeSpanBody]()},
	{ReqQueryCorrectionOffset, both, of[QueryCorrectionOffsetRequest](), none, none, of[QueryCorrectionOffsetBody]()},
	{ReqQuerySubscriptionByConsumer, both, of[QuerySubscriptionByConsumerRequest](), none, none, of[QuerySubscriptionResponseBody]()},
	{ReqQueryTopicsByConsumer, both, of[QueryTopicsByConsumerRequest](), none, none, of[TopicList]()},
	{ReqCloneGroupOffset, both, of[CloneGroupOffsetRequest](), none, none, none},
	{ReqGetAllConsumerOffset, both, none, none, none, of[ConsumerOffsetSerializeWrapper]()},
	{ReqGetAllDelayOffset, both, none, none, none, of[DelayOffsetSerializeWrapper]()},

	// Brokers.
	{ReqUpdateBrokerConfig, both, none, none, of[RawBody](), none},
	{ReqGetBrokerConfig, both, none, of[GetBrokerConfigResponse](), none, of[RawBody]()},
	{ReqGetBrokerRuntimeInfo, both, none, none, none, of[KVTable]()},
	{ReqViewBrokerStatsData, both, of[ViewBrokerStatsDataRequest](), none, none, of[BrokerStatsData]()},
	{ReqCleanExpiredConsumeQueue, both, none, none, none, none},
	{ReqCleanUnusedTopic, both, none, none, none, none},
	{ReqDeleteExpiredCommitLog, both, none, none, none, none},
	{ReqGetTimerCheckPoint, both, none, none, none, of[RawBody]()},
	{ReqGetTimerMetrics, both, none, none, none, of[TimerMetrics]()},
	{ReqSwitchTimerEngine, both, none, none, none, none},
	{ReqExportRocksDBConfigToJSON, both, of[ExportRocksDBConfigToJSONRequest](), none, none, none},
	{ReqUpdateColdDataFlowCtrConfig, both, none, none, of[RawBody](), none},
	{ReqRemoveColdDataFlowCtrConfig, both, none, none, of[RawBody](), none},
	{ReqGetColdDataFlowCtrInfo, both, none, none, none, of[ColdDataFlowCtrInfo]()},
	{ReqSetCommitLogReadMode, both, none, none, none, none},

	// Replication.
	{ReqExchangeBrokerHAInfo, both, of[ExchangeHAInfoRequest](), of[ExchangeHAInfoResponse](), none, none},
	{ReqGetBrokerHAStatus, both, none, none, none, of[HARuntimeInfo]()},
	{ReqResetMasterFlushOffset, both, of[ResetMasterFlushOffsetRequest](), none, none, none},
	{ReqGetBrokerEpochCache, both, none, none, none, of[EpochEntryCache]()},
	{ReqNotifyMinBrokerIDChange, both, of[NotifyMinBrokerIDChangeRequest](), none, none, none},
	{ReqNotifyBrokerRoleChanged, both, of[NotifyBrokerRoleChangedRequest](), none, of[SyncStateSet](), none},
	{ReqAddBroker, ByContainer, of[AddBrokerRequest](), none, of[RawBody](), none},
	{ReqRemoveBroker, ByContainer, of[RemoveBrokerRequest](), none, none, none},

	// Users and access control.
	{ReqAuthCreateUser, both, of[CreateUserRequest](), none, of[UserInfo](), none},
	{ReqAuthUpdateUser, both, of[UpdateUserRequest](), none, of[UserInfo](), none},
	{ReqAuthDeleteUser, both, of[DeleteUserRequest](), none, none, none},
	{ReqAuthGetUser, both, of[GetUserRequest](), none, none, of[UserInfo]()},
	{ReqAuthListUser, both, of[ListUsersRequest](), none, none, of[[]UserInfo]()},
	{ReqAuthCreateACL, both, of[CreateACLRequest](), none, of[ACLInfo](), none},
	{ReqAuthUpdateACL, both, of[UpdateACLRequest](), none, of[ACLInfo](), none},
	{ReqAuthDeleteACL, both, of[DeleteACLRequest](), none, none, none},
	{ReqAuthGetACL, both, of[GetACLRequest](), none, none, of[ACLInfo]()},
	{ReqAuthListACL, both, of[ListACLsRequest](), none, none, of[[]ACLInfo]()},

	// Nameservers.
	{ReqGetRouteInfoByTopic, ByNamesrv, of[GetRouteInfoRequest](), none, none, of[TopicRouteData]()},
	{ReqGetBrokerClusterInfo, ByNamesrv, none, none, none, of[ClusterInfo]()},
	{ReqRegisterBroker, ByNamesrv, of[RegisterBrokerRequest](), of[RegisterBrokerResponse](), of[RegisterBrokerBody](), of[KVTable]()},
	{ReqUnregisterBroker, ByNamesrv, of[UnregisterBrokerRequest](), none, none, none},
	{ReqBrokerHeartbeat, ByNamesrv | ByController, of[BrokerHeartbeatRequest](), none, none, none},
	{ReqQueryDataVersion, ByNamesrv, of[QueryDataVersionRequest](), of[QueryDataVersionResponse](), of[DataVersion](), of[DataVersion]()},
	{ReqGetBrokerMemberGroup, ByNamesrv, of[GetBrokerMemberGroupRequest](), none, none, of[GetBrokerMemberGroupResponseBody]()},
	{ReqRegisterTopicInNamesrv, ByNamesrv, of[RegisterTopicRequest](), none, of[TopicRouteData](), none},
	{ReqDeleteTopicInNamesrv, ByNamesrv, of[DeleteTopicFromNamesrvRequest](), none, none, none},
	{ReqPutKVConfig, ByNamesrv, of[PutKVConfigRequest](), none, none, none},
	{ReqGetKVConfig, ByNamesrv, of[GetKVConfigRequest](), of[GetKVConfigResponse](), none, none},
	{ReqDeleteKVConfig, ByNamesrv, of[DeleteKVConfigRequest](), none, none, none},
	{ReqGetKVListByNamespace, ByNamesrv, of[GetKVListByNamespaceRequest](), none, none, of[KVTable]()},
	{ReqWipeWritePermOfBroker, ByNamesrv, of[WipeWritePermOfBrokerRequest](), of[WipeWritePermOfBrokerResponse](), none, none},
	{ReqAddWritePermOfBroker, ByNamesrv, of[AddWritePermOfBrokerRequest](), of[AddWritePermOfBrokerResponse](), none, none},
	{ReqGetAllTopicListFromNameServer, ByNamesrv, none, none, none, of[TopicList]()},
	{ReqGetTopicsByCluster, ByNamesrv, of[GetTopicsByClusterRequest](), none, none, of[TopicList]()},
	{ReqGetSystemTopicListFromNS, ByNamesrv, none, none, none, of[TopicList]()},
	{ReqGetUnitTopicList, ByNamesrv, none, none, none, of[TopicList]()},
	{ReqGetHasUnitSubTopicList, ByNamesrv, none, none, none, of[TopicList]()},
	{ReqGetHasUnitSubUnunitTopicList, ByNamesrv, none, none, none, of[TopicList]()},
	{ReqUpdateNamesrvConfig, ByNamesrv, none, none, of[RawBody](), none},
	{ReqGetNamesrvConfig, ByNamesrv, none, none, none, of[RawBody]()},

	// Controllers.
	{ReqControllerAlterSyncStateSet, ByController, of[AlterSyncStateSetRequest](), of[AlterSyncStateSetResponse](), of[SyncStateSet](), of[SyncStateSet]()},
	{ReqControllerElectMaster, ByController, of[ElectMasterRequest](), of[ElectMasterResponse](), none, of[ElectMasterResponseBody]()},
	{ReqControllerRegisterBroker, ByController, of[RegisterBrokerToControllerRequest](), of[RegisterBrokerToControllerResponse](), none, of[SyncStateSet]()},
	{ReqControllerGetReplicaInfo, ByController, of[GetReplicaInfoRequest](), of[GetReplicaInfoResponse](), none, of[SyncStateSet]()},
	{ReqControllerGetMetadataInfo, ByController, none, of[GetMetaDataResponse](), none, none},
	{ReqControllerGetSyncStateData, ByController, none, none, of[[]string](), of[BrokerReplicasInfo]()},
	{ReqUpdateControllerConfig, ByController, none, none, of[RawBody](), none},
	{ReqGetControllerConfig, ByController, none, none, none, of[RawBody]()},
	{ReqCleanBrokerData, ByController, of[CleanControllerBrokerDataRequest](), none, none, none},
	{ReqControllerGetNextBrokerID, ByController, of[GetNextBrokerIDRequest](), of[GetNextBrokerIDResponse](), none, none},
	{ReqControllerApplyBrokerID, ByController, of[ApplyBrokerIDRequest](), of[ApplyBrokerIDResponse](), none, none},

	// aerobee's own.
	{ReqPurgeTopic, both, of[PurgeTopicRequest](), none, none, of[PurgeTopicResponseBody]()},
	{ReqListOpenTransactions, both, of[ListOpenTransactionsRequest](), none, none, of[OpenTransactions]()},
	{ReqDecideTransaction, both, of[DecideTransactionRequest](), none, none, none},
	{ReqRecheckTransactions, both, none, none, none, none},

	// Constants without a handler in 5.5.0.
	{ReqQueryBrokerOffset, Nowhere, none, none, none, none},
	{ReqGetTopicConfigList, Nowhere, none, none, none, none},
	{ReqGetTopicNameList, Nowhere, none, none, none, none},
	{ReqTriggerDeleteFiles, Nowhere, none, none, none, none},
	{ReqGetClientConfig, Nowhere, none, none, none, none},
	{ReqSuspendConsumer, Nowhere, none, none, none, none},
	{ReqResumeConsumer, Nowhere, none, none, none, none},
	{ReqResetConsumerOffsetInConsumer, Nowhere, none, none, none, none},
	{ReqResetConsumerOffsetInBroker, Nowhere, none, none, none, none},
	{ReqAdjustConsumerThreadPool, Nowhere, none, none, none, none},
	{ReqWhoConsumeTheMessage, Nowhere, none, none, none, none},
	{ReqRegisterFilterServer, Nowhere, none, none, none, none},
	{ReqRegisterMessageFilterClass, Nowhere, none, none, none, none},
}
