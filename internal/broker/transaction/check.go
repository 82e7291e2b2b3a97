package transaction

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

// Sizes of the steps of a round.
const (
	scanUnits  = 1024
	checkBatch = 256
)

// Recheck has a round take place now, for all that is open.
func (s *Service) Recheck() { signal(s.recheck) }

// round takes in what became old enough, asks about what is due, gives up what
// was asked too often, and notes what was asked. With all, everything that is
// open is due.
func (s *Service) round(ctx context.Context, all bool) {
	set, now := s.cfg.Settings(), s.cfg.Now()
	s.scan(ctx, set, now, all)
	notes := notes{s: s}
	for from := int64(0); ctx.Err() == nil; {
		t := s.lock()
		list := t.opened(from, checkBatch)
		s.mu.Unlock()
		for _, h := range list {
			if ctx.Err() != nil {
				break
			}
			s.check(h, set, now, all, &notes)
		}
		if len(list) < checkBatch {
			break
		}
		from = list[len(list)-1].offset + 1
	}
	s.carry(&notes)
	notes.write()
	t := s.lock()
	t.tidy()
	s.mu.Unlock()
}

// scan takes open half messages into memory, in the order of the queue, as far as
// they are old enough and there is room.
func (s *Service) scan(ctx context.Context, set Settings, now time.Time, all bool) {
	t := s.lock()
	if low := s.cfg.Store.MinOffset(protocol.HalfTopic, 0); low > t.first {
		s.cfg.Log.Warn("open transactions are older than the log", slog.Int64("offset", t.first), slog.Int64("min", low))
		t.skip(low)
	}
	s.mu.Unlock()
	for ctx.Err() == nil {
		t := s.lock()
		from, to := t.scanned, t.end
		for from < to && t.state(from) != open {
			from++
		}
		t.scanned = max(t.scanned, from)
		room := maxOpen - len(t.halves)
		s.mu.Unlock()
		if from >= to || room <= 0 {
			return
		}
		units := s.cfg.Store.Units(protocol.HalfTopic, 0, from, int(min(scanUnits, to-from, int64(room))))
		if len(units) == 0 || !s.take(units, from, set, now, all) {
			return
		}
	}
}

// take reads the open ones of some units. It answers false when it met one that
// is too young.
func (s *Service) take(units []store.Unit, from int64, set Settings, now time.Time, all bool) bool {
	for i, u := range units {
		offset := from + int64(i)
		t := s.lock()
		known := t.state(offset) != open || offset < t.scanned
		s.mu.Unlock()
		if known {
			continue
		}
		r, err := s.read(u.Phy)
		if err == nil && !all && !r.hasImmunity && r.BornTimestamp <= now.UnixMilli() && r.due(set.Timeout, now.UnixMilli()) > now.UnixMilli() {
			return false
		}
		h := half{offset: offset, phy: u.Phy, born: r.BornTimestamp, stored: r.StoreTimestamp, due: r.due(set.Timeout, now.UnixMilli()), origin: r.origin, checks: r.checks}
		t = s.lock()
		switch {
		case t.state(offset) != open:
		case err != nil && (r.Topic == "" || r.topic == ""):
			s.cfg.Log.Error("half message passed over", slog.Int64("offset", offset), slog.Any("error", err))
			t.set(offset, closed)
			s.pendLocked(offset)
		case !t.add(h):
			t.set(offset, answered)
			s.pendLocked(offset)
		}
		s.mu.Unlock()
	}
	return true
}

// read reads a half message. It is valid until the next one is read.
func (s *Service) read(phy int64) (record, error) {
	var err error
	if s.buf, err = s.cfg.Store.Record(phy, s.buf[:0]); err != nil {
		return record{origin: -1}, err
	}
	return parse(s.buf)
}

// check asks about one half message, or gives it up.
func (s *Service) check(h half, set Settings, now time.Time, all bool, notes *notes) {
	expired := h.tried && h.expired(now.Add(-set.Reserve).UnixMilli())
	exhausted := int(h.checks) >= set.CheckMax
	if !all && !exhausted && !expired && h.due > now.UnixMilli() {
		return
	}
	r, err := s.read(h.phy)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.cfg.Log.Error("open transaction lost: the log no longer has its half message", slog.Int64("offset", h.offset), slog.Int64("physical", h.phy))
		s.close(h, notes)
	case err != nil && r.Topic == "":
		s.cfg.Log.Error("half message cannot be read, to be tried again", slog.Int64("offset", h.offset), slog.Any("error", err))
	case exhausted || expired:
		s.giveUp(h, &r, notes)
	default:
		s.ask(h, &r, notes)
	}
}

// expired tells whether the log keeps nothing as old as a half message. That the
// producer's clock was wrong is no reason to give up. A record that was stored
// again is as old as the first.
func (h *half) expired(oldest int64) bool {
	return h.stored < oldest || h.origin >= 0 && h.born < oldest
}

func (s *Service) ask(h half, r *record, notes *notes) {
	body, err := r.question(h.checks + 1)
	if err != nil {
		s.cfg.Log.Error("half message cannot be asked about", slog.Int64("offset", h.offset), slog.Any("error", err))
		return
	}
	sent := s.cfg.Ask(Check{Group: r.group, Body: body, Header: protocol.CheckTransactionStateRequest{
		Topic: protocol.HalfTopic, TranStateTableOffset: h.offset, CommitLogOffset: h.phy, MsgID: r.id, TransactionID: r.id,
		OffsetMsgID: message.OffsetID(r.StoreHost, h.phy), BrokerName: s.cfg.Block,
	}})
	t := s.lock()
	t.tried(h.offset)
	checks, ok := int32(0), false
	if sent {
		checks, ok = t.checked(h.offset)
	}
	s.mu.Unlock()
	if !sent {
		s.stats.Unasked.Add(1)
		return
	}
	s.stats.Checks.Add(1)
	if ok {
		notes.add(h.offset, checks)
	}
}

// giveUp moves a half message to where administrators find it.
func (s *Service) giveUp(h half, r *record, notes *notes) {
	if err := s.Begin(h.offset); err != nil {
		return // somebody is ending it
	}
	_, err := s.put(r.exhausted(h.checks))
	t := s.lock()
	t.finish(h.offset, false)
	s.mu.Unlock()
	if err != nil {
		s.cfg.Log.Error("half message not given up, to be tried again", slog.Int64("offset", h.offset), slog.Any("error", err))
		return
	}
	s.cfg.Log.Warn("transaction given up", slog.String("topic", r.topic), slog.String("group", r.group), slog.String("id", r.id), slog.Int("checks", int(h.checks)))
	s.stats.GivenUp.Add(1)
	s.counts.add(r.topic, -1, s.cfg.Now())
	s.close(h, notes)
}

// close marks a half message as done without an answer.
func (s *Service) close(h half, notes *notes) {
	notes.add(h.offset, closedNote)
	t := s.lock()
	t.set(h.offset, closed)
	s.pendLocked(h.offset)
	s.mu.Unlock()
}

// carry stores half messages again that hold up too many others.
func (s *Service) carry(notes *notes) {
	t := s.lock()
	list := t.toCarry()
	s.mu.Unlock()
	for _, h := range list {
		r, err := s.read(h.phy)
		if err != nil || s.Begin(h.offset) != nil {
			continue
		}
		origin := h.origin
		if origin < 0 {
			origin = h.offset
		}
		_, err = s.put(r.again(h.checks, origin))
		t := s.lock()
		t.finish(h.offset, false)
		s.mu.Unlock()
		if err != nil {
			s.cfg.Log.Error("half message not carried forward", slog.Int64("offset", h.offset), slog.Any("error", err))
			return
		}
		s.stats.Carried.Add(1)
		s.close(h, notes)
	}
}

// notes collects what is to be remembered of checks.
type notes struct {
	s    *Service
	body []byte
	last int64
}

func (n *notes) add(offset int64, checks int32) {
	n.body = appendNote(n.body, offset, checks)
	n.last = max(n.last, offset)
	if len(n.body) >= n.s.cfg.Settings().OpMaxSize {
		n.write()
	}
}

// write stores an op message. Without it a transaction is asked about once more
// after a restart, which is no reason to stop.
func (n *notes) write() {
	if len(n.body) == 0 {
		return
	}
	if err := n.s.putOp(tagChecks, n.body, n.last); err != nil {
		n.s.cfg.Log.Warn("checks not noted, they count anew after a restart", slog.Any("error", err))
	}
	n.body, n.last = n.body[:0], 0
}
