package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/aerobee/aerobee/bench/load"
)

// The figures of a run, by the names that the tables show.
const (
	throughput   = "messages/s"
	serverCPU    = "CPU, us per message"
	generatorCPU = "CPU of the generator, us per message"
	p50          = "p50, ms"
	p99          = "p99, ms"
	p999         = "p99.9, ms"
	deliveryP50  = "delivery p50, ms"
	deliveryP99  = "delivery p99, ms"
	peakRSS      = "RssAnon at its peak, MiB"
	refused      = "refused"

	p99Alone         = "p99 without the reader, ms"
	p99Ratio         = "p99 with the reader / without"
	coldRate         = "cold reads, MiB/s"
	throughputBefore = "messages/s before"
	throughputRatio  = "messages/s / before"
	sendRate         = "messages/s, sends alone"
	fillRate         = "messages/s while filling"
	startEmpty       = "start to ready, empty store, ms"
	startClean       = "start to ready after a clean stop, ms"
	startKilled      = "start to ready after kill -9, ms"
	idleAlone        = "CPU, nobody connected, % of a core"
	idleClients      = "CPU, 100 waiting consumers, % of a core"
	idleRSS          = "RssAnon, nobody connected, MiB"
)

// value is one figure of a run.
type value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// outcome is what one trial found out.
type outcome struct {
	Row     string        `json:"row"`
	Server  string        `json:"server"`
	Round   int           `json:"round"`
	Figures []value       `json:"figures"`
	Loads   []load.Result `json:"loads,omitempty"` // the loads behind them, whole
	Error   string        `json:"error,omitempty"`
}

// add takes a figure. What was divided by nothing is none.
func (r *outcome) add(name string, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		r.Figures = append(r.Figures, value{name, v})
	}
}

// addLoad adds what every load has.
func (r *outcome) addLoad(l load.Result) {
	r.Loads = append(r.Loads, l)
	r.add(throughput, l.PerSecond)
	if p := l.Process; p != nil {
		r.add(serverCPU, p.MicrosPerMessage)
	}
	if g := l.Generator; g != nil {
		r.add(generatorCPU, g.MicrosPerMessage)
	}
	r.add(p50, l.Latency.P50)
	r.add(p99, l.Latency.P99)
	r.add(p999, l.Latency.P999)
	if d := l.Delivery; d != nil {
		r.add(deliveryP50, d.P50)
		r.add(deliveryP99, d.P99)
	}
	if p := l.Process; p != nil {
		r.add(peakRSS, p.PeakRSSAnonMiB)
	}
	n := int64(0)
	for _, e := range l.Errors {
		n += e.Count
	}
	r.add(refused, float64(n))
}

// spread is a figure over several runs.
type spread struct {
	runs             int
	median, min, max float64
}

func spreadOf(values []float64) spread {
	n := len(values)
	if n == 0 {
		return spread{}
	}
	slices.Sort(values)
	return spread{runs: n, median: (values[(n-1)/2] + values[n/2]) / 2, min: values[0], max: values[n-1]}
}

// budget bounds one figure of aerobee: by a number, or by a multiple of what
// Apache's server has.
type budget struct {
	figure   string
	bound    float64
	least    bool // at least, else at most
	ofApache bool
}

func faster(times float64) budget {
	return budget{figure: throughput, bound: times, least: true, ofApache: true}
}

func cheaper(times float64) budget { return below(serverCPU, times) }

func below(figure string, times float64) budget {
	return budget{figure: figure, bound: 1 / times, ofApache: true}
}

func atMost(figure string, bound float64) budget { return budget{figure: figure, bound: bound} }

func atLeast(figure string, bound float64) budget {
	return budget{figure: figure, bound: bound, least: true}
}

func (b budget) String() string {
	side, of := "<=", ""
	if b.least {
		side = ">="
	}
	if b.ofApache {
		of = "x"
	}
	return fmt.Sprintf("%s %.4g%s", side, b.bound, of)
}

// verdict tells whether medians keep the budget, and by how much not. It is "-"
// when something is missing to tell.
func (b budget) verdict(ours, theirs spread) string {
	bound := b.bound
	if b.ofApache {
		bound *= theirs.median
	}
	switch {
	case ours.runs == 0 || b.ofApache && theirs.runs == 0:
		return "-"
	case b.least && ours.median >= bound, !b.least && ours.median <= bound:
		return "kept"
	case b.least:
		return fmt.Sprintf("missed by %.0f %%", (1-ours.median/bound)*100)
	case bound == 0:
		return "missed"
	default:
		return fmt.Sprintf("missed by %.0f %%", (ours.median/bound-1)*100)
	}
}
