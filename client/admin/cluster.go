package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Broker is one broker process as the nameservers know it.
type Broker struct {
	Cluster string `json:"cluster"`
	Name    string `json:"broker"` // shared by a master and its replicas
	ID      int64  `json:"brokerId"`
	Addr    string `json:"addr"`
}

// Master tells whether the broker takes messages.
func (b Broker) Master() bool { return b.ID == cluster.MasterID }

// Brokers lists all brokers of all clusters.
func (c *Client) Brokers(ctx context.Context) ([]Broker, error) {
	info, err := askNamesrv[protocol.ClusterInfo](ctx, c, cluster.Request{Code: protocol.ReqGetBrokerClusterInfo})
	if err != nil {
		return nil, fmt.Errorf("cluster information: %w", err)
	}
	var brokers []Broker
	for name, names := range info.ClusterAddrTable {
		for _, b := range names {
			for id, addr := range info.BrokerAddrTable[b].BrokerAddrs {
				brokers = append(brokers, Broker{Cluster: name, Name: b, ID: id, Addr: addr})
			}
		}
	}
	slices.SortFunc(brokers, func(a, b Broker) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return brokers, nil
}

// ErrNoCluster means that no nameserver knows a cluster of that name.
var ErrNoCluster = errors.New("no such cluster")

// ClusterBrokers lists the brokers of one cluster.
func (c *Client) ClusterBrokers(ctx context.Context, name string) ([]Broker, error) {
	all, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	var brokers []Broker
	var known []string
	for _, b := range all {
		if b.Cluster == name {
			brokers = append(brokers, b)
		}
		if !slices.Contains(known, b.Cluster) {
			known = append(known, b.Cluster)
		}
	}
	if len(brokers) == 0 {
		return nil, fmt.Errorf("cluster %s: %w; the nameserver knows: %s", name, ErrNoCluster, strings.Join(known, ", "))
	}
	return brokers, nil
}

// Target says which brokers a verb is for: one by its address, or the masters of
// a cluster, or all brokers of a cluster.
type Target struct {
	Broker   string // host:port; wins over Cluster
	Cluster  string
	Replicas bool // of a cluster, the replicas too
}

// ErrNoTarget means that neither a broker nor a cluster was named.
var ErrNoTarget = errors.New("neither a broker address nor a cluster is given")

// Resolve lists the addresses of a target. It fails if there is none.
func (c *Client) Resolve(ctx context.Context, t Target) ([]string, error) {
	if t.Broker != "" {
		return []string{t.Broker}, nil
	}
	if t.Cluster == "" {
		return nil, ErrNoTarget
	}
	brokers, err := c.ClusterBrokers(ctx, t.Cluster)
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, b := range brokers {
		if b.Master() || t.Replicas {
			addrs = append(addrs, b.Addr)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("cluster %s: no broker has a master", t.Cluster)
	}
	return addrs, nil
}

// onEach calls f for every broker of a target and returns where it had success.
// Failures do not stop it; they are joined.
func (c *Client) onEach(ctx context.Context, t Target, f func(addr string) error) (done []string, err error) {
	addrs, err := c.Resolve(ctx, t)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, addr := range addrs {
		if err := f(addr); err != nil {
			errs = append(errs, err)
			continue
		}
		done = append(done, addr)
	}
	return done, cluster.Join(errs...)
}

// BrokerRuntime returns what a broker says about itself, by Java's key names.
func (c *Client) BrokerRuntime(ctx context.Context, addr string) (map[string]string, error) {
	table, err := ask[protocol.KVTable](ctx, c, addr, cluster.Request{Code: protocol.ReqGetBrokerRuntimeInfo})
	if err != nil {
		return nil, fmt.Errorf("runtime information: %w", err)
	}
	return table.Table, nil
}

// BrokerStatus is the state of one broker in a few numbers. Err says why the
// rest is missing.
type BrokerStatus struct {
	Broker
	Version     string        `json:"version"`
	Active      bool          `json:"active"`
	InTPS       float64       `json:"inTps"`  // messages stored a second, over 10 s
	OutTPS      float64       `json:"outTps"` // messages delivered a second, over 10 s
	SendQueue   RequestQueue  `json:"sendQueue"`
	PullQueue   RequestQueue  `json:"pullQueue"`
	AckQueue    RequestQueue  `json:"ackQueue"`
	Timer       TimerProgress `json:"timer"`
	LockMillis  int64         `json:"pageCacheLockMillis"`
	OldestHours float64       `json:"oldestMessageHours"`
	DiskRatio   float64       `json:"commitLogDiskRatio"` // of 1
	Totals      MessageTotals `json:"totals"`
	Err         string        `json:"error,omitempty"`
}

// RequestQueue is what waits to be served.
type RequestQueue struct {
	Size       int64 `json:"size"`
	WaitMillis int64 `json:"headWaitMillis"` // of the oldest
}

// TimerProgress is how far the timer of delayed messages is behind.
type TimerProgress struct {
	ReadBehind   int64   `json:"readBehindSeconds"`
	OffsetBehind int64   `json:"offsetBehind"`
	Congested    int64   `json:"congested"` // messages in the timer
	EnqueueTPS   float64 `json:"enqueueTps"`
	DequeueTPS   float64 `json:"dequeueTps"`
}

// MessageTotals are message counts of two days, by the broker's midnight.
type MessageTotals struct {
	InYesterday  int64 `json:"inYesterday"`
	OutYesterday int64 `json:"outYesterday"`
	InToday      int64 `json:"inToday"`
	OutToday     int64 `json:"outToday"`
}

// ClusterStatus asks every broker, of one cluster or of all if name is empty.
// A broker that does not answer is listed with Err.
func (c *Client) ClusterStatus(ctx context.Context, name string) ([]BrokerStatus, error) {
	var brokers []Broker
	var err error
	if name == "" {
		brokers, err = c.Brokers(ctx)
	} else {
		brokers, err = c.ClusterBrokers(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	list := make([]BrokerStatus, len(brokers))
	err = forEach(ctx, brokers, func(ctx context.Context, i int, b Broker) {
		table, err := c.BrokerRuntime(ctx, b.Addr)
		list[i] = statusOf(b, table, time.Now())
		if err != nil {
			list[i].Err = err.Error()
		}
	})
	return list, err
}

// runtimeTable reads numbers out of a runtime table. A key that is missing or
// odd counts as zero: brokers of different versions have different keys.
type runtimeTable map[string]string

func (t runtimeTable) int(key string) int64 {
	n, _ := strconv.ParseInt(t[key], 10, 64)
	return n
}

// float reads the first of possibly several numbers: rates come as averages over
// 10 s, 1 and 10 minutes.
func (t runtimeTable) float(key string) float64 {
	first, _, _ := strings.Cut(strings.TrimSpace(t[key]), " ")
	f, _ := strconv.ParseFloat(first, 64)
	return f
}

func (t runtimeTable) queue(name string) RequestQueue {
	return RequestQueue{Size: t.int(name + "ThreadPoolQueueSize"), WaitMillis: t.int(name + "ThreadPoolQueueHeadWaitTimeMills")}
}

func statusOf(b Broker, table map[string]string, now time.Time) BrokerStatus {
	t := runtimeTable(table)
	s := BrokerStatus{
		Broker: b, Version: t["brokerVersionDesc"], Active: t["brokerActive"] == "true",
		InTPS: t.float("putTps"), OutTPS: t.float("getTransferredTps"),
		SendQueue: t.queue("send"), PullQueue: t.queue("pull"), AckQueue: t.queue("ack"),
		Timer: TimerProgress{
			ReadBehind: t.int("timerReadBehind"), OffsetBehind: t.int("timerOffsetBehind"), Congested: t.int("timerCongestNum"),
			EnqueueTPS: t.float("timerEnqueueTps"), DequeueTPS: t.float("timerDequeueTps"),
		},
		LockMillis: t.int("pageCacheLockTimeMills"), DiskRatio: t.float("commitLogDiskRatio"),
		Totals: MessageTotals{
			InYesterday:  t.int("msgPutTotalTodayMorning") - t.int("msgPutTotalYesterdayMorning"),
			OutYesterday: t.int("msgGetTotalTodayMorning") - t.int("msgGetTotalYesterdayMorning"),
			InToday:      t.int("msgPutTotalTodayNow") - t.int("msgPutTotalTodayMorning"),
			OutToday:     t.int("msgGetTotalTodayNow") - t.int("msgGetTotalTodayMorning"),
		},
	}
	if oldest := t.int("earliestMessageTimeStamp"); oldest > 0 {
		s.OldestHours = now.Sub(time.UnixMilli(oldest)).Hours()
	}
	return s
}
