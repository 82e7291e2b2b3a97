// Package stats counts what a broker does and answers how fast it does it.
//
// The send and pull paths add to atomic counters; nothing else happens there: a
// call finds the counters of a topic, or of a topic and a group, in a lock-free
// map and allocates nothing once they exist. Everything derived (the minute,
// hour and day windows of request 315, the rates of request 28, the counters of
// the metrics page) is computed from snapshots that Sample takes once a second.
//
// Invariants:
//
//	S1. Counters only grow. A window is the difference of two snapshots.
//	S2. A topic or pair without traffic for a day and an hour is forgotten: its
//	    windows are all zero by then. So the memory follows the active topics,
//	    and at most Config.Max of them are kept at all.
//	S4. A snapshot looks at those that had traffic since the one before; the idle
//	    ones have no part in it.
//	S3. Times come in through Sample; the package reads no clock.
//
// Concurrency: counters and readers may be used from any goroutine; Sample is
// called by one goroutine at a time.
//
// Facts: admin.md 4 and 3.3 (request 28). Java counterparts: BrokerStatsManager,
// StatsItem, StoreStatsService. Start reading at Stats.Put and Stats.Sample.
package stats
