package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Keys are put when batchKeys of them wait, or after batchTime: to wake a goroutine
// for each message costs more than the message. Queries do not wait for it.
const (
	batchKeys = 1 << 12
	batchTime = 100 * time.Millisecond
)

// maxPending is how many keys may wait for the index's goroutine before whoever
// adds more has to put them itself: 24 bytes each.
const maxPending = 1 << 16

// Config says where the index is and how large its files are.
type Config struct {
	FS     vfs.FS
	Dir    string
	Slots  int64 // maxHashSlotNum
	Max    int64 // maxIndexNum
	Logger *slog.Logger
	Now    func() time.Time
}

// Key is one thing to find a message by.
type Key struct {
	Hash      int32 // see Hash
	Phy       int64
	StoreTime int64 // ms
}

// Hash is the hash of an index key, which is topic#key, without building that
// string: |String.hashCode()|, 0 for the smallest integer.
func Hash(topic, key string) int32 { return positive(javaHash(javaHash(0, topic)*31+'#', key)) }

// TagsHash is Hash of topic#T#tags, the index key of a message's tags.
func TagsHash(topic, tags string) int32 {
	return positive(javaHash(javaHash(javaHash(0, topic), "#T#"), tags))
}

func positive(h int32) int32 {
	if h < 0 {
		h = -h
	}
	return max(h, 0)
}

// javaHash goes on with String.hashCode over the UTF-16 units of s.
func javaHash(h int32, s string) int32 {
	for _, r := range s {
		if r >= 0x10000 {
			r -= 0x10000
			h = h*31 + (0xD800 + r>>10)
			h = h*31 + (0xDC00 + r&0x3FF)
			continue
		}
		h = h*31 + r
	}
	return h
}

// Index is all index files of a store. All methods are safe for concurrent use.
type Index struct {
	cfg  Config
	wake chan struct{} // keys wait
	full chan struct{} // batchKeys of them
	add  struct {
		sync.Mutex
		keys []Key
	}
	mu struct { // guards the files; taken before add
		sync.Mutex
		files []*file // oldest first
		spare []Key
		off   error // why the index is off, if it is
		// While the index is being completed what Add brings waits; then it has all
		// keys of records before done.
		completing bool
		done       int64
	}
}

// State is how an index was left.
type State uint8

// States of an index.
const (
	Closed State = iota // everything is there
	Killed              // the process was; what it had written is there
	Cut                 // the power was: pages may be lost
)

// Open opens the files in cfg.Dir. Unless they were closed, entries of records at
// or behind phy are dropped, and the caller adds them again.
func Open(cfg Config, left State, phy int64) (*Index, error) {
	x := &Index{cfg: cfg, wake: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, err
	}
	if err := cfg.FS.SyncDir(cfg.Dir); err != nil {
		return nil, err
	}
	infos, err := cfg.FS.ReadDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if _, err := strconv.ParseInt(info.Name, 10, 64); err != nil || info.IsDir || len(info.Name) != 17 {
			continue
		}
		f, err := openFile(cfg.FS, filepath.Join(cfg.Dir, info.Name), cfg.Slots, cfg.Max)
		if err != nil {
			return nil, errors.Join(err, x.closeFiles())
		}
		x.mu.files = append(x.mu.files, f)
	}
	if left != Closed { // this writes to the mapping, for which a full disk may have no room
		x.mu.Lock()
		x.guardLocked(func() error { return x.recover(left, phy) })
		x.mu.Unlock()
	}
	return x, nil
}

// recover drops what a crash may have left half written.
func (x *Index) recover(left State, phy int64) error {
	for len(x.mu.files) > 0 {
		last := x.mu.files[len(x.mu.files)-1]
		if left == Killed {
			last.undo(phy)
		} else {
			last.cut(phy)
		}
		if last.h.count > 1 && (left == Killed || last.sound()) {
			return nil
		}
		x.cfg.Logger.Info("index file dropped: nothing of it is known to be complete", "file", last.path)
		x.mu.files = x.mu.files[:len(x.mu.files)-1]
		if err := errors.Join(last.close(), x.cfg.FS.Remove(last.path), x.cfg.FS.SyncDir(x.cfg.Dir)); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) closeFiles() error {
	var errs []error
	for _, f := range x.mu.files {
		errs = append(errs, f.close())
	}
	x.mu.files = nil
	return errors.Join(errs...)
}

// Add queues keys, which are copied. It may do other callers' work when too
// much is waiting.
func (x *Index) Add(keys []Key) {
	if len(keys) == 0 {
		return
	}
	x.add.Lock()
	before := len(x.add.keys)
	x.add.keys = append(x.add.keys, keys...)
	n := len(x.add.keys)
	x.add.Unlock()
	switch {
	case n > maxPending:
		x.drain()
	case before == 0: // Run begins to count the time
		signal(x.wake)
	case n >= batchKeys && before < batchKeys:
		signal(x.full)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Run puts what Add has queued until ctx ends.
func (x *Index) Run(ctx context.Context) error {
	timer := time.NewTimer(batchTime)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-x.wake:
		}
		timer.Reset(batchTime)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-x.full:
		}
		x.drain()
	}
}

func (x *Index) drain() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drainLocked()
}

func (x *Index) drainLocked() {
	if x.mu.completing {
		return
	}
	x.add.Lock()
	keys := x.add.keys
	x.add.keys = x.mu.spare[:0]
	x.add.Unlock()
	x.mu.spare = keys
	if x.mu.off == nil && len(keys) > 0 {
		x.guardLocked(func() error { return x.putLocked(keys) })
	}
}

// guardLocked runs f and turns the index off when it fails; also when it
// touches a page of the mapping for which the disk has no room.
func (x *Index) guardLocked(f func() error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err := fmt.Errorf("index: %v", r)
			if _, ok := r.(interface{ Addr() uintptr }); ok {
				err = fault{err}
			}
			x.turnOffLocked(err)
		}
	}()
	if err := f(); err != nil {
		x.turnOffLocked(err)
	}
}

func (x *Index) turnOffLocked(err error) {
	x.mu.off = err
	x.cfg.Logger.Error("message index is off until the disk has room, or else until the next start: queries by key find older messages only", "error", err)
}

func (x *Index) putLocked(keys []Key) error {
	for _, k := range keys {
		if k.Phy < x.mu.done {
			continue
		}
		f, err := x.currentLocked()
		if err != nil {
			return err
		}
		f.put(k.Hash, k.Phy, k.StoreTime)
	}
	return nil
}

// currentLocked returns the file to put into, a new one when the last is full.
func (x *Index) currentLocked() (*file, error) {
	n := len(x.mu.files)
	if n > 0 && !x.mu.files[n-1].full() {
		return x.mu.files[n-1], nil
	}
	at := x.cfg.Now()
	name := func() string { return at.Format("20060102150405") + fmt.Sprintf("%03d", at.UnixMilli()%1000) }
	for n > 0 && filepath.Base(x.mu.files[n-1].path) >= name() {
		at = at.Add(time.Millisecond)
	}
	if n > 0 {
		if err := x.mu.files[n-1].m.Sync(); err != nil {
			return nil, err
		}
	}
	f, err := openFile(x.cfg.FS, filepath.Join(x.cfg.Dir, name()), x.cfg.Slots, x.cfg.Max)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		f.h.endPhy, f.h.endTime = x.mu.files[n-1].h.endPhy, x.mu.files[n-1].h.endTime
	}
	x.mu.files = append(x.mu.files, f)
	if err := f.f.Sync(); err != nil { // its length
		return nil, err
	}
	return f, x.cfg.FS.SyncDir(x.cfg.Dir)
}

// Query returns the physical offsets of at most limit messages whose key has
// this hash and whose store time is in [begin, end] ms (to the second),
// ascending, without duplicates.
func (x *Index) Query(hash int32, limit int, begin, end int64) []int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drainLocked()
	var found []int64
	for i := len(x.mu.files) - 1; i >= 0 && len(found) < limit; i-- {
		f := x.mu.files[i]
		if f.h.count <= 1 || f.h.beginTime > end {
			continue
		}
		if f.h.endTime < begin-999 {
			break
		}
		found = f.query(found, hash, limit, begin, end)
	}
	sort.Slice(found, func(i, j int) bool { return found[i] < found[j] })
	return dedup(found)
}

func dedup(sorted []int64) []int64 {
	out := sorted[:0]
	for i, v := range sorted {
		if i == 0 || v != sorted[i-1] {
			out = append(out, v)
		}
	}
	return out
}

// Last returns store time and physical offset of the newest entry.
func (x *Index) Last() (storeTime, phy int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drainLocked()
	if n := len(x.mu.files); n > 0 {
		return x.mu.files[n-1].h.endTime, x.mu.files[n-1].h.endPhy
	}
	return 0, 0
}

// ErrOff says that keys are missing since an earlier error.
var ErrOff = errors.New("the message index is off")

// Off tells whether keys are missing since an error.
func (x *Index) Off() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drainLocked()
	return x.mu.off != nil || x.mu.completing
}

// Sync makes everything added so far durable. It gives ErrOff when not all of
// that is in the index.
func (x *Index) Sync() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drainLocked()
	if x.mu.completing {
		return ErrOff
	}
	if x.mu.off != nil {
		return fmt.Errorf("%w: %w", ErrOff, x.mu.off)
	}
	for _, f := range x.mu.files {
		if !f.touched {
			continue
		}
		if err := f.m.Sync(); err != nil {
			return fmt.Errorf("index %s: %w", f.path, err)
		}
		f.touched = false
	}
	return nil
}

// RemoveBefore removes the files, but never the last, all of whose messages lie
// below phy.
func (x *Index) RemoveBefore(phy int64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.mu.files) > 1 && x.mu.files[0].h.endPhy < phy {
		f := x.mu.files[0]
		x.mu.files = x.mu.files[1:]
		if err := errors.Join(f.close(), x.cfg.FS.Remove(f.path)); err != nil {
			return err
		}
	}
	return nil
}

// Close puts and syncs what is left and closes the files. Run must have ended.
func (x *Index) Close() error {
	err := x.Sync()
	if errors.Is(err, ErrOff) {
		err = nil // reported when it was turned off
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return errors.Join(err, x.closeFiles())
}
