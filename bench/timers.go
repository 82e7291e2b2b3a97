package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aerobee/aerobee/bench/load"
)

// timerDelay is how long the messages of the timer's row wait. All of them are
// sent and delivered within a few seconds, so that many are due at a time.
const timerDelay = 3 * time.Second

// timerMessages is how many messages are measured, for a measured time of d.
func timerMessages(d time.Duration) int64 { return max(int64(d.Seconds()*10_000), 1000) }

// timers sends messages with a delay and waits until all are delivered. The rate
// is of both together: all messages by the time from the first send to the last
// delivery, without the delay. So is the CPU time.
func timers(ctx context.Context, t *trial) error {
	if err := t.start(ctx); err != nil {
		return err
	}
	cfg := single(128, 4, 32)
	cfg.Topic, cfg.Delay = "aerobee_bench", timerDelay
	var err error
	if cfg.Queues, err = t.topic(ctx, cfg.Topic, fewQueues); err != nil {
		return err
	}
	warm := cfg
	warm.Duration = t.server.warmup(t.o)
	if _, err := t.timed(ctx, warm); err != nil {
		return err
	}
	cfg.Count = timerMessages(t.o.duration)
	before, err := load.CPU(t.running.pid)
	if err != nil {
		return err
	}
	r, err := t.timed(ctx, cfg)
	if err != nil {
		return err
	}
	after, err := load.CPU(t.running.pid)
	if err != nil {
		return err
	}
	t.out.Loads = append(t.out.Loads, r.sent)
	t.out.add(throughput, float64(r.delivered)/(r.took-timerDelay).Seconds())
	t.out.add(serverCPU, float64((after-before).Microseconds())/float64(r.delivered))
	t.out.add(p50, r.sent.Latency.P50)
	t.out.add(p99, r.sent.Latency.P99)
	t.out.add(sendRate, r.sent.PerSecond)
	return nil
}

// timedRun is what became of a load of messages with a delay.
type timedRun struct {
	sent      load.Result
	delivered int64
	took      time.Duration // from the first send to the last delivery
}

// stalled is how long no delivery makes an end.
const stalled = timerDelay + 7*time.Second

// timed sends, and waits until what was acknowledged is delivered.
func (t *trial) timed(ctx context.Context, cfg load.Config) (r timedRun, err error) {
	first, err := t.ends(ctx)
	if err != nil {
		return r, err
	}
	began := time.Now()
	if r.sent, err = load.Produce(ctx, cfg); err != nil {
		return r, err
	}
	last := time.Now()
	for time.Since(last) < stalled && r.delivered < r.sent.Messages {
		time.Sleep(20 * time.Millisecond)
		now, err := t.ends(ctx)
		if err != nil {
			return r, err
		}
		if now-first > r.delivered {
			r.delivered, last = now-first, time.Now()
		}
	}
	if r.delivered < r.sent.Messages {
		return r, fmt.Errorf("%d of %d messages were delivered", r.delivered, r.sent.Messages)
	}
	r.took = last.Sub(began)
	return r, ctx.Err()
}

// ends adds up the ends of the topic's queues.
func (t *trial) ends(ctx context.Context) (sum int64, err error) {
	queues, err := load.Where{Admin: t.admin, Topic: "aerobee_bench"}.Resolve(ctx, true)
	for _, q := range queues {
		sum += q.Start
	}
	return sum, err
}
