package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// Send sends a message and returns when a broker has stored it, or when no
// attempt had success within the send timeout. See the package comment for what
// an error means.
func (p *Producer) Send(ctx context.Context, m *Message) (SendResult, error) {
	s, err := p.newSend(m)
	if err != nil {
		return SendResult{}, err
	}
	results, err := p.deliver(ctx, s)
	if err != nil {
		return SendResult{}, err
	}
	return results[0], nil
}

// SendBatch sends messages of one topic as one request: all are stored in one
// queue, one after the other, or none is. Batches cannot be delayed. The results
// are in the order of the messages.
func (p *Producer) SendBatch(ctx context.Context, batch []*Message) ([]SendResult, error) {
	s, err := p.newBatch(batch)
	if err != nil {
		return nil, err
	}
	return p.deliver(ctx, s)
}

// SendOneway sends a message without waiting for an answer: nobody knows whether
// it is stored. An error means that it was not even written to a connection.
func (p *Producer) SendOneway(ctx context.Context, m *Message) error {
	s, err := p.newSend(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.sendTimeout)
	defer cancel()
	if err := p.begin(ctx); err != nil {
		return s.failed(err, 0)
	}
	defer p.end()
	route, err := p.routes.TopicForSend(ctx, s.topic)
	if err != nil {
		return s.failed(err, 0)
	}
	t, err := p.pick(route, s, "")
	if err != nil {
		return s.failed(err, 0)
	}
	if err := p.cluster.Oneway(ctx, t.addr, p.request(s, t)); err != nil {
		p.routes.Invalidate(s.topic)
		return s.failed(err, 1)
	}
	return nil
}

// send is a message, or a batch, on its way.
type send struct {
	topic string
	to    *Queue
	flag  int32
	props string
	body  []byte
	ids   []string
	batch bool
	born  time.Time
}

func (s *send) failed(err error, attempts int) error {
	if attempts > 1 {
		return fmt.Errorf("send to topic %s: %w (attempt %d)", s.topic, err, attempts)
	}
	return fmt.Errorf("send to topic %s: %w", s.topic, err)
}

func (p *Producer) newSend(m *Message) (*send, error) {
	now := time.Now()
	out, err := encode(m, p.ids, now, p.cfg.maxMessageSize)
	if err != nil {
		return nil, err
	}
	return &send{topic: m.Topic, to: m.To, flag: m.Flag, props: out.props, body: m.Body, ids: []string{out.id}, born: now}, nil
}

func (p *Producer) newBatch(batch []*Message) (*send, error) {
	if len(batch) == 0 {
		return nil, fmt.Errorf("%w: the batch is empty", ErrInvalidMessage)
	}
	now := time.Now()
	s := &send{topic: batch[0].Topic, to: batch[0].To, batch: true, born: now}
	for _, m := range batch {
		out, err := encode(m, p.ids, now, p.cfg.maxMessageSize)
		switch {
		case err != nil:
			return nil, err
		case m.Topic != s.topic:
			return nil, fmt.Errorf("%w: batch with topics %s and %s", ErrInvalidMessage, s.topic, m.Topic)
		case m.DelayLevel != 0:
			return nil, fmt.Errorf("%w: topic %s: a batch cannot be delayed", ErrInvalidMessage, s.topic)
		case !sameQueue(m.To, s.to):
			return nil, fmt.Errorf("%w: topic %s: the messages of a batch go to one queue", ErrInvalidMessage, s.topic)
		}
		s.body = message.AppendBatchItem(s.body, message.BatchItem{Flag: m.Flag, Properties: out.props, Body: m.Body})
		s.ids = append(s.ids, out.id)
		if len(s.body) > p.cfg.maxMessageSize {
			return nil, fmt.Errorf("%w: topic %s: the batch has more than %d bytes", ErrInvalidMessage, s.topic, p.cfg.maxMessageSize)
		}
	}
	return s, nil
}

func sameQueue(a, b *Queue) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// target is where an attempt goes.
type target struct {
	queue cluster.Queue
	addr  string
}

// pick chooses the queue for an attempt: the one asked for, or the next in turn
// that is not on the broker that just failed.
func (p *Producer) pick(route *cluster.Route, s *send, avoid string) (target, error) {
	if s.to != nil {
		addr, ok := route.Master(s.to.Broker)
		if !ok {
			return target{}, fmt.Errorf("queue %v: %w: the route has no master of broker %s", *s.to, ErrNoQueue, s.to.Broker)
		}
		return target{queue: cluster.Queue{Topic: s.topic, Broker: s.to.Broker, ID: s.to.ID}, addr: addr}, nil
	}
	n := len(route.Publish)
	if n == 0 {
		return target{}, fmt.Errorf("%w: no queue may be written, or its broker has no master", ErrNoQueue)
	}
	start := int(p.turn.Add(1) % uint32(n))
	q := route.Publish[start]
	for i := range n {
		if next := route.Publish[(start+i)%n]; next.Broker != avoid {
			q = next
			break
		}
	}
	addr, ok := route.Master(q.Broker)
	if !ok {
		return target{}, fmt.Errorf("queue %v: %w: broker %s has no master", queueOf(q), ErrNoQueue, q.Broker)
	}
	return target{queue: q, addr: addr}, nil
}

func (p *Producer) request(s *send, t target) cluster.Request {
	code := protocol.ReqSendMessageV2
	if s.batch {
		code = protocol.ReqSendBatchMessage
	}
	return cluster.Request{
		Code:  code,
		Short: true,
		Body:  s.body,
		Header: &protocol.SendMessageRequest{
			ProducerGroup: p.cfg.group, Topic: s.topic, DefaultTopic: protocol.AutoCreateTopicKey,
			DefaultTopicQueueNums: p.cfg.templateQueues, QueueID: t.queue.ID, BornTimestamp: s.born.UnixMilli(),
			Flag: s.flag, Properties: s.props, Batch: s.batch, BrokerName: t.queue.Broker,
		},
		Accept: []protocol.ResponseCode{
			protocol.RespFlushDiskTimeout, protocol.RespFlushSlaveTimeout, protocol.RespSlaveNotAvailable,
		},
	}
}

// deliver makes attempts until one has success.
func (p *Producer) deliver(ctx context.Context, s *send) ([]SendResult, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.sendTimeout)
	defer cancel()
	if err := p.begin(ctx); err != nil {
		return nil, s.failed(err, 0)
	}
	defer p.end()
	avoid := ""
	for attempt := 1; ; attempt++ {
		results, broker, err := p.attempt(ctx, s, avoid, attempt)
		if err == nil {
			return results, nil
		}
		if !p.again(ctx, s, attempt, err) {
			return nil, s.failed(err, attempt)
		}
		p.logger(s.topic).Debug("send is tried again", "broker", broker, "attempt", attempt, "error", err)
		if broker == avoid {
			wait(ctx, sameBrokerPause)
		}
		avoid = broker
	}
}

// sameBrokerPause is the time between two attempts at one broker when there is
// no other: a restart takes longer than a retry.
const sameBrokerPause = 100 * time.Millisecond

// wait sleeps, at most until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// busyPause is the time between two looks at a connection that has too much to
// write.
const busyPause = 2 * time.Millisecond

// callWithRoom is a call that waits while the connection has too much to write:
// that is back-pressure, not a failed attempt.
func (p *Producer) callWithRoom(ctx context.Context, addr string, req cluster.Request) (*remoting.Command, error) {
	for {
		resp, err := p.cluster.Call(ctx, addr, req)
		if !errors.Is(err, remoting.ErrBusy) || ctx.Err() != nil {
			return resp, err
		}
		wait(ctx, busyPause)
	}
}

func (p *Producer) again(ctx context.Context, s *send, attempt int, err error) bool {
	return attempt <= p.cfg.retries && s.to == nil && ctx.Err() == nil && retryElsewhere(err) && !errors.Is(err, ErrNoQueue)
}

func (p *Producer) attempt(ctx context.Context, s *send, avoid string, attempt int) (results []SendResult, broker string, err error) {
	route, err := p.routes.TopicForSend(ctx, s.topic)
	if err != nil {
		return nil, "", err
	}
	t, err := p.pick(route, s, avoid)
	if err != nil {
		p.routes.Invalidate(s.topic)
		return nil, "", err
	}
	if p.cfg.attemptTimeout > 0 && attempt <= p.cfg.retries {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.attemptTimeout)
		defer cancel()
	}
	resp, err := p.callWithRoom(ctx, t.addr, p.request(s, t))
	if err == nil {
		results, err = s.results(resp, t)
	}
	if err != nil {
		p.distrust(s.topic, err)
		return nil, t.queue.Broker, err
	}
	return results, t.queue.Broker, nil
}

// distrust has the route looked up again when a broker could not be reached or
// no longer serves the topic.
func (p *Producer) distrust(topic string, err error) {
	if errors.Is(err, remoting.ErrBusy) {
		return
	}
	if code, answered := CodeOf(err); !answered || code == CodeTopicNotExist || code == CodeNoPermission {
		p.routes.Invalidate(topic)
	}
}

// results reads a broker's answer.
func (s *send) results(resp *remoting.Command, t target) ([]SendResult, error) {
	var h protocol.SendMessageResponse
	if err := cluster.Bind(t.addr, resp, &h); err != nil {
		return nil, err
	}
	queue := queueOf(t.queue)
	queue.ID = h.QueueID
	offsetIDs := strings.Split(h.MsgID, ",")
	results := make([]SendResult, len(s.ids))
	for i, id := range s.ids {
		results[i] = SendResult{ID: id, Queue: queue, Offset: h.QueueOffset + int64(i), Status: statusOf(resp.Code)}
		if i < len(offsetIDs) {
			results[i].OffsetID = offsetIDs[i]
		}
	}
	return results, nil
}

func statusOf(code int32) SendStatus {
	switch protocol.ResponseCode(code) {
	case protocol.RespFlushDiskTimeout:
		return SendFlushDiskTimeout
	case protocol.RespFlushSlaveTimeout:
		return SendFlushReplicaTimeout
	case protocol.RespSlaveNotAvailable:
		return SendReplicaNotAvailable
	}
	return SendOK
}
