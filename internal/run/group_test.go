package run

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFirstErrorCancelsTheOthers(t *testing.T) {
	boom := errors.New("boom")
	g := NewGroup(context.Background())
	g.Go("waits", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	g.Go("fails", func(context.Context) error { return boom })
	err := g.Wait()
	require.ErrorIs(t, err, boom)
	require.EqualError(t, err, "fails: boom")
}

func TestCancelIsNotAnError(t *testing.T) {
	g := NewGroup(context.Background())
	g.Go("waits", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	g.Cancel()
	require.NoError(t, g.Wait())
}
