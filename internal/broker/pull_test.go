package broker

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
)

func TestPullStatuses(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("T", 0, "a", "TAGS", "x")
	p.send("T", 0, "b", "TAGS", "y")
	for _, c := range []struct {
		name         string
		queue        int32
		offset       int64
		subscription string
		code         protocol.ResponseCode
		remark       string
		next         int64
		bodies       []string
	}{
		{"all", 0, 0, "*", protocol.RespSuccess, "FOUND", 2, []string{"a", "b"}},
		{"from the middle", 0, 1, "", protocol.RespSuccess, "FOUND", 2, []string{"b"}},
		{"one tag", 0, 0, "y", protocol.RespSuccess, "FOUND", 2, []string{"b"}},
		{"two tags", 0, 0, "x || y", protocol.RespSuccess, "FOUND", 2, []string{"a", "b"}},
		{"another tag", 0, 0, "z", protocol.RespPullRetryImmediately, "NO_MATCHED_MESSAGE", 2, nil},
		{"no tag at all", 0, 0, " || ", protocol.RespPullRetryImmediately, "NO_MATCHED_MESSAGE", 2, nil},
		{"at the end", 0, 2, "*", protocol.RespPullNotFound, "OFFSET_OVERFLOW_ONE", 2, nil},
		{"beyond the end", 0, 3, "*", protocol.RespPullOffsetMoved, "OFFSET_OVERFLOW_BADLY", 2, nil},
		{"before the start", 0, -1, "*", protocol.RespPullOffsetMoved, "OFFSET_TOO_SMALL", 0, nil},
		{"empty queue", 1, 0, "*", protocol.RespPullNotFound, "NO_MESSAGE_IN_QUEUE", 0, nil},
		{"empty queue, moved", 1, 5, "*", protocol.RespPullOffsetMoved, "NO_MESSAGE_IN_QUEUE", 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := pullHeader("g", "T", c.queue, c.offset)
			h.Subscription = c.subscription
			answer, response, found := p.pull(h)
			require.Equal(t, c.code.String(), protocol.ResponseCode(answer.Code).String())
			require.Equal(t, c.remark, answer.Remark)
			require.Equal(t, c.next, response.NextBeginOffset)
			require.Equal(t, c.bodies, bodies(found))
			require.Zero(t, response.SuggestWhichBrokerID)
		})
	}
	next, ok := r.offsets.QueryPulled("g", "T", 0)
	require.True(t, ok)
	require.EqualValues(t, 0, next)
}

func TestPullLimits(t *testing.T) {
	p := runRig(t).dial(t)
	for i := range 40 {
		p.send("T", 0, fmt.Sprint(i))
	}
	h := pullHeader("g", "T", 0, 0)
	for asked, want := range map[int32]int{1: 1, 5: 5, 32: 32, 100: 32, 0: 1, -1: 1} {
		h.MaxMsgNums = asked
		_, _, found := p.pull(h)
		require.Len(t, found, want, "asked for %d", asked)
	}
	for range 4 {
		p.send("T", 1, strings.Repeat("b", 100<<10))
	}
	_, _, found := p.pull(pullHeader("g", "T", 1, 0))
	require.Len(t, found, 2, "256 KiB")
}

func TestPullRefusals(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.LitePull = false })
	p := r.dial(t)
	p.send("T", 0, "a")
	off := protocol.NewSubscriptionGroupConfig("off")
	off.ConsumeEnable = false
	require.NoError(t, r.groups.Update([]*protocol.SubscriptionGroupConfig{&off}))
	_, err := r.topics.CreateInSendBack("writeonly", 1, protocol.PermWrite, 0)
	require.NoError(t, err)
	for _, c := range []struct {
		name      string
		request   protocol.RequestCode
		change    func(*protocol.PullMessageRequest)
		code      protocol.ResponseCode
		forbidden string
		remark    string
	}{
		{"bad group", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.ConsumerGroup = "g*" }, protocol.RespSubscriptionGroupNotExist, "", "subscription group [g*] does not exist, "},
		{"group switched off", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.ConsumerGroup = "off" }, protocol.RespNoPermission, "2", "subscription group no permission, off"},
		{"unknown topic", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.Topic = "nothing" }, protocol.RespTopicNotExist, "", "topic[nothing] not exist, apply first please! "},
		{"topic not readable", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.Topic = "writeonly" }, protocol.RespNoPermission, "3", "the topic[writeonly] pulling message is forbidden"},
		{"queue too large", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.QueueID = 4 }, protocol.RespInvalidParameter, "", "queueId[4] is illegal, topic:[T] topicConfig.readQueueNums:[4] consumer:["},
		{"queue negative", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.QueueID = -1 }, protocol.RespInvalidParameter, "", "queueId[-1] is illegal"},
		{"bad expression", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.Subscription = "||" }, protocol.RespSubscriptionParseFailed, "", "parse the consumer's subscription failed"},
		{"SQL", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.ExpressionType, h.Subscription = "SQL92", "a > 5" }, protocol.RespSystemError, "", "The broker does not support consumer to filter message by SQL92"},
		{"not online", protocol.ReqPullMessage, func(h *protocol.PullMessageRequest) { h.SysFlag = 0 }, protocol.RespSubscriptionNotExist, "", "the consumer's group info not exist"},
		{"lite pull switched off", protocol.ReqLitePullMessage, func(*protocol.PullMessageRequest) {}, protocol.RespNoPermission, "1", "the broker[127.0.0.1] for lite pull consumer is forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := pullHeader("g", "T", 0, 0)
			c.change(h)
			answer := p.call(c.request, h, nil)
			require.Equal(t, c.code.String(), protocol.ResponseCode(answer.Code).String())
			require.Contains(t, answer.Remark, c.remark)
			want := map[string]string{}
			if c.forbidden != "" {
				want["forbiddenType"] = c.forbidden
			}
			require.Equal(t, want, fieldsOf(answer))
		})
	}
}

func TestPullBySubscriptionOfTheGroup(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("T", 0, "a", "TAGS", "x")
	p.send("T", 0, "b", "TAGS", "y")
	p.send("U", 0, "c")
	p.subscribe("g", "T", "y", protocol.Clustering)
	h := pullHeader("g", "T", 0, 0)
	h.SysFlag, h.SubVersion = 0, 1
	_, _, found := p.pull(h)
	require.Equal(t, []string{"b"}, bodies(found))
	h.SubVersion = 2
	answer := p.call(protocol.ReqPullMessage, h, nil)
	require.EqualValues(t, protocol.RespSubscriptionNotLatest, answer.Code)
	h.Topic = "U"
	answer = p.call(protocol.ReqPullMessage, h, nil)
	require.EqualValues(t, protocol.RespSubscriptionNotExist, answer.Code)
	require.Contains(t, answer.Remark, "the consumer's subscription not exist")
	r.groups.SetReadable("g", "T", false)
	h.Topic, h.SubVersion = "T", 1
	answer = p.call(protocol.ReqPullMessage, h, nil)
	require.EqualValues(t, protocol.RespNoPermission, answer.Code)
	require.Equal(t, map[string]string{"forbiddenType": "5"}, fieldsOf(answer))
}

// TestTagsWithOneHash: the broker compares hashes; clients compare the tags.
func TestTagsWithOneHash(t *testing.T) {
	require.Equal(t, protocol.StringHash("Aa"), protocol.StringHash("BB"))
	p := runRig(t).dial(t)
	p.send("T", 0, "wanted", "TAGS", "Aa")
	p.send("T", 0, "same hash", "TAGS", "BB")
	p.send("T", 0, "other", "TAGS", "C")
	p.send("T", 0, "none")
	h := pullHeader("g", "T", 0, 0)
	h.Subscription = "Aa"
	_, _, found := p.pull(h)
	require.Equal(t, []string{"wanted", "same hash"}, bodies(found))
}

func TestPullCommitsOnce(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("T", 0, "a")
	h := pullHeader("g", "T", 0, 0)
	h.CommitOffset = 5
	p.pull(h)
	_, ok := r.offsets.Query("g", "T", 0)
	require.False(t, ok, "without the flag nothing is committed")
	h.SysFlag |= pullCommit
	p.pull(h)
	offset, _ := r.offsets.Query("g", "T", 0)
	require.EqualValues(t, 5, offset)
}

func TestLongPollIsWokenByAMessage(t *testing.T) {
	r := runRig(t)
	consumer, producer := r.dial(t), r.dial(t)
	producer.send("T", 0, "old")
	h := pullHeader("g", "T", 0, 1)
	h.SysFlag |= pullSuspend | pullCommit
	h.SuspendTimeoutMillis, h.CommitOffset = 15000, 1
	began := time.Now()
	opaque := consumer.write(protocol.ReqPullMessage, h, nil, 0)
	eventually(t, "the pull is parked", func() bool { return r.hold.Len() == 1 })
	offset, _ := r.offsets.Query("g", "T", 0)
	require.EqualValues(t, 1, offset, "the commit does not wait")
	producer.send("T", 1, "another queue")
	require.Equal(t, 1, r.hold.Len())
	producer.send("T", 0, "new")
	answer, response, found := consumer.pulled(consumer.read())
	require.Equal(t, opaque, answer.Opaque)
	require.Equal(t, []string{"new"}, bodies(found))
	require.EqualValues(t, 2, response.NextBeginOffset)
	require.Less(t, time.Since(began), 10*time.Second)
	eventually(t, "the table is empty", func() bool { return r.hold.Len() == 0 })
}

func TestLongPollWaitsForItsTag(t *testing.T) {
	r := runRig(t)
	consumer, producer := r.dial(t), r.dial(t)
	producer.send("T", 0, "old")
	h := pullHeader("g", "T", 0, 1)
	h.SysFlag, h.Subscription, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, "x", 15000
	consumer.write(protocol.ReqPullMessage, h, nil, 0)
	eventually(t, "the pull is parked", func() bool { return r.hold.Len() == 1 })
	producer.send("T", 0, "not mine", "TAGS", "y")
	require.Equal(t, 1, r.hold.Len())
	producer.send("T", 0, "mine", "TAGS", "x")
	_, response, found := consumer.pulled(consumer.read())
	require.Equal(t, []string{"mine"}, bodies(found))
	require.EqualValues(t, 3, response.NextBeginOffset)
}

func TestLongPollEndsAtItsTime(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("T", 0, "old")
	h := pullHeader("g", "T", 0, 1)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 300
	began := time.Now()
	answer, response, _ := p.pull(h)
	took := time.Since(began)
	require.EqualValues(t, protocol.RespPullNotFound, answer.Code)
	require.Equal(t, "OFFSET_OVERFLOW_ONE", answer.Remark)
	require.EqualValues(t, 1, response.NextBeginOffset)
	require.GreaterOrEqual(t, took, 300*time.Millisecond)
	require.Less(t, took, 3*time.Second, "not at the next scan")
	h.SuspendTimeoutMillis = 0
	answer, _, _ = p.pull(h)
	require.EqualValues(t, protocol.RespPullNotFound, answer.Code)
}

func TestShortPolling(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.LongPolling, c.ShortPolling = false, 50*time.Millisecond })
	p := r.dial(t)
	p.send("T", 0, "old")
	h := pullHeader("g", "T", 0, 1)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 15000
	began := time.Now()
	p.pull(h)
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestClosedConnectionIsForgotten(t *testing.T) {
	r := runRig(t)
	p, consumer := r.dial(t), r.dial(t)
	p.send("T", 0, "old")
	h := pullHeader("g", "T", 0, 1)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 600000
	for range 10 {
		consumer.write(protocol.ReqPullMessage, h, nil, 0)
	}
	eventually(t, "the pulls are parked", func() bool { return r.hold.Len() == 10 })
	require.NoError(t, consumer.conn.Close())
	eventually(t, "the pulls are dropped", func() bool { return r.hold.Len() == 0 })
}

func TestResetMovesTheNextPull(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	for range 5 {
		p.send("T", 0, "x")
	}
	require.NoError(t, r.offsets.Reset("g", "T", 0, 2))
	var queried protocol.QueryConsumerOffsetResponse
	p.ok(protocol.ReqQueryConsumerOffset, &protocol.QueryConsumerOffsetRequest{ConsumerGroup: "g", Topic: "T"}, &queried, nil)
	require.EqualValues(t, 2, queried.Offset)
	h := pullHeader("g", "T", 0, 5)
	h.SysFlag, h.CommitOffset = h.SysFlag|pullSuspend|pullCommit, 5
	answer, response, _ := p.pull(h)
	require.EqualValues(t, protocol.RespPullOffsetMoved, answer.Code)
	require.Equal(t, "OFFSET_RESET", answer.Remark)
	require.EqualValues(t, 2, response.NextBeginOffset)
	require.EqualValues(t, 5, response.MaxOffset)
	offset, _ := r.offsets.Query("g", "T", 0)
	require.EqualValues(t, 2, offset, "the commit of the same request does not undo the reset")
	_, _, found := p.pull(pullHeader("g", "T", 0, 2))
	require.Len(t, found, 3)
}

func TestBroadcastingClientComesFromAProxy(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	for range 5 {
		p.send("T", 0, "x")
	}
	h := pullHeader("g", "T", 0, -1)
	h.RequestSource, h.ProxyFrowardClientID = protocol.Some[int32](proxyBroadcast), "c1@"+p.conn.LocalAddr().String()
	answer, response, _ := p.pull(h)
	require.EqualValues(t, protocol.RespPullOffsetMoved, answer.Code)
	require.EqualValues(t, 0, response.NextBeginOffset, "the first message is there")
	h.QueueOffset = 3
	_, _, found := p.pull(h)
	require.Len(t, found, 2)
	p.subscribe("g", "T", "*", protocol.Broadcasting)
	h.RequestSource, h.ProxyFrowardClientID, h.QueueOffset = protocol.Opt[int32]{}, "", 0
	answer, response, _ = p.pull(h)
	require.EqualValues(t, protocol.RespPullOffsetMoved, answer.Code)
	require.EqualValues(t, 3, response.NextBeginOffset, "where the proxy was")
}

// TestColdReadsMoveToAWorker takes everything for cold: the answers are the same.
func TestColdReadsMoveToAWorker(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	first := p.send("T", 0, "first")
	for range nearQueue + 10 {
		p.send("T", 0, "x")
	}
	r.traffic.cold = 0
	require.True(t, r.coldQueue("T", 0, 0))
	require.False(t, r.coldQueue("T", 0, nearQueue))
	h := pullHeader("g", "T", 0, 0)
	h.SysFlag, h.SuspendTimeoutMillis, h.Subscription = h.SysFlag|pullSuspend, 15000, ""
	_, response, found := p.pull(h)
	require.Len(t, found, 32)
	require.Equal(t, "first", string(found[0].Body))
	require.EqualValues(t, 32, response.NextBeginOffset)
	h.QueueOffset = -1
	answer, _, _ := p.pull(h)
	require.EqualValues(t, protocol.RespPullOffsetMoved, answer.Code)
	h.QueueOffset, h.Subscription = 0, "nothing like it"
	answer, _, _ = p.pull(h)
	require.EqualValues(t, protocol.RespPullRetryImmediately, answer.Code)
	p.ok(protocol.ReqConsumerSendMsgBack, &protocol.ConsumerSendMsgBackRequest{Group: "g", Offset: physical(t, first.MsgID), DelayLevel: -1}, nil, nil)
	require.EqualValues(t, 1, r.store.MaxOffset("%DLQ%g", 0))
	answer = p.call(protocol.ReqConsumerSendMsgBack, &protocol.ConsumerSendMsgBackRequest{Group: "g", Offset: 3}, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
}

func TestTooManyParkedPulls(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("T", 0, "old")
	r.hold.Close() // as good as full
	h := pullHeader("g", "T", 0, 1)
	h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 15000
	answer := p.call(protocol.ReqPullMessage, h, nil)
	require.EqualValues(t, protocol.RespSystemBusy, answer.Code)
	require.Contains(t, answer.Remark, "[OVERLOAD]system busy, start flow control for a while")
}

func TestRejectedPullConsumers(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.RejectPullConsumer = true })
	p := r.dial(t)
	p.send("T", 0, "a")
	answer := p.call(protocol.ReqPullMessage, pullHeader("g", "T", 0, 0), nil)
	require.EqualValues(t, protocol.RespSubscriptionNotExist, answer.Code)
	require.Contains(t, answer.Remark, "or the pull consumer is rejected by server.")
	p.subscribe("g", "T", "*", protocol.Clustering)
	_, _, found := p.pull(pullHeader("g", "T", 0, 0))
	require.Len(t, found, 1)
}

// TestNoLongPollMissesItsMessage sends while pulls are being parked: a pull that
// was parked just after its message had arrived would wait its full time.
func TestNoLongPollMissesItsMessage(t *testing.T) {
	r := runRig(t)
	const messages = 500
	producer := r.dial(t)
	producer.send("T", 0, "first")
	began := time.Now()
	var consumers sync.WaitGroup
	for range 3 {
		p := r.dial(t)
		consumers.Go(func() {
			h := pullHeader("g", "T", 0, 1)
			h.SysFlag, h.SuspendTimeoutMillis = h.SysFlag|pullSuspend, 60000
			for h.QueueOffset <= messages {
				_, response, _ := p.pull(h)
				h.QueueOffset = response.NextBeginOffset
			}
		})
	}
	for range messages {
		producer.send("T", 0, "x")
	}
	consumers.Wait()
	require.Less(t, time.Since(began), 30*time.Second)
}
