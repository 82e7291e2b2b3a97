package load

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aerobee/aerobee/internal/run"
)

// Watch looks on for d and reports what process pid spent meanwhile.
func Watch(ctx context.Context, pid int, d time.Duration) (ProcessCost, error) {
	p := newProcessWatch(pid)
	p.sample(true)
	end := time.NewTimer(d)
	defer end.Stop()
	select {
	case <-ctx.Done():
		return ProcessCost{}, ctx.Err()
	case <-end.C:
	}
	p.sample(true)
	if p.err != nil {
		return ProcessCost{}, p.err
	}
	return *p.cost(0), nil
}

// Idle keeps Conns consumers connected that wait in long-polling pulls for
// messages which do not come, and reports what that costs the server: after a
// wait of Warmup, for Duration. There must be a queue for each of them, with its
// end in Start.
func Idle(ctx context.Context, c Config) (ProcessCost, error) {
	c = c.WithDefaults()
	if err := cmp.Or(c.Validate(), c.validatePull()); err != nil {
		return ProcessCost{}, err
	}
	if len(c.Queues) < c.Conns {
		return ProcessCost{}, fmt.Errorf("topic %s has %d queues, fewer than the %d connections", c.Topic, len(c.Queues), c.Conns)
	}
	pullers, err := newPullers(ctx, c, true)
	defer closeAll(pullers)
	if err != nil {
		return ProcessCost{}, err
	}
	group := run.NewGroup(context.WithoutCancel(ctx))
	win := newWindow(c)
	for _, p := range pullers {
		p.win = win
		group.Go("puller", p.loop)
	}
	cost, err := Watch(ctx, c.PID, c.Warmup)
	if err == nil {
		cost, err = Watch(ctx, c.PID, c.Duration)
	}
	closeAll(pullers)
	return cost, cmp.Or(group.Wait(), err)
}
