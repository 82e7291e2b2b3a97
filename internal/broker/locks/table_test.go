package locks

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aerobee/aerobee/internal/protocol"
)

func queue(i int32) protocol.MessageQueue {
	return protocol.MessageQueue{Topic: "t", BrokerName: "b", QueueID: i}
}

func queues(n int32) (qs []protocol.MessageQueue) {
	for i := range n {
		qs = append(qs, queue(i))
	}
	return qs
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func TestOneHolderUntilUnlockOrExpiry(t *testing.T) {
	c := &clock{at: time.Unix(1000, 0)}
	table := New(c.now)
	require.Equal(t, queues(2), table.Lock("g", "c1", queues(2)))
	require.Empty(t, table.Lock("g", "c2", queues(2)))
	require.Equal(t, queues(2), table.Lock("other", "c2", queues(2)), "groups do not meet")
	require.True(t, table.Held("g"))

	table.Unlock("g", "c2", queues(2)) // not its own
	require.Empty(t, table.Lock("g", "c2", queues(1)))
	table.Unlock("g", "c1", queues(1))
	require.Equal(t, queues(1), table.Lock("g", "c2", queues(2)))

	c.advance(Lifetime)
	require.Empty(t, table.Lock("g", "c1", queues(1)), "still held at exactly its lifetime")
	c.advance(time.Millisecond)
	require.False(t, table.Held("g"))
	require.Equal(t, queues(2), table.Lock("g", "c3", queues(2)))
}

func TestRenewalKeepsTheLock(t *testing.T) {
	c := &clock{at: time.Unix(1000, 0)}
	table := New(c.now)
	for range 10 {
		require.Len(t, table.Lock("g", "c1", queues(1)), 1)
		c.advance(20 * time.Second)
		require.Empty(t, table.Lock("g", "c2", queues(1)))
	}
}

func TestTheTableIsBounded(t *testing.T) {
	c := &clock{at: time.Unix(1000, 0)}
	table := New(c.now)
	table.max = 3
	require.Len(t, table.Lock("g", "c", queues(5)), 3)
	require.Equal(t, 3, table.Len())
	require.Len(t, table.Lock("g", "c", queues(3)), 3, "renewal needs no room")
	c.advance(Lifetime + 1)
	require.Len(t, table.Lock("h", "c", queues(2)), 2, "expired locks make room")
	require.Equal(t, 2, table.Len())
	c.advance(Lifetime + 1)
	table.Sweep()
	require.Zero(t, table.Len())
	require.Empty(t, table.mu.groups)
}

func TestLocksOfAClientThatLeft(t *testing.T) {
	c := &clock{at: time.Unix(1000, 0)}
	table := New(c.now)
	table.Lock("g", "c1", queues(2))
	table.Lock("g", "c2", []protocol.MessageQueue{queue(3)})
	table.Leave("g", "c1", 4*time.Second)
	table.Leave("g", "stranger", 4*time.Second)
	require.Len(t, table.mu.leaving, 1, "who has no lock is not remembered")
	groups, next := table.GiveUp()
	require.Empty(t, groups)
	require.Equal(t, c.at.Add(4*time.Second), next)
	table.Return("g", "c1")
	c.advance(5 * time.Second)
	groups, next = table.GiveUp()
	require.Empty(t, groups)
	require.Zero(t, next)
	require.Empty(t, table.Lock("g", "c2", queues(2)), "it came back")

	table.Leave("g", "c1", 4*time.Second)
	table.Lock("g", "c1", queues(1))
	c.advance(5 * time.Second)
	groups, _ = table.GiveUp()
	require.Empty(t, groups, "who locks is there")

	table.Leave("g", "c1", 4*time.Second)
	c.advance(4 * time.Second)
	groups, _ = table.GiveUp()
	require.Equal(t, []string{"g"}, groups)
	require.Equal(t, queues(2), table.Lock("g", "c2", queues(2)))
	table.Leave("g", "c2", 0)
	require.Equal(t, queues(2), table.Lock("g", "c3", queues(2)), "without grace at once")
	require.Equal(t, 2, table.Len())
}

// TestAgainstModel compares the table with a plain map under random operations.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &clock{at: time.Unix(1000, 0)}
		table := New(c.now)
		model := map[string]holder{}
		t.Repeat(map[string]func(*rapid.T){
			"lock": func(t *rapid.T) {
				client, q := draw(t)
				h, known := model[q.key]
				want := !known || h.client == client || c.at.Sub(h.since) > Lifetime
				got := table.Lock(q.group, client, []protocol.MessageQueue{q.queue})
				if want != (len(got) == 1) {
					t.Fatalf("lock %s by %s: got %v", q.key, client, got)
				}
				if want {
					model[q.key] = holder{client, c.at}
				}
			},
			"unlock": func(t *rapid.T) {
				client, q := draw(t)
				if model[q.key].client == client {
					delete(model, q.key)
				}
				table.Unlock(q.group, client, []protocol.MessageQueue{q.queue})
			},
			"wait": func(t *rapid.T) { c.advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "s")) * time.Second) },
			"sweep": func(*rapid.T) {
				table.Sweep()
			},
			"": func(t *rapid.T) {
				n := 0
				for _, locks := range table.mu.groups {
					n += len(locks)
				}
				if n != table.Len() {
					t.Fatalf("counted %d, have %d", table.Len(), n)
				}
			},
		})
	})
}

type place struct {
	group, key string
	queue      protocol.MessageQueue
}

func draw(t *rapid.T) (client string, p place) {
	client = rapid.SampledFrom([]string{"c1", "c2", "c3"}).Draw(t, "client")
	p.group = rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group")
	p.queue = queue(rapid.Int32Range(0, 2).Draw(t, "queue"))
	p.key = fmt.Sprint(p.group, p.queue.QueueID)
	return client, p
}
