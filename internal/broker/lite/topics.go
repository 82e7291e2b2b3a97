package lite

import (
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// topics are the light queues of the store. An entry takes 32 bytes, its place in
// the index about 40; the name is the store's own. The list can be gone through in
// pieces.
type topics struct {
	list    []topic
	index   map[string]int32
	parents map[string]int // lite topics of each parent
}

// topic is a light queue.
type topic struct {
	name  string
	last  int64 // store time in ms of the last message; unread or none
	empty uint8 // scans that found no message
}

// What topic.last is when it is not a time.
const (
	unread = 0  // the queue is from an earlier run and was not looked at
	none   = -1 // made by this run, and without a message so far
)

// add notes a queue and says where it is in the list.
func (t *topics) add(name string, last int64) int32 {
	if i, ok := t.index[name]; ok {
		return i
	}
	i := int32(len(t.list))
	t.list = append(t.list, topic{name: name, last: last})
	t.index[name] = i
	if parent, _, ok := protocol.SplitLiteQueueName(name); ok {
		t.parents[parent]++
	}
	return i
}

// stored notes a message. Store times do not decrease.
func (t *topics) stored(name string, at int64) {
	e := &t.list[t.add(name, none)]
	e.last, e.empty = at, 0
}

// remove forgets a queue; the last one of the list takes its place.
func (t *topics) remove(name string) {
	i, ok := t.index[name]
	if !ok {
		return
	}
	last := len(t.list) - 1
	t.list[i] = t.list[last]
	t.index[t.list[i].name] = i
	t.list[last] = topic{}
	t.list = t.list[:last]
	delete(t.index, name)
	if parent, _, ok := protocol.SplitLiteQueueName(name); ok {
		if t.parents[parent]--; t.parents[parent] <= 0 {
			delete(t.parents, parent)
		}
	}
}

// Load notes the queues that the store has from earlier runs.
func (s *Service) Load(queues []string) {
	for len(queues) > 0 {
		n := min(len(queues), pieceSize)
		s.mu.Lock()
		for _, name := range queues[:n] {
			s.mu.topics.add(name, unread)
		}
		s.mu.Unlock()
		queues = queues[n:]
	}
}

// Reserve makes room for a queue that a message is to be dispatched to; it fails
// when that would be more than most. The name may alias a buffer.
func (s *Service) Reserve(queue string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.mu.topics.index[queue]; ok {
		return true
	}
	if len(s.mu.topics.list) >= most {
		return false
	}
	s.mu.topics.add(strings.Clone(queue), none)
	return true
}

// Topics is the number of lite topics of a parent.
func (s *Service) Topics(parent string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.topics.parents[parent]
}

// Children lists the queues of a parent's lite topics.
func (s *Service) Children(parent string) (queues []string) {
	prefix := protocol.LitePrefix + parent + string(protocol.LiteSeparator)
	s.eachPiece(0, func(piece []topic) bool {
		for i := range piece {
			if strings.HasPrefix(piece[i].name, prefix) {
				queues = append(queues, piece[i].name)
			}
		}
		return true
	})
	return queues
}

// pieceSize is how many entries of a table are looked at with the mutex held.
const pieceSize = 1024

// eachPiece shows the list to f in pieces from a place on, with the mutex held for
// each, until f returns false. What comes or goes meanwhile may be missed.
func (s *Service) eachPiece(from int, f func(piece []topic) bool) {
	for more := true; more; from += pieceSize {
		s.mu.Lock()
		list := s.mu.topics.list
		if from >= len(list) {
			s.mu.Unlock()
			return
		}
		more = f(list[from:min(from+pieceSize, len(list))])
		s.mu.Unlock()
	}
}

// Remove forgets queues that were deleted, with the subscriptions to them and what
// is out of them for their subscribers and for groups, which are those bound to the
// parent.
func (s *Service) Remove(queues, groups []string) {
	for _, queue := range queues {
		s.mu.Lock()
		s.forgetLocked(queue, groups)
		s.mu.Unlock()
	}
}

func (s *Service) forgetLocked(queue string, groups []string) {
	s.mu.topics.remove(queue)
	for _, m := range s.mu.subscribers[queue] {
		for _, c := range m.clients {
			delete(c.queues, queue)
			c.events.take(queue)
			s.mu.active--
		}
		s.mu.orders.forget(orderKey{m.group, queue})
	}
	delete(s.mu.subscribers, queue)
	for _, group := range groups {
		s.mu.orders.forget(orderKey{group, queue})
	}
}
