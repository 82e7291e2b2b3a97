package broker

import (
	"context"
	"strings"
	"sync"

	"github.com/aerobee/aerobee/internal/broker/delay"
	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
)

// deliveries waits for the copies of one turn of the delay service.
type deliveries struct {
	b        *Broker
	waiting  sync.WaitGroup
	outcomes []delay.Outcome
}

// delivery is one copy on its way through the store.
type delivery struct {
	all   *deliveries
	index int
	bytes int64
}

// deliverDelayed stores copies of delayed messages and waits for them. They
// share the groups of the store with everybody who sends at the time.
func (b *Broker) deliverDelayed(_ context.Context, copies []message.Message, outcomes []delay.Outcome) {
	all := &deliveries{b: b, outcomes: outcomes}
	for i := range copies {
		m := &copies[i]
		p := b.store.AcquirePut()
		p.Topic, p.QueueID = strings.Clone(m.Topic), m.QueueID
		if topic, ok := b.topics.Lookup(m.Topic); ok {
			p.Topic, p.Batch = topic.TopicName, hasBatchQueues(topic)
		}
		if err := p.Add(m); err != nil {
			outcomes[i] = outcomeOf(store.StatusOf(err))
			b.store.ReleasePut(p)
			continue
		}
		all.waiting.Add(1)
		size := recordSize(m)
		p.Owner, p.Done = &delivery{all: all, index: i, bytes: size}, deliveryDone
		b.store.Enqueue(p)
	}
	b.store.Commit()
	all.waiting.Wait()
}

// deliveryDone is called by the leader. Done of the wait group publishes the outcome.
func deliveryDone(p *store.Put) {
	d := p.Owner.(*delivery)
	b := d.all.b
	d.all.outcomes[d.index] = outcomeOf(p.Result.Status)
	if p.Result.Status == store.PutOK {
		b.stats.Put(p.Topic, p.QueueID, stats.Delay, 1, d.bytes, 0)
	}
	b.store.ReleasePut(p)
	d.all.waiting.Done()
}

func outcomeOf(status store.PutStatus) delay.Outcome {
	switch status {
	case store.PutOK:
		return delay.Stored
	case store.PutMessageIllegal, store.PutPropertiesSizeExceeded:
		return delay.Refused
	default:
		return delay.Retry
	}
}

// stableTopic is a topic's name in memory that is not reused.
func (b *Broker) stableTopic(name string) string {
	if topic, ok := b.topics.Lookup(name); ok {
		return topic.TopicName
	}
	return strings.Clone(name)
}
