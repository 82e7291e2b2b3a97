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

// span is one of the windows.
type span int

// The windows.
const (
	minute span = iota
	hour
	day
	spans
)

func (s span) period() time.Duration {
	return [spans]time.Duration{minutePeriod, hourPeriod, dayPeriod}[s]
}

// samples is how many snapshots a window has, the first and the last included.
func (s span) samples() int { return [spans]int{minuteSamples, hourSamples, daySamples}[s] }

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

// Item counts one kind of event and up to two values of it. The zero value is
// ready for use. Its history has what changed alone, so that an idle item costs
// nothing: 150 bytes after one event, at most 1.1 KB.
type Item struct {
	times, sum, bytes atomic.Int64

	mu struct {
		sync.Mutex
		history *[spans]series // nil before the first snapshot
	}
}

// Add counts times events of together value.
func (i *Item) Add(value, times int64) {
	i.sum.Add(value)
	i.times.Add(times)
}

// addBytes counts an event with its second value.
func (i *Item) addBytes(value, bytes int64) {
	i.bytes.Add(bytes)
	i.Add(value, 1)
}

// Sum is the total since the start.
func (i *Item) Sum() int64 { return i.sum.Load() }

// used tells whether anything was ever added: Java makes the item only then.
func (i *Item) used() bool { return i.times.Load() > 0 }

// sample takes a snapshot for a window if something was added.
func (i *Item) sample(of span, tick uint32) {
	s := sample{tick: tick, times: uint32(i.times.Load()), sum: i.sum.Load(), bytes: i.bytes.Load()}
	if s.times == 0 && s.sum == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.mu.history == nil {
		i.mu.history = new([spans]series)
	}
	i.mu.history[of].add(s, of.samples())
}

// windows gives the windows of a value as of the last snapshots.
func (i *Item) windows(c *clock, value func(sample) int64) Windows {
	i.mu.Lock()
	defer i.mu.Unlock()
	h := i.mu.history
	if h == nil {
		return Windows{}
	}
	return Windows{
		Minute: c.window(minute, h[minute], value), Hour: c.window(hour, h[hour], value), Day: c.window(day, h[day], value),
	}
}

// sample is the state of an item at a snapshot.
type sample struct {
	tick       uint32 // number of the snapshot
	times      uint32 // only differences count
	sum, bytes int64
}

func (s sample) value() int64  { return s.sum }
func (s sample) second() int64 { return s.bytes }

// series are the samples that differ from the one before, oldest first. At the
// snapshots between two the state was that of the earlier one.
type series []sample

// add appends s, if it is new, and drops what is older than the window. A new
// series starts with a zero sample one period back, so that the first events show
// at once.
func (w *series) add(s sample, keep int) {
	list := *w
	if n := len(list); n == 0 {
		list = append(list, sample{tick: s.tick - 1})
	} else if last := list[n-1]; last.times == s.times && last.sum == s.sum && last.bytes == s.bytes {
		return
	}
	old := 0
	for old+1 < len(list) && int64(list[old+1].tick) <= int64(s.tick)-int64(keep-1) {
		old++
	}
	list = append(list[:0], list[old:]...)
	*w = append(list, s)
}

// clock numbers the snapshots and remembers when they were taken.
type clock struct {
	mu   sync.Mutex
	last [spans]struct {
		tick  uint32
		times []int64 // ms; of the snapshots up to the last
	}
}

// advance begins a snapshot.
func (c *clock) advance(of span, now time.Time) (tick uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.last[of]
	l.tick++
	l.times = append(l.times, now.UnixMilli())
	if n := len(l.times) - of.samples(); n > 0 {
		l.times = append(l.times[:0], l.times[n:]...)
	}
	return l.tick
}

// window adds up a series over the time that its window has.
func (c *clock) window(of span, w series, value func(sample) int64) Window {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.last[of]
	if len(w) == 0 || len(l.times) == 0 {
		return Window{}
	}
	low := int64(l.tick) - int64(of.samples()-1)
	first, last := w[0], w[len(w)-1]
	for _, s := range w {
		if int64(s.tick) <= low {
			first = s
		}
	}
	r := Window{Sum: value(last) - value(first), Times: int64(last.times - first.times)}
	// Before the first snapshot of all there was none to have a time.
	back := min(int64(l.tick)-max(int64(first.tick), low), int64(len(l.times)))
	began := l.times[0] - of.period().Milliseconds()
	if i := len(l.times) - 1 - int(back); i >= 0 {
		began = l.times[i]
	}
	if ms := l.times[len(l.times)-1] - began; ms > 0 {
		r.TPS = float64(r.Sum) * 1000 / float64(ms)
	}
	if r.Times > 0 {
		r.Avg = float64(r.Sum) / float64(r.Times)
	}
	return r
}
