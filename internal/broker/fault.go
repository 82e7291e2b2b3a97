package broker

import (
	"context"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// Fault is what Config.Intercept wants to happen to a request. The zero value is
// nothing.
type Fault struct {
	Drop   bool          // serve nothing, answer nothing
	Silent bool          // serve, and lose the answer
	Delay  time.Duration // before it is served
	Code   protocol.ResponseCode
	Remark string // of the refusal, if Code is not 0
}

// intercepted is a handler with the faults that are asked for.
func (b *Broker) intercepted(serve remoting.Handler) remoting.Handler {
	return func(c *remoting.Call) error {
		f := b.cfg.Intercept(c)
		if f.Drop || f.Silent {
			c.Mute()
		}
		switch {
		case f.Drop:
			return nil
		case f.Code != 0:
			return protocol.Errorf(f.Code, "%s", f.Remark)
		case f.Delay > 0:
			c.Detach(func(ctx context.Context, c *remoting.Call) error { return b.serveLate(ctx, c, f.Delay, serve) })
			return nil
		}
		return serve(c)
	}
}

// serveLate serves a request on a worker, which nobody commits after.
func (b *Broker) serveLate(ctx context.Context, c *remoting.Call, delay time.Duration, serve remoting.Handler) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer b.store.Commit()
	return serve(c)
}
