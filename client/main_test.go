package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually is how long a test waits for what must happen at once.
const eventually = 5 * time.Second

func newProducer(t *testing.T, c *fake.Cluster, opts ...ProducerOption) *Producer {
	t.Helper()
	p, err := NewProducer(t.Context(), "pg", append([]ProducerOption{WithNameservers(c.Namesrv.Addr), WithInstance("test")}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func newConsumer(t *testing.T, c *fake.Cluster, opts ...PullConsumerOption) *PullConsumer {
	t.Helper()
	p, err := NewPullConsumer(t.Context(), "cg", append([]PullConsumerOption{WithNameservers(c.Namesrv.Addr)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}
