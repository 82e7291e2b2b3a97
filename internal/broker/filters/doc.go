// Package filters keeps the SQL92 subscriptions of consumer groups, compiled.
//
// Heartbeats register them; an expression is compiled once for each version of a
// subscription. Pulls that name a group's subscription look it up here. The table
// survives in config/consumerFilter.json, readable and writable by a Java broker,
// so that a consumer's first pull after a restart finds its expression.
//
// Invariants:
//
//	R1. An entry is immutable and has a compiled expression. What does not
//	    compile is not in the table, and the pull says so.
//	R2. The version of a group's entry for a topic never goes down.
//	R3. bornTime changes with the expression alone: a Java broker that takes the
//	    store over trusts the bit maps that it wrote after bornTime.
//	R4. The entry of a group that has left stays for Config.Keep, dead, and comes
//	    back to life with the next heartbeat.
//	R5. There are at most MaxEntries entries with MaxBytes together.
//
// Bit maps in extended queues, which tell a Java broker which groups a message
// matches, are neither read nor written: an expression is evaluated in less time
// than a map takes to read.
//
// Concurrency: all methods may be called from any goroutine. Find takes a read
// lock and allocates nothing. Facts: consumption.md 3.4, storage.md 14. Java
// counterparts: ConsumerFilterManager, BloomFilter. Start reading at
// Table.Register.
package filters
