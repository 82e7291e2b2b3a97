package timer

import (
	"errors"
	"log/slog"
	"math"
	"strings"
)

// neverIndexed is TIMER_ENQUEUE_MS of a message that was due when it was indexed.
const neverIndexed = math.MaxInt64

// place is where a message waits.
type place struct {
	unit  int64 // of the slot
	wrote int64 // ms that the entry counts from
	rolls bool  // the slot is on the way
}

// placeOf is Java's rule: what is due beyond the window waits in the slot at its
// end, or at half of it if the rest would be short. from is a unit not after out.
func (s *Service) placeOf(out, from int64) place {
	unit, window := out/s.precision, s.cfg.RollWindow
	p := place{unit: unit, wrote: from * s.precision}
	if ahead := unit - from; ahead >= window {
		p.rolls = true
		p.unit = from + window
		if ahead-window < window/3 {
			p.unit = from + window/2
		}
	}
	return p
}

// lateRoll is by how many slots a message may have been indexed later than it was
// stored. What seems to have rolled less than that before an index is made anew, is
// taken in again, and may come twice.
const lateRoll = 60

// index reads the next messages of the queue. It answers whether there may be more.
func (s *Service) index() (more bool) {
	if !s.rebuilding() && s.unitNow()-s.read > slotsAhead {
		return false // the wheel is full of what was due while nobody delivered
	}
	units := s.cfg.Store.Units(Topic, 0, s.queue, turnMessages)
	if len(units) == 0 {
		return s.drain()
	}
	s.drained.Store(false)
	for _, u := range units {
		if len(s.out.buf) >= turnBytes {
			return true
		}
		at := len(s.out.buf)
		buf, err := s.cfg.Store.Record(u.Phy, s.out.buf)
		if err == nil {
			var w waiting
			if w, err = parseWaiting(buf[at:]); err == nil {
				s.out.buf = buf // kept if the message is delivered at once
				if err := s.admit(&w, u.Phy, u.Size, at); err != nil {
					if !errors.Is(err, errFileFull) {
						s.failed("timer log not written, trying again", err)
					}
					return true
				}
			}
		}
		if err != nil {
			s.cfg.Log.Error("timer message passed over: it cannot be read", slog.Int64("offset", s.queue), slog.Int64("physical", u.Phy), slog.Any("error", err))
		}
		s.queue++
	}
	return true
}

// drain marks that the end is reached. It is looked at again after the mark is
// set, so that an arrival in between is not missed.
func (s *Service) drain() (more bool) {
	s.drained.Store(true)
	low, high := s.cfg.Store.MinOffset(Topic, 0), s.cfg.Store.MaxOffset(Topic, 0)
	if corrected := min(max(s.queue, low), high); corrected != s.queue {
		s.cfg.Log.Warn("timer: the next message lies outside of the queue", slog.Int64("offset", s.queue), slog.Int64("min", low), slog.Int64("max", high))
		s.queue = corrected
	}
	s.done = min(s.done, s.queue)
	return high > s.queue
}

// rebuilding tells whether messages are indexed that were before. Until all are,
// slots are not complete, and none is delivered.
func (s *Service) rebuilding() bool { return s.queue < s.done }

// admit gives a message its entry, or makes its copy if it is due. at is where its
// record begins in the buffer of copies.
func (s *Service) admit(w *waiting, phy int64, size int32, at int) error {
	before := s.queue < s.done // it was indexed or delivered once: see recover
	from := w.StoreTimestamp / s.precision
	if !before {
		from = max(from, s.read)
	}
	p := s.placeOf(w.out, min(from, w.out/s.precision))
	if before && (p.unit < s.read && !p.rolls || p.rolls && p.unit+lateRoll < s.read) {
		s.out.buf = s.out.buf[:at]
		return nil
	}
	if p.rolls && p.unit < s.read {
		p = s.placeOf(w.out, s.read)
	}
	now := s.unitNow()
	switch {
	case p.unit >= s.read && p.unit >= now-slotsAhead:
	case p.unit < now:
		if w.recall == "" {
			s.out.add(w.copy(neverIndexed, s.cfg.Now().UnixMilli(), false), w, p.unit, false, false)
		}
		return nil
	default:
		p.unit = s.read // the clock was set back: not before its time
		p.wrote = min(p.wrote, p.unit*s.precision)
	}
	s.out.buf = s.out.buf[:at]
	return s.add(w, p, phy, size)
}

// add puts a message into its slot.
func (s *Service) add(w *waiting, p place, phy int64, size int32) error {
	sl, ok := s.staged.slots[p.unit]
	if !ok {
		s.mu.Lock()
		sl = s.mu.wheel.get(p.unit)
		s.mu.Unlock()
	}
	e := entry{
		prev: sl.last, magic: magicDefault, wrote: p.wrote, delay: int32(p.unit*s.precision - p.wrote),
		phy: phy, size: size, hash: hashOf(w.topic),
	}
	if p.rolls {
		e.magic |= magicRoll
	}
	if w.recall != "" {
		e.magic |= magicDelete
	}
	pos, err := s.log.add(&e)
	if err != nil {
		return err
	}
	if sl.first == none {
		sl.first = pos
	}
	sl.last = pos
	if w.recall == "" {
		sl.num++
	}
	s.staged.put(sl, w)
	return nil
}

// staged is what the wheel will be once the entries are written.
type staged struct {
	slots  map[int64]slot    // by unit
	topics map[string]*int64 // pointers: an assignment would replace the key by one that aliases
	n      int64
}

func (g *staged) put(sl slot, w *waiting) {
	if g.slots == nil {
		g.slots, g.topics = make(map[int64]slot), make(map[string]*int64)
	}
	g.slots[sl.unit] = sl
	if w.recall == "" {
		n := g.topics[w.topic]
		if n == nil {
			n = new(int64)
			g.topics[strings.Clone(w.topic)] = n
		}
		*n++
	}
	g.n++
}

func (g *staged) reset() {
	clear(g.slots)
	clear(g.topics)
	g.n = 0
}

// apply brings what is staged to the wheel. The lock is held.
func (s *Service) apply(now int64) {
	if s.staged.n == 0 {
		return
	}
	for _, sl := range s.staged.slots {
		s.mu.wheel.put(sl)
	}
	for topic, n := range s.staged.topics {
		s.mu.counts.add(topic, *n, now)
	}
	s.mu.rates.in += s.staged.n
	s.mu.changed = true
	s.staged.reset()
}
