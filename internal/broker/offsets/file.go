package offsets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// content is consumerOffset.json. Java reads dataVersion and offsetTable only.
type content struct {
	DataVersion     *protocol.DataVersion      `json:"dataVersion"`
	GroupTopicMap   map[string][]string        `json:"groupTopicMap"`
	OffsetTable     map[string]map[int32]int64 `json:"offsetTable"` // topic@group -> queue -> offset
	PullOffsetTable map[string]map[int32]int64 `json:"pullOffsetTable"`
	// LMQOffsetTable is what groups with the name of a light queue have instead, in
	// lmqConsumerOffset.json alone: topic@group -> offset.
	LMQOffsetTable map[string]int64 `json:"lmqOffsetTable,omitempty"`
}

// Open returns a table with what the file holds, or its previous generation. A
// missing file is an empty table; one of which neither generation can be read is
// an error that names it.
func Open(cfg Config) (*Table, error) {
	var t *Table
	err := vfs.LoadFile(cfg.FS, cfg.Path, func(data []byte) error {
		t = newTable(cfg)
		return t.parse(data)
	})
	if errors.Is(err, os.ErrNotExist) {
		return newTable(cfg), nil
	}
	if err != nil {
		return nil, fmt.Errorf("consumer offsets: %w", err)
	}
	return t, nil
}

func (t *Table) parse(data []byte) error {
	c := content{OffsetTable: map[string]map[int32]int64{}}
	if err := javajson.Unmarshal(data, &c); err != nil {
		return err
	}
	if c.DataVersion != nil {
		t.version.DataVersion = *c.DataVersion
	}
	for name, offset := range c.LMQOffsetTable {
		c.OffsetTable[name] = map[int32]int64{0: offset}
	}
	for name, queues := range c.OffsetTable {
		topic, group, ok := strings.Cut(name, Separator)
		if !ok || topic == "" || group == "" {
			continue // as Java, which never finds such a key again
		}
		s := t.shard(group, topic)
		for queue, offset := range queues {
			if offset < 0 {
				continue
			}
			p, err := t.positionLocked(s, group, topic, queue) // nobody else has the table yet
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			p.committed = offset
		}
	}
	return nil
}

func (t *Table) content() content {
	version := t.DataVersion()
	c := content{
		DataVersion:     &version,
		GroupTopicMap:   map[string][]string{},
		OffsetTable:     map[string]map[int32]int64{},
		PullOffsetTable: map[string]map[int32]int64{},
		LMQOffsetTable:  map[string]int64{},
	}
	t.each(func(_ *shard, k pair, p *progress) {
		name := k.topic + Separator + k.group
		if m := p.table(func(q position) int64 { return q.pulled }); m != nil {
			c.PullOffsetTable[name] = m
		}
		m := p.table(func(q position) int64 { return q.committed })
		if m == nil {
			return
		}
		if offset, ok := m[0]; ok && t.cfg.LMQ && protocol.IsLMQ(k.group) {
			c.LMQOffsetTable[name] = offset
			return
		}
		c.OffsetTable[name] = m
		if !strings.Contains(k.group, Separator) {
			c.GroupTopicMap[k.group] = append(c.GroupTopicMap[k.group], k.topic)
		}
	})
	for _, topics := range c.GroupTopicMap {
		slices.Sort(topics)
	}
	return c
}

// Encode returns the table as GET_ALL_CONSUMER_OFFSET answers it, in fastjson's
// dialect with unquoted queue numbers.
func (t *Table) Encode() []byte { return javajson.Marshal(t.content()) }

// Persist writes the file when a committed offset has changed since it was
// written last.
func (t *Table) Persist() error {
	t.file.Lock()
	defer t.file.Unlock()
	change := t.change.Load() // before the copy: what comes later is written next time
	if change == t.file.written {
		return nil
	}
	if err := vfs.ReplaceFile(t.cfg.FS, t.cfg.Path, javajson.MarshalPretty(t.content())); err != nil {
		return fmt.Errorf("consumer offsets: %w", err)
	}
	t.file.written = change
	return nil
}

// Run persists the table every interval until ctx ends. interval is asked anew
// each time. A failure is logged and tried again; whoever stops the broker calls
// Persist once more after Run has returned.
func (t *Table) Run(ctx context.Context, interval func() time.Duration) error {
	timer := time.NewTimer(interval())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := t.Persist(); err != nil {
			t.cfg.Log.Error("consumer offsets not saved", slog.Any("error", err))
		}
		timer.Reset(max(interval(), time.Millisecond))
	}
}
