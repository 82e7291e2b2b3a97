package pop

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Open returns a service with the leases that the revive topic tells of, and what
// consumerOrderInfo.json and later records say of orderly groups. A file of which
// neither generation can be read is an error that names it.
func Open(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, signal: make(chan struct{}, 1)}
	s.pairs.m = make(map[pairName]*pair)
	queues := cfg.Queues
	for _, id := range cfg.Store.Queues(cfg.Topic) {
		queues = max(queues, int(id)+1) // there were more once
	}
	for i := range min(queues, maxQueues) {
		h := &shard{id: int32(i)}
		h.mu.ledger = newLedger(&s.leases)
		s.shards = append(s.shards, h)
	}
	if err := s.loadOrders(); err != nil {
		return nil, fmt.Errorf("orderly groups: %w", err)
	}
	records := int64(0)
	for _, h := range s.shards {
		n, err := s.replay(h)
		if err != nil {
			return nil, err
		}
		records += n
	}
	if records > 0 {
		cfg.Log.Info("pop state rebuilt", slog.Int64("records", records), slog.Int64("leases", s.leases.Load()))
	}
	return s, nil
}

// replay reads the queue of a shard from where a live lease may have its check point.
func (s *Service) replay(h *shard) (records int64, err error) {
	low, high := s.cfg.Store.MinOffset(s.cfg.Topic, h.id), s.cfg.Store.MaxOffset(s.cfg.Topic, h.id)
	from, seen := int64(0), int64(0)
	if at, ok := s.cfg.Offsets.Query(protocol.ReviveGroup, s.cfg.Topic, h.id); ok {
		from = at + 1 // Java's offset is that of the last record done with
	}
	if at, ok := s.cfg.Offsets.Query(seenGroup, s.cfg.Topic, h.id); ok {
		seen, from = at, min(from, at)
	}
	from = min(max(from, low), high)
	h.end, h.mu.written = high, high
	err = s.read(h, span{from, high}, func(at int64, m *message.Message, phy int64) { s.apply(h, at, m, phy, at >= seen) })
	return high - from, err
}

// fillGaps reads records that somebody else put into the queue of a shard.
func (s *Service) fillGaps(h *shard) {
	h.mu.Lock()
	gaps := h.mu.gaps
	h.mu.Unlock()
	for _, gap := range gaps {
		err := s.read(h, gap, func(at int64, m *message.Message, phy int64) {
			if _, foreign := message.Property(m.Properties, message.PropUniqKey); foreign {
				s.apply(h, at, m, phy, false)
			}
		})
		if err != nil {
			s.cfg.Log.Error("pop: records of the revive topic cannot be read", slog.Any("error", err))
		}
		h.mu.Lock()
		h.mu.gaps = h.mu.gaps[1:]
		h.mu.Unlock()
	}
}

// readUnits is how many entries are read at a time.
const readUnits = 1024

// read calls f for the records of a part of a revive queue. Records that are
// damaged are passed over.
func (s *Service) read(h *shard, part span, f func(at int64, m *message.Message, physical int64)) error {
	var buf []byte
	for at := part.start; at < part.next; {
		units := s.cfg.Store.Units(s.cfg.Topic, h.id, at, int(min(readUnits, part.next-at)))
		if len(units) == 0 {
			return fmt.Errorf("queue %d of %s has no entry %d, it ends at %d", h.id, s.cfg.Topic, at, part.next)
		}
		for i, u := range units {
			var err error
			if buf, err = s.cfg.Store.Record(u.Phy, buf[:0]); err != nil {
				s.cfg.Log.Error("pop: record of the revive topic passed over", slog.Int("queue", int(h.id)), slog.Int64("offset", at+int64(i)), slog.Any("error", err))
				continue
			}
			m, err := message.Parse(buf)
			if err != nil {
				s.cfg.Log.Error("pop: record of the revive topic passed over", slog.Int("queue", int(h.id)), slog.Int64("offset", at+int64(i)), slog.Any("error", err))
				continue
			}
			f(at+int64(i), &m, u.Phy)
		}
		at += int64(len(units))
	}
	return nil
}

// apply takes a record of the revive topic into the ledger. With fresh it is not in
// the table of offsets yet.
func (s *Service) apply(h *shard, at int64, m *message.Message, physical int64, fresh bool) {
	props := make(map[string]string, 6)
	for name, value := range message.Properties(m.Properties) {
		props[name] = value
	}
	var err error
	switch props[message.PropTags] {
	case tagCK:
		err = s.applyCheckPoint(h, at, m.Body, physical, props, fresh)
	case tagAck, tagBatchAck:
		err = s.applyAck(h, m.Body)
	case tagOrder:
		if fresh {
			err = s.applyOrder(m.Body)
		}
	}
	if err != nil { // as Java, which would stop here for ever
		s.cfg.Log.Error("pop: record of the revive topic passed over", slog.Int("queue", int(h.id)), slog.Int64("offset", at), slog.Any("error", err))
	}
}

func (s *Service) applyCheckPoint(h *shard, at int64, body []byte, physical int64, props map[string]string, fresh bool) error {
	c, err := parseCheckPoint(body)
	if err != nil || c.Num == 0 {
		return err
	}
	p := s.pair(c.Topic, c.Group)
	h.mu.Lock()
	h.mu.ledger.lend(leaseOf(&c, p, at, physical, props))
	h.mu.Unlock()
	next, ok := props[propNext]
	if !ok || !fresh {
		return nil
	}
	next, jump := strings.CutPrefix(next, "!")
	n, err := strconv.ParseInt(next, 10, 64)
	if err != nil || n <= c.Start {
		return fmt.Errorf("next offset %q of a check point at %d", next, c.Start)
	}
	s.advance(p, c.Queue, span{c.Start, n}, jump, physical)
	return nil
}

// advance moves a group as a pop did before the crash, unless the topic was made
// anew since.
func (s *Service) advance(p *pair, queue int32, lent span, jump bool, physical int64) {
	units := s.cfg.Store.Units(p.topic, queue, lent.next-1, 1)
	c := p.cursor(s, queue)
	if c == nil || len(units) == 0 || units[0].Phy >= physical {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := s.cfg.Offsets.Query(p.group, p.topic, queue); ok && !c.mu.known {
		c.mu.jump(at)
	}
	c.mu.replay(lent, jump)
	c.mu.fresh = false
	c.commitLocked()
}

func (s *Service) applyAck(h *shard, body []byte) error {
	a, err := parseAck(body)
	if err != nil {
		return err
	}
	p := s.lookup(a.Topic, a.Group)
	if p == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.mu.ledger.leases[leaseKey{p, a.Queue, a.Start, a.PopTime}]
	if l == nil {
		return nil
	}
	for _, offset := range a.Offsets {
		if i := l.index(offset); i >= 0 {
			h.mu.ledger.settle(l, 1<<i)
		}
	}
	return nil
}
