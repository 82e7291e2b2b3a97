package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// consumed is a rig whose topic t has 5 messages in queue 0, 3 of which g consumed.
func consumed(t *testing.T) (*rig, *peer) {
	r := runRig(t, quiet)
	p := r.dial(t)
	for range 5 {
		p.send("t", 0, "x")
	}
	_, ok := r.groups.Find("g")
	require.True(t, ok)
	require.NoError(t, r.offsets.Commit("g", "t", 0, 3))
	r.offsets.Pulled("g", "t", 0, 4)
	return r, p
}

func TestConsumeStats(t *testing.T) {
	r, p := consumed(t)
	q := r.queueOf("t", 0)
	stats := body[protocol.ConsumeStats](p, protocol.ReqGetConsumeStats, &protocol.GetConsumeStatsRequest{ConsumerGroup: "g"})
	require.Len(t, stats.OffsetTable, 4)
	w := stats.OffsetTable[q]
	require.Positive(t, w.LastTimestamp)
	w.LastTimestamp = 0
	require.Equal(t, protocol.OffsetWrapper{BrokerOffset: 5, ConsumerOffset: 3, PullOffset: 4}, w)

	p.ok(protocol.ReqHeartBeat, nil, nil, consumerBeat("a", "g", protocol.Clustering, "u"))
	stats = body[protocol.ConsumeStats](p, protocol.ReqGetConsumeStats, &protocol.GetConsumeStatsRequest{ConsumerGroup: "g"})
	require.Empty(t, stats.OffsetTable, "an online group's topics are those it subscribes to")
	stats = body[protocol.ConsumeStats](p, protocol.ReqGetConsumeStats, &protocol.GetConsumeStatsRequest{ConsumerGroup: "g", TopicList: "t;no"})
	require.Len(t, stats.OffsetTable, 4)
}

func TestBrokerConsumeStats(t *testing.T) {
	r, p := consumed(t)
	all := body[protocol.ConsumeStatsList](p, protocol.ReqGetBrokerConsumeStats, &protocol.GetConsumeStatsInBrokerRequest{})
	require.EqualValues(t, 2, all.TotalDiff)
	require.EqualValues(t, 1, all.TotalInflightDiff)
	require.Equal(t, r.Advertised(), all.BrokerAddr)
	require.Len(t, all.ConsumeStatsList, r.groups.Len())
	ordered := body[protocol.ConsumeStatsList](p, protocol.ReqGetBrokerConsumeStats, &protocol.GetConsumeStatsInBrokerRequest{IsOrder: true})
	require.Zero(t, ordered.TotalDiff)
}

func TestConsumeTimeSpan(t *testing.T) {
	_, p := consumed(t)
	h := &protocol.QueryConsumeTimeSpanRequest{Topic: "t", Group: "g"}
	spans := body[protocol.QueryConsumeTimeSpanBody](p, protocol.ReqQueryConsumeTimeSpan, h)
	require.Len(t, spans.ConsumeTimeSpanSet, 4)
	first, empty := spans.ConsumeTimeSpanSet[0], spans.ConsumeTimeSpanSet[1]
	require.LessOrEqual(t, first.MinTimeStamp, first.ConsumeTimeStamp)
	require.LessOrEqual(t, first.ConsumeTimeStamp, first.MaxTimeStamp)
	require.Equal(t, spanTime(first.MaxTimeStamp), first.MaxTimeStampStr)
	require.EqualValues(t, -1, empty.MaxTimeStamp)
	require.Zero(t, empty.DelayTime)
	h.Topic = "no"
	require.EqualValues(t, protocol.RespTopicNotExist, p.call(protocol.ReqQueryConsumeTimeSpan, h, nil).Code)
}

func TestSpanTime(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.UTC
	require.Equal(t, "1969-12-31#23:59:59:999", spanTime(-1))
	require.Equal(t, "2023-11-14#22:13:20:007", spanTime(1_700_000_000_007))
}

func TestCorrectionOffset(t *testing.T) {
	r, p := consumed(t)
	require.NoError(t, r.offsets.Commit("h", "t", 0, 5))
	ask := func(compare, without string) string {
		h := &protocol.QueryCorrectionOffsetRequest{Topic: "t", CompareGroup: compare, FilterGroups: without}
		return string(p.ok(protocol.ReqQueryCorrectionOffset, h, nil, nil).Body)
	}
	require.Equal(t, `{"correctionOffsets":{0:3}}`, ask("h", ""))
	require.Equal(t, `{"correctionOffsets":{0:9223372036854775807}}`, ask("g", "g"), "the others are ahead of the group compared with")
	require.Equal(t, `{"correctionOffsets":{0:3}}`, ask("h", ""), "and no offsets are lost")
}

func TestCloneGroupOffset(t *testing.T) {
	r, p := consumed(t)
	p.ok(protocol.ReqCloneGroupOffset, &protocol.CloneGroupOffsetRequest{SrcGroup: "g", DestGroup: "copy"}, nil, nil)
	offset, ok := r.offsets.Query("copy", "t", 0)
	require.True(t, ok)
	require.EqualValues(t, 3, offset)
	require.EqualValues(t, protocol.RespInvalidParameter,
		p.call(protocol.ReqCloneGroupOffset, &protocol.CloneGroupOffsetRequest{SrcGroup: "g", DestGroup: "a b"}, nil).Code)
}

func TestMessageRequestModes(t *testing.T) {
	r := runRig(t)
	require.Equal(t, `{"messageRequestModeMap":{}}`, string(r.dial(t).ok(protocol.ReqGetAllMessageRequestMode, nil, nil, nil).Body))
}
