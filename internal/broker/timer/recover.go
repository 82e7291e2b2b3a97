package timer

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// openFiles opens the index and recovers it.
func (s *Service) openFiles() (err error) {
	var found bool
	if s.files.check, s.mu.state, found, err = openCheck(s.cfg.FS, s.path("config/timercheck")); err != nil {
		return errors.Join(err, s.closeFiles())
	}
	if s.log, err = openLog(s.cfg.FS, s.path("timerlog"), s.cfg.LogFileSize); err != nil {
		return errors.Join(err, s.closeFiles())
	}
	var made bool
	if s.files.wheel, made, err = openWheel(s.cfg.FS, s.path("timerwheel")); err != nil {
		return errors.Join(err, s.closeFiles())
	}
	if err := s.loadCounts(); err != nil {
		return errors.Join(err, s.closeFiles())
	}
	if err := s.recover(found, made); err != nil {
		return errors.Join(err, s.closeFiles())
	}
	return nil
}

// openWheel opens the wheel or makes an empty one.
func openWheel(fs vfs.FS, path string) (f vfs.File, made bool, err error) {
	f, err = fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		f, err = fs.Create(path)
	}
	if err != nil {
		return nil, false, err
	}
	size, err := f.Size()
	if err == nil && size != wheelSize {
		if size != 0 {
			return f, false, fmt.Errorf("%s: %d bytes, expected %d", path, size, wheelSize)
		}
		made = true
		err = f.Truncate(wheelSize)
	}
	return f, made, err
}

func (s *Service) loadCounts() error {
	var t protocol.TimerMetrics
	err := vfs.LoadFile(s.cfg.FS, s.path("config/timermetrics"), func(data []byte) error {
		t = protocol.TimerMetrics{}
		return javajson.Unmarshal(data, &t)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.cfg.Log.Warn("timer: counts by topic begin anew", slog.Any("error", err))
		return nil
	}
	s.mu.counts.load(t)
	return nil
}

// recover finds out how far the index reaches. What is missing of it comes from
// the queue.
func (s *Service) recover(found, made bool) error {
	c := &s.mu.state
	s.read, s.queue = c.read/s.precision, c.queue
	if !found {
		s.read = s.unitNow()
		if s.cfg.Store.MaxOffset(Topic, 0) > 0 {
			s.read -= slotsAhead - blankSlots // nobody knows what was delivered
		}
	}
	precision := c.readOwn(s.files.check)
	s.done, s.part = c.done, c.part
	s.files.durable = *c
	s.files.durable.read = s.read * s.precision
	if err := s.mu.wheel.load(s.files.wheel, s.read); err != nil {
		return fmt.Errorf("%s: %w", s.path("timerwheel"), err)
	}
	why := s.distrust(c, made, precision)
	if why == nil {
		why = s.replay(c.log)
	}
	if why != nil {
		return s.reset(why)
	}
	s.publishRecovered()
	return nil
}

func (s *Service) publishRecovered() {
	c := &s.mu.state
	c.read, c.queue, c.master, c.log = s.read*s.precision, s.queue, s.queue, s.log.mu.end
	c.done, c.part = s.done, s.part
	s.mu.changed = true
}

// distrust tells why the files cannot be what they claim.
func (s *Service) distrust(c *check, made bool, precision int64) error {
	switch limit := s.log.limit(); {
	case made && (c.log > 0 || limit > 0):
		return errors.New("timerwheel is missing")
	case !s.log.contiguous():
		return errors.New("a file of timerlog is missing")
	case c.log > limit:
		return fmt.Errorf("timerlog ends before %d, where timercheck says it reaches", c.log)
	case precision != 0 && precision != s.precision:
		return fmt.Errorf("timerPrecisionMs was %d", precision)
	}
	return nil
}

// replayBack is how many entries before the position of timercheck are looked at
// too: a Java broker writes its wheel while it adds to it.
const replayBack = 256

// replay reads the entries from a position on, as far as they are of messages that
// exist, and points the slots at them. It tells why the wheel and the log do not
// belong together.
func (s *Service) replay(claimed int64) error {
	next := int64(-1)
	limit := s.log.limit()
	s.log.mu.end = limit // readable, until it is known better
	pos := max(claimed-replayBack*entrySize, claimed/s.cfg.LogFileSize*s.cfg.LogFileSize, s.log.begin())
	for pos < limit {
		if rest := s.cfg.LogFileSize - pos%s.cfg.LogFileSize; rest < entrySize+blankSize {
			if pos+rest >= limit {
				break
			}
			pos += rest
			continue
		}
		e, err := s.log.read(pos)
		if err != nil {
			break // the end, or torn
		}
		offset, err := s.verify(&e)
		switch {
		case err == nil:
			s.point(&e, pos)
			next = max(next, offset+1)
		case pos < claimed: // its message was deleted
		default:
			limit = pos
			continue
		}
		pos += entrySize
	}
	if err := s.log.seek(pos); err != nil {
		return err
	}
	for unit, ok := s.mu.wheel.next(s.read, s.read+wheelSlots); ok; unit, ok = s.mu.wheel.next(unit+1, s.read+wheelSlots) {
		if last := s.mu.wheel.get(unit).last; last >= pos {
			return fmt.Errorf("timerwheel points at %d, timerlog ends at %d", last, pos)
		}
	}
	if next >= 0 {
		s.done = max(s.done, s.queue) // between the last entry and here were messages delivered at once
		if next < s.queue {
			s.part = 0 // some may have been missing from the slot
		}
		s.queue = next
	}
	low, high := s.cfg.Store.MinOffset(Topic, 0), s.cfg.Store.MaxOffset(Topic, 0)
	s.queue = min(max(s.queue, low), high)
	return nil
}

// verify looks whether the commit log has the message of an entry, and gives its
// offset in the queue.
func (s *Service) verify(e *entry) (offset int64, err error) {
	rec, err := s.cfg.Store.Record(e.phy, s.record[:0])
	if err != nil {
		return 0, err
	}
	s.record = rec
	w, err := parseWaiting(rec)
	if err != nil {
		return 0, err
	}
	if len(rec) != int(e.size) || !e.rolls() && e.due()/s.precision < w.out/s.precision {
		return 0, fmt.Errorf("the message at %d is another one", e.phy)
	}
	return w.QueueOffset, nil
}

// point makes an entry the newest of its slot.
func (s *Service) point(e *entry, pos int64) {
	unit := e.due() / s.precision
	if unit < s.read {
		return
	}
	sl := s.mu.wheel.get(unit)
	if sl.last >= pos {
		return
	}
	if sl.first == none {
		sl.first = pos
	}
	sl.last = pos
	if e.magic&magicDelete == 0 {
		sl.num++
	}
	s.mu.wheel.put(sl)
}

// rebuild makes the index anew while the service runs: a chain is broken.
func (s *Service) rebuild(why error) {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	s.mu.state.queue, s.mu.state.read = s.queue, s.read*s.precision
	s.mu.Unlock()
	s.open = nil
	if err := s.reset(why); err != nil {
		s.failed("timer: the index cannot be made anew, trying again", err)
	}
}

// reset empties the index and has it filled from the queue. Messages that are due
// before the read time and are before the queue's offset now count as delivered.
func (s *Service) reset(why error) error {
	low, high := s.cfg.Store.MinOffset(Topic, 0), s.cfg.Store.MaxOffset(Topic, 0)
	s.cfg.Log.Warn("timer: the index is made anew from the queue", slog.Any("why", why), slog.Int64("messages", high-low))
	s.done = max(s.done, min(s.queue, high))
	s.queue, s.part = low, 0 // part: messages may come into another slot than before
	s.staged.reset()
	// timercheck first: nothing may be claimed that is gone, nor copies that are
	// not flushed yet.
	d := &s.files.durable
	claim := check{read: d.read, version: d.version, done: max(d.done, min(d.queue, high))}
	if err := s.writeCheck(claim); err != nil {
		return err
	}
	if err := s.log.seek(0); err != nil {
		return err
	}
	if err := errors.Join(s.files.wheel.Truncate(0), s.files.wheel.Truncate(wheelSize), s.files.wheel.Sync()); err != nil {
		return fmt.Errorf("%s: %w", s.path("timerwheel"), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.wheel, s.mu.broken = wheel{}, nil
	s.mu.counts.clear()
	s.publishRecovered()
	s.files.candidate = nil
	return nil
}

func (s *Service) closeFiles() error {
	var errs []error
	for _, f := range []vfs.File{s.files.wheel, s.files.check} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if s.log != nil {
		errs = append(errs, s.log.close())
	}
	return errors.Join(errs...)
}
