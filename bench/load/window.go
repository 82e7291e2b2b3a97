package load

import (
	"sync/atomic"
	"time"
)

// window is the counted part of a run. Times are nanoseconds since the run's
// start, so that they fit an atomic and a message body.
type window struct {
	base  time.Time
	from  int64        // end of the warm-up
	until int64        // end of the counted time, 0: when Count is reached
	over  atomic.Bool  // nobody may start another request
	sent  atomic.Int64 // messages promised against Count
	last  atomic.Int64 // when the last counted response came
	count int64
}

func newWindow(c Config) *window {
	w := &window{base: time.Now(), from: int64(c.Warmup), count: c.Count}
	if c.Duration > 0 {
		w.until = int64(c.Warmup + c.Duration)
	}
	return w
}

func (w *window) now() int64 { return int64(time.Since(w.base)) }

func (w *window) millis(at int64) int64 { return w.base.UnixMilli() + at/1e6 }

// counts tells whether what happens at this moment belongs to the measurement.
func (w *window) counts(at int64) bool {
	return at >= w.from && (w.until == 0 || at < w.until)
}

// open tells whether another request may start.
func (w *window) open(at int64) bool {
	return !w.over.Load() && (w.until == 0 || at < w.until)
}

// mayStart asks for n more messages. It is false once the run is over.
func (w *window) mayStart(at int64, n int) bool {
	if !w.open(at) {
		return false
	}
	if w.count == 0 || at < w.from {
		return true
	}
	if w.sent.Add(int64(n)) > w.count {
		w.over.Store(true)
		return false
	}
	return true
}

// took counts messages that a consumer received against Count.
func (w *window) took(n int) {
	if w.count > 0 && w.sent.Add(int64(n)) >= w.count {
		w.over.Store(true)
	}
}

// finish marks a counted response.
func (w *window) finish(at int64) {
	for {
		last := w.last.Load()
		if at <= last || w.last.CompareAndSwap(last, at) {
			return
		}
	}
}

// seconds is the counted time: the configured one, or until the last response
// when that came later (open loop) or the run ended early.
func (w *window) seconds() float64 {
	end, last := w.until, w.last.Load()
	if last > end || (w.over.Load() && last > 0) {
		end = last
	}
	return max(float64(end-w.from)/1e9, 1e-9)
}
