package timer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// candidate is a check point that may be written once the commit log is flushed to
// end: the copies that it takes for made are before that.
type candidate struct {
	check
	end int64
}

// Periods of the less important writes.
const (
	countsPeriod = 10 * time.Second
	cleanPeriod  = 30 * time.Second // as in Java
	pagesAtOnce  = 256
)

// checkpoints is the goroutine that writes the index.
func (s *Service) checkpoints(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.Settings().FlushInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := s.Checkpoint(); err != nil {
			s.cfg.Log.Error("timer: index not written", slog.Any("error", err))
		}
		timer.Reset(max(s.cfg.Settings().FlushInterval, time.Millisecond))
	}
}

// Checkpoint writes entries, wheel and, as soon as the commit log is flushed far
// enough, timercheck. It does nothing when nothing has changed. After a failure the
// index is made anew: what a failed sync left on disk is not known, and a second
// one would not tell.
func (s *Service) Checkpoint() error {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	broken := s.mu.broken
	s.mu.Unlock()
	if broken != nil {
		return nil // the other goroutine is at it
	}
	err := s.checkpoint()
	if err != nil && !vfs.NoSpace(err) {
		s.mu.Lock()
		s.mu.broken = err
		s.mu.Unlock()
		s.wake()
	}
	return err
}

func (s *Service) checkpoint() error {
	now := s.cfg.Now()
	s.mu.Lock()
	s.mu.rates.sample(now)
	s.mu.Unlock()
	if err := s.tryCandidate(); err != nil {
		return err
	}
	if s.files.candidate == nil {
		if err := s.makeCandidate(); err != nil {
			return err
		}
		if err := s.tryCandidate(); err != nil {
			return err
		}
	}
	if now.Sub(s.files.cleaned) >= cleanPeriod {
		s.files.cleaned = now
		if err := s.clean(); err != nil {
			return err
		}
	}
	if now.Sub(s.files.countsSaved) < countsPeriod {
		return nil
	}
	s.files.countsSaved = now
	return s.saveCounts()
}

// makeCandidate makes entries and wheel durable up to what is settled now.
func (s *Service) makeCandidate() error {
	s.mu.Lock()
	if !s.mu.changed {
		s.mu.Unlock()
		return nil
	}
	s.mu.changed = false
	s.mu.state.version.Counter++
	s.mu.state.version.Timestamp = s.cfg.Now().UnixMilli()
	c := &candidate{check: s.mu.state}
	s.mu.Unlock()
	c.end = s.cfg.Store.LogMax() // after the state: its copies are before it
	if err := s.writeWheel(c.log); err != nil {
		s.mu.Lock()
		s.mu.changed = true
		s.mu.Unlock()
		return err
	}
	s.files.candidate = c
	return nil
}

// writeWheel writes the pages that were changed, each after the entries that it
// points at (T2). settled is the position up to which entries must be durable.
func (s *Service) writeWheel(settled int64) error {
	if err := s.log.sync(settled); err != nil {
		return err
	}
	wrote := false
	for {
		s.mu.Lock()
		pages, data := s.mu.wheel.takeDirty(pagesAtOnce)
		end := s.log.written() // all that the pages point at is below
		s.mu.Unlock()
		if len(pages) == 0 {
			break
		}
		wrote = true
		err := s.log.sync(end)
		for i := 0; err == nil && i < len(pages); i++ {
			_, err = s.files.wheel.WriteAt(data[i*pageSize:(i+1)*pageSize], int64(pages[i])*pageSize)
		}
		if err != nil {
			s.mu.Lock()
			s.mu.wheel.giveBack(pages)
			s.mu.Unlock()
			return fmt.Errorf("%s: %w", s.path("timerwheel"), err)
		}
	}
	if !wrote {
		return nil
	}
	if err := s.files.wheel.Sync(); err != nil {
		return fmt.Errorf("%s: %w", s.path("timerwheel"), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.wheel.evict(s.mu.state.read / s.precision)
	return nil
}

func (s *Service) tryCandidate() error {
	c := s.files.candidate
	if c == nil || s.cfg.Store.Flushed() < c.end {
		return nil
	}
	s.files.candidate = nil // after an error nobody knows what is written
	return s.writeCheck(c.check)
}

func (s *Service) writeCheck(c check) error {
	if _, err := s.files.check.WriteAt(c.appendFile(nil, s.precision), 0); err != nil {
		return fmt.Errorf("%s: %w", s.path("config/timercheck"), err)
	}
	if err := s.files.check.Sync(); err != nil {
		return fmt.Errorf("%s: %w", s.path("config/timercheck"), err)
	}
	s.files.durable = c
	return nil
}

// clean removes files of the log whose messages the commit log no longer has.
func (s *Service) clean() error {
	return s.log.removeBefore(s.cfg.Store.LogMin())
}

func (s *Service) saveCounts() error {
	s.mu.Lock()
	if !s.mu.counts.changed {
		s.mu.Unlock()
		return nil
	}
	s.mu.counts.changed = false
	data := javajson.Marshal(metricsFile(s.mu.counts.copy()))
	s.mu.Unlock()
	if err := vfs.ReplaceFile(s.cfg.FS, s.path("config/timermetrics"), data); err != nil {
		s.mu.Lock()
		s.mu.counts.changed = true
		s.mu.Unlock()
		return fmt.Errorf("timer metrics: %w", err)
	}
	return nil
}

func metricsFile(t protocol.TimerMetrics) *protocol.TimerMetrics { return &t }

// Close writes everything as it is and closes the files. Call it after the
// goroutines have ended and the store is flushed.
func (s *Service) Close() error {
	s.mu.Lock()
	s.mu.changed = true
	s.mu.Unlock()
	s.files.Lock()
	defer s.files.Unlock()
	s.files.candidate = nil
	err := s.makeCandidate()
	if err == nil {
		err = s.tryCandidate()
	}
	if err == nil {
		err = s.saveCounts()
	}
	if cerr := s.closeFiles(); err == nil {
		err = cerr
	}
	return err
}
