package main

import (
	"context"
	"strings"
	"time"

	"github.com/aerobee/aerobee/bench/load"
	"github.com/aerobee/aerobee/client/admin"
)

// measured is the result of one run.
type measured = load.Result

// row is one line of the table: a load and what is expected of aerobee relative
// to Apache's server.
type row struct {
	name   string
	sync   bool // the server flushes before it answers
	load   load.Config
	drive  func(context.Context, load.Config) (load.Result, error)
	fill   int64 // messages to put into the topic first
	budget budget
}

// budget holds ratios aerobee / Apache: throughput at least, the others at most.
// Zero means no budget.
type budget struct {
	throughput     float64
	cpu            float64
	p50, p99, p999 float64
	deliveryP50    float64
	deliveryP99    float64
	peakRSSAnonMiB float64 // absolute
	noneRefused    bool
}

func allRows() []row {
	single := func(size, conns, inflight int) load.Config {
		return load.Config{Size: size, Conns: conns, Inflight: inflight}
	}
	return []row{
		{
			name: "single sends, 1 KiB, 4 connections x 32 in flight, async flush", load: single(1024, 4, 32), drive: load.Produce,
			budget: budget{throughput: 6, cpu: 1.0 / 8, p99: 1.0 / 4, peakRSSAnonMiB: 96},
		},
		{
			name: "single sends, 128 B, 1 connection x 128 in flight, async flush", load: single(128, 1, 128), drive: load.Produce,
			budget: budget{throughput: 6, cpu: 1.0 / 8, p99: 1.0 / 4},
		},
		{
			name: "one in flight, 1 KiB, async flush", load: single(1024, 1, 1), drive: load.Produce,
			budget: budget{cpu: 1.0 / 4, p50: 1 / 2.5, p999: 1.0 / 4},
		},
		{
			name: "one in flight, 1 KiB, sync flush", sync: true, load: single(1024, 1, 1), drive: load.Produce,
			budget: budget{p50: 1.0 / 6, p99: 1.0 / 4},
		},
		{
			name: "single sends, 1 KiB, 16 connections x 64 in flight, sync flush", sync: true, load: single(1024, 16, 64), drive: load.Produce,
			budget: budget{throughput: 6, cpu: 1.0 / 8, p99: 1.0 / 4, noneRefused: true},
		},
		{
			name: "batches of 32 x 128 B, 4 connections x 8 in flight, async flush",
			load: load.Config{Size: 128, Conns: 4, Inflight: 8, Batch: 32}, drive: load.Produce,
			budget: budget{throughput: 3, cpu: 1.0 / 4},
		},
		{
			name: "catch-up pull, 4 connections, 32 per request, 1 KiB",
			load: load.Config{Size: 1024, Conns: 4, Batch: 32, Loop: true}, drive: load.Consume, fill: 500_000,
			budget: budget{throughput: 3, cpu: 1.0 / 4},
		},
		{
			name: "catch-up pull, 4 connections, 32 per request, 128 B",
			load: load.Config{Size: 128, Conns: 4, Batch: 32, Loop: true}, drive: load.Consume, fill: 1_000_000,
			budget: budget{throughput: 3, cpu: 1.0 / 4},
		},
		{
			name: "tailing consumer, send to long-poll delivery, 128 B, open loop at 1000/s",
			load: load.Config{Size: 128, Conns: 4, Rate: 1000}, drive: load.Latency,
			budget: budget{deliveryP50: 1.0 / 2, deliveryP99: 1.0 / 4},
		},
	}
}

func chooseRows(part string) []row {
	var rows []row
	for _, r := range allRows() {
		if strings.Contains(r.name, part) {
			rows = append(rows, r)
		}
	}
	return rows
}

// queues is how many queues the topic of a run has: enough for every connection
// to have its own.
const queues = 8

// run prepares the topic and drives the load.
func (r row) run(ctx context.Context, o options, s *running, warmup time.Duration) (measured, error) {
	c, err := admin.New(admin.WithNameservers(s.namesrv), admin.WithTimeout(10*time.Second))
	if err != nil {
		return measured{}, err
	}
	defer c.Close()
	cfg := r.load
	cfg.Topic, cfg.PID, cfg.Warmup, cfg.Duration = "aerobee_bench", s.pid, warmup, o.duration
	where := load.Where{Admin: c, Topic: cfg.Topic, Create: queues}
	if cfg.Queues, err = where.Resolve(ctx, true); err != nil {
		return measured{}, err
	}
	if r.fill > 0 {
		fill := load.Config{Topic: cfg.Topic, Queues: cfg.Queues, Size: cfg.Size, Conns: 2, Inflight: 4, Batch: 32, Count: r.fill}
		if _, err := load.Produce(ctx, fill); err != nil {
			return measured{}, err
		}
		where.Create = 0
		if cfg.Queues, err = where.Resolve(ctx, false); err != nil {
			return measured{}, err
		}
	}
	return r.drive(ctx, cfg)
}
