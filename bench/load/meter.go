package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aerobee/aerobee/internal/run"
)

var errStuck = errors.New("requests are still unanswered long after the last one was sent")

// sampleEvery is how often the watched process's memory is looked at.
const sampleEvery = 100 * time.Millisecond

// meter owns the goroutines of a run: those that do the work, and one that
// keeps the time and watches the server process.
type meter struct {
	cfg     Config
	win     *window
	group   *run.Group // the workers
	clock   *run.Group
	process *processWatch
	self    *processWatch // what the generator itself costs
	release func() bool
}

// startMeter opens the window. When ctx ends, the window ends: what was sent is
// still waited for, and the result covers what was measured.
func startMeter(ctx context.Context, c Config, win *window) *meter {
	own := context.WithoutCancel(ctx)
	m := &meter{cfg: c, win: win, group: run.NewGroup(own), clock: run.NewGroup(own), process: newProcessWatch(c.PID), self: newProcessWatch(os.Getpid())}
	m.release = context.AfterFunc(ctx, func() { m.win.over.Store(true) })
	m.clock.Go("clock", m.keepTime)
	return m
}

// closeOnFailure unblocks whoever reads from c when another worker has failed
// or the run is stuck.
func (m *meter) closeOnFailure(c io.Closer) {
	context.AfterFunc(m.group.Context(), func() { _ = c.Close() })
}

// keepTime samples the process at both ends of the window and in between, and
// breaks a run off that does not end.
func (m *meter) keepTime(ctx context.Context) error {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	var stuckAt int64
	for {
		now := m.win.now()
		m.process.sample(m.win.counts(now))
		m.self.sample(m.win.counts(now))
		ended := m.win.over.Load() || (m.win.until > 0 && now >= m.win.until)
		switch {
		case ended && stuckAt == 0:
			stuckAt = now + int64(drainTimeout)
		case ended && now > stuckAt:
			m.group.Go("clock", func(context.Context) error { return errStuck })
			return nil
		}
		next := sampleEvery
		if now < m.win.from {
			next = min(next, time.Duration(m.win.from-now))
		} else if m.win.until > now {
			next = min(next, time.Duration(m.win.until-now))
		}
		tick.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// wait blocks until every worker has ended.
func (m *meter) wait() error {
	err := m.group.Wait()
	if m.win.until > 0 && m.win.now() < m.win.until {
		m.win.over.Store(true) // nothing was left to do
	}
	m.release()
	m.clock.Cancel()
	_ = m.clock.Wait() // keepTime returns no error
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	m.process.sample(m.win.until == 0)
	m.self.sample(m.win.until == 0)
	return nil
}
