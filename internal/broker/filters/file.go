package filters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/vfs"
)

// Java's times.
const (
	writeInterval = 10 * time.Second
	deadAtLoad    = 30 * time.Second // loaded entries are dead since then
)

// content is consumerFilter.json.
type content struct {
	FilterDataByTopic map[string]*topicContent `json:"filterDataByTopic"`
}

type topicContent struct {
	GroupFilterData map[string]*entryContent `json:"groupFilterData"`
	Topic           string                   `json:"topic"`
}

type entryContent struct {
	BloomFilterData *bloomContent `json:"bloomFilterData"`
	BornTime        int64         `json:"bornTime"`
	ClientVersion   int64         `json:"clientVersion"`
	ConsumerGroup   string        `json:"consumerGroup"`
	Dead            bool          `json:"dead"`
	DeadTime        int64         `json:"deadTime"`
	Expression      string        `json:"expression"`
	ExpressionType  string        `json:"expressionType"`
	Topic           string        `json:"topic"`
}

type bloomContent struct {
	BitNum int   `json:"bitNum"`
	BitPos []int `json:"bitPos"`
}

// Open returns a table with what the file, or its previous generation, holds. A
// missing file is an empty table; one of which neither generation can be read is
// an error that names it. As in Java, a file whose Bloom filter has another shape
// than this configuration's counts as empty: consumers register again.
func Open(cfg Config) (*Table, error) {
	t := &Table{cfg: cfg, bloom: newBloom(cfg.ErrorRate, cfg.Consumers)}
	t.mu.topics = make(map[string]map[string]*Entry)
	t.mu.groups = make(map[string]map[string]struct{})
	var c content
	err := vfs.LoadFile(cfg.FS, cfg.Path, func(data []byte) error {
		c = content{}
		return javajson.Unmarshal(data, &c)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("consumer filters: %w", err)
	}
	if !t.shapedAs(&c) {
		cfg.Log.Warn("consumer filters not loaded: their Bloom filter has another shape", slog.String("file", cfg.Path), slog.Int("bits", t.bloom.bits))
		return t, nil
	}
	for topic, groups := range c.FilterDataByTopic {
		if groups == nil {
			continue
		}
		for group, e := range groups.GroupFilterData {
			if e == nil || topic == "" || group == "" {
				continue
			}
			if err := t.load(topic, group, e); err != nil {
				cfg.Log.Warn("consumer filter not loaded", slog.String("topic", topic), slog.String("group", group), slog.Any("error", err))
			}
		}
	}
	t.mu.dirty = false
	return t, nil
}

func (t *Table) shapedAs(c *content) bool {
	for _, groups := range c.FilterDataByTopic {
		if groups == nil {
			continue
		}
		for _, e := range groups.GroupFilterData {
			if b := e; b != nil && (b.BloomFilterData == nil || b.BloomFilterData.BitNum != t.bloom.bits || len(b.BloomFilterData.BitPos) != t.bloom.hashes) {
				return false
			}
		}
	}
	return true
}

func (t *Table) load(topic, group string, c *entryContent) error {
	program, err := Compile(c.ExpressionType, c.Expression)
	if err != nil {
		return err
	}
	e := &Entry{
		Topic: topic, Group: group, Expression: c.Expression, Program: program,
		Version: c.ClientVersion, BornTime: c.BornTime, DeadTime: c.DeadTime,
	}
	if e.DeadTime == 0 {
		e.DeadTime = max(e.BornTime, t.cfg.Now().Add(-deadAtLoad).UnixMilli())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.setLocked(nil, e)
}

// Save forgets what is dead for too long and writes the file, if anything has
// changed since it was written.
func (t *Table) Save() error {
	t.file.Lock()
	defer t.file.Unlock()
	c, changed := t.snapshot()
	if !changed {
		return nil
	}
	if err := vfs.ReplaceFile(t.cfg.FS, t.cfg.Path, javajson.MarshalPretty(c)); err != nil {
		t.mu.Lock()
		t.mu.dirty = true
		t.mu.Unlock()
		return fmt.Errorf("consumer filters: %w", err)
	}
	return nil
}

func (t *Table) snapshot() (c content, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanLocked()
	changed, t.mu.dirty = t.mu.dirty, false
	if !changed {
		return c, false
	}
	c.FilterDataByTopic = make(map[string]*topicContent, len(t.mu.topics))
	for topic, groups := range t.mu.topics {
		tc := &topicContent{Topic: topic, GroupFilterData: make(map[string]*entryContent, len(groups))}
		for group, e := range groups {
			tc.GroupFilterData[group] = &entryContent{
				BloomFilterData: &bloomContent{BitNum: t.bloom.bits, BitPos: t.bloom.positions(group + "#" + topic)},
				BornTime:        e.BornTime, ClientVersion: e.Version, ConsumerGroup: group, Dead: e.Dead(), DeadTime: e.DeadTime,
				Expression: e.Expression, ExpressionType: SQL92, Topic: topic,
			}
		}
		c.FilterDataByTopic[topic] = tc
	}
	return c, true
}

func (t *Table) cleanLocked() {
	limit := t.cfg.Now().Add(-t.cfg.Keep()).UnixMilli()
	var gone []*Entry
	for _, groups := range t.mu.topics {
		for _, e := range groups {
			if e.Dead() && e.DeadTime <= limit {
				gone = append(gone, e)
			}
		}
	}
	for e := range slices.Values(gone) {
		_ = t.setLocked(e, nil) // a removal always succeeds
	}
}

// Run writes the file every ten seconds until ctx ends.
func (t *Table) Run(ctx context.Context) error {
	ticker := time.NewTicker(writeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if err := t.Save(); err != nil {
			t.cfg.Log.Error("consumer filters not saved", slog.Any("error", err))
		}
	}
}
