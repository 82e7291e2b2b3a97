// Package transaction keeps half messages until their transactions end, asks
// producers about those that nobody ended, and gives up in the end.
//
// A half message is a record in RMQ_SYS_TRANS_HALF_TOPIC; a commit stores its
// copy in the real topic; op messages in RMQ_SYS_TRANS_OP_HALF_TOPIC name the
// half messages that are done. All of it has Java's form, so that a Java broker
// goes on with the store and the other way round (storage.md 13, ADR 0013).
//
// The table is the core: it knows of every half message from the first open one
// to the end of the queue whether it is done, in two bits, and the times of
// those that are old enough to be asked about. It is rebuilt from the half and
// the op queue, from the committed offsets of the group CID_RMQ_SYS_TRANS on.
// The service drives it: it stores op messages, asks, gives up, and moves the
// offsets.
//
// Invariants:
//
//	T1. A half message counts as done only after its copy is stored as durably as
//	    the answer says. A crash between the two delivers twice, never not at all.
//	T2. The half offset passes only what is done, and the op offset only op
//	    messages of which all half messages lie before the half offset. Both are
//	    committed when the log is flushed beyond what made them move, so T1 holds
//	    across a power cut. What goes wrong with one message keeps no other from
//	    being checked, and the offsets move whatever else failed (rmq#9500).
//	T3. Checking costs what is open: a transaction that ends before it is old
//	    enough for a check costs two bits and is never read again (rmq#544).
//	T4. Waiting rewrites nothing (rmq#1543): that a producer was asked is a few
//	    bytes in an op message with the tag "c", which a Java broker passes over.
//	    A half message is stored again only when it holds up more than carrySpan
//	    others, nearly all of them done.
//	T5. Only a check that was handed to a connection counts, and only what was
//	    asked the maximum of times, or is older than the log keeps messages, is
//	    given up (rmq#8311). What is given up lies in TRANS_CHECK_MAX_TIME_TOPIC
//	    with all it had, and can be resumed (dash#4435) or still be committed.
//	T6. A transaction of which the table knows that it was committed or rolled
//	    back is not ended again.
//
// Bounds: maxOpen half messages are in memory with their times, what is open
// beyond them stays on disk until there is room; maxPending op entries wait to
// be stored, beyond that nothing can be ended; two bits for each half message
// between the half offset, or retained ones before the end, and the end.
//
// Concurrency: one mutex over the table, held for a few words, never while the
// disk or the network is waited for. One goroutine checks. Begin and Finish may
// be called by any goroutine, also the store's leader; Arrived costs one store.
// Java counterparts: TransactionalMessageServiceImpl and its neighbours,
// EndTransactionProcessor. Start reading at table.go, then Service.round.
package transaction
