package run

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		signal := make(chan struct{}, 1)
		began := time.Now()
		var at []time.Duration
		waits := []time.Duration{5 * time.Second, -1, time.Hour, Forever}
		g := NewGroup(ctx)
		g.Go("turns", func(ctx context.Context) error {
			return Turns(ctx, signal, 10*time.Second, func(context.Context) time.Duration {
				at = append(at, time.Since(began))
				return waits[min(len(at), len(waits))-1]
			})
		})
		time.Sleep(time.Hour)
		signal <- struct{}{}
		synctest.Wait()
		cancel()
		require.NoError(t, g.Wait())
		require.Equal(t, []time.Duration{0, 5 * time.Second, 5 * time.Second, 15 * time.Second, time.Hour}, at)
	})
}
