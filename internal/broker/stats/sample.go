package stats

import (
	"iter"
	"time"
)

// schedule tells which snapshots are due. It belongs to Sample.
type schedule struct {
	second, minute, hour, day time.Time
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
// second; more or fewer calls only change how fine the windows are.
func (s *Stats) Sample(now time.Time) {
	if due(&s.clock.second, now, time.Second) {
		s.rates.add(now, &s.totals)
		s.days.add(now, &s.totals)
	}
	t := tick{now: now, minute: due(&s.clock.minute, now, minutePeriod)}
	if !t.minute {
		return
	}
	s.times.rotate(now)
	t.hour = due(&s.clock.hour, now, hourPeriod)
	t.day = due(&s.clock.day, now, dayPeriod)
	for _, i := range []*Item{&s.brokerPut, &s.brokerPutUser, &s.brokerGet, &s.brokerGetUser} {
		i.sample(t)
	}
	take := func(i *Item) { i.sample(t) }
	for topic := range s.Topics() {
		topic.items(take)
		if t.day && topic.idle.expired(topic.putNums.times.Load()) {
			s.dropTopic(topic.Name)
		}
	}
	for pair := range s.Pairs() {
		pair.items(take)
		times := pair.getNums.times.Load() + pair.sendBack.times.Load() + pair.deadLetter.times.Load()
		if t.day && pair.idle.expired(times) {
			s.dropPair(pairKey{pair.Topic, pair.Group})
		}
	}
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
