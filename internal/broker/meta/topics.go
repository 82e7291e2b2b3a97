package meta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Bounds of the tables.
const (
	MaxTopics = 2 << 20
	MaxGroups = 1 << 20
)

// Config sets a table up. All fields but OnChange are required.
type Config struct {
	FS     vfs.FS
	Dir    string // the store directory; files are below config/
	Config func() *config.Broker
	Log    *slog.Logger
	Now    func() time.Time
	// OnChange is told which topics were made or changed, after the change and
	// without locks held. It must not block. Groups do not call it.
	OnChange func(changed []*protocol.TopicConfig)
}

// Topics is the table of topics. See OpenTopics.
type Topics struct {
	cfg    Config
	saver  *saver
	system map[string]struct{} // names of the broker's own topics

	table sync.Map // name -> *protocol.TopicConfig

	mu struct {
		sync.Mutex
		version protocol.DataVersion
		count   int
		sorted  []*protocol.TopicConfig // by name; nil after a change
	}
}

// topicsFile is config/topics.json.
type topicsFile struct {
	DataVersion      *protocol.DataVersion            `json:"dataVersion"`
	TopicConfigTable map[string]*protocol.TopicConfig `json:"topicConfigTable"`
}

// OpenTopics reads the topics of a store and adds the built-in ones. Run must
// be running for changes to reach the disk.
func OpenTopics(cfg Config) (*Topics, error) {
	if cfg.OnChange == nil {
		cfg.OnChange = func([]*protocol.TopicConfig) {}
	}
	t := &Topics{cfg: cfg, system: make(map[string]struct{})}
	path := filepath.Join(cfg.Dir, "config", "topics.json")
	t.saver = newSaver(cfg.FS, path, t.encode, cfg.Log)
	for _, name := range systemNames(cfg.Config()) {
		t.system[name] = struct{}{}
	}
	t.mu.version = protocol.DataVersion{Timestamp: cfg.Now().UnixMilli()}
	for _, c := range builtInTopics(cfg.Config()) {
		t.putLocked(c)
	}
	err := vfs.LoadFile(cfg.FS, path, t.decode)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("topics: %w", err)
	}
	return t, nil
}

// Run writes the file after changes until ctx ends, and then a last time.
func (t *Topics) Run(ctx context.Context) error { return t.saver.run(ctx) }

// Sync blocks until the changes made so far are on disk.
func (t *Topics) Sync(ctx context.Context) error { return t.saver.wait(ctx) }

func (t *Topics) decode(data []byte) error {
	var f topicsFile
	if err := javajson.Unmarshal(data, &f); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, c := range f.TopicConfigTable {
		if c == nil || name == "" {
			continue
		}
		c.TopicName = name
		if c.Attributes == nil {
			c.Attributes = map[string]string{}
		}
		t.putLocked(c)
	}
	if f.DataVersion != nil {
		t.mu.version = *f.DataVersion
	}
	return nil
}

func (t *Topics) encode() []byte {
	version, list := t.Snapshot()
	f := topicsFile{DataVersion: &version, TopicConfigTable: make(map[string]*protocol.TopicConfig, len(list))}
	for _, c := range list {
		f.TopicConfigTable[c.TopicName] = c
	}
	return javajson.MarshalPretty(&f)
}

// Lookup gives a topic. The config must not be changed.
func (t *Topics) Lookup(topic string) (*protocol.TopicConfig, bool) {
	v, ok := t.table.Load(topic)
	if !ok {
		if protocol.IsLMQ(topic) && t.cfg.Config().EnableLMQ { // light queues have no configuration
			return newTopic(strings.Clone(topic), 1, permRW), true
		}
		return nil, false
	}
	return v.(*protocol.TopicConfig), true
}

// Snapshot gives the version and all topics, by name. The list must not be changed.
func (t *Topics) Snapshot() (protocol.DataVersion, []*protocol.TopicConfig) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.sorted == nil {
		t.mu.sorted = make([]*protocol.TopicConfig, 0, t.mu.count)
		for _, v := range t.table.Range {
			t.mu.sorted = append(t.mu.sorted, v.(*protocol.TopicConfig))
		}
		slices.SortFunc(t.mu.sorted, func(a, b *protocol.TopicConfig) int { return strings.Compare(a.TopicName, b.TopicName) })
	}
	return t.mu.version, t.mu.sorted
}

// Version is the version of the table.
func (t *Topics) Version() protocol.DataVersion {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.version
}

// Len is the number of topics.
func (t *Topics) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.count
}

// putLocked enters a config. The caller holds t.mu, or nobody else knows t yet.
func (t *Topics) putLocked(c *protocol.TopicConfig) {
	if _, replaced := t.table.Swap(c.TopicName, c); !replaced {
		t.mu.count++
	}
	t.mu.sorted = nil
}

// changedLocked makes a new version and has it written.
func (t *Topics) changedLocked() {
	t.mu.version = t.mu.version.Next(t.cfg.Now().UnixMilli(), 0)
	t.saver.mark()
}

// Touch makes a new version without a change, so that nameservers take all topics
// anew.
func (t *Topics) Touch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changedLocked()
}
