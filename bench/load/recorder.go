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
	same     int64 // times that the latency before was seen and is not in the histogram yet
	before   int64
	messages int64
	bytes    int64
	requests int64
	errors   map[int32]int64 // by response code; touched only when something fails
}

func newRecorder() *recorder {
	return &recorder{latency: hdrhistogram.New(lowestNanos, highestNanos, 3), errors: make(map[int32]int64)}
}

// record books a latency. What is sent together and answered together has the
// same one, which is booked once.
func (r *recorder) record(nanos int64) {
	if nanos != r.before {
		r.settle()
		r.before = nanos
	}
	r.same++
}

// settle books what record has left over.
func (r *recorder) settle() {
	if r.same > 0 {
		_ = r.latency.RecordValues(min(max(r.before, lowestNanos), highestNanos), r.same) // in range by construction
		r.same = 0
	}
}

func (r *recorder) merge(o *recorder) {
	o.settle()
	r.latency.Merge(o.latency)
	r.messages += o.messages
	r.bytes += o.bytes
	r.requests += o.requests
	for code, n := range o.errors {
		r.errors[code] += n
	}
}
