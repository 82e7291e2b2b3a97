// Package commitlog is the one sequence of records that everything else is
// derived from, kept in files of equal size that are named after their first
// byte's offset.
//
// A Log has one writer at a time, the store's leader of the moment, which
// writes whole groups at an offset of its choice with Write and then publishes
// them with SetEnd. Readers may run at any time and see what is below End.
//
// Invariants:
//
//	L1. A record never crosses a file; a file that is left before it is full ends with a BLANK record.
//	L2. Every file but the one that is being written has its full length on disk; unused bytes are zero.
//	L3. Bytes below Synced survive a power cut.
//
// Format: docs/format/commitlog.md. Java counterparts: CommitLog, MappedFileQueue.
package commitlog
