package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Ready gives the reason why the broker cannot take messages, or nil: the store is
// being opened, is fenced, or its disk is full. It may be called from New on.
func (b *Broker) Ready() error {
	if !b.life.opened.Load() {
		return fmt.Errorf("starting: %v", b.life.progress.State(b.now()))
	}
	return b.store.Writable()
}

// RegisterStartMetrics registers what can be said before Start has ended.
func (b *Broker) RegisterStartMetrics(registry prometheus.Registerer) error {
	var errs []error
	for _, g := range []struct {
		name, help string
		value      func() float64
	}{
		{"aerobee_recovery_bytes", "Bytes of the commit log that the start has to read, an estimate.", func() float64 {
			return float64(b.life.progress.State(b.now()).Total)
		}},
		{"aerobee_recovery_done_bytes", "Bytes of the commit log that the start has read.", func() float64 {
			return float64(b.life.progress.State(b.now()).Done)
		}},
		{"aerobee_store_writable", "1 when messages are taken, 0 while the store is opened, fenced or full.", func() float64 {
			if b.Ready() != nil {
				return 0
			}
			return 1
		}},
	} {
		errs = append(errs, registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, g.value)))
	}
	return errors.Join(errs...)
}

// registrationWait bounds AwaitRegistration.
const registrationWait = 5 * time.Second

// AwaitRegistration waits until each nameserver of the configuration knows the
// broker or has failed to answer once, at most 5 s. Start must have succeeded.
func (b *Broker) AwaitRegistration(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, registrationWait)
	defer cancel()
	for {
		ended, waiting := b.register.unsettled()
		if !waiting {
			return
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// unsettled tells whether a nameserver has neither been registered with nor
// failed, and gives what is closed when that may have changed.
func (r *registrar) unsettled() (ended <-chan struct{}, waiting bool) {
	addrs := r.b.config().NamesrvAddrs()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, addr := range addrs {
		ns := r.mu.servers[addr]
		waiting = waiting || ns == nil || ns.rounds == 0 && ns.failures == 0
	}
	return r.mu.ended, waiting
}
