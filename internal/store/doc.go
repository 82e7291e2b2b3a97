// Package store keeps messages: the commit log, the consume queues and the key
// index over it, in the files of Apache RocketMQ.
//
// # The way in
//
// A request handler fills a Put (Add builds the record in its final form) and
// queues it with Enqueue. Commit, called once after a batch of requests, makes
// the calling goroutine the leader if there is none: it takes all that is
// queued, gives it offsets and a time, writes it with one write, syncs it when
// the store is set to, publishes it to the queues and the index, and answers
// everybody. A leader goes on with what was queued meanwhile for a few groups;
// then a goroutine of the store takes over, so that no caller serves others
// without end. There is no other way in: internal writers use Store.Put, which
// does the same and waits.
//
// # The way out
//
// Get looks units up in a consume queue and reads the records in runs. A record
// is visible from the moment its unit is in its queue, which happens after its
// group is as durable as the acknowledgement says.
//
// # Invariants
//
//	S1. Done of a Put is called exactly once, with PutOK only if the records are written, and synced with FlushSync.
//	S2. A reader never sees a record of a group that is not complete in the sense of S1.
//	S3. Queue offsets of a queue are 0, 1, 2 … in the order of physical offsets. A record of several messages takes as many.
//	S4. Store timestamps never decrease along the log.
//	S5. After a failed sync the store is fenced: it acknowledges nothing more, reads go on, and the reason is in every answer. The next start distrusts the page cache.
//	S6. The checkpoint never claims more than what is durable in log, queues and index.
//	S7. What was purged is never shown again, and nothing that was stored after a purge is hidden by it (floor.go).
//
// Lock order: Store.cleaning, Store.floors, Store.checkpointing, index, cqueue files, cqueue queue. lead.mu is
// a leaf. No lock is held while Done or the arrival callback runs.
//
// Start reading at put.go, then group.go, get.go, recover.go. Formats:
// docs/format. queues.go chooses between the two kinds of queues, dispatch.go
// writes the properties that hold queue offsets. Java counterpart: DefaultMessageStore.
package store
