package load

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// pacer makes a sender keep a schedule: one goroutine writes each request when
// it is due, another reads. A late slot does not move the schedule, so its
// wait is part of the latencies that follow.
type pacer struct {
	s    *sender
	free chan int // slots without a request, at most Inflight
	done atomic.Bool
}

func newPacer(s *sender) *pacer {
	p := &pacer{s: s, free: make(chan int, s.cfg.Inflight)}
	for _, slot := range s.free {
		p.free <- slot
	}
	return p
}

// burst is the grain of a schedule: messages that fall into the same one are due
// together at its end. Without it, most of what 20,000 messages a second cost,
// here and at the server, would be waking up for each of them.
const burst = 250 * time.Microsecond

// dueAt is when the schedule wants request number n of a connection.
func (s *sender) dueAt(n int64) int64 {
	every := float64(s.cfg.Batch) / s.cfg.Rate * 1e9 // nanoseconds between two requests of all connections
	due := int64((float64(s.index) + float64(n)*float64(s.cfg.Conns)) * every)
	return (due + int64(burst) - 1) / int64(burst) * int64(burst)
}

// write sends on schedule. At the end it waits for every slot and releases the
// reader.
func (p *pacer) write(ctx context.Context) error {
	s := p.s
	for n := int64(0); ; n++ {
		due, now := s.dueAt(n), s.win.now()
		if due < s.win.from && now >= s.win.from {
			continue // what a cold server left over of the warm-up is not charged to what comes after it
		}
		if !s.win.mayStart(due, s.cfg.Batch) {
			break
		}
		if due > now {
			if err := s.send(); err != nil {
				return err
			}
			if err := pauseUntil(ctx, s.win.base.Add(time.Duration(due))); err != nil {
				return err
			}
		}
		slot, err := p.slot(ctx)
		if err != nil {
			return err
		}
		s.stamp(slot, due)
	}
	if err := s.send(); err != nil {
		return err
	}
	for range s.cfg.Inflight {
		select {
		case <-p.free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.done.Store(true)
	return s.conn.SetReadDeadline(time.Now())
}

// slot takes a free slot; what is written already must be on its way before
// waiting for one.
func (p *pacer) slot(ctx context.Context) (int, error) {
	select {
	case slot := <-p.free:
		return slot, nil
	default:
	}
	if err := p.s.send(); err != nil {
		return 0, err
	}
	select {
	case slot := <-p.free:
		return slot, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *sender) send() error {
	err := s.flush()
	s.out = s.out[:0]
	return err
}

func (p *pacer) read(ctx context.Context) error {
	for {
		err := p.s.collect(ctx, func(slot int) { p.free <- slot })
		var timeout net.Error
		if p.done.Load() && errors.As(err, &timeout) && timeout.Timeout() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// spinMargin is how late the runtime's timers may be when nothing else runs: it
// waits in whole milliseconds. The rest is slept in the kernel.
const spinMargin = 1500 * time.Microsecond

// pauseUntil sleeps to within some tens of microseconds of t.
func pauseUntil(ctx context.Context, t time.Time) error {
	if long := time.Until(t) - spinMargin; long > 0 {
		timer := time.NewTimer(long)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	for rest := time.Until(t); rest > 0; rest = time.Until(t) {
		shortSleep(rest) // a signal of the runtime may end it early
	}
	return nil
}
