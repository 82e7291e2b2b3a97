package cqueue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Config says where the queues are.
type Config struct {
	FS  vfs.FS
	Dir string // the store's consumequeue directory
	// FileSize is the length of a queue file in bytes, a multiple of the
	// units' (mappedFileSizeConsumeQueue, mapperFileSizeBatchConsumeQueue).
	FileSize int64
	// LogMin is where the commit log begins: units below are not shown.
	LogMin func() int64
	// Floor is where in the log the messages of a queue begin that may be shown,
	// asked when the queue is used for the first time; see Queue.Hide. Nil: 0.
	Floor func(Key) int64
	// OpenFiles bounds the files kept open.
	OpenFiles int
	// Missing finds the units of a queue in the part of the log that recovery
	// did not read, ascending. It is asked when a queue's files end before they
	// should, and may take long. Nil finds none.
	Missing func(Key) ([]Located, error)
	// ExtDir has the extended queue files, of ExtFileSize bytes each
	// (mappedFileSizeConsumeQueueExt).
	ExtDir      string
	ExtFileSize int64
	// Batch says that these are batch queues, in Dir batchconsumequeue.
	Batch bool
}

// Key names a queue.
type Key struct {
	Topic string
	ID    int32
}

// Set is all consume queues of a store.
type Set struct {
	cfg      Config
	handles  *handles
	trusted  int64        // see Trust
	units    atomic.Int64 // in memory and not yet on disk
	dirty    waiting      // queues with units to write, or to let go of
	full     waiting      // those with a page of units to write
	several  several      // those with more than one file
	unsynced unsynced
	flushing struct {
		sync.Mutex
		scratch []byte
	}
	mu struct {
		sync.RWMutex
		topics map[string]*topic
	}
}

// topic is the queues of a topic, by id. They share its name.
type topic struct {
	name   string
	queues map[int32]*Queue
}

// waiting is queues that wait for a flush, each at most once: a flag of the queue
// says that it is there.
type waiting struct {
	sync.Mutex
	queues []*Queue
}

func (l *waiting) add(q *Queue) {
	l.Lock()
	l.queues = append(l.queues, q)
	l.Unlock()
}

func (l *waiting) take() []*Queue {
	l.Lock()
	defer l.Unlock()
	queues := l.queues
	l.queues = nil
	return queues
}

// NewSet returns the set over cfg.Dir. Nothing is read yet.
func NewSet(cfg Config) *Set {
	s := &Set{cfg: cfg, trusted: math.MaxInt64, handles: newHandles(cfg.FS, cfg.OpenFiles)}
	s.mu.topics = make(map[string]*topic)
	s.unsynced.fs, s.unsynced.dir = cfg.FS, cfg.Dir
	return s
}

// Trust says that after a crash only units of records that start below phy are
// known to be complete on disk. Queues drop all others when they are opened, and
// recovery appends them again. Only before the first queue is used.
func (s *Set) Trust(phy int64) { s.trusted = phy }

// Queue returns a queue, which exists as soon as somebody asks for it; its files
// only with its first unit. The topic may alias a buffer. It fails when the
// files cannot be read or the name cannot be a directory.
func (s *Set) Queue(topic string, id int32) (*Queue, error) {
	q, err := s.find(topic, id)
	if err != nil {
		return nil, err
	}
	return q, q.open()
}

// known returns a queue that was used before, nil otherwise.
func (s *Set) known(topic string, id int32) *Queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.mu.topics[topic]; t != nil {
		return t.queues[id]
	}
	return nil
}

// find returns a queue, not necessarily open.
func (s *Set) find(topic string, id int32) (*Queue, error) {
	if q := s.known(topic, id); q != nil {
		return q, nil
	}
	return s.add(topic, id)
}

func (s *Set) add(name string, id int32) (*Queue, error) {
	if name == "" || id < 0 || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
		return nil, fmt.Errorf("consume queue %q %d: not a name of a queue", name, id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mu.topics[name]
	if t == nil {
		t = &topic{name: strings.Clone(name), queues: make(map[int32]*Queue)}
		s.mu.topics[t.name] = t
	}
	q := t.queues[id]
	if q == nil {
		q = &Queue{set: s, key: Key{t.name, id}}
		q.mu.lastPhy = -1
		t.queues[id] = q
	}
	return q, nil
}

// Lookup returns a queue only if it has been used or has files, nil otherwise.
func (s *Set) Lookup(topic string, id int32) (*Queue, error) {
	if q := s.known(topic, id); q != nil {
		return q, q.open()
	}
	if id < 0 || topic == "" || strings.ContainsAny(topic, "/\\\x00") {
		return nil, nil
	}
	if _, err := s.cfg.FS.Stat(s.queueDir(Key{topic, id})); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return s.Queue(topic, id)
}

func (s *Set) queueDir(k Key) string {
	return filepath.Join(s.cfg.Dir, k.Topic, strconv.Itoa(int(k.ID)))
}

// IDs lists the queues of a topic on disk and in memory, ascending.
func (s *Set) IDs(topic string) ([]int32, error) {
	ids := make(map[int32]bool)
	infos, err := s.cfg.FS.ReadDir(filepath.Join(s.cfg.Dir, topic))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, info := range infos {
		if id, err := strconv.ParseInt(info.Name, 10, 32); err == nil && info.IsDir {
			ids[int32(id)] = true
		}
	}
	s.mu.RLock()
	if t := s.mu.topics[topic]; t != nil {
		for id := range t.queues {
			ids[id] = true
		}
	}
	s.mu.RUnlock()
	return slices.Sorted(maps.Keys(ids)), nil
}

// Len is how many topics have queues in memory.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.mu.topics)
}

// Topics lists the topics that have queues on disk or in memory, sorted.
func (s *Set) Topics() ([]string, error) {
	seen := make(map[string]bool)
	infos, err := s.cfg.FS.ReadDir(s.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, info := range infos {
		if info.IsDir {
			seen[info.Name] = true
		}
	}
	s.mu.RLock()
	for name := range s.mu.topics {
		seen[name] = true
	}
	s.mu.RUnlock()
	return slices.Sorted(maps.Keys(seen)), nil
}

// Delete removes all queues of a topic and their files. Units that are appended
// to a deleted Queue go nowhere.
func (s *Set) Delete(topic string) error {
	s.mu.Lock()
	gone := s.mu.topics[topic]
	delete(s.mu.topics, topic)
	s.mu.Unlock()
	var errs []error
	if gone != nil {
		for _, id := range slices.Sorted(maps.Keys(gone.queues)) {
			errs = append(errs, gone.queues[id].discard())
		}
	}
	errs = append(errs, s.cfg.FS.RemoveAll(filepath.Join(s.cfg.Dir, topic)))
	return errors.Join(append(errs, s.SyncDir())...)
}

// Unwritten is the number of units that exist in memory only.
func (s *Set) Unwritten() int64 { return s.units.Load() }

// Flush writes the units of records below logDurable to their files. Sync makes
// them durable. It goes on when a queue fails, and ends when ctx does.
func (s *Set) Flush(ctx context.Context, logDurable int64) error {
	queues := s.dirty.take()
	keep := int64(keepUnits)
	if len(queues) > keepingQueues {
		keep = 0
	}
	return s.flush(ctx, queues, logDurable, keep, false)
}

// FlushFull is Flush for those queues only that have a page of units to write.
func (s *Set) FlushFull(ctx context.Context, logDurable int64) error {
	return s.flush(ctx, s.full.take(), logDurable, keepUnits, true)
}

func (s *Set) flush(ctx context.Context, queues []*Queue, logDurable, keep int64, fullOnly bool) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	var errs []error
	for _, q := range queues {
		if ctx.Err() == nil {
			if err := q.flush(logDurable, keep); err != nil {
				errs = append(errs, err)
			}
		}
		q.settled(fullOnly)
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// Sync makes all that Flush has written durable, files and names.
func (s *Set) Sync() error { return s.unsynced.sync(s.handles) }

// Close closes the files. Call Flush and Sync before.
func (s *Set) Close() error { return s.handles.close() }
