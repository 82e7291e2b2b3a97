package main

import (
	"context"
	"fmt"

	"github.com/aerobee/aerobee/client/admin"
)

func offsetVerbs() []verb {
	return []verb{
		{
			name: "resetOffsetByTime", short: "Move the offsets of a group to a time, without a restart of its members",
			flags: []flag{
				must(text("g", "group", "consumer group")), must(topic()),
				must(moment("s", "timestamp", "now, milliseconds, 2006-01-02#15:04:05:000, or a duration ago")),
				boolean("f", "force", "true", "also forward; only old brokers look at it"),
				text("b", "broker", "address of the broker, for one queue"),
				number("q", "queue", "-1", "queue number, for one queue"),
				number("o", "offset", "-1", "offset instead of the time, for one queue"),
				routedBy(),
			},
			run: resetOffsetByTime,
		},
		{
			name: "skipAccumulatedMessage", short: "Move the offsets of a group to the end: what it has not consumed is skipped",
			flags: []flag{
				must(text("g", "group", "consumer group")), must(topic()),
				boolean("f", "force", "true", "also forward; only old brokers look at it"), routedBy(),
			},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				changes, err := c.ResetOffsets(ctx, admin.Reset{
					Group: in.text("group"), Topic: in.text("topic"), Cluster: in.text("cluster"), Force: in.on("force"),
				})
				return changesReport(changes, err), err
			},
		},
		{
			name: "cloneGroupOffset", short: "Give a group the offsets of another one",
			flags: []flag{
				must(text("s", "srcGroup", "group that has the offsets")), must(text("d", "destGroup", "group that gets them")), must(topic()),
				boolean("o", "offline", "false", "accepted for mqadmin's sake, without effect"),
			},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				changes, err := c.CloneOffsets(ctx, in.text("srcGroup"), in.text("destGroup"), in.text("topic"))
				return changesReport(changes, err), err
			},
		},
	}
}

func resetOffsetByTime(ctx context.Context, c *admin.Client, in input) (report, error) {
	broker, queue := in.text("broker"), in.number("queue")
	if (broker != "") != (queue >= 0) {
		return report{}, usagef("-b (--broker) and -q (--queue) go together")
	}
	if broker != "" {
		change, err := c.ResetQueueOffset(ctx, admin.QueueReset{
			Group: in.text("group"), Topic: in.text("topic"), Broker: broker, Queue: int32(queue),
			Time: in.time("timestamp"), Offset: in.number("offset"),
		})
		if err != nil {
			return report{}, err
		}
		return changesReport([]admin.OffsetChange{change}, nil), nil
	}
	if in.number("offset") >= 0 {
		return report{}, usagef("-o (--offset) needs -b (--broker) and -q (--queue)")
	}
	changes, err := c.ResetOffsets(ctx, admin.Reset{
		Group: in.text("group"), Topic: in.text("topic"), Cluster: in.text("cluster"), Time: in.time("timestamp"), Force: in.on("force"),
	})
	return changesReport(changes, err), err
}

// changesReport shows what was changed, also when that ended with an error.
func changesReport(changes []admin.OffsetChange, err error) report {
	if len(changes) == 0 && err != nil {
		return report{}
	}
	if len(changes) == 0 {
		return report{data: changes, notes: []string{"no offset was changed"}}
	}
	v := view{header: []any{"topic", "broker", "queue", "from", "to"}}
	for _, change := range changes {
		from := fmt.Sprint(change.From)
		if change.From < 0 {
			from = ""
		}
		v.add(change.Topic, change.Broker, change.ID, from, change.To)
	}
	return report{data: changes, tables: []view{v}}
}
