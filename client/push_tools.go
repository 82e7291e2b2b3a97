package client

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// serveTools answers what operators ask a member for through its brokers.
func (c *PushConsumer) serveTools(call *remoting.Call) error {
	var serve func(ctx context.Context, call *remoting.Call) (body []byte, err error)
	switch protocol.RequestCode(call.Code) {
	case protocol.ReqResetConsumerClientOffset:
		serve = c.resetOffsets
	case protocol.ReqGetConsumerStatusFromClient:
		serve = c.status
	case protocol.ReqGetConsumerRunningInfo:
		serve = c.runningInfo
	case protocol.ReqConsumeMessageDirectly:
		serve = c.consumeDirectly
	default:
		return protocol.Errorf(protocol.RespRequestCodeNotSupported, "request code %d is not for a consumer", call.Code)
	}
	call.Detach(func(ctx context.Context, call *remoting.Call) error {
		body, err := serve(ctx, call)
		if err != nil {
			call.Reply(remoting.Reply{Code: protocol.RespSystemError, Remark: err.Error()})
			return nil
		}
		call.Reply(remoting.Reply{Body: body})
		return nil
	})
	return nil
}

// resetOffsets makes queues go on elsewhere.
func (c *PushConsumer) resetOffsets(ctx context.Context, call *remoting.Call) ([]byte, error) {
	var body protocol.ResetOffsetBody
	if err := javajson.Unmarshal(call.Body, &body); err != nil {
		return nil, err
	}
	for _, s := range c.held() {
		if offset, ok := body.OffsetTable[messageQueue(s.queue)]; ok {
			c.cfg.logger.Info("offset reset", "queue", s.queue.String(), "offset", offset)
			s.move(offset)
			c.storeOffset(ctx, s)
		}
	}
	return nil, nil
}

// status tells how far the queues of a topic are.
func (c *PushConsumer) status(_ context.Context, call *remoting.Call) ([]byte, error) {
	var h protocol.GetConsumerStatusRequest
	if err := remoting.Bind(call.Ext, &h); err != nil {
		return nil, err
	}
	body := protocol.GetConsumerStatusBody{MessageQueueTable: make(map[protocol.MessageQueue]int64)}
	for _, s := range c.held() {
		if s.queue.Topic == h.Topic {
			body.MessageQueueTable[messageQueue(s.queue)] = s.position()
		}
	}
	return javajson.Marshal(&body), nil
}

// versionName is protocol.Version in words.
const versionName = "V5_5_0"

// runningInfo tells what this member is doing.
func (c *PushConsumer) runningInfo(_ context.Context, call *remoting.Call) ([]byte, error) {
	var h protocol.GetConsumerRunningInfoRequest
	if err := remoting.Bind(call.Ext, &h); err != nil {
		return nil, err
	}
	info := protocol.ConsumerRunningInfo{
		Properties: map[string]string{
			protocol.RunningNamesrvAddr:    strings.Join(c.cluster.Nameservers(), ";"),
			protocol.RunningThreadPoolSize: strconv.Itoa(c.cfg.concurrency),
			protocol.RunningConsumeOrderly: strconv.FormatBool(c.cfg.ordered),
			protocol.RunningConsumeType:    protocol.ConsumePassively.String(),
			protocol.RunningClientVersion:  versionName,
			protocol.RunningStartTimestamp: strconv.FormatInt(c.started.UnixMilli(), 10),
		},
		SubscriptionSet:  c.subscriptions(),
		MQTable:          make(map[protocol.MessageQueue]protocol.ProcessQueueInfo),
		MQPopTable:       make(map[protocol.MessageQueue]protocol.PopProcessQueueInfo),
		StatusTable:      make(map[string]protocol.ConsumeStatus),
		UserConsumerInfo: make(map[string]string),
	}
	for _, s := range c.held() {
		info.MQTable[messageQueue(s.queue)] = s.info()
	}
	if h.JstackEnable {
		stacks := make([]byte, 1<<20)
		info.Jstack = string(stacks[:runtime.Stack(stacks, true)])
	}
	return javajson.Marshal(&info), nil
}

func (s *share) info() protocol.ProcessQueueInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.mu.window
	first, last := w.Bounds()
	p := protocol.ProcessQueueInfo{
		CommitOffset: w.Commit(), CachedMsgMinOffset: first, CachedMsgMaxOffset: last,
		CachedMsgCount: int32(w.Len()), CachedMsgSizeInMiB: int32(w.Bytes() >> 20), Dropped: s.ctx.Err() != nil,
		LastPullTimestamp: millis(s.mu.pulled), LastConsumeTimestamp: millis(s.mu.consumed),
	}
	if s.consumer.cfg.ordered {
		p.Locked = time.Now().Before(s.mu.locked)
		p.LastLockTimestamp = millis(s.mu.locked.Add(-lockTrusted))
	}
	return p
}

// consumeDirectly calls the handler for one message that an operator chose.
func (c *PushConsumer) consumeDirectly(ctx context.Context, call *remoting.Call) ([]byte, error) {
	var h protocol.ConsumeMessageDirectlyRequest
	if err := remoting.Bind(call.Ext, &h); err != nil {
		return nil, err
	}
	views, err := DecodeMessages(call.Body, h.BrokerName)
	if err == nil && len(views) != 1 {
		err = fmt.Errorf("%w: %d messages instead of one", message.ErrCorrupt, len(views))
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	result := protocol.ConsumeMessageDirectlyResult{Order: c.cfg.ordered, AutoCommit: true, ConsumeResult: protocol.CMSuccess}
	if err := c.call(ctx, c.asSent(views[0])); err != nil {
		result.ConsumeResult, result.Remark = protocol.CMLater, err.Error()
		if v := (*verdict)(nil); c.cfg.ordered && errors.As(err, &v) {
			result.ConsumeResult = protocol.CMRollback
		}
	}
	result.SpentTimeMills = time.Since(began).Milliseconds()
	return javajson.Marshal(&result), nil
}
