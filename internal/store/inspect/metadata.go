package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/vfs"
)

// metadata is what the files below config say. It is read before the log, so
// that with a broker on the directory it can only be older.
type metadata struct {
	topics struct {
		TopicConfigTable map[string]protocol.TopicConfig `json:"topicConfigTable"`
	}
	groups struct {
		SubscriptionGroupTable map[string]protocol.SubscriptionGroupConfig `json:"subscriptionGroupTable"`
	}
	offsets struct {
		OffsetTable map[string]map[int32]int64 `json:"offsetTable"`
	}
	delays struct {
		OffsetTable map[int32]int64 `json:"offsetTable"`
	}
}

// known tells whether a topic is configured. Without a file of topics, which a
// broker writes with the first change, all are.
func (m *metadata) known(topic string) bool {
	if len(m.topics.TopicConfigTable) == 0 || strings.HasPrefix(topic, "%LMQ%") {
		return true
	}
	_, ok := m.topics.TopicConfigTable[topic]
	return ok
}

func (c *checker) configPath(name string) string { return filepath.Join(c.d.cfg.Dir, "config", name) }

func (c *checker) readMetadata(p *Part) error {
	for _, f := range []struct {
		name string
		into any
	}{
		{"topics.json", &c.meta.topics},
		{"subscriptionGroup.json", &c.meta.groups},
		{"consumerOffset.json", &c.meta.offsets},
		{"delayOffset.json", &c.meta.delays},
	} {
		if err := c.readConfig(p, c.configPath(f.name), f.into); err != nil {
			return err
		}
	}
	return nil
}

// readConfig reads a file, or its previous generation as a start does.
func (c *checker) readConfig(p *Part, path string, into any) error {
	for _, path := range []string{path, path + ".bak"} {
		data, err := vfs.ReadFile(c.d.cfg.FS, path)
		if errors.Is(err, os.ErrNotExist) || err == nil && len(data) == 0 {
			continue
		}
		if err != nil {
			return err
		}
		p.Files++
		p.Bytes += int64(len(data))
		err = javajson.Unmarshal(data, into)
		if err == nil {
			p.Items++
			return nil
		}
		c.badConfig = append(c.badConfig, path)
		at := int64(-1)
		if bad := (*javajson.Error)(nil); errors.As(err, &bad) {
			at = int64(bad.Offset)
		}
		c.problem(p, Problem{File: path, Offset: at, Found: err.Error(), Expected: "JSON as fastjson writes it"})
	}
	return nil
}

// checkOffsets compares consumers' offsets with their queues.
func (c *checker) checkOffsets(p *Part) error {
	names := make([]string, 0, len(c.meta.offsets.OffsetTable))
	for name := range c.meta.offsets.OffsetTable {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		topic, _, ok := strings.Cut(name, "@")
		if !ok || !c.meta.known(topic) {
			continue
		}
		for id, offset := range c.meta.offsets.OffsetTable[name] {
			c.checkOffset(p, "consumerOffset.json", fmt.Sprintf("%s queue %d", name, id), cqueue.Key{Topic: topic, ID: id}, offset)
		}
	}
	for level, offset := range c.meta.delays.OffsetTable {
		c.checkOffset(p, "delayOffset.json", fmt.Sprintf("level %d", level), cqueue.Key{Topic: store.ScheduleTopic, ID: level - 1}, offset)
	}
	return nil
}

func (c *checker) checkOffset(p *Part, file, what string, k cqueue.Key, offset int64) {
	q := c.queues[k]
	if q == nil || offset <= 0 {
		return // never used, or by a consumer that found it empty
	}
	if end := max(q.end, q.next); offset > end {
		c.problem(p, Problem{File: c.configPath(file), Offset: -1, Found: fmt.Sprintf("%s at offset %d", what, offset), Expected: fmt.Sprintf("at most %d, the end of the queue", end)})
	}
}

// checkCheckpoint compares the checkpoint with the log.
func (c *checker) checkCheckpoint(p *Part) error {
	path := filepath.Join(c.d.cfg.Dir, "checkpoint")
	info, err := c.d.cfg.FS.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Files, p.Bytes, p.Items = 1, info.Size, 6
	bad := func(at int64, found, expected string) {
		c.badCheckpoint = true
		c.problem(p, Problem{File: path, Offset: at, Found: found, Expected: expected})
	}
	if info.Size != 4096 {
		bad(-1, fmt.Sprintf("a length of %d bytes", info.Size), "4096 bytes")
	}
	k := c.d.checkpoint
	for i, v := range []int64{k.LogTime, k.QueueTime, k.IndexTime} {
		name := []string{"physicMsgTimestamp ", "logicsMsgTimestamp ", "indexMsgTimestamp "}[i]
		if v < 0 || c.last.phy >= 0 && v > c.last.offset && len(c.damaged) == 0 {
			bad(int64(8*i), name+itoa(v), "0 to "+itoa(c.last.offset)+", the store time of the last record")
		}
	}
	switch at := k.QueueOffset; {
	case find(c.damaged, at) != nil || find(c.fillers, at) != nil:
	case at < 0 || at >= max(c.end, 1):
		bad(40, "logicsPhysicalOffset "+itoa(at), "0 to "+itoa(c.last.phy)+", the offset of the last record")
	case at >= c.d.logMin() && c.last.phy >= 0 && !c.d.isRecord(at):
		bad(40, "logicsPhysicalOffset "+itoa(at), "the offset of a record")
	}
	return nil
}
