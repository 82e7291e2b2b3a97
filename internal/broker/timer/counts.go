package timer

import (
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// counts is the number of pending messages by real topic: the file timermetrics.
// A count never goes below 0.
type counts struct {
	byTopic map[string]*protocol.Metric // pointers: names to add may alias what is reused
	version protocol.DataVersion
	changed bool
}

func (c *counts) add(topic string, n, now int64) {
	m := c.byTopic[topic]
	if m == nil {
		if n <= 0 {
			return
		}
		if c.byTopic == nil {
			c.byTopic = make(map[string]*protocol.Metric)
		}
		m = new(protocol.Metric)
		c.byTopic[strings.Clone(topic)] = m
	}
	m.Count, m.TimeStamp = max(m.Count+n, 0), now
	c.changed = true
	c.version.Counter++
	c.version.Timestamp = now
}

// clear sets all counts to 0: nothing is pending.
func (c *counts) clear() {
	for _, m := range c.byTopic {
		c.changed = c.changed || m.Count != 0
		m.Count = 0
	}
}

func (c *counts) copy() protocol.TimerMetrics {
	t := protocol.TimerMetrics{DataVersion: c.version, TimingCount: make(map[string]protocol.Metric, len(c.byTopic))}
	for topic, m := range c.byTopic {
		t.TimingCount[topic] = *m
	}
	return t
}

func (c *counts) load(t protocol.TimerMetrics) {
	c.version = t.DataVersion
	c.byTopic = make(map[string]*protocol.Metric, len(t.TimingCount))
	for topic, m := range t.TimingCount {
		m.Count = max(m.Count, 0)
		c.byTopic[topic] = &m
	}
}

// rates counts what goes in and out, and how fast of late.
type rates struct {
	in, out   int64
	lost      int64
	at        time.Time
	inAt      int64
	outAt     int64
	inPerSec  float64
	outPerSec float64
}

// sample computes the rates since the last sample.
func (r *rates) sample(now time.Time) {
	if d := now.Sub(r.at).Seconds(); !r.at.IsZero() && d > 0 {
		r.inPerSec, r.outPerSec = float64(r.in-r.inAt)/d, float64(r.out-r.outAt)/d
	}
	r.at, r.inAt, r.outAt = now, r.in, r.out
}

// Stats is what the service is about.
type Stats struct {
	Pending   int64         // messages in slots, recalled ones included until they are due
	Unindexed int64         // messages of the queue that are not in a slot yet
	Behind    time.Duration // since the first slot that is not delivered became due, 0 when none is
	Next      time.Time     // when the next slot becomes due, zero without one
	In, Out   int64         // messages indexed and delivered since the start
	InRate    float64       // a second
	OutRate   float64
	Lost      int64 // messages that could not be read when they were due
}

// Stats may be called from any goroutine.
func (s *Service) Stats() Stats {
	high := s.cfg.Store.MaxOffset(Topic, 0)
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.mu
	st := Stats{
		Pending: m.wheel.total, Unindexed: max(high-m.state.queue, 0), In: m.rates.in, Out: m.rates.out,
		InRate: m.rates.inPerSec, OutRate: m.rates.outPerSec, Lost: m.rates.lost,
	}
	from := m.state.read / s.precision
	if unit, ok := m.wheel.next(from, from+wheelSlots); ok {
		st.Next = time.UnixMilli((unit + 1) * s.precision)
		st.Behind = max(now.Sub(st.Next), 0)
	}
	return st
}

// Bounds are the times ahead, in s, for which Snapshot counts what is due before.
var Bounds = []int{5, 60, 300, 900, 3600, 14400, 28800, 86400}

// Snapshot counts the pending messages between each two of Bounds.
func (s *Service) Snapshot() []int64 {
	now := s.unitNow()
	list := make([]int64, len(Bounds))
	from := now
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range Bounds {
		to := now + int64(b)*1000/s.precision
		list[i] = s.mu.wheel.count(from, to)
		from = to
	}
	return list
}

// InSlot is how many messages wait in the slot of a TIMER_OUT_MS.
func (s *Service) InSlot(out int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(max(s.mu.wheel.get(out/s.precision).num, 0))
}

// Counts is the number of pending messages by topic.
func (s *Service) Counts() protocol.TimerMetrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.counts.copy()
}

// Forget drops the count of a topic that was deleted.
func (s *Service) Forget(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.counts.byTopic, topic)
	s.mu.counts.changed = true
}

// AppendCheckPoint appends the check point as replicas get it.
func (s *Service) AppendCheckPoint(b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.mu.state
	c.log = s.log.written()
	return c.append(b)
}
