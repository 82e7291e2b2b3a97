package broker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// onceTopic makes a topic with attributes.
func onceTopic(t *testing.T, r *rig, name string, attributes ...string) {
	update := &protocol.TopicConfig{TopicName: name, ReadQueueNums: 2, WriteQueueNums: 2, Perm: readWrite, Attributes: map[string]string{}}
	for i := 0; i < len(attributes); i += 2 {
		update.Attributes["+"+attributes[i]] = attributes[i+1]
	}
	_, err := r.topics.Update([]*protocol.TopicConfig{update})
	require.NoError(t, err)
}

func (p *peer) stored(topic string, queue int32) []string {
	_, _, messages := p.pull(pullHeader("g", topic, queue, 0))
	return bodies(messages)
}

func TestARetryIsAnsweredWithTheFirstCopy(t *testing.T) {
	r := runRig(t)
	onceTopic(t, r, "T", "dedup.window", "2m")
	p := r.dial(t)
	first := p.send("T", 1, "a", "UNIQ_KEY", "u1")
	require.Equal(t, "u1", first.TransactionID)
	require.Equal(t, first, p.send("T", 0, "a", "UNIQ_KEY", "u1"), "another queue")
	require.EqualValues(t, 1, p.send("T", 1, "b", "UNIQ_KEY", "u2").QueueOffset)
	p.send("T", 1, "no key")
	p.send("T", 1, "no key")
	require.Equal(t, []string{"a", "b", "no key", "no key"}, p.stored("T", 1))
	require.Empty(t, p.stored("T", 0))

	registry := prometheus.NewRegistry()
	require.NoError(t, r.RegisterMetrics(registry))
	require.InDelta(t, 1, metric(t, registry, "aerobee_dedup_suppressed_total"), 0)
	require.InDelta(t, 2, metric(t, registry, "aerobee_dedup_entries"), 0)
	require.Equal(t, p.send("other", 1, "a", "UNIQ_KEY", "u1").QueueOffset+1, p.send("other", 1, "a", "UNIQ_KEY", "u1").QueueOffset)
}

func TestAPropertyCanBeTheKey(t *testing.T) {
	r := runRig(t)
	onceTopic(t, r, "T", "dedup.window", "120000", "dedup.key", "orderId")
	p := r.dial(t)
	first := p.send("T", 0, "a", "UNIQ_KEY", "u1", "orderId", "7")
	require.Equal(t, first, p.send("T", 0, "b", "UNIQ_KEY", "u2", "orderId", "7"))
	p.send("T", 0, "c", "UNIQ_KEY", "u1", "orderId", "8")
	p.send("T", 0, "d", "UNIQ_KEY", "u3")
	p.send("T", 0, "e", "UNIQ_KEY", "u3")
	require.Equal(t, []string{"a", "c", "d"}, p.stored("T", 0))
}

func TestKnownMessagesSurviveARestart(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.EnableLMQ = true })
	onceTopic(t, r, "T", "dedup.window", "2m")
	p := r.dial(t)
	var sent []protocol.SendMessageResponse
	for i := range 40 {
		sent = append(sent, p.send("T", int32(i%2), "x", "UNIQ_KEY", fmt.Sprintf("u%d", i)))
	}
	delayed := p.send("T", 1, "late", "UNIQ_KEY", "late", "DELAY", "18")
	r.again(t)
	p = r.dial(t)
	for i, first := range sent {
		require.Equal(t, first, p.send("T", 0, "x", "UNIQ_KEY", fmt.Sprintf("u%d", i)))
	}
	require.Equal(t, delayed, p.send("T", 1, "late", "UNIQ_KEY", "late", "DELAY", "18"))
	require.EqualValues(t, 1, r.store.MaxOffset("SCHEDULE_TOPIC_XXXX", 17))
	require.EqualValues(t, 20, r.store.MaxOffset("T", 0))
	require.Equal(t, 41, r.dedup.Stats().Entries)
}

func TestWhatIsPurgedIsNotKnown(t *testing.T) {
	r := runRig(t)
	onceTopic(t, r, "T", "dedup.window", "2m")
	p := r.dial(t)
	p.send("T", 0, "a", "UNIQ_KEY", "u1")
	_, err := r.store.Purge("T", []int32{0})
	require.NoError(t, err)
	require.EqualValues(t, 1, p.send("T", 0, "a", "UNIQ_KEY", "u1").QueueOffset)
	require.EqualValues(t, 1, p.send("T", 0, "a", "UNIQ_KEY", "u1").QueueOffset)
}

func TestHalfMessagesAndRetriesAreNotKnown(t *testing.T) {
	r := runRig(t)
	onceTopic(t, r, "%RETRY%g", "dedup.window", "2m")
	p := r.dial(t)
	p.send("%RETRY%g", 0, "a", "UNIQ_KEY", "u1")
	require.EqualValues(t, 1, p.send("%RETRY%g", 0, "a", "UNIQ_KEY", "u1").QueueOffset)
	require.Zero(t, r.dedup.Stats().Entries)
}

func batchOf(messages ...string) []byte {
	var body []byte
	for _, m := range messages {
		props := ""
		if m != "" {
			props = encoded("UNIQ_KEY", m)
		}
		body = message.AppendBatchItem(body, message.BatchItem{Properties: props, Body: []byte("b" + m)})
	}
	return body
}

func (p *peer) sendBatch(topic string, body []byte) (response protocol.SendMessageResponse) {
	h := sendHeader(topic, 0)
	h.Batch = true
	p.ok(protocol.ReqSendBatchMessage, h, &response, body)
	return response
}

func TestABatchIsSuppressedAsAWhole(t *testing.T) {
	r := runRig(t)
	onceTopic(t, r, "T", "dedup.window", "2m")
	p := r.dial(t)
	first := p.sendBatch("T", batchOf("1", "2", "3"))
	require.Equal(t, 2, strings.Count(first.MsgID, ","))
	require.Equal(t, first, p.sendBatch("T", batchOf("1", "2", "3")))
	require.EqualValues(t, 3, p.sendBatch("T", batchOf("3", "4")).QueueOffset, "a part of it is new")
	require.EqualValues(t, 5, p.sendBatch("T", batchOf("3", "")).QueueOffset, "a part of it cannot be known")
	require.Equal(t, []string{"b1", "b2", "b3", "b3", "b4", "b3", "b"}, p.stored("T", 0))
}

// TestCopiesAtTheSameTime sends each message twice before the first answer: on one
// connection and on another.
func TestCopiesAtTheSameTime(t *testing.T) {
	r := runRig(t, func(c *config.Broker) { c.FlushDiskType = config.SyncFlush })
	onceTopic(t, r, "T", "dedup.window", "2m")
	a, b := r.dial(t), r.dial(t)
	const n = 200
	for i := range n {
		h := sendHeader("T", 0, "UNIQ_KEY", fmt.Sprintf("u%d", i))
		a.write(protocol.ReqSendMessage, h, []byte("x"), 0)
		b.write(protocol.ReqSendMessage, h, []byte("x"), 0)
		a.write(protocol.ReqSendMessage, h, []byte("x"), 0)
	}
	offsets := map[string]int{}
	for _, p := range []*peer{a, a, b} {
		for range n {
			answer := p.read()
			require.EqualValues(t, protocol.RespSuccess, answer.Code, answer.Remark)
			offsets[fieldsOf(answer)["queueOffset"]]++
		}
	}
	require.EqualValues(t, n, r.store.MaxOffset("T", 0))
	require.Len(t, offsets, n)
	for offset, answers := range offsets {
		require.Equal(t, 3, answers, offset)
	}
}
