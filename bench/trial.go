package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aerobee/aerobee/bench/load"
	"github.com/aerobee/aerobee/client/admin"
)

// fewQueues is how many queues the topic of most rows has: enough for every
// connection to have its own.
const fewQueues = 8

// trial is one run of a row at one server, with the store that belongs to it.
type trial struct {
	o      options
	server server
	store  string
	sync   bool
	out    *outcome // what is being found out

	running *running // nil while the server is stopped
	admin   *admin.Client
}

// measure runs a row once on an empty store. Its failure is part of the result:
// one server that cannot carry a load does not end the benchmark.
func (o options) measure(ctx context.Context, s server, r row) *outcome {
	t := &trial{o: o, server: s, sync: r.sync, store: filepath.Join(o.dir, "store"), out: &outcome{Row: r.name, Server: s.name()}}
	settleDisk() // what the run before left to be written is not this one's
	var err error
	if o.ballast != nil {
		err = o.ballast.fill(ctx, spareMemory)
	}
	if err == nil {
		err = r.measure(ctx, t)
	}
	if err = errors.Join(err, t.stop(), os.RemoveAll(t.store)); err != nil {
		t.out.Error = strings.ReplaceAll(err.Error(), o.dir, "DIR") // results may be published
	}
	return t.out
}

// start runs the server on what the store holds.
func (t *trial) start(ctx context.Context) error {
	s, err := t.server.start(ctx, t.store, t.sync)
	if err != nil {
		return err
	}
	t.running = s
	t.admin, err = admin.New(admin.WithNameservers(s.namesrv), admin.WithTimeout(30*time.Second))
	return err
}

// stop ends the server as an operator does. It does nothing when none runs.
func (t *trial) stop() error { return t.end((*running).stop) }

// kill ends the broker with SIGKILL.
func (t *trial) kill() error { return t.end((*running).kill) }

func (t *trial) end(how func(*running) error) error {
	if t.running == nil {
		return nil
	}
	var err error
	if t.admin != nil {
		err = t.admin.Close()
	}
	s := t.running
	t.running, t.admin = nil, nil
	return errors.Join(err, how(s))
}

// topic makes a topic and lists its queues, with their ends in Start.
func (t *trial) topic(ctx context.Context, name string, queues int32) ([]load.Queue, error) {
	return load.Where{Admin: t.admin, Topic: name, Create: queues}.Resolve(ctx, true)
}

// queuesPerTopic keeps topics in a size that people have.
const queuesPerTopic = 1000

// topics makes as many topics as it takes to have n queues.
func (t *trial) topics(ctx context.Context, n int) ([]load.Queue, error) {
	var all []load.Queue
	for i := 0; n > 0; i++ {
		part := min(n, queuesPerTopic)
		queues, err := t.topic(ctx, fmt.Sprintf("aerobee_many_%d", i), int32(part))
		if err != nil {
			return nil, err
		}
		all = append(all, queues...)
		n -= part
	}
	return all, nil
}

// fill puts n messages into queues, as fast as the server takes them, and
// repeats what it refuses.
func (t *trial) fill(ctx context.Context, queues []load.Queue, size int, n int64) error {
	return t.fillWith(ctx, load.Config{Queues: queues, Size: size, Batch: 32}, n)
}

// fillWith is fill with messages of a kind.
func (t *trial) fillWith(ctx context.Context, cfg load.Config, n int64) error {
	cfg.Topic, cfg.Conns, cfg.Inflight, cfg.Random = "aerobee_bench", 4, 4, true
	for cfg.Count = n; cfg.Count > 0; {
		r, err := load.Produce(ctx, cfg)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Messages == 0 && cfg.Count >= int64(cfg.Batch) {
			return fmt.Errorf("the server takes no messages: %v", r.Errors)
		}
		cfg.Count -= max(r.Messages, int64(cfg.Batch)) // the rest of a batch does not matter
	}
	return nil
}

// drive runs a load after the server's warm-up.
func (t *trial) drive(ctx context.Context, d driver, cfg load.Config) (load.Result, error) {
	return t.driveWarm(ctx, d, cfg, t.server.warmup(t.o))
}

// driveWarm runs a load on a server that has seen some already.
func (t *trial) driveWarm(ctx context.Context, d driver, cfg load.Config, warmup time.Duration) (load.Result, error) {
	cfg.Topic, cfg.PID, cfg.Warmup, cfg.Duration = "aerobee_bench", t.running.pid, warmup, t.o.duration
	r, err := d(ctx, cfg)
	if err == nil {
		err = ctx.Err() // an interrupted load has a result, but not the one that was asked for
	}
	if err == nil {
		_ = r.WriteText(os.Stderr) // only for who watches
	}
	return r, err
}

// need fails when the disk has less room than a row takes.
func (t *trial) need(bytes int64) error {
	has, err := room(t.o.dir)
	if err != nil {
		return err
	}
	if has < bytes {
		return fmt.Errorf("skipped: the disk has room for %d GB, this row takes up to %d (-dir says where)", has>>30, bytes>>30)
	}
	return nil
}
