package broker

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/broker/delay"
	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/broker/timer"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/vfs"
)

// versionDesc is how Java calls protocol.Version.
const versionDesc = "V5_5_0"

// runtimeInfo serves GET_BROKER_RUNTIME_INFO with all keys of a Java broker
// (admin.md 3.3).
func (b *Broker) runtimeInfo(_ context.Context, c *remoting.Call) error {
	table := make(map[string]string, 80)
	b.clockInfo(table)
	b.trafficInfo(table)
	b.storeInfo(table)
	b.poolInfo(table)
	for level, offset := range b.delay.Offsets() {
		table["scheduleMessageOffset_"+strconv.Itoa(int(level))] = fmt.Sprintf("%d,%d", offset, b.store.MaxOffset(delay.Topic, level-1))
	}
	return replyJSON(c, &protocol.KVTable{Table: table})
}

func integer(n int64) string { return strconv.FormatInt(n, 10) }

// decimal writes a number as Java writes a double.
func decimal(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e7 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (b *Broker) clockInfo(t map[string]string) {
	up := b.now().Sub(b.life.started)
	t["bootTimestamp"] = integer(b.life.started.UnixMilli())
	t["runtime"] = fmt.Sprintf("[ %d days, %d hours, %d minutes, %d seconds ]",
		int64(up/(24*time.Hour)), int64(up/time.Hour)%24, int64(up/time.Minute)%60, int64(up/time.Second)%60)
	t["brokerVersionDesc"] = versionDesc
	t["brokerActive"] = "true"
	t["startAcceptSendRequestTimeStamp"] = integer(b.config().StartAcceptSendRequest)
}

func (b *Broker) trafficInfo(t map[string]string) {
	totals, rates, times, nights := b.stats.Totals(), b.stats.Rates(), b.stats.PutTimes(), b.stats.Midnights()
	for key, rate := range map[string]stats.Rate{
		"putTps": rates.Put, "getFoundTps": rates.GetFound, "getMissTps": rates.GetMiss,
		"getTotalTps": rates.GetTotal, "getTransferredTps": rates.Transfer,
	} {
		t[key] = rate.String()
	}
	put := max(totals.Put.Load(), 1) // Java divides by it
	t["putMessageTimesTotal"] = integer(put)
	t["putMessageSizeTotal"] = integer(totals.PutBytes.Load())
	t["putMessageAverageSize"] = decimal(float64(totals.PutBytes.Load()) / float64(put))
	t["putMessageFailedTimes"] = integer(totals.PutFailed.Load())
	t["putMessageEntireTimeMax"] = integer(totals.PutTimeMax.Load())
	t["getMessageEntireTimeMax"] = integer(totals.GetTimeMax.Load())
	t["putMessageDistributeTime"] = times.Distribution
	t["putLatency99"] = fmt.Sprintf("%.2f", millis(times.P99))
	t["putLatency999"] = fmt.Sprintf("%.2f", millis(times.P999))
	t["msgPutTotalYesterdayMorning"] = integer(nights.PutYesterday)
	t["msgPutTotalTodayMorning"] = integer(nights.PutToday)
	t["msgPutTotalTodayNow"] = integer(totals.Put.Load())
	t["msgGetTotalYesterdayMorning"] = integer(nights.GetYesterday)
	t["msgGetTotalTodayMorning"] = integer(nights.GetToday)
	t["msgGetTotalTodayNow"] = integer(totals.Transfer.Load())
}

func (b *Broker) storeInfo(t map[string]string) {
	s := b.store.Stats()
	first := s.LogMin
	if s.LogMax == s.LogMin {
		first = -1
	}
	t["commitLogMinOffset"], t["commitLogMaxOffset"] = integer(first), integer(s.LogMax)
	ratio := decimal(math.Ceil(s.Disk.Ratio()*100) / 100) // whole percent, as in Java
	t["commitLogDiskRatio"], t["consumeQueueDiskRatio"] = ratio, ratio
	for _, dir := range b.config().CommitLogDirs() {
		t["commitLogDiskRatio_"+dir] = ratio
	}
	t["commitLogDirCapacity"] = fmt.Sprintf("Total : %s, Free : %s.", vfs.Bytes(s.Disk.Total()), vfs.Bytes(s.Disk.Free))
	t["dispatchMaxBuffer"], t["dispatchBehindBytes"] = "0", "0" // queues are filled with the log
	t["pageCacheLockTimeMills"] = "0"
	t["aerobeeStoreState"] = "writable" // not a key of Java
	if err := b.store.Writable(); err != nil {
		t["aerobeeStoreState"] = err.Error()
	}
	t["earliestMessageTimeStamp"] = integer(b.store.EarliestStoreTime())
	t["remainTransientStoreBufferNumbs"] = integer(math.MaxInt32) // as Java without a pool
	t["remainHowManyDataToFlush"] = vfs.Bytes(s.LogMax - s.LogFlushed)
	var ts timer.Stats
	if b.timer != nil {
		ts = b.timer.Stats()
	}
	t["timerReadBehind"], t["timerOffsetBehind"] = integer(int64(ts.Behind.Seconds())), integer(ts.Unindexed)
	t["timerCongestNum"] = integer(ts.Pending)
	t["timerEnqueueTps"], t["timerDequeueTps"] = decimal(ts.InRate), decimal(ts.OutRate)
}

// pools are Java's thread pools: their keys, and the setting of their capacity.
// There are none here, so nothing waits in them.
var pools = []struct{ size, capacity, wait, setting string }{
	{"sendThreadPoolQueueSize", "sendThreadPoolQueueCapacity", "sendThreadPoolQueueHeadWaitTimeMills", "sendThreadPoolQueueCapacity"},
	{"pullThreadPoolQueueSize", "pullThreadPoolQueueCapacity", "pullThreadPoolQueueHeadWaitTimeMills", "pullThreadPoolQueueCapacity"},
	{"litePullThreadPoolQueueSize", "litePullThreadPoolQueueCapacity", "litePullThreadPoolQueueHeadWaitTimeMills", "litePullThreadPoolQueueCapacity"},
	{"queryThreadPoolQueueSize", "queryThreadPoolQueueCapacity", "queryThreadPoolQueueHeadWaitTimeMills", "queryThreadPoolQueueCapacity"},
	{"ackThreadPoolQueueSize", "ackThreadPoolQueueCapacity", "ackThreadPoolQueueHeadWaitTimeMills", "ackThreadPoolQueueCapacity"},
	{"EndTransactionQueueSize", "EndTransactionThreadPoolQueueCapacity", "", "endTransactionPoolQueueCapacity"},
}

func (b *Broker) poolInfo(t map[string]string) {
	cfg := b.config()
	for _, p := range pools {
		t[p.size] = "0"
		if p.wait != "" {
			t[p.wait] = "0"
		}
		t[p.capacity], _ = cfg.Value(p.setting)
	}
}

// viewStats serves VIEW_BROKER_STATS_DATA.
func (b *Broker) viewStats(c *remoting.Call) error {
	h, err := bind[protocol.ViewBrokerStatsDataRequest](c)
	if err != nil {
		return err
	}
	w, ok := b.stats.Lookup(h.StatsName, h.StatsKey)
	if !ok {
		return protocol.Errorf(protocol.RespSystemError, "The stats <%s> <%s> not exist", h.StatsName, h.StatsKey)
	}
	item := func(w stats.Window) *protocol.BrokerStatsItem {
		return &protocol.BrokerStatsItem{Sum: w.Sum, TPS: w.TPS, AvgPT: w.Avg}
	}
	return replyJSON(c, &protocol.BrokerStatsData{StatsMinute: item(w.Minute), StatsHour: item(w.Hour), StatsDay: item(w.Day)})
}

// haStatus serves GET_BROKER_HA_STATUS as a master without slaves.
func (b *Broker) haStatus(c *remoting.Call) error {
	return replyJSON(c, &protocol.HARuntimeInfo{Master: true, MasterCommitLogMaxOffset: b.store.LogMax()})
}
