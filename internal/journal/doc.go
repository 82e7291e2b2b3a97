// Package journal keeps a state file of which single entries change: the file
// itself, which a Java broker reads, and beside it a journal of the changes since
// it was written. So a change costs one small append and a sync, however big the
// file is, and changes that come together share the sync.
//
// The file is written anew when that is cheap: when the journal has grown as big
// as the file, and otherwise at a pace that goes with its size (a small file
// within a second of a change). It is written without a lock, while changes go on
// into the journal; then a new journal with the changes of meanwhile takes the old
// one's place. A clean stop leaves the file alone, complete.
//
// Invariants:
//
//	J1. When Flush returns nil, every change appended before it survives a power cut.
//	J2. A journal names the generation of the file that it belongs to by size and
//	    checksum. With another file, such as one that a Java broker wrote since, it
//	    is ignored.
//	J3. Before a new generation of the file is put in place there is a durable
//	    journal that names it, unless there is nothing to put into it.
//	J4. What a power cut tore off the end of the journal was not acknowledged.
//	J5. After an error while writing, nothing is acknowledged until a whole new
//	    generation is durable: what a failed sync left behind is never relied on.
//
// Concurrency: all methods may be called from any goroutine. Lock order:
// rewriting, io, mu. The locks rewriting and io are held during writes of the
// file and the journal; mu for a few words, so that Append never waits for a disk.
//
// Format: docs/format/journal.md. There is no Java counterpart. Start reading at
// Open, Append and Flush.
package journal
