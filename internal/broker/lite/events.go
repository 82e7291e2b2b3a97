package lite

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Times of Java's dispatcher that are not configurable.
const (
	inactiveLimit  = 35 * time.Second // without a pop, a client counts as gone
	blockedLimit   = 10 * time.Second // with events that it does not take
	blacklistTime  = 10 * time.Second
	dispatchJitter = 15 * time.Second // of a full dispatch for a client that is avoided
)

// MaxEvents bounds the event queue of a client, whatever its group says.
const MaxEvents = 100_000

// events is a queue of names, each at most once.
type events struct {
	queue []string
	head  int
	known map[string]struct{}
}

func (e *events) len() int { return len(e.queue) - e.head }

// push appends a name; false says that there are as many as allowed.
func (e *events) push(name string, most int) bool {
	if _, ok := e.known[name]; ok {
		return true
	}
	if len(e.known) >= most {
		return false
	}
	if e.known == nil {
		e.known = make(map[string]struct{})
	}
	e.known[name] = struct{}{}
	e.queue = append(e.queue, name)
	return true
}

// pop takes the oldest name. Names that were taken out of turn are passed over.
func (e *events) pop() (string, bool) {
	for e.head < len(e.queue) {
		name := e.queue[e.head]
		e.queue[e.head] = ""
		if e.head++; e.head == len(e.queue) {
			e.queue, e.head = e.queue[:0], 0
		} else if e.head >= pieceSize && e.head*2 >= len(e.queue) {
			e.queue = slices.Delete(e.queue, 0, e.head)
			e.head = 0
		}
		if name != "" {
			delete(e.known, name)
			return name, true
		}
	}
	return "", false
}

// take removes a name out of turn and tells whether it was there.
func (e *events) take(name string) bool {
	if _, ok := e.known[name]; !ok {
		return false
	}
	delete(e.known, name)
	i := e.head + slices.Index(e.queue[e.head:], name)
	e.queue[i] = ""
	return true
}

// drain takes all names.
func (e *events) drain() (names []string) {
	for name, ok := e.pop(); ok; name, ok = e.pop() {
		names = append(names, name)
	}
	*e = events{}
	return names
}

// dispatchLocked makes a queue an event of one client of each group.
func (s *Service) dispatchLocked(queue string) {
	for _, m := range s.mu.subscribers[queue] {
		s.selectLocked(m, queue, nil)
	}
	if len(s.mu.wildcard) == 0 {
		return
	}
	if parent, _, ok := protocol.SplitLiteQueueName(queue); ok {
		for _, m := range s.mu.wildcard[parent] {
			s.selectLocked(m, queue, nil)
		}
	}
}

// selectLocked gives an event to one client of a group: from a random one on the
// first that takes it, those to be avoided last. Without any, a full dispatch follows.
func (s *Service) selectLocked(m *members, queue string, avoid *client) bool {
	n := len(m.clients)
	if n == 0 {
		return false
	}
	now := s.cfg.Now()
	if m.saturated {
		s.scheduleGroupLocked(m, now.Add(s.cfg.Limits().WildcardDispatch))
		return false
	}
	first := 0
	if n > 1 {
		first = s.cfg.Rand(n)
	}
	for _, last := range [2]bool{false, true} {
		for i := range n {
			c := m.clients[(first+i)%n]
			if avoided := c == avoid || now.Before(c.blacklisted); avoided != last {
				continue
			}
			if s.offerLocked(c, queue, now) {
				s.cfg.Wake(c.key)
				return true
			}
		}
	}
	if m.wildcard {
		m.saturated = true
		s.scheduleGroupLocked(m, now.Add(s.cfg.Limits().WildcardDispatch))
	}
	return false
}

// offerLocked puts a name into a client's queue. A full queue gets a full dispatch.
func (s *Service) offerLocked(c *client, queue string, now time.Time) bool {
	if c.accessed.IsZero() {
		c.accessed = now
	}
	if c.events.push(queue, s.capacityLocked(c)) {
		s.mu.counts.Events++
		return true
	}
	s.mu.counts.Rejected++
	if !c.wildcard {
		s.scheduleLocked(c, now)
	}
	return false
}

func (s *Service) capacityLocked(c *client) int {
	r, _ := s.cfg.Rules(c.Group)
	return min(max(r.MaxEvents, 1), MaxEvents)
}

// scheduleLocked has the queues of a client looked at later, unless that is
// scheduled.
func (s *Service) scheduleLocked(c *client, now time.Time) {
	if _, ok := s.mu.full[c]; ok {
		return
	}
	at := now.Add(s.cfg.Limits().FullDispatch)
	if now.Before(c.blacklisted) {
		at = at.Add(time.Duration(s.cfg.Rand(int(dispatchJitter))))
	}
	s.mu.full[c] = at
	s.dueLocked(at)
}

func (s *Service) scheduleGroupLocked(m *members, at time.Time) {
	if _, ok := s.mu.fullGroups[m]; ok {
		return
	}
	s.mu.fullGroups[m] = at
	s.dueLocked(at)
}

// Next takes a client's next event: the name of a queue that it should look at.
func (s *Service) Next(c Client) (queue string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	if known == nil {
		return "", false
	}
	known.accessed = s.cfg.Now()
	if queue, ok = known.events.pop(); !ok {
		return "", false
	}
	known.consumed = known.accessed
	if known.wildcard {
		if m := find(s.mu.wildcard[known.parent], c.Group); m != nil {
			m.saturated = false
		}
	}
	return queue, true
}

// Pending tells whether a client has events.
func (s *Service) Pending(c Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	return known != nil && known.events.len() > 0
}

// Postpone has the queues of a client looked at later: a pop could not.
func (s *Service) Postpone(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	switch {
	case known == nil:
	case !known.wildcard:
		s.scheduleLocked(known, s.cfg.Now())
	default:
		if m := find(s.mu.wildcard[known.parent], c.Group); m != nil {
			s.scheduleGroupLocked(m, s.cfg.Now().Add(s.cfg.Limits().WildcardDispatch))
		}
	}
}

// Again makes a queue an event of a group once more: what a pop took and could not
// look at.
func (s *Service) Again(group, queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.againLocked(group, queue)
}

func (s *Service) againLocked(group, queue string) {
	if m := find(s.mu.subscribers[queue], group); m != nil {
		s.selectLocked(m, queue, nil)
	}
	if len(s.mu.wildcard) > 0 {
		if m := s.membersLocked(group, queue, true); m != nil {
			s.selectLocked(m, queue, nil)
		}
	}
}

// CheckClients gives the events of clients that do not take them to others, and
// avoids those clients for a while.
func (s *Service) CheckClients(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var slow []*client
	for _, c := range s.mu.clients {
		idle := now.Sub(c.accessed)
		if !c.accessed.IsZero() && c.events.len() > 0 && idle > blockedLimit || !c.accessed.IsZero() && idle > inactiveLimit {
			slow = append(slow, c)
		}
	}
	slices.SortFunc(slow, func(a, b *client) int { return strings.Compare(a.key, b.key) })
	for _, c := range slow {
		c.accessed, c.blacklisted = time.Time{}, now.Add(blacklistTime)
		for _, queue := range c.events.drain() {
			if m := s.membersLocked(c.Group, queue, c.wildcard); m != nil {
				s.selectLocked(m, queue, c)
			}
		}
	}
}

// dispatchDue does the full dispatches whose time has come.
func (s *Service) dispatchDue(ctx context.Context, now time.Time) {
	var clients []Client
	var groups []string
	s.mu.Lock()
	for c, due := range s.mu.full {
		if !now.Before(due) {
			clients = append(clients, c.Client)
			delete(s.mu.full, c)
		}
	}
	for m, due := range s.mu.fullGroups {
		if !now.Before(due) {
			groups = append(groups, m.group)
			delete(s.mu.fullGroups, m)
		}
	}
	s.mu.Unlock()
	for _, c := range clients {
		s.DispatchClient(ctx, c)
	}
	for _, group := range groups {
		s.DispatchGroup(ctx, group)
	}
}

// DispatchClient looks at all queues of a client and makes those with messages its
// events, as many as it takes. A client that is behind with its events is looked at
// again later.
func (s *Service) DispatchClient(ctx context.Context, c Client) {
	s.mu.Lock()
	known := s.mu.clients[c]
	if known == nil || len(known.queues) == 0 {
		s.mu.Unlock()
		return
	}
	if most := s.capacityLocked(known); known.events.len()*5 >= most && known.events.len() > 0 {
		s.scheduleLocked(known, s.cfg.Now())
		s.mu.Unlock()
		return
	}
	queues := make([]string, 0, len(known.queues))
	for queue := range known.queues {
		queues = append(queues, queue)
	}
	s.mu.Unlock()
	for _, queue := range queues {
		if ctx.Err() != nil || !s.behind(c.Group, queue) {
			continue
		}
		if !s.offer(c, queue) {
			return
		}
	}
}

// behind tells whether a group has not consumed all of a queue.
func (s *Service) behind(group, queue string) bool {
	end := s.cfg.MaxOffset(queue)
	committed, known := s.cfg.Committed(group, queue)
	return end > 0 && (!known || committed < end)
}

// offer makes a queue an event of a client that still subscribes to it.
func (s *Service) offer(c Client, queue string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	if known == nil {
		return false
	}
	if _, ok := known.queues[queue]; !ok {
		return true
	}
	if !s.offerLocked(known, queue, s.cfg.Now()) {
		return false
	}
	s.cfg.Wake(known.key)
	return true
}

// DispatchGroup does a full dispatch for all clients of a group.
func (s *Service) DispatchGroup(ctx context.Context, group string) {
	r, ok := s.cfg.Rules(group)
	if ok && r.Wildcard {
		s.dispatchWildcard(ctx, group, r.Parent)
		return
	}
	var clients []Client
	s.mu.Lock()
	for c := range s.mu.clients {
		if c.Group == group {
			clients = append(clients, c)
		}
	}
	s.mu.Unlock()
	for _, c := range clients {
		s.DispatchClient(ctx, c)
	}
}

// dispatchWildcard looks at all lite topics of a parent for a wildcard group until
// no client takes an event any more; then it goes on later.
func (s *Service) dispatchWildcard(ctx context.Context, group, parent string) {
	s.mu.Lock()
	m := find(s.mu.wildcard[parent], group)
	if m != nil {
		m.saturated = false
	}
	s.mu.Unlock()
	if m == nil {
		return
	}
	for _, queue := range s.Children(parent) {
		if ctx.Err() != nil {
			return
		}
		if s.behind(group, queue) && !s.again(group, queue) {
			return
		}
	}
}

// again is Again for a wildcard group; it tells whether a client took the event.
func (s *Service) again(group, queue string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.membersLocked(group, queue, true)
	return m != nil && s.selectLocked(m, queue, nil)
}
