package pop

import "slices"

// span is a part of a queue: from start to before next.
type span struct{ start, next int64 }

// frontier is how far a group has popped a queue: all messages before next are
// lent, but those of holes and of spans on the way. It is a deterministic core.
//
// A pop reserves a span, and reports whether its CK got into the log. The
// committed offset follows only when all before it are there: after a crash the
// group goes on at the committed offset, or where CKs in the log say. A span whose
// CK failed becomes a hole, which is popped before anything else.
type frontier struct {
	known     bool
	committed int64
	next      int64
	holes     []span  // ascending
	flying    []*span // in the order of their reservation
	fresh     bool    // jumped, and nothing reserved since
	epoch     uint32  // grows with each jump: what was reserved before does not count any more
}

// maxHoles bounds the holes of a frontier. Beyond, the frontier returns to the
// first one, and messages behind it may be delivered twice.
const maxHoles = 64

// jump sets the offset, as a reset does.
func (f *frontier) jump(offset int64) {
	*f = frontier{known: true, fresh: true, committed: offset, next: offset, epoch: f.epoch + 1}
}

// begin is the span that the next pop may take; next is -1 for no end.
func (f *frontier) begin() span {
	if len(f.holes) > 0 {
		return f.holes[0]
	}
	return span{f.next, -1}
}

// reserve takes a span, which begins where begin said, until done is called.
func (f *frontier) reserve(s *span) {
	f.take(*s)
	f.flying = append(f.flying, s)
}

// skip passes over a span that has nothing to deliver and tells whether the
// committed offset moved.
func (f *frontier) skip(s span) bool {
	f.take(s)
	return f.advance()
}

// take removes a span from the first hole, or moves the end.
func (f *frontier) take(s span) {
	if len(f.holes) > 0 && s.start == f.holes[0].start {
		f.holes[0].start = s.next
		if f.holes[0].start >= f.holes[0].next {
			f.holes = slices.Delete(f.holes, 0, 1)
		}
		return
	}
	f.next = max(f.next, s.next)
}

// done ends a reservation of the present epoch and tells whether the committed
// offset moved.
func (f *frontier) done(s *span, ok bool) bool {
	if !ok {
		f.dig(*s)
	}
	for i, other := range f.flying {
		if other == s {
			f.flying = slices.Delete(f.flying, i, i+1)
			break
		}
	}
	return f.advance()
}

// dig adds a hole.
func (f *frontier) dig(s span) {
	i, _ := slices.BinarySearchFunc(f.holes, s.start, func(h span, start int64) int { return int(h.start - start) })
	f.holes = slices.Insert(f.holes, i, s)
	if len(f.holes) > maxHoles {
		f.jump(f.holes[0].start)
	}
}

// advance moves the committed offset to the first message that is neither lent nor
// passed over.
func (f *frontier) advance() bool {
	to := f.next
	for _, s := range f.flying {
		to = min(to, s.start)
	}
	if len(f.holes) > 0 {
		to = min(to, f.holes[0].start)
	}
	moved := to != f.committed
	f.committed = to
	return moved
}

// replay applies what a CK in the log says: it lent a span. With jump the group had
// been moved there before.
func (f *frontier) replay(s span, jump bool) {
	switch {
	case jump || !f.known:
		f.jump(s.start)
		f.next = s.next
	case s.start >= f.next:
		if s.start > f.next {
			f.dig(span{f.next, s.start})
		}
		f.next = max(f.next, s.next)
	default:
		for i, h := range f.holes {
			if s.start >= h.start && s.start < h.next {
				f.fill(i, s)
				break
			}
		}
		f.next = max(f.next, s.next)
	}
	f.advance()
}

// fill takes a span out of a hole that it begins in.
func (f *frontier) fill(i int, s span) {
	h := f.holes[i]
	var left []span
	if h.start < s.start {
		left = append(left, span{h.start, s.start})
	}
	if s.next < h.next {
		left = append(left, span{s.next, h.next})
	}
	f.holes = slices.Replace(f.holes, i, i+1, left...)
}
