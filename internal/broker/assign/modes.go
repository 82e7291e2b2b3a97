package assign

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/journal"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// MaxModes bounds the table, all topics together.
const MaxModes = 1 << 18

// Config sets the table up. All fields are required.
type Config struct {
	FS  vfs.FS
	Dir string // the store directory; the file is below config/
	Log *slog.Logger
	Now func() time.Time
}

// Mode is how a group reads a topic.
type Mode = protocol.SetMessageRequestModeRequestBody

// Modes is the table of modes by topic and group. See OpenModes.
type Modes struct {
	journal *journal.Journal
	now     func() time.Time
	max     int

	mu struct {
		sync.RWMutex
		topics  map[string]map[string]Mode
		count   int
		version protocol.DataVersion
	}
}

// modesFile is the file. Java has no version in it, and passes over ours.
type modesFile struct {
	MessageRequestModeMap map[string]map[string]*Mode `json:"messageRequestModeMap"`
	DataVersion           protocol.DataVersion        `json:"dataVersion"`
}

// modeChange is a record of the journal.
type modeChange struct {
	Mode        Mode                 `json:"messageRequestMode"`
	DataVersion protocol.DataVersion `json:"dataVersion"`
}

// OpenModes reads the modes of a store. Run must be running for changes to reach
// the file.
func OpenModes(cfg Config) (*Modes, error) {
	m := &Modes{now: cfg.Now, max: MaxModes}
	m.mu.topics = make(map[string]map[string]Mode)
	var err error
	m.journal, err = journal.Open(journal.Config{
		FS: cfg.FS, Path: filepath.Join(cfg.Dir, "config", "messageRequestMode.json"), Log: cfg.Log, Now: cfg.Now,
		Load: m.load, Apply: m.replay, Write: m.write,
	})
	if err != nil {
		return nil, fmt.Errorf("message request modes: %w", err)
	}
	return m, nil
}

// Run writes changes and the file until ctx ends.
func (m *Modes) Run(ctx context.Context) error { return m.journal.Run(ctx) }

// Close makes the file complete. The table must not be changed afterwards.
func (m *Modes) Close() error { return m.journal.Close() }

// Sync makes the changes so far durable.
func (m *Modes) Sync() error { return m.journal.Flush() }

// Find gives the mode that was set for a group and a topic.
func (m *Modes) Find(topic, group string) (Mode, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	mode, ok := m.mu.topics[topic][group]
	return mode, ok
}

// Set sets how a group reads a topic. Sync makes it durable. It fails when the
// table is full.
func (m *Modes) Set(mode Mode) error {
	mode.Topic, mode.ConsumerGroup = strings.Clone(mode.Topic), strings.Clone(mode.ConsumerGroup)
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, known := m.mu.topics[mode.Topic][mode.ConsumerGroup]; known && old == mode {
		return nil
	} else if !known && m.mu.count >= m.max {
		return fmt.Errorf("the broker keeps %d message request modes, at most %d are allowed", m.mu.count, m.max)
	}
	m.putLocked(mode)
	m.mu.version = m.mu.version.Next(m.now().UnixMilli(), 0)
	m.journal.Append(javajson.Marshal(&modeChange{Mode: mode, DataVersion: m.mu.version}))
	return nil
}

// All gives all modes by topic and group.
func (m *Modes) All() map[string]map[string]Mode {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make(map[string]map[string]Mode, len(m.mu.topics))
	for topic, groups := range m.mu.topics {
		all[topic] = maps.Clone(groups)
	}
	return all
}

func (m *Modes) putLocked(mode Mode) {
	groups := m.mu.topics[mode.Topic]
	if groups == nil {
		groups = make(map[string]Mode)
		m.mu.topics[mode.Topic] = groups
	}
	if _, known := groups[mode.ConsumerGroup]; !known {
		m.mu.count++
	}
	groups[mode.ConsumerGroup] = mode
}

func (m *Modes) load(data []byte) error {
	var f modesFile
	if err := javajson.Unmarshal(data, &f); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.topics, m.mu.count = make(map[string]map[string]Mode), 0
	for topic, groups := range f.MessageRequestModeMap {
		for group, mode := range groups {
			if mode == nil || topic == "" || group == "" {
				continue
			}
			mode.Topic, mode.ConsumerGroup = topic, group // Java finds them by the keys
			m.putLocked(*mode)
		}
	}
	m.mu.version = f.DataVersion
	return nil
}

// replay takes in a change that is not in the file.
func (m *Modes) replay(record []byte) error {
	var c modeChange
	if err := javajson.Unmarshal(record, &c); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.putLocked(c.Mode)
	m.mu.version = c.DataVersion
	return nil
}

// write writes the file.
func (m *Modes) write(w io.Writer) error {
	m.mu.RLock()
	version := m.mu.version
	m.mu.RUnlock()
	all := m.All()
	s := javajson.NewStream(w)
	s.Member("dataVersion", version)
	s.Open("messageRequestModeMap")
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		s.Member(topic, all[topic])
	}
	s.End()
	return s.Close()
}
