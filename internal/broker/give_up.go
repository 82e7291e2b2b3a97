package broker

import (
	"context"
	"time"

	"github.com/aerobee/aerobee/internal/broker/registry"
)

// lockSweep is the time between looks for locks that expired.
const lockSweep = time.Minute

// lockGivers wakes the goroutine that gives up the locks of clients that are gone.
type lockGivers chan struct{}

func newLockGivers() lockGivers { return make(lockGivers, 1) }

func (w lockGivers) wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// giveLocksUp gives up the queue locks of clients that do not come back and tells
// their groups, so that others take the queues at once.
func (b *Broker) giveLocksUp(ctx context.Context) error {
	timer := time.NewTimer(lockSweep)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.lockGivers:
		case <-timer.C:
			b.locks.Sweep()
		}
		groups, next := b.locks.GiveUp()
		var e registry.Effects
		for _, group := range groups {
			b.log.Info("queue locks of a vanished client given up", "group", group)
			if g, online := b.clients.ConsumerGroup(group); online {
				e.Changes = append(e.Changes, registry.Change{Group: group, Members: g.Members})
			}
		}
		b.apply(e, 0)
		wait := lockSweep
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(b.now()), time.Millisecond))
		}
		timer.Reset(wait)
	}
}
