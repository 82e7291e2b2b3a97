// Package offsets remembers how far each group has consumed each queue.
//
// It is the broker's half of consumer progress: commits and queries of clients,
// the positions handed out by pulls, pending resets, and the file
// config/consumerOffset.json in which the committed offsets survive a restart,
// readable and writable by a Java broker (storage.md 14 and 19.5). Broadcast
// keeps the offsets of broadcasting clients, consumption.md 6.6.
//
// Invariants:
//
//	O1. What Commit has accepted is on disk when the next Persist returns.
//	O2. While a reset of a queue is pending, commits to it are refused and queries
//	    answer the reset; TakeReset hands it out once.
//	O3. Persist costs as much as has changed since the last one: it goes into a
//	    journal beside the file. The file is written when that is cheap, and by
//	    Close; its previous generation is kept.
//	O4. A group has at most MaxQueues queues of a topic, a table at most MaxPairs
//	    pairs of a group and a topic.
//
// Concurrency: all methods may be called from any goroutine. The table is split
// into shards by group and topic, each with a mutex that is held for a map
// lookup and a few words, never while the disk is waited for; a commit allocates
// nothing once the queue is known.
// Java counterparts: ConsumerOffsetManager, BroadcastOffsetManager. Start reading
// at Table.Commit and Table.Persist.
package offsets
