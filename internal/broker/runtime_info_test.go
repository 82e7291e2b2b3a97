package broker

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// runtimeKeys are all keys of request 28 (admin.md 3.3), but those of directories
// and delay levels.
const runtimeKeys = `bootTimestamp runtime brokerVersionDesc brokerActive putTps getFoundTps getMissTps getTotalTps
getTransferredTps putMessageTimesTotal putMessageSizeTotal putMessageAverageSize putMessageFailedTimes putMessageEntireTimeMax
getMessageEntireTimeMax putLatency99 putLatency999 putMessageDistributeTime dispatchMaxBuffer dispatchBehindBytes
commitLogMinOffset commitLogMaxOffset commitLogDiskRatio consumeQueueDiskRatio commitLogDirCapacity
msgPutTotalYesterdayMorning msgPutTotalTodayMorning msgPutTotalTodayNow msgGetTotalYesterdayMorning msgGetTotalTodayMorning
msgGetTotalTodayNow pageCacheLockTimeMills earliestMessageTimeStamp startAcceptSendRequestTimeStamp
remainTransientStoreBufferNumbs remainHowManyDataToFlush
sendThreadPoolQueueSize sendThreadPoolQueueCapacity sendThreadPoolQueueHeadWaitTimeMills
pullThreadPoolQueueSize pullThreadPoolQueueCapacity pullThreadPoolQueueHeadWaitTimeMills
litePullThreadPoolQueueSize litePullThreadPoolQueueCapacity litePullThreadPoolQueueHeadWaitTimeMills
queryThreadPoolQueueSize queryThreadPoolQueueCapacity queryThreadPoolQueueHeadWaitTimeMills
ackThreadPoolQueueSize ackThreadPoolQueueCapacity ackThreadPoolQueueHeadWaitTimeMills
EndTransactionQueueSize EndTransactionThreadPoolQueueCapacity
timerReadBehind timerOffsetBehind timerCongestNum timerEnqueueTps timerDequeueTps`

func TestRuntimeInfoHasAllKeys(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	info := body[protocol.KVTable](p, protocol.ReqGetBrokerRuntimeInfo, nil).Table
	for _, key := range strings.Fields(runtimeKeys) {
		require.NotEmpty(t, info[key], key)
	}
	require.Equal(t, "-1", info["commitLogMinOffset"])
	require.Equal(t, "0.0 0.0 0.0", info["putTps"])
	require.Equal(t, "[ 0 days, 0 hours, 0 minutes, 0 seconds ]", info["runtime"])
	require.Equal(t, "V5_5_0", info["brokerVersionDesc"])
	require.Regexp(t, `^Total : [0-9.]+ [KMGTPE]iB, Free : [0-9.]+ [KMGTPE]iB\.$`, info["commitLogDirCapacity"])

	p.send("t", 0, "x", "DELAY", "3")
	eventually(t, "the message counts", func() bool {
		info := body[protocol.KVTable](p, protocol.ReqGetBrokerRuntimeInfo, nil).Table
		return info["msgPutTotalTodayNow"] == "1" && info["commitLogMinOffset"] == "0"
	})
}

func TestHumanBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 252 << 30: "252.0 GiB", 1<<63 - 1: "8.0 EiB"} {
		require.Equal(t, want, vfs.Bytes(n))
	}
}

func TestDecimal(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 1: "1.0", 0.25: "0.25", 246.5: "246.5"} {
		require.Equal(t, want, decimal(v))
	}
}

func TestViewStats(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	ask := func(name, key string) *protocol.ViewBrokerStatsDataRequest {
		return &protocol.ViewBrokerStatsDataRequest{StatsName: name, StatsKey: key}
	}
	answer := p.call(protocol.ReqViewBrokerStatsData, ask("TOPIC_PUT_NUMS", "t"), nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	require.Equal(t, "The stats <TOPIC_PUT_NUMS> <t> not exist", answer.Remark)
	p.send("t", 0, "x")
	var data protocol.BrokerStatsData
	answer = p.ok(protocol.ReqViewBrokerStatsData, ask("TOPIC_PUT_NUMS", "t"), nil, nil)
	require.NoError(t, javajson.Unmarshal(answer.Body, &data))
	require.NotNil(t, data.StatsDay)
}

func TestHAStatusOfALoneMaster(t *testing.T) {
	r := runRig(t)
	answer := r.dial(t).ok(protocol.ReqGetBrokerHAStatus, nil, nil, nil)
	require.Equal(t, `{"haClientRuntimeInfo":{"lastReadTimestamp":0,"lastWriteTimestamp":0,"masterFlushOffset":0,"maxOffset":0,`+
		`"transferredByteInSecond":0},"haConnectionInfo":[],"inSyncSlaveNums":0,"master":true,"masterCommitLogMaxOffset":0}`, string(answer.Body))
}

func TestMaintenance(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	p.send("t", 0, "x")
	require.True(t, r.topics.Delete("t"))
	for _, code := range []protocol.RequestCode{protocol.ReqCleanExpiredConsumeQueue, protocol.ReqDeleteExpiredCommitLog, protocol.ReqCleanUnusedTopic} {
		p.ok(code, nil, nil, nil)
	}
	require.Empty(t, r.store.Queues("t"))
}
