package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/vfs"
)

// role is what Live needs of a configuration: *Broker or *Namesrv.
type role[T any] interface {
	*T
	view() view
	copy() *T
	Set(key, value string) error
	Validate() error
}

// Live holds the configuration of a running process. Current may be called
// from any goroutine at any time and costs one atomic load; Update from any
// goroutine, one at a time by itself.
//
// Changes are kept in a state file of aerobee's own. Each is stored with the
// value it replaced: when the user's file has another value for the key at the
// next start, the user has decided anew and the stored change is dropped.
type Live[T any, P role[T]] struct {
	now  atomic.Pointer[T]
	fs   vfs.FS
	path string

	// mu orders updates, the write of the state file included; Current never
	// takes it, so nothing but another update waits for the disk.
	mu struct {
		sync.Mutex
		changes map[string]stored
	}
}

// stored is one run-time change.
type stored struct {
	Value string `json:"value"`
	Over  string `json:"over"` // the value of the file or default when it was made
}

// LiveBroker and LiveNamesrv are the two kinds of Live.
type (
	LiveBroker  = Live[Broker, *Broker]
	LiveNamesrv = Live[Namesrv, *Namesrv]
)

// NewLiveBroker starts from b, which must not be written any more, and the
// changes stored in the state file at path. Dropped names the stored changes
// that no longer apply. An unreadable state file is an error.
func NewLiveBroker(fs vfs.FS, path string, b *Broker) (l *LiveBroker, dropped []string, err error) {
	return newLive[Broker, *Broker](fs, path, b)
}

// NewLiveNamesrv is NewLiveBroker for a nameserver.
func NewLiveNamesrv(fs vfs.FS, path string, n *Namesrv) (l *LiveNamesrv, dropped []string, err error) {
	return newLive[Namesrv, *Namesrv](fs, path, n)
}

func newLive[T any, P role[T]](fs vfs.FS, path string, base *T) (*Live[T, P], []string, error) {
	l := &Live[T, P]{fs: fs, path: path}
	l.mu.changes = map[string]stored{}
	l.now.Store(base)
	var found map[string]stored
	err := vfs.LoadFile(fs, path, func(data []byte) error {
		found = nil
		return json.Unmarshal(data, &found)
	})
	if errors.Is(err, os.ErrNotExist) {
		return l, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("run-time configuration: %w", err)
	}
	var dropped []string
	for _, key := range sortedKeys(found) {
		next := P(l.now.Load()).copy()
		if now, _ := P(next).view().get(key); now != found[key].Over || P(next).Set(key, found[key].Value) != nil || P(next).Validate() != nil {
			dropped = append(dropped, key)
			continue
		}
		l.mu.changes[key] = found[key]
		l.now.Store(next)
	}
	return l, dropped, nil
}

func sortedKeys(m map[string]stored) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Current returns the present configuration. It never changes; take it anew for
// every decision that shall follow changes.
func (l *Live[T, P]) Current() *T { return l.now.Load() }

// Update applies properties text, the body of codes 25 and 318: all of it or
// nothing. The change is on disk when Update returns. It returns the keys whose
// value is another one now. Errors are those of Broker.Set, or of writing.
func (l *Live[T, P]) Update(text []byte) (changed []string, err error) {
	list, err := ParseProperties(text)
	if err != nil {
		return nil, &Problems{List: []Problem{{Text: err.Error()}}}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.now.Load()
	next := P(before).copy()
	changes := make(map[string]stored, len(l.mu.changes)+len(list))
	for key, c := range l.mu.changes {
		changes[key] = c
	}
	if err := setAll(P(next), list); err != nil {
		return nil, err
	}
	if err := P(next).Validate(); err != nil {
		return nil, err
	}
	for _, c := range list {
		was, _ := P(before).view().get(c.Key)
		is, _ := P(next).view().get(c.Key)
		if was == is {
			continue
		}
		changed = append(changed, c.Key)
		over := was
		if earlier, ok := changes[c.Key]; ok {
			over = earlier.Over
		}
		changes[c.Key] = stored{Value: is, Over: over}
		if is == over {
			delete(changes, c.Key)
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	data, err := json.MarshalIndent(changes, "", "\t")
	if err != nil {
		return nil, err
	}
	if err := vfs.ReplaceFile(l.fs, l.path, append(data, '\n')); err != nil {
		return nil, fmt.Errorf("run-time configuration: %w", err)
	}
	l.mu.changes = changes
	l.now.Store(next)
	return changed, nil
}

// setAll sets all keys of list. A black-listed key wins over every other
// problem, because Java answers it with a code of its own.
func setAll(c interface{ Set(key, value string) error }, list []Change) error {
	var black error
	var others []error
	for _, ch := range list {
		err := c.Set(ch.Key, ch.Value)
		switch {
		case err == nil:
		case errors.Is(err, ErrBlackListed) && black == nil:
			black = err
		default:
			others = append(others, err)
		}
	}
	if black != nil {
		return black
	}
	return errors.Join(others...)
}
