package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/aerobee/aerobee/bench/load"
)

// idleConns is how many consumers wait in the idle row, each at a queue of its
// own.
const idleConns = 100

// idle measures the start on an empty store and what a server costs that has
// nothing to do.
func idle(ctx context.Context, t *trial) error {
	if err := t.start(ctx); err != nil {
		return err
	}
	t.out.add(startEmpty, millis(t.running.ready))
	percent := func(c load.ProcessCost) float64 { return c.CPUSeconds / t.o.idle.Seconds() * 100 }
	if _, err := load.Watch(ctx, t.running.pid, t.o.idle); err != nil { // let it come to rest
		return err
	}
	alone, err := load.Watch(ctx, t.running.pid, t.o.idle)
	if err != nil {
		return err
	}
	t.out.add(idleAlone, percent(alone))
	t.out.add(idleRSS, alone.RSSAnonMiB)
	cfg := load.Config{Topic: "aerobee_bench", Conns: idleConns, PID: t.running.pid, Warmup: t.o.idle, Duration: t.o.idle}
	if cfg.Queues, err = t.topic(ctx, cfg.Topic, idleConns); err != nil {
		return err
	}
	clients, err := load.Idle(ctx, cfg)
	if err != nil {
		return err
	}
	t.out.add(idleClients, percent(clients))
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// largeStore is where the store of largeStart is, below the directory for stores.
const largeStore = "large"

// largeStart measures the start on a store with much in it, after a clean stop
// and after SIGKILL. Filling it takes minutes, so that all rounds and servers
// use the one that aerobee fills.
func largeStart(ctx context.Context, t *trial) error {
	fresh := t.store
	t.store = filepath.Join(t.o.dir, largeStore)
	defer func() { t.store = fresh }() // measure deletes what a trial leaves
	if err := t.fillLarge(ctx); err != nil {
		return err
	}
	// A start and a stop of its own first: somebody else may have had the store.
	if err := t.start(ctx); err != nil {
		return err
	}
	if err := t.stop(); err != nil {
		return err
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	t.out.add(startClean, millis(t.running.ready))
	cfg := single(1024, 4, 32)
	var err error
	if cfg.Queues, err = t.topic(ctx, "aerobee_bench", fewQueues); err != nil {
		return err
	}
	cfg.Topic, cfg.Duration = "aerobee_bench", time.Second
	if _, err := load.Produce(ctx, cfg); err != nil { // so that the crash leaves something behind
		return err
	}
	if err := t.kill(); err != nil {
		return err
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	t.out.add(startKilled, millis(t.running.ready))
	return t.stop()
}

// fillLarge makes the large store if this is the first use of it.
func (t *trial) fillLarge(ctx context.Context) error {
	done := t.store + ".filled"
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := t.need(t.o.largeBytes + t.o.largeBytes/50 + 2<<30); err != nil {
		return err
	}
	f := *t
	f.server = aerobee{bin: t.o.bin}
	if err := f.start(ctx); err != nil {
		return err
	}
	defer func() { _ = f.stop() }() // for the error paths
	queues, err := f.topics(ctx, t.o.queues)
	if err != nil {
		return err
	}
	if err := f.touch(ctx, queues); err != nil {
		return err
	}
	const size = 16 << 10
	if err := f.fill(ctx, queues, size, t.o.largeBytes/size); err != nil {
		return err
	}
	if err := f.stop(); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o644)
}
