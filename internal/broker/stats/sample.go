package stats

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// schedule tells which snapshots are due. It belongs to Sample.
type schedule struct {
	second time.Time
	spans  [spans]time.Time
}

// due advances a mark and tells whether its period has passed.
func due(mark *time.Time, now time.Time, period time.Duration) bool {
	if !mark.IsZero() && now.Sub(*mark) < period && !now.Before(*mark) {
		return false
	}
	*mark = now
	return true
}

// Sample takes the snapshots that are due. It is to be called about once a
// second; more or fewer calls only change how fine the windows are. It looks at
// the topics and pairs that had traffic since the last snapshot, and once an hour
// at all.
func (s *Stats) Sample(now time.Time) {
	if due(&s.schedule.second, now, time.Second) {
		s.rates.add(now, &s.totals)
		s.days.add(now, &s.totals)
	}
	if !due(&s.schedule.spans[minute], now, minute.period()) {
		return
	}
	s.times.rotate(now)
	s.snapshot(minute, now)
	for _, of := range []span{hour, day} {
		if due(&s.schedule.spans[of], now, of.period()) {
			s.snapshot(of, now)
			if of == day {
				s.forget()
			}
		}
	}
}

func (s *Stats) snapshot(of span, now time.Time) {
	tick := s.clock.advance(of, now)
	take := func(i *Item) { i.sample(of, tick) }
	for _, i := range []*Item{&s.brokerPut, &s.brokerPutUser, &s.brokerGet, &s.brokerGetUser} {
		take(i)
	}
	for _, c := range s.activity.take(of) {
		c.marked().in[of].Store(false) // before the look: what comes later is noted again
		c.items(take)
		if of < day {
			s.activity.note(of+1, c)
		}
	}
}

// forget drops the topics and pairs that had no traffic for so long that their
// windows are zero.
func (s *Stats) forget() {
	for topic := range s.Topics() {
		if topic.idle.expired(topic.put.times.Load()) {
			s.dropTopic(topic.Name)
		}
	}
	for pair := range s.Pairs() {
		times := pair.get.times.Load() + pair.sendBack.times.Load() + pair.deadLetter.times.Load()
		if pair.idle.expired(times) {
			s.dropPair(pairKey{pair.Topic, pair.Group})
		}
	}
}

// counted is a topic or a pair.
type counted interface {
	items(yield func(*Item))
	marked() *marks
}

// marks tell in which lists of activity the owner is.
type marks struct{ in [spans]atomic.Bool }

func (m *marks) marked() *marks { return m }

// activity lists, for each window, who had traffic since its last snapshot. So
// those without cost nothing.
type activity struct {
	mu   sync.Mutex
	list [spans][]counted
}

// note enters c in the list of a window. It costs a load when it is there.
func (a *activity) note(of span, c counted) {
	in := &c.marked().in[of]
	if in.Load() || !in.CompareAndSwap(false, true) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list[of] = append(a.list[of], c)
}

// take empties a list. Its members stay marked.
func (a *activity) take(of span) []counted {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list[of]
	a.list[of] = make([]counted, 0, len(list))
	return list
}

// Topics yields the topics with traffic, in no order.
func (s *Stats) Topics() iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		s.topics.Range(func(_, v any) bool { return yield(v.(*Topic)) })
	}
}

// Pairs yields the pairs with traffic, in no order.
func (s *Stats) Pairs() iter.Seq[*Pair] {
	return func(yield func(*Pair) bool) {
		s.pairs.Range(func(_, v any) bool { return yield(v.(*Pair)) })
	}
}
