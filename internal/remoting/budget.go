package remoting

import (
	"sync"
	"sync/atomic"
	"time"
)

// budget bounds the bytes that all connections of an endpoint keep: unfinished large
// frames, output their peers do not read, clones that wait for workers. Usual
// traffic does not touch it.
type budget struct {
	limit int64
	used  atomic.Int64

	mu struct {
		sync.Mutex
		eased chan struct{} // closed when used falls below the limit; nil: nobody waits
	}
}

// over reports whether the limit is exceeded.
func (b *budget) over() bool { return b.used.Load() > b.limit }

// charge adds n bytes, or returns them if n is negative. It does not ask whether
// there is room: what exists must be counted.
func (b *budget) charge(n int64) {
	if n == 0 {
		return
	}
	if b.used.Add(n); n > 0 || b.over() {
		return
	}
	b.mu.Lock()
	eased := b.mu.eased
	b.mu.eased = nil
	b.mu.Unlock()
	if eased != nil {
		close(eased)
	}
}

// tryCharge adds n bytes if there is room for them.
func (b *budget) tryCharge(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.charge(-n)
	return false
}

// wait blocks until there is room for n bytes and charges them. It gives up, and
// returns false, when done is closed or the patience is at its end.
func (b *budget) wait(n int64, done <-chan struct{}, patience time.Duration) bool {
	if b.tryCharge(n) {
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		b.mu.Lock()
		if b.mu.eased == nil {
			b.mu.eased = make(chan struct{})
		}
		eased := b.mu.eased
		b.mu.Unlock()
		if b.tryCharge(n) { // returned between the first try and the lock
			return true
		}
		select {
		case <-eased:
		case <-done:
			return false
		case <-timer.C:
			return false
		}
	}
}
