package main

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer is a cluster that outlives its stops.
type fakeServer struct {
	cluster *fake.Cluster
	starts  int
}

func (*fakeServer) name() string                 { return "aerobee" }
func (*fakeServer) warmup(options) time.Duration { return time.Millisecond }

func (f *fakeServer) start(_ context.Context, store string, _ bool) (*running, error) {
	f.starts++
	return &running{namesrv: f.cluster.Namesrv.Addr, pid: os.Getpid(), ready: time.Millisecond}, os.MkdirAll(store, 0o755)
}

// TestRowsFindTheirFigures runs rows against a server that keeps messages in
// memory, to see that each has what its budgets are about.
func TestRowsFindTheirFigures(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc and the page cache's advice")
	}
	o := options{
		dir: t.TempDir(), duration: 50 * time.Millisecond, warmup: time.Millisecond, idle: 10 * time.Millisecond,
		queues: 1500, backlog: 2000, coldBytes: 1 << 20,
	}
	rows, err := chooseRows("one in flight|open loop|random queues|idle|backlog", true)
	require.NoError(t, err)
	for _, row := range rows {
		s := &fakeServer{cluster: fake.NewCluster(t, "broker-a")}
		out := o.measure(t.Context(), s, row)
		if strings.HasPrefix(out.Error, "skipped") {
			continue // no room here
		}
		require.Empty(t, out.Error, row.name)
		require.Positive(t, s.starts)
		r := &report{Runs: []*outcome{out}}
		for _, b := range row.budgets {
			require.Equal(t, 1, r.spread(row.name, "aerobee", b.figure).runs, "%s: %s", row.name, b.figure)
		}
		require.NoDirExists(t, o.dir+"/store")
	}
}

type brokenServer struct{ fakeServer }

func (*brokenServer) start(context.Context, string, bool) (*running, error) {
	return nil, errors.New("no such server")
}

func TestFailureIsAResult(t *testing.T) {
	o := options{dir: t.TempDir()}
	out := o.measure(t.Context(), &brokenServer{}, allRows()[0])
	require.Equal(t, "no such server", out.Error)
	require.Equal(t, allRows()[0].name, out.Row)
	out.add(throughputRatio, math.Inf(1))
	require.Empty(t, out.Figures)
	tr := &trial{o: o}
	require.ErrorContains(t, tr.need(1<<62), "skipped")
}
