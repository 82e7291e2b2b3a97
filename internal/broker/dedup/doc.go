// Package dedup remembers which messages a topic was given lately, so that a
// producer's retry of a message that was stored, but whose answer got lost, is
// answered with the first copy's place instead of being stored again.
//
// A topic takes part with the attribute dedup.window. A message is known by its
// UNIQ_KEY, which a client keeps over its retries, or by the property that the
// attribute dedup.key names. The table maps a hash of topic and key to the
// physical offset of the first copy and nothing else: whoever finds an entry reads
// the record there and compares. The log is the truth; the table is built from it
// again at the start.
//
// Invariants:
//
//	U1. An entry exists only for a message that is stored as durably as its
//	    acknowledgement said: Stored is called with the outcome of the put.
//	U2. Of copies that are under way at the same time one is stored and the others
//	    are held until its outcome is known. If it failed, one of them is next.
//	U3. What is forgotten (too old, too many, a hash of two keys) is stored again:
//	    the table errs towards a duplicate, never towards a loss.
//	U4. Entries and held requests are bounded; what is forgotten before its time is
//	    counted.
//
// Memory: the entries of a topic are in generations, each for a quarter of the
// window, which go as a whole. An entry takes 20 to 35 bytes.
//
// The package has no clock, disk or goroutine of its own; all methods are safe for
// concurrent use. Java has no counterpart. Start reading at Table.Begin; the driver
// is send_once.go of package broker.
package dedup
