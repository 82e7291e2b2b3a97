package broker

import (
	"context"
	"slices"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// verb says who serves a request code. Exactly one of serve and slow is set.
type verb struct {
	code protocol.RequestCode
	// serve runs on the connection's reader and does not block.
	serve remoting.Handler
	// slow runs on a worker and may block.
	slow func(ctx context.Context, c *remoting.Call) error
	// mainOnly keeps the verb off the fast port: the pull family (remoting.md 1.7).
	mainOnly bool
}

// verbs is the table of all requests that a broker serves. Every other code is
// answered with code 3.
func (b *Broker) verbs() []verb { return slices.Concat(b.clientVerbs(), b.adminVerbs()) }

// clientVerbs are the requests of producers and consumers.
func (b *Broker) clientVerbs() []verb {
	return []verb{
		// send.go, sendback.go, reply.go
		{code: protocol.ReqSendMessage, serve: b.sendMessage},
		{code: protocol.ReqSendMessageV2, serve: b.sendMessage},
		{code: protocol.ReqSendBatchMessage, serve: b.sendMessage},
		{code: protocol.ReqConsumerSendMsgBack, serve: b.consumerSendMsgBack},
		{code: protocol.ReqSendReplyMessage, serve: b.sendReplyMessage},
		{code: protocol.ReqSendReplyMessageV2, serve: b.sendReplyMessage},

		// timed.go
		{code: protocol.ReqRecallMessage, serve: b.recallMessage},
		// transactions.go
		{code: protocol.ReqEndTransaction, serve: b.endTransaction},

		// pull.go
		{code: protocol.ReqPullMessage, serve: b.pullMessage, mainOnly: true},
		{code: protocol.ReqLitePullMessage, serve: b.pullMessage, mainOnly: true},

		// lite_pop.go, lite_subscribe.go
		{code: protocol.ReqPopLiteMessage, serve: b.popLiteMessage, mainOnly: true},
		{code: protocol.ReqLiteSubscriptionCtl, slow: b.liteSubscriptionCtl},

		// pop_message.go, pop_notify.go, pop_peek.go, pop_ack.go
		{code: protocol.ReqPopMessage, serve: b.popMessage, mainOnly: true},
		{code: protocol.ReqNotification, serve: b.notification, mainOnly: true},
		{code: protocol.ReqPollingInfo, serve: b.pollingInfo, mainOnly: true},
		{code: protocol.ReqPeekMessage, slow: b.peekMessage, mainOnly: true},
		{code: protocol.ReqAckMessage, serve: b.ackMessage},
		{code: protocol.ReqBatchAckMessage, serve: b.batchAckMessage},
		{code: protocol.ReqChangeMessageInvisibleTime, serve: b.changeInvisibleTime},
		{code: protocol.ReqPopRollback, serve: b.popRollback},

		// offset_verbs.go
		{code: protocol.ReqQueryConsumerOffset, serve: b.queryConsumerOffset},
		{code: protocol.ReqUpdateConsumerOffset, serve: b.updateConsumerOffset},
		{code: protocol.ReqGetMaxOffset, serve: b.getMaxOffset},
		{code: protocol.ReqGetMinOffset, serve: b.getMinOffset},
		{code: protocol.ReqSearchOffsetByTimestamp, serve: b.searchOffset},
		{code: protocol.ReqGetEarliestMsgStoreTime, serve: b.getEarliestMsgStoretime},
		{code: protocol.ReqGetAllConsumerOffset, serve: b.getAllConsumerOffset},
		{code: protocol.ReqGetAllDelayOffset, serve: b.getAllDelayOffset},

		// lock_verbs.go
		{code: protocol.ReqLockBatchMQ, serve: b.lockBatchMQ},
		{code: protocol.ReqUnlockBatchMQ, serve: b.unlockBatchMQ},

		// assign_verbs.go
		{code: protocol.ReqQueryAssignment, slow: b.queryAssignment},

		// query_verbs.go
		{code: protocol.ReqQueryMessage, serve: b.queryMessage},
		{code: protocol.ReqViewMessageByID, serve: b.viewMessageByID},
		{code: protocol.ReqQueryConsumeQueue, serve: b.queryConsumeQueue},

		// heartbeat_verbs.go
		{code: protocol.ReqHeartBeat, serve: b.heartBeat},
		{code: protocol.ReqUnregisterClient, serve: b.unregisterClient},
		{code: protocol.ReqCheckClientConfig, serve: b.checkClientConfig},
		{code: protocol.ReqGetConsumerListByGroup, serve: b.consumerListByGroup},

		// client_verbs.go, reset_verbs.go
		{code: protocol.ReqGetConsumerRunningInfo, slow: b.consumerRunningInfo},
		{code: protocol.ReqConsumeMessageDirectly, slow: b.consumeMessageDirectly},
		{code: protocol.ReqInvokeBrokerToGetConsumerStatus, slow: b.consumerStatus},
		{code: protocol.ReqInvokeBrokerToResetOffset, slow: b.resetOffset},
	}
}

// adminVerbs are the requests of administrators and their tools.
func (b *Broker) adminVerbs() []verb {
	return []verb{
		// topic_verbs.go
		{code: protocol.ReqUpdateAndCreateTopic, slow: b.updateTopic},
		{code: protocol.ReqUpdateAndCreateTopicList, slow: b.updateTopicList},
		{code: protocol.ReqDeleteTopicInBroker, slow: b.deleteTopic},
		{code: protocol.ReqPurgeTopic, slow: b.purgeTopic},
		{code: protocol.ReqGetAllTopicConfig, slow: b.allTopicConfig},
		{code: protocol.ReqGetTopicConfig, serve: b.topicConfig},
		{code: protocol.ReqGetTopicStatsInfo, slow: b.topicStats},
		{code: protocol.ReqGetSystemTopicListFromBroker, serve: b.systemTopics},
		{code: protocol.ReqQueryTopicConsumeByWho, slow: b.groupsOfTopic},
		{code: protocol.ReqQueryTopicsByConsumer, slow: b.topicsOfGroup},
		{code: protocol.ReqQuerySubscriptionByConsumer, serve: b.subscriptionOfGroup},

		// group_verbs.go
		{code: protocol.ReqUpdateAndCreateSubscriptionGroup, slow: b.updateGroup},
		{code: protocol.ReqUpdateAndCreateSubscriptionGroupList, slow: b.updateGroupList},
		{code: protocol.ReqGetAllSubscriptionGroupConfig, slow: b.allGroupConfig},
		{code: protocol.ReqGetSubscriptionGroupConfig, serve: b.groupConfig},
		{code: protocol.ReqDeleteSubscriptionGroup, slow: b.deleteGroup},
		{code: protocol.ReqUpdateAndGetGroupForbidden, slow: b.groupForbidden},

		// consume_verbs.go
		{code: protocol.ReqGetConsumeStats, slow: b.consumeStats},
		{code: protocol.ReqGetBrokerConsumeStats, slow: b.brokerConsumeStats},
		{code: protocol.ReqQueryConsumeTimeSpan, slow: b.consumeTimeSpan},
		{code: protocol.ReqQueryCorrectionOffset, slow: b.correctionOffset},
		{code: protocol.ReqCloneGroupOffset, slow: b.cloneGroupOffset},

		// assign_verbs.go
		{code: protocol.ReqSetMessageRequestMode, slow: b.setMessageRequestMode},
		{code: protocol.ReqGetAllMessageRequestMode, slow: b.messageRequestModes},

		// connection_verbs.go
		{code: protocol.ReqGetConsumerConnectionList, serve: b.consumerConnections},
		{code: protocol.ReqGetProducerConnectionList, serve: b.producerConnections},
		{code: protocol.ReqGetAllProducerInfo, serve: b.allProducers},

		// config_verbs.go
		{code: protocol.ReqUpdateBrokerConfig, slow: b.updateConfig},
		{code: protocol.ReqGetBrokerConfig, slow: b.getConfig},

		// runtime_info.go
		{code: protocol.ReqGetBrokerRuntimeInfo, slow: b.runtimeInfo},
		{code: protocol.ReqViewBrokerStatsData, serve: b.viewStats},
		{code: protocol.ReqGetBrokerHAStatus, serve: b.haStatus},

		// timed.go
		{code: protocol.ReqGetTimerCheckPoint, serve: b.timerCheckPoint},
		{code: protocol.ReqGetTimerMetrics, slow: func(_ context.Context, c *remoting.Call) error { return b.timerMetrics(c) }},
		{code: protocol.ReqSwitchTimerEngine, serve: b.switchTimerEngine},
		// transaction_verbs.go
		{code: protocol.ReqResumeCheckHalfMessage, slow: b.resumeCheck},
		{code: protocol.ReqListOpenTransactions, slow: b.listTransactions},
		{code: protocol.ReqDecideTransaction, slow: b.decideTransaction},
		{code: protocol.ReqRecheckTransactions, serve: b.recheckTransactions},
		// lite_admin.go
		{code: protocol.ReqGetBrokerLiteInfo, slow: b.brokerLiteInfo},
		{code: protocol.ReqGetParentTopicInfo, slow: b.parentTopicInfo},
		{code: protocol.ReqGetLiteTopicInfo, slow: b.liteTopicInfo},
		{code: protocol.ReqGetLiteClientInfo, slow: b.liteClientInfo},
		{code: protocol.ReqGetLiteGroupInfo, slow: b.liteGroupInfo},
		{code: protocol.ReqTriggerLiteDispatch, slow: b.triggerLiteDispatch},

		// maintenance_verbs.go
		{code: protocol.ReqCleanExpiredConsumeQueue, serve: b.cleanQueues},
		{code: protocol.ReqCleanUnusedTopic, slow: b.cleanUnusedTopics},
		{code: protocol.ReqDeleteExpiredCommitLog, slow: b.cleanLog},

		// cold_verbs.go
		{code: protocol.ReqUpdateColdDataFlowCtrConfig, serve: b.updateColdLimits},
		{code: protocol.ReqRemoveColdDataFlowCtrConfig, serve: b.removeColdLimit},
		{code: protocol.ReqGetColdDataFlowCtrInfo, serve: b.coldInfo},
		{code: protocol.ReqSetCommitLogReadMode, serve: b.readMode},

		// absent_verbs.go
		{code: protocol.ReqCheckRocksDBCQWriteProgress, serve: b.rocksProgress},
		{code: protocol.ReqExportRocksDBConfigToJSON, slow: b.rocksExport},
		{code: protocol.ReqResetMasterFlushOffset, serve: b.resetMasterFlushOffset},
		{code: protocol.ReqGetBrokerEpochCache, serve: b.brokerEpochs},
	}
}

// lowCodes is how many codes are found by index: those of the hot paths.
const lowCodes = 1024

// dispatcher finds the handler of a code.
type dispatcher struct {
	low  [lowCodes]remoting.Handler
	high map[int32]remoting.Handler
}

// dispatcher makes the handler of the main or the fast port.
func (b *Broker) dispatcher(fast bool) remoting.Handler {
	d := &dispatcher{high: make(map[int32]remoting.Handler)}
	for _, v := range b.verbs() {
		if fast && v.mainOnly {
			continue
		}
		serve := v.serve
		if serve == nil {
			slow := v.slow
			serve = func(c *remoting.Call) error { c.Detach(slow); return nil }
		}
		if b.cfg.Intercept != nil {
			serve = b.intercepted(serve)
		}
		if v.code >= 0 && v.code < lowCodes {
			d.low[v.code] = serve
		} else {
			d.high[int32(v.code)] = serve
		}
	}
	return d.serve
}

func (d *dispatcher) serve(c *remoting.Call) error {
	serve := d.high[c.Code]
	if c.Code >= 0 && c.Code < lowCodes {
		serve = d.low[c.Code]
	}
	if serve == nil {
		return remoting.NotSupported(c)
	}
	return serve(c)
}

// bind reads the header of a request.
func bind[T any](c *remoting.Call) (T, error) {
	var h T
	err := remoting.Bind(c.Ext, &h)
	return h, err
}

// decode reads the body of a request.
func decode[T any](c *remoting.Call) (T, error) {
	var body T
	err := decodeBody(c, &body)
	return body, err
}

// replyJSON answers with success and a body.
func replyJSON(c *remoting.Call, body any) error {
	c.Reply(remoting.Reply{Body: javajson.Marshal(body)})
	return nil
}

// replyOK answers with success and nothing else.
func replyOK(c *remoting.Call) error {
	c.Reply(remoting.Reply{})
	return nil
}
