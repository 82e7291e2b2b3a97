package client

import (
	"context"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// How long the locks of ordered queues count. A broker keeps them for 60 s.
const (
	lockRenewal = 20 * time.Second
	lockTrusted = 30 * time.Second
	lockRetry   = 100 * time.Millisecond
)

// lock asks the brokers for the sole right to queues and lists those granted. For
// a consumer without order these are all.
func (c *PushConsumer) lock(ctx context.Context, queues []Queue) []Queue {
	if !c.cfg.ordered || c.cfg.broadcast {
		return queues
	}
	var granted []Queue
	for broker, some := range byBroker(queues) {
		addr, err := c.replica(ctx, queueOf(cluster.Queue{Topic: some[0].Topic, Broker: broker}), cluster.MasterID)
		if err != nil {
			c.cfg.logger.Warn("queues cannot be locked", "broker", broker, "error", err)
			continue
		}
		resp, err := c.cluster.Call(ctx, addr, cluster.Request{
			Code: protocol.ReqLockBatchMQ, Header: &protocol.LockBatchMQRequest{BrokerName: broker},
			Body: javajson.Marshal(&protocol.LockBatchRequestBody{ConsumerGroup: c.cfg.group, ClientID: c.clientID, MQSet: some}),
		})
		var body protocol.LockBatchResponseBody
		if err == nil {
			err = cluster.DecodeBody(addr, resp, &body)
		}
		if err != nil {
			if ctx.Err() == nil {
				c.cfg.logger.Warn("queues cannot be locked", "broker", broker, "error", err)
			}
			continue
		}
		for _, q := range body.LockOKMQSet {
			granted = append(granted, Queue{Topic: q.Topic, Broker: q.BrokerName, ID: q.QueueID})
		}
	}
	return granted
}

// unlock gives rights back.
func (c *PushConsumer) unlock(ctx context.Context, shares []*share) {
	if !c.cfg.ordered || c.cfg.broadcast {
		return
	}
	var queues []Queue
	for _, s := range shares {
		queues = append(queues, s.queue)
	}
	for broker, some := range byBroker(queues) {
		addr, err := c.replica(ctx, Queue{Topic: some[0].Topic, Broker: broker}, cluster.MasterID)
		if err == nil {
			_, err = c.cluster.Call(ctx, addr, cluster.Request{
				Code: protocol.ReqUnlockBatchMQ, Header: &protocol.UnlockBatchMQRequest{BrokerName: broker},
				Body: javajson.Marshal(&protocol.UnlockBatchRequestBody{ConsumerGroup: c.cfg.group, ClientID: c.clientID, MQSet: some}),
			})
		}
		if err != nil {
			c.cfg.logger.Debug("queues are not unlocked, their locks expire", "broker", broker, "error", err)
		}
	}
}

func byBroker(queues []Queue) map[string][]protocol.MessageQueue {
	m := make(map[string][]protocol.MessageQueue)
	for _, q := range queues {
		m[q.Broker] = append(m[q.Broker], messageQueue(q))
	}
	return m
}

// keepLocks renews the locks of all queues.
func (c *PushConsumer) keepLocks(ctx context.Context) error {
	for sleep(ctx, lockRenewal) {
		c.relock(c.held()...)
	}
	return nil
}

// relock renews the locks of shares. One that another member has got is noticed:
// nothing of its queue is handled any more until it is granted again.
func (c *PushConsumer) relock(shares ...*share) {
	ctx := c.group.Context()
	var queues []Queue
	of := make(map[Queue]*share)
	for _, s := range shares {
		queues = append(queues, s.queue)
		of[s.queue] = s
	}
	until := time.Now().Add(lockTrusted) // the broker counts from later on
	for _, q := range c.lock(ctx, queues) {
		if s := of[q]; s != nil {
			s.mu.Lock()
			s.mu.locked = until
			s.mu.Unlock()
		}
	}
}

// lockCounts tells whether this member may handle the queue.
func (s *share) lockCounts() bool {
	if s.consumer.cfg.broadcast {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.mu.locked)
}
