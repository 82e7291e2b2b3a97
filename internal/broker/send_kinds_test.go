package broker

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// TestBatchTopic sends to a topic with queue.type=BatchCQ and reads it after a restart, too.
func TestBatchTopic(t *testing.T) {
	cfg := rigConfig(t)
	r := runRigOn(t, cfg)
	made, err := r.topics.Update([]*protocol.TopicConfig{{
		TopicName: "B", ReadQueueNums: 1, WriteQueueNums: 1, Perm: readWrite,
		Attributes: map[string]string{"+queue.type": "BatchCQ"},
	}})
	require.NoError(t, err)
	require.Len(t, made, 1)
	p := r.dial(t)
	var batch []byte
	for i := range 3 {
		batch = message.AppendBatchItem(batch, message.BatchItem{Body: fmt.Append(nil, "m", i)})
	}
	h := sendHeader("B", 0, "UNIQ_KEY", "u", "INNER_NUM", "9")
	h.Batch = true
	var response protocol.SendMessageResponse
	p.ok(protocol.ReqSendBatchMessage, h, &response, batch)
	require.Zero(t, response.QueueOffset)
	p.ok(protocol.ReqSendMessage, sendHeader("B", 0), &response, []byte("single"))
	require.EqualValues(t, 3, response.QueueOffset)

	check := func(p *peer, r *rig) {
		require.EqualValues(t, 4, r.store.MaxOffset("B", 0))
		_, header, stored := p.pull(pullHeader("g", "B", 0, 1))
		require.Len(t, stored, 2)
		require.EqualValues(t, 4, header.NextBeginOffset)
		require.EqualValues(t, message.FlagNeedUnwrap|message.FlagInnerBatch, stored[0].SysFlag)
		require.Equal(t, string(batch), string(stored[0].Body))
		require.Equal(t, "3", property(stored[0], "INNER_NUM"))
		require.Equal(t, "0000000000000000000", property(stored[0], "INNER_BASE"))
		require.Equal(t, "single", string(stored[1].Body))
	}
	check(p, r)
	answer := p.call(protocol.ReqSendMessage, sendHeader("B", 0, "INNER_NUM", "3"), []byte("no batch"))
	require.EqualValues(t, protocol.RespMessageIllegal, answer.Code)
	r.shutdown()
	r = runRigOn(t, cfg)
	check(r.dial(t), r)
}

// TestLightQueues dispatches a message to the queues that it names.
func TestLightQueues(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.EnableLMQ, c.EnableMultiDispatch = true, true })
	p := r.dial(t)
	p.ok(protocol.ReqSendMessage, sendHeader("T", 0, "INNER_MULTI_DISPATCH", "%LMQ%a,%LMQ%b"), nil, []byte("one"))
	p.ok(protocol.ReqSendMessage, sendHeader("T", 0, "INNER_MULTI_DISPATCH", "%LMQ%b"), nil, []byte("two"))
	_, _, stored := p.pull(pullHeader("g", "%LMQ%b", 0, 0))
	require.Equal(t, []string{"one", "two"}, bodies(stored))
	require.Equal(t, "0000000000000000000,0000000000000000000", property(stored[0], "INNER_MULTI_QUEUE_OFFSET"))
	_, _, stored = p.pull(pullHeader("g", "%LMQ%a", 0, 0))
	require.Equal(t, []string{"one"}, bodies(stored))
}
