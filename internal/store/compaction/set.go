package compaction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Config of a Set.
type Config struct {
	FS            vfs.FS
	Dir           string // compaction below the store directory
	LogFileSize   int64
	QueueFileSize int64
	MaxKeys       int // that one compaction looks at, about 50 bytes of memory each
	TagsCode      func(tags string) int64
	// Pace waits as long as so many bytes of a compaction should take.
	Pace func(ctx context.Context, bytes int) error
}

func (c *Config) logRoot() string { return filepath.Join(c.Dir, "compactionLog") }
func (c *Config) cqRoot() string  { return filepath.Join(c.Dir, "compactionCq") }

// FileSizes are the sizes of log and queue files that Java makes of its settings
// compactionMappedFileSize and compactionCqMappedFileSize.
func FileSizes(log, queue int64) (logSize, queueSize int64) {
	queueSize = queue / UnitSize * UnitSize
	n, rest := log/queueSize, log%queueSize
	switch {
	case n < 5:
		return queueSize * 5, queueSize
	case rest > 0 && rest < queueSize/2:
		return n * queueSize, queueSize
	default:
		return (n + 1) * queueSize, queueSize
	}
}

// Key names a queue.
type Key struct {
	Topic string
	ID    int32
}

// Set is the compaction logs of a store.
type Set struct {
	cfg       Config
	open      atomic.Int32 // how many queues are
	positions map[string]int64

	mu     sync.RWMutex // guards what follows
	queues map[Key]*Queue
	stop   context.CancelFunc // of the compaction that runs
}

// positionFile is how far the queues were compacted.
type positionFile struct {
	Empty          bool             `json:"empty"`
	QueueOffsetMap map[string]int64 `json:"queueOffsetMap"`
}

func (c *Config) positionPath() string { return filepath.Join(c.Dir, "position-checkpoint") }

// Open reads how far the queues were compacted. It touches no queue.
func Open(cfg Config) (*Set, error) {
	s := &Set{cfg: cfg, queues: make(map[Key]*Queue), positions: make(map[string]int64)}
	err := vfs.LoadFile(cfg.FS, cfg.positionPath(), func(data []byte) error {
		var f positionFile
		if err := json.Unmarshal(data, &f); err != nil {
			return err
		}
		if f.QueueOffsetMap != nil {
			s.positions = f.QueueOffsetMap
		}
		return nil
	})
	if err != nil && !isNotExist(err) {
		return nil, fmt.Errorf("compaction: %w", err)
	}
	return s, nil
}

// Lookup is the open compaction log of a queue, nil when there is none.
func (s *Set) Lookup(topic string, id int32) *Queue {
	if s == nil || s.open.Load() == 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queues[Key{topic, id}]
}

// Queue opens the compaction log of a queue, which is made when missing. The queue
// itself has max messages: what is here and beyond belongs to records that the
// commit log has lost, and goes.
func (s *Set) Queue(topic string, id int32, most int64) (*Queue, error) {
	if q := s.Lookup(topic, id); q != nil {
		return q, nil
	}
	q, err := openQueue(&s.cfg, topic, id, most)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.queues[Key{topic, id}] = q
	s.mu.Unlock()
	s.open.Add(1)
	return q, nil
}

func (q *Queue) name() string { return q.topic + "_" + strconv.Itoa(int(q.id)) }

// Compact compacts a queue from where the last compaction ended, and notes where it
// ended.
func (s *Set) Compact(ctx context.Context, q *Queue) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.stop = cancel
	s.mu.Unlock()
	position, ok := s.positions[q.name()]
	if !ok {
		position = -1
	}
	r, err := q.Compact(ctx, position)
	if err != nil || r.Covered == position {
		return r, err
	}
	s.positions[q.name()] = r.Covered
	return r, s.savePositions()
}

// Interrupt ends the compaction that runs.
func (s *Set) Interrupt() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stop != nil {
		s.stop()
	}
}

// Remove removes what is kept of a topic's queues.
func (s *Set) Remove(topic string) error {
	var errs []error
	for k, q := range s.queues { // nobody else adds or removes
		if k.Topic != topic {
			continue
		}
		s.mu.Lock()
		delete(s.queues, k)
		s.mu.Unlock()
		s.open.Add(-1)
		delete(s.positions, q.name())
		errs = append(errs, q.remove())
	}
	return errors.Join(append(errs, s.savePositions())...)
}

func (s *Set) savePositions() error {
	data, err := json.Marshal(positionFile{Empty: len(s.positions) == 0, QueueOffsetMap: s.positions})
	if err != nil {
		return err
	}
	return vfs.ReplaceFile(s.cfg.FS, s.cfg.positionPath(), data)
}

// Close closes all queues.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for k, q := range s.queues {
		errs = append(errs, q.Close())
		delete(s.queues, k)
		s.open.Add(-1)
	}
	return errors.Join(errs...)
}
