package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/client/admin"
)

func topicVerbs() []verb {
	return []verb{
		{
			name: "topicList", short: "List topics",
			flags: []flag{toggle("c", "clusterModel", "with cluster and consumer groups")},
			run:   topicList,
		},
		{
			name: "topicRoute", short: "Show which brokers have a topic",
			flags: []flag{must(topic()), toggle("l", "list", "a line for each broker with its cluster")},
			run:   topicRoute,
		},
		{
			name: "topicStatus", short: "Show the offsets of a topic's queues",
			flags: []flag{must(topic()), routedBy()},
			run:   topicStatus,
		},
		{
			name: "topicClusterList", short: "List the clusters of a topic",
			flags: []flag{must(topic())},
			run:   topicClusterList,
		},
		{
			name: "updateTopic", short: "Create or change a topic",
			flags: []flag{
				must(topic()), onBroker(), onCluster(),
				number("r", "readQueueNums", "8", "queues for reading"),
				number("w", "writeQueueNums", "8", "queues for writing"),
				number("p", "perm", "6", "2 write, 4 read, 6 both"),
				boolean("o", "order", "false", "an ordered topic: its queues are fixed at the nameservers"),
				boolean("u", "unit", "false", "a unit topic"),
				boolean("s", "hasUnitSub", "false", "a topic with unit subscriptions"),
				text("a", "attributes", "changes of attributes: +key=value,-key"),
			},
			either: []string{"brokerAddr", "clusterName"},
			run:    updateTopic,
		},
		{
			name: "updateTopicPerm", short: "Change the permission of a topic",
			flags: []flag{
				must(topic()), onBroker(), onCluster(),
				must(number("p", "perm", "", "2 write, 4 read, 6 both")),
			},
			either: []string{"brokerAddr", "clusterName"},
			run:    updateTopicPerm,
		},
		{
			name: "deleteTopic", short: "Delete a topic from the brokers of a cluster and from the nameservers",
			flags: []flag{must(topic()), must(onCluster())},
			run:   deleteTopic,
		},
		{
			name: "purgeTopic", short: "Drop the messages that a topic's queues hold (only aerobee's brokers can)",
			flags: []flag{
				must(topic()), onBroker(), onCluster(),
				number("q", "queueId", "-1", "the queue; -1: all queues"),
			},
			either: []string{"brokerAddr", "clusterName"},
			run:    purgeTopic,
		},
		{
			name: "updateOrderConf", short: "Show, set or delete the order configuration of a topic",
			flags: []flag{
				must(topic()), must(text("m", "method", "get, put or delete")),
				text("v", "orderConf", "for put: brokerName:queues;brokerName:queues"),
			},
			run: updateOrderConf,
		},
	}
}

func topic() flag { return text("t", "topic", "topic name") }

func topicList(ctx context.Context, c *admin.Client, in input) (report, error) {
	if !in.on("clusterModel") {
		topics, err := c.Topics(ctx)
		if err != nil {
			return report{}, err
		}
		return report{data: topics, notes: topics}, nil
	}
	uses, err := c.TopicUses(ctx)
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"cluster", "topic", "group"}}
	r := report{data: uses}
	for _, u := range uses {
		if u.Err != "" {
			r.notes = append(r.notes, u.Topic+": "+u.Err)
		}
		for _, group := range u.Groups {
			v.add(u.Cluster, u.Topic, group)
		}
		if len(u.Groups) == 0 {
			v.add(u.Cluster, u.Topic, "")
		}
	}
	r.tables = []view{v}
	return r, nil
}

func topicRoute(ctx context.Context, c *admin.Client, in input) (report, error) {
	route, err := c.TopicRoute(ctx, in.text("topic"))
	if err != nil {
		return report{}, err
	}
	queues := view{header: []any{"broker", "read queues", "write queues", "perm", "flags"}}
	for _, q := range route.Queues {
		queues.add(q.Broker, q.ReadQueues, q.WriteQueues, fmt.Sprintf("%d %s", q.Perm, permText(q.Perm)), q.SysFlag)
	}
	brokers := view{header: []any{"cluster", "broker", "id", "addr"}}
	for _, b := range route.Brokers {
		for _, id := range sortedIDs(b.Addrs) {
			brokers.add(b.Cluster, b.Name, id, b.Addrs[id])
		}
	}
	r := report{data: route, tables: []view{queues, brokers}}
	if in.on("list") {
		r.tables = []view{routeLines(route)}
	}
	if route.OrderConf != "" {
		r.notes = []string{"", "order configuration: " + route.OrderConf}
	}
	return r, nil
}

// routeLines joins queues and brokers of a route, with the total number of queues.
func routeLines(route admin.Route) view {
	v := view{header: []any{"cluster", "broker", "addrs", "read queues", "write queues", "perm"}}
	var read, write int32
	for _, q := range route.Queues {
		cluster, addrs := "", []string{}
		for _, b := range route.Brokers {
			if b.Name == q.Broker {
				cluster = b.Cluster
				for _, id := range sortedIDs(b.Addrs) {
					addrs = append(addrs, fmt.Sprintf("%d=%s", id, b.Addrs[id]))
				}
			}
		}
		v.add(cluster, q.Broker, strings.Join(addrs, " "), q.ReadQueues, q.WriteQueues, permText(q.Perm))
		read, write = read+q.ReadQueues, write+q.WriteQueues
	}
	v.add("total", "", "", read, write, "")
	return v
}

func sortedIDs(addrs map[int64]string) []int64 {
	ids := make([]int64, 0, len(addrs))
	for id := range addrs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// permText shows permission bits as letters: read, write, inherit.
func permText(perm int32) string {
	s := []byte("---")
	for i, bit := range []int32{4, 2, 1} {
		if perm&bit != 0 {
			s[i] = "RWX"[i]
		}
	}
	return string(s)
}

func topicStatus(ctx context.Context, c *admin.Client, in input) (report, error) {
	status, err := c.TopicStatus(ctx, in.text("topic"), in.text("cluster"))
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"broker", "queue", "min offset", "max offset", "last updated"}}
	for _, q := range status.Queues {
		v.add(q.Broker, q.ID, q.Min, q.Max, q.LastUpdate)
	}
	return report{data: status, tables: []view{v}, notes: []string{"", fmt.Sprintf("put TPS: %.2f", status.PutTPS)}}, nil
}

func topicClusterList(ctx context.Context, c *admin.Client, in input) (report, error) {
	clusters, err := c.TopicClusters(ctx, in.text("topic"))
	if err != nil {
		return report{}, err
	}
	return report{data: clusters, notes: clusters}, nil
}

func updateTopic(ctx context.Context, c *admin.Client, in input) (report, error) {
	config := admin.TopicConfig{
		Topic: in.text("topic"), ReadQueues: int32(in.number("readQueueNums")), WriteQueues: int32(in.number("writeQueueNums")),
		Perm: int32(in.number("perm")), Order: in.on("order"), Unit: in.on("unit"), HasUnitSub: in.on("hasUnitSub"),
		Attributes: in.text("attributes"),
	}
	done, err := c.UpdateTopic(ctx, target(in), config)
	return doneReport(fmt.Sprintf("topic %s: %d read and %d write queues, perm %s", config.Topic, config.ReadQueues, config.WriteQueues, permText(config.Perm)), done), err
}

// changed is the data of a verb that changes something at several servers.
type changed struct {
	What string   `json:"what"`
	At   []string `json:"at"`
}

func doneReport(what string, at []string) report {
	if len(at) == 0 {
		return report{}
	}
	r := report{data: changed{What: what, At: at}}
	for _, addr := range at {
		r.notes = append(r.notes, addr+": "+what)
	}
	return r
}

func updateTopicPerm(ctx context.Context, c *admin.Client, in input) (report, error) {
	changes, err := c.UpdateTopicPerm(ctx, target(in), in.text("topic"), int32(in.number("perm")))
	r := report{}
	for _, change := range changes {
		r.data = changes
		r.notes = append(r.notes, fmt.Sprintf("%s: topic %s: perm %s, was %s", change.Addr, in.text("topic"), permText(change.To), permText(change.From)))
	}
	return r, err
}

func deleteTopic(ctx context.Context, c *admin.Client, in input) (report, error) {
	cluster := in.text("clusterName")
	if err := c.DeleteTopic(ctx, in.text("topic"), cluster); err != nil {
		return report{}, err
	}
	return doneReport("topic "+in.text("topic")+" deleted", []string{cluster}), nil
}

func purgeTopic(ctx context.Context, c *admin.Client, in input) (report, error) {
	purged, err := c.PurgeTopic(ctx, target(in), in.text("topic"), int32(in.number("queueId")))
	if err != nil && len(purged) == 0 {
		return report{}, err
	}
	v := view{header: []any{"broker", "queue", "was from", "begins at"}}
	for _, q := range purged {
		v.add(q.Addr, q.ID, q.Min, q.Max)
	}
	return report{data: purged, tables: []view{v}}, err
}

func updateOrderConf(ctx context.Context, c *admin.Client, in input) (report, error) {
	name, conf := in.text("topic"), in.text("orderConf")
	var err error
	switch in.text("method") {
	case "get":
		conf, err = c.OrderConf(ctx, name)
	case "put":
		if conf == "" {
			return report{}, usagef("-m put needs -v (--orderConf), for example broker-a:4;broker-b:4")
		}
		err = c.PutOrderConf(ctx, name, conf)
	case "delete":
		conf, err = "", c.DeleteOrderConf(ctx, name)
	default:
		return report{}, usagef("-m (--method) is %q, must be get, put or delete", in.text("method"))
	}
	if err != nil {
		return report{}, err
	}
	data := struct {
		Topic     string `json:"topic"`
		OrderConf string `json:"orderConf"`
	}{name, conf}
	return report{data: data, notes: []string{fmt.Sprintf("topic %s: order configuration %q", name, conf)}}, nil
}
