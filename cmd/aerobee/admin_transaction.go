package main

import (
	"context"
	"time"

	"github.com/aerobee/aerobee/client/admin"
)

func transactionVerbs() []verb {
	return []verb{
		{
			name: "listTransactions", short: "Show transactions that are neither committed nor rolled back (only aerobee's brokers can)",
			flags: []flag{
				onBroker(), onCluster(), topic(), text("g", "group", "producer group"),
				number("m", "max", "100", "most per broker; 0: all"),
			},
			either: []string{"brokerAddr", "clusterName"},
			run:    listTransactions,
		},
		{
			name: "endTransaction", short: "Commit or roll back an open transaction in place of its producer (only aerobee's brokers can)",
			flags: []flag{
				must(onBroker()), must(number("o", "offset", "-1", "offset that listTransactions shows")),
				must(text("d", "decision", "commit or rollback")),
			},
			run: endTransaction,
		},
		{
			name: "recheckTransactions", short: "Ask producers now about all open transactions (only aerobee's brokers can)",
			flags:  []flag{onBroker(), onCluster()},
			either: []string{"brokerAddr", "clusterName"},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				done, err := c.RecheckTransactions(ctx, target(in))
				return doneReport("open transactions are checked", done), err
			},
		},
		{
			name: "resumeTransaction", short: "Make a message of TRANS_CHECK_MAX_TIME_TOPIC an open transaction again",
			flags: []flag{
				must(onBroker()), must(text("i", "msgId", "offset id of the message in TRANS_CHECK_MAX_TIME_TOPIC")),
			},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				addr := in.text("brokerAddr")
				if err := c.ResumeTransaction(ctx, addr, "TRANS_CHECK_MAX_TIME_TOPIC", in.text("msgId")); err != nil {
					return report{}, err
				}
				return doneReport("transaction of "+in.text("msgId")+" is open again", []string{addr}), nil
			},
		},
	}
}

func listTransactions(ctx context.Context, c *admin.Client, in input) (report, error) {
	list, err := c.OpenTransactions(ctx, target(in), admin.TransactionFilter{
		Topic: in.text("topic"), Group: in.text("group"), Max: int(in.number("max")),
	})
	if err != nil && len(list) == 0 {
		return report{}, err
	}
	v := view{header: []any{"broker", "offset", "topic", "producer group", "age", "checks", "transaction id"}}
	for _, t := range list {
		age := time.Since(time.UnixMilli(t.StoreTimestamp)).Round(time.Second)
		v.add(t.Addr, t.Offset, t.Topic, t.ProducerGroup, age, t.Checks, t.TransactionID)
	}
	return report{data: list, tables: []view{v}}, err
}

func endTransaction(ctx context.Context, c *admin.Client, in input) (report, error) {
	decision := in.text("decision")
	if decision != "commit" && decision != "rollback" {
		return report{}, usagef("-d (--decision) is %q, must be commit or rollback", decision)
	}
	addr := in.text("brokerAddr")
	if err := c.EndTransaction(ctx, addr, in.number("offset"), decision == "commit"); err != nil {
		return report{}, err
	}
	return doneReport("transaction ended: "+decision, []string{addr}), nil
}
