package lite

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOrderAndBlocking(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	c := w.subscribe("g", "c", "a")
	w.send("a", 5)
	require.True(t, w.woken[c.Key()])
	out := w.pop(c, 3, time.Minute, "")
	require.Equal(t, "[a[0 1 2] 0;0;0]", fmt.Sprint(out))
	w.send("a", 1)
	require.Empty(t, w.pop(c, 8, time.Minute, ""), "blocked")
	require.Equal(t, Acked, w.ack(c, out[0], 2))
	require.Zero(t, w.committed[orderKey{"g", queueOf("a")}])
	require.Equal(t, Acked, w.ack(c, out[0], 0))
	require.EqualValues(t, 1, w.committed[orderKey{"g", queueOf("a")}])
	require.Equal(t, Unknown, w.ack(c, out[0], 3))
	require.Equal(t, Acked, w.ack(c, out[0], 1))
	require.EqualValues(t, 3, w.committed[orderKey{"g", queueOf("a")}])
	require.Equal(t, Ignored, w.ack(c, out[0], 1))
	require.Equal(t, "[a[3 4 5] 0;0;0]", fmt.Sprint(w.pop(c, 8, time.Minute, "")))
}

func TestRedelivery(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	c := w.subscribe("g", "c", "a")
	w.send("a", 3)
	out := w.pop(c, 2, time.Second, "x")
	w.ack(c, out[0], 1)
	w.advance(999 * time.Millisecond)
	require.Empty(t, w.pop(c, 8, time.Second, ""))
	w.advance(time.Millisecond)
	again := w.pop(c, 8, time.Minute, "y")
	require.Equal(t, "[a[0 1 2] 0 qo0%0 1;0 qo0%1 1;0]", fmt.Sprint(again))
	require.Equal(t, Ignored, w.ack(c, out[0], 0), "of the pop before")
	w.Again("g", queueOf("a"))
	require.Equal(t, "[a[0 1 2] 0 qo0%0 1;0 qo0%1 1;0]", fmt.Sprint(w.pop(c, 8, time.Minute, "y")), "the same attempt")

	w.ChangeVisible("g", queueOf("a"), 0, again[0].popTime, w.now.UnixMilli()+100, true)
	w.advance(100 * time.Millisecond)
	third := w.pop(c, 1, time.Minute, "z")
	require.Equal(t, "[a[0] 0 qo0%0 1]", fmt.Sprint(third), "a suspension does not count")
	w.ChangeVisible("g", queueOf("a"), 0, third[0].popTime, w.now.UnixMilli()+50, false)
	w.advance(50 * time.Millisecond)
	require.Equal(t, "[a[0] 0 qo0%0 2]", fmt.Sprint(w.pop(c, 1, time.Minute, "")))
}

// TestRestart: what a broker does not know it does not believe.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	c := w.subscribe("g", "c", "a")
	w.send("a", 3)
	w.committed[orderKey{"g", queueOf("a")}] = 0
	before := batch{queue: queueOf("a"), popTime: w.now.UnixMilli() - 1}
	require.Equal(t, Ignored, w.ack(c, before, 2), "would lose 0 and 1")
	require.Equal(t, Acked, w.ack(c, before, 0))
	require.EqualValues(t, 1, w.committed[orderKey{"g", queueOf("a")}])
	require.Equal(t, Ignored, w.ack(c, batch{queue: queueOf("a"), popTime: w.now.UnixMilli()}, 1), "no such pop of this run")
}

func TestExclusive(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	w.group("other")
	first, second := w.subscribe("g", "1", "a", "b"), w.subscribe("g", "2")
	w.subscribe("other", "3", "a")
	require.Equal(t, []Displaced{{first, "1"}}, w.Displace(second, queueOf("a")))
	require.NoError(t, w.Subscribe(second, queueOf("a"), false))
	require.Empty(t, w.Displace(second, queueOf("a")), "not itself")
	w.send("a", 1)
	require.Empty(t, w.pop(first, 8, time.Minute, ""))
	require.Len(t, w.pop(second, 8, time.Minute, ""), 1)
	require.ElementsMatch(t, []Subscriber{second, {"other", "3"}}, w.Subscribers(queueOf("a")))
	require.Equal(t, 3, w.Stats().Subscriptions)
	require.Equal(t, []Displaced{{first, "1"}}, w.Displace(second, queueOf("b")))
	_, ok := w.Info(first, 1)
	require.False(t, ok, "without lite topics it is forgotten")
}

func TestEventsGoToOthers(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	a, b := w.subscribe("g", "a", "x", "y"), w.subscribe("g", "b", "x")
	w.send("x", 1)
	require.True(t, w.Pending(a))
	require.False(t, w.Pending(b))
	w.advance(11 * time.Second)
	w.CheckClients(w.now)
	require.True(t, w.Pending(b), "a does not take its events")
	require.Len(t, w.pop(b, 1, time.Minute, ""), 1)
	w.send("y", 1)
	require.True(t, w.Pending(a), "nobody else has y")
	w.Drop(a)
	require.Zero(t, w.Topics("q"))
	require.Equal(t, 2, w.Topics("p"))
}

func TestFullQueueIsDispatchedLater(t *testing.T) {
	w := newWorld(t)
	w.group("g", func(r *Rules) { r.MaxEvents = 10 })
	names := make([]string, 25)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	c := w.subscribe("g", "c", names...)
	for _, l := range names {
		w.send(l, 1)
	}
	got := map[string]bool{}
	for range 5 {
		for _, b := range w.pop(c, 100, time.Hour, "") {
			require.False(t, got[b.queue])
			got[b.queue] = true
			require.Equal(t, Acked, w.ack(c, b, b.offsets[0]))
		}
		w.advance(10 * time.Second)
	}
	require.Len(t, got, 25)
}

func TestWildcard(t *testing.T) {
	w := newWorld(t)
	w.group("g", func(r *Rules) { r.Wildcard, r.MaxEvents = true, 3 })
	require.ErrorIs(t, w.Admit("g"), ErrWildcard)
	for i := range 10 {
		w.send(strconv.Itoa(i), 1)
	}
	c := w.subscribe("g", "c")
	w.ReplaceAll(c, w.now)
	require.Equal(t, []Subscriber{{"g", "*"}}, w.Subscribers(queueOf("1")))
	got := map[string]bool{}
	for range 6 {
		w.advance(10 * time.Second)
		for _, b := range w.pop(c, 100, time.Hour, "") {
			got[b.queue] = true
			w.ack(c, b, b.offsets[0])
		}
	}
	require.Len(t, got, 10)
	w.advance(4 * time.Minute)
	require.Equal(t, []Client{c}, w.ExpireSubscriptions(w.now))
	require.Zero(t, w.Stats().Subscriptions)
	require.Empty(t, w.mu.wildcard)
}

func TestQuotas(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	w.limits.Subscriptions = 2
	require.NoError(t, w.Admit("g"))
	w.subscribe("g", "c", "a", "b", "a")
	require.ErrorIs(t, w.Admit("g"), ErrQuota)
	require.True(t, w.Reserve(queueOf("a"), 1))
	require.True(t, w.Reserve(queueOf("a"), 1))
	require.False(t, w.Reserve(queueOf("b"), 1))
}

func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	w.group("never")
	w.ttl["p"] = 30 * time.Minute
	w.ends[queueOf("old")], w.storedAt[queueOf("old")] = 4, w.now.Add(-time.Hour).UnixMilli()
	w.ends[queueOf("gone")] = 2 // its record is not in the log any more
	w.Load([]string{queueOf("old"), queueOf("gone"), "%LMQ%plain"})
	w.committed[orderKey{"g", queueOf("old")}] = 1
	c := w.subscribe("g", "c", "new", "old")
	w.send("new", 2)
	w.Reserve(queueOf("reserved"), 100)

	require.NoError(t, w.Expire(t.Context()))
	s := w.Stats()
	require.EqualValues(t, 2, s.Expired)
	require.EqualValues(t, 3, s.Unconsumed)
	require.Equal(t, 3, s.Queues)
	require.NotContains(t, w.committed, orderKey{"g", queueOf("old")})
	info, _ := w.Info(c, 10)
	require.Equal(t, []string{queueOf("new")}, info.Queues)

	for range emptyScans - 1 {
		require.EqualValues(t, 0, w.Stats().Emptied)
		require.NoError(t, w.Expire(t.Context()))
	}
	require.EqualValues(t, 1, w.Stats().Emptied)
	require.Contains(t, w.ends, queueOf("new"))

	w.now = w.now.Add(31 * time.Minute)
	w.refuse = func(string) bool { return true } // a message is on its way
	require.NoError(t, w.Expire(t.Context()))
	require.Equal(t, 2, w.Stats().Queues)
	w.refuse = nil
	w.send("new", 1)
	require.NoError(t, w.Expire(t.Context()))
	require.Equal(t, 2, w.Stats().Queues)
	w.now = w.now.Add(31 * time.Minute)
	require.NoError(t, w.Expire(t.Context()))
	require.Equal(t, 1, w.Stats().Queues, "the light queue that is no lite topic")
	require.Zero(t, w.Topics("p"))
}

// TestMemory holds the promise that a lite topic costs little: a million of them,
// each with a subscriber, stay below 300 MiB here. The names are the store's.
func TestMemory(t *testing.T) {
	w := newWorld(t)
	w.group("g")
	const n = 100_000
	names := make([]string, n)
	for i := range names {
		names[i] = queueOf("session-" + strconv.Itoa(i))
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for _, q := range names {
		w.mu.topics.stored(q, 1)
	}
	topics := heap()
	c := Client{"g", "c"}
	require.NoError(t, w.Touch(c, "p", nil, w.now))
	for _, q := range names {
		require.NoError(t, w.Subscribe(c, q, false))
	}
	all := heap()
	perTopic, perSubscription := float64(topics-before)/n, float64(all-topics)/n
	t.Logf("bytes for a lite topic: %.0f; for a subscription: %.0f", perTopic, perSubscription)
	require.Less(t, perTopic, 120.0)
	require.Less(t, perSubscription, 250.0)
	runtime.KeepAlive(w)
	runtime.KeepAlive(names)
}

func TestEventQueue(t *testing.T) {
	var e events
	for i := range 5000 {
		require.True(t, e.push(strconv.Itoa(i), math.MaxInt))
		require.True(t, e.push(strconv.Itoa(i), math.MaxInt), "once")
	}
	require.False(t, e.push("more", 5000))
	require.True(t, e.take("7"))
	require.False(t, e.take("7"))
	for i := range 5000 {
		if i == 7 {
			continue
		}
		name, ok := e.pop()
		require.True(t, ok)
		require.Equal(t, strconv.Itoa(i), name)
		require.True(t, e.push("again"+name, math.MaxInt))
		require.True(t, e.take("again"+name))
	}
	_, ok := e.pop()
	require.False(t, ok)
	require.Zero(t, len(e.known))
}
