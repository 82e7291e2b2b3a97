package meta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Pace of the writer: after a file of bigFile bytes or more it rests restFactor
// times as long as the write took, at most maxRest; smaller ones are written one
// after the other. After a failure it tries again after retryRest.
const (
	bigFile    = 1 << 20
	restFactor = 4
	maxRest    = 5 * time.Second
	retryRest  = time.Second
)

// errSaverStopped answers those who wait for a write that will not come.
var errSaverStopped = errors.New("the broker is stopping")

// saver writes a state file after changes, in a goroutine of its own (run).
// Changes between two writes share one.
type saver struct {
	fs     vfs.FS
	path   string
	encode func() []byte // called without locks held
	log    *slog.Logger
	wake   chan struct{}

	mu struct {
		sync.Mutex
		changed uint64        // changes made
		saved   uint64        // changes on disk
		tried   uint64        // changes that the last attempt covered
		err     error         // of the last attempt
		done    chan struct{} // closed at the end of the attempt that is next
		stopped bool
	}
}

func newSaver(fs vfs.FS, path string, encode func() []byte, log *slog.Logger) *saver {
	s := &saver{fs: fs, path: path, encode: encode, log: log, wake: make(chan struct{}, 1)}
	s.mu.done = make(chan struct{})
	return s
}

// mark tells that there is something to write.
func (s *saver) mark() {
	s.mu.Lock()
	s.mu.changed++
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// wait blocks until the changes made so far are on disk.
func (s *saver) wait(ctx context.Context) error {
	s.mu.Lock()
	want := s.mu.changed
	for {
		if s.mu.saved >= want {
			s.mu.Unlock()
			return nil
		}
		if s.mu.err != nil && s.mu.tried >= want {
			err := s.mu.err
			s.mu.Unlock()
			return err
		}
		if s.mu.stopped {
			s.mu.Unlock()
			return errSaverStopped
		}
		done := s.mu.done
		s.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
	}
}

// run writes until ctx ends, and once more then if there is something left.
func (s *saver) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		select {
		case <-ctx.Done():
			return s.stop()
		case <-s.wake:
		}
		rest, err := s.write()
		if err != nil {
			s.log.Error("cannot write a state file", "path", s.path, "error", err)
			s.again()
			rest = retryRest
		}
		if rest <= 0 {
			continue
		}
		timer.Reset(rest)
		select {
		case <-ctx.Done():
			return s.stop()
		case <-timer.C:
		}
	}
}

func (s *saver) again() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *saver) stop() error {
	_, err := s.write()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.stopped = true
	close(s.mu.done)
	s.mu.done = make(chan struct{})
	return err
}

// write puts the present state on disk if it is not there, and tells how long to
// rest afterwards.
func (s *saver) write() (rest time.Duration, err error) {
	s.mu.Lock()
	covers := s.mu.changed
	clean := s.mu.saved == covers
	s.mu.Unlock()
	if clean {
		return 0, nil
	}
	began := time.Now()
	data := s.encode()
	if err = vfs.ReplaceFile(s.fs, s.path, data); err != nil {
		err = fmt.Errorf("write %s: %w", s.path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.tried, s.mu.err = covers, err
	if err == nil {
		s.mu.saved = covers
	}
	close(s.mu.done)
	s.mu.done = make(chan struct{})
	if len(data) >= bigFile {
		rest = min(restFactor*time.Since(began), maxRest)
	}
	return rest, err
}
