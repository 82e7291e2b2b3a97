package transaction

import "slices"

// Bounds of the table.
const (
	maxOpen   = 1 << 18 // half messages in memory with their times
	retained  = 1 << 20 // positions behind the end that keep their state in any case
	carrySpan = 1 << 20 // positions between half offset and end from where carrying is thought of
	carryPart = 256     // at most one of so many positions is carried
	carryMost = 1 << 12 // half messages carried at a time
)

// state is what became of a half message.
type state uint8

const (
	open     state = iota
	answered       // committed or rolled back
	closed         // given up, or carried to another position
)

// chunkSize is how many positions a chunk has, four in a byte.
const chunkSize = 1 << 12

type chunk [chunkSize / 4]byte

// half is an open half message that is old enough to be asked about.
type half struct {
	offset int64 // in the half queue
	phy    int64
	born   int64 // ms, by the producer's clock
	stored int64 // ms
	due    int64 // ms: not to be checked before
	origin int64 // of the first record of it, if that is another; else -1
	checks int32 // how often a producer was asked
	tried  bool  // somebody was looked for to ask, since the start
	gone   bool  // no longer open
}

// opMark is an op message that is still needed.
type opMark struct {
	offset int64 // in the op queue
	last   int64 // the highest half offset in it, -1 for none
}

// table is the state of all half messages. It is not safe for concurrent use.
type table struct {
	first   int64 // half offset: everything before is done
	scanned int64 // open ones before this are in halves
	end     int64 // of the half queue
	behind  int64 // positions in [first, end) that are not open
	chunks  map[int64]*chunk
	halves  map[int64]*half
	order   []*half         // by offset, some of them gone
	moved   map[int64]int64 // origin -> offset, of open ones
	asked   map[int64]int32 // checks that op messages tell of, of positions not yet scanned
	ending  map[int64]bool  // commits on their way into the log
	marks   []opMark        // by offset
	opNext  int64           // op messages before this are in marks, or no longer needed
	dropped int64           // chunks before this are forgotten
}

func newTable(first, end, opFirst int64) *table {
	t := &table{
		first: first, scanned: first, end: max(first, end), opNext: opFirst,
		chunks: make(map[int64]*chunk), halves: make(map[int64]*half), moved: make(map[int64]int64),
		asked: make(map[int64]int32), ending: make(map[int64]bool),
	}
	t.dropped = max(t.kept(), 0) / chunkSize
	return t
}

// extend tells that the half queue has grown.
func (t *table) extend(end int64) { t.end = max(t.end, end) }

func (t *table) state(offset int64) state {
	c := t.chunks[offset/chunkSize]
	if c == nil {
		return open
	}
	at := offset % chunkSize
	return state(c[at/4] >> (at % 4 * 2) & 3)
}

// set changes the state of a position. What was answered stays so; what was
// closed can still be answered.
func (t *table) set(offset int64, s state) {
	was := t.state(offset)
	if was == answered || was == s || offset < t.kept() || offset >= t.end {
		return
	}
	c := t.chunks[offset/chunkSize]
	if c == nil {
		c = new(chunk)
		t.chunks[offset/chunkSize] = c
	}
	at := offset % chunkSize
	c[at/4] = c[at/4]&^(3<<(at%4*2)) | byte(s)<<(at%4*2)
	if was == open && offset >= t.first {
		t.behind++
	}
	if h := t.halves[offset]; h != nil {
		h.gone = true
		delete(t.halves, offset)
		if h.origin >= 0 {
			delete(t.moved, h.origin)
		}
	}
	delete(t.asked, offset)
	t.advance()
}

// kept is the position from where states are remembered.
func (t *table) kept() int64 { return min(t.first, t.end-retained) }

// advance moves the half offset over what is done, forgets the states that are
// no longer needed, and lets go of op messages.
func (t *table) advance() {
	for t.first < t.end && t.state(t.first) != open {
		t.first++
		t.behind--
	}
	t.scanned = max(t.scanned, t.first)
	for ; t.dropped < t.kept()/chunkSize; t.dropped++ {
		delete(t.chunks, t.dropped)
	}
	n := 0
	for n < len(t.marks) && t.marks[n].last < t.first {
		n++
	}
	t.marks = t.marks[n:]
	n = 0
	for n < len(t.order) && t.order[n].gone {
		n++
	}
	t.order = t.order[n:]
}

// opFirst is the op offset: the first op message that is still needed.
func (t *table) opFirst() int64 {
	if len(t.marks) > 0 {
		return t.marks[0].offset
	}
	return t.opNext
}

// skip gives up what lies before an offset: the log no longer has it.
func (t *table) skip(to int64) {
	for at := t.first; at < min(to, t.end); at = max(at+1, t.first) {
		t.set(at, closed)
	}
	t.scanned = max(t.scanned, min(to, t.end))
}

// mark remembers an op message. They come in the order of their offsets.
func (t *table) mark(offset, last int64) {
	t.opNext = max(t.opNext, offset+1)
	if last >= t.first || len(t.marks) > 0 {
		t.marks = append(t.marks, opMark{offset, last})
	}
}

// openCount is how many half messages are open.
func (t *table) openCount() int64 { return t.end - t.first - t.behind }

// add takes in an open half message that was read from disk; they come in order.
// It answers whether it is open: one whose first record was answered is not.
func (t *table) add(h half) bool {
	t.scanned = h.offset + 1
	if h.origin >= 0 {
		if t.state(h.origin) == answered {
			return false
		}
		t.moved[h.origin] = h.offset
	}
	h.checks = max(h.checks, t.asked[h.offset])
	delete(t.asked, h.offset)
	added := &h
	t.halves[h.offset] = added
	t.order = append(t.order, added)
	return true
}

// opened lists up to n open half messages in memory from an offset on.
func (t *table) opened(from int64, n int) (list []half) {
	i, _ := slices.BinarySearchFunc(t.order, from, func(h *half, from int64) int { return int(min(max(h.offset-from, -1), 1)) })
	for ; i < len(t.order) && len(list) < n; i++ {
		if !t.order[i].gone {
			list = append(list, *t.order[i])
		}
	}
	return list
}

// tidy drops what is gone from the order when that is most of it.
func (t *table) tidy() {
	if len(t.order) > 2*len(t.halves)+64 {
		t.order = slices.DeleteFunc(t.order, func(h *half) bool { return h.gone })
	}
}

// verdict says what is to be done with a request to end a transaction.
type verdict uint8

const (
	proceed verdict = iota
	already         // it was committed or rolled back
	busy            // another request is at it
)

// begin asks whether a transaction may be ended, by the position of the record
// that the producer knows. When it may, finish must follow.
func (t *table) begin(offset int64) verdict {
	switch {
	case t.state(offset) == answered:
		return already
	case t.ending[offset]:
		return busy
	}
	t.ending[offset] = true
	return proceed
}

// finish tells whether the transaction ended, and answers the positions that are
// done by it: its own and that of its newest record.
func (t *table) finish(offset int64, ended bool) (positions [2]int64, n int) {
	delete(t.ending, offset)
	if !ended {
		return positions, 0
	}
	positions[0], n = offset, 1
	if to, ok := t.moved[offset]; ok {
		positions[1], n = to, 2
		t.set(to, answered)
	}
	t.set(offset, answered)
	return positions, n
}

// tried remembers that somebody was looked for to ask.
func (t *table) tried(offset int64) {
	if h := t.halves[offset]; h != nil {
		h.tried = true
	}
}

// checked counts a check that was sent. It answers false for what is not open
// any more.
func (t *table) checked(offset int64) (checks int32, ok bool) {
	h := t.halves[offset]
	if h == nil {
		return 0, false
	}
	h.checks++
	return h.checks, true
}

// done is what an op message says. What was given up is in one as well, and is
// not taken for answered.
func (t *table) done(offset int64) {
	if t.state(offset) == open {
		t.set(offset, answered)
	}
}

// note is what an op message says of checks: how often, or that it is closed.
func (t *table) note(offset int64, checks int32) {
	if checks == closedNote {
		t.set(offset, closed)
		return
	}
	if offset < t.scanned || t.state(offset) != open || len(t.asked) >= maxOpen {
		return
	}
	t.asked[offset] = max(t.asked[offset], checks)
}

// toCarry lists the half messages that hold up too many others: the open ones of
// the older half of the queue, when that is long and they are few.
func (t *table) toCarry() []half {
	if t.end-t.first < carrySpan {
		return nil
	}
	limit := t.first + (t.end-t.first)/2
	if t.scanned < limit {
		return nil
	}
	list := t.opened(t.first, carryMost+1)
	i, _ := slices.BinarySearchFunc(list, limit, func(h half, limit int64) int { return int(min(max(h.offset-limit, -1), 1)) })
	if i == 0 || i > carryMost || int64(i) > (t.end-t.first)/carryPart {
		return nil
	}
	return list[:i]
}
