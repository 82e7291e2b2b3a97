package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aerobee/aerobee/bench/load"
	"github.com/aerobee/aerobee/internal/run"
)

// openLoop is a rate that every server can hold, so that what differs is latency.
func openLoop() load.Config {
	return load.Config{Size: 1024, Conns: 1, Inflight: 1024, Rate: 20_000}
}

// coldReads measures senders alone and then beside a consumer that reads old
// messages which only the disk has. The server is started anew between writing
// them and that: pages which a process has mapped, as a JVM has those of its
// log, cannot be dropped from the page cache.
func coldReads(ctx context.Context, t *trial) error {
	if err := t.need(t.o.coldBytes * 2); err != nil {
		return err
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	old, err := t.topic(ctx, "aerobee_old", fewQueues)
	if err != nil {
		return err
	}
	const size = 1024
	if err := t.fill(ctx, old, size, t.o.coldBytes/size); err != nil {
		return err
	}
	if err := t.stop(); err != nil {
		return err
	}
	if err := dropCache(t.store); err != nil {
		return err
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	cfg := openLoop()
	if cfg.Queues, err = t.topic(ctx, "aerobee_bench", fewQueues); err != nil {
		return err
	}
	for i := range old { // its address is a new one
		old[i].Addr, old[i].Start = cfg.Queues[0].Addr, 0
	}
	alone, err := t.drive(ctx, load.Produce, cfg)
	if err != nil {
		return err
	}
	beside, read, err := t.besideReader(ctx, cfg, load.Config{Queues: old, Size: size, Conns: 1, Inflight: fewQueues, Batch: 32})
	if err != nil {
		return err
	}
	t.out.addLoad(beside)
	t.out.add(p99Alone, alone.Latency.P99)
	t.out.add(p99Ratio, beside.Latency.P99/alone.Latency.P99)
	t.out.add(coldRate, read.MiBPerSec)
	return nil
}

// besideReader drives senders until the time is over or the reader has read
// everything.
func (t *trial) besideReader(ctx context.Context, send, read load.Config) (sent, got load.Result, err error) {
	reading, enough := context.WithCancel(ctx)
	defer enough()
	read.Topic, read.Duration = "aerobee_old", t.o.duration
	g := run.NewGroup(context.WithoutCancel(ctx))
	g.Go("cold reader", func(context.Context) error {
		defer enough()
		var err error
		got, err = load.Consume(ctx, read)
		return err
	})
	send.Topic, send.PID, send.Duration = "aerobee_bench", t.running.pid, t.o.duration
	sent, err = load.Produce(reading, send)
	if waitErr := g.Wait(); err == nil {
		err = waitErr
	}
	if err == nil {
		err = ctx.Err()
	}
	return sent, got, err
}

// manyQueues compares few queues with many on one server.
func manyQueues(n func(options) int) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		if err := t.start(ctx); err != nil {
			return err
		}
		cfg := single(1024, 4, 32)
		cfg.Random = true
		var err error
		if cfg.Queues, err = t.topic(ctx, "aerobee_bench", fewQueues); err != nil {
			return err
		}
		few, err := t.drive(ctx, load.Produce, cfg)
		if err != nil {
			return err
		}
		if cfg.Queues, err = t.topics(ctx, n(t.o)); err != nil {
			return err
		}
		if err := t.touch(ctx, cfg.Queues); err != nil {
			return err
		}
		many, err := t.driveWarm(ctx, load.Produce, cfg, t.o.warmup)
		if err != nil {
			return err
		}
		t.out.addLoad(many)
		t.out.add(throughputBefore, few.PerSecond)
		t.out.add(throughputRatio, many.PerSecond/few.PerSecond)
		return nil
	}
}

// touch puts a message into every queue and waits until it is there for readers
// and its file is made, so that what is measured is not the making of their files, nor a server that
// acknowledges what it cannot show.
func (t *trial) touch(ctx context.Context, queues []load.Queue) error {
	cfg := single(16, 1, 32)
	cfg.Topic, cfg.Queues, cfg.Count = "aerobee_bench", queues, int64(len(queues))
	r, err := load.Produce(ctx, cfg)
	if err != nil {
		return err
	}
	missing := len(queues) - int(r.Messages)
	if missing > len(queues)/100 {
		return fmt.Errorf("%d of %d messages were refused: %v", missing, len(queues), r.Errors)
	}
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	before, since := -1, time.Now()
	for {
		empty, err := t.empty(ctx, queues)
		if err != nil {
			return err
		}
		empty = max(empty, len(queues)-t.queueFiles(queues))
		if empty <= missing {
			settleDisk()
			return nil
		}
		if empty != before {
			before, since = empty, time.Now()
		} else if time.Since(since) > showTimeout {
			return fmt.Errorf("%d of %d queues show nothing or have no file, although a message was acknowledged for each of them", empty-missing, len(queues))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// queueFiles counts the queues that have a directory in the store. A server that
// does not keep it here is believed.
func (t *trial) queueFiles(queues []load.Queue) int {
	if _, err := os.Stat(filepath.Join(t.store, "commitlog")); err != nil {
		return len(queues)
	}
	n := 0
	for i, q := range queues {
		if i == 0 || q.Topic != queues[i-1].Topic {
			dirs, _ := os.ReadDir(filepath.Join(t.store, "consumequeue", q.Topic)) // none yet: 0
			n += len(dirs)
		}
	}
	return n
}

// showTimeout is how long a server may make no progress with its queues.
const showTimeout = time.Minute

// empty counts the queues that show no message.
func (t *trial) empty(ctx context.Context, queues []load.Queue) (int, error) {
	n := 0
	for i, q := range queues {
		if i > 0 && q.Topic == queues[i-1].Topic {
			continue
		}
		now, err := t.topic(ctx, q.Topic, 0) // as it is
		if err != nil {
			return 0, err
		}
		for _, q := range now {
			if q.Start == 0 {
				n++
			}
		}
	}
	return n, nil
}

// backlog compares an empty store with one full of small messages.
func backlog(ctx context.Context, t *trial) error {
	const size = 16
	const stored = 300 // bytes in log, queue and index of such a message, with reserve
	if err := t.need(t.o.backlog*stored + 16<<30); err != nil {
		return err
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	cfg := single(1024, 4, 32)
	var err error
	if cfg.Queues, err = t.topic(ctx, "aerobee_bench", fewQueues); err != nil {
		return err
	}
	empty, err := t.drive(ctx, load.Produce, cfg)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := t.fill(ctx, cfg.Queues, size, t.o.backlog); err != nil {
		return err
	}
	t.out.add(fillRate, float64(t.o.backlog)/time.Since(begun).Seconds())
	settleDisk() // what is left to write of the filling is not part of the load after it
	full, err := t.driveWarm(ctx, load.Produce, cfg, t.o.warmup)
	if err != nil {
		return err
	}
	t.out.addLoad(full)
	t.out.add(throughputBefore, empty.PerSecond)
	t.out.add(throughputRatio, full.PerSecond/empty.PerSecond)
	return nil
}
