package delay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// content is delayOffset.json.
type content struct {
	DataVersion *protocol.DataVersion `json:"dataVersion"`
	OffsetTable map[int32]int64       `json:"offsetTable"` // level -> next offset
}

// candidate is a checkpoint that may be written once the log is flushed to end.
type candidate struct {
	offsets []int64
	version protocol.DataVersion
	end     int64
}

// Open returns a service that goes on where the file, or its previous
// generation, says. A missing file begins at the start of every queue, as Java
// does; one of which neither generation can be read is an error that names it.
// Offsets outside their queues are corrected when they are used.
func Open(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.VersionStep <= 0 {
		cfg.VersionStep = DefaultVersionStep
	}
	var c content
	err := vfs.LoadFile(cfg.FS, cfg.Path, func(data []byte) error {
		c = content{}
		return javajson.Unmarshal(data, &c)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("delay offsets: %w", err)
	}
	s := &Service{cfg: cfg, signal: make(chan struct{}, 1), drained: make([]atomic.Bool, len(cfg.Levels))}
	s.mu.offsets = make([]int64, len(cfg.Levels))
	s.mu.version.Timestamp = cfg.Now().UnixMilli()
	if c.DataVersion != nil {
		s.mu.version = *c.DataVersion
	}
	for level, offset := range c.OffsetTable {
		if level >= 1 && level <= cfg.Levels.Max() {
			s.mu.offsets[level-1] = max(offset, 0)
		}
	}
	for queue, d := range cfg.Levels {
		s.cursors = append(s.cursors, &cursor{queue: int32(queue), delay: d, next: s.mu.offsets[queue]})
	}
	s.file.written = slices.Clone(s.mu.offsets)
	return s, nil
}

// Encode returns the cursors as GET_ALL_DELAY_OFFSET answers them, in fastjson's
// dialect with unquoted levels.
func (s *Service) Encode() []byte {
	offsets, version := s.snapshot()
	return javajson.Marshal(content{DataVersion: &version, OffsetTable: byLevel(offsets)})
}

func (s *Service) snapshot() ([]int64, protocol.DataVersion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mu.offsets), s.mu.version
}

// Checkpoint writes the cursors as they were at the previous call, if they have
// changed and the log is flushed beyond what was delivered until then.
func (s *Service) Checkpoint() error {
	s.file.Lock()
	defer s.file.Unlock()
	if c := s.file.candidate; c != nil && s.cfg.Store.Flushed() >= c.end {
		s.file.candidate = nil
		if err := s.writeLocked(c.offsets, c.version); err != nil {
			return err
		}
	}
	if s.file.candidate == nil {
		offsets, version := s.snapshot() // before the end: its copies are below it
		s.file.candidate = &candidate{offsets: offsets, version: version, end: s.cfg.Store.LogMax()}
	}
	return nil
}

// Save writes the cursors as they are. Call it after the goroutines have ended
// and the store is flushed.
func (s *Service) Save() error {
	s.file.Lock()
	defer s.file.Unlock()
	offsets, version := s.snapshot()
	s.file.candidate = nil
	return s.writeLocked(offsets, version)
}

func (s *Service) writeLocked(offsets []int64, version protocol.DataVersion) error {
	if slices.Equal(offsets, s.file.written) {
		return nil
	}
	data := javajson.MarshalPretty(content{DataVersion: &version, OffsetTable: byLevel(offsets)})
	if err := vfs.ReplaceFile(s.cfg.FS, s.cfg.Path, data); err != nil {
		return fmt.Errorf("delay offsets: %w", err)
	}
	s.file.written = offsets
	return nil
}

// checkpoints is the goroutine that writes the file.
func (s *Service) checkpoints(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.Interval())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := s.Checkpoint(); err != nil {
			s.cfg.Log.Error("delay offsets not saved", slog.Any("error", err))
		}
		timer.Reset(max(s.cfg.Interval(), time.Millisecond))
	}
}
