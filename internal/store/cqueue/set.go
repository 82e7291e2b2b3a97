package cqueue

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
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
	// FileSize is the length of a queue file in bytes, a multiple of UnitSize
	// (mappedFileSizeConsumeQueue).
	FileSize int64
	// LogMin is where the commit log begins: units below are not shown.
	LogMin func() int64
	// OpenFiles bounds the files kept open.
	OpenFiles int
}

// Key names a queue.
type Key struct {
	Topic string
	ID    int32
}

// Set is all consume queues of a store.
type Set struct {
	cfg     Config
	handles *handles
	trusted int64        // see Trust
	units   atomic.Int64 // in memory and not yet on disk
	scratch []byte       // of Flush
	mu      struct {
		sync.RWMutex
		queues map[Key]*Queue
	}
	dirty struct {
		sync.Mutex
		queues []*Queue // each at most once: Queue.mu.dirty
	}
	unsynced struct {
		sync.Mutex
		paths map[string]bool // files written since the last Sync
		dirs  map[string]bool // directories in which files were made
	}
}

// NewSet returns the set over cfg.Dir. Nothing is read yet.
func NewSet(cfg Config) *Set {
	s := &Set{cfg: cfg, trusted: math.MaxInt64, handles: newHandles(cfg.FS, cfg.OpenFiles)}
	s.mu.queues = make(map[Key]*Queue)
	s.unsynced.paths = make(map[string]bool)
	s.unsynced.dirs = make(map[string]bool)
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
	s.mu.RLock()
	q := s.mu.queues[Key{topic, id}]
	s.mu.RUnlock()
	if q == nil {
		var err error
		if q, err = s.add(topic, id); err != nil {
			return nil, err
		}
	}
	return q, q.open()
}

func (s *Set) add(topic string, id int32) (*Queue, error) {
	if topic == "" || id < 0 || topic == "." || topic == ".." || strings.ContainsAny(topic, "/\\\x00") {
		return nil, fmt.Errorf("consume queue %q %d: not a name of a queue", topic, id)
	}
	topic = strings.Clone(topic)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := Key{topic, id}
	if q := s.mu.queues[key]; q != nil {
		return q, nil
	}
	q := &Queue{set: s, key: key}
	s.mu.queues[key] = q
	return q, nil
}

// Lookup returns a queue only if it has been used or has files, nil otherwise.
func (s *Set) Lookup(topic string, id int32) (*Queue, error) {
	s.mu.RLock()
	q := s.mu.queues[Key{topic, id}]
	s.mu.RUnlock()
	if q != nil {
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
	for k := range s.mu.queues {
		if k.Topic == topic {
			ids[k.ID] = true
		}
	}
	s.mu.RUnlock()
	list := make([]int32, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list, nil
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
	for k := range s.mu.queues {
		seen[k.Topic] = true
	}
	s.mu.RUnlock()
	topics := make([]string, 0, len(seen))
	for t := range seen {
		topics = append(topics, t)
	}
	sort.Strings(topics)
	return topics, nil
}

// Delete removes all queues of a topic and their files. Units that are appended
// to a deleted Queue go nowhere.
func (s *Set) Delete(topic string) error {
	s.mu.Lock()
	var gone []*Queue
	for k, q := range s.mu.queues {
		if k.Topic == topic {
			gone = append(gone, q)
			delete(s.mu.queues, k)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, q := range gone {
		errs = append(errs, q.discard())
	}
	errs = append(errs, s.cfg.FS.RemoveAll(filepath.Join(s.cfg.Dir, topic)))
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// RemoveBefore removes queue files all of whose units point below logMin. The
// last file of each queue stays, and with it the queue's numbering.
func (s *Set) RemoveBefore(logMin int64) error {
	topics, err := s.Topics()
	if err != nil {
		return err
	}
	var errs []error
	for _, topic := range topics {
		ids, err := s.IDs(topic)
		errs = append(errs, err)
		for _, id := range ids {
			errs = append(errs, s.removeBefore(Key{topic, id}, logMin))
		}
	}
	return errors.Join(errs...)
}

func (s *Set) removeBefore(k Key, logMin int64) error {
	infos, err := s.cfg.FS.ReadDir(s.queueDir(k))
	if len(infos) < 2 || err != nil {
		return nil // one file or none: nothing to do, and no need to open the queue
	}
	q, err := s.Queue(k.Topic, k.ID)
	if err != nil {
		return err
	}
	_, err = q.RemoveBefore(logMin)
	return err
}

// Unwritten is the number of units that exist in memory only.
func (s *Set) Unwritten() int64 { return s.units.Load() }

// Flush writes the units of records below logDurable to their files. Sync makes
// them durable. Only one Flush runs at a time.
func (s *Set) Flush(logDurable int64) error {
	s.dirty.Lock()
	queues := s.dirty.queues
	s.dirty.queues = nil
	s.dirty.Unlock()
	var errs []error
	for _, q := range queues {
		errs = append(errs, q.flush(logDurable))
	}
	return errors.Join(errs...)
}

// Sync makes all that Flush has written durable, files and names.
func (s *Set) Sync() error {
	s.unsynced.Lock()
	paths, dirs := s.unsynced.paths, s.unsynced.dirs
	s.unsynced.paths, s.unsynced.dirs = make(map[string]bool), make(map[string]bool)
	s.unsynced.Unlock()
	var errs []error
	for path := range paths {
		errs = append(errs, s.syncFile(path))
	}
	for dir := range dirs {
		if err := s.cfg.FS.SyncDir(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Set) syncFile(path string) error {
	f, err := s.handles.get(path, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), s.handles.put(f))
}

func (s *Set) markDirty(q *Queue) {
	s.dirty.Lock()
	s.dirty.queues = append(s.dirty.queues, q)
	s.dirty.Unlock()
}

func (s *Set) markUnsynced(path string) {
	s.unsynced.Lock()
	s.unsynced.paths[path] = true
	s.unsynced.Unlock()
}

// markMade notes the directories whose entries must be synced for a new file.
func (s *Set) markMade(dir string) {
	s.unsynced.Lock()
	for _, d := range []string{dir, filepath.Dir(dir), s.cfg.Dir, filepath.Dir(s.cfg.Dir)} {
		s.unsynced.dirs[d] = true
	}
	s.unsynced.Unlock()
}

// Close closes the files. Call Flush and Sync before.
func (s *Set) Close() error { return s.handles.close() }
