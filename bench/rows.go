package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/aerobee/aerobee/bench/load"
	"github.com/aerobee/aerobee/internal/message"
)

// row is one load and what is expected of aerobee under it.
type row struct {
	name  string
	sync  bool // the server flushes before it answers
	large bool // takes long and much disk: only with -large
	// measure runs it once, on a trial whose store is empty.
	measure func(context.Context, *trial) error
	budgets []budget
}

// driver is a load of package load.
type driver func(context.Context, load.Config) (load.Result, error)

// driven is the measure of a row that is one load over a topic of a few queues,
// with fill messages put into it first.
func driven(drive driver, cfg load.Config, fill int64) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		if err := t.start(ctx); err != nil {
			return err
		}
		queues, err := t.topic(ctx, "aerobee_bench", fewQueues)
		if err != nil {
			return err
		}
		if fill > 0 {
			if err := t.fill(ctx, queues, cfg.Size, fill); err != nil {
				return err
			}
		}
		loaded := cfg
		loaded.Queues = queues // they were empty: their beginning is their end
		r, err := t.drive(ctx, drive, loaded)
		if err != nil {
			return err
		}
		t.out.addLoad(r)
		return nil
	}
}

// filtered pulls by an expression that one message in ten matches; what is counted
// are these, so that a tenth of the throughput of a pull of everything is as fast.
func filtered(ctx context.Context, t *trial) error {
	if err := t.start(ctx); err != nil {
		return err
	}
	queues, err := t.topic(ctx, "aerobee_bench", fewQueues)
	if err != nil {
		return err
	}
	put := load.Config{Queues: queues, Size: 128, Batch: 30}
	for a := range 10 {
		b := "y"
		if a%5 == 1 {
			b = "x" // 1 and 6, of which 6 is greater than 5
		}
		put.Properties = append(put.Properties, string(message.AppendProperty(message.AppendProperty(nil, "a", strconv.Itoa(a)), "b", b)))
	}
	if err := t.fillWith(ctx, put, 1_000_000); err != nil {
		return err
	}
	r, err := t.drive(ctx, load.Consume, load.Config{Queues: queues, Size: 128, Conns: 4, Batch: 32, Loop: true, SQL: "a > 5 AND b = 'x'"})
	if err != nil {
		return err
	}
	t.out.addLoad(r)
	return nil
}

// single is a closed loop of single sends.
func single(size, conns, inflight int) load.Config {
	return load.Config{Size: size, Conns: conns, Inflight: inflight}
}

// allRows are the loads in the order in which they run. Their budgets are those
// of docs/performance.md.
func allRows() []row {
	rows := []row{
		{
			name: "single sends, 1 KiB, 4 connections x 32 in flight, async flush", measure: driven(load.Produce, single(1024, 4, 32), 0),
			budgets: []budget{faster(6), cheaper(8), below(p99, 4), atMost(peakRSS, 96)},
		},
		{
			name: "single sends, 128 B, 1 connection x 128 in flight, async flush", measure: driven(load.Produce, single(128, 1, 128), 0),
			budgets: []budget{faster(6), cheaper(8), below(p99, 4)},
		},
		{
			name: "single sends, 1 KiB, open loop at 20000/s, async flush", measure: driven(load.Produce, openLoop(), 0),
		},
		{
			name: "one in flight, 1 KiB, async flush", measure: driven(load.Produce, single(1024, 1, 1), 0),
			budgets: []budget{cheaper(4), below(p50, 2.5), below(p999, 4)},
		},
		{
			name: "one in flight, 1 KiB, sync flush", sync: true, measure: driven(load.Produce, single(1024, 1, 1), 0),
			budgets: []budget{below(p50, 6), below(p99, 4)},
		},
		{
			name: "single sends, 1 KiB, 16 connections x 64 in flight, sync flush", sync: true, measure: driven(load.Produce, single(1024, 16, 64), 0),
			budgets: []budget{faster(6), cheaper(8), below(p99, 4), atMost(refused, 0)},
		},
		{
			name:    "batches of 32 x 128 B, 4 connections x 8 in flight, async flush",
			measure: driven(load.Produce, load.Config{Size: 128, Conns: 4, Inflight: 8, Batch: 32}, 0),
			budgets: []budget{faster(3), cheaper(4)},
		},
		{
			name:    "transactions: half + commit, 1 KiB, 4 connections x 32 in flight, async flush",
			measure: driven(load.Transact, single(1024, 4, 32), 0),
			budgets: []budget{faster(3), cheaper(4)},
		},
		{
			name:    "catch-up pull, 4 connections, 32 per request, 1 KiB",
			measure: driven(load.Consume, load.Config{Size: 1024, Conns: 4, Batch: 32, Loop: true}, 500_000),
			budgets: []budget{faster(3), cheaper(4)},
		},
		{
			name:    "catch-up pull, 4 connections, 32 per request, 128 B",
			measure: driven(load.Consume, load.Config{Size: 128, Conns: 4, Batch: 32, Loop: true}, 1_000_000),
			budgets: []budget{faster(3), cheaper(4)},
		},
		{
			name:    "POP and batch acknowledgement, 32 per request, 4 connections x 8 in flight, 128 B",
			measure: driven(load.Pop, load.Config{Size: 128, Conns: 4, Inflight: 8, Batch: 32, Loop: true}, 1_000_000),
			budgets: []budget{faster(3), cheaper(4)},
		},
		{
			name: "catch-up pull by SQL92, one in ten matches, 4 connections, 32 per request, 128 B", measure: filtered,
			budgets: []budget{faster(3), cheaper(4)},
		},
		{
			name:    "tailing consumer, send to long-poll delivery, 128 B, open loop at 1000/s",
			measure: driven(load.Latency, load.Config{Size: 128, Conns: 4, Rate: 1000}, 0),
			budgets: []budget{below(deliveryP50, 2), below(deliveryP99, 4)},
		},
		{
			name: "timer messages, sent and delivered, 128 B, 4 connections x 32 in flight, async flush", measure: timers,
			budgets: []budget{faster(3), cheaper(4)},
		},
	}
	return append(rows, stateRows()...)
}

// stateRows are those about what a server has: old data, queues, a backlog,
// clients that do nothing.
func stateRows() []row {
	return []row{
		{
			name: "cold reads beside single sends, 1 KiB, open loop at 20000/s, async flush", measure: coldReads,
			budgets: []budget{atMost(p99Ratio, 2)},
		},
		{
			name: "random queues, 1000 of them, 1 KiB, 4 connections x 32 in flight, async flush", measure: manyQueues(func(options) int { return 1000 }),
			budgets: []budget{atLeast(throughputRatio, 0.75)},
		},
		{
			name: "random queues, very many of them, 1 KiB, 4 connections x 32 in flight, async flush", measure: manyQueues(func(o options) int { return o.queues }),
			budgets: []budget{atLeast(throughputRatio, 0.75)},
		},
		{
			name: "idle, and start with an empty store", measure: idle,
			budgets: []budget{atMost(idleAlone, 0.5), atMost(idleClients, 0.5), atMost(startEmpty, 100)},
		},
		{
			name: "backlog of small messages, then single sends, 1 KiB, 4 connections x 32 in flight, async flush", large: true, measure: backlog,
			budgets: []budget{atLeast(throughputRatio, 0.95)},
		},
		{
			name: "start with a large store", large: true, measure: largeStart,
			budgets: []budget{atMost(startClean, 500), atMost(startKilled, 2000)},
		},
	}
}

// chooseRows are the rows whose names a regular expression matches; an empty one
// means all.
func chooseRows(pattern string, large bool) ([]row, error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-rows: %w", err)
	}
	var rows []row
	for _, r := range allRows() {
		if match.MatchString(r.name) && (large || !r.large) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("-rows %q: no row has such a name (some need -large)", pattern)
	}
	return rows, nil
}
