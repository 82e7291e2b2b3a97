package meta

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/journal"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Groups is the table of subscription groups. See OpenGroups.
type Groups struct {
	cfg     Config
	journal *journal.Journal

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

// groupChange is a record of the journal: a group's new state or its removal, or
// all forbidden bits of a group.
type groupChange struct {
	DataVersion protocol.DataVersion              `json:"dataVersion"`
	Group       *protocol.SubscriptionGroupConfig `json:"subscriptionGroup"`
	Deleted     string                            `json:"deleted,omitempty"`
	Forbidden   map[string]map[string]int32       `json:"forbidden"`
}

// OpenGroups reads the groups of a store and adds the built-in ones. Run must be
// running for changes to reach the file.
func OpenGroups(cfg Config) (*Groups, error) {
	g := &Groups{cfg: cfg}
	g.forbidden.Store(&map[string]map[string]int32{})
	g.mu.version = protocol.DataVersion{Timestamp: cfg.Now().UnixMilli()}
	var err error
	g.journal, err = journal.Open(journal.Config{
		FS: cfg.FS, Path: filepath.Join(cfg.Dir, "config", "subscriptionGroup.json"), Log: cfg.Log, Now: cfg.Now,
		Load: g.load, Apply: g.replay, Write: g.write,
	})
	if err != nil {
		return nil, fmt.Errorf("subscription groups: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range protocol.BuiltinGroups() {
		if _, known := g.Peek(name); !known {
			g.putLocked(newGroup(name))
		}
	}
	return g, nil
}

// Run writes changes and the file until ctx ends.
func (g *Groups) Run(ctx context.Context) error { return g.journal.Run(ctx) }

// Close makes the file complete. The table must not be changed afterwards.
func (g *Groups) Close() error { return g.journal.Close() }

// Sync makes the changes so far durable.
func (g *Groups) Sync() error { return g.journal.Flush() }

func newGroup(name string) *protocol.SubscriptionGroupConfig {
	c := protocol.NewSubscriptionGroupConfig(name)
	return &c
}

func (g *Groups) load(data []byte) error {
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
		g.putLocked(c)
	}
	g.forbidLocked(f.ForbiddenTable)
	if f.DataVersion != nil {
		g.mu.version = *f.DataVersion
	}
	return nil
}

// replay takes in a change that is not in the file.
func (g *Groups) replay(record []byte) error {
	var c groupChange
	if err := javajson.Unmarshal(record, &c); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.Group != nil && c.Group.GroupName != "" {
		g.putLocked(c.Group)
	}
	g.forbidLocked(c.Forbidden)
	if c.Deleted != "" {
		g.removeLocked(c.Deleted)
	}
	g.mu.version = c.DataVersion
	return nil
}

// forbidLocked replaces the forbidden bits of groups; none are left of one
// without topics.
func (g *Groups) forbidLocked(changed map[string]map[string]int32) {
	if len(changed) == 0 {
		return
	}
	table := maps.Clone(*g.forbidden.Load())
	for group, topics := range changed {
		table[group] = topics
		if len(topics) == 0 {
			delete(table, group)
		}
	}
	g.forbidden.Store(&table)
}

// write writes the file. Groups that change meanwhile may be in it or not.
func (g *Groups) write(w io.Writer) error {
	version, list := g.Snapshot()
	s := javajson.NewStream(w)
	s.Member("dataVersion", version)
	s.Member("forbiddenTable", g.Forbidden())
	s.Open("subscriptionGroupTable")
	for _, c := range list {
		s.Member(c.GroupName, c)
	}
	s.End()
	return s.Close()
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
	g.changedLocked(groupChange{Group: c})
	return c, true
}

// Snapshot gives the version and all groups, by name. The list must not be
// changed; it may have changes that are newer than the version.
func (g *Groups) Snapshot() (protocol.DataVersion, []*protocol.SubscriptionGroupConfig) {
	g.mu.Lock()
	version, list, count := g.mu.version, g.mu.sorted, g.mu.count
	g.mu.Unlock()
	if list != nil {
		return version, list
	}
	list = make([]*protocol.SubscriptionGroupConfig, 0, count)
	for _, v := range g.table.Range {
		list = append(list, v.(*protocol.SubscriptionGroupConfig))
	}
	slices.SortFunc(list, func(a, b *protocol.SubscriptionGroupConfig) int { return strings.Compare(a.GroupName, b.GroupName) })
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.version == version {
		g.mu.sorted = list
	}
	return version, list
}

// Len is the number of groups.
func (g *Groups) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.count
}

// putLocked enters a config. The caller holds g.mu.
func (g *Groups) putLocked(c *protocol.SubscriptionGroupConfig) {
	if len(c.Attributes) == 0 {
		c.Attributes = nil // an empty map takes memory
	}
	if _, replaced := g.table.Swap(c.GroupName, c); !replaced {
		g.mu.count++
	}
	g.mu.sorted = nil
}

// removeLocked takes a group and its forbidden bits out, and tells which of the
// two were there.
func (g *Groups) removeLocked(name string) (group, bits bool) {
	if _, group = g.table.LoadAndDelete(name); group {
		g.mu.count--
		g.mu.sorted = nil
	}
	if _, bits = g.Forbidden()[name]; bits {
		g.forbidLocked(map[string]map[string]int32{name: nil})
	}
	return group, bits
}

// changedLocked makes a new version and notes the changes in the journal.
func (g *Groups) changedLocked(changes ...groupChange) {
	g.mu.version = g.mu.version.Next(g.cfg.Now().UnixMilli(), 0)
	for _, c := range changes {
		c.DataVersion = g.mu.version
		g.journal.Append(javajson.Marshal(&c))
	}
}
