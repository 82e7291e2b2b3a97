package delay

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/run"
	"github.com/aerobee/aerobee/internal/store"
)

// cursor is the progress of one level. It belongs to the goroutine of the service.
type cursor struct {
	queue int32
	delay time.Duration
	next  int64 // offset of the first message not yet delivered
	// done holds offsets beyond next that are dealt with: when one of several
	// copies fails, the others are not made again.
	done    map[int64]bool
	retryAt time.Time // not before this
	backoff time.Duration

	buf      []byte
	copies   []message.Message
	offsets  []int64 // of the copies
	outcomes []Outcome
}

// turn delivers what is due of one level, up to a limit, and answers how long
// the level has nothing to do.
func (s *Service) turn(ctx context.Context, c *cursor) time.Duration {
	now := s.cfg.Now()
	if wait := c.retryAt.Sub(now); wait > 0 {
		return wait
	}
	units := s.units(c)
	if len(units) == 0 {
		return s.drain(c)
	}
	s.drained[c.queue].Store(false)
	looked, wait := s.collect(c, units, now)
	if len(c.copies) > 0 {
		s.cfg.Deliver(ctx, c.copies, c.outcomes)
		wait = 0 // that took time: look again
	}
	s.settle(c, looked, now)
	return max(wait, c.retryAt.Sub(now))
}

// drain marks a level that is at its end. The end is looked at again after the
// mark is set, so that an arrival in between is not missed.
func (s *Service) drain(c *cursor) time.Duration {
	s.drained[c.queue].Store(true)
	if s.cfg.Store.MaxOffset(Topic, c.queue) > c.next {
		return 0
	}
	return run.Forever
}

// units reads the next entries of a level. A cursor outside its queue, as after
// files were deleted, is put back to the nearest end.
func (s *Service) units(c *cursor) []store.Unit {
	if units := s.cfg.Store.Units(Topic, c.queue, c.next, turnMessages); len(units) > 0 {
		return units
	}
	low, high := s.cfg.Store.MinOffset(Topic, c.queue), s.cfg.Store.MaxOffset(Topic, c.queue)
	corrected := min(max(c.next, low), high)
	if corrected == c.next {
		return nil
	}
	s.cfg.Log.Warn("delay cursor outside its queue", slog.Int("level", int(c.queue)+1), slog.Int64("offset", c.next), slog.Int64("min", low), slog.Int64("max", high))
	c.next = corrected
	clear(c.done)
	s.publish(c)
	return s.cfg.Store.Units(Topic, c.queue, c.next, turnMessages)
}

// collect makes the copies of the entries that are due. It answers the offset it
// stopped before, and how long that one has to wait.
func (s *Service) collect(c *cursor, units []store.Unit, now time.Time) (looked int64, wait time.Duration) {
	c.copies, c.offsets, c.outcomes, c.buf = c.copies[:0], c.offsets[:0], c.outcomes[:0], c.buf[:0]
	nowMs := now.UnixMilli()
	for i, u := range units {
		offset := c.next + int64(i)
		if wait := u.TagsCode - nowMs; wait > 0 && wait <= c.delay.Milliseconds() {
			return offset, time.Duration(wait) * time.Millisecond
		}
		if c.done[offset] {
			continue
		}
		if len(c.buf) >= turnBytes {
			return offset, 0
		}
		if copied, ok := s.copyOf(c, u, offset); ok {
			c.copies = append(c.copies, copied)
			c.offsets = append(c.offsets, offset)
			c.outcomes = append(c.outcomes, Retry)
		} else {
			c.markDone(offset)
		}
	}
	return c.next + int64(len(units)), 0
}

// copyOf reads a record and makes the message that is to be delivered. What can
// never be delivered is passed over: a record that is gone, has no destination,
// or wants to go among the half messages.
func (s *Service) copyOf(c *cursor, u store.Unit, offset int64) (copied message.Message, ok bool) {
	log := s.cfg.Log.With(slog.Int("level", int(c.queue)+1), slog.Int64("offset", offset), slog.Int64("physical", u.Phy))
	at := len(c.buf)
	buf, err := s.cfg.Store.Record(u.Phy, c.buf)
	if err != nil {
		log.Warn("delayed message passed over: not readable", slog.Any("error", err))
		return copied, false
	}
	c.buf = buf
	copied, err = message.Parse(c.buf[at:])
	if err != nil {
		log.Error("delayed message passed over: not a record", slog.Any("error", err))
		return copied, false
	}
	topic, _ := message.Property(copied.Properties, message.PropRealTopic)
	queue, err := realQueue(copied.Properties)
	if topic == "" || topic == protocol.HalfTopic || err != nil {
		log.Error("delayed message passed over: no destination", slog.String("topic", topic), slog.Any("error", err))
		return copied, false
	}
	copied.Topic, copied.QueueID = topic, queue
	copied.PreparedTransactionOffset = 0
	return copied, true
}

func realQueue(props string) (int32, error) {
	text, _ := message.Property(props, message.PropRealQueueID)
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil && n < 0 {
		err = errors.New("negative queue")
	}
	return int32(n), err
}

func (c *cursor) markDone(offset int64) {
	if c.done == nil {
		c.done = make(map[int64]bool)
	}
	c.done[offset] = true
}

// settle moves the cursor over what is dealt with, at most to looked, and sets
// the pause when a copy has to be made again.
func (s *Service) settle(c *cursor, looked int64, now time.Time) {
	failed := false
	for i, o := range c.outcomes {
		switch o {
		case Retry:
			failed = true
			continue
		case Refused:
			s.cfg.Log.Error("delayed message passed over: refused by the store", slog.String("topic", c.copies[i].Topic), slog.Int64("offset", c.offsets[i]))
		case Stored:
		}
		c.markDone(c.offsets[i])
	}
	before := c.next
	for c.next < looked && c.done[c.next] {
		delete(c.done, c.next)
		c.next++
	}
	if c.next != before {
		s.publish(c)
	}
	if failed {
		c.backoff = min(max(2*c.backoff, retryFirst), retryMost)
		c.retryAt = now.Add(c.backoff)
	} else {
		c.backoff = 0
	}
	clear(c.copies)
	if cap(c.buf) > keptBytes {
		c.buf = nil
	}
}

// publish makes the cursor's position visible outside its goroutine.
func (s *Service) publish(c *cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := c.next - s.mu.offsets[c.queue]
	s.mu.offsets[c.queue] = c.next
	step := s.cfg.VersionStep
	if (s.mu.moves+moved)/step != s.mu.moves/step {
		s.mu.version.Counter++
		s.mu.version.StateVersion = 0
		s.mu.version.Timestamp = s.cfg.Now().UnixMilli()
	}
	s.mu.moves += moved
}
