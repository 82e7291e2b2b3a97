package lite

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/run"
)

// Client is a subscriber: a client of a group. Unlike in Java, one id may be in
// several groups.
type Client struct{ Group, ID string }

// Rules are the attributes of a lite group.
type Rules struct {
	Parent           string // the topic the group is bound to
	Exclusive        bool   // a lite topic has one client of the group
	Wildcard         bool   // the group subscribes to all lite topics of its parent
	ResetExclusive   bool   // a client that takes a lite topic over begins at 0
	ResetUnsubscribe bool   // who comes after an unsubscription begins at 0
	MaxEvents        int    // of a client
}

// Limits are the settings that may change while the service runs.
type Limits struct {
	Check               time.Duration // liteEventCheckInterval
	FullDispatch        time.Duration // liteEventFullDispatchDelayTime
	WildcardDispatch    time.Duration // liteEventFullDispatchDelayTimeForWildcardGroup
	SubscriptionCheck   time.Duration // liteSubscriptionCheckInterval
	SubscriptionTimeout time.Duration // liteSubscriptionCheckTimeoutMills
	Subscriptions       int           // maxLiteSubscriptionCount
	ExpiryCheck         time.Duration // liteTtlCheckInterval
	MinTTL              time.Duration // minLiteTTl
}

// Config sets a service up. All functions but Rand are required.
type Config struct {
	Now    func() time.Time
	Limits func() Limits
	// Rules gives a group's attributes; ok is false for groups that are not lite. Locked.
	Rules func(group string) (r Rules, ok bool)
	// Wake is called when the client with a key has events. Locked.
	Wake func(key string)
	// MaxOffset is the end of a queue. The service calls it with the mutex held only
	// for queues that were just read or written, for which it must not block.
	MaxOffset func(queue string) int64
	// Committed is a group's offset in a queue. Locked.
	Committed func(group, queue string) (offset int64, ok bool)
	// Commit changes it. Locked.
	Commit func(group, queue string, offset int64)

	// Listed lists the light queues that the store had when it was opened.
	Listed func() ([]string, error)
	// TTL is the lifetime of a parent's lite topics; ok is false when the topic is
	// not a parent, and the lifetime 0 when they do not expire.
	TTL func(parent string) (ttl time.Duration, ok bool)
	// StoredAt is the store time in ms of the last message of a queue that ends at
	// end.
	StoredAt func(queue string, end int64) (ms int64, ok bool)
	// Groups are the groups bound to a parent.
	Groups func(parent string) []string
	// Delete removes queues that still end where they did, and says which it
	// removed. Their offsets go with Forgotten.
	Delete    func(queues []Idle) []bool
	Forgotten func(group, queue string)

	// Rand chooses a number below n; tests make it repeatable.
	Rand func(n int) int
}

// Idle is a queue that is to be deleted if it still ends at End.
type Idle struct {
	Queue string
	End   int64
}

// Errors of subscriptions.
var (
	ErrQuota    = errors.New("lite subscription quota exceeded")
	ErrWildcard = errors.New("subscribe lite operation is not supported for this group")
)

// Service keeps what the broker knows of lite topics. See New.
type Service struct {
	cfg     Config
	started time.Time
	signal  chan struct{} // one token: a deadline may have come nearer

	mu struct {
		sync.Mutex
		topics  topics
		clients map[Client]*client
		// subscribers are by queue, those of wildcard groups by parent.
		subscribers map[string][]*members
		wildcard    map[string][]*members
		active      int // pairs of a client and a queue
		orders      orders
		full        map[*client]time.Time  // full dispatches that are due then
		fullGroups  map[*members]time.Time // those of wildcard groups
		alarm       time.Time              // when the driver looks next
		counts      Counts
	}
}

// Counts are totals since the start.
type Counts struct {
	Events     int64 // queue names handed to clients
	Rejected   int64 // that a full event queue did not take
	Expired    int64 // lite topics deleted because of their age
	Unconsumed int64 // messages in them that a bound group had not consumed
	Emptied    int64 // lite topics deleted because they had no message
}

// New returns a service that knows nothing yet.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.IntN
	}
	s := &Service{cfg: cfg, started: cfg.Now(), signal: make(chan struct{}, 1)}
	s.mu.topics.index = make(map[string]int32)
	s.mu.topics.parents = make(map[string]int)
	s.mu.clients = make(map[Client]*client)
	s.mu.subscribers = make(map[string][]*members)
	s.mu.wildcard = make(map[string][]*members)
	s.mu.orders.table = make(map[orderKey]*order)
	s.mu.full = make(map[*client]time.Time)
	s.mu.fullGroups = make(map[*members]time.Time)
	return s
}

// Start starts the two goroutines of the service in g.
func (s *Service) Start(g *run.Group) {
	g.Go("lite events", s.runEvents)
	g.Go("lite expiry", s.runExpiry)
}

// runEvents does what becomes due: queues that are no longer blocked, full
// dispatches, and the periodic looks at clients.
func (s *Service) runEvents(ctx context.Context) error {
	now := s.cfg.Now()
	limits := s.cfg.Limits()
	look, expire := now.Add(limits.Check), now.Add(limits.SubscriptionCheck)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now, limits = s.cfg.Now(), s.cfg.Limits()
		s.Unblock(now)
		s.dispatchDue(ctx, now)
		if !now.Before(look) {
			s.CheckClients(now)
			look = now.Add(limits.Check)
		}
		if !now.Before(expire) {
			s.ExpireSubscriptions(now)
			expire = now.Add(limits.SubscriptionCheck)
		}
		timer.Reset(max(s.setAlarm(earlier(look, expire)).Sub(s.cfg.Now()), 0))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.signal:
		case <-timer.C:
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// setAlarm says when the driver has to look again, at the latest at a time.
func (s *Service) setAlarm(at time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if due, ok := s.mu.orders.next(); ok {
		at = earlier(at, due)
	}
	for _, due := range s.mu.full {
		at = earlier(at, due)
	}
	for _, due := range s.mu.fullGroups {
		at = earlier(at, due)
	}
	s.mu.alarm = at
	return at
}

// dueLocked has the driver look at a time.
func (s *Service) dueLocked(at time.Time) {
	if !at.Before(s.mu.alarm) {
		return
	}
	s.mu.alarm = at
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// Arrived is told of a new entry of a light queue. It is called by the store's
// leader; the name is kept.
func (s *Service) Arrived(queue string, storeTime int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.topics.stored(queue, storeTime)
	s.dispatchLocked(queue)
}

// Stats is the present size of the tables.
type Stats struct {
	Counts
	Queues        int // light queues, lite topics and others
	Subscriptions int
	Orders        int
	Clients       int
}

// Stats gives the sizes of the tables and the totals.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Counts: s.mu.counts, Queues: len(s.mu.topics.list), Subscriptions: s.mu.active,
		Orders: len(s.mu.orders.table), Clients: len(s.mu.clients),
	}
}
