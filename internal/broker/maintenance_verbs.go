package broker

import (
	"context"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// cleanQueues serves CLEAN_EXPIRED_CONSUMEQUEUE. The store removes queue files
// together with the log files that they point to, so there is nothing left to do.
func (b *Broker) cleanQueues(c *remoting.Call) error { return replyOK(c) }

// cleanLog serves DELETE_EXPIRED_COMMITLOG: what is old enough goes now, whatever
// the hour.
func (b *Broker) cleanLog(ctx context.Context, c *remoting.Call) error {
	if err := b.store.CleanNow(ctx); err != nil {
		return err
	}
	return replyOK(c)
}

// cleanUnusedTopics serves CLEAN_UNUSED_TOPIC: queues of topics that the broker
// does not know are removed.
func (b *Broker) cleanUnusedTopics(ctx context.Context, c *remoting.Call) error {
	names, err := b.store.Topics()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, known := b.topics.Lookup(name); known || protocol.IsLMQ(name) {
			continue
		}
		if err := b.store.DeleteTopic(name); err != nil {
			return err
		}
		b.log.Info("queues of an unknown topic removed", "topic", name, "peer", c.Conn().RemoteAddr())
	}
	return replyOK(c)
}
