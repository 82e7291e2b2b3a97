package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// results are all runs of a benchmark: by row, by server, in the order of the
// rounds.
type results struct {
	rows []row
	runs map[string]map[string][]measured
}

func newTable(rows []row) *results {
	t := &results{rows: rows, runs: make(map[string]map[string][]measured)}
	for _, r := range rows {
		t.runs[r.name] = make(map[string][]measured)
	}
	return t
}

func (t *results) add(row, server string, m measured) {
	t.runs[row][server] = append(t.runs[row][server], m)
}

// figures are what the table shows of a row at one server: medians.
type figures struct {
	runs                     int
	perSecond, cpu, rss      float64
	p50, p99, p999           float64
	deliveryP50, deliveryP99 float64
	errors                   int64
}

func (t *results) figures(row, server string) figures {
	runs := t.runs[row][server]
	of := func(f func(m measured) float64) float64 {
		values := make([]float64, len(runs))
		for i, m := range runs {
			values[i] = f(m)
		}
		return median(values)
	}
	g := figures{
		runs:      len(runs),
		perSecond: of(func(m measured) float64 { return m.PerSecond }),
		p50:       of(func(m measured) float64 { return m.Latency.P50 }),
		p99:       of(func(m measured) float64 { return m.Latency.P99 }),
		p999:      of(func(m measured) float64 { return m.Latency.P999 }),
	}
	for _, m := range runs {
		for _, e := range m.Errors {
			g.errors += e.Count
		}
	}
	if len(runs) > 0 && runs[0].Process != nil {
		g.cpu = of(func(m measured) float64 { return m.Process.MicrosPerMessage })
		g.rss = of(func(m measured) float64 { return m.Process.PeakRSSAnonMiB })
	}
	if len(runs) > 0 && runs[0].Delivery != nil {
		g.deliveryP50 = of(func(m measured) float64 { return m.Delivery.P50 })
		g.deliveryP99 = of(func(m measured) float64 { return m.Delivery.P99 })
	}
	return g
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// verdict lists what of a row's budget is missed. It is "-" without both
// servers, "ok" if all is kept.
func (b budget) verdict(ours, theirs figures) string {
	if ours.runs == 0 || theirs.runs == 0 {
		return "-"
	}
	var missed []string
	atMost := func(name string, limit, ours, theirs float64) {
		if limit > 0 && theirs > 0 && ours/theirs > limit {
			missed = append(missed, fmt.Sprintf("%s %.2f of Apache's, at most %.2f", name, ours/theirs, limit))
		}
	}
	if b.throughput > 0 && ours.perSecond < b.throughput*theirs.perSecond {
		missed = append(missed, fmt.Sprintf("throughput %.1fx, at least %.0fx", ours.perSecond/theirs.perSecond, b.throughput))
	}
	atMost("CPU", b.cpu, ours.cpu, theirs.cpu)
	atMost("p50", b.p50, ours.p50, theirs.p50)
	atMost("p99", b.p99, ours.p99, theirs.p99)
	atMost("p99.9", b.p999, ours.p999, theirs.p999)
	atMost("delivery p50", b.deliveryP50, ours.deliveryP50, theirs.deliveryP50)
	atMost("delivery p99", b.deliveryP99, ours.deliveryP99, theirs.deliveryP99)
	if b.peakRSSAnonMiB > 0 && ours.rss > b.peakRSSAnonMiB {
		missed = append(missed, fmt.Sprintf("memory %.0f MiB, at most %.0f", ours.rss, b.peakRSSAnonMiB))
	}
	if b.noneRefused && ours.errors > 0 {
		missed = append(missed, fmt.Sprintf("%d refused, none allowed", ours.errors))
	}
	if len(missed) == 0 {
		return "ok"
	}
	return strings.Join(missed, "; ")
}

func (t *results) render() table.Writer {
	w := table.NewWriter()
	w.AppendHeader(table.Row{"load", "server", "messages/s", "CPU us/message", "p50 ms", "p99 ms", "p99.9 ms", "delivery p50/p99 ms", "RssAnon MiB", "refused", "budget"})
	for _, r := range t.rows {
		verdict := r.budget.verdict(t.figures(r.name, "aerobee"), t.figures(r.name, "apache"))
		for _, server := range []string{"apache", "aerobee"} {
			g := t.figures(r.name, server)
			if g.runs == 0 {
				continue
			}
			delivery, kept := "", ""
			if g.deliveryP50 > 0 {
				delivery = fmt.Sprintf("%.3f / %.3f", g.deliveryP50, g.deliveryP99)
			}
			if server == "aerobee" {
				kept = verdict
			}
			w.AppendRow(table.Row{
				r.name, server, fmt.Sprintf("%.0f", g.perSecond), fmt.Sprintf("%.2f", g.cpu), fmt.Sprintf("%.3f", g.p50),
				fmt.Sprintf("%.3f", g.p99), fmt.Sprintf("%.3f", g.p999), delivery, fmt.Sprintf("%.0f", g.rss), g.errors, kept,
			})
		}
	}
	return w
}

func (t *results) print(w io.Writer) error {
	_, err := fmt.Fprintln(w, t.render().Render())
	return err
}

// write puts the table and every single result into files named after the time.
func (t *results) write(dir string, o options) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	now := time.Now().UTC()
	base := filepath.Join(dir, now.Format("20060102T150405Z"))
	page := fmt.Sprintf("# Side by side, %s\n\n%s\n\nMedians of %d rounds of %v, after a load of %v (aerobee) and %v (Apache, heap %s). CPU is user and system time of the broker's process.\n\n%s\n",
		now.Format("2006-01-02 15:04 MST"), machine(), o.rounds, o.duration, o.warmup, o.warmupJava, o.heap, t.render().RenderMarkdown())
	data, err := json.MarshalIndent(t.runs, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(base+".md", []byte(page), 0o644); err != nil {
		return err
	}
	return os.WriteFile(base+".json", append(data, '\n'), 0o644)
}

// machine says on what the numbers were made.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = cmp.Or(strings.TrimSpace(value), model)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s; generator on the same cores.", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
