package load

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client/admin"
	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// target is a topic of four queues at two brokers.
func target(t *testing.T) (*fake.Cluster, Where) {
	c := fake.NewCluster(t, "broker-a", "broker-b")
	a, err := admin.New(admin.WithNameservers(c.Namesrv.Addr))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return c, Where{Admin: a, Topic: "T", Create: 4}
}

func TestProduceAndConsume(t *testing.T) {
	_, w := target(t)
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, queues, 8)

	r, err := Produce(t.Context(), Config{Topic: "T", Queues: queues, Conns: 3, Inflight: 5, Size: 20, Count: 900})
	require.NoError(t, err)
	require.EqualValues(t, 900, r.Messages)
	require.EqualValues(t, 900, r.Requests)
	require.Empty(t, r.Errors)
	require.Positive(t, r.Latency.P50)
	r, err = Produce(t.Context(), Config{Topic: "T", Queues: queues, Conns: 2, Inflight: 2, Size: 20, Count: 320, Batch: 32, Random: true})
	require.NoError(t, err)
	require.EqualValues(t, 320, r.Messages)
	require.EqualValues(t, 10, r.Requests)

	r, err = Consume(t.Context(), Config{Topic: "T", Queues: queues, Conns: 3})
	require.NoError(t, err)
	require.EqualValues(t, 1220, r.Messages, "everything, once")
	r, err = Consume(t.Context(), Config{Topic: "T", Queues: queues, Conns: 2, Loop: true, Count: 3000})
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Messages, int64(3000))
}

func TestConsumeFollowsMovedOffsets(t *testing.T) {
	c, w := target(t)
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	_, err = Produce(t.Context(), Config{Topic: "T", Queues: queues[:1], Conns: 1, Size: 20, Count: 100})
	require.NoError(t, err)
	c.Broker("broker-a").Expire("T", 0, 40)
	r, err := Consume(t.Context(), Config{Topic: "T", Queues: queues[:1], Conns: 1})
	require.NoError(t, err)
	require.EqualValues(t, 60, r.Messages)
}

func TestErrorsAreCounted(t *testing.T) {
	c, w := target(t)
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	c.Broker("broker-a").Handle(protocol.ReqSendMessageV2, fake.Answer(fake.Refuse(protocol.RespSystemBusy, "busy")))
	r, err := Produce(t.Context(), Config{Topic: "T", Queues: queues[:4], Conns: 1, Size: 20, Count: 10})
	require.NoError(t, err)
	require.Zero(t, r.Messages)
	require.Equal(t, []CodeCount{{2, "SYSTEM_BUSY", 10}}, r.Errors)

	c.Broker("broker-a").Handle(protocol.ReqPullMessage, fake.Answer(fake.Refuse(protocol.RespNoPermission, "no")))
	_, err = Consume(t.Context(), Config{Topic: "T", Queues: queues[:4], Conns: 1})
	require.ErrorContains(t, err, "code 16 NO_PERMISSION")
}

func TestServerThatGoesAway(t *testing.T) {
	c, w := target(t)
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	c.Broker("broker-a").Handle(protocol.ReqSendMessageV2, func(context.Context, *remoting.Command) *remoting.Command {
		go c.Broker("broker-a").Close()
		return nil
	})
	_, err = Produce(t.Context(), Config{Topic: "T", Queues: queues, Conns: 2, Size: 20, Duration: time.Minute})
	require.ErrorContains(t, err, "broker 127.0.0.1")
}

// TestStallIsCharged: a server that holds everything up for a while must show it
// in the latencies of all messages that were due meanwhile, not only of those
// that had been sent.
func TestStallIsCharged(t *testing.T) {
	const stall = 200 * time.Millisecond
	c, w := target(t)
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	b := c.Broker("broker-a")
	begin := make(chan struct{}, 1)
	begin <- struct{}{}
	b.Handle(protocol.ReqSendMessageV2, func(ctx context.Context, _ *remoting.Command) *remoting.Command {
		select {
		case <-begin: // the first request stalls, and with it its connection's only slot
			select {
			case <-time.After(stall):
			case <-ctx.Done():
			}
		default:
		}
		return fake.OK(&protocol.SendMessageResponse{}, nil)
	})
	r, err := Produce(t.Context(), Config{Topic: "T", Queues: queues[:1], Conns: 1, Inflight: 1, Size: 20, Rate: 1000, Duration: 400 * time.Millisecond})
	require.NoError(t, err)
	require.EqualValues(t, 400, r.Messages, "the schedule is kept")
	require.Greater(t, r.Latency.Max, 190.0)
	require.Greater(t, r.Latency.P50, 1.0, "half of the messages waited behind the stall: %+v", r.Latency)
	require.Greater(t, r.Latency.Mean, 20.0)
}

func TestLatencyFromDueToDelivered(t *testing.T) {
	_, w := target(t)
	_, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	queues, err := Where{Admin: w.Admin, Topic: "T"}.Resolve(t.Context(), true)
	require.NoError(t, err)
	r, err := Latency(t.Context(), Config{Topic: "T", Queues: queues, Conns: 2, Rate: 500, Duration: 200 * time.Millisecond})
	require.NoError(t, err)
	require.EqualValues(t, 100, r.Messages)
	require.Positive(t, r.Delivery.P50)
	require.GreaterOrEqual(t, r.Delivery.Max, r.Delivery.P50)
}

func TestInterruptedRunKeepsWhatItMeasured(t *testing.T) {
	c, w := target(t)
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	b := c.Broker("broker-a")
	n := make(chan struct{}, 1000)
	b.Handle(protocol.ReqSendMessageV2, func(context.Context, *remoting.Command) *remoting.Command {
		select {
		case n <- struct{}{}:
		default:
			cancel()
		}
		return fake.OK(&protocol.SendMessageResponse{}, nil)
	})
	r, err := Produce(ctx, Config{Topic: "T", Queues: queues[:1], Conns: 1, Size: 20, Duration: time.Hour})
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Messages, int64(900))
	require.Less(t, r.Seconds, 60.0)
}

func TestEnsureMakesWhatIsMissing(t *testing.T) {
	c, w := target(t)
	w.Create = 0
	_, err := w.Resolve(t.Context(), false)
	require.Error(t, err)
	require.NoError(t, w.Ensure(t.Context()))
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, queues, 16)

	one := Where{Admin: w.Admin, Topic: "U", Broker: c.Broker("broker-b").Addr}
	require.NoError(t, one.Ensure(t.Context()))
	queues, err = one.Resolve(t.Context(), true)
	require.NoError(t, err)
	require.Len(t, queues, 8)
}

func TestTopicsSideBySide(t *testing.T) {
	_, w := target(t)
	first, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	w.Topic = "U"
	second, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	both := Config{Topic: "T", Queues: append(first, second...), Conns: 2, Size: 20, Count: 1600}
	r, err := Produce(t.Context(), both)
	require.NoError(t, err)
	require.EqualValues(t, 1600, r.Messages)
	r, err = Consume(t.Context(), both)
	require.NoError(t, err)
	require.EqualValues(t, 1600, r.Messages)
	r, err = Consume(t.Context(), Config{Topic: "U", Queues: second, Conns: 2})
	require.NoError(t, err)
	require.InDelta(t, 800, r.Messages, 16, "half of them")
	require.NotNil(t, r.Generator)
}

func TestIdleConsumers(t *testing.T) {
	_, w := target(t)
	queues, err := w.Resolve(t.Context(), true)
	require.NoError(t, err)
	c := Config{Topic: "T", Queues: queues, Conns: 8, PID: os.Getpid(), Warmup: time.Millisecond, Duration: 20 * time.Millisecond}
	cost, err := Idle(t.Context(), c)
	if runtime.GOOS == "linux" {
		require.NoError(t, err)
		require.Equal(t, os.Getpid(), cost.PID)
		require.Positive(t, cost.RSSAnonMiB)
	}
	c.Conns = 9
	_, err = Idle(t.Context(), c)
	require.ErrorContains(t, err, "8 queues, fewer than the 9 connections")
	_, err = Watch(t.Context(), 1<<30, time.Millisecond)
	require.Error(t, err)
}

// TestWarmUpLeavesNothing: requests that were due in the warm-up and could not
// leave are dropped when it ends.
func TestWarmUpLeavesNothing(t *testing.T) {
	c, w := target(t)
	queues, err := w.Resolve(t.Context(), false)
	require.NoError(t, err)
	var requests atomic.Int64
	c.Broker("broker-a").Handle(protocol.ReqSendMessageV2, func(ctx context.Context, _ *remoting.Command) *remoting.Command {
		if requests.Add(1) == 1 { // all of the warm-up
			select {
			case <-time.After(220 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return fake.OK(&protocol.SendMessageResponse{}, nil)
	})
	r, err := Produce(t.Context(), Config{
		Topic: "T", Queues: queues[:1], Conns: 1, Inflight: 1, Size: 20, Rate: 1000,
		Warmup: 200 * time.Millisecond, Duration: 200 * time.Millisecond,
	})
	require.NoError(t, err)
	require.EqualValues(t, 200, r.Messages)
	require.LessOrEqual(t, requests.Load(), int64(210))
}
