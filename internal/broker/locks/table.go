package locks

import (
	"slices"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Lifetime is how long a lock lives without renewal, as in Java
// (rocketmq.broker.rebalance.lockMaxLiveTime).
const Lifetime = 60 * time.Second

// MaxLocks bounds the table, all groups together. A group needs one entry for
// each queue it consumes.
const MaxLocks = 1 << 20

// Table holds the locks of all groups. See New.
type Table struct {
	now func() time.Time
	max int

	mu struct {
		sync.Mutex
		groups map[string]map[protocol.MessageQueue]holder
		count  int // entries of all groups, the expired ones included
		// leaving are clients with locks that are gone, and until when they may come
		// back. They are fewer than locks.
		leaving map[seat]time.Time
	}
}

// seat is a client in a group.
type seat struct{ group, client string }

type holder struct {
	client string
	since  time.Time // last time the client locked
}

// New returns an empty table that reads the time from now. The times should
// carry a monotonic reading, so that a clock step frees no lock.
func New(now func() time.Time) *Table {
	t := &Table{now: now, max: MaxLocks}
	t.mu.groups = make(map[string]map[protocol.MessageQueue]holder)
	t.mu.leaving = make(map[seat]time.Time)
	return t
}

// Lock takes or renews the locks of client on queues and returns those that it
// holds afterwards, in the order asked. The strings are kept.
func (t *Table) Lock(group, client string, queues []protocol.MessageQueue) []protocol.MessageQueue {
	now := t.now()
	held := make([]protocol.MessageQueue, 0, len(queues))
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.leaving, seat{group, client})
	for _, q := range queues {
		if t.lockLocked(group, client, q, now) {
			held = append(held, q)
		}
	}
	return held
}

func (t *Table) lockLocked(group, client string, q protocol.MessageQueue, now time.Time) bool {
	locks := t.mu.groups[group]
	h, known := locks[q]
	if known && h.client != client && !h.expired(now) {
		return false
	}
	if !known {
		if t.mu.count >= t.max {
			t.sweepLocked(now)
		}
		if t.mu.count >= t.max {
			return false
		}
		t.mu.count++
		if locks = t.mu.groups[group]; locks == nil { // the sweep may have removed the group
			locks = make(map[protocol.MessageQueue]holder)
			t.mu.groups[group] = locks
		}
	}
	locks[q] = holder{client: client, since: now}
	return true
}

// Unlock gives up the locks of client on queues. Locks of others, and queues
// that nobody locked, are left alone.
func (t *Table) Unlock(group, client string, queues []protocol.MessageQueue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	locks := t.mu.groups[group]
	for _, q := range queues {
		if h, ok := locks[q]; ok && h.client == client {
			delete(locks, q)
			t.mu.count--
		}
	}
	if locks != nil && len(locks) == 0 {
		delete(t.mu.groups, group)
	}
}

// Leave notes that a client is gone that may come back within grace; Return
// keeps its locks then. Without grace they are given up at once.
func (t *Table) Leave(group, client string, grace time.Duration) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if grace <= 0 {
		t.giveUpLocked(seat{group, client})
		return
	}
	for _, h := range t.mu.groups[group] {
		if h.client == client && !h.expired(now) {
			t.mu.leaving[seat{group, client}] = now.Add(grace)
			return
		}
	}
}

// Return notes that a client is back.
func (t *Table) Return(group, client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.leaving, seat{group, client})
}

// GiveUp frees the locks of clients that have not come back in time, and lists
// the groups that had such locks. It also tells when the next ones are due; the
// zero time when none are.
func (t *Table) GiveUp() (groups []string, next time.Time) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, due := range t.mu.leaving {
		switch {
		case now.Before(due):
			if next.IsZero() || due.Before(next) {
				next = due
			}
		case t.giveUpLocked(s):
			groups = append(groups, s.group)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups), next
}

// giveUpLocked frees the locks of a client and tells whether it had any.
func (t *Table) giveUpLocked(s seat) (any bool) {
	delete(t.mu.leaving, s)
	locks := t.mu.groups[s.group]
	for q, h := range locks {
		if h.client == s.client {
			delete(locks, q)
			t.mu.count--
			any = true
		}
	}
	if locks != nil && len(locks) == 0 {
		delete(t.mu.groups, s.group)
	}
	return any
}

// Held tells whether any client of the group holds a lock now. The broker takes
// it as the mark of an orderly group.
func (t *Table) Held(group string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	locks := t.mu.groups[group]
	if len(locks) == 0 {
		return false
	}
	now := t.now()
	for _, h := range locks {
		if !h.expired(now) {
			return true
		}
	}
	return false
}

// Sweep removes the locks that have expired. Correctness does not need it;
// memory does. The broker calls it now and then.
func (t *Table) Sweep() {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweepLocked(now)
}

// Len is the number of entries, expired ones not yet swept included.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.count
}

func (t *Table) sweepLocked(now time.Time) {
	for group, locks := range t.mu.groups {
		for q, h := range locks {
			if h.expired(now) {
				delete(locks, q)
				t.mu.count--
			}
		}
		if len(locks) == 0 {
			delete(t.mu.groups, group)
		}
	}
}

func (h holder) expired(now time.Time) bool { return now.Sub(h.since) > Lifetime }
