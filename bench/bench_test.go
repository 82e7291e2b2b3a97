package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/bench/load"
)

func TestSpread(t *testing.T) {
	require.Zero(t, spreadOf(nil))
	require.Equal(t, spread{runs: 3, median: 2, min: 1, max: 9}, spreadOf([]float64{9, 1, 2}))
	require.Equal(t, spread{runs: 2, median: 1.5, min: 1, max: 2}, spreadOf([]float64{2, 1}))
	require.Equal(t, "2.00 (1.00..9.00)", spreadOf([]float64{9, 1, 2}).String())
	require.Equal(t, "0.125", spreadOf([]float64{0.125}).String())
	require.Equal(t, "12346", number(12345.6))
	require.Equal(t, "0", number(0))
}

func TestVerdict(t *testing.T) {
	check := func(b budget, ours, theirs float64, text, verdict string) {
		t.Helper()
		require.Equal(t, text, b.String())
		require.Equal(t, verdict, b.verdict(spread{runs: 3, median: ours}, spread{runs: 3, median: theirs}))
	}
	check(faster(6), 700, 100, ">= 6x", "kept")
	check(faster(6), 300, 100, ">= 6x", "missed by 50 %")
	check(cheaper(8), 5, 40, "<= 0.125x", "kept")
	check(cheaper(8), 10, 40, "<= 0.125x", "missed by 100 %")
	check(atMost(peakRSS, 96), 96, 0, "<= 96", "kept")
	check(atMost(refused, 0), 1, 0, "<= 0", "missed")
	check(atLeast(throughputRatio, 0.75), 0.6, 0, ">= 0.75", "missed by 20 %")
	require.Equal(t, "-", faster(6).verdict(spread{runs: 1, median: 1}, spread{}))
	require.Equal(t, "-", atMost(peakRSS, 96).verdict(spread{}, spread{}))
}

func TestChooseRows(t *testing.T) {
	count := func(pattern string, large bool) int {
		rows, err := chooseRows(pattern, large)
		if err != nil {
			require.Empty(t, rows)
			return -1
		}
		return len(rows)
	}
	require.Equal(t, 2, count("one in flight", false))
	require.Equal(t, 3, count("one in flight|tailing", false))
	require.Equal(t, -1, count("no such row", true))
	require.Equal(t, -1, count("(", true))
	require.Equal(t, -1, count("backlog", false))
	require.Equal(t, 1, count("backlog", true))
	require.Equal(t, len(allRows()), count("", true))
}

// someReport has three rounds of a row, of which one server fails.
func someReport() (*report, row) {
	r := &report{Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Method: "the method", Machine: machine{CPU: "a CPU", Commit: "abc-dirty"}}
	first := allRows()[0]
	for i, perSecond := range []float64{10, 30, 20} {
		o := &outcome{Row: first.name, Server: "aerobee", Round: i + 1}
		o.addLoad(load.Result{PerSecond: perSecond, Errors: []load.CodeCount{{Code: 2, Count: 1}}, Process: &load.ProcessCost{MicrosPerMessage: 2, PeakRSSAnonMiB: 192}})
		r.Runs = append(r.Runs, o)
	}
	r.Runs = append(r.Runs, &outcome{Row: first.name, Server: "apache", Round: 1, Error: "no JVM\nand more"})
	return r, first
}

func TestReport(t *testing.T) {
	r, row := someReport()
	require.True(t, r.failed(row.name, "apache"))
	require.False(t, r.failed(row.name, "aerobee"))
	require.Empty(t, r.failures("aerobee"))
	require.Equal(t, []string{row.name + ": no JVM\nand more"}, r.failures("apache"))
	dir := t.TempDir()
	require.NoError(t, r.write(dir))
	page, err := os.ReadFile(filepath.Join(dir, "20260102T030405Z-abc-dirty.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "on a CPU,")
	require.Contains(t, string(page), "| "+row.name+" | messages/s |  | 20.0 (10.0..30.0) |  | >= 6x | - |")
	require.Contains(t, string(page), "|  | RssAnon at its peak, MiB |  | 192 (192..192) |  | <= 96 | missed by 100 % |")
	require.Contains(t, string(page), "apache failed | no JVM |")

	doc := filepath.Join(dir, "page")
	require.NoError(t, os.WriteFile(doc, []byte("before\n"+pageBegin+"old\n"+pageEnd+"after\n"), 0o644))
	require.NoError(t, execute(t.Context(), []string{"-page", "-to", doc, "-results", dir}))
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	require.Contains(t, string(text), "before\n"+pageBegin+"2026-01-02 03:04 UTC, on a CPU")
	require.NotContains(t, string(text), "old")
	require.ErrorContains(t, writePage(filepath.Join(dir, "20260102T030405Z-abc-dirty.md"), "", dir), "has no part between")
	require.ErrorContains(t, writePage(doc, "", t.TempDir()), "has no results")
}

func TestFlags(t *testing.T) {
	o, err := parse([]string{"-quick", "-rows", "x", "-queues", "77"})
	require.NoError(t, err)
	require.Equal(t, 1, o.rounds)
	require.Equal(t, 77, o.queues, "what is given wins")
	require.EqualValues(t, 256<<20, o.coldBytes)
	_, err = parse([]string{"-rounds", "0"})
	require.ErrorContains(t, err, "must be positive")
	_, err = parse([]string{"-backlog", "-1"})
	require.ErrorContains(t, err, "must be positive")
	_, err = options{servers: "nats"}.chooseServers(t.Context())
	require.ErrorContains(t, err, "neither apache nor aerobee")
	_, err = options{servers: "aerobee", bin: "/no/such/binary"}.chooseServers(t.Context())
	require.ErrorContains(t, err, "make build")
}

func TestMachine(t *testing.T) {
	m, err := inspect(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.Positive(t, m.Cores)
	require.Positive(t, m.SyncMs)
	require.NotContains(t, m.String(), "\n")
	b, err := openBallast(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, b.fill(t.Context(), 1<<60), "more than there is: nothing to do")
	require.Zero(t, b.at)
	require.NoError(t, b.close())
	_, err = room(t.TempDir())
	require.NoError(t, err)
	_, err = room("/no/such/directory")
	if runtime.GOOS == "linux" {
		require.Error(t, err)
	}
}

func TestDropCache(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "d", "f"), make([]byte, 1<<20), 0o644))
	if err := dropCache(dir); runtime.GOOS == "linux" {
		require.NoError(t, err)
	}
	require.Error(t, dropCache(filepath.Join(dir, "missing")))
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
