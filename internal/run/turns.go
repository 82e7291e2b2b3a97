package run

import (
	"context"
	"time"
)

// Forever is the answer of a turn that has nothing to wait for but a signal.
const Forever = time.Duration(1<<63 - 1)

// Turns calls turn at once, whenever there is a signal, and when the time that the
// last turn answered has passed, until ctx ends; it returns the error of ctx. No
// wait but Forever is longer than longest: the clock that turn looks at may be set.
func Turns(ctx context.Context, signal <-chan struct{}, longest time.Duration, turn func(context.Context) time.Duration) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-signal:
		case <-timer.C:
		}
		wait := turn(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if wait == Forever {
			timer.Stop()
		} else {
			timer.Reset(min(max(wait, 0), longest))
		}
	}
}
