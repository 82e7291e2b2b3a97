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
func (t *Table) each(f func(s *shard, k pair, p *progress)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.Lock()
		for k, p := range s.pairs {
			f(s, k, p)
		}
		s.Unlock()
	}
}

// Topics lists the topics that the group has committed offsets of, sorted.
func (t *Table) Topics(group string) (topics []string) {
	t.each(func(_ *shard, k pair, p *progress) {
		if k.group == group && p.known() {
			topics = append(topics, k.topic)
		}
	})
	slices.Sort(topics)
	return topics
}

// Groups lists the groups that have committed offsets of the topic, sorted,
// without the pseudo groups.
func (t *Table) Groups(topic string) (groups []string) {
	t.each(func(_ *shard, k pair, p *progress) {
		if k.topic == topic && p.known() && !strings.Contains(k.group, Separator) {
			groups = append(groups, k.group)
		}
	})
	slices.Sort(groups)
	return groups
}

// Offsets returns the committed offsets of a group in a topic by queue, nil when
// there are none.
func (t *Table) Offsets(group, topic string) map[int32]int64 {
	s := t.shard(group, topic)
	s.Lock()
	defer s.Unlock()
	if p := s.pairs[pair{group, topic}]; p != nil {
		return p.table(func(q position) int64 { return q.committed })
	}
	return nil
}

// table makes a map of one of the offsets, nil when none is known.
func (p *progress) table(f func(position) int64) map[int32]int64 {
	var m map[int32]int64
	for _, q := range p.queues {
		if v := f(q); v != none {
			if m == nil {
				m = make(map[int32]int64, len(p.queues))
			}
			m[q.queue] = v
		}
	}
	return m
}

// RemoveTopic forgets a deleted topic, its resets included.
func (t *Table) RemoveTopic(topic string) {
	t.removeIf(func(k pair) bool { return k.topic == topic })
}

// RemoveGroup forgets a deleted group, its resets included.
func (t *Table) RemoveGroup(group string) {
	t.removeIf(func(k pair) bool { return k.group == group })
}

// Remove forgets one group in one topic.
func (t *Table) Remove(group, topic string) {
	t.removeIf(func(k pair) bool { return k == pair{group, topic} })
}

func (t *Table) removeIf(match func(pair) bool) {
	t.each(func(s *shard, k pair, p *progress) {
		if !match(k) {
			return
		}
		for _, q := range p.queues {
			if q.reset != none {
				t.resets.Add(-1)
			}
		}
		delete(s.pairs, k)
		t.pairs.Add(-1)
		t.change.Add(1)
	})
}

// Copy replaces the committed offsets of group to in topic by those of group
// from, as CLONE_GROUP_OFFSET asks. Without any of from it does nothing. It
// fails with ErrTooMany.
func (t *Table) Copy(from, to, topic string) error {
	offsets := t.Offsets(from, topic)
	if offsets == nil || from == to {
		return nil
	}
	s := t.shard(to, topic)
	s.Lock()
	defer s.Unlock()
	if p := s.pairs[pair{to, topic}]; p != nil {
		for i := range p.queues {
			p.queues[i].committed = none
		}
	}
	for queue, offset := range offsets {
		p, err := t.positionLocked(s, to, topic, queue)
		if err != nil {
			return err
		}
		p.committed = offset
	}
	t.change.Add(1)
	return nil
}

// MinOfGroups answers for every queue of the topic the lowest offset committed
// by any group that is not below the queue's first message, as
// QUERY_CORRECTION_OFFSET asks.
func (t *Table) MinOfGroups(topic string, first func(queue int32) int64) map[int32]int64 {
	lowest := map[int32]int64{}
	t.each(func(_ *shard, k pair, p *progress) {
		if k.topic != topic {
			return
		}
		for _, q := range p.queues {
			if low, ok := lowest[q.queue]; q.committed != none && (!ok || q.committed < low) && q.committed >= first(q.queue) {
				lowest[q.queue] = q.committed
			}
		}
	})
	return lowest
}

// Clamp lowers committed offsets that lie beyond the end of their queue, and
// tells how many. It is for the start after a crash: the log may have lost its
// unflushed end while this file kept offsets beyond it, and messages that are
// stored there afterwards would be skipped.
func (t *Table) Clamp(end func(topic string, queue int32) int64) (lowered int) {
	for _, k := range t.keys() {
		for queue, offset := range t.Offsets(k.group, k.topic) {
			last := end(k.topic, queue)
			if offset <= last {
				continue
			}
			t.at(k.group, k.topic, queue, func(p *position) {
				if p != nil && p.committed > last {
					p.committed = last
					t.change.Add(1)
					lowered++
				}
			})
		}
	}
	return lowered
}

// keys lists all pairs, sorted by topic and group.
func (t *Table) keys() (keys []pair) {
	t.each(func(_ *shard, k pair, _ *progress) { keys = append(keys, k) })
	slices.SortFunc(keys, func(a, b pair) int {
		if c := strings.Compare(a.topic, b.topic); c != 0 {
			return c
		}
		return strings.Compare(a.group, b.group)
	})
	return keys
}
