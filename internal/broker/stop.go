package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aerobee/aerobee/internal/run"
)

// step is one step of Stop and the most it may take; 0 is what the others left.
type step struct {
	name  string
	limit time.Duration
	run   func(context.Context) error
}

// Stop ends the broker in order: it leaves the nameservers, so that no new client
// comes; takes no more requests and answers those it took, held pulls at once;
// ends its goroutines; makes its files complete; and closes the store.
// The steps have deadlines that together stay under 10 s. The first step that
// fails does not keep the later ones from running. Stop is idempotent, and does
// nothing for a broker whose Start failed.
func (b *Broker) Stop(ctx context.Context) error {
	b.life.once.Do(func() {
		if b.life.running {
			b.life.err = b.stop(ctx)
		}
	})
	return b.life.err
}

func (b *Broker) stop(ctx context.Context) error {
	began := b.now()
	err := runSteps(ctx, []step{
		{"unregister", time.Second, b.register.leave},
		{"finish requests", 2 * time.Second, b.shutdownPorts},
		{"end goroutines", 2 * time.Second, func(ctx context.Context) error { return waitGroup(ctx, b.group) }},
		{"write the log", 1500 * time.Millisecond, func(context.Context) error { return b.store.FlushLog() }},
		{"write state files", 500 * time.Millisecond, func(ctx context.Context) error { return errors.Join(b.closeTraffic(), b.closeTables(ctx)) }},
		{"close the store", 0, b.store.Close},
	})
	b.log.Info("broker stopped", "took", b.now().Sub(began), "clean", err == nil)
	return err
}

// stopLimit is the most that all steps together may take.
const stopLimit = 9500 * time.Millisecond

func runSteps(ctx context.Context, steps []step) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	var errs []error
	for _, s := range steps {
		limited, cancel := ctx, context.CancelFunc(func() {})
		if s.limit > 0 {
			limited, cancel = context.WithTimeout(ctx, s.limit)
		}
		if err := s.run(limited); err != nil {
			errs = append(errs, fmt.Errorf("stop: %s: %w", s.name, err))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// wakePeriod is the time between looks for held pulls during a shutdown: requests
// that were read before it began may be parked a little later.
const wakePeriod = 10 * time.Millisecond

// shutdownPorts reads no more requests and waits until those that were read are
// answered. Held pulls are answered at once.
func (b *Broker) shutdownPorts(ctx context.Context) error {
	open := run.NewGroup(ctx)
	for _, p := range []port{b.ports.main, b.ports.fast} {
		if p.server != nil {
			open.Go("shutdown", p.server.Shutdown)
		}
	}
	b.life.stopping.Store(true)
	waker := run.NewGroup(ctx)
	waker.Go("wake held pulls", func(ctx context.Context) error {
		return every(ctx, wakePeriod, func() { b.hold.WakeAll(); b.lite.hold.WakeAll(); b.popping.held.WakeAll() })
	})
	err := open.Wait()
	waker.Cancel()
	return errors.Join(err, waker.Wait())
}

// waitGroup ends a group's goroutines and waits for them as long as ctx allows.
func waitGroup(ctx context.Context, g *run.Group) error {
	g.Cancel()
	waiter := run.NewGroup(ctx)
	done := make(chan error, 1)
	waiter.Go("wait", func(context.Context) error { done <- g.Wait(); return nil })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeTables makes the files of topics, groups and offsets complete. With a
// million queues that takes longer than the step has, and must not end early.
func (b *Broker) closeTables(ctx context.Context) error {
	g := run.NewGroup(context.WithoutCancel(ctx))
	if b.topics != nil {
		g.Go("topics", func(context.Context) error { return b.topics.Close() })
	}
	if b.groups != nil {
		g.Go("groups", func(context.Context) error { return b.groups.Close() })
	}
	if b.modes != nil {
		g.Go("modes", func(context.Context) error { return b.modes.Close() })
	}
	if b.offsets != nil {
		g.Go("offsets", func(context.Context) error { return b.offsets.Close() })
	}
	return g.Wait()
}

// abandon undoes a Start that failed.
func (b *Broker) abandon(ctx context.Context) error {
	var errs []error
	for _, p := range []port{b.ports.main, b.ports.fast} {
		if p.server != nil {
			p.server.Close()
		}
	}
	b.group.Cancel()
	errs = append(errs, b.group.Wait())
	if b.register != nil {
		b.register.client.Close()
	}
	errs = append(errs, b.closeTables(ctx))
	if b.store != nil {
		errs = append(errs, b.store.Close(ctx))
	}
	return errors.Join(errs...)
}

// Run starts the broker, serves until ctx ends or something fails, and stops.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.Start(ctx); err != nil {
		return err
	}
	return b.Wait(ctx)
}

// Wait serves until ctx ends or something fails, and stops the broker. Start must
// have succeeded.
func (b *Broker) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-b.group.Context().Done():
	}
	return b.Stop(context.WithoutCancel(ctx))
}
