package remoting

import (
	"context"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/run"
)

// workers run what may block. They are started when first needed, stay until the
// group ends, and have a bounded queue.
type workers struct {
	group *run.Group
	max   int32
	count atomic.Int32 // workers started
	tasks atomic.Int32 // queued or running
	queue chan func(context.Context)
}

func newWorkers(group *run.Group, limit, queue int) *workers {
	return &workers{group: group, max: int32(limit), queue: make(chan func(context.Context), queue)}
}

// submit hands f to a worker; false means that all are busy and the queue is full.
// It must be called from a goroutine of the group.
func (w *workers) submit(f func(context.Context)) bool {
	tasks := w.tasks.Add(1)
	select {
	case w.queue <- f:
	default:
		w.tasks.Add(-1)
		return false
	}
	for n := w.count.Load(); n < min(tasks, w.max); n = w.count.Load() {
		if w.count.CompareAndSwap(n, n+1) {
			w.group.Go("remoting-worker", w.work)
			break
		}
	}
	return true
}

// work runs tasks until the group ends. What is queued then is still run, with a
// context that is done, so that nobody waits in vain for it.
func (w *workers) work(ctx context.Context) error {
	for {
		select {
		case f := <-w.queue:
			f(ctx)
			w.tasks.Add(-1)
		case <-ctx.Done():
			for {
				select {
				case f := <-w.queue:
					f(ctx)
					w.tasks.Add(-1)
				default:
					return nil
				}
			}
		}
	}
}
