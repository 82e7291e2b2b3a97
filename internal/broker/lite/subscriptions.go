package lite

import (
	"slices"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Bounds of the tables. Java bounds only what is added one by one; see
// Limits.Subscriptions.
const (
	maxClients       = 1 << 20
	maxSubscriptions = 4 << 20
)

// client is a subscriber with its queues and events.
type client struct {
	Client
	key      string // of its held pops
	parent   string
	conn     any // from which its last subscription came
	wildcard bool
	queues   map[string]struct{} // nil in a wildcard group
	touched  time.Time           // last change of subscriptions

	events      events
	accessed    time.Time // last pop, or first event; zero: neither
	consumed    time.Time // last event taken
	blacklisted time.Time // avoided until then
}

// members are the clients of one group that subscribe to a queue, or of a wildcard
// group to a parent.
type members struct {
	group    string
	wildcard bool
	clients  []*client
	// saturated says that no client of a wildcard group took the last event.
	saturated bool
}

// Key is under which the held pops of a client wait.
func (c Client) Key() string { return c.ID + "\x00" + c.Group }

// Touch notes a client that changes its subscriptions, and its connection when it
// is not nil. The strings are copied when needed.
func (s *Service) Touch(c Client, parent string, conn any, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	if known == nil {
		if len(s.mu.clients) >= maxClients {
			return ErrQuota
		}
		c = Client{strings.Clone(c.Group), strings.Clone(c.ID)}
		known = &client{Client: c, key: c.Key(), parent: strings.Clone(parent), queues: make(map[string]struct{})}
		s.mu.clients[c] = known
	}
	known.touched = now
	if conn != nil {
		known.conn = conn
	}
	return nil
}

// Admit tells whether a client may add lite topics one by one.
func (s *Service) Admit(group string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.active >= s.cfg.Limits().Subscriptions {
		return ErrQuota
	}
	if r, ok := s.cfg.Rules(group); ok && r.Wildcard {
		return ErrWildcard
	}
	return nil
}

// Displaced is a client that lost a lite topic to another one.
type Displaced struct {
	Client
	Conn any
}

// Displace ends the subscriptions of all other clients of a group to a queue.
func (s *Service) Displace(c Client, queue string) (gone []Displaced) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := find(s.mu.subscribers[queue], c.Group)
	if m == nil {
		return nil
	}
	for _, other := range slices.Clone(m.clients) {
		if other.ID == c.ID {
			continue
		}
		gone = append(gone, Displaced{other.Client, other.conn})
		s.leaveLocked(other, queue)
		if len(other.queues) == 0 {
			s.dropLocked(other)
		}
	}
	return gone
}

// Subscribe adds a queue to a client that Touch noted. One that exists, with
// messages, is an event at once.
func (s *Service) Subscribe(c Client, queue string, exists bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	if known == nil {
		return nil // dropped by somebody else meanwhile
	}
	return s.joinLocked(known, queue, exists)
}

// joinLocked adds a queue. Its name is copied unless a table has it already.
func (s *Service) joinLocked(c *client, queue string, exists bool) error {
	if _, ok := c.queues[queue]; ok {
		return nil
	}
	if s.mu.active >= maxSubscriptions {
		return ErrQuota
	}
	queue = s.stableLocked(queue)
	m := find(s.mu.subscribers[queue], c.Group)
	if m == nil {
		m = &members{group: c.Group}
		s.mu.subscribers[queue] = append(s.mu.subscribers[queue], m)
	}
	m.clients = append(m.clients, c)
	c.queues[queue] = struct{}{}
	s.mu.active++
	if exists {
		s.selectLocked(m, queue, nil)
	}
	return nil
}

// stableLocked is a queue's name in memory that others use as well.
func (s *Service) stableLocked(queue string) string {
	if i, ok := s.mu.topics.index[queue]; ok {
		return s.mu.topics.list[i].name
	}
	if list := s.mu.subscribers[queue]; len(list) > 0 && len(list[0].clients) > 0 {
		for name := range list[0].clients[0].queues {
			if name == queue {
				return name
			}
			break // looking for the very string costs more than a copy
		}
	}
	return strings.Clone(queue)
}

func find(list []*members, group string) *members {
	for _, m := range list {
		if m.group == group {
			return m
		}
	}
	return nil
}

// Unsubscribe takes a queue from a client; it tells whether the client had it.
func (s *Service) Unsubscribe(c Client, queue string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	return known != nil && s.leaveLocked(known, queue)
}

// leaveLocked takes a queue from a client, and gives its event to another one.
func (s *Service) leaveLocked(c *client, queue string) bool {
	if _, ok := c.queues[queue]; !ok {
		return false
	}
	delete(c.queues, queue)
	s.mu.active--
	list := s.mu.subscribers[queue]
	m := find(list, c.Group)
	if m.remove(c); len(m.clients) == 0 {
		list = without(list, m)
	}
	if len(list) == 0 {
		delete(s.mu.subscribers, queue)
	} else {
		s.mu.subscribers[queue] = list
	}
	if c.events.take(queue) {
		s.selectLocked(m, queue, c)
	}
	return true
}

func (m *members) remove(c *client) {
	if i := slices.Index(m.clients, c); i >= 0 {
		m.clients = slices.Delete(m.clients, i, i+1)
	}
}

func without(list []*members, m *members) []*members {
	i := slices.Index(list, m)
	return slices.Delete(list, i, i+1)
}

// Replace makes queues all that a client subscribes to. exists tells for each
// whether it has messages.
func (s *Service) Replace(c Client, queues []string, exists []bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	if known == nil {
		return nil
	}
	s.leaveWildcardLocked(known)
	wanted := make(map[string]struct{}, len(queues))
	for _, q := range queues {
		wanted[q] = struct{}{}
	}
	for q := range known.queues {
		if _, ok := wanted[q]; !ok {
			s.leaveLocked(known, q)
		}
	}
	for i, q := range queues {
		if err := s.joinLocked(known, q, exists[i]); err != nil {
			return err
		}
	}
	return nil
}

// wildcardBegin is how long after a client joined a wildcard group all lite topics
// are looked at.
const wildcardBegin = 5 * time.Second

// ReplaceAll makes a client subscribe to all lite topics of its parent.
func (s *Service) ReplaceAll(c Client, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	if known == nil || known.wildcard {
		return
	}
	for q := range known.queues {
		s.leaveLocked(known, q)
	}
	known.wildcard = true
	m := find(s.mu.wildcard[known.parent], c.Group)
	if m == nil {
		m = &members{group: known.Group, wildcard: true}
		s.mu.wildcard[known.parent] = append(s.mu.wildcard[known.parent], m)
	}
	m.clients = append(m.clients, known)
	m.saturated = false
	s.mu.active++
	s.scheduleGroupLocked(m, now.Add(wildcardBegin))
}

func (s *Service) leaveWildcardLocked(c *client) {
	if !c.wildcard {
		return
	}
	c.wildcard = false
	s.mu.active--
	list := s.mu.wildcard[c.parent]
	m := find(list, c.Group)
	if m.remove(c); len(m.clients) == 0 {
		delete(s.mu.fullGroups, m)
		list = without(list, m)
	}
	if len(list) == 0 {
		delete(s.mu.wildcard, c.parent)
	} else {
		s.mu.wildcard[c.parent] = list
	}
}

// Drop forgets a client. Its events go to others of its group.
func (s *Service) Drop(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.mu.clients[c]; known != nil {
		s.dropLocked(known)
	}
}

func (s *Service) dropLocked(c *client) {
	wildcard, pending := c.wildcard, c.events.drain()
	s.leaveWildcardLocked(c)
	for queue := range c.queues {
		if m := find(s.mu.subscribers[queue], c.Group); m != nil {
			s.leaveLocked(c, queue)
		}
	}
	delete(s.mu.clients, c.Client)
	delete(s.mu.full, c)
	for _, queue := range pending {
		if m := s.membersLocked(c.Group, queue, wildcard); m != nil {
			s.selectLocked(m, queue, c)
		}
	}
}

// membersLocked are the clients of a group that subscribe to a queue.
func (s *Service) membersLocked(group, queue string, wildcard bool) *members {
	if !wildcard {
		return find(s.mu.subscribers[queue], group)
	}
	parent, _, _ := protocol.SplitLiteQueueName(queue)
	return find(s.mu.wildcard[parent], group)
}

// ExpireSubscriptions drops the clients that said nothing for too long.
func (s *Service) ExpireSubscriptions(now time.Time) (dropped []Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.cfg.Limits().SubscriptionTimeout
	var gone []*client
	for _, c := range s.mu.clients {
		if now.Sub(c.touched) > limit {
			gone = append(gone, c)
		}
	}
	slices.SortFunc(gone, func(a, b *client) int { return strings.Compare(a.key, b.key) })
	for _, c := range gone {
		dropped = append(dropped, c.Client)
		s.dropLocked(c)
	}
	return dropped
}

// Subscriber is a subscriber of a queue; ID is * for a wildcard group.
type Subscriber = Client

// Subscribers lists who subscribes to a queue.
func (s *Service) Subscribers(queue string) (list []Subscriber) {
	parent, _, _ := protocol.SplitLiteQueueName(queue)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mu.subscribers[queue] {
		for _, c := range m.clients {
			list = append(list, c.Client)
		}
	}
	for _, m := range s.mu.wildcard[parent] {
		list = append(list, Subscriber{Group: m.group, ID: "*"})
	}
	return list
}

// ClientInfo is what is known of a client.
type ClientInfo struct {
	Accessed, Consumed time.Time // zero: never
	Count              int       // of subscriptions
	Queues             []string  // at most as many as asked for
	Wildcard           bool
}

// Info describes a client; ok is false when it has no subscription.
func (s *Service) Info(c Client, most int) (info ClientInfo, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.mu.clients[c]
	if known == nil {
		return info, false
	}
	info = ClientInfo{Accessed: known.accessed, Consumed: known.consumed, Count: len(known.queues), Wildcard: known.wildcard}
	if known.wildcard {
		info.Count = 1
	}
	for queue := range known.queues {
		if len(info.Queues) >= most {
			break
		}
		info.Queues = append(info.Queues, queue)
	}
	return info, true
}
