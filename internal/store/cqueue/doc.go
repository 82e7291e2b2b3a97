// Package cqueue maps a queue offset to the place of a message in the commit
// log: one consume queue per topic and queue id, in units of 20 bytes, or of 46 in
// batch queues, where a unit stands for a record with several messages.
//
// A Set holds the queues of a store. A Queue opens its files on first use and
// maps nothing for good, so that a million of them cost little: about 250 bytes
// each. New units live in memory and are written in runs: those of a queue that
// has a page of them every second (FlushFull), the others when a checkpoint is
// made (Flush). Recovery leaves units in memory too, without a look at the files
// (Restore).
//
// Invariants:
//
//	Q1. Unit n describes queue offset n, in a batch queue the offsets from its base on; units are never reordered.
//	Q2. No unit on disk points at or beyond the durable end of the commit log.
//	Q3. Physical offsets grow from unit to unit.
//
// Append belongs to one goroutine at a time, the store's leader, and Restore to
// recovery; everything else may be called from anywhere. Queue.mu is held for memory only,
// except while the files of a queue are opened or a dead file is removed.
//
// Format: docs/format/consumequeue.md. Java counterparts: ConsumeQueue,
// ConsumeQueueStore.
package cqueue
