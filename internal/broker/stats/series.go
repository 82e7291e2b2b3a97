package stats

import (
	"sync"
	"sync/atomic"
	"time"
)

// Periods and lengths of the windows, as in Java's StatsItem.
const (
	minutePeriod = 10 * time.Second
	hourPeriod   = 10 * time.Minute
	dayPeriod    = time.Hour

	minuteSamples = 7
	hourSamples   = 7
	daySamples    = 25
)

// Window is what happened in a span of time.
type Window struct {
	Sum   int64   // total of the values added
	Times int64   // number of additions
	TPS   float64 // Sum per second
	Avg   float64 // Sum per addition, 0 when there was none
}

// Windows are the three windows of an item. The minute window is refreshed every
// ten seconds, the hour window every ten minutes, the day window every hour.
type Windows struct {
	Minute, Hour, Day Window
}

// Item counts one thing. The zero value is ready for use.
type Item struct {
	sum   atomic.Int64
	times atomic.Int64

	mu struct {
		sync.Mutex
		minute, hour, day series
	}
}

// Add counts times events of together value.
func (i *Item) Add(value, times int64) {
	i.sum.Add(value)
	i.times.Add(times)
}

// Sum is the total since the start.
func (i *Item) Sum() int64 { return i.sum.Load() }

// used tells whether anything was ever added: Java makes the item only then.
func (i *Item) used() bool { return i.times.Load() > 0 }

// Windows gives the windows as of the last snapshots.
func (i *Item) Windows() Windows {
	i.mu.Lock()
	defer i.mu.Unlock()
	return Windows{Minute: i.mu.minute.window(), Hour: i.mu.hour.window(), Day: i.mu.day.window()}
}

func (i *Item) sample(t tick) {
	s := sample{at: t.now.UnixMilli(), sum: i.sum.Load(), times: i.times.Load()}
	i.mu.Lock()
	defer i.mu.Unlock()
	if t.minute {
		i.mu.minute.add(s, minutePeriod, minuteSamples)
	}
	if t.hour {
		i.mu.hour.add(s, hourPeriod, hourSamples)
	}
	if t.day {
		i.mu.day.add(s, dayPeriod, daySamples)
	}
}

// sample is the state of an item at a time.
type sample struct {
	at         int64 // ms
	sum, times int64
}

// series is a list of samples, oldest first.
type series struct {
	samples []sample
}

// add appends s and drops the oldest beyond keep. A new series starts with a
// zero sample one period back, so that the first events show at once.
func (w *series) add(s sample, period time.Duration, keep int) {
	if w.samples == nil {
		w.samples = append(make([]sample, 0, keep+1), sample{at: s.at - period.Milliseconds()})
	}
	w.samples = append(w.samples, s)
	if n := len(w.samples) - keep; n > 0 {
		w.samples = append(w.samples[:0], w.samples[n:]...)
	}
}

func (w *series) window() Window {
	if len(w.samples) == 0 {
		return Window{}
	}
	first, last := w.samples[0], w.samples[len(w.samples)-1]
	r := Window{Sum: last.sum - first.sum, Times: last.times - first.times}
	if span := last.at - first.at; span > 0 {
		r.TPS = float64(r.Sum) * 1000 / float64(span)
	}
	if r.Times > 0 {
		r.Avg = float64(r.Sum) / float64(r.Times)
	}
	return r
}

// tick tells which snapshots are due.
type tick struct {
	now               time.Time
	minute, hour, day bool
}
