// Package window keeps account of the messages of one queue between their pull
// and the end of their consumption: what is cached, and up to where the group may
// commit. It is a pure core; whoever uses it guards it.
//
// Invariants:
//
//	W1. Commit never passes a message that is not done.
//	W2. Commit never goes back, whatever the order in which messages are done.
package window

import "slices"

// Window is the messages of a queue that are not yet behind its commit offset.
// The zero value is not usable; see New.
type Window struct {
	entries []entry // ascending offsets; the first is not done
	next    int64   // behind everything that was pulled
	bytes   int     // of the entries that are not done
	open    int     // entries that are not done
}

type entry struct {
	offset int64
	size   int
	done   bool
}

// New returns an empty window that begins at an offset.
func New(offset int64) *Window { return &Window{next: offset} }

// Add notes a message that was pulled. Offsets ascend; one that was there before
// is refused.
func (w *Window) Add(offset int64, size int) bool {
	if n := len(w.entries); n > 0 && offset <= w.entries[n-1].offset {
		return false
	}
	w.entries = append(w.entries, entry{offset: offset, size: size})
	w.next = max(w.next, offset+1)
	w.bytes += size
	w.open++
	return true
}

// Advance notes that a pull went on to an offset: what lies between was filtered
// out or does not exist.
func (w *Window) Advance(next int64) { w.next = max(w.next, next) }

// Done notes that a message is consumed. It is false for one that is not in the
// window.
func (w *Window) Done(offset int64) bool {
	i, found := slices.BinarySearchFunc(w.entries, offset, func(e entry, at int64) int {
		switch {
		case e.offset < at:
			return -1
		case e.offset > at:
			return 1
		}
		return 0
	})
	if !found || w.entries[i].done {
		return false
	}
	w.entries[i].done = true
	w.bytes -= w.entries[i].size
	w.open--
	n := 0
	for n < len(w.entries) && w.entries[n].done {
		n++
	}
	w.entries = w.entries[n:]
	if len(w.entries) == 0 {
		w.entries = nil
	}
	return true
}

// Commit is the offset at which the group goes on after a restart.
func (w *Window) Commit() int64 {
	if len(w.entries) > 0 {
		return w.entries[0].offset
	}
	return w.next
}

// Len is the number of messages that are not done.
func (w *Window) Len() int { return w.open }

// Bytes is their size.
func (w *Window) Bytes() int { return w.bytes }

// Span is how far apart the first message that is not done and the last one that
// was pulled are: with one that hangs, everything behind it may be delivered
// again.
func (w *Window) Span() int64 {
	if len(w.entries) == 0 {
		return 0
	}
	return w.entries[len(w.entries)-1].offset - w.entries[0].offset
}

// Bounds are the first and the last offset in the window, zeros when it is empty.
func (w *Window) Bounds() (first, last int64) {
	if len(w.entries) == 0 {
		return 0, 0
	}
	return w.entries[0].offset, w.entries[len(w.entries)-1].offset
}
