// Package inspect looks into a store directory without opening the store: Java's
// or ours, closed, crashed, or in use by a broker.
//
// Open finds out what is there; Check verifies all of it and says what a start
// would do; Topics, LogFiles and IndexFiles list it; Messages reads it. Nothing
// of these writes, and none takes the store's lock. Only Repair does both.
//
// Invariants:
//
//	P1. Memory does not grow with the size of the store, only, by some hundred bytes each, with the number of its queues.
//	P2. What is written or deleted by a broker while a check runs is no problem: records end where they ended when they were
//	    read, entries of newer ones are passed over, files that are gone have expired.
//	P3. Whatever the files hold, the outcome is a problem or an error, never a panic.
//
// A check reads the log once, in order, and looks each record's consume queue
// unit up; then it reads each queue once. When a queue has as many units as
// records found theirs, all of them are right, and only otherwise are its units
// looked at one by one against the log.
//
// Start reading at open.go, then check.go. Formats: docs/format.
package inspect
