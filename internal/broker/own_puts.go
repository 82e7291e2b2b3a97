package broker

import (
	"strings"
	"sync"

	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
)

// ownPuts waits for messages that the broker itself stores.
type ownPuts struct {
	b       *Broker
	kind    stats.Kind
	waiting sync.WaitGroup
	results []store.PutResult
}

// ownPut is one of them on its way through the store.
type ownPut struct {
	all   *ownPuts
	index int
	bytes int64
}

// putAll stores messages of the broker's own, in order where they go to one
// queue, and waits until they are as durable as any send. They share the groups
// of the store with everybody who sends at the time; what they say may be reused
// afterwards. The results are as long as the messages.
func (b *Broker) putAll(messages []message.Message, results []store.PutResult, kind stats.Kind) {
	all := &ownPuts{b: b, kind: kind, results: results}
	for i := range messages {
		m := &messages[i]
		p := b.store.AcquirePut()
		p.Topic, p.QueueID = strings.Clone(m.Topic), m.QueueID
		if topic, ok := b.topics.Lookup(m.Topic); ok {
			p.Topic, p.Batch = topic.TopicName, hasBatchQueues(topic)
		}
		if err := p.Add(m); err != nil {
			results[i] = store.PutResult{Status: store.StatusOf(err)}
			b.store.ReleasePut(p)
			continue
		}
		all.waiting.Add(1)
		p.Owner, p.Done = &ownPut{all: all, index: i, bytes: recordSize(m)}, ownPutDone
		b.store.Enqueue(p)
	}
	b.store.Commit()
	all.waiting.Wait()
}

// ownPutDone is called by the leader. Done of the wait group publishes the result.
func ownPutDone(p *store.Put) {
	o := p.Owner.(*ownPut)
	b := o.all.b
	o.all.results[o.index] = p.Result
	if p.Result.Status == store.PutOK {
		b.stats.Put(p.Topic, p.QueueID, o.all.kind, 1, o.bytes, 0)
	}
	b.store.ReleasePut(p)
	o.all.waiting.Done()
}

// stableTopic is a topic's name in memory that is not reused.
func (b *Broker) stableTopic(name string) string {
	if topic, ok := b.topics.Lookup(name); ok {
		return topic.TopicName
	}
	return strings.Clone(name)
}
