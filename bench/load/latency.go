package load

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/run"
)

// defaultLatencyRate is low enough for any server: the point is the wait, not
// the work.
const defaultLatencyRate = 1000

// Latency sends at a fixed rate (1,000 a second if not set) while every queue
// is followed with long-polling pulls, and reports beside the latency of the
// send the time from when a message was due to when its consumer held it.
// Queues must carry the offset of their end in Start.
func Latency(ctx context.Context, c Config) (Result, error) {
	setDefault(&c.Rate, defaultLatencyRate)
	setDefault(&c.Size, 128)
	c = c.WithDefaults()
	if err := cmp.Or(c.Validate(), c.validatePull(), c.validateLatency()); err != nil {
		return Result{}, err
	}
	pulls := c
	pulls.Batch, pulls.Inflight = 32, maxInflight
	pullers, err := newPullers(ctx, pulls, true)
	defer closeAll(pullers)
	if err != nil {
		return Result{}, err
	}
	sends := c
	sends.Conns = 1 // a schedule of one connection is the most precise
	s, err := newSender(ctx, sends, 0)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	m := startMeter(ctx, sends, newWindow(c))
	d := &delivery{win: m.win}
	pullGroup := run.NewGroup(context.WithoutCancel(ctx))
	for _, p := range pullers {
		p.win, p.onMessage = m.win, d.onMessage()
		pullGroup.Go("puller", p.loop)
	}
	s.start(m)
	err = m.wait()
	if err == nil {
		d.await(ctx, s.rec.messages)
	}
	closeAll(pullers)
	if err = cmp.Or(err, pullGroup.Wait()); err != nil {
		return Result{}, err
	}
	r := m.result("latency", s.rec)
	delivered := d.latencies()
	r.Delivery = &delivered
	if missing := r.Messages - d.received.Load(); missing > 0 {
		return r, fmt.Errorf("%d of %d messages were not delivered within %v", missing, r.Messages, deliveryGrace)
	}
	return r, nil
}

func (c Config) validateLatency() error {
	if c.Size < 8 || c.Batch != 1 || c.Rate == 0 {
		return fmt.Errorf("a latency run needs a size of at least 8 (is %d), no batches (is %d) and a rate", c.Size, c.Batch)
	}
	return nil
}

// deliveryGrace is how long the last messages may take to be delivered.
const deliveryGrace = 5 * time.Second

// delivery collects what the pullers receive, one recorder for each.
type delivery struct {
	win       *window
	received  atomic.Int64
	recorders []*recorder
}

// onMessage books messages by the due time that stampSend left in their bodies.
func (d *delivery) onMessage() func(m *message.Message, now int64) {
	r := newRecorder()
	d.recorders = append(d.recorders, r)
	return func(m *message.Message, now int64) {
		if len(m.Body) < 8 {
			return
		}
		if due := int64(binary.BigEndian.Uint64(m.Body)); d.win.counts(due) && due <= now {
			r.record(now - due)
			d.received.Add(1)
		}
	}
}

func (d *delivery) await(ctx context.Context, sent int64) {
	ctx, cancel := context.WithTimeout(ctx, deliveryGrace)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for d.received.Load() < sent && ctx.Err() == nil {
		<-tick.C
	}
}

func (d *delivery) latencies() Latencies {
	all := newRecorder()
	for _, r := range d.recorders {
		all.merge(r)
	}
	return latencies(all)
}
