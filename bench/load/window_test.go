package load

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWindowOfTime(t *testing.T) {
	w := newWindow(Config{Warmup: time.Second, Duration: 2 * time.Second})
	sec := func(s float64) int64 { return int64(s * 1e9) }
	require.False(t, w.counts(sec(0.9)))
	require.True(t, w.counts(sec(1)))
	require.False(t, w.counts(sec(3)))
	require.True(t, w.mayStart(sec(0.5), 1), "warming up")
	require.True(t, w.mayStart(sec(2.9), 1))
	require.False(t, w.mayStart(sec(3), 1))
	require.InDelta(t, 2, w.seconds(), 1e-9)
	w.finish(sec(3.5)) // of an open loop: due in time, answered late
	require.InDelta(t, 2.5, w.seconds(), 1e-9)
}

func TestWindowOfMessages(t *testing.T) {
	w := newWindow(Config{Count: 10})
	require.True(t, w.mayStart(1, 6))
	require.False(t, w.mayStart(2, 6), "12 are more than 10")
	require.False(t, w.open(3))
	w.finish(5e8)
	w.finish(4e8)
	require.InDelta(t, 0.5, w.seconds(), 1e-9)
}

func TestShareOfConnections(t *testing.T) {
	q := func(addr string, id int32) Queue { return Queue{Addr: addr, ID: id} }
	c := Config{Conns: 3, Queues: []Queue{q("a", 0), q("b", 0), q("a", 1), q("a", 2), q("b", 1)}}
	got := map[Queue]int{}
	for i := range c.Conns {
		addr, queues := c.pullPart(i)
		for _, queue := range queues {
			require.Equal(t, addr, queue.Addr)
			got[queue]++
		}
	}
	require.Len(t, got, 5)
	for queue, n := range got {
		require.Equal(t, 1, n, "%v has one reader", queue)
	}
	addr, queues := c.sendPart(2)
	require.Equal(t, "a", addr)
	require.Len(t, queues, 3)
}

func TestValidateNamesEveryProblem(t *testing.T) {
	err := Config{Conns: -1, Inflight: 5000, Size: 0, Batch: 2000, Rate: -1, Count: -1}.Validate()
	for _, part := range []string{"topic is empty", "no queue", "conns is -1", "inflight is 5000", "size is 0", "batch is 2000", "rate is -1", "duration"} {
		require.ErrorContains(t, err, part)
	}
}

func TestProcessWatch(t *testing.T) {
	p := newProcessWatch(os.Getpid())
	p.sample(false)
	require.False(t, p.started, "warming up")
	p.sample(true)
	p.sample(true)
	if p.err != nil {
		t.Skip("no /proc here: ", p.err)
	}
	require.Positive(t, p.peak)
	require.GreaterOrEqual(t, p.end, p.begin)

	gone := newProcessWatch(1 << 30)
	gone.sample(true)
	require.Error(t, gone.err)
}

func TestResultText(t *testing.T) {
	r := Result{
		Kind: "produce", Messages: 1000, Seconds: 2, PerSecond: 500, MiBPerSec: 1.5, Conns: 4, Inflight: 32, Size: 128, Batch: 32, Rate: 10,
		Latency: Latencies{Mean: 1, P50: 2, P90: 3, P99: 4, P999: 5, P9999: 6, Max: 7}, Delivery: &Latencies{P50: 9},
		Errors: []CodeCount{{2, "SYSTEM_BUSY", 7}}, Process: &ProcessCost{PID: 5, CPUSeconds: 1, MicrosPerMessage: 3, RSSAnonMiB: 10, PeakRSSAnonMiB: 20},
		Generator: &ProcessCost{MicrosPerMessage: 1.5},
	}
	var b bytes.Buffer
	require.NoError(t, r.WriteText(&b))
	require.Equal(t, `produce: 1000 messages in 2.00 s: 500/s, 1.5 MiB/s (4 conns x 32 in flight, 128 B, batches of 32, open loop at 10/s)
  request ms  mean 1.000  p50 2.000  p90 3.000  p99 4.000  p99.9 5.000  p99.99 6.000  max 7.000
  delivery ms mean 0.000  p50 9.000  p90 0.000  p99 0.000  p99.9 0.000  p99.99 0.000  max 0.000
  server 5: 3.00 us CPU per message, 1.0 s in all; RssAnon 10.0 MiB, peak 20.0 MiB
  this load generator: 1.50 us CPU per message
  7 answers with code 2 SYSTEM_BUSY
`, b.String())
}
