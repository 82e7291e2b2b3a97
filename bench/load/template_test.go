package load

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func decode(t *testing.T, b []byte) *remoting.Command {
	t.Helper()
	require.Equal(t, len(b)-4, int(binary.BigEndian.Uint32(b)))
	var cmd remoting.Command
	require.NoError(t, remoting.DecodeCommand(b[4:], &cmd, &remoting.Scratch{}))
	return cmd.Clone()
}

func TestSingleSendFrame(t *testing.T) {
	c := Config{Topic: "T", Group: "g", Size: 100, Batch: 1}
	f, err := sendFrame(c, "broker-a")
	require.NoError(t, err)
	out := []byte("earlier")
	f.bear(1700000000000)
	out, at := f.appendTo(out, 31, 7)
	f.stampSend(out[at:], 0xABC, 42)

	cmd := decode(t, out[at:])
	require.Equal(t, protocol.ReqSendMessageV2, protocol.RequestCode(cmd.Code))
	require.EqualValues(t, opaqueBase+31, cmd.Opaque)
	var h protocol.SendMessageRequest
	require.NoError(t, remoting.Bind(cmd.Ext, &h))
	id, _ := message.Property(h.Properties, message.PropUniqKey)
	require.Equal(t, uniqPrefix+"0000000000000ABC", id)
	h.Properties = ""
	require.Equal(t, protocol.SendMessageRequest{
		ProducerGroup: "g", Topic: "T", DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: 7,
		BornTimestamp: 1700000000000, BrokerName: "broker-a",
	}, h)
	require.Len(t, cmd.Body, 100)
	require.EqualValues(t, 42, binary.BigEndian.Uint64(cmd.Body))
	require.EqualValues(t, 'x', cmd.Body[99])
}

func TestBatchSendFrame(t *testing.T) {
	c := Config{Topic: "T", Group: "g", Size: 50, Batch: 3}
	f, err := sendFrame(c, "broker-a")
	require.NoError(t, err)
	out, at := f.appendTo(nil, 0, 99999)
	f.stampSend(out[at:], 5, 42)

	cmd := decode(t, out)
	require.Equal(t, protocol.ReqSendBatchMessage, protocol.RequestCode(cmd.Code))
	var h protocol.SendMessageRequest
	require.NoError(t, remoting.Bind(cmd.Ext, &h))
	require.True(t, h.Batch)
	require.EqualValues(t, 99999, h.QueueID)
	n := uint64(0)
	for item, err := range message.BatchItems(cmd.Body) {
		require.NoError(t, err)
		require.Len(t, item.Body, 50)
		require.EqualValues(t, 42, binary.BigEndian.Uint64(item.Body))
		id, _ := message.Property(item.Properties, message.PropUniqKey)
		require.Equal(t, uniqPrefix+"000000000000000"+string(rune('5'+n)), id)
		n++
	}
	require.EqualValues(t, 3, n)
}

func TestTinyBodiesAreLeftAlone(t *testing.T) {
	f, err := sendFrame(Config{Topic: "T", Group: "g", Size: 3, Batch: 1}, "b")
	require.NoError(t, err)
	out, at := f.appendTo(nil, 0, 0)
	f.stampSend(out[at:], 5, 42)
	require.Equal(t, "xxx", string(decode(t, out).Body))
}

func TestPullFrame(t *testing.T) {
	f, err := pullFrame(Config{Topic: "T", Group: "g", Batch: 32}, "broker-a", true, 15000)
	require.NoError(t, err)
	out, at := f.appendTo(nil, 5, 6)
	f.stampPull(out[at:], 1234567)
	cmd := decode(t, out)
	var h protocol.PullMessageRequest
	require.NoError(t, remoting.Bind(cmd.Ext, &h))
	require.Equal(t, protocol.PullMessageRequest{
		ConsumerGroup: "g", Topic: "T", QueueID: 6, QueueOffset: 1234567, MaxMsgNums: 32,
		SysFlag: protocol.PullSubscription | protocol.PullSuspend, SuspendTimeoutMillis: 15000,
		Subscription: "*", ExpressionType: "TAG", BrokerName: "broker-a",
	}, h)
}

// TestNamesThatLookLikeMarks: digits of a name must not be stamped over.
func TestNamesThatLookLikeMarks(t *testing.T) {
	_, err := sendFrame(Config{Topic: "T76543", Group: "g", Size: 10, Batch: 1}, "b")
	require.ErrorContains(t, err, "2 places for digits like 76543")
}

func TestStampingAllocatesNothing(t *testing.T) {
	f, err := sendFrame(Config{Topic: "T", Group: "g", Size: 1024, Batch: 1}, "b")
	require.NoError(t, err)
	out := make([]byte, 0, 4096)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b, at := f.appendTo(out, 1, 2)
		f.stampSend(b[at:], 3, 4)
	}))
}

func BenchmarkStamp(b *testing.B) {
	f, err := sendFrame(Config{Topic: "T", Group: "g", Size: 1024, Batch: 1}, "b")
	require.NoError(b, err)
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for i := range b.N {
		f.bear(1700000000000)
		buf, at := f.appendTo(out, 1, 2)
		f.stampSend(buf[at:], uint64(i), 4)
	}
}
