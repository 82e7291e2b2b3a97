package broker

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// smallDisk is a file system of 240 GiB with as much room as the test says.
type smallDisk struct {
	vfs.FS
	free atomic.Int64
}

func (d *smallDisk) Usage(string) (vfs.Usage, error) {
	free := d.free.Load()
	return vfs.Usage{Used: 240<<30 - free, Free: free}, nil
}

func (d *smallDisk) Mount(string) (string, error) { return "/data", nil }

func runOn(t *testing.T, fs vfs.FS, now func() time.Time, change ...func(*config.Broker)) *rig {
	cfg := rigConfig(t, change...)
	b, err := New(Config{Broker: cfg, Logger: slog.New(slog.DiscardHandler), FS: fs, Now: now})
	require.NoError(t, err)
	require.NoError(t, b.Start(context.Background()))
	r := &rig{Broker: b, cfg: cfg}
	t.Cleanup(r.shutdown)
	return r
}

// TestAFullDiskIsExplained sends to a broker whose disk fills and gets room again.
func TestAFullDiskIsExplained(t *testing.T) {
	disk := &smallDisk{FS: vfs.OS}
	disk.free.Store(100 << 30)
	r := runOn(t, disk, nil, func(c *config.Broker) {
		c.CleanResourceInterval = time.Millisecond
		c.CleanFileForcibly = false
	})
	registry := prometheus.NewRegistry()
	require.NoError(t, r.RegisterStartMetrics(registry))
	p := r.dial(t)
	p.send("t", 0, "one")
	state := func() string {
		return body[protocol.KVTable](p, protocol.ReqGetBrokerRuntimeInfo, nil).Table["aerobeeStoreState"]
	}
	require.Equal(t, "writable", state())
	require.InDelta(t, 1, metric(t, registry, "aerobee_store_writable"), 0)

	disk.free.Store(20 << 30)
	refused := func() bool {
		answer := p.call(protocol.ReqSendMessage, sendHeader("t", 0), []byte("two"))
		if answer.Code == int32(protocol.RespSuccess) {
			return false
		}
		require.EqualValues(t, protocol.RespServiceNotAvailable, answer.Code)
		require.Equal(t, "service not available now. The broker's disk is full: the file system mounted at /data, which holds "+
			filepath.Join(r.cfg.StorePathRootDir, "commitlog")+", has 91.7% of 240.0 GiB in use and 20.0 GiB free; "+
			"messages are refused above 90% (diskSpaceWarningLevelRatio) and taken again at 85%: "+
			"make room there, keep messages for less time (fileReservedTime), or change the limit", answer.Remark)
		return true
	}
	eventually(t, "messages are refused", refused)
	require.True(t, strings.HasPrefix(state(), "service not available now. The broker's disk is full"))
	require.InDelta(t, 0, metric(t, registry, "aerobee_store_writable"), 0)
	_, _, got := p.pull(pullHeader("g", "t", 0, 0))
	require.Equal(t, "one", string(got[0].Body), "reads go on")

	disk.free.Store(36 << 30)
	eventually(t, "messages are taken again", func() bool { return state() == "writable" })
	p.send("t", 0, "three")

	// What users ask for: the limit changed at run time, to free bytes.
	disk.free.Store(20 << 30)
	eventually(t, "messages are refused", refused)
	p.ok(protocol.ReqUpdateBrokerConfig, nil, nil, []byte("diskSpaceWarningLevelRatio=100\naerobeeDiskMinFreeBytes=1073741824\n"))
	eventually(t, "messages are taken again", func() bool { return state() == "writable" })
	p.send("t", 0, "four")
}

// metric is the value of a gauge without regard to its labels.
func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	require.Fail(t, "no metric "+name)
	return 0
}

func TestPurgedMessagesAreGoneForEveryReader(t *testing.T) {
	r := runRig(t)
	p := r.dial(t)
	for range 5 {
		p.send("t", 1, "old", "KEYS", "k", "UNIQ_KEY", "u")
	}
	sent := p.send("t", 2, "other queue")
	_, _, got := p.pull(pullHeader("g", "t", 1, 0))
	require.Len(t, got, 5)
	p.ok(protocol.ReqUpdateConsumerOffset, &protocol.UpdateConsumerOffsetRequest{ConsumerGroup: "g", Topic: "t", QueueID: 1, CommitOffset: 2}, nil, nil)

	var queue protocol.PurgeTopicRequest
	queue.Topic, queue.QueueID = "t", protocol.Some(int32(1))
	purged := body[protocol.PurgeTopicResponseBody](p, protocol.ReqPurgeTopic, &queue)
	require.Equal(t, []protocol.PurgedQueue{{QueueID: 1, MinOffset: 0, MaxOffset: 5}}, purged.Queues)

	answer, header, _ := p.pull(pullHeader("g", "t", 1, 2))
	require.EqualValues(t, protocol.RespPullOffsetMoved, answer.Code)
	require.EqualValues(t, 5, header.NextBeginOffset)
	require.EqualValues(t, 5, header.MinOffset)
	var low protocol.GetMinOffsetResponse
	p.ok(protocol.ReqGetMinOffset, &protocol.GetMinOffsetRequest{Topic: "t", QueueID: 1}, &low, nil)
	require.EqualValues(t, 5, low.Offset)
	var earliest protocol.GetEarliestMsgStoreTimeResponse
	p.ok(protocol.ReqGetEarliestMsgStoreTime, &protocol.GetEarliestMsgStoreTimeRequest{Topic: "t", QueueID: 1}, &earliest, nil)
	require.EqualValues(t, -1, earliest.Timestamp)
	answer = p.call(protocol.ReqQueryMessage, &protocol.QueryMessageRequest{Topic: "t", Key: "k", MaxNum: 32, EndTimestamp: 1 << 60}, nil)
	require.EqualValues(t, protocol.RespQueryNotFound, answer.Code)
	answer = p.call(protocol.ReqViewMessageByID, &protocol.ViewMessageRequest{Offset: 0}, nil)
	require.EqualValues(t, protocol.RespSystemError, answer.Code)
	stats := body[protocol.ConsumeStats](p, protocol.ReqGetConsumeStats, &protocol.GetConsumeStatsRequest{ConsumerGroup: "g", Topic: "t"})
	for q, w := range stats.OffsetTable {
		if q.QueueID == 1 {
			require.EqualValues(t, 0, w.BrokerOffset-w.ConsumerOffset, "nothing is left to consume")
		}
	}
	require.Zero(t, sent.QueueOffset)
	_, _, got = p.pull(pullHeader("g", "t", 2, 0))
	require.Equal(t, []string{"other queue"}, bodies(got))

	require.EqualValues(t, 5, p.send("t", 1, "new").QueueOffset)
	_, _, got = p.pull(pullHeader("g", "t", 1, 5))
	require.Equal(t, []string{"new"}, bodies(got))

	queue.QueueID = protocol.Some(int32(4))
	require.EqualValues(t, protocol.RespInvalidParameter, p.call(protocol.ReqPurgeTopic, &queue, nil).Code)
	require.EqualValues(t, protocol.RespTopicNotExist, p.call(protocol.ReqPurgeTopic, &protocol.PurgeTopicRequest{Topic: "nobody"}, nil).Code)
	require.EqualValues(t, protocol.RespInvalidParameter, p.call(protocol.ReqPurgeTopic, &protocol.PurgeTopicRequest{Topic: "SCHEDULE_TOPIC_XXXX"}, nil).Code)
}

func TestReserveTimeMovesTheMinOffset(t *testing.T) {
	var skew atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	r := runOn(t, vfs.OS, now, func(c *config.Broker) { c.CleanResourceInterval = time.Millisecond })
	p := r.dial(t)
	create := &protocol.CreateTopicRequest{Topic: "t", DefaultTopic: "TBW102", ReadQueueNums: 1, WriteQueueNums: 1, Perm: 6, TopicFilterType: "SINGLE_TAG", Attributes: "+reserve.time=2"}
	p.ok(protocol.ReqUpdateAndCreateTopic, create, nil, nil)
	p.send("t", 0, "old")
	skew.Store(int64(90 * time.Minute))
	p.send("t", 0, "young")
	_, _, got := p.pull(pullHeader("g", "t", 0, 0))
	require.Equal(t, []string{"old", "young"}, bodies(got))
	skew.Store(int64(2*time.Hour + time.Second))
	eventually(t, "the old message is not shown", func() bool { return r.store.MinOffset("t", 0) == 1 })
	answer, header, _ := p.pull(pullHeader("g", "t", 0, 0))
	require.EqualValues(t, protocol.RespPullOffsetMoved, answer.Code)
	require.EqualValues(t, 1, header.NextBeginOffset)
	_, _, got = p.pull(pullHeader("g", "t", 0, 1))
	require.Equal(t, []string{"young"}, bodies(got))
}
