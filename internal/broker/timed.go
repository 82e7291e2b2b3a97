package broker

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/store"
)

// openTimer opens the service that delivers at any time.
func (b *Broker) openTimer() (err error) {
	cfg := b.config()
	if !cfg.TimerEnable {
		return nil
	}
	b.timer, err = timer.Open(timer.Config{
		Store: b.store, FS: b.store.FS(), Dir: b.store.Dir(),
		Precision: cfg.TimerPrecision(), RollWindow: rollWindow(cfg), LogFileSize: cfg.TimerLogFileSize,
		Settings: b.timerSettings, Deliver: b.deliverTimed, Late: b.metrics.late,
		Now: b.now, Log: b.log,
	})
	return err
}

func (b *Broker) closeTimer() error {
	if b.timer == nil {
		return nil
	}
	return b.timer.Close()
}

// rollWindow is after how many slots a waiting message is stored anew: before the
// file that it is in may be deleted.
func rollWindow(cfg *config.Broker) int64 {
	window := cfg.TimerRollWindow
	if most := int64(cfg.FileReservedTime * 2 / 3 / cfg.TimerPrecision()); most >= 2 && window > most {
		window = most
	}
	return window
}

func (b *Broker) timerSettings() timer.Settings {
	cfg := b.config()
	return timer.Settings{
		FlushInterval: cfg.TimerFlushInterval, StopEnqueue: cfg.TimerStopEnqueue, StopDequeue: cfg.TimerStopDequeue,
		TopicInRecalls: cfg.TimerTopicInRecalls,
	}
}

// deliverTimed stores copies of messages that are due and waits for them.
func (b *Broker) deliverTimed(_ context.Context, copies []message.Message, outcomes []timer.Outcome) {
	results := make([]store.PutResult, len(copies))
	b.putAll(copies, results, stats.Delay)
	for i := range results {
		switch results[i].Status {
		case store.PutOK:
			outcomes[i] = timer.Stored
		case store.PutMessageIllegal, store.PutPropertiesSizeExceeded:
			outcomes[i] = timer.Refused
		default:
			outcomes[i] = timer.Retry
		}
	}
}

// addTimer sends a message that asks for a time of delivery to the queue in which
// it waits. A delay level counts before that. The answer still names the queue it
// was sent to.
func (s *sending) addTimer(level int32) error {
	p := &s.props
	if !p.ask.Asked() || level > 0 && s.delayable() {
		return nil // the request is not stored: Java drops it
	}
	p.add(message.PropTimerDelaySec, p.ask.DelaySec)
	p.add(message.PropTimerDelayMs, p.ask.DelayMs)
	p.add(message.PropTimerDeliverMs, p.ask.DeliverMs)
	if !s.delayable() || p.timerOut || s.msg.Topic == timer.Topic {
		return nil // not to be delayed, or it was before
	}
	cfg := s.b.config()
	if s.b.timer == nil {
		return protocol.Errorf(protocol.RespSystemError, "accurate timer message is not enabled, timerWheelEnable is %t", cfg.TimerEnable)
	}
	now := s.b.now()
	deliver, err := p.ask.Deliver(now, cfg.TimerMaxDelay)
	if err != nil {
		return protocol.Errorf(protocol.RespMessageIllegal, "timer message illegal, the delay time should not be bigger than the max delay %dms; "+
			"or if set del msg, the delay time should be bigger than the current time (%v)", cfg.TimerMaxDelay.Milliseconds(), err)
	}
	if deliver <= now.UnixMilli() {
		if p.recall {
			return protocol.Errorf(protocol.RespMessageIllegal, "timer message illegal, the delay time should not be bigger than the max delay %dms; "+
				"or if set del msg, the delay time should be bigger than the current time (%s is there, and the time of delivery %d has passed)",
				cfg.TimerMaxDelay.Milliseconds(), message.PropTimerDelUniqKey, deliver)
		}
		return nil
	}
	out := timer.Out(deliver, cfg.TimerPrecision().Milliseconds())
	if err := s.b.admitToSlot(out, cfg.TimerCongestNum); err != nil {
		return err
	}
	s.waitUntil(out)
	return nil
}

// waitUntil makes the message one of the timer's topic.
func (s *sending) waitUntil(out int64) {
	p := &s.props
	if !protocol.IsRetryTopic(s.msg.Topic) && !s.header.Batch {
		s.recall = timer.Handle{Topic: s.msg.Topic, Broker: s.b.config().BrokerName, Time: out + 1, Key: string(s.uniqKey)}.String()
	}
	p.buf = appendTimed(p.buf, out, s.msg.Topic, s.msg.QueueID)
	s.msg.Topic, s.msg.QueueID = timer.Topic, 0
	s.batched = false
	s.topic = timer.Topic // the topic it goes to counts it when it is delivered
}

// appendTimed appends the properties with which a message waits.
func appendTimed(props []byte, out int64, topic string, queueID int32) []byte {
	var digits [20]byte
	props = message.AppendProperty(props, message.PropTimerOutMs, aliasOf(strconv.AppendInt(digits[:0], out, 10)))
	props = message.AppendProperty(props, message.PropRealTopic, topic)
	return message.AppendProperty(props, message.PropRealQueueID, aliasOf(strconv.AppendInt(digits[:0], int64(queueID), 10)))
}

// admitToSlot refuses messages for a moment at which too many are due (storage.md 12.1).
func (b *Broker) admitToSlot(out, most int64) error {
	const unlimited = 1<<31 - 1
	if most >= unlimited {
		return nil
	}
	n := b.timer.InSlot(out)
	if n <= most || n < 2*most && rand.Int64N(most) >= n-most {
		return nil
	}
	return protocol.Errorf(protocol.RespSystemError, "timer message is under flow control, max num limit is %d or the current value is greater than %d and less than %d, "+
		"trigger random flow control (%d messages are due in the %s from %d on, timerCongestNumEachSlot)", 2*most, most, 2*most, n, b.config().TimerPrecision(), out)
}

// recallTag is the tag of the messages that recall others.
const recallTag = "_RECALL_TAG_"

// recallMessage serves RECALL_MESSAGE (remoting.md 5.5): it stores a message that
// waits with the one to recall, which is then not delivered.
func (b *Broker) recallMessage(c *remoting.Call) error {
	h, err := bind[protocol.RecallMessageRequest](c)
	if err != nil {
		return err
	}
	handle, err := b.admitRecall(&h)
	if err != nil {
		code, remark := outcome(err)
		c.Reply(remoting.Reply{Code: code, Remark: remark, Ext: b.props().ext[:1]})
		return nil
	}
	key := handle.Key
	if b.config().TimerTopicInRecalls {
		key = handle.Topic + "+" + key
	}
	now := b.now()
	var props []byte
	for _, p := range [][2]string{
		{message.PropTags, recallTag},
		{message.PropTimerDelUniqKey, key},
		{message.PropUniqKey, handle.Key},
		{message.PropTimerDeliverMs, strconv.FormatInt(handle.Time, 10)},
		{message.PropBornTimestamp, strconv.FormatInt(now.UnixMilli(), 10)},
		{message.PropProducerGroup, h.ProducerGroup},
	} {
		props = message.AppendProperty(props, p[0], p[1])
	}
	props = appendTimed(props, timer.Out(handle.Time, b.config().TimerPrecision().Milliseconds()), handle.Topic, 0)
	return b.storeRecall(c, &message.Message{
		Topic: timer.Topic, Body: []byte("0"), Properties: string(props), BornTimestamp: now.UnixMilli(),
		BornHost: unmapped(c.Conn().RemoteAddr()), StoreHost: b.traffic.host,
	}, handle.Key)
}

// storeRecall stores the message; the answer comes when it is.
func (b *Broker) storeRecall(c *remoting.Call, m *message.Message, key string) error {
	p := b.store.AcquirePut()
	p.Topic, p.QueueID = m.Topic, m.QueueID
	if err := p.Add(m); err != nil {
		b.store.ReleasePut(p)
		return protocol.Errorf(protocol.RespSystemError, "recall failed, execute error: %v", err)
	}
	ticket, bytes, ext := c.Ticket, recordSize(m), b.props().ext[:1]
	p.Done = func(p *store.Put) {
		reply := remoting.Reply{Header: &protocol.RecallMessageResponse{MsgID: key}, Ext: ext}
		if p.Result.Status == store.PutOK {
			b.stats.Put(timer.Topic, 0, stats.Delay, 1, bytes, ticket.Age())
		} else {
			b.stats.PutFailed(1)
			reply = remoting.Reply{Code: protocol.RespSystemError, Remark: "recall failed, execute error: " + p.Result.Err.Error(), Ext: ext}
		}
		b.store.ReleasePut(p)
		ticket.Reply(reply)
	}
	b.store.Enqueue(p)
	return nil
}

// admitRecall checks a recall and reads its handle.
func (b *Broker) admitRecall(h *protocol.RecallMessageRequest) (handle timer.Handle, err error) {
	cfg, now := b.config(), b.now()
	topic, known := b.topics.Lookup(h.Topic)
	switch {
	case !cfg.RecallEnable:
		return handle, protocol.Errorf(protocol.RespNoPermission, "recall failed, operation is forbidden (recallMessageEnable is false)")
	case now.UnixMilli() < cfg.StartAcceptSendRequest:
		return handle, protocol.Errorf(protocol.RespServiceNotAvailable, "recall failed, broker service not available until %s", time.UnixMilli(cfg.StartAcceptSendRequest))
	case cfg.BrokerPermission&protocol.PermWrite == 0 && !cfg.RecallUnwritable:
		return handle, protocol.Errorf(protocol.RespServiceNotAvailable, "recall failed, broker service not available: it has no permission to write")
	case b.timer == nil:
		return handle, protocol.Errorf(protocol.RespSystemError, "recall failed, execute error: timerWheelEnable is false")
	case !known:
		return handle, protocol.Errorf(protocol.RespTopicNotExist, "recall failed, the topic[%s] not exist", h.Topic)
	}
	if handle, err = timer.ParseHandle(h.RecallHandle); err != nil {
		return handle, protocol.Errorf(protocol.RespIllegalOperation, "recall handle is invalid: %v", err)
	}
	left := handle.Time - now.UnixMilli()
	switch {
	case handle.Topic != topic.TopicName:
		return handle, protocol.Errorf(protocol.RespIllegalOperation, "recall failed, topic not match: the handle is for topic %s", handle.Topic)
	case handle.Broker != cfg.BrokerName:
		return handle, protocol.Errorf(protocol.RespIllegalOperation, "recall failed, broker service not available: the handle is for broker %s, this is %s", handle.Broker, cfg.BrokerName)
	case left <= 0:
		return handle, protocol.Errorf(protocol.RespIllegalOperation, "recall failed, timestamp invalid: the message was due at %d, %d ms ago", handle.Time, -left)
	case left >= cfg.TimerMaxDelay.Milliseconds():
		return handle, protocol.Errorf(protocol.RespIllegalOperation, "recall failed, timestamp invalid: %d is %d ms ahead, allowed are %d (timerMaxDelaySec)", handle.Time, left, cfg.TimerMaxDelay.Milliseconds())
	}
	return handle, nil
}

// timerCheckPoint serves GET_TIMER_CHECK_POINT.
func (b *Broker) timerCheckPoint(c *remoting.Call) error {
	if b.timer == nil {
		return protocol.Errorf(protocol.RespSystemError, "The checkpoint is null: timerWheelEnable is false")
	}
	c.Reply(remoting.Reply{Body: b.timer.AppendCheckPoint(nil)})
	return nil
}

// timerMetrics serves GET_TIMER_METRICS.
func (b *Broker) timerMetrics(c *remoting.Call) error {
	if b.timer == nil {
		return protocol.Errorf(protocol.RespSystemError, "The timer message store is null: timerWheelEnable is false")
	}
	counts := b.timer.Counts()
	return replyJSON(c, &counts)
}

// switchTimerEngine serves SWITCH_TIMER_ENGINE. There is one engine: that of files.
func (b *Broker) switchTimerEngine(c *remoting.Call) error {
	if b.timer == nil {
		return protocol.Errorf(protocol.RespSystemError, "broker timerWheelEnable is false")
	}
	engine, _ := c.Ext.Get(protocol.ExtTimerEngine)
	switch engine {
	case "F":
		c.Reply(remoting.Reply{Remark: "switch timer engine success"})
		return nil
	case "R":
		return protocol.Errorf(protocol.RespSystemError, "timerRocksDBEnable must be configured true when broker start, which this broker has not: its timer is in files")
	default:
		return protocol.Errorf(protocol.RespInvalidParameter, "param error: %s is %q, allowed are F and R", protocol.ExtTimerEngine, engine)
	}
}
