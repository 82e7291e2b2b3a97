package run

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"
)

// Group runs named goroutines under one context. The first one that returns an
// error cancels the others. The zero value is not usable; see NewGroup.
//
// Go may be called from any goroutine, also from one of the group. After Wait
// has returned the group must not be used again.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

// NewGroup returns a group whose goroutines get a context derived from ctx.
func NewGroup(ctx context.Context) *Group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{ctx: ctx, cancel: cancel}
}

// Context is cancelled when Cancel is called, a goroutine fails, or the parent ends.
func (g *Group) Context() context.Context { return g.ctx }

// Go starts f. Name labels the goroutine in profiles and prefixes its error.
// A nil error and context.Canceled are normal ends; anything else cancels the group.
func (g *Group) Go(name string, f func(ctx context.Context) error) {
	g.wg.Go(func() {
		pprof.Do(g.ctx, pprof.Labels("goroutine", name), func(ctx context.Context) {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				g.cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	})
}

// Cancel asks all goroutines to end.
func (g *Group) Cancel() { g.cancel(nil) }

// Wait blocks until every goroutine has returned and gives the first error.
func (g *Group) Wait() error {
	g.wg.Wait()
	defer g.cancel(nil)
	if err := context.Cause(g.ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
