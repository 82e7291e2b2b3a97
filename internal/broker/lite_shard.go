package broker

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Bounds of what is known about routes of parents.
const (
	liteRouteAge   = 30 * time.Second // then it is asked for again
	liteRouteLimit = 3 * time.Second  // that asking may take
	maxLiteRoutes  = 4096             // parents; those beyond are asked for each time
)

// liteRoutes remembers to which brokers messages of a parent go.
type liteRoutes struct {
	sync.Mutex
	known map[string]liteRoute
}

// liteRoute is the brokers of the queues that one can send to, in the order in which
// producers have them. Empty: not known, or none.
type liteRoute struct {
	brokers []string
	until   time.Time
}

// ownsLite tells whether messages of a lite topic go to this broker. Without a
// nameserver's word, all do.
func (b *Broker) ownsLite(ctx context.Context, parent, name string) bool {
	brokers := b.liteBrokers(ctx, parent)
	return len(brokers) == 0 || brokers[consistentHash(int64(protocol.StringHash(name)), len(brokers))] == b.config().BrokerName
}

// liteBrokers gives the route of a parent, asking a nameserver if need be.
func (b *Broker) liteBrokers(ctx context.Context, parent string) []string {
	r, now := &b.lite.routes, b.now()
	r.Lock()
	route, ok := r.known[parent]
	r.Unlock()
	if ok && now.Before(route.until) {
		return route.brokers
	}
	brokers := b.askLiteRoute(ctx, parent)
	if brokers == nil {
		brokers = route.brokers
	}
	r.Lock()
	defer r.Unlock()
	if r.known == nil || len(r.known) >= maxLiteRoutes {
		r.known = make(map[string]liteRoute)
	}
	r.known[parent] = liteRoute{brokers, now.Add(liteRouteAge)}
	return brokers
}

// askLiteRoute asks the nameservers one after the other.
func (b *Broker) askLiteRoute(ctx context.Context, parent string) []string {
	ctx, cancel := context.WithTimeout(ctx, liteRouteLimit)
	defer cancel()
	for _, addr := range b.config().NamesrvAddrs() {
		answer, err := b.register.invoke(ctx, addr, protocol.ReqGetRouteInfoByTopic, &protocol.GetRouteInfoRequest{Topic: parent}, nil)
		if err != nil {
			continue
		}
		var route protocol.TopicRouteData
		if err := javajson.Unmarshal(answer.Body, &route); err == nil {
			return publishBrokers(&route)
		}
	}
	return nil
}

// publishBrokers is the broker of each queue that producers send to: by name, those
// that may be written to and have a master.
func publishBrokers(route *protocol.TopicRouteData) []string {
	masters := make(map[string]bool)
	for i := range route.BrokerDatas {
		d := &route.BrokerDatas[i]
		_, masters[d.BrokerName] = d.BrokerAddrs[0]
	}
	queues := slices.Clone(route.QueueDatas)
	slices.SortFunc(queues, func(a, b protocol.QueueData) int { return cmp.Compare(a.BrokerName, b.BrokerName) })
	brokers := []string{}
	for _, q := range queues {
		if q.Perm&protocol.PermWrite == 0 || !masters[q.BrokerName] {
			continue
		}
		for range min(max(q.WriteQueueNums, 0), 1<<16) {
			brokers = append(brokers, q.BrokerName)
		}
	}
	return brokers
}

// consistentHash chooses one of n buckets, moving few keys when n changes: the jump
// hash of Lamping and Veach with the generator that Guava uses.
func consistentHash(key int64, n int) int {
	state := uint64(key)
	for at := 0; ; {
		state = state*2862933555777941757 + 1
		next := int64(float64(at+1) / (float64(int32(state>>33)+1) / (1 << 31)))
		if next < 0 || next >= int64(n) {
			return at
		}
		at = int(next)
	}
}
