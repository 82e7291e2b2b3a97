package broker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aerobee/aerobee/internal/broker/registry"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

// Bounds of what is kept and said about members of a group that subscribe to
// different things (ADR 0016).
const (
	maxSkipCounts  = 1 << 14     // groups and topics counted; further ones are counted together
	mismatchLogGap = time.Second // between two lines in the log
)

// mismatches counts the messages that members of mixed groups passed over although
// other members want them. The zero value is ready.
type mismatches struct {
	mu     sync.Mutex
	counts map[skipKey]int64
	logged time.Time
	silent int // changes that the log did not tell
}

type skipKey struct{ group, topic string }

// otherSkips stands for the groups and topics beyond maxSkipCounts.
var otherSkips = skipKey{"OTHER", "OTHER"}

func (m *mismatches) add(group, topic string, n int64) {
	if n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = make(map[skipKey]int64)
	}
	key := skipKey{group, topic}
	if _, known := m.counts[key]; !known && len(m.counts) >= maxSkipCounts {
		key = otherSkips
	}
	m.counts[key] += n
}

func (m *mismatches) all() map[skipKey]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts)
}

// of lists what a group's members missed, as lines for people.
func (m *mismatches) of(group string) (lines []string) {
	for key, n := range m.all() {
		if key.group == group {
			lines = append(lines, fmt.Sprintf("topic %s: %d messages since the broker's start that one member passed over and another one wants", key.topic, n))
		}
	}
	slices.Sort(lines)
	return lines
}

// mayLog tells whether the log takes another line now, and how many it did not.
func (m *mismatches) mayLog(now time.Time) (silent int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.logged) < mismatchLogGap {
		m.silent++
		return 0, false
	}
	silent, m.logged, m.silent = m.silent, now, 0
	return silent, true
}

// reportMismatches logs groups whose members began to differ, or no longer do.
func (b *Broker) reportMismatches(list []registry.Mismatch) {
	for _, m := range list {
		silent, ok := b.skipped.mayLog(b.now())
		switch {
		case !ok:
		case len(m.Differences) > 0:
			b.log.Warn("members of a group subscribe to different things: messages that only one of them wants are passed over in the queues of the others",
				"group", m.Group, "differences", strings.Join(m.Differences, "; "), "unreported", silent)
		default:
			b.log.Info("the members of a group subscribe to the same things again", "group", m.Group, "unreported", silent)
		}
	}
}

// mismatchReport is what a group's members differ in and what came of it.
func (b *Broker) mismatchReport(g *registry.Group) []string {
	return append(g.Differences(), b.skipped.of(g.Name)...)
}

// mismatchRemark tells a member in the answer to its heartbeat.
func (b *Broker) mismatchRemark(consumers []protocol.ConsumerData) string {
	var parts []string
	for i := range consumers {
		if g, online := b.clients.ConsumerGroup(consumers[i].GroupName); online && g.Mixed {
			for _, d := range g.Differences() {
				parts = append(parts, "group "+g.Name+": "+d)
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "the members of a group subscribe to different things: " + strings.Join(parts, "; ")
}

// skips is the filter of a member that counts what it passes over and others want.
// Expressions that are no tags are not looked at for the others.
type skips struct {
	own    store.Filter
	others []store.Filter // nil wants everything
	count  int64
}

func (p *pull) skips() *skips {
	s := &skips{own: p.filter}
	for _, sub := range p.online.Others(p.topic.TopicName, p.sub) {
		if byTags(sub.ExpressionType) {
			s.others = append(s.others, filterOf(sub))
		}
	}
	return s
}

// MatchTags implements store.Filter.
func (s *skips) MatchTags(tagsCode int64) bool {
	if s.own.MatchTags(tagsCode) {
		return true
	}
	for _, other := range s.others {
		if other == nil || other.MatchTags(tagsCode) {
			s.count++
			break
		}
	}
	return false
}

// MatchRecord implements store.Filter.
func (s *skips) MatchRecord(record []byte) bool { return s.own.MatchRecord(record) }
