package load

import (
	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept from a microsecond to two minutes at three digits.
const (
	lowestNanos  = 1_000
	highestNanos = 120_000_000_000
)

// recorder is what one connection saw. It belongs to one goroutine.
type recorder struct {
	latency  *hdrhistogram.Histogram
	messages int64
	bytes    int64
	requests int64
	errors   map[int32]int64 // by response code; touched only when something fails
}

func newRecorder() *recorder {
	return &recorder{latency: hdrhistogram.New(lowestNanos, highestNanos, 3), errors: make(map[int32]int64)}
}

func (r *recorder) record(nanos int64) {
	_ = r.latency.RecordValue(min(max(nanos, lowestNanos), highestNanos)) // in range by construction
}

func (r *recorder) merge(o *recorder) {
	r.latency.Merge(o.latency)
	r.messages += o.messages
	r.bytes += o.bytes
	r.requests += o.requests
	for code, n := range o.errors {
		r.errors[code] += n
	}
}
