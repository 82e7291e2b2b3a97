package timer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aerobee/aerobee/internal/message"
)

// segment is how many entries of a slot are in memory at a time.
const segment = 1 << 16

// opened is the slot that is being delivered.
type opened struct {
	unit     int64
	last     int64               // newest entry seen
	stop     int64               // entries at and before it are dealt with
	anchors  []int64             // newest entry of each segment that is left, newest segment first
	entries  []entry             // of the segment in work
	next     int                 // of entries
	recalled map[string]struct{} // keys
}

// expire makes copies of messages that are due, up to a limit. It answers whether
// there may be more.
func (s *Service) expire(settings Settings) (more bool) {
	if s.open == nil {
		now := s.unitNow()
		s.mu.Lock()
		unit, ok := s.mu.wheel.next(s.read, now)
		s.mu.Unlock()
		if !ok {
			s.read = max(s.read, now)
			return false
		}
		if unit != s.read {
			s.read, s.part = unit, 0
		}
		s.open = &opened{unit: unit, last: none, stop: none}
	}
	if err := s.fill(settings); err != nil {
		s.rebuild(err)
	}
	return true
}

// fill makes copies of the next messages of the open slot, or closes it.
func (s *Service) fill(settings Settings) error {
	o := s.open
	if o.next == len(o.entries) {
		ended, err := s.nextSegment(o)
		if err != nil {
			return err
		}
		if ended {
			s.close(o)
			return nil
		}
	}
	now := s.cfg.Now().UnixMilli()
	for o.next < len(o.entries) && len(s.out.copies) < turnMessages && len(s.out.buf) < turnBytes {
		e := &o.entries[o.next]
		if e.phy >= s.part || o.stop != none {
			s.expireOne(o, e, now, settings)
			s.part = max(s.part, e.phy+1)
		}
		o.next++
	}
	return nil
}

// expireOne makes the copy of one message, unless it was recalled.
func (s *Service) expireOne(o *opened, e *entry, now int64, settings Settings) {
	at := len(s.out.buf)
	w, err := s.waitingAt(e)
	if err != nil {
		s.out.buf = s.out.buf[:at]
		s.mu.Lock()
		s.mu.rates.lost++
		s.mu.Unlock()
		s.cfg.Log.Error("timer message lost: it cannot be read", slog.Int64("physical", e.phy), slog.Time("due", time.UnixMilli(e.due())), slog.Any("error", err))
		return
	}
	if _, recalled := o.recalled[w.recallKey(settings.TopicInRecalls)]; recalled && w.key != "" && w.recall == "" {
		s.out.buf = s.out.buf[:at]
		s.mu.Lock()
		s.mu.counts.add(w.topic, -1, now)
		s.mu.Unlock()
		return
	}
	s.out.add(w.copy(e.wrote, now, e.rolls()), &w, o.unit, e.rolls(), w.recall == "")
}

// waitingAt reads the message of an entry into the buffer of copies.
func (s *Service) waitingAt(e *entry) (w waiting, err error) {
	at := len(s.out.buf)
	buf, err := s.cfg.Store.Record(e.phy, s.out.buf)
	if err != nil {
		return w, err
	}
	s.out.buf = buf
	if len(buf)-at != int(e.size) {
		return w, fmt.Errorf("a record of %d bytes, expected %d", len(buf)-at, e.size)
	}
	return parseWaiting(buf[at:])
}

// nextSegment reads the entries to deliver next, oldest first. What arrived in the
// slot since it was opened comes last.
func (s *Service) nextSegment(o *opened) (ended bool, err error) {
	o.entries, o.next = o.entries[:0], 0
	if len(o.anchors) == 0 {
		s.mu.Lock()
		last := s.mu.wheel.get(o.unit).last
		s.mu.Unlock()
		if last == o.last {
			return true, nil
		}
		o.stop, o.last = o.last, last
		if err := s.survey(o); err != nil || len(o.anchors) == 0 {
			return false, err
		}
	}
	n := len(o.anchors) - 1
	pos := o.anchors[n]
	o.anchors = o.anchors[:n]
	for begin := s.log.first(); len(o.entries) < segment && pos != o.stop && pos >= begin; {
		e, err := s.log.read(pos)
		if err != nil {
			return false, err
		}
		if !e.recalls() {
			o.entries = append(o.entries, e)
		}
		pos = e.prev
	}
	// In the order of the log, and once if a Java broker indexed it twice.
	slices.SortFunc(o.entries, func(a, b entry) int { return int(min(max(a.phy-b.phy, -1), 1)) })
	o.entries = slices.CompactFunc(o.entries, func(a, b entry) bool { return a.phy == b.phy })
	return false, nil
}

// maxRecalls bounds the keys of recalls in one slot that are kept in memory.
const maxRecalls = 1 << 20

// survey walks the chain from the newest entry back: it finds the recalls and
// where segments begin.
func (s *Service) survey(o *opened) error {
	n := 0
	begin := s.log.first() // older entries are deleted, with their messages
	for pos := o.last; pos != o.stop && pos >= begin; {
		e, err := s.log.read(pos)
		if err != nil {
			return err
		}
		if e.recalls() {
			s.noteRecall(o, &e)
		} else {
			if n%segment == 0 {
				o.anchors = append(o.anchors, pos)
			}
			n++
		}
		pos = e.prev
	}
	return nil
}

func (s *Service) noteRecall(o *opened, e *entry) {
	at := len(s.out.buf)
	w, err := s.waitingAt(e)
	s.out.buf = s.out.buf[:at]
	switch {
	case err != nil:
		s.cfg.Log.Error("recall of a timer message passed over: it cannot be read", slog.Int64("physical", e.phy), slog.Any("error", err))
	case len(o.recalled) >= maxRecalls:
		s.cfg.Log.Error("recall of a timer message passed over: too many for one moment", slog.Int("limit", maxRecalls), slog.String("key", w.recall))
	default:
		if o.recalled == nil {
			o.recalled = make(map[string]struct{})
		}
		o.recalled[string([]byte(w.recall))] = struct{}{}
	}
}

// close moves the read time past a slot.
func (s *Service) close(o *opened) {
	s.open = nil
	s.read, s.part = o.unit+1, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.wheel.delivered(o.unit)
	if s.mu.wheel.total == 0 {
		s.mu.counts.clear()
	}
	s.mu.changed = true
}

// batch is copies on their way to the store.
type batch struct {
	buf      []byte // records that the copies alias
	copies   []message.Message
	about    []about
	outcomes []Outcome
}

// about is what is known of a copy beside its content.
type about struct {
	topic   string // real one
	unit    int64  // of the slot it was due in
	rolls   bool
	counted bool
}

func (b *batch) add(m message.Message, w *waiting, unit int64, rolls, counted bool) {
	b.copies = append(b.copies, m)
	b.about = append(b.about, about{topic: w.topic, unit: unit, rolls: rolls, counted: counted})
}

func (b *batch) reset() {
	clear(b.copies)
	b.copies, b.about, b.outcomes, b.buf = b.copies[:0], b.about[:0], b.outcomes[:0], b.buf[:0]
	if cap(b.buf) > keptBytes {
		b.buf = nil
	}
}

// deliver stores the copies. It answers false when some have to be stored again:
// those only are tried then.
func (s *Service) deliver(ctx context.Context) bool {
	b := &s.out
	if len(b.copies) == 0 {
		b.reset()
		return true
	}
	b.outcomes = slices.Grow(b.outcomes[:0], len(b.copies))[:len(b.copies)]
	clear(b.outcomes)
	s.cfg.Deliver(ctx, b.copies, b.outcomes)
	now := s.cfg.Now().UnixMilli()
	s.report(now)
	left := 0
	s.mu.Lock()
	s.mu.changed = true
	for i, o := range b.outcomes {
		if o == Retry {
			b.copies[left], b.about[left] = b.copies[i], b.about[i]
			left++
			continue
		}
		if b.about[i].counted {
			s.mu.counts.add(b.about[i].topic, -1, now)
		}
		s.mu.rates.out++
	}
	s.mu.Unlock()
	if left > 0 {
		b.copies, b.about = b.copies[:left], b.about[:left]
		s.failed("timer messages not stored, trying again", fmt.Errorf("%d of %d refused for now, the first for topic %s", left, len(b.outcomes), b.about[0].topic))
		return false
	}
	b.reset()
	return true
}

// report tells how late the copies are, and what was refused for good.
func (s *Service) report(now int64) {
	b := &s.out
	for i, o := range b.outcomes {
		a := &b.about[i]
		switch {
		case o == Refused:
			s.cfg.Log.Error("timer message passed over: refused by the store", slog.String("topic", a.topic))
		case o == Stored && !a.rolls && s.cfg.Late != nil:
			s.cfg.Late(a.topic, time.Duration(max(now-(a.unit+1)*s.precision, 0))*time.Millisecond)
		}
	}
}
