package meta

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/journal"
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

// Topics is the table of topics. See OpenTopics. A topic with a name of 20 bytes
// and without attributes takes about 200 bytes of memory.
type Topics struct {
	cfg     Config
	journal *journal.Journal
	system  map[string]struct{} // names of the broker's own topics

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

// topicChange is a record of the journal: a topic's new state or its removal, or
// a new version alone.
type topicChange struct {
	DataVersion protocol.DataVersion  `json:"dataVersion"`
	Topic       *protocol.TopicConfig `json:"topicConfig"`
	Deleted     string                `json:"deleted,omitempty"`
}

// OpenTopics reads the topics of a store and adds the built-in ones. Run must
// be running for changes to reach the file.
func OpenTopics(cfg Config) (*Topics, error) {
	if cfg.OnChange == nil {
		cfg.OnChange = func([]*protocol.TopicConfig) {}
	}
	t := &Topics{cfg: cfg, system: make(map[string]struct{})}
	for _, name := range systemNames(cfg.Config()) {
		t.system[name] = struct{}{}
	}
	t.mu.version = protocol.DataVersion{Timestamp: cfg.Now().UnixMilli()}
	var err error
	t.journal, err = journal.Open(journal.Config{
		FS: cfg.FS, Path: filepath.Join(cfg.Dir, "config", "topics.json"), Log: cfg.Log, Now: cfg.Now,
		Load: t.load, Apply: t.replay, Write: t.write,
	})
	if err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range builtInTopics(cfg.Config()) {
		if _, known := t.Lookup(c.TopicName); !known {
			t.putLocked(c)
		}
	}
	return t, nil
}

// Run writes changes and the file until ctx ends.
func (t *Topics) Run(ctx context.Context) error { return t.journal.Run(ctx) }

// Close makes the file complete. The table must not be changed afterwards.
func (t *Topics) Close() error { return t.journal.Close() }

// Sync makes the changes so far durable.
func (t *Topics) Sync() error { return t.journal.Flush() }

func (t *Topics) load(data []byte) error {
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
		t.putLocked(c)
	}
	if f.DataVersion != nil {
		t.mu.version = *f.DataVersion
	}
	return nil
}

// replay takes in a change that is not in the file.
func (t *Topics) replay(record []byte) error {
	var c topicChange
	if err := javajson.Unmarshal(record, &c); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.Topic != nil && c.Topic.TopicName != "" {
		t.putLocked(c.Topic)
	}
	if c.Deleted != "" {
		t.removeLocked(c.Deleted)
	}
	t.mu.version = c.DataVersion
	return nil
}

// write writes the file. Topics that change meanwhile may be in it or not.
func (t *Topics) write(w io.Writer) error {
	version, list := t.Snapshot()
	s := javajson.NewStream(w)
	s.Member("dataVersion", version)
	s.Open("topicConfigTable")
	for _, c := range list {
		s.Member(c.TopicName, c)
	}
	s.End()
	return s.Close()
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

// Snapshot gives the version and all topics, by name. The list must not be
// changed; it may have changes that are newer than the version.
func (t *Topics) Snapshot() (protocol.DataVersion, []*protocol.TopicConfig) {
	t.mu.Lock()
	version, list, count := t.mu.version, t.mu.sorted, t.mu.count
	t.mu.Unlock()
	if list != nil {
		return version, list
	}
	list = make([]*protocol.TopicConfig, 0, count)
	for _, v := range t.table.Range {
		list = append(list, v.(*protocol.TopicConfig))
	}
	slices.SortFunc(list, func(a, b *protocol.TopicConfig) int { return strings.Compare(a.TopicName, b.TopicName) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.version == version {
		t.mu.sorted = list
	}
	return version, list
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

// putLocked enters a config. The caller holds t.mu.
func (t *Topics) putLocked(c *protocol.TopicConfig) {
	if len(c.Attributes) == 0 {
		c.Attributes = nil // an empty map takes as much memory as the rest
	}
	if _, replaced := t.table.Swap(c.TopicName, c); !replaced {
		t.mu.count++
	}
	t.mu.sorted = nil
}

// removeLocked takes a topic out and tells whether it was there.
func (t *Topics) removeLocked(name string) bool {
	if _, found := t.table.LoadAndDelete(name); !found {
		return false
	}
	t.mu.count--
	t.mu.sorted = nil
	return true
}

// changedLocked makes a new version and notes the changes in the journal.
func (t *Topics) changedLocked(changes ...topicChange) {
	t.mu.version = t.mu.version.Next(t.cfg.Now().UnixMilli(), 0)
	for _, c := range changes {
		c.DataVersion = t.mu.version
		t.journal.Append(javajson.Marshal(&c))
	}
}

// Touch makes a new version without a change, so that nameservers take all topics
// anew.
func (t *Topics) Touch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changedLocked(topicChange{})
}
