package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aerobee/aerobee/client/admin"
)

func clusterVerbs() []verb {
	return []verb{
		{
			name: "clusterList", short: "List clusters and brokers with their load",
			flags: []flag{
				toggle("m", "moreStats", "messages of yesterday and today instead of the load"),
				number("i", "interval", "", "repeat every so many seconds"),
				onCluster(),
			},
			run: clusterList,
		},
		{
			name: "brokerStatus", short: "Show everything that brokers say about themselves",
			flags: []flag{onBroker(), onCluster()}, either: []string{"brokerAddr", "clusterName"},
			run: brokerStatus,
		},
		{
			name: "brokerConsumeStats", short: "Show the progress of all groups at a broker",
			flags: []flag{
				must(onBroker()),
				number("t", "timeoutMillis", "", "limit for the request in milliseconds"),
				number("l", "level", "0", "only queues that are at least so many messages behind"),
				boolean("o", "order", "false", "only groups that consume in order"),
			},
			run: brokerConsumeStats,
		},
		{
			name: "statsAll", short: "Show the traffic of topics and groups",
			flags: []flag{
				toggle("a", "activeTopic", "only what had messages within a day"),
				text("t", "topic", "only this topic"),
			},
			run: statsAll,
		},
	}
}

// target reads -b and -c.
func target(in input) admin.Target {
	return admin.Target{Broker: in.text("brokerAddr"), Cluster: in.text("clusterName")}
}

func clusterList(ctx context.Context, c *admin.Client, in input) (report, error) {
	list, err := c.ClusterStatus(ctx, in.text("clusterName"))
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"cluster", "broker", "id", "addr", "version", "in/s (queue)", "out/s (pull|ack)", "timer (progress)", "lock ms", "hours", "space", "active"}}
	if in.on("moreStats") {
		v.header = []any{"cluster", "broker", "id", "in yesterday", "out yesterday", "in today", "out today"}
	}
	r := report{data: list, again: time.Duration(in.number("interval")) * time.Second}
	for _, b := range list {
		if b.Err != "" {
			r.notes = append(r.notes, "no answer: "+b.Err)
		}
		if in.on("moreStats") {
			v.add(b.Cluster, b.Name, b.ID, b.Totals.InYesterday, b.Totals.OutYesterday, b.Totals.InToday, b.Totals.OutToday)
			continue
		}
		v.add(b.Cluster, b.Name, b.ID, b.Addr, b.Version,
			fmt.Sprintf("%.2f (%s)", b.InTPS, queueText(b.SendQueue)),
			fmt.Sprintf("%.2f (%s|%s)", b.OutTPS, queueText(b.PullQueue), queueText(b.AckQueue)),
			fmt.Sprintf("%d-%d (%d, %.1f, %.1f)", b.Timer.ReadBehind, b.Timer.OffsetBehind, b.Timer.Congested, b.Timer.EnqueueTPS, b.Timer.DequeueTPS),
			b.LockMillis, b.OldestHours, fmt.Sprintf("%.4f", b.DiskRatio), b.Active)
	}
	r.tables = []view{v}
	return r, nil
}

func queueText(q admin.RequestQueue) string { return fmt.Sprintf("%d,%dms", q.Size, q.WaitMillis) }

func brokerStatus(ctx context.Context, c *admin.Client, in input) (report, error) {
	addrs, err := c.Resolve(ctx, target(in))
	if err != nil {
		return report{}, err
	}
	type status struct {
		Addr  string            `json:"addr"`
		Table map[string]string `json:"table"`
	}
	var list []status
	r := report{}
	for _, addr := range addrs {
		table, err := c.BrokerRuntime(ctx, addr)
		if err != nil {
			return r, err
		}
		list = append(list, status{addr, table})
		r.data = list
		r.tables = append(r.tables, sortedTable(addr, table))
	}
	return r, nil
}

// sortedTable lists a map by its keys.
func sortedTable(title string, values map[string]string) view {
	v := view{title: title, header: []any{"key", "value"}}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		v.add(key, values[key])
	}
	return v
}

func brokerConsumeStats(ctx context.Context, c *admin.Client, in input) (report, error) {
	if ms := in.number("timeoutMillis"); ms > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
	}
	p, err := c.BrokerProgress(ctx, in.text("brokerAddr"), in.on("order"))
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"topic", "group", "broker", "queue", "broker offset", "consumer offset", "diff", "last time"}}
	for _, g := range p.Groups {
		for _, q := range g.Queues {
			if q.Lag() >= in.number("level") {
				v.add(q.Topic, g.Group, q.Broker, q.ID, q.BrokerOffset, q.ConsumerOffset, q.Lag(), q.LastConsumed)
			}
		}
	}
	return report{data: p, tables: []view{v}, notes: []string{"", fmt.Sprintf("diff total: %d", p.TotalLag)}}, nil
}

func statsAll(ctx context.Context, c *admin.Client, in input) (report, error) {
	list, err := c.Traffic(ctx, in.text("topic"), in.on("activeTopic"))
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"topic", "group", "accumulation", "in/s", "out/s", "in 24 h", "out 24 h"}}
	r := report{data: list}
	for _, t := range list {
		if t.Group == "" {
			v.add(t.Topic, "", 0, t.InTPS, "", t.InDay, "NO_CONSUMER")
		} else {
			v.add(t.Topic, t.Group, t.Lag, t.InTPS, t.OutTPS, t.InDay, t.OutDay)
		}
		if t.Err != "" {
			r.notes = append(r.notes, fmt.Sprintf("%s %s: %s", t.Topic, t.Group, t.Err))
		}
	}
	r.tables = []view{v}
	return r, nil
}
