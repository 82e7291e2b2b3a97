package pop

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
)

// Properties of redelivered messages, as Java's.
const (
	propFirstPop    = "1ST_POP_TIME"
	propOriginGroup = "ORIGIN_GROUP"
)

// Limits of the work of one round of a shard, so that none keeps the others waiting.
const (
	roundLeases = 64
	roundBytes  = 4 << 20
	staleLeases = 256 // check points written again in a round
)

const (
	// behind is how many records of the revive queue may lie behind the oldest that a
	// live lease needs, before its check point is written again: that bounds what a
	// start reads.
	behind = 100_000
	// putRetry is the pause, in ms, after the store refused a redelivery.
	putRetry = 1000
	// longestSleep bounds a wait, so that a clock that was set does not stop it.
	longestSleep = time.Second
)

// rounds is the memory of the service's goroutine.
type rounds struct {
	buf   []byte
	props []byte
	stale []*lease
	tasks []redelivery
	done  sync.WaitGroup
}

// redelivery is a lease that is due.
type redelivery struct {
	l      *lease
	mask   uint32 // of messages to redeliver, marked in lease.acking
	ended  uint32 // of those whose copy is put, or that are gone
	failed bool   // a message cannot be redelivered: see backoff
	err    error  // of the put
	shard  *shard
	rounds *rounds
	ackPut *store.Put
	copies []*store.Put
}

// run is the goroutine that redelivers.
func (s *Service) run(ctx context.Context) error {
	return run.Turns(ctx, s.signal, longestSleep, s.round)
}

// round does what is to be done and answers how long nothing will be due.
func (s *Service) round(ctx context.Context) time.Duration {
	s.alarm.Store(0) // whatever becomes due from here on is seen below or wakes us
	more := false
	for _, h := range s.shards {
		if ctx.Err() != nil {
			return 0
		}
		s.fillGaps(h)
		more = s.redeliver(h) || more
		s.rewrite(h)
	}
	s.unlock()
	if more {
		return 0
	}
	now := s.nowMs()
	next := now + longestSleep.Milliseconds()
	s.alarm.Store(next)
	for _, h := range s.shards {
		h.mu.Lock()
		if due, ok := h.mu.ledger.nextDue(); ok {
			next = min(next, due)
		}
		h.mu.Unlock()
	}
	if at, ok := s.unlocks.next(); ok {
		next = min(next, at)
	}
	s.alarm.Store(next)
	return time.Duration(next-now) * time.Millisecond
}

// redeliver puts copies of what is due of a shard into the retry topics, up to a
// limit, and tells whether there may be more.
func (s *Service) redeliver(h *shard) (more bool) {
	w := &s.rounds
	w.tasks = w.tasks[:0]
	now := s.nowMs()
	h.mu.Lock()
	for len(w.tasks) < roundLeases {
		l := h.mu.ledger.expired(now)
		if l == nil {
			break
		}
		mask := l.open()
		h.mu.ledger.acking(l, mask)
		w.tasks = append(w.tasks, redelivery{l: l, mask: mask, shard: h, rounds: w})
	}
	h.mu.Unlock()
	if len(w.tasks) == 0 {
		return false
	}
	w.buf = w.buf[:0]
	for i := range w.tasks {
		s.prepare(&w.tasks[i])
	}
	for i := range w.tasks {
		s.enqueue(&w.tasks[i])
	}
	s.cfg.Store.Commit()
	w.done.Wait()
	s.conclude(h)
	more = len(w.tasks) == roundLeases || len(w.buf) >= roundBytes
	clear(w.tasks)
	if cap(w.buf) > roundBytes {
		w.buf = nil
	}
	return more
}

// prepare makes the puts of one lease: the copies, and the ACK that ends it.
func (s *Service) prepare(t *redelivery) {
	l, w := t.l, t.rounds
	p := l.key.pair
	target, gone, err := s.cfg.Redeliver(p.topic, p.group, l.key.queue)
	if err != nil {
		s.cfg.Log.Error("pop: messages not redelivered", slog.String("topic", p.topic), slog.String("group", p.group), slog.Any("error", err))
		t.failed = true
		return
	}
	for i := range l.n {
		bit := uint32(1) << i
		switch {
		case t.mask&bit == 0:
		case gone:
			t.ended |= bit
		case len(w.buf) >= roundBytes: // the next round has the rest
		default:
			if s.copyMessage(t, i, target) {
				t.ended |= bit
			}
		}
	}
	if t.ended == 0 {
		return
	}
	r := s.recordPut(t.shard)
	r.done = func(r *recordPut, p *store.Put) { redelivered(s, t, p) }
	r.body = appendAck(r.body[:0], l, t.ended, s.cfg.Broker)
	now := s.nowMs()
	r.props = appendProps(r.props[:0], ackTag(t.ended), now)
	t.ackPut = r.begin()
	if err := r.add(t.ackPut, now); err != nil {
		s.cfg.Log.Error("pop: messages not redelivered", slog.String("topic", p.topic), slog.String("group", p.group), slog.Any("error", err))
		s.discard(t)
		s.cfg.Store.ReleasePut(t.ackPut)
		s.releaseRecordPut(r)
		t.ackPut, t.ended, t.failed = nil, 0, true
	}
}

func (s *Service) discard(t *redelivery) {
	for _, p := range t.copies {
		s.cfg.Store.ReleasePut(p)
	}
	t.copies = nil
}

// copyMessage makes the put of one message's copy. It answers true when the message
// is dealt with: also when there is nothing to redeliver any more.
func (s *Service) copyMessage(t *redelivery, i int, target Target) bool {
	l, w := t.l, t.rounds
	topic, queue, offset := l.key.pair.topic, l.key.queue, l.offset(i)
	log := s.cfg.Log.With(slog.String("topic", topic), slog.String("group", l.key.pair.group), slog.Int("queue", int(queue)), slog.Int64("offset", offset))
	units := s.cfg.Store.Units(topic, queue, offset, 1)
	if len(units) == 0 || offset < s.cfg.Store.MinOffset(topic, queue) {
		log.Warn("pop: unacknowledged message is gone")
		return true
	}
	if units[0].Phy >= l.fence {
		log.Warn("pop: lease of a former topic of this name ended")
		return true
	}
	at := len(w.buf)
	buf, err := s.cfg.Store.Record(units[0].Phy, w.buf)
	if err != nil {
		lost := errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrMisaligned)
		log.Error("pop: unacknowledged message cannot be read", slog.Any("error", err), slog.Bool("lost", lost))
		t.failed = t.failed || !lost
		return lost
	}
	w.buf = buf
	m, err := message.Parse(buf[at:])
	if err != nil {
		log.Error("pop: unacknowledged message is damaged", slog.Any("error", err))
		return true
	}
	first := l.first
	w.props = w.props[:0]
	for name, value := range message.Properties(m.Properties) {
		switch {
		case name == propFirstPop && m.ReconsumeTimes > 0:
			first, err = strconv.ParseInt(value, 10, 64)
			if err != nil {
				first = l.first
			}
		case name == propFirstPop || name == propOriginGroup || name == message.PropCRC || name == message.PropPopCheckpoint:
		default:
			w.props = message.AppendProperty(w.props, name, value)
		}
	}
	w.props = appendNumber(w.props, propFirstPop, first)
	w.props = message.AppendProperty(w.props, propOriginGroup, l.key.pair.group)
	m.Properties = string(w.props)
	m.Topic, m.QueueID = target.Topic, target.Queue
	m.BornHost, m.StoreHost, m.PreparedTransactionOffset = s.cfg.Host, s.cfg.Host, 0
	if !l.suspend {
		m.ReconsumeTimes++
	}
	p := s.cfg.Store.AcquirePut()
	p.Topic, p.QueueID, p.Batch = target.Topic, target.Queue, target.Batch
	if err := p.Add(&m); err != nil {
		log.Error("pop: message refused by its retry topic", slog.String("retry", target.Topic), slog.Any("error", err))
		s.cfg.Store.ReleasePut(p)
		t.failed = true
		return false
	}
	bytes := int64(len(buf) - at)
	p.Done = func(p *store.Put) {
		if p.Result.Status == store.PutOK {
			s.cfg.Redelivered(target, bytes)
		}
		s.cfg.Store.ReleasePut(p)
	}
	t.copies = append(t.copies, p)
	return true
}

// enqueue puts copies and ACK of a lease into one group.
func (s *Service) enqueue(t *redelivery) {
	if t.ackPut == nil {
		return
	}
	t.rounds.done.Add(1)
	s.cfg.Store.EnqueueAll(append(t.copies, t.ackPut))
}

// redelivered is called by the leader for the ACK, which comes after the copies.
func redelivered(s *Service, t *redelivery, p *store.Put) {
	h := t.shard
	h.mu.Lock()
	if t.err = p.Result.Err; t.err == nil {
		h.mu.ledger.settle(t.l, t.ended)
		s.passLocked(h, p.Result.QueueOffset, 1)
	}
	h.mu.Unlock()
	t.rounds.done.Done()
}

// conclude gives back what is left of the leases, and wakes the groups.
func (s *Service) conclude(h *shard) {
	now := s.nowMs()
	h.mu.Lock()
	for i := range s.rounds.tasks {
		t := &s.rounds.tasks[i]
		ended := t.ended
		due := now
		switch {
		case t.err != nil:
			ended, due = 0, now+putRetry
		case t.failed:
			due = now + backoff(t.l.tries)
			t.l.tries++
		case t.mask == 0: // all ACKs are on their way
			due = now + putRetry
		}
		h.mu.ledger.failed(t.l, t.mask&^ended)
		h.mu.ledger.again(t.l, due)
	}
	h.mu.Unlock()
	for i := range s.rounds.tasks {
		t := &s.rounds.tasks[i]
		if t.err != nil {
			s.cfg.Log.Warn("pop: the store refused a redelivery", slog.String("topic", t.l.key.pair.topic), slog.Any("error", t.err))
		} else if len(t.copies) > 0 {
			s.cfg.Wake(t.l.key.pair.normal, t.l.key.pair.group, -1)
		}
	}
}

// rewrite has check points written again that hold the revive queue's offset back.
func (s *Service) rewrite(h *shard) {
	w := &s.rounds
	h.mu.Lock()
	w.stale = h.mu.ledger.stale(h.mu.written-behind, w.stale[:0], staleLeases)
	h.mu.Unlock()
	if len(w.stale) == 0 {
		return
	}
	now := s.nowMs()
	for _, l := range w.stale {
		r := s.recordPut(h)
		h.mu.Lock()
		r.lease = *l
		h.mu.Unlock()
		acked := r.lease.acked
		r.body = appendCheckPoint(r.body[:0], &r.lease, s.cfg.Broker)
		r.props = appendProps(r.props[:0], tagCK, now)
		r.props = appendNumber(r.props, propFence, l.fence)
		if l.renewed {
			r.props = appendNumber(r.props, propFirst, l.first)
		}
		r.done = func(_ *recordPut, p *store.Put) {
			h.mu.Lock()
			ok := p.Result.Status == store.PutOK
			h.mu.ledger.moved(l, p.Result.QueueOffset, acked, ok)
			if ok {
				s.passLocked(h, p.Result.QueueOffset, 1)
			}
			h.mu.Unlock()
			w.done.Done()
		}
		p := r.begin()
		w.done.Add(1)
		if err := r.add(p, now); err != nil {
			p.Result = store.PutResult{Status: store.StatusOf(err), Err: err}
			recordPutDone(p)
			continue
		}
		s.cfg.Store.Enqueue(p)
	}
	s.cfg.Store.Commit()
	w.done.Wait()
}
