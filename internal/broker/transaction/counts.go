package transaction

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/vfs"
)

// counts is the content of the file transactionMetrics: open half messages by
// topic. Like Java's it is a count of events and not exact after a crash.
type counts struct {
	mu      sync.Mutex
	version protocol.DataVersion
	topics  map[string]*protocol.Metric
	dirty   bool
}

// maxCounted is how many topics are counted.
const maxCounted = 1 << 16

func (c *counts) load(fs vfs.FS, path string) error {
	var m protocol.TransactionMetrics
	err := vfs.LoadFile(fs, path, func(data []byte) error {
		m = protocol.TransactionMetrics{}
		return javajson.Unmarshal(data, &m)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("transaction metrics: %w", err)
	}
	c.version, c.topics = m.DataVersion, make(map[string]*protocol.Metric)
	for topic, count := range m.TransactionCount {
		c.topics[topic] = &count
	}
	return nil
}

// add counts half messages of a topic.
func (c *counts) add(topic string, n int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.topics[topic]
	if !ok {
		if len(c.topics) >= maxCounted {
			return
		}
		m = new(protocol.Metric)
		c.topics[strings.Clone(topic)] = m
	}
	m.Count += n
	m.TimeStamp = now.UnixMilli()
	c.version.Counter++
	c.version.Timestamp = m.TimeStamp
	c.dirty = true
}

// remove forgets a topic.
func (c *counts) remove(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.topics, topic)
	c.dirty = true
}

func (c *counts) copy() map[string]protocol.Metric {
	all := make(map[string]protocol.Metric, len(c.topics))
	for topic, m := range c.topics {
		all[topic] = *m
	}
	return all
}

// take returns what is to be written, if anything changed.
func (c *counts) take() (m protocol.TransactionMetrics, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, c.dirty = c.dirty, false
	if changed {
		m = protocol.TransactionMetrics{DataVersion: c.version, TransactionCount: c.copy()}
	}
	return m, changed
}

func (s *Service) saveCounts() {
	m, changed := s.counts.take()
	if !changed {
		return
	}
	if err := vfs.ReplaceFile(s.cfg.FS, s.cfg.Path, javajson.Marshal(m)); err != nil {
		s.cfg.Log.Error("transaction metrics not saved", slog.Any("error", err))
	}
}

// Forget forgets the counts of a topic that was deleted.
func (s *Service) Forget(topic string) { s.counts.remove(topic) }

// Counts are the open half messages by topic, as the file has them.
func (s *Service) Counts() map[string]protocol.Metric {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	return s.counts.copy()
}
