package load

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Result is what a run measured. Latencies are milliseconds.
type Result struct {
	Kind      string       `json:"kind"`
	Topic     string       `json:"topic"`
	Conns     int          `json:"conns"`
	Inflight  int          `json:"inflight"`
	Size      int          `json:"size"`
	Batch     int          `json:"batch"`
	Rate      float64      `json:"rate,omitempty"`
	Seconds   float64      `json:"seconds"`
	Messages  int64        `json:"messages"`
	Requests  int64        `json:"requests"`
	PerSecond float64      `json:"messagesPerSecond"`
	MiBPerSec float64      `json:"mebibytesPerSecond"`
	Latency   Latencies    `json:"latencyMillis"`
	Delivery  *Latencies   `json:"deliveryMillis,omitempty"` // of Latency: due to received
	Errors    []CodeCount  `json:"errors"`
	Process   *ProcessCost `json:"process,omitempty"`
	Generator *ProcessCost `json:"generator,omitempty"` // this process
}

// Latencies are percentiles in milliseconds.
type Latencies struct {
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	P9999 float64 `json:"p9999"`
	Max   float64 `json:"max"`
}

// CodeCount says how often the server answered with a code other than success.
type CodeCount struct {
	Code  int32  `json:"code"`
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// ProcessCost is what a process spent in the counted time.
type ProcessCost struct {
	PID              int     `json:"pid"`
	CPUSeconds       float64 `json:"cpuSeconds"`
	MicrosPerMessage float64 `json:"cpuMicrosPerMessage"`
	RSSAnonMiB       float64 `json:"rssAnonMiB"`
	PeakRSSAnonMiB   float64 `json:"peakRssAnonMiB"`
}

func latencies(r *recorder) Latencies {
	r.settle()
	at := func(q float64) float64 { return float64(r.latency.ValueAtQuantile(q)) / 1e6 }
	return Latencies{
		Mean: r.latency.Mean() / 1e6, P50: at(50), P90: at(90), P99: at(99),
		P999: at(99.9), P9999: at(99.99), Max: float64(r.latency.Max()) / 1e6,
	}
}

func (m *meter) result(kind string, total *recorder) Result {
	seconds := m.win.seconds()
	r := Result{
		Kind: kind, Topic: m.cfg.Topic, Conns: m.cfg.Conns, Inflight: m.cfg.Inflight, Size: m.cfg.Size,
		Batch: m.cfg.Batch, Rate: m.cfg.Rate, Seconds: seconds, Messages: total.messages, Requests: total.requests,
		PerSecond: float64(total.messages) / seconds, MiBPerSec: float64(total.bytes) / seconds / (1 << 20),
		Latency: latencies(total), Errors: []CodeCount{},
	}
	for code, n := range total.errors {
		r.Errors = append(r.Errors, CodeCount{Code: code, Name: protocol.ResponseCode(code).String(), Count: n})
	}
	slices.SortFunc(r.Errors, func(a, b CodeCount) int { return int(a.Code - b.Code) })
	r.Process, r.Generator = m.process.cost(total.messages), m.self.cost(total.messages)
	return r
}

// WriteText prints the result for people.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d messages in %.2f s: %.0f/s, %.1f MiB/s (%d conns x %d in flight, %d B", r.Kind, r.Messages, r.Seconds, r.PerSecond, r.MiBPerSec, r.Conns, r.Inflight, r.Size)
	if r.Batch > 1 {
		fmt.Fprintf(&b, ", batches of %d", r.Batch)
	}
	if r.Rate > 0 {
		fmt.Fprintf(&b, ", open loop at %.0f/s", r.Rate)
	}
	b.WriteString(")\n")
	writeLatencies(&b, "request ms", r.Latency)
	if r.Delivery != nil {
		writeLatencies(&b, "delivery ms", *r.Delivery)
	}
	if p := r.Process; p != nil {
		fmt.Fprintf(&b, "  server %d: %.2f us CPU per message, %.1f s in all; RssAnon %.1f MiB, peak %.1f MiB\n", p.PID, p.MicrosPerMessage, p.CPUSeconds, p.RSSAnonMiB, p.PeakRSSAnonMiB)
	}
	if g := r.Generator; g != nil {
		fmt.Fprintf(&b, "  this load generator: %.2f us CPU per message\n", g.MicrosPerMessage)
	}
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "  %d answers with code %d %s\n", e.Count, e.Code, e.Name)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeLatencies(b *strings.Builder, name string, l Latencies) {
	fmt.Fprintf(b, "  %-11s mean %.3f  p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  p99.99 %.3f  max %.3f\n", name, l.Mean, l.P50, l.P90, l.P99, l.P999, l.P9999, l.Max)
}
