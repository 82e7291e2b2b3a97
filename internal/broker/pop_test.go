package broker

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/broker/pop"
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func popHeader(group, topic string, queue int32, invisible time.Duration) *protocol.PopMessageRequest {
	return &protocol.PopMessageRequest{
		ConsumerGroup: group, Topic: topic, QueueID: queue, MaxMsgNums: 32, InvisibleTime: invisible.Milliseconds(),
		ExpType: "TAG", Exp: "*",
	}
}

// popped is a message with its receipt, as clients make it.
type popped struct {
	message.Message
	receipt string
}

// pop pops, and fails unless the code is one of success and timeout.
func (p *peer) pop(h *protocol.PopMessageRequest) ([]popped, protocol.PopMessageResponse) {
	h.BornTime = time.Now().UnixMilli()
	answer := p.call(protocol.ReqPopMessage, h, nil)
	require.Contains(p.t, []protocol.ResponseCode{protocol.RespSuccess, protocol.RespPollingTimeout}, protocol.ResponseCode(answer.Code), answer.Remark)
	return p.poppedIn(answer)
}

func (p *peer) poppedIn(answer *remoting.Command) ([]popped, protocol.PopMessageResponse) {
	var r protocol.PopMessageResponse
	require.NoError(p.t, remoting.Bind(answer.Ext, &r))
	starts := map[string]string{}
	for s := range strings.SplitSeq(r.StartOffsetInfo, ";") {
		if f := strings.Fields(s); len(f) == 3 {
			require.NotContains(p.t, starts, f[0]+" "+f[1])
			starts[f[0]+" "+f[1]] = f[2]
		}
	}
	var all []popped
	for _, m := range records(p.t, answer.Body) {
		x := popped{Message: m, receipt: property(m, message.PropPopCheckpoint)}
		if x.receipt == "" {
			key := string(pop.Mark(m.Topic)) + " " + strconv.Itoa(int(m.QueueID))
			require.Contains(p.t, starts, key)
			start, err := strconv.ParseInt(starts[key], 10, 64)
			require.NoError(p.t, err)
			receipt := pop.Receipt{
				Start: start, PopTime: r.PopTime, Invisible: r.InvisibleTime, Revive: r.ReviveQueueID, Mark: pop.Mark(m.Topic),
				Broker: "broker-a", Queue: m.QueueID, Offset: m.QueueOffset,
			}
			x.receipt = string(receipt.Append(nil))
		}
		all = append(all, x)
	}
	return all, r
}

func popBodies(messages []popped) (all []string) {
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

func (p *peer) ack(group, topic string, m popped) protocol.ResponseCode {
	r, err := pop.ParseReceipt(m.receipt)
	require.NoError(p.t, err)
	return protocol.ResponseCode(p.call(protocol.ReqAckMessage, &protocol.AckMessageRequest{
		ConsumerGroup: group, Topic: pop.RealTopic(r.Mark, topic, group), QueueID: m.QueueID, ExtraInfo: m.receipt, Offset: m.QueueOffset,
	}, nil).Code)
}

func (r *rig) makeTopic(t testing.TB, p *peer, topic string, queues int32) {
	p.ok(protocol.ReqUpdateAndCreateTopic, &protocol.CreateTopicRequest{
		Topic: topic, DefaultTopic: "TBW102", ReadQueueNums: queues, WriteQueueNums: queues, Perm: 6, TopicFilterType: "SINGLE_TAG",
	}, nil, nil)
}

func TestPopAckAndRedelivery(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	r.makeTopic(t, p, "T", 1)
	for i := range 4 {
		p.send("T", 0, strconv.Itoa(i))
	}
	got, head := p.pop(popHeader("g", "T", 0, time.Second))
	require.Equal(t, []string{"0", "1", "2", "3"}, popBodies(got))
	require.EqualValues(t, 0, head.RestNum)
	require.Equal(t, "0 0 0,1,2,3", head.MsgOffsetInfo)
	for _, i := range []int{0, 2} {
		require.EqualValues(t, protocol.RespSuccess, p.ack("g", "T", got[i]))
	}
	h := popHeader("g", "T", -1, time.Minute)
	h.PollTime = 15000
	again, _ := p.pop(h)
	if len(again) == 1 {
		more, _ := p.pop(h)
		again = append(again, more...)
	}
	require.Equal(t, []string{"1", "3"}, popBodies(again))
	for _, m := range again {
		require.EqualValues(t, 1, m.ReconsumeTimes)
		require.Equal(t, "T", m.Topic)
		require.EqualValues(t, protocol.RespSuccess, p.ack("g", "T", m))
	}
	require.Zero(t, r.pops.Leases())
}

func TestPopSurvivesRestart(t *testing.T) {
	cfg := rigConfig(t, func(c *config.Broker) {})
	r := runRigOn(t, cfg)
	p := r.dial(t)
	r.makeTopic(t, p, "T", 1)
	for i := range 4 {
		p.send("T", 0, strconv.Itoa(i))
	}
	got, _ := p.pop(popHeader("g", "T", 0, 2*time.Second))
	require.Len(t, got, 4)
	require.EqualValues(t, protocol.RespSuccess, p.ack("g", "T", got[1]))
	r.shutdown()
	r = runRigOn(t, cfg)
	p = r.dial(t)
	require.EqualValues(t, 1, r.pops.Leases())
	require.EqualValues(t, protocol.RespSuccess, p.ack("g", "T", got[3]))
	var all []popped
	for len(all) < 2 {
		h := popHeader("g", "T", -1, time.Minute)
		h.PollTime = 15000
		again, _ := p.pop(h)
		all = append(all, again...)
	}
	require.Equal(t, []string{"0", "2"}, popBodies(all))
}
