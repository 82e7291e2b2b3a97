package load

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// popInvisible is how long, in ms, popped messages are invisible: longer than a run.
const popInvisible = 120_000

// Pop pops the topic, Batch messages a request (32 if not set), acknowledges all
// messages of an answer with one request, and reports how many messages went
// through both. Each of Inflight slots of a connection does one after the other. It
// ends with the window, or when there is nothing left and Loop is off; with Loop
// a connection goes on as a new group, which begins at the start.
func Pop(ctx context.Context, c Config) (Result, error) {
	setDefault(&c.Batch, 32)
	setDefault(&c.Inflight, 8)
	c = c.WithDefaults()
	if err := cmp.Or(c.Validate(), c.validatePull()); err != nil {
		return Result{}, err
	}
	var poppers []*popper
	defer func() {
		for _, p := range poppers {
			_ = p.conn.Close()
		}
	}()
	for i := range c.Conns {
		p, err := newPopper(ctx, c, i)
		if err != nil {
			return Result{}, err
		}
		poppers = append(poppers, p)
	}
	m := startMeter(ctx, c, newWindow(c))
	for _, p := range poppers {
		p.win = m.win
		m.closeOnFailure(p.conn)
		m.group.Go("popper", p.loop)
	}
	if err := m.wait(); err != nil {
		return Result{}, err
	}
	total := newRecorder()
	for _, p := range poppers {
		total.merge(p.rec)
	}
	return m.result("pop", total), nil
}

// popper is one connection that pops and acknowledges.
type popper struct {
	cfg   Config
	conn  net.Conn
	in    *reader
	resp  response
	out   []byte
	tpl   *frame
	n     int    // of the connection
	round int    // of the group
	acks  []byte // body of an acknowledgement in the making
	slots []popSlot
	busy  int
	rec   *recorder
	win   *window
}

// popSlot is one pop, or the acknowledgement of what it brought.
type popSlot struct {
	sentAt   int64
	round    int
	messages int // that are being acknowledged; 0: it pops
	bytes    int
}

func newPopper(ctx context.Context, c Config, n int) (*popper, error) {
	addr, queues := c.sendPart(n)
	if c.Loop {
		c.Group = loopGroup(c.Group, n, 0)
	}
	tpl, err := popFrame(c, queues[0].Broker)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &popper{cfg: c, conn: conn, in: newReader(conn, 1<<20), tpl: tpl, n: n, slots: make([]popSlot, c.Inflight), rec: newRecorder()}, nil
}

// loopGroup is a group of one connection.
func loopGroup(group string, conn, round int) string {
	return fmt.Sprintf("%s-%d-%d", group, conn, round)
}

// popFrame builds a pop of any queue. The digits of a queue are in a field that only
// orderly pops use.
func popFrame(c Config, broker string) (*frame, error) {
	return newFrame(protocol.ReqPopMessage, remoting.Fields{
		{Key: "consumerGroup", Value: c.Group},
		{Key: "topic", Value: c.Topic},
		{Key: "queueId", Value: "-1"},
		{Key: "maxMsgNums", Value: strconv.Itoa(c.Batch)},
		{Key: "invisibleTime", Value: strconv.Itoa(popInvisible)},
		{Key: "pollTime", Value: "0"},
		{Key: "bornTime", Value: "0"},
		{Key: "initMode", Value: "0"},
		{Key: "expType", Value: "TAG"},
		{Key: "exp", Value: "*"},
		{Key: "order", Value: "false"},
		{Key: "attemptId", Value: strconv.Itoa(markQueue)},
		{Key: "bname", Value: broker},
	}, nil)
}

func (p *popper) loop(ctx context.Context) error {
	now := p.win.now()
	for slot := range p.slots {
		p.pop(slot, now)
	}
	for p.busy > 0 {
		if _, err := p.conn.Write(p.out); err != nil {
			return fmt.Errorf("broker %s: %w", p.conn.RemoteAddr(), err)
		}
		p.out = p.out[:0]
		if err := p.in.fill(); err != nil {
			return cmp.Or(ctx.Err(), fmt.Errorf("broker %s: %w", p.conn.RemoteAddr(), err))
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
				break
			}
		}
	}
	return nil
}

func (p *popper) pop(slot int, now int64) {
	if !p.win.open(now) {
		return
	}
	p.slots[slot] = popSlot{sentAt: now, round: p.round}
	p.out, _ = p.tpl.appendTo(p.out, slot, 0)
	p.busy++
}

// take books one answer and sends what follows it.
func (p *popper) take(resp *response, now int64) error {
	if resp.slot < 0 || resp.slot >= len(p.slots) {
		return fmt.Errorf("%w: answers request %d, which was never sent", errResponse, resp.slot)
	}
	p.busy--
	s := &p.slots[resp.slot]
	code := protocol.ResponseCode(resp.code)
	switch {
	case code == protocol.RespSuccess && s.messages > 0:
		if p.win.counts(now) {
			p.win.finish(now)
			p.win.took(s.messages)
			p.rec.requests++
			p.rec.messages += int64(s.messages)
			p.rec.bytes += int64(s.bytes)
			p.rec.record(now - s.sentAt)
		}
		p.pop(resp.slot, now)
	case code == protocol.RespSuccess:
		for b := resp.body; len(b) > 0; s.messages++ {
			size, _, ok := message.Size(b)
			if !ok || size <= 0 || int(size) > len(b) {
				return fmt.Errorf("pop: %w: record of %d bytes with %d left", errResponse, size, len(b))
			}
			b = b[size:]
		}
		s.bytes = len(resp.body)
		return p.acknowledge(resp)
	case code == protocol.RespPollingTimeout && s.messages == 0:
		if !bytes.Contains(resp.header, []byte(`"restNum":"0"`)) { // others had the queues
			p.pop(resp.slot, now)
		} else if p.cfg.Loop {
			if s.round == p.round {
				p.round++
				base, _, _ := strings.Cut(p.cfg.Group, "-")
				p.cfg.Group = loopGroup(base, p.n, p.round)
				var err error
				if p.tpl, err = popFrame(p.cfg, p.cfg.Queues[0].Broker); err != nil {
					return err
				}
			}
			p.pop(resp.slot, now)
		}
	default:
		return fmt.Errorf("pop or acknowledgement: code %d %v: %.300q", resp.code, code, resp.header)
	}
	return nil
}

// acknowledge sends one request for all messages of an answer.
func (p *popper) acknowledge(resp *response) error {
	field := func(name string) []byte {
		_, rest, _ := bytes.Cut(resp.header, []byte(name))
		value, _, _ := bytes.Cut(rest, []byte{'"'})
		return value
	}
	popTime, revive := field(`"popTime":"`), field(`"reviveQid":"`)
	starts := bytes.Split(field(`"startOffsetInfo":"`), []byte{';'})
	group := p.cfg.Group
	if p.cfg.Loop {
		base, _, _ := strings.Cut(group, "-")
		group = loopGroup(base, p.n, p.slots[resp.slot].round)
	}
	b := append(p.acks[:0], `{"acks":[`...)
	for i, places := range bytes.Split(field(`"msgOffsetInfo":"`), []byte{';'}) {
		place, start := bytes.Fields(places), bytes.Fields(starts[min(i, len(starts)-1)])
		if len(place) != 3 || len(start) != 3 {
			return fmt.Errorf("pop: %w: %.300q", errResponse, resp.header)
		}
		first, _ := digits(start[2])
		var set []byte
		for rest := place[2]; len(rest) > 0; {
			var one []byte
			one, rest, _ = bytes.Cut(rest, []byte{','})
			offset, _ := digits(one)
			bit := int(offset - first)
			for len(set) <= bit/8 {
				set = append(set, 0)
			}
			set[bit/8] |= 1 << (bit % 8)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"c":%q,"t":%q,"r":%q,"so":%d,"q":%s,"rq":%s,"pt":%s,"it":%d,"b":%q}`,
			group, p.cfg.Topic, place[0], first, place[1], revive, popTime, popInvisible, base64.StdEncoding.EncodeToString(set))
	}
	p.acks = append(b, `]}`...)
	var err error
	p.out, err = remoting.AppendCommand(p.out, &remoting.Command{
		Code: int32(protocol.ReqBatchAckMessage), Language: protocol.LanguageJava, Version: protocol.Version,
		Opaque: opaqueBase + int32(resp.slot), Body: p.acks, Codec: remoting.CodecJSON,
	})
	p.busy++
	return err
}
