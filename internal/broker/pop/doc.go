// Package pop keeps what POP consumption needs to know: which messages of a
// queue a group has taken, until when each is invisible, and which of them it
// acknowledged.
//
// A pop lends messages: a lease says which offsets of a queue a group holds and
// until when. Every change of a lease is a record in the revive topic, in the form
// that a Java broker reads: a check point (CK) for a pop, an ACK for each
// acknowledgement. The leases themselves live in memory, in one ledger for each
// queue of the revive topic, and are rebuilt from the records: all of one group and
// topic, its retry topics included, go to one queue, so that the order of the
// queue is the order of what happened.
//
// Invariants:
//
//	P1. A pop is answered when its CK is as durable as a send would be, an
//	    acknowledgement when its ACK is.
//	P2. A message that was popped is acknowledged or redelivered. When a lease is
//	    due, copies of its messages and the ACK that ends it are put into one
//	    group: both are stored or none is.
//	P3. An acknowledged message is never delivered again. The ACK of P2 is in the
//	    log before anybody can pop the copy; so whatever prefix of the log a crash
//	    leaves, it has the ACK if it has any trace of the copy's pop.
//	P4. The offset of CID_RMQ_SYS_REVIVE_GROUP is before the CK of every live
//	    lease. A lease that holds it back for long has its CK written again.
//	P5. A lease ends with the incarnation of its topic: it covers messages only
//	    that lie before its CK in the log, so that a topic that was deleted and
//	    made again is not touched by receipts and leases of the former one.
//	P6. Nothing grows without bound: leases by Config.MaxLeases, the records
//	    read at a start by P4, holes of a cursor by maxHoles.
//
// ledger.go, frontier.go and order.go are the deterministic cores: events in,
// effects out, no clock, lock or disk. Service drives them. The order of locks is:
// Cursor, then shard; neither is held while something is put or read.
//
// Java counterparts: PopMessageProcessor, AckMessageProcessor,
// ChangeInvisibleTimeProcessor, PopReviveService, QueueLevelConsumerManager.
// Format: docs/format/pop.md. Decisions: docs/adr/0015. Start reading at ledger.go,
// then service.go.
package pop
