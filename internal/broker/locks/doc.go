// Package locks keeps the queue locks of orderly consumption.
//
// A consumer that consumes in order asks the broker for the exclusive right to
// each of its queues (LOCK_BATCH_MQ) and renews it every 20 s; see
// consumption.md 7.2. The table lives in memory only: after a restart the
// clients lock again.
//
// Invariants:
//
//	L1. At most one client of a group holds a queue at any moment.
//	L2. A lock that was not renewed for Lifetime is free.
//	L3. The locks of a client that left are free when its grace is over, unless it
//	    came back: a client whose connection broke goes on consuming for a moment,
//	    and a live one comes back with its next request (ADR 0016).
//	L4. The table holds at most MaxLocks entries; the one too many is refused.
//
// Concurrency: every method may be called from any goroutine. One mutex guards
// the table; it is never held during a callback. Java counterpart:
// RebalanceLockManager. Start reading at Table.Lock.
package locks
