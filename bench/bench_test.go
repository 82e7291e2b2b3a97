package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/bench/load"
)

func TestMedian(t *testing.T) {
	require.Zero(t, median(nil))
	require.Equal(t, 3.0, median([]float64{3}))
	require.Equal(t, 2.0, median([]float64{9, 1, 2}))
	require.Equal(t, 1.5, median([]float64{2, 1}))
}

func TestVerdict(t *testing.T) {
	b := budget{throughput: 6, cpu: 1.0 / 8, p99: 0.25, peakRSSAnonMiB: 96, noneRefused: true}
	apache := figures{runs: 1, perSecond: 100, cpu: 40, p99: 8}
	good := figures{runs: 1, perSecond: 700, cpu: 4, p99: 1, rss: 50}
	require.Equal(t, "ok", b.verdict(good, apache))
	require.Equal(t, "-", b.verdict(good, figures{}))
	bad := figures{runs: 1, perSecond: 150, cpu: 20, p99: 4, rss: 100, errors: 3}
	require.Equal(t, "throughput 1.5x, at least 6x; CPU 0.50 of Apache's, at most 0.12; p99 0.50 of Apache's, at most 0.25; memory 100 MiB, at most 96; 3 refused, none allowed", b.verdict(bad, apache))
}

func TestTable(t *testing.T) {
	rows := chooseRows("one in flight")
	require.Len(t, rows, 2)
	require.Empty(t, chooseRows("no such row"))
	tb := newTable(rows)
	for _, perSecond := range []float64{10, 30, 20} {
		tb.add(rows[0].name, "aerobee", load.Result{PerSecond: perSecond, Errors: []load.CodeCount{{Code: 2, Count: 1}}, Process: &load.ProcessCost{MicrosPerMessage: 2}})
	}
	g := tb.figures(rows[0].name, "aerobee")
	require.Equal(t, 20.0, g.perSecond)
	require.Equal(t, 2.0, g.cpu)
	require.EqualValues(t, 3, g.errors)
	dir := t.TempDir()
	require.NoError(t, tb.write(dir, options{rounds: 3}))
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	require.NoError(t, err)
	require.Len(t, pages, 1)
	page, err := os.ReadFile(pages[0])
	require.NoError(t, err)
	require.Contains(t, string(page), "| "+rows[0].name+" | aerobee | 20 | 2.00 |")
}

func TestFlags(t *testing.T) {
	o, err := parse([]string{"-quick", "-rows", "x"})
	require.NoError(t, err)
	require.Equal(t, 1, o.rounds)
	_, err = parse([]string{"-rounds", "0"})
	require.ErrorContains(t, err, "must be positive")
	_, err = options{servers: "nats"}.chooseServers(t.Context())
	require.ErrorContains(t, err, "neither apache nor aerobee")
	_, err = options{servers: "aerobee", bin: "/no/such/binary"}.chooseServers(t.Context())
	require.ErrorContains(t, err, "make build")
}

func TestReadyLine(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	require.Empty(t, readyAddress(log, "namesrv"))
	require.NoError(t, os.WriteFile(log, []byte("some log\naerobee ready namesrv=127.0.0.1:1 broker=127.0.0.1:2 store=x in=3ms\n"), 0o644))
	require.Equal(t, "127.0.0.1:1", readyAddress(log, "namesrv"))
	require.Equal(t, "127.0.0.1:2", readyAddress(log, "broker"))
	require.Empty(t, readyAddress(log, "proxy"))
}

func TestFreePorts(t *testing.T) {
	port, err := freePorts()
	require.NoError(t, err)
	require.True(t, free(port))
	require.True(t, free(port-2))
	require.True(t, free(port+1))
}
