package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aerobee/aerobee/internal/broker/dedup"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

// dedupSweep is the time between looks for what is too old.
const dedupSweep = 10 * time.Second

func (b *Broker) sweepDedup(ctx context.Context) error {
	return every(ctx, dedupSweep, func() {
		b.dedup.Sweep(b.now().UnixMilli(), func(name string) bool {
			topic, ok := b.topics.Lookup(name)
			return ok && topic.Attributes[protocol.TopicAttrDedupWindow] != ""
		})
	})
}

// openDedup makes the table of known messages from the log: it reads the queues of
// the topics that suppress duplicates, and those of the delay levels, as far back
// as the windows go.
func (b *Broker) openDedup(ctx context.Context) error {
	most := b.config().DedupMaxEntries
	b.dedup = dedup.New(most)
	r := rememberer{b: b, most: most, began: b.now(), topics: make(map[string]*once)}
	var longest time.Duration
	_, topics := b.topics.Snapshot()
	for _, t := range topics {
		text := t.Attributes[protocol.TopicAttrDedupWindow]
		if text == "" {
			continue
		}
		o := b.newOnce(t)
		if o == nil {
			b.log.Warn("topic attribute has no effect", "topic", t.TopicName, "attribute", protocol.TopicAttrDedupWindow, "value", text)
			continue
		}
		r.topics[t.TopicName] = o
		longest = max(longest, o.window)
	}
	if len(r.topics) == 0 {
		return nil
	}
	for name, o := range r.topics {
		if err := r.scan(ctx, name, o.window); err != nil {
			return err
		}
	}
	if err := r.scan(ctx, store.ScheduleTopic, longest); err != nil {
		return err
	}
	b.log.Info("known messages restored from the log", "topics", len(r.topics), "messages", b.dedup.Stats().Entries, "took", b.now().Sub(r.began))
	return nil
}

// rememberer collects the messages that are in the windows.
type rememberer struct {
	b      *Broker
	most   int // records that are read of one topic
	began  time.Time
	topics map[string]*once
	found  []found
	rec    []byte
}

// found is a message in the log.
type found struct {
	of        *once
	key       dedup.Key
	place, at int64
}

// scan reads a topic's queues as far back as the window goes. When they have more
// messages than are remembered at all, each queue gives the newest of its share.
func (r *rememberer) scan(ctx context.Context, topic string, window time.Duration) error {
	s := r.b.store
	since := r.began.Add(-window).UnixMilli()
	queues := s.Queues(topic)
	for _, q := range queues {
		end := s.MaxOffset(topic, q)
		from := max(s.OffsetByTime(topic, q, since, false), end-int64(max(r.most/len(queues), 1)))
		for from < end {
			if err := ctx.Err(); err != nil {
				return err
			}
			units := s.Units(topic, q, from, 1024)
			if len(units) == 0 {
				break
			}
			for _, u := range units {
				r.read(u.Phy)
				from = u.End(from)
			}
		}
	}
	r.remember()
	return nil
}

// read takes in a record, if it is one that the send path would have known. A
// record that cannot be read is none: its message is stored again.
func (r *rememberer) read(place int64) {
	rec, err := r.b.store.Record(place, r.rec[:0])
	if err != nil {
		return
	}
	r.rec = rec
	m, err := message.Parse(rec)
	if err != nil || m.SysFlag&message.FlagTransactionMask != 0 {
		return
	}
	topic, _ := sentTo(&m)
	if _, delivered := message.Property(m.Properties, message.PropRealTopic); delivered && topic == m.Topic {
		return // its key was known when it was sent, not from its delivery on
	}
	o := r.topics[topic]
	if o == nil {
		return
	}
	if id := dedup.IDOf(m.Properties, o.property); id.Name != "" {
		r.found = append(r.found, found{o, r.b.dedup.KeyOf(topic, id), place, m.StoreTimestamp})
	}
}

// remember enters what was found in a topic into the table, in the order of the log.
func (r *rememberer) remember() {
	slices.SortFunc(r.found, func(a, b found) int { return cmp.Compare(a.place, b.place) })
	for _, f := range r.found {
		r.b.dedup.Remember(f.of.topic, f.of.window, f.key, f.place, f.at)
	}
	r.found = r.found[:0]
}
