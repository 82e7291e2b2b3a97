package load

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// dialTimeout and drainTimeout bound what a dead server can hold up.
const (
	dialTimeout  = 5 * time.Second
	drainTimeout = 30 * time.Second
	readBuffer   = 256 << 10
)

// Produce sends messages and reports what the server made of them. Without a
// rate every connection keeps Inflight requests unanswered; with one, requests
// leave on schedule. It returns when the window has ended and every request
// is answered, or with the first connection that fails.
func Produce(ctx context.Context, c Config) (Result, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return Result{}, err
	}
	senders := make([]*sender, c.Conns)
	defer func() {
		for _, s := range senders {
			s.close()
		}
	}()
	for i := range senders {
		var err error
		if senders[i], err = newSender(ctx, c, i); err != nil {
			return Result{}, err
		}
	}
	m := startMeter(ctx, c, newWindow(c))
	for _, s := range senders {
		s.start(m)
	}
	if err := m.wait(); err != nil {
		return Result{}, err
	}
	total := newRecorder()
	for _, s := range senders {
		total.merge(s.rec)
	}
	return m.result("produce", total), nil
}

// sender is one connection that sends. In a closed loop one goroutine does
// everything; with a rate a second one writes (pacer).
type sender struct {
	cfg    Config
	index  int
	conn   net.Conn
	in     *reader
	resp   response
	out    []byte
	frames []*frame // by queue
	queues []Queue
	turn   uint64
	seq    uint64
	due    []atomic.Int64 // by slot: when its request was due; a pacer writes it while the reader reads
	free   []int          // slots without a request
	ender  *ender         // commits what was stored; nil for plain messages
	rec    *recorder
	win    *window
}

func newSender(ctx context.Context, c Config, index int) (*sender, error) {
	addr, queues := c.sendPart(index)
	frames, err := c.framesOf(queues, sendFrame)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	s := &sender{
		cfg: c, index: index, conn: conn, in: newReader(conn, readBuffer), frames: frames, queues: queues,
		turn: uint64(index) * 0x9E3779B97F4A7C15, seq: uint64(time.Now().UnixNano())<<12 + uint64(index)<<52,
		due: make([]atomic.Int64, c.Inflight), rec: newRecorder(),
	}
	if c.half {
		if s.ender, err = newEnder(c, queues[0].Broker); err != nil {
			return nil, err
		}
	}
	for slot := range c.Inflight {
		s.free = append(s.free, slot)
	}
	return s, nil
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("broker %s: %w", addr, err)
	}
	return conn, nil
}

func (s *sender) close() {
	if s != nil {
		_ = s.conn.Close()
	}
}

func (s *sender) start(m *meter) {
	s.win = m.win
	m.closeOnFailure(s.conn)
	if s.cfg.Rate > 0 {
		p := newPacer(s)
		m.group.Go("pacer", p.write)
		m.group.Go("reader", p.read)
		return
	}
	m.group.Go("sender", s.loop)
}

// loop is the closed loop: answer what came, send as many again.
func (s *sender) loop(ctx context.Context) error {
	for {
		now := s.win.now()
		for len(s.free) > 0 && s.win.mayStart(now, s.cfg.Batch) {
			slot := s.free[len(s.free)-1]
			s.free = s.free[:len(s.free)-1]
			s.stamp(slot, now)
		}
		if len(s.out) == 0 && len(s.free) == s.cfg.Inflight {
			return nil
		}
		if err := s.flush(); err != nil {
			return err
		}
		s.out = s.out[:0]
		if err := s.collect(ctx, func(slot int) { s.free = append(s.free, slot) }); err != nil {
			return err
		}
	}
}

// stamp appends the request for a slot that was due at the given time.
func (s *sender) stamp(slot int, due int64) {
	s.due[slot].Store(due)
	n := s.nextQueue()
	tpl := s.frames[n]
	tpl.bear(s.win.millis(due))
	var at int
	s.out, at = tpl.appendTo(s.out, slot, s.queues[n].ID)
	tpl.stampSend(s.out[at:], s.seq, due)
	s.seq += uint64(s.cfg.Batch)
}

// nextQueue goes round the broker's queues, or hops about (splitmix64). It
// gives an index into queues.
func (s *sender) nextQueue() uint64 {
	if !s.cfg.Random {
		s.turn++
		return s.turn % uint64(len(s.queues))
	}
	s.turn += 0x9E3779B97F4A7C15
	z := (s.turn ^ s.turn>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return (z ^ z>>31) % uint64(len(s.queues))
}

func (s *sender) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	if _, err := s.conn.Write(s.out); err != nil {
		return fmt.Errorf("broker %s: %w", s.conn.RemoteAddr(), err)
	}
	return nil
}

// collect waits for responses, counts them and gives their slots back.
func (s *sender) collect(ctx context.Context, release func(slot int)) error {
	if err := s.in.fill(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("broker %s: %w", s.conn.RemoteAddr(), err)
	}
	now := s.win.now()
	for {
		ok, err := s.in.next(&s.resp)
		if err != nil {
			return fmt.Errorf("broker %s: %w", s.conn.RemoteAddr(), err)
		}
		if !ok {
			return nil
		}
		if s.ender != nil && s.resp.code == 0 && s.resp.slot >= 0 && s.resp.slot < len(s.due) {
			if s.out, err = s.ender.commit(s.out, s.resp.slot+len(s.due), &s.resp); err != nil {
				return fmt.Errorf("broker %s: %w", s.conn.RemoteAddr(), err)
			}
			continue
		}
		if s.ender != nil && s.resp.slot >= len(s.due) {
			s.resp.slot -= len(s.due)
		}
		if s.resp.slot < 0 || s.resp.slot >= len(s.due) {
			return fmt.Errorf("broker %s: %w: answers request %d, which was never sent", s.conn.RemoteAddr(), errResponse, s.resp.slot)
		}
		s.count(&s.resp, now)
		release(s.resp.slot)
	}
}

// stored tells whether a send response says that the message is in the log:
// success, or one of the three that only miss a flush or a replica.
func stored(code int32) bool { return code == 0 || code == 10 || code == 11 || code == 12 }

// count books a response: by when it came in a closed loop, by when its request
// was due in an open one, so that a stall at the end is not left out.
func (s *sender) count(resp *response, now int64) {
	due := s.due[resp.slot].Load()
	at := now
	if s.cfg.Rate > 0 {
		at = due
	}
	if !s.win.counts(at) {
		return
	}
	s.rec.requests++
	s.win.finish(now)
	if resp.code != 0 {
		s.rec.errors[resp.code]++
	}
	if !stored(resp.code) {
		return
	}
	s.rec.record(now - due)
	s.rec.messages += int64(s.cfg.Batch)
	s.rec.bytes += int64(s.cfg.Batch * s.cfg.Size)
}
