package lite

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// world is a broker around a service: queues, offsets, groups and a clock.
type world struct {
	*Service
	t         testing.TB
	now       time.Time
	limits    Limits
	ends      map[string]int64
	committed map[orderKey]int64
	rules     map[string]Rules
	ttl       map[string]time.Duration
	storedAt  map[string]int64
	listed    []string
	woken     map[string]bool
	refuse    func(queue string) bool // Delete does
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, now: time.UnixMilli(1_700_000_000_000),
		ends: map[string]int64{}, committed: map[orderKey]int64{}, rules: map[string]Rules{},
		ttl: map[string]time.Duration{}, storedAt: map[string]int64{}, woken: map[string]bool{},
	}
	w.limits = Limits{
		Check: 10 * time.Second, FullDispatch: 10 * time.Second, WildcardDispatch: 10 * time.Second,
		SubscriptionCheck: 2 * time.Minute, SubscriptionTimeout: 3 * time.Minute, Subscriptions: 1000,
		ExpiryCheck: 2 * time.Minute, MinTTL: 15 * time.Minute,
	}
	w.Service = New(Config{
		Now: func() time.Time { return w.now }, Limits: func() Limits { return w.limits },
		Rules:     func(group string) (Rules, bool) { r, ok := w.rules[group]; return r, ok },
		Wake:      func(key string) { w.woken[key] = true },
		MaxOffset: func(queue string) int64 { return w.ends[queue] },
		Committed: func(group, queue string) (int64, bool) { at, ok := w.committed[orderKey{group, queue}]; return at, ok },
		Commit:    func(group, queue string, offset int64) { w.committed[orderKey{group, queue}] = offset },
		Listed:    func() ([]string, error) { return w.listed, nil },
		TTL:       func(parent string) (time.Duration, bool) { ttl, ok := w.ttl[parent]; return ttl, ok },
		StoredAt:  func(queue string, _ int64) (int64, bool) { at, ok := w.storedAt[queue]; return at, ok },
		Groups: func(parent string) (groups []string) {
			for g, r := range w.rules {
				if r.Parent == parent {
					groups = append(groups, g)
				}
			}
			slices.Sort(groups)
			return groups
		},
		Delete: func(idle []Idle) []bool {
			out := make([]bool, len(idle))
			for i, q := range idle {
				if out[i] = w.ends[q.Queue] == q.End && (w.refuse == nil || !w.refuse(q.Queue)); out[i] {
					delete(w.ends, q.Queue)
				}
			}
			return out
		},
		Forgotten: func(group, queue string) { delete(w.committed, orderKey{group, queue}) },
		Rand:      func(int) int { return 0 },
	})
	return w
}

func queueOf(lite string) string { return protocol.LiteQueueName("p", lite) }

// group makes a shared group with room for some events of a client.
func (w *world) group(name string, change ...func(*Rules)) {
	r := Rules{Parent: "p", MaxEvents: 100}
	for _, f := range change {
		f(&r)
	}
	w.rules[name] = r
}

func (w *world) send(lite string, n int) {
	q := queueOf(lite)
	for range n {
		w.ends[q]++
		w.storedAt[q] = w.now.UnixMilli()
		w.Arrived(q, w.now.UnixMilli())
	}
}

func (w *world) subscribe(group, id string, lite ...string) Client {
	c := Client{group, id}
	require.NoError(w.t, w.Touch(c, "p", id, w.now))
	for _, l := range lite {
		require.NoError(w.t, w.Subscribe(c, queueOf(l), w.ends[queueOf(l)] > 0))
	}
	return c
}

func (w *world) advance(d time.Duration) {
	w.now = w.now.Add(d)
	w.Unblock(w.now)
	w.dispatchDue(w.t.Context(), w.now)
}

// batch is what a pop took from a queue.
type batch struct {
	queue   string
	popTime int64
	offsets []int64
	counts  string
}

// pop takes up to most messages for a client, as the broker does.
func (w *world) pop(c Client, most int, invisible time.Duration, attempt string) (taken []batch) {
	for most > 0 {
		queue, ok := w.Next(c)
		if !ok {
			break
		}
		if w.Begin(c.Group, queue, attempt) != Ready {
			continue
		}
		from := w.committed[orderKey{c.Group, queue}]
		w.committed[orderKey{c.Group, queue}] = from
		b := batch{queue: queue, popTime: w.now.UnixMilli()}
		for at := from; at < w.ends[queue] && len(b.offsets) < most; at++ {
			b.offsets = append(b.offsets, at)
		}
		if len(b.offsets) == 0 {
			w.End(c.Group, queue)
			continue
		}
		counts, ok := w.Finish(Taken{c.Group, queue, attempt, from, b.popTime, invisible.Milliseconds(), b.offsets}, nil)
		require.True(w.t, ok)
		b.counts = string(counts)
		taken = append(taken, b)
		most -= len(b.offsets)
	}
	return taken
}

func (w *world) ack(c Client, b batch, offset int64) AckResult {
	return w.Ack(c.Group, b.queue, offset, b.popTime)
}

func (b batch) String() string {
	_, lite, _ := protocol.SplitLiteQueueName(b.queue)
	return fmt.Sprintf("%s%v %s", lite, b.offsets, b.counts)
}
