package broker

import (
	"path/filepath"

	"github.com/aerobee/aerobee/internal/broker/hold"
	"github.com/aerobee/aerobee/internal/broker/pop"
	"github.com/aerobee/aerobee/internal/broker/stats"
	"github.com/aerobee/aerobee/internal/protocol"
)

// openPops rebuilds the state of POP consumption from the log.
func (b *Broker) openPops() error {
	cfg := b.config()
	b.popping.mu.topics = make(map[string][]*popper)
	b.popping.held = hold.New(hold.Config{Resume: b.resumePops, Dropped: b.dropPop, Now: b.now, Max: cfg.MaxPopPollingSize})
	var err error
	b.pops, err = pop.Open(pop.Config{
		Store: b.store, Offsets: b.offsets, Topic: protocol.ReviveTopic(cfg.BrokerClusterName), Queues: cfg.ReviveQueueNum,
		Broker: cfg.BrokerName, Host: b.traffic.host,
		Redeliver: b.redeliverTo, Redelivered: b.redelivered, Wake: b.wakeAfter, Exists: b.popsExist,
		MaxLeases: func() int { return b.config().MaxPopLeases },
		FS:        b.store.FS(), Path: filepath.Join(cfg.StorePathRootDir, "config", "consumerOrderInfo.json"),
		Now: b.now, Log: b.log,
	})
	return err
}

// redeliverTo finds the retry topic for messages that were not acknowledged. The
// group begins it at its start.
func (b *Broker) redeliverTo(topic, group string, queue int32) (t pop.Target, gone bool, err error) {
	normal, known := b.topics.Lookup(pop.NormalTopic(topic, group))
	if _, ok := b.groups.Peek(group); !ok || !known {
		return t, true, nil
	}
	cfg := b.config()
	name := topic
	if pop.Mark(topic) == '0' || normal.TopicName == topic {
		name = string(appendRetryName(nil, topic, group, !cfg.RetryTopicV2))
	}
	queues := int32(1)
	if cfg.SeparateRetryQueue {
		queues = max(normal.WriteQueueNums, 1)
	}
	retry, err := b.retryTopic(name, group, queues)
	if err != nil {
		return t, false, err
	}
	t = pop.Target{Topic: retry.TopicName, Batch: hasBatchQueues(retry)}
	if cfg.SeparateRetryQueue && queue < retry.WriteQueueNums {
		t.Queue = queue
	}
	return t, false, nil
}

// retryTopic gives a POP retry topic with at least some queues.
func (b *Broker) retryTopic(name, group string, queues int32) (*protocol.TopicConfig, error) {
	retry, known := b.topics.Lookup(name)
	if known && retry.WriteQueueNums >= queues {
		return retry, nil
	}
	var err error
	if known {
		retry, err = b.topics.Widen(name, queues)
	} else {
		retry, err = b.topics.CreateInSendBack(name, queues, readWrite, 0)
	}
	if err != nil {
		return nil, err
	}
	for q := range queues {
		if _, ok := b.offsets.Query(group, retry.TopicName, q); !ok {
			if err := b.offsets.Commit(group, retry.TopicName, q, 0); err != nil {
				return nil, err
			}
		}
	}
	return retry, nil
}

func (b *Broker) redelivered(t pop.Target, bytes int64) {
	b.stats.Put(t.Topic, t.Queue, stats.Normal, 1, bytes, 0)
}

func (b *Broker) popsExist(topic, group string) bool {
	_, topicKnown := b.topics.Lookup(topic)
	_, groupKnown := b.groups.Peek(group)
	return topicKnown && groupKnown
}
