package broker

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// fast are delay levels that a test can wait for.
func fastLevels(c *config.Broker) { c.MessageDelayLevel = "1s 2s 1s" }

func physical(t testing.TB, id string) int64 {
	_, offset, err := message.ParseOffsetID(id)
	require.NoError(t, err)
	return offset
}

func TestSentBackMessageComesAgain(t *testing.T) {
	t.Parallel() // it waits
	r := runRig(t, fastLevels)
	p := r.dial(t)
	sent := p.send("T", 0, "try me", "TAGS", "a", "WAIT", "true")
	h := pullHeader("g", "%RETRY%g", 0, 0)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 15000
	back := &protocol.ConsumerSendMsgBackRequest{Offset: physical(t, sent.MsgID), Group: "g", DelayLevel: 0, OriginTopic: "T"}
	answer := p.ok(protocol.ReqConsumerSendMsgBack, back, nil, nil)
	require.Empty(t, answer.Body)
	require.EqualValues(t, 1, r.store.MaxOffset("SCHEDULE_TOPIC_XXXX", 2), "level 3 for the first time")
	began := time.Now()
	_, _, found := p.pull(h)
	require.Len(t, found, 1)
	require.Greater(t, time.Since(began), 500*time.Millisecond)
	m := found[0]
	require.Equal(t, "%RETRY%g", m.Topic)
	require.EqualValues(t, 1, m.ReconsumeTimes)
	require.Equal(t, p.conn.LocalAddr().String(), m.BornHost.String())
	require.EqualValues(t, 1700000000000, m.BornTimestamp)
	props := maps.Collect(message.Properties(m.Properties))
	require.Equal(t, map[string]string{
		"TAGS": "a", "UNIQ_KEY": sent.TransactionID, "MSG_REGION": "DefaultRegion", "TRACE_ON": "true", "CLUSTER": "DefaultCluster",
		"RETRY_TOPIC": "T", "ORIGIN_MESSAGE_ID": sent.MsgID, "WAIT": "false", "DELAY": "3", "REAL_TOPIC": "%RETRY%g", "REAL_QID": "0",
	}, props)

	// Again, from the retry topic: the origin stays, the level grows and is capped.
	back.Offset = m.PhysicalOffset
	p.ok(protocol.ReqConsumerSendMsgBack, back, nil, nil)
	h.QueueOffset = 1
	_, _, found = p.pull(h)
	require.Len(t, found, 1)
	require.EqualValues(t, 2, found[0].ReconsumeTimes)
	require.Equal(t, sent.MsgID, property(found[0], "ORIGIN_MESSAGE_ID"))
	require.Equal(t, "T", property(found[0], "RETRY_TOPIC"))
	require.Equal(t, "3", property(found[0], "DELAY"))
}

func TestSentBackTooOftenIsADeadLetter(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	h := sendHeader("T", 0, "k", "v")
	h.ReconsumeTimes = 15
	var sent protocol.SendMessageResponse
	p.ok(protocol.ReqSendMessage, h, &sent, []byte("give up"))
	back := &protocol.ConsumerSendMsgBackRequest{Offset: physical(t, sent.MsgID), Group: "g", MaxReconsumeTimes: protocol.Some[int32](15)}
	p.ok(protocol.ReqConsumerSendMsgBack, back, nil, nil)
	back.MaxReconsumeTimes = protocol.Opt[int32]{}
	p.ok(protocol.ReqConsumerSendMsgBack, back, nil, nil) // 15 of 16: one more try
	back.DelayLevel = -1
	p.ok(protocol.ReqConsumerSendMsgBack, back, nil, nil)
	_, _, found := p.pull(pullHeader("g", "%DLQ%g", 0, 0))
	require.Len(t, found, 2)
	require.EqualValues(t, 16, found[0].ReconsumeTimes)
	require.Equal(t, "0", property(found[0], "DELAY"))
	require.Equal(t, "false", property(found[0], "WAIT"))
	require.Equal(t, "T", property(found[0], "RETRY_TOPIC"))
	require.Equal(t, "MAX_ATTEMPTS", property(found[0], "AEROBEE_DLQ_REASON"))
	require.Equal(t, "15", property(found[0], "AEROBEE_DLQ_LIMIT"))
	require.Equal(t, p.conn.LocalAddr().String(), property(found[0], "AEROBEE_DLQ_CLIENT"))
	require.Equal(t, "REJECTED", property(found[1], "AEROBEE_DLQ_REASON"))
	require.Equal(t, "16", property(found[1], "AEROBEE_DLQ_LIMIT"))
	dlq, ok := r.topics.Lookup("%DLQ%g")
	require.True(t, ok)
	require.EqualValues(t, 6, dlq.Perm)
	require.EqualValues(t, 1, dlq.WriteQueueNums)
	require.EqualValues(t, 1, r.store.MaxOffset("SCHEDULE_TOPIC_XXXX", 17), "level 3 + 15 retries")
}

func TestSendBackRefusals(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	sent := p.send("T", 0, "x")
	refused := func(code protocol.ResponseCode, remark string, h protocol.ConsumerSendMsgBackRequest) {
		answer := p.call(protocol.ReqConsumerSendMsgBack, &h, nil)
		require.EqualValues(t, code, answer.Code, answer.Remark)
		require.Contains(t, answer.Remark, remark)
	}
	at := physical(t, sent.MsgID)
	refused(protocol.RespSubscriptionGroupNotExist, "subscription group not exist, g*", protocol.ConsumerSendMsgBackRequest{Group: "g*", Offset: at})
	refused(protocol.RespSystemError, "look message by offset failed, 99999", protocol.ConsumerSendMsgBackRequest{Group: "g", Offset: 99999})
	refused(protocol.RespSystemError, "no message begins at offset", protocol.ConsumerSendMsgBackRequest{Group: "g", Offset: at + 4})
	refused(protocol.RespSystemError, "", protocol.ConsumerSendMsgBackRequest{Group: "g", Offset: -1})
	none := protocol.NewSubscriptionGroupConfig("none")
	none.RetryQueueNums = 0
	require.NoError(t, r.groups.Update([]*protocol.SubscriptionGroupConfig{&none}))
	p.ok(protocol.ReqConsumerSendMsgBack, &protocol.ConsumerSendMsgBackRequest{Group: "none", Offset: at}, nil, nil)
	_, known := r.topics.Lookup("%RETRY%none")
	require.False(t, known, "dropped without a retry topic")
	require.EqualValues(t, 1, r.store.Stats().Puts)
}

func TestDelayLevels(t *testing.T) {
	t.Parallel() // it waits
	r := runRig(t, fastLevels)
	p := r.dial(t)
	began := time.Now()
	sent := p.send("T", 1, "late", "DELAY", "1", "TIMER_DELAY_MS", "7", "WAIT", "true")
	require.EqualValues(t, 1, sent.QueueID, "the answer names the queue it was sent to")
	require.EqualValues(t, 0, sent.QueueOffset)
	p.send("T", 1, "capped", "DELAY", "99")
	require.EqualValues(t, 1, r.store.MaxOffset("SCHEDULE_TOPIC_XXXX", 0))
	require.EqualValues(t, 1, r.store.MaxOffset("SCHEDULE_TOPIC_XXXX", 2))
	h := pullHeader("g", "T", 1, 0)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 15000
	_, _, found := p.pull(h)
	took := time.Since(began)
	require.GreaterOrEqual(t, took, time.Second)
	require.Less(t, took, 5*time.Second)
	props := maps.Collect(message.Properties(found[0].Properties))
	require.Equal(t, map[string]string{
		"UNIQ_KEY": sent.TransactionID, "MSG_REGION": "DefaultRegion", "TRACE_ON": "true", "CLUSTER": "DefaultCluster",
		"WAIT": "true", "DELAY": "1", "REAL_TOPIC": "T", "REAL_QID": "1",
	}, props, "as Java's: the scheduled record's properties unchanged")
	h.QueueOffset = 1
	_, _, found = p.pull(h)
	require.Equal(t, "3", property(found[0], "DELAY"))
	p.send("T", 0, "now", "DELAY", "0")
	_, _, found = p.pull(pullHeader("g", "T", 0, 0))
	require.Equal(t, "0", property(found[0], "DELAY"))
}

func TestDelayedMessageSurvivesARestart(t *testing.T) {
	t.Parallel() // it waits
	cfg := rigConfig(t, fastLevels)
	r := runRigOn(t, cfg)
	p := r.dial(t)
	p.send("T", 0, "before", "DELAY", "1")
	h := pullHeader("g", "T", 0, 0)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 15000
	_, _, found := p.pull(h)
	require.Equal(t, []string{"before"}, bodies(found))
	p.send("T", 0, "after", "DELAY", "1")
	p.ok(protocol.ReqUpdateConsumerOffset, &protocol.UpdateConsumerOffsetRequest{ConsumerGroup: "g", Topic: "T", CommitOffset: 1}, nil, nil)
	r.shutdown()

	r = runRigOn(t, cfg)
	require.Equal(t, map[int32]int64{1: 1}, r.delay.Offsets(), "nothing is delivered twice after a clean stop")
	p = r.dial(t)
	offset, ok := r.offsets.Query("g", "T", 0)
	require.True(t, ok)
	h.QueueOffset = offset
	_, _, found = p.pull(h)
	require.Equal(t, []string{"after"}, bodies(found))
}
