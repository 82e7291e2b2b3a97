package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client/admin"
)

func groupVerbs() []verb {
	return []verb{
		{
			name: "updateSubGroup", short: "Create or change a consumer group",
			flags: []flag{
				must(groupName()), onBroker(), onCluster(),
				boolean("s", "consumeEnable", "true", "the group may consume"),
				boolean("m", "consumeFromMinEnable", "false", "the group may consume from the oldest message"),
				boolean("d", "consumeBroadcastEnable", "false", "the group may broadcast"),
				boolean("o", "consumeMessageOrderly", "false", "the group consumes in order"),
				number("q", "retryQueueNums", "1", "queues of the retry topic"),
				number("r", "retryMaxTimes", "16", "deliveries before the dead letter queue"),
				text("p", "groupRetryPolicy", `delays, for example {"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":5000,"max":7200000,"multiplier":2}}`),
				number("i", "brokerId", "0", "replica that serves the group"),
				number("w", "whichBrokerWhenConsumeSlowly", "1", "replica that serves the group when it is far behind"),
				boolean("a", "notifyConsumerIdsChanged", "true", "tell members when others come or go"),
				text("", "attributes", "changes of attributes: +key=value,-key"),
			},
			either: []string{"brokerAddr", "clusterName"},
			run:    updateSubGroup,
		},
		{
			name: "deleteSubGroup", short: "Delete a consumer group",
			flags: []flag{
				must(groupName()), onBroker(), onCluster(),
				boolean("r", "removeOffset", "false", "with its offsets"),
			},
			either: []string{"brokerAddr", "clusterName"},
			run:    deleteSubGroup,
		},
		{
			name: "setConsumeMode", short: "Set whether a group pulls or pops a topic, for clients that leave the division of queues to the brokers",
			flags: []flag{
				onBroker(), onCluster(), must(text("t", "topicName", "topic name")), must(groupName()), must(text("m", "mode", "PULL or POP")),
				number("q", "popShareQueueNum", "0", "with how many clients one that pops shares its queues; 0: everybody pops everything"),
			},
			either: []string{"brokerAddr", "clusterName"},
			run:    setConsumeMode,
		},
		{
			name: "getConsumerConfig", short: "Show how brokers have a consumer group",
			flags: []flag{must(groupName())},
			run:   getConsumerConfig,
		},
		{
			name: "consumerProgress", short: "Show how far a group is, or a summary of all groups",
			flags: []flag{
				groupName(), text("t", "topicName", "only this topic"),
				boolean("s", "showClientIP", "false", "which client reads which queue"), routedBy(),
			},
			run: consumerProgress,
		},
		{
			name: "consumerConnection", short: "Show the members of a consumer group and their subscriptions",
			flags: []flag{must(text("g", "consumerGroup", "consumer group")), onBroker()},
			run:   consumerConnection,
		},
		{
			name: "producerConnection", short: "Show the members of a producer group",
			flags: []flag{must(text("g", "producerGroup", "producer group")), must(topic())},
			run:   producerConnection,
		},
		{
			name: "consumerStatus", short: "Show what the members of a group say about themselves",
			flags: []flag{
				must(text("g", "consumerGroup", "consumer group")), text("i", "clientId", "only this member"), onBroker(),
				toggle("s", "jstack", "with the stacks of the member's threads"),
			},
			run: consumerStatus,
		},
	}
}

func groupName() flag { return text("g", "groupName", "consumer group") }

func updateSubGroup(ctx context.Context, c *admin.Client, in input) (report, error) {
	config := admin.NewGroupConfig(in.text("groupName"))
	config.ConsumeEnable, config.FromMin = in.on("consumeEnable"), in.on("consumeFromMinEnable")
	config.Broadcast, config.Orderly = in.on("consumeBroadcastEnable"), in.on("consumeMessageOrderly")
	config.RetryQueues, config.RetryMaxTimes = int32(in.number("retryQueueNums")), int32(in.number("retryMaxTimes"))
	config.BrokerID, config.SlowBrokerID = in.number("brokerId"), in.number("whichBrokerWhenConsumeSlowly")
	config.NotifyIDsChanged = in.on("notifyConsumerIdsChanged")
	config.RetryPolicy, config.Attributes = in.text("groupRetryPolicy"), in.text("attributes")
	done, err := c.UpdateGroup(ctx, target(in), config)
	return doneReport("group "+config.Group+" is set", done), err
}

func setConsumeMode(ctx context.Context, c *admin.Client, in input) (report, error) {
	mode := admin.ConsumeMode{Topic: in.text("topicName"), Group: in.text("groupName"), PopShare: int32(in.number("popShareQueueNum"))}
	switch in.text("mode") {
	case "PULL":
	case "POP":
		mode.Pop = true
	default:
		return report{}, usagef("-m (--mode) %q, want PULL or POP", in.text("mode"))
	}
	done, err := c.SetConsumeMode(ctx, target(in), mode)
	return doneReport(fmt.Sprintf("group %s reads topic %s by %s", mode.Group, mode.Topic, in.text("mode")), done), err
}

func deleteSubGroup(ctx context.Context, c *admin.Client, in input) (report, error) {
	done, err := c.DeleteGroup(ctx, target(in), in.text("groupName"), in.on("removeOffset"))
	return doneReport("group "+in.text("groupName")+" deleted", done), err
}

func getConsumerConfig(ctx context.Context, c *admin.Client, in input) (report, error) {
	found, err := c.GroupConfigs(ctx, in.text("groupName"))
	if err != nil {
		return report{}, err
	}
	if len(found) == 0 {
		return report{}, fmt.Errorf("no broker has group %s", in.text("groupName"))
	}
	r := report{data: found}
	for _, at := range found {
		r.tables = append(r.tables, fields(at.Cluster+" "+at.Broker, at.Config))
	}
	return r, nil
}

// fields lists a struct by the names its fields have in JSON.
func fields(title string, v any) view {
	table := view{title: title, header: []any{"field", "value"}}
	rv := reflect.ValueOf(v)
	for i := range rv.NumField() {
		name, _, _ := strings.Cut(rv.Type().Field(i).Tag.Get("json"), ",")
		f := rv.Field(i)
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				table.add(name, "")
				continue
			}
			f = f.Elem()
		}
		table.add(name, fmt.Sprintf("%+v", f.Interface()))
	}
	return table
}

func consumerProgress(ctx context.Context, c *admin.Client, in input) (report, error) {
	if !in.given("groupName") {
		return groupSummaries(ctx, c)
	}
	p, err := c.GroupProgress(ctx, admin.ProgressQuery{
		Group: in.text("groupName"), Topic: in.text("topicName"), Cluster: in.text("cluster"), Clients: in.on("showClientIP"),
	})
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"topic", "broker", "queue", "broker offset", "consumer offset", "diff", "inflight", "last time"}}
	if in.on("showClientIP") {
		v.header = append(v.header, "client")
	}
	for _, q := range p.Queues {
		row := []any{q.Topic, q.Broker, q.ID, q.BrokerOffset, q.ConsumerOffset, q.Lag(), q.Inflight(), q.LastConsumed}
		if in.on("showClientIP") {
			row = append(row, q.ClientID)
		}
		v.add(row...)
	}
	return report{data: p, tables: []view{v}, notes: []string{
		"", fmt.Sprintf("consume TPS: %.2f", p.TPS), fmt.Sprintf("diff total: %d", p.Lag), fmt.Sprintf("inflight total: %d", p.Inflight),
	}}, nil
}

func groupSummaries(ctx context.Context, c *admin.Client) (report, error) {
	list, err := c.Groups(ctx)
	if err != nil {
		return report{}, err
	}
	v := view{header: []any{"group", "count", "version", "type", "model", "TPS", "diff total"}}
	r := report{data: list}
	for _, g := range list {
		v.add(g.Group, g.Members, g.Version, g.Type, g.Model, g.TPS, g.Lag)
		if g.Err != "" {
			r.notes = append(r.notes, g.Group+": "+g.Err)
		}
	}
	r.tables = []view{v}
	return r, nil
}

func connectionView(list []admin.Connection) view {
	v := view{header: []any{"client id", "addr", "language", "version"}}
	for _, conn := range list {
		v.add(conn.ClientID, conn.Addr, conn.Language, conn.Version)
	}
	return v
}

func consumerConnection(ctx context.Context, c *admin.Client, in input) (report, error) {
	consumers, err := c.ConsumerConnections(ctx, in.text("consumerGroup"), in.text("brokerAddr"))
	if err != nil {
		return report{}, err
	}
	subs := view{header: []any{"topic", "expression", "type", "since"}}
	for _, s := range consumers.Subscriptions {
		subs.add(s.Topic, s.Expression, s.Type, s.Version)
	}
	notes := []string{
		"", "consume type: " + consumers.ConsumeType, "message model: " + consumers.MessageModel, "consume from: " + consumers.FromWhere,
	}
	for _, m := range consumers.Mismatch {
		notes = append(notes, "members differ: "+m)
	}
	return report{data: consumers, tables: []view{connectionView(consumers.Connections), subs}, notes: notes}, nil
}

func producerConnection(ctx context.Context, c *admin.Client, in input) (report, error) {
	list, err := c.ProducerConnections(ctx, in.text("producerGroup"), in.text("topic"))
	if err != nil {
		return report{}, err
	}
	return report{data: list, tables: []view{connectionView(list)}}, nil
}

func consumerStatus(ctx context.Context, c *admin.Client, in input) (report, error) {
	state, err := c.ConsumerStatus(ctx, in.text("consumerGroup"), in.text("clientId"), in.text("brokerAddr"), in.on("jstack"))
	if err != nil {
		return report{}, err
	}
	r := report{data: state}
	for _, m := range state.Members {
		if m.Err != "" {
			r.notes = append(r.notes, m.ClientID+": "+m.Err)
			continue
		}
		r.tables = append(r.tables, sortedTable(m.ClientID+" "+m.Version, m.Info.Properties), subscriptionsOf(m), queuesOf(m), ratesOf(m))
		if m.Info.Jstack != "" {
			r.notes = append(r.notes, "", m.ClientID, m.Info.Jstack)
		}
	}
	if !state.SameSubscription {
		r.notes = append(r.notes, "", "WARNING: the members have different subscriptions, so the group loses messages")
	}
	return r, nil
}

func subscriptionsOf(m admin.ConsumerState) view {
	v := view{header: []any{"subscribed topic", "expression", "type"}}
	for _, s := range m.Info.SubscriptionSet {
		v.add(s.Topic, s.SubString, s.ExpressionType)
	}
	return v
}

func queuesOf(m admin.ConsumerState) view {
	v := view{header: []any{"topic", "broker", "queue", "offset", "cached", "cached MiB", "locked", "last pull", "last consume"}}
	for q, info := range m.Info.MQTable {
		v.add(q.Topic, q.BrokerName, q.QueueID, info.CommitOffset, info.CachedMsgCount, info.CachedMsgSizeInMiB, info.Locked,
			time.UnixMilli(info.LastPullTimestamp), time.UnixMilli(info.LastConsumeTimestamp))
	}
	return v.sorted()
}

func ratesOf(m admin.ConsumerState) view {
	v := view{header: []any{"topic", "pull ms", "pull/s", "consume ms", "ok/s", "failed/s", "failed in an hour"}}
	for topic, s := range m.Info.StatusTable {
		v.add(topic, s.PullRT, s.PullTPS, s.ConsumeRT, s.ConsumeOKTPS, s.ConsumeFailedTPS, s.ConsumeFailedMsgs)
	}
	return v.sorted()
}
