package broker

import (
	"context"
	"time"
)

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
