package meta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Groups is the table of subscription groups. See OpenGroups.
type Groups struct {
	cfg   Config
	saver *saver

	table sync.Map // name -> *protocol.SubscriptionGroupConfig
	// forbidden is group -> topic -> bits; replaced, never changed.
	forbidden atomic.Pointer[map[string]map[string]int32]

	mu struct {
		sync.Mutex
		version protocol.DataVersion
		count   int
		sorted  []*protocol.SubscriptionGroupConfig // by name; nil after a change
	}
}

// groupsFile is config/subscriptionGroup.json.
type groupsFile struct {
	DataVersion            *protocol.DataVersion                        `json:"dataVersion"`
	ForbiddenTable         map[string]map[string]int32                  `json:"forbiddenTable"`
	SubscriptionGroupTable map[string]*protocol.SubscriptionGroupConfig `json:"subscriptionGroupTable"`
}

// OpenGroups reads the groups of a store and adds the built-in ones. Run must be
// running for changes to reach the disk.
func OpenGroups(cfg Config) (*Groups, error) {
	g := &Groups{cfg: cfg}
	g.forbidden.Store(&map[string]map[string]int32{})
	g.mu.version = protocol.DataVersion{Timestamp: cfg.Now().UnixMilli()}
	path := filepath.Join(cfg.Dir, "config", "subscriptionGroup.json")
	g.saver = newSaver(cfg.FS, path, g.encode, cfg.Log)
	for _, name := range protocol.BuiltinGroups() {
		g.putLocked(newGroup(name))
	}
	err := vfs.LoadFile(cfg.FS, path, g.decode)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("subscription groups: %w", err)
	}
	return g, nil
}

// Run writes the file after changes until ctx ends, and then a last time.
func (g *Groups) Run(ctx context.Context) error { return g.saver.run(ctx) }

// Sync blocks until the changes made so far are on disk.
func (g *Groups) Sync(ctx context.Context) error { return g.saver.wait(ctx) }

func newGroup(name string) *protocol.SubscriptionGroupConfig {
	c := protocol.NewSubscriptionGroupConfig(name)
	c.Attributes = map[string]string{}
	return &c
}

func (g *Groups) decode(data []byte) error {
	var f groupsFile
	if err := javajson.Unmarshal(data, &f); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, c := range f.SubscriptionGroupTable {
		if c == nil || name == "" {
			continue
		}
		c.GroupName = name
		if c.Attributes == nil {
			c.Attributes = map[string]string{}
		}
		g.putLocked(c)
	}
	forbidden := make(map[string]map[string]int32, len(f.ForbiddenTable))
	for group, topics := range f.ForbiddenTable {
		if len(topics) > 0 {
			forbidden[group] = topics
		}
	}
	g.forbidden.Store(&forbidden)
	if f.DataVersion != nil {
		g.mu.version = *f.DataVersion
	}
	return nil
}

func (g *Groups) encode() []byte {
	version, list := g.Snapshot()
	f := groupsFile{
		DataVersion:            &version,
		ForbiddenTable:         g.Forbidden(),
		SubscriptionGroupTable: make(map[string]*protocol.SubscriptionGroupConfig, len(list)),
	}
	for _, c := range list {
		f.SubscriptionGroupTable[c.GroupName] = c
	}
	return javajson.MarshalPretty(&f)
}

// Peek gives a group if it exists. The config must not be changed.
func (g *Groups) Peek(group string) (*protocol.SubscriptionGroupConfig, bool) {
	v, ok := g.table.Load(group)
	if !ok {
		return nil, false
	}
	return v.(*protocol.SubscriptionGroupConfig), true
}

// Find gives a group, and makes one with the defaults when there is none, the
// name is valid and the configuration allows it (remoting.md 7.5). The name may
// alias a frame.
func (g *Groups) Find(group string) (*protocol.SubscriptionGroupConfig, bool) {
	if c, ok := g.Peek(group); ok {
		return c, true
	}
	cfg := g.cfg.Config()
	allowed := cfg.AutoCreateGroup || cfg.CreateSysGroup && protocol.IsSystemGroup(group)
	if !allowed || protocol.ValidateGroup(group) != nil {
		return nil, false
	}
	c, made := g.create(strings.Clone(group))
	if made {
		g.cfg.Log.Info("group created", "group", c.GroupName)
	}
	return c, c != nil
}

func (g *Groups) create(group string) (c *protocol.SubscriptionGroupConfig, made bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, ok := g.Peek(group); ok {
		return c, false
	}
	if g.mu.count >= MaxGroups {
		return nil, false
	}
	c = newGroup(group)
	g.putLocked(c)
	g.changedLocked()
	return c, true
}

// Snapshot gives the version and all groups, by name. The list must not be changed.
func (g *Groups) Snapshot() (protocol.DataVersion, []*protocol.SubscriptionGroupConfig) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.sorted == nil {
		g.mu.sorted = make([]*protocol.SubscriptionGroupConfig, 0, g.mu.count)
		for _, v := range g.table.Range {
			g.mu.sorted = append(g.mu.sorted, v.(*protocol.SubscriptionGroupConfig))
		}
		slices.SortFunc(g.mu.sorted, func(a, b *protocol.SubscriptionGroupConfig) int { return strings.Compare(a.GroupName, b.GroupName) })
	}
	return g.mu.version, g.mu.sorted
}

// Len is the number of groups.
func (g *Groups) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.count
}

func (g *Groups) putLocked(c *protocol.SubscriptionGroupConfig) {
	if _, replaced := g.table.Swap(c.GroupName, c); !replaced {
		g.mu.count++
	}
	g.mu.sorted = nil
}

func (g *Groups) changedLocked() {
	g.mu.version = g.mu.version.Next(g.cfg.Now().UnixMilli(), 0)
	g.saver.mark()
}
