package stats

import (
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// putBounds are the upper bounds in ms of the published distribution.
var putBounds = [...]int64{0, 10, 50, 100, 200, 500, 1000, 2000, 3000, 4000, 5000, 10000}

var putLabels = [...]string{
	"[<=0ms]", "[0~10ms]", "[10~50ms]", "[50~100ms]", "[100~200ms]", "[200~500ms]", "[500ms~1s]",
	"[1~2s]", "[2~3s]", "[3~4s]", "[4~5s]", "[5~10s]", "[10s~]",
}

// Fine buckets: 8 for each power of two of microseconds, so that a percentile is
// off by at most an eighth.
const (
	subBuckets  = 8
	fineBuckets = 40 * subBuckets
)

// putTimes counts how long writes took, minute by minute.
type putTimes struct {
	coarse [len(putLabels)]atomic.Int64
	fine   [fineBuckets]atomic.Int64

	mu struct {
		sync.Mutex
		began        time.Time
		lastCoarse   [len(putLabels)]int64 // totals at the last rotation
		lastFine     [fineBuckets]int64
		distribution [len(putLabels)]int64 // of the last whole minute
		p99, p999    time.Duration
		ready        bool
	}
}

func (p *putTimes) add(took time.Duration) {
	ms := took.Milliseconds()
	n := 0
	for n < len(putBounds) && ms > putBounds[n] {
		n++
	}
	p.coarse[n].Add(1)
	p.fine[fineBucket(took)].Add(1)
}

func fineBucket(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 0))
	if us < subBuckets {
		return int(us)
	}
	exp := bits.Len64(us) - 4 // so that us>>exp is 8..15
	return min((exp+1)*subBuckets+int(us>>exp)-subBuckets, fineBuckets-1)
}

// fineBound is the upper end of a fine bucket.
func fineBound(bucket int) time.Duration {
	if bucket < subBuckets {
		return time.Duration(bucket) * time.Microsecond
	}
	exp := bucket/subBuckets - 1
	us := uint64(bucket%subBuckets+subBuckets+1)<<exp - 1
	return time.Duration(us) * time.Microsecond
}

// rotate publishes the last minute when it is over.
func (p *putTimes) rotate(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.began.IsZero() {
		p.mu.began = now
		return
	}
	if now.Sub(p.mu.began) < time.Minute {
		return
	}
	p.mu.began, p.mu.ready = now, true
	for i := range p.coarse {
		total := p.coarse[i].Load()
		p.mu.distribution[i], p.mu.lastCoarse[i] = total-p.mu.lastCoarse[i], total
	}
	var fine [fineBuckets]int64
	var count int64
	for i := range p.fine {
		total := p.fine[i].Load()
		fine[i], p.mu.lastFine[i] = total-p.mu.lastFine[i], total
		count += fine[i]
	}
	p.mu.p99, p.mu.p999 = percentile(&fine, count, 0.99), percentile(&fine, count, 0.999)
}

func percentile(fine *[fineBuckets]int64, count int64, q float64) time.Duration {
	if count == 0 {
		return 0
	}
	rank := int64(q*float64(count-1)) + 1
	for i, n := range fine {
		if rank -= n; rank <= 0 {
			return fineBound(i)
		}
	}
	return fineBound(fineBuckets - 1)
}

// PutTimes is how long writes took in the last whole minute.
type PutTimes struct {
	Distribution string // as request 28 has it; "null" in the first minute
	P99, P999    time.Duration
}

// PutTimes gives the times of the last whole minute.
func (s *Stats) PutTimes() PutTimes {
	p := &s.times
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.ready {
		return PutTimes{Distribution: "null"}
	}
	var b strings.Builder
	for i, n := range p.mu.distribution {
		fmt.Fprintf(&b, "%s:%d ", putLabels[i], n)
	}
	return PutTimes{Distribution: b.String(), P99: p.mu.p99, P999: p.mu.p999}
}
