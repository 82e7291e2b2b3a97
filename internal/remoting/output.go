package remoting

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/protocol"
)

// phase says what the reader of a connection does, as far as its output cares.
type phase uint8

const (
	phaseIdle     phase = iota // waiting for input: whoever replies writes
	phaseHandling              // handling the frames of a batch: output leaves with it
	phaseAfter                 // in AfterBatch: the same, but Flush writes at once
)

// relief is the size of collected output that is written in the middle of a batch:
// a batch of pull requests answers with far more than it brought.
const relief = 256 << 10

// output collects the frames for a connection and writes them. See R3 and R4.
type output struct {
	conn  *Conn
	full  atomic.Bool // the collected output exceeds relief
	wrote atomic.Bool // something was written since the sweeper looked

	mu struct {
		sync.Mutex
		buf      *buffer // frames that no flusher has taken yet
		flushing bool    // somebody writes, and owns taken
		rest     int     // bytes of taken that the socket did not accept; 0 while it keeps up
		drainer  bool    // a drainer stands by: the socket cannot be tried without waiting
		phase    phase
		wanted   bool // Flush was called while the reader handled frames
		closed   bool
		charged  int64 // bytes charged to the budget
		accepted int64 // requests to be answered that the reader gave to handlers
		answered int64
	}

	// Owned by the flusher.
	taken *buffer
	off   int // bytes of taken already written

	wake  chan struct{} // capacity 1: a standing drainer has work
	eased chan struct{} // capacity 1: the backlog went below the low-water mark
}

func (o *output) init(c *Conn) {
	o.conn, o.wake, o.eased = c, make(chan struct{}, 1), make(chan struct{}, 1)
}

// appendReply encodes a reply. False means that it was dropped because the
// connection is closed or overflowed.
func (o *output) appendReply(opaque int32, r *Reply) bool {
	f := outgoing{
		codec: o.conn.ep.cfg.codec, language: protocol.LanguageJava, version: protocol.Version,
		code: int32(r.Code), opaque: opaque, flag: FlagResponse, remark: r.Remark,
		ext: r.Ext, hasExt: r.EmptyExt, body: r.Body,
	}
	if f.plan, f.base = planOf(r.Header); f.plan != nil && f.plan.err != nil {
		f.plan, f.code, f.remark, f.body = nil, int32(protocol.RespSystemError), f.plan.err.Error(), nil
	}
	o.mu.Lock()
	o.mu.answered++
	err := o.appendLocked(&f)
	if err != nil && err != errOverflow && !o.mu.closed { // this reply cannot be encoded: say so
		f = outgoing{
			language: protocol.LanguageJava, version: protocol.Version, code: int32(protocol.RespSystemError),
			opaque: opaque, flag: FlagResponse, remark: err.Error(),
		}
		err = o.appendLocked(&f)
	}
	o.mu.Unlock()
	o.closeIf(err)
	return err == nil
}

// appendRequest encodes a request of this side.
func (o *output) appendRequest(cmd *Command) error {
	f := outgoing{
		codec: cmd.Codec, language: cmd.Language, code: cmd.Code, version: cmd.Version, opaque: cmd.Opaque,
		flag: cmd.Flag, remark: cmd.Remark, ext: cmd.Ext, hasExt: cmd.Ext != nil, body: cmd.Body,
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.mu.closed && o.backlogLocked() > o.conn.ep.cfg.highWater {
		return fmt.Errorf("%d bytes unread by the peer: %w", o.backlogLocked(), ErrBusy)
	}
	return o.appendLocked(&f)
}

// errOverflow closes a connection whose output exceeds every limit.
var errOverflow = fmt.Errorf("output limit: %w", ErrBusy)

func (o *output) closeIf(err error) {
	if err == errOverflow {
		o.conn.ep.stats.overflows.Add(1)
		o.conn.Close()
	}
}

func (o *output) appendLocked(f *outgoing) error {
	if o.mu.closed {
		return ErrClosed
	}
	hint := frameSizeHint(f)
	cfg := &o.conn.ep.cfg
	if o.backlogLocked()+hint > cfg.hardLimit || o.mu.rest > 0 && o.conn.ep.budget.used.Load() > 2*cfg.totalLimit {
		return errOverflow
	}
	if o.mu.buf == nil {
		o.mu.buf = getBuffer(hint)
	} else {
		o.mu.buf = o.mu.buf.grow(hint)
	}
	before := len(o.mu.buf.b)
	b, err := appendFrame(o.mu.buf.b, f)
	o.mu.buf.b = b
	if err != nil {
		return err
	}
	if o.mu.rest > 0 {
		o.chargeLocked(o.mu.charged + int64(len(b)-before))
	}
	if len(b) > relief && !o.full.Load() {
		o.full.Store(true)
	}
	return nil
}

// backlogLocked is the number of bytes that wait: collected and refused by the socket.
func (o *output) backlogLocked() int {
	n := o.mu.rest
	if o.mu.buf != nil {
		n += len(o.mu.buf.b)
	}
	return n
}

// chargeLocked makes the budget count n bytes for this connection.
func (o *output) chargeLocked(n int64) {
	o.conn.ep.budget.charge(n - o.mu.charged)
	o.mu.charged = n
}

// begin starts a batch.
func (o *output) begin() {
	o.mu.Lock()
	o.mu.phase = phaseHandling
	o.mu.Unlock()
}

// handled ends the handling of frames, of which so many want an answer. Output that
// somebody wanted to flush meanwhile is written now, since AfterBatch may take long.
func (o *output) handled(requests int64) {
	o.mu.Lock()
	o.mu.phase = phaseAfter
	o.mu.accepted += requests
	wanted := o.mu.wanted
	o.mu.wanted = false
	o.mu.Unlock()
	if wanted {
		o.flush(causeFull)
	}
}

// cause says who wants to flush.
type cause uint8

const (
	causeReply    cause = iota // an answer or request was appended; during a batch it waits for its end
	causeExplicit              // Conn.Flush: waits only while the reader handles frames
	causeEnd                   // the end of a batch
	causeFull                  // the output is large, or AfterBatch is about to take long
)

// mayFlushLocked reports whether the output is to be written now.
func (o *output) mayFlushLocked(why cause) bool {
	switch why {
	case causeReply:
		if o.mu.phase != phaseIdle {
			return false
		}
	case causeExplicit:
		if o.mu.phase == phaseHandling {
			o.mu.wanted = true
			return false
		}
	case causeEnd:
		o.mu.phase = phaseIdle
	}
	return !o.mu.flushing && !o.mu.closed
}

// flush writes what is collected, as far as the socket takes it without waiting; a
// drainer gets the rest. If somebody is writing already, he takes this output, too.
func (o *output) flush(why cause) {
	o.mu.Lock()
	if !o.mayFlushLocked(why) {
		o.mu.Unlock()
		return
	}
	for o.takeLocked() {
		o.mu.flushing = true
		o.mu.Unlock()
		n, err := o.conn.tryWrite(o.taken.b)
		o.written(n)
		o.mu.Lock()
		o.off = n
		if err != nil || n < len(o.taken.b) {
			o.handOverLocked(err)
			return
		}
		o.dropTaken()
	}
	o.mu.flushing = false
	o.mu.Unlock()
}

// takeLocked makes the collected output the flusher's.
func (o *output) takeLocked() bool {
	if o.mu.closed || o.mu.buf == nil || len(o.mu.buf.b) == 0 {
		return false
	}
	o.taken, o.off, o.mu.buf = o.mu.buf, 0, nil
	o.full.Store(false)
	return true
}

// written notes progress for the statistics and the sweeper.
func (o *output) written(n int) {
	o.conn.ep.stats.bytesOut.Add(int64(n))
	if n > 0 && !o.wrote.Load() {
		o.wrote.Store(true)
	}
}

func (o *output) dropTaken() {
	o.taken.release()
	o.taken, o.off = nil, 0
}

// handOverLocked ends a flush that could not write everything: with the end of the
// connection after an error, else by giving the rest to a drainer, which is the
// flusher from now on. It unlocks.
func (o *output) handOverLocked(err error) {
	if err != nil || o.mu.closed {
		o.dropTaken()
		o.mu.flushing = false
		o.mu.Unlock()
		o.conn.Close()
		return
	}
	o.mu.rest = len(o.taken.b) - o.off
	o.chargeLocked(int64(o.mu.rest))
	standing := o.mu.drainer
	if !standing {
		o.mu.drainer = o.conn.raw == nil
		// The connection is not closed, so its reader, and the group, are alive.
		o.conn.ep.group.Go("remoting-drain", o.drain)
	}
	o.mu.Unlock()
	if standing {
		o.wake <- struct{}{} // empty: the drainer took its last token before it stopped flushing
	}
}

// drain writes what the socket did not take at once. It waits for the peer, and
// closes the connection if that takes nothing for the stall timeout. With a socket
// that cannot be tried it stays for the next time.
func (o *output) drain(context.Context) error {
	for {
		if err := o.drainTaken(); err != nil {
			o.mu.Lock()
			o.dropTaken()
			o.mu.flushing = false
			o.mu.Unlock()
			o.conn.Close()
			return nil
		}
		o.mu.Lock()
		o.dropTaken()
		if !o.takeLocked() {
			o.mu.rest = 0
			o.chargeLocked(0)
			o.mu.flushing = false
			stay := o.conn.raw == nil && !o.mu.closed
			o.mu.Unlock()
			o.ease()
			if !stay {
				return nil
			}
			select {
			case <-o.wake:
			case <-o.conn.done:
				return nil
			}
			continue
		}
		o.mu.rest = len(o.taken.b)
		o.chargeLocked(int64(o.mu.rest))
		o.mu.Unlock()
	}
}

// drainTaken writes the rest of taken.
func (o *output) drainTaken() error {
	low := o.conn.ep.cfg.highWater / 2
	for o.off < len(o.taken.b) {
		stall := o.conn.ep.cfg.stallTimeout
		if err := o.conn.stream.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return err
		}
		n, err := o.conn.waitWrite(o.taken.b[o.off:])
		o.written(n)
		o.off += n
		o.mu.Lock()
		o.mu.rest -= n
		if o.mu.closed {
			err = net.ErrClosed
		} else {
			o.chargeLocked(o.mu.charged - int64(n))
		}
		// A rest of 0 means that the socket keeps up; it does not until drain says so.
		o.mu.rest = max(o.mu.rest, 1)
		eased := o.backlogLocked() <= low
		o.mu.Unlock()
		if err != nil {
			return err
		}
		if eased {
			o.ease()
		}
	}
	return o.conn.stream.SetWriteDeadline(time.Time{}) // it would end a later write that needs no deadline
}

// ease wakes the reader if it waits for the peer to read.
func (o *output) ease() {
	select {
	case o.eased <- struct{}{}:
	default:
	}
}

// stuck reports whether the reader has to wait: the peer reads so slowly that the
// high-water mark is exceeded, or that it holds memory when there is none left.
func (o *output) stuck() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.rest == 0 || o.mu.closed {
		return false
	}
	return o.backlogLocked() > o.conn.ep.cfg.highWater || o.conn.ep.budget.over()
}

// waitEased blocks the reader while the output is stuck. The drainer ends the wait:
// by draining, or by closing the connection when the peer stalls.
func (o *output) waitEased() {
	for o.stuck() {
		select {
		case <-o.eased:
		case <-o.conn.done:
			return
		}
	}
}

// close drops what is collected and refuses more. A flusher notices by itself.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.closed = true
	if o.mu.buf != nil {
		o.mu.buf.release()
		o.mu.buf = nil
	}
	o.chargeLocked(0)
}

// quiet reports whether nothing is left to do: every request is answered and every
// answer written.
func (o *output) quiet() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.closed || o.mu.phase == phaseIdle && o.mu.answered >= o.mu.accepted &&
		!o.mu.flushing && o.backlogLocked() == 0
}
