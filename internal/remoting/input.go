package remoting

import (
	"fmt"
	"sync/atomic"
	"time"
)

// parkSize is what an idle connection may keep of an unfinished frame without being
// charged for it.
const parkSize = 4 << 10

// input is what was read of a connection and not handled yet. It belongs to the
// reader. A connection that waits for input holds no buffer, or a small one with the
// start of a frame; a buffer grows for a large frame only as its bytes arrive, and
// what exceeds a usual read is charged to the budget.
type input struct {
	buf     *buffer
	at      int // start of the bytes not handled yet
	need    int // size of the unfinished frame at the start, as far as known
	charged int64
	budget  *budget
	lazy    bool // the buffer is taken when bytes are there, not before
	busy    bool // the last read filled its buffer

	// partial changes whenever another frame is left unfinished, 0 if none is. The
	// sweeper closes a connection that keeps the same one too long.
	partial  atomic.Uint32
	partials uint32
}

// pending returns the bytes not handled yet.
func (in *input) pending() []byte {
	if in.buf == nil {
		return nil
	}
	return in.buf.b[in.at:]
}

// reserve makes sure that the frame at the start can grow: it may wait for other
// connections to return memory, until done is closed.
func (in *input) reserve(done <-chan struct{}, patience time.Duration) error {
	if in.buf == nil || len(in.buf.b) < cap(in.buf.b) || cap(in.buf.b) < readSize {
		return nil
	}
	size := min(4*cap(in.buf.b), max(in.need, 2*readSize))
	if !in.budget.wait(int64(size)-in.charged, done, patience) {
		return fmt.Errorf("no memory for a frame of %d bytes: %w", in.need, ErrBusy)
	}
	in.charged = int64(size)
	in.buf = in.buf.grow(size - len(in.buf.b))
	return nil
}

// room returns the free end of the buffer, which it gets when there is none.
func (in *input) room() []byte {
	switch {
	case in.buf == nil && (in.lazy || in.busy):
		in.buf = getBuffer(readSize)
	case in.buf == nil:
		in.buf = getBuffer(parkSize)
	case cap(in.buf.b) < readSize && (in.lazy || len(in.buf.b) > 0):
		in.buf = in.buf.grow(readSize - len(in.buf.b))
	}
	return in.buf.b[len(in.buf.b):cap(in.buf.b)]
}

func (in *input) received(n int) {
	in.buf.b = in.buf.b[:len(in.buf.b)+n]
	in.busy = len(in.buf.b) == cap(in.buf.b)
}

// park is called when the reader is about to wait: it gives back what it can.
func (in *input) park() error {
	n := len(in.buf.b)
	switch {
	case n == 0:
		in.buf.release()
		in.buf = nil
	case n <= parkSize && cap(in.buf.b) > parkSize:
		small := getBuffer(parkSize)
		small.b = append(small.b, in.buf.b...)
		in.buf.release()
		in.buf = small
		in.charge(0)
	case n > parkSize:
		in.charge(int64(cap(in.buf.b)))
		if in.budget.used.Load() > 2*in.budget.limit {
			return fmt.Errorf("no memory for an unfinished frame: %w", ErrBusy)
		}
	}
	return nil
}

func (in *input) charge(n int64) {
	in.budget.charge(n - in.charged)
	in.charged = n
}

// compact moves what is left after a batch to the start, into a buffer of usual size
// if that is enough again, and notes whether a frame is unfinished.
func (in *input) compact() {
	left := in.buf.b[in.at:]
	if cap(in.buf.b) > readSize && in.need <= readSize {
		next := getBuffer(readSize)
		next.b = append(next.b, left...)
		in.buf.release()
		in.buf = next
	} else if in.at > 0 {
		in.buf.b = in.buf.b[:copy(in.buf.b, left)]
	}
	if in.at > 0 || in.partial.Load() == 0 {
		in.notePartial()
	}
	in.at = 0
	if n := cap(in.buf.b); n <= readSize {
		in.charge(0)
	}
	if len(in.buf.b) == 0 && !in.lazy {
		in.drop()
	}
}

func (in *input) notePartial() {
	if len(in.buf.b) == 0 {
		if in.partial.Load() != 0 {
			in.partial.Store(0)
		}
		return
	}
	if in.partials++; in.partials == 0 {
		in.partials = 1
	}
	in.partial.Store(in.partials)
}

// drop gives everything back.
func (in *input) drop() {
	if in.buf != nil {
		in.buf.release()
		in.buf = nil
	}
	in.charge(0)
}
