package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/admin"
)

func messageVerbs() []verb {
	id := must(text("i", "msgId", "message id"))
	member := []flag{text("g", "consumerGroup", "with -d: the group that is to consume the message now"), text("d", "clientId", "with -g: the member that is to consume it")}
	return []verb{
		{
			name: "queryMsgById", short: "Show messages by their offset ids",
			flags: append([]flag{
				must(topic()), must(text("i", "msgId", "offset ids, separated by commas")),
				boolean("s", "sendMessage", "false", "send the messages again instead"),
				text("u", "unitName", "accepted for mqadmin's sake, without effect"),
				text("f", "bodyFormat", "character set of bodies; only UTF-8"), routedBy(),
			}, member...),
			run: queryMsgByID,
		},
		{
			name: "queryMsgByUniqueKey", short: "Show messages by the id that their producer gave them",
			flags: append([]flag{
				must(topic()), id, toggle("a", "showAll", "all messages with the id, not only the first"),
				moment("s", "startTime", "stored since; default 36 h ago"), moment("e", "endTime", "stored before; default 36 h from now"), routedBy(),
			}, member...),
			run: queryMsgByUniqueKey,
		},
		{
			name: "queryMsgByKey", short: "List messages by a key",
			flags: []flag{
				must(topic()), must(text("k", "msgKey", "key")),
				moment("b", "beginTimestamp", "stored since"), moment("e", "endTimestamp", "stored before"),
				number("m", "maxNum", "64", "messages of each broker"),
				text("p", "keyType", "K for keys (default) or T for tags"), text("l", "lastKey", "where the last page ended"), routedBy(),
			},
			run: queryMsgByKey,
		},
		{
			name: "queryMsgByOffset", short: "Show the message at an offset of a queue",
			flags: []flag{
				must(topic()), must(text("b", "brokerName", "broker name")), must(number("i", "queueId", "", "queue number")),
				must(number("o", "offset", "", "offset in the queue")), text("f", "bodyFormat", "character set of the body; only UTF-8"),
				text("r", "routeTopic", "topic whose route leads to the broker"),
			},
			run: queryMsgByOffset,
		},
		{
			name: "printMsg", short: "Print the messages of a topic",
			flags: []flag{
				must(topic()), text("c", "charsetName", "character set of bodies; only UTF-8"),
				text("s", "subExpression", "only messages with a tag of this expression, like a || b"),
				moment("b", "beginTimestamp", "stored since"), moment("e", "endTimestamp", "stored before"),
				boolean("d", "printBody", "true", "with bodies"), text("l", "lmqParentTopic", "of a light queue, the topic it belongs to"),
			},
			run: printMsg,
		},
		{
			name: "sendMessage", short: "Send a message",
			flags: []flag{
				must(topic()), must(text("p", "body", "body")), text("k", "key", "keys, separated by blanks"), text("c", "tags", "tag"),
				text("b", "broker", "broker name, with -i"), number("i", "qid", "-1", "queue number, with -b"),
				boolean("m", "msgTraceEnable", "false", "accepted for mqadmin's sake, without effect"),
			},
			run: sendMessage,
		},
	}
}

// onlyUTF8 refuses character sets that cannot be shown.
func onlyUTF8(in input, flag string) error {
	if name := in.text(flag); name != "" && !strings.EqualFold(name, "UTF-8") && !strings.EqualFold(name, "UTF8") {
		return usagef("--%s is %q, must be UTF-8", flag, name)
	}
	return nil
}

func queryMsgByID(ctx context.Context, c *admin.Client, in input) (report, error) {
	if err := onlyUTF8(in, "bodyFormat"); err != nil {
		return report{}, err
	}
	var found []*client.MessageView
	for id := range strings.SplitSeq(in.text("msgId"), ",") {
		m, err := c.MessageByID(ctx, in.text("topic"), strings.TrimSpace(id))
		if err != nil {
			return report{}, err
		}
		found = append(found, m)
	}
	if in.on("sendMessage") {
		return resend(ctx, c, found)
	}
	return showOrPush(ctx, c, in, found)
}

func resend(ctx context.Context, c *admin.Client, found []*client.MessageView) (report, error) {
	var results []client.SendResult
	for _, m := range found {
		again, err := c.Resend(ctx, m)
		if err != nil {
			return sendReport(results), err
		}
		results = append(results, again)
	}
	return sendReport(results), nil
}

// showOrPush shows messages and what became of them, or, with -g and -d, has a
// consumer consume them now.
func showOrPush(ctx context.Context, c *admin.Client, in input, found []*client.MessageView) (report, error) {
	if in.given("consumerGroup") != in.given("clientId") {
		return report{}, usagef("-g (--consumerGroup) and -d (--clientId) go together")
	}
	if in.given("clientId") {
		return push(ctx, c, in, found)
	}
	var list []shownMessage
	r := report{}
	for _, m := range found {
		shown := shownMessageOf(m)
		var err error
		if shown.Deliveries, err = c.Deliveries(ctx, m); err != nil {
			r.notes = append(r.notes, m.ID()+": deliveries: "+err.Error())
		}
		list = append(list, shown)
		r.data = list
		r.tables = append(r.tables, shown.view())
		if len(shown.Deliveries) > 0 {
			r.tables = append(r.tables, shown.deliveries())
		}
	}
	return r, nil
}

func push(ctx context.Context, c *admin.Client, in input, found []*client.MessageView) (report, error) {
	type pushed struct {
		ID     string `json:"msgId"`
		Result string `json:"result"`
		Remark string `json:"remark,omitempty"`
		Millis int64  `json:"millis"`
	}
	var list []pushed
	v := view{header: []any{"message", "result", "ms", "remark"}}
	for _, m := range found {
		result, err := c.ConsumeDirectly(ctx, in.text("consumerGroup"), in.text("clientId"), m)
		if err != nil {
			return report{}, err
		}
		list = append(list, pushed{m.ID(), result.ConsumeResult.String(), result.Remark, result.SpentTimeMills})
		v.add(m.ID(), result.ConsumeResult.String(), result.SpentTimeMills, result.Remark)
	}
	return report{data: list, tables: []view{v}}, nil
}

func queryMsgByUniqueKey(ctx context.Context, c *admin.Client, in input) (report, error) {
	const reach = 36 * time.Hour
	q := admin.KeyQuery{
		Topic: in.text("topic"), Key: in.text("msgId"), Cluster: in.text("cluster"), Max: 32,
		Begin: time.Now().Add(-reach), End: time.Now().Add(reach),
	}
	if in.given("startTime") && in.given("endTime") {
		q.Begin, q.End = in.time("startTime"), in.time("endTime")
	}
	found, err := c.MessagesByUniqueKey(ctx, q)
	if err != nil {
		return report{}, err
	}
	if len(found) == 0 {
		return report{}, fmt.Errorf("topic %s: %w with id %s stored between %s and %s", q.Topic, admin.ErrNoMessage, q.Key, show(q.Begin), show(q.End))
	}
	if !in.on("showAll") {
		found = found[:1]
	}
	return showOrPush(ctx, c, in, found)
}

func queryMsgByKey(ctx context.Context, c *admin.Client, in input) (report, error) {
	kind := in.text("keyType")
	if kind != "" && kind != "K" && kind != "T" {
		return report{}, usagef("-p (--keyType) is %q, must be K or T", kind)
	}
	found, err := c.MessagesByKey(ctx, admin.KeyQuery{
		Topic: in.text("topic"), Key: in.text("msgKey"), Type: kind, Begin: in.time("beginTimestamp"), End: in.time("endTimestamp"),
		Max: int(in.number("maxNum")), LastKey: in.text("lastKey"), Cluster: in.text("cluster"),
	})
	if err != nil {
		return report{}, err
	}
	list := make([]shownMessage, 0, len(found))
	v := view{header: []any{"message id", "broker", "queue", "offset", "stored", "offset id"}}
	for _, m := range found {
		list = append(list, shownMessageOf(m))
		v.add(m.ID(), m.Queue.Broker, m.Queue.ID, m.Offset, m.StoredAt, m.OffsetID())
	}
	return report{data: list, tables: []view{v}}, nil
}

func queryMsgByOffset(ctx context.Context, c *admin.Client, in input) (report, error) {
	if err := onlyUTF8(in, "bodyFormat"); err != nil {
		return report{}, err
	}
	q := client.Queue{Topic: in.text("topic"), Broker: in.text("brokerName"), ID: int32(in.number("queueId"))}
	m, err := c.MessageByOffset(ctx, q, in.number("offset"), in.text("routeTopic"))
	if err != nil {
		return report{}, err
	}
	return showOrPush(ctx, c, in, []*client.MessageView{m})
}

// printMsg collects the messages for JSON and prints tables line by line.
func printMsg(ctx context.Context, c *admin.Client, in input) (report, error) {
	if err := onlyUTF8(in, "charsetName"); err != nil {
		return report{}, err
	}
	list := []shownMessage{}
	v := view{header: []any{"broker", "queue", "offset", "message id", "stored", "tag", "body"}}
	err := c.Messages(ctx, admin.Scan{
		Topic: in.text("topic"), Filter: in.text("subExpression"), Begin: in.time("beginTimestamp"), End: in.time("endTimestamp"),
		Routed: in.text("lmqParentTopic"),
	}, func(m *client.MessageView) error {
		shown := shownMessageOf(m)
		if !in.on("printBody") {
			shown.Body = ""
		}
		list = append(list, shown)
		if len(list) > maxPrinted {
			return fmt.Errorf("more than %d messages; narrow it down with -b and -e", maxPrinted)
		}
		v.add(m.Queue.Broker, m.Queue.ID, m.Offset, m.ID(), m.StoredAt, m.Tag(), shown.Body)
		return nil
	})
	return report{data: list, tables: []view{v}}, err
}

// maxPrinted bounds what printMsg keeps in memory before it prints.
const maxPrinted = 100_000

func sendMessage(ctx context.Context, c *admin.Client, in input) (report, error) {
	m := &client.Message{Topic: in.text("topic"), Body: []byte(in.text("body")), Tag: in.text("tags"), Keys: strings.Fields(in.text("key"))}
	queue := in.number("qid")
	if (queue >= 0) != in.given("broker") {
		return report{}, usagef("-b (--broker) and -i (--qid) go together")
	}
	if queue >= 0 {
		m.To = &client.Queue{Topic: m.Topic, Broker: in.text("broker"), ID: int32(queue)}
	}
	result, err := c.SendMessage(ctx, m)
	if err != nil {
		return report{}, err
	}
	return sendReport([]client.SendResult{result}), nil
}

func sendReport(results []client.SendResult) report {
	r := report{}
	v := view{header: []any{"broker", "queue", "offset", "result", "message id"}}
	for _, result := range results {
		r.data = results
		v.add(result.Queue.Broker, result.Queue.ID, result.Offset, result.Status.String(), result.ID)
	}
	r.tables = []view{v}
	return r
}
