package stats

import (
	"fmt"
	"sync"
	"time"
)

// rateSpans are the spans of the three numbers in a rate string of request 28.
var rateSpans = [3]time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}

// maxRateSamples covers the longest span with one sample a second.
const maxRateSamples = 601

// Rate is an average per second over 10 s, 60 s and 600 s. A span that is not
// full yet is averaged over what there is.
type Rate [3]float64

// String is the form of request 28: three numbers and spaces between.
func (r Rate) String() string {
	return fmt.Sprintf("%s %s %s", javaFloat(r[0]), javaFloat(r[1]), javaFloat(r[2]))
}

// javaFloat writes a number as Java's Double.toString does for ordinary sizes.
func javaFloat(v float64) string {
	s := fmt.Sprintf("%.3f", v)
	for s[len(s)-1] == '0' && s[len(s)-2] != '.' {
		s = s[:len(s)-1]
	}
	return s
}

// Rates are the broker's rates of request 28.
type Rates struct {
	Put      Rate // messages stored
	GetFound Rate // reads that gave something
	GetMiss  Rate // reads that gave nothing
	GetTotal Rate // both
	Transfer Rate // messages handed out
}

type rateSample struct {
	at                            time.Time
	put, found, miss, transferred int64
}

// rates keeps the totals of the last ten minutes.
type rates struct {
	mu      sync.Mutex
	samples []rateSample // oldest first
}

func (r *rates) add(now time.Time, t *Totals) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.samples); n > 0 && now.Before(r.samples[n-1].at) {
		r.samples = r.samples[:0] // the clock stepped back
	}
	r.samples = append(r.samples, rateSample{now, t.Put.Load(), t.GetFound.Load(), t.GetMiss.Load(), t.Transfer.Load()})
	if len(r.samples) > 2*maxRateSamples {
		r.samples = append(r.samples[:0], r.samples[len(r.samples)-maxRateSamples:]...)
	}
}

// Rates gives the rates as of the last snapshots.
func (s *Stats) Rates() Rates {
	s.rates.mu.Lock()
	defer s.rates.mu.Unlock()
	var out Rates
	samples := s.rates.samples
	if len(samples) < 2 {
		return out
	}
	last := samples[len(samples)-1]
	for i, span := range rateSpans {
		first := s.rates.since(last.at.Add(-span))
		seconds := last.at.Sub(first.at).Seconds()
		if seconds <= 0 {
			continue
		}
		out.Put[i] = float64(last.put-first.put) / seconds
		out.GetFound[i] = float64(last.found-first.found) / seconds
		out.GetMiss[i] = float64(last.miss-first.miss) / seconds
		out.GetTotal[i] = out.GetFound[i] + out.GetMiss[i]
		out.Transfer[i] = float64(last.transferred-first.transferred) / seconds
	}
	return out
}

// since gives the newest sample at or before a time, else the oldest.
func (r *rates) since(at time.Time) rateSample {
	for i := len(r.samples) - 1; i >= 0; i-- {
		if !r.samples[i].at.After(at) {
			return r.samples[i]
		}
	}
	return r.samples[0]
}

// Midnights are the counts of request 28 at the last two local midnights.
type Midnights struct {
	PutYesterday, PutToday int64 // messages stored until then
	GetYesterday, GetToday int64 // messages handed out until then
}

// days notes the totals at midnight.
type days struct {
	mu    sync.Mutex
	day   int // day of the year of the last sample, 0 before the first
	marks Midnights
}

func (d *days) add(now time.Time, t *Totals) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.day == now.YearDay() {
		return
	}
	if d.day != 0 {
		m := &d.marks
		m.PutYesterday, m.PutToday = m.PutToday, t.Put.Load()
		m.GetYesterday, m.GetToday = m.GetToday, t.Transfer.Load()
	}
	d.day = now.YearDay()
}

// Midnights gives the counts at the last two midnights since the start.
func (s *Stats) Midnights() Midnights {
	s.days.mu.Lock()
	defer s.days.mu.Unlock()
	return s.days.marks
}
