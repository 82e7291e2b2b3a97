// Package compaction keeps the latest message of each key for topics with
// cleanup.policy=COMPACTION, in the files of Apache RocketMQ (storage.md 16), for
// as long as the topic lives: the retention of the commit log does not touch them.
//
// A queue has segments below compaction/compactionLog/TOPIC/ID: copies of its
// records, with their positions here in place of their physical offsets, and in
// files of the same names below compaction/compactionCq/TOPIC/ID a unit of 46 bytes
// for each record. Records are appended in the order of the queue. Compact rewrites
// all segments but the newest: of each key whose latest record is in them, older
// records go. Queue offsets stay; so there are gaps.
//
// Invariants:
//
//	C1. A unit reaches the disk only after its record.
//	C2. At every moment the files on disk are the old or the new generation of a
//	    compaction, or a complete instruction how to get from one to the other
//	    (swap.go), which the next Open follows.
//	C3. A record is left out only if a later one of its key is in a segment or in
//	    what is appended; with no body it is left out as well, as in Java.
//	C4. Bad input is left where it is: a queue whose files contradict each other is
//	    not opened.
//
// Concurrency: Append, Flush, Compact and Close belong to one goroutine; Read, Min
// and Max may be called from any. Queue.mu is held while files are read, so that a
// swap cannot come in between; it is a leaf. Java counterparts: CompactionStore,
// CompactionLog, SparseConsumeQueue. Start reading at queue.go.
package compaction
