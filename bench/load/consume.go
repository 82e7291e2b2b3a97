package load

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// pullHold is how long a tailing pull may be held, Java's default.
const pullHold = 15_000

// Consume pulls the topic from its beginning, Batch messages a request (32 if
// not set), without waiting for new ones, and reports how fast that went. Every
// queue is read by one connection with one request at a time; Inflight bounds
// how many queues a connection reads at once. It ends with the window, or when
// every queue was read to its end and Loop is off.
func Consume(ctx context.Context, c Config) (Result, error) {
	setDefault(&c.Batch, 32)
	c = c.WithDefaults()
	if err := cmp.Or(c.Validate(), c.validatePull()); err != nil {
		return Result{}, err
	}
	pullers, err := newPullers(ctx, c, false)
	defer closeAll(pullers)
	if err != nil {
		return Result{}, err
	}
	m := startMeter(ctx, c, newWindow(c))
	for _, p := range pullers {
		p.start(m)
	}
	if err := m.wait(); err != nil {
		return Result{}, err
	}
	total := newRecorder()
	for _, p := range pullers {
		total.merge(p.rec)
	}
	return m.result("consume", total), nil
}

func (c Config) validatePull() error {
	if addrs, _ := c.brokers(); c.Conns < len(addrs) {
		return fmt.Errorf("conns is %d, must be at least the number of brokers, %d", c.Conns, len(addrs))
	}
	return nil
}

// puller is one connection that pulls its share of the queues.
type puller struct {
	cfg    Config
	conn   net.Conn
	in     *reader
	resp   response
	out    []byte
	queues []pullQueue
	ready  []int // queues without a request, as a stack
	busy   int
	tail   bool
	closed atomic.Bool // ends a tailing puller, together with its connection
	rec    *recorder
	win    *window
	// onMessage sees each record of a tailing puller.
	onMessage func(m *message.Message, now int64)
}

type pullQueue struct {
	id     int32
	tpl    *frame
	offset int64
	sentAt int64
}

func newPullers(ctx context.Context, c Config, tail bool) ([]*puller, error) {
	var pullers []*puller
	for i := range c.Conns {
		addr, queues := c.pullPart(i)
		if len(queues) == 0 {
			continue
		}
		p, err := newPuller(ctx, c, addr, queues, tail)
		if err != nil {
			return pullers, err
		}
		pullers = append(pullers, p)
	}
	return pullers, nil
}

func newPuller(ctx context.Context, c Config, addr string, queues []Queue, tail bool) (*puller, error) {
	frames, err := c.framesOf(queues, func(c Config, broker string) (*frame, error) {
		return pullFrame(c, broker, tail, pullHold)
	})
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	p := &puller{cfg: c, conn: conn, in: newReader(conn, 1<<20), tail: tail, rec: newRecorder()}
	for i, q := range queues {
		p.queues = append(p.queues, pullQueue{id: q.ID, tpl: frames[i], offset: q.Start})
		p.ready = append(p.ready, i)
	}
	return p, nil
}

func closeAll(pullers []*puller) {
	for _, p := range pullers {
		p.closed.Store(true)
		_ = p.conn.Close()
	}
}

func (p *puller) start(m *meter) {
	p.win = m.win
	m.closeOnFailure(p.conn)
	m.group.Go("puller", p.loop)
}

// loop keeps requests out for as many queues as may be read at once.
func (p *puller) loop(ctx context.Context) error {
	for {
		now := p.win.now()
		p.out = p.out[:0]
		for len(p.ready) > 0 && p.busy < p.cfg.Inflight && (p.tail || p.win.open(now)) {
			slot := p.ready[len(p.ready)-1]
			p.ready = p.ready[:len(p.ready)-1]
			p.busy++
			q := &p.queues[slot]
			q.sentAt = now
			var at int
			p.out, at = q.tpl.appendTo(p.out, slot, q.id)
			q.tpl.stampPull(p.out[at:], q.offset)
		}
		if p.busy == 0 {
			return nil
		}
		if len(p.out) > 0 {
			if _, err := p.conn.Write(p.out); err != nil && !p.closed.Load() {
				return fmt.Errorf("broker %s: %w", p.conn.RemoteAddr(), err)
			}
		}
		if err := p.collect(ctx); p.closed.Load() {
			return nil // nobody waits for the pulls that are held
		} else if err != nil {
			return err
		}
	}
}

func (p *puller) collect(ctx context.Context) error {
	if err := p.in.fill(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("broker %s: %w", p.conn.RemoteAddr(), err)
	}
	now := p.win.now()
	for {
		ok, err := p.in.next(&p.resp)
		if err == nil && ok {
			err = p.take(&p.resp, now)
		}
		if err != nil {
			return fmt.Errorf("broker %s: %w", p.conn.RemoteAddr(), err)
		}
		if !ok {
			return nil
		}
	}
}

// take books one response and decides how its queue goes on.
func (p *puller) take(resp *response, now int64) error {
	if resp.slot < 0 || resp.slot >= len(p.queues) {
		return fmt.Errorf("%w: answers request %d, which was never sent", errResponse, resp.slot)
	}
	q := &p.queues[resp.slot]
	p.busy--
	code := protocol.ResponseCode(resp.code)
	switch code {
	case protocol.RespSuccess:
		if err := p.count(resp, q, now); err != nil {
			return err
		}
	case protocol.RespPullNotFound:
		if !p.tail && (!p.cfg.Loop || q.offset == 0) {
			return nil // read to the end
		}
		if !p.tail {
			q.offset = 0
		}
		p.ready = append(p.ready, resp.slot)
		return nil
	case protocol.RespPullRetryImmediately, protocol.RespPullOffsetMoved:
	case protocol.RespSystemBusy:
		p.rec.errors[resp.code]++
		p.ready = append(p.ready, resp.slot)
		return nil
	default:
		return fmt.Errorf("pull of queue %d at %d: code %d %v: %.300q", q.id, q.offset, resp.code, code, resp.header)
	}
	next, ok := resp.nextOffset()
	if !ok {
		return fmt.Errorf("pull of queue %d at %d: %w: no nextBeginOffset", q.id, q.offset, errResponse)
	}
	q.offset = next
	p.ready = append(p.ready, resp.slot)
	return nil
}

// count walks over the records of a response.
func (p *puller) count(resp *response, q *pullQueue, now int64) error {
	n := 0
	for b := resp.body; len(b) > 0; n++ {
		size, _, ok := message.Size(b)
		if !ok || size <= 0 || int(size) > len(b) {
			return fmt.Errorf("pull of queue %d at %d: %w: record %d of %d bytes with %d left", q.id, q.offset, errResponse, n, size, len(b))
		}
		if p.onMessage != nil {
			m, err := message.Parse(b[:size])
			if err != nil {
				return fmt.Errorf("pull of queue %d at %d: %w", q.id, q.offset, err)
			}
			p.onMessage(&m, now)
		}
		b = b[size:]
	}
	if p.tail || !p.win.counts(now) {
		return nil // whoever tails has its own way to count
	}
	p.win.finish(now)
	p.win.took(n)
	p.rec.requests++
	p.rec.messages += int64(n)
	p.rec.bytes += int64(len(resp.body))
	p.rec.record(now - q.sentAt)
	return nil
}
