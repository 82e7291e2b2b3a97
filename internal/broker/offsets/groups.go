package offsets

import (
	"slices"
	"strings"
)

// Separator is between topic and group in the file. Names cannot contain it;
// pseudo groups do, see Broadcast.
const Separator = "@"

// each calls f for every pair of group and topic with its shard locked. f may
// remove the pair from the map.
func (t *Table) each(f func(s *shard, k Pair, p *progress)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.Lock()
		for k, p := range s.pairs {
			f(s, k, p)
		}
		s.Unlock()
	}
}

// Pairs lists all pairs of a group and a topic, sorted by group and then by topic;
// also those without a committed offset, see Known. It must not be changed.
func (t *Table) Pairs() []Pair {
	t.sorted.Lock()
	defer t.sorted.Unlock()
	made := t.made.Load() // before the copy: what comes later is listed next time
	if t.sorted.list != nil && t.sorted.made == made {
		return t.sorted.list
	}
	list := make([]Pair, 0, t.pairs.Load())
	t.each(func(_ *shard, k Pair, _ *progress) { list = append(list, k) })
	slices.SortFunc(list, func(a, b Pair) int {
		if c := strings.Compare(a.Group, b.Group); c != 0 {
			return c
		}
		return strings.Compare(a.Topic, b.Topic)
	})
	t.sorted.made, t.sorted.list = made, list
	return list
}

// Len is the number of pairs.
func (t *Table) Len() int { return int(t.pairs.Load()) }

// Known tells whether a group has committed an offset of a topic.
func (t *Table) Known(k Pair) bool {
	s := t.shard(k.Group, k.Topic)
	s.Lock()
	defer s.Unlock()
	p := s.pairs[k]
	return p != nil && p.known()
}

// Topics lists the topics that the group has committed offsets of, sorted.
func (t *Table) Topics(group string) (topics []string) {
	t.each(func(_ *shard, k Pair, p *progress) {
		if k.Group == group && p.known() {
			topics = append(topics, k.Topic)
		}
	})
	slices.Sort(topics)
	return topics
}

// Groups lists the groups that have committed offsets of the topic, sorted,
// without the pseudo groups.
func (t *Table) Groups(topic string) (groups []string) {
	t.each(func(_ *shard, k Pair, p *progress) {
		if k.Topic == topic && p.known() && !strings.Contains(k.Group, Separator) {
			groups = append(groups, k.Group)
		}
	})
	slices.Sort(groups)
	return groups
}

// Offsets returns the committed offsets of a group in a topic by queue, nil when
// there are none.
func (t *Table) Offsets(group, topic string) map[int32]int64 {
	var m map[int32]int64
	for _, e := range t.copyOf(Pair{group, topic}, nil, committed) {
		if m == nil {
			m = make(map[int32]int64)
		}
		m[e.queue] = e.offset
	}
	return m
}

// entry is one offset of a queue.
type entry struct {
	queue  int32
	offset int64
}

func committed(at *position) int64 { return at.committed }
func pulled(at *position) int64    { return at.pulled }

// copyOf appends one of the offsets of all queues of a pair where it is known.
func (t *Table) copyOf(k Pair, dst []entry, which func(*position) int64) []entry {
	s := t.shard(k.Group, k.Topic)
	s.Lock()
	defer s.Unlock()
	if p := s.pairs[k]; p != nil {
		p.each(func(queue int32, at *position) {
			if offset := which(at); offset != none {
				dst = append(dst, entry{queue, offset})
			}
		})
	}
	return dst
}

// RemoveTopic forgets a deleted topic, its resets included.
func (t *Table) RemoveTopic(topic string) {
	t.removeIf(func(k Pair) bool { return k.Topic == topic })
}

// RemoveGroup forgets a deleted group, its resets included.
func (t *Table) RemoveGroup(group string) {
	t.removeIf(func(k Pair) bool { return k.Group == group })
}

// Remove forgets one group in one topic.
func (t *Table) Remove(group, topic string) {
	k := Pair{group, topic}
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	if s.pairs[k] != nil {
		k = s.pairs[k].pair // k may alias a buffer
		t.removeLocked(s, k)
		s.removed[k] = struct{}{}
	}
}

func (t *Table) removeIf(match func(Pair) bool) {
	t.each(func(s *shard, k Pair, _ *progress) {
		if match(k) {
			t.removeLocked(s, k)
			s.removed[k] = struct{}{}
		}
	})
}

func (t *Table) removeLocked(s *shard, k Pair) {
	for r := range s.resets {
		if r.Pair == k {
			delete(s.resets, r)
			t.resets.Add(-1)
		}
	}
	s.pairs[k].gone = true
	delete(s.pairs, k)
	t.pairs.Add(-1)
	t.made.Add(1)
}

// Copy replaces the committed offsets of group to in topic by those of group
// from, as CLONE_GROUP_OFFSET asks. Without any of from it does nothing. It
// fails with ErrTooMany.
func (t *Table) Copy(from, to, topic string) error {
	offsets := t.copyOf(Pair{from, topic}, nil, committed)
	if offsets == nil || from == to {
		return nil
	}
	s := t.shard(to, topic)
	s.Lock()
	defer s.Unlock()
	p, err := t.progressLocked(s, Pair{to, topic})
	if err != nil {
		return err
	}
	p.each(func(queue int32, _ *position) {
		_ = s.setLocked(p, queue, none) // the place is there
	})
	for _, e := range offsets {
		if err := s.setLocked(p, e.queue, e.offset); err != nil {
			return err
		}
	}
	return nil
}

// MinOfGroups answers for every queue of the topic the lowest offset committed
// by any group that is not below the queue's first message, as
// QUERY_CORRECTION_OFFSET asks.
func (t *Table) MinOfGroups(topic string, first func(queue int32) int64) map[int32]int64 {
	lowest := map[int32]int64{}
	t.each(func(_ *shard, k Pair, p *progress) {
		if k.Topic != topic {
			return
		}
		p.each(func(queue int32, at *position) {
			if low, ok := lowest[queue]; at.committed != none && (!ok || at.committed < low) && at.committed >= first(queue) {
				lowest[queue] = at.committed
			}
		})
	})
	return lowest
}

// Clamp lowers committed offsets that lie beyond the end of their queue, and
// tells how many. It is for the start after a crash: the log may have lost its
// unflushed end while this file kept offsets beyond it, and messages that are
// stored there afterwards would be skipped.
func (t *Table) Clamp(end func(topic string, queue int32) int64) (lowered int) {
	var entries []entry
	for _, k := range t.Pairs() {
		entries = t.copyOf(k, entries[:0], committed)
		for _, e := range entries {
			if last := end(k.Topic, e.queue); e.offset > last && t.lower(k, e.queue, last) {
				lowered++
			}
		}
	}
	return lowered
}

func (t *Table) lower(k Pair, queue int32, last int64) bool {
	s := t.shard(k.Group, k.Topic)
	s.Lock()
	defer s.Unlock()
	at := s.positionLocked(k, queue)
	return at != nil && at.committed > last && s.setLocked(s.pairs[k], queue, last) == nil
}
