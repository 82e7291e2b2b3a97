// Package index finds messages by key: hash tables in files, as Java writes
// them, newest file last.
//
// Keys arrive from the store's leader through Add, which only queues them; a
// goroutine of the index puts them into the mapped file in batches. A query
// first waits for what was added before it. Results are candidates: different
// keys of one hash are told apart by whoever reads the records.
//
// Invariants:
//
//	X1. Entries are in the order of their physical offsets.
//	X2. After a crash the entries of records below the checkpoint are complete;
//	    later ones are dropped at Open and put again by recovery.
//
// Losing the index loses no message: an error, a full disk among them, turns it
// off and is reported, and the broker goes on. When all that was missing is room on
// the disk, the store completes it later (Complete); else the next start does.
//
// Format: docs/format/index.md. Java counterparts: IndexFile, IndexService.
package index
