package filters

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/filter"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Bounds of the table.
const (
	MaxEntries = 1 << 16
	MaxBytes   = 256 << 20 // of memory, about
)

// ErrFull is when the table takes no more entries.
var ErrFull = errors.New("too many SQL92 subscriptions")

// SQL92 is the only type of expression besides TAG.
const SQL92 = "SQL92"

// Entry is what a group wants of a topic.
type Entry struct {
	Topic, Group string
	Expression   string
	Program      *filter.Program
	Version      int64 // of the subscription
	BornTime     int64 // ms, of the expression
	DeadTime     int64 // ms, when the group left; before BornTime: it has not
}

// Dead tells whether the group has left.
func (e *Entry) Dead() bool { return e.DeadTime >= e.BornTime }

func (e *Entry) bytes() int { return len(e.Topic) + len(e.Group) + e.Program.Size() }

// Config sets a table up.
type Config struct {
	FS   vfs.FS
	Path string // of consumerFilter.json
	Keep func() time.Duration
	// ErrorRate and Consumers shape the Bloom filter of the file.
	ErrorRate, Consumers int
	Now                  func() time.Time
	Log                  *slog.Logger
}

// Table is the table of subscriptions. See Open.
type Table struct {
	cfg   Config
	bloom bloom

	mu struct {
		sync.RWMutex
		topics map[string]map[string]*Entry // topic -> group
		groups map[string]map[string]struct{}
		count  int
		bytes  int
		dirty  bool // not as in the file
	}
	file sync.Mutex // held while the file is written
}

// Find is a group's entry for a topic. The strings are not kept.
func (t *Table) Find(topic, group string) (*Entry, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, ok := t.mu.topics[topic][group]
	return e, ok
}

// Register takes in the subscriptions of a group's heartbeat. What does not
// compile, or does not fit, is reported; the group has no entry for it then.
func (t *Table) Register(group string, subs []protocol.SubscriptionData) error {
	if !t.concerns(group, subs) {
		return nil
	}
	now := t.cfg.Now().UnixMilli()
	var errs []error
	subscribed := make(map[string]struct{}, len(subs))
	for i := range subs {
		s := &subs[i]
		subscribed[s.Topic] = struct{}{}
		if isSQL(s) {
			errs = append(errs, t.register(group, s, now))
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic := range t.mu.groups[group] {
		if _, still := subscribed[topic]; !still {
			t.buryLocked(t.mu.topics[topic][group], now)
		}
	}
	return errors.Join(errs...)
}

func isSQL(s *protocol.SubscriptionData) bool {
	return s.ExpressionType != "" && s.ExpressionType != "TAG" && s.SubString != ""
}

// concerns tells whether a heartbeat has anything to do with the table. Most have not.
func (t *Table) concerns(group string, subs []protocol.SubscriptionData) bool {
	for i := range subs {
		if isSQL(&subs[i]) {
			return true
		}
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.mu.groups[group]) > 0
}

// register takes in one subscription. The expression is compiled without the lock.
func (t *Table) register(group string, s *protocol.SubscriptionData, now int64) error {
	old, known := t.Find(s.Topic, group)
	if known && s.SubVersion <= old.Version {
		if s.SubVersion == old.Version && old.Dead() {
			t.replace(old, revived(old, s.SubVersion))
		}
		return nil
	}
	if known && old.Expression == s.SubString && s.ExpressionType == SQL92 {
		t.replace(old, revived(old, s.SubVersion))
		return nil
	}
	next := &Entry{Topic: s.Topic, Group: group, Expression: s.SubString, Version: s.SubVersion, BornTime: now}
	var err error
	if next.Program, err = Compile(s.ExpressionType, s.SubString); err == nil {
		err = t.replace(old, next)
	}
	if err != nil && known {
		_ = t.replace(old, nil) // a removal always succeeds
	}
	if err != nil {
		return fmt.Errorf("group %s, topic %s: %w", group, s.Topic, err)
	}
	return nil
}

// Compile compiles an expression of another type than TAG.
func Compile(kind, expression string) (*filter.Program, error) {
	if kind != SQL92 {
		return nil, fmt.Errorf("expressions of type %q cannot be evaluated: there are TAG and %s", kind, SQL92)
	}
	return filter.Compile(expression)
}

func revived(e *Entry, version int64) *Entry {
	next := *e
	next.Version, next.DeadTime = version, 0
	return &next
}

// replace puts next in the place of old, unless another heartbeat was faster.
func (t *Table) replace(old, next *Entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := next
	if of == nil {
		of = old
	}
	if t.mu.topics[of.Topic][of.Group] != old {
		return nil
	}
	return t.setLocked(old, next)
}

// setLocked changes the table; nil stands for no entry.
func (t *Table) setLocked(old, next *Entry) error {
	count, bytes := t.mu.count, t.mu.bytes
	if old != nil {
		count, bytes = count-1, bytes-old.bytes()
	}
	if next != nil {
		count, bytes = count+1, bytes+next.bytes()
		if count > MaxEntries || bytes > MaxBytes {
			return fmt.Errorf("%w: %d with %d bytes, at most %d with %d bytes are kept", ErrFull, count, bytes, MaxEntries, MaxBytes)
		}
	}
	t.mu.count, t.mu.bytes, t.mu.dirty = count, bytes, true
	if next == nil {
		remove(t.mu.topics, old.Topic, old.Group)
		remove(t.mu.groups, old.Group, old.Topic)
		return nil
	}
	put(t.mu.topics, next.Topic, next.Group, next)
	put(t.mu.groups, next.Group, next.Topic, struct{}{})
	return nil
}

func put[V any](table map[string]map[string]V, first, second string, v V) {
	if table[first] == nil {
		table[first] = make(map[string]V)
	}
	table[first][second] = v
}

func remove[V any](table map[string]map[string]V, first, second string) {
	delete(table[first], second)
	if len(table[first]) == 0 {
		delete(table, first)
	}
}

// buryLocked marks an entry dead.
func (t *Table) buryLocked(e *Entry, now int64) {
	if e.Dead() {
		return
	}
	next := *e
	next.DeadTime = max(now, e.BornTime)
	t.mu.topics[e.Topic][e.Group] = &next
	t.mu.dirty = true
}

// Unregister is called when the last member of a group has left.
func (t *Table) Unregister(group string) {
	now := t.cfg.Now().UnixMilli()
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic := range t.mu.groups[group] {
		t.buryLocked(t.mu.topics[topic][group], now)
	}
}

// Len is the number of entries.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.mu.count
}
