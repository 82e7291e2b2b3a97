package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// How long things stay in a route cache.
const (
	// DefaultRefresh is how often known routes are looked up again, as in
	// Java's clients.
	DefaultRefresh = 30 * time.Second
	// templateAge is how long a route made from the template topic serves: the
	// broker registers the real one with its first message.
	templateAge = time.Second
	// unusedRounds is after how many refreshes an unused topic is forgotten.
	unusedRounds = 20
)

// templateQueues is how many queues a client asks for when its first message
// creates a topic.
const templateQueues = 4

// Routes keeps the routes of the topics that a client uses. Run must be called
// for the periodic refresh.
type Routes struct {
	cluster *Cluster
	logger  *slog.Logger
	every   time.Duration
	now     func() time.Time

	mu struct {
		sync.Mutex
		topics map[string]*routeEntry
	}
}

// routeEntry is guarded by Routes.mu, except that done is closed without it.
type routeEntry struct {
	route   *Route
	at      time.Time     // when it was learned
	stale   bool          // somebody found it wrong
	unused  int           // refreshes since it was last asked for
	loading chan struct{} // closed when the lookup under way ends
}

// NewRoutes returns an empty cache.
func NewRoutes(c *Cluster, logger *slog.Logger, every time.Duration) *Routes {
	r := &Routes{cluster: c, logger: logger, every: every, now: time.Now}
	if r.every <= 0 {
		r.every = DefaultRefresh
	}
	r.mu.topics = make(map[string]*routeEntry)
	return r
}

// Topic returns the route of a topic, from the cache if that is good enough.
func (r *Routes) Topic(ctx context.Context, topic string) (*Route, error) {
	return r.get(ctx, topic, false)
}

// TopicForSend is Topic, but a topic that does not exist gets the route that it
// will have once the brokers have created it from the template topic.
func (r *Routes) TopicForSend(ctx context.Context, topic string) (*Route, error) {
	return r.get(ctx, topic, true)
}

// Cached returns the route if it can be used without asking anybody.
func (r *Routes) Cached(topic string) (*Route, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.mu.topics[topic]
	if e == nil || !e.usable(r.now()) {
		return nil, false
	}
	e.unused = 0
	return e.route, true
}

func (e *routeEntry) usable(now time.Time) bool {
	return e.route != nil && !e.stale && (!e.route.Template || now.Sub(e.at) < templateAge)
}

// Invalidate makes the next use of a topic ask a nameserver: a broker of its
// route did not answer, or no longer has the topic.
func (r *Routes) Invalidate(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.topics[topic]; e != nil {
		e.stale = true
	}
}

// get returns a cached route, waits for the lookup under way, or makes one. When
// a lookup fails for another reason than that there is no such topic, an older
// route still serves: brokers outlive nameservers.
func (r *Routes) get(ctx context.Context, topic string, template bool) (*Route, error) {
	for {
		route, wait, mine := r.begin(topic, template)
		switch {
		case route != nil:
			return route, nil
		case mine:
			return r.load(ctx, topic, template)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// begin finds a usable route, or somebody's lookup to wait for, or makes the
// caller the one that looks up.
func (r *Routes) begin(topic string, template bool) (route *Route, wait chan struct{}, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.mu.topics[topic]
	if e == nil {
		e = &routeEntry{}
		r.mu.topics[topic] = e
	}
	e.unused = 0
	if e.usable(r.now()) && (template || !e.route.Template) {
		return e.route, nil, false
	}
	if e.loading != nil {
		return nil, e.loading, false
	}
	e.loading = make(chan struct{})
	return nil, nil, true
}

func (r *Routes) load(ctx context.Context, topic string, template bool) (*Route, error) {
	route, err := r.cluster.LookupRoute(ctx, topic)
	missing := errors.Is(err, &protocol.Error{Code: protocol.RespTopicNotExist})
	if missing && template {
		route, err = r.lookupTemplate(ctx, topic)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.mu.topics[topic]
	close(e.loading)
	e.loading = nil
	switch {
	case err == nil:
		e.route, e.at, e.stale = route, r.now(), false
		return route, nil
	case !missing && e.route != nil && (template || !e.route.Template):
		if ctx.Err() == nil {
			r.logger.Warn("route lookup failed, going on with the old route", "topic", topic, "error", err)
		}
		e.at, e.stale = r.now(), false
		return e.route, nil
	case missing || e.route == nil:
		delete(r.mu.topics, topic)
	}
	return nil, err
}

func (r *Routes) lookupTemplate(ctx context.Context, topic string) (*Route, error) {
	t, err := r.cluster.LookupRoute(ctx, protocol.AutoCreateTopicKey)
	if err != nil {
		return nil, err
	}
	return t.asTemplateFor(topic, templateQueues), nil
}

// Run refreshes the routes in use until ctx ends. after is called after each
// round.
func (r *Routes) Run(ctx context.Context, after func(ctx context.Context)) error {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, topic := range r.inUse() {
			if err := r.refresh(ctx, topic); err != nil && ctx.Err() == nil {
				r.logger.Warn("route refresh failed", "topic", topic, "error", err)
			}
		}
		if after != nil {
			after(ctx)
		}
	}
}

// inUse lists the topics to refresh and forgets those nobody asked for.
func (r *Routes) inUse() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var topics []string
	for topic, e := range r.mu.topics {
		e.unused++
		if e.unused > unusedRounds && e.loading == nil {
			delete(r.mu.topics, topic)
			continue
		}
		topics = append(topics, topic)
	}
	return topics
}

func (r *Routes) refresh(ctx context.Context, topic string) error {
	route, err := r.cluster.LookupRoute(ctx, topic)
	if err != nil {
		if errors.Is(err, &protocol.Error{Code: protocol.RespTopicNotExist}) {
			return nil // a new or a deleted topic: its next use finds out
		}
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.topics[topic]; e != nil {
		e.route, e.at, e.stale = route, r.now(), false
	}
	return nil
}

// All returns the routes that are known now.
func (r *Routes) All() []*Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*Route
	for _, e := range r.mu.topics {
		if e.route != nil {
			all = append(all, e.route)
		}
	}
	return all
}
