package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// OffsetChange is a group's new offset in one queue. From is -1 where the broker
// did not tell the old one.
type OffsetChange struct {
	client.Queue
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Reset says which offsets of a group to move where.
type Reset struct {
	Group   string
	Topic   string
	Cluster string    // for light queues, see TopicStatus
	Time    time.Time // zero: the end of the queues
	Force   bool      // also forward; old brokers move only backwards without it
}

// ResetOffsets moves the offsets of a group to a time, or to the end: consumers
// go on from there with their next pull, without a restart. Brokers that need
// the group online for that are served the old way when it is not: the new
// offsets are computed here and written.
func (c *Client) ResetOffsets(ctx context.Context, r Reset) ([]OffsetChange, error) {
	route, err := c.cluster.LookupRoute(ctx, routeTopic(r.Topic, r.Cluster))
	if err != nil {
		return nil, fmt.Errorf("reset offsets of group %s: %w", r.Group, err)
	}
	changes := []OffsetChange{}
	var errs []error
	for _, addr := range addrsOf(route) {
		moved, err := c.resetAt(ctx, addr, r)
		if err != nil {
			errs = append(errs, fmt.Errorf("reset offsets of group %s: %w", r.Group, err))
		}
		changes = append(changes, moved...)
	}
	sortChanges(changes)
	return changes, cluster.Join(errs...)
}

func sortChanges(changes []OffsetChange) {
	slices.SortFunc(changes, func(a, b OffsetChange) int { return compareQueues(a.Queue, b.Queue) })
}

// resetAt moves the offsets at one broker. What they were is asked before, so
// that the change can be shown and undone.
func (c *Client) resetAt(ctx context.Context, addr string, r Reset) ([]OffsetChange, error) {
	before, err := c.consumeStats(ctx, addr, r.Group, r.Topic)
	if err != nil && !isRefusal(err) {
		return nil, err
	}
	timestamp := int64(-1)
	if !r.Time.IsZero() {
		timestamp = r.Time.UnixMilli()
	}
	body, err := c.resetRequest(ctx, addr, protocol.ResetOffsetRequest{
		Group: r.Group, Topic: r.Topic, Timestamp: timestamp, IsForce: r.Force,
	})
	if is(err, protocol.RespConsumerNotOnline) {
		return c.resetByHand(ctx, addr, r, before)
	}
	if err != nil {
		return nil, err
	}
	var changes []OffsetChange
	for q, offset := range body.OffsetTable {
		changes = append(changes, OffsetChange{Queue: queueOf(q), From: offsetBefore(before, q), To: offset})
	}
	return changes, nil
}

func isRefusal(err error) bool {
	_, refused := client.CodeOf(err)
	return refused
}

func offsetBefore(stats protocol.ConsumeStats, q protocol.MessageQueue) int64 {
	if o, ok := stats.OffsetTable[q]; ok {
		return o.ConsumerOffset
	}
	return -1
}

func (c *Client) resetRequest(ctx context.Context, addr string, h protocol.ResetOffsetRequest) (protocol.ResetOffsetBody, error) {
	return ask[protocol.ResetOffsetBody](ctx, c, addr, cluster.Request{Code: protocol.ReqInvokeBrokerToResetOffset, Header: &h})
}

// resetByHand computes the offsets of the queues that the group has offsets in,
// and writes them.
func (c *Client) resetByHand(ctx context.Context, addr string, r Reset, before protocol.ConsumeStats) ([]OffsetChange, error) {
	var changes []OffsetChange
	for q, o := range before.OffsetTable {
		if q.Topic != r.Topic {
			continue
		}
		to, err := c.offsetAt(ctx, addr, queueOf(q), r.Time)
		if err != nil {
			return changes, err
		}
		if !r.Force && to > o.ConsumerOffset {
			continue
		}
		if err := c.writeOffset(ctx, addr, r.Group, queueOf(q), to); err != nil {
			return changes, err
		}
		changes = append(changes, OffsetChange{Queue: queueOf(q), From: o.ConsumerOffset, To: to})
	}
	return changes, nil
}

// offsetAt is a queue's offset for a time, or its end for the zero time.
func (c *Client) offsetAt(ctx context.Context, addr string, q client.Queue, at time.Time) (int64, error) {
	req := cluster.Request{
		Code: protocol.ReqGetMaxOffset, Header: &protocol.GetMaxOffsetRequest{Topic: q.Topic, QueueID: q.ID},
	}
	if !at.IsZero() {
		req = cluster.Request{
			Code:   protocol.ReqSearchOffsetByTimestamp,
			Header: &protocol.SearchOffsetRequest{Topic: q.Topic, QueueID: q.ID, Timestamp: at.UnixMilli(), BoundaryType: "LOWER"},
		}
	}
	return c.offsetAnswer(ctx, addr, q, req)
}

func (c *Client) minOffset(ctx context.Context, addr string, q client.Queue) (int64, error) {
	return c.offsetAnswer(ctx, addr, q, cluster.Request{
		Code: protocol.ReqGetMinOffset, Header: &protocol.GetMinOffsetRequest{Topic: q.Topic, QueueID: q.ID},
	})
}

func (c *Client) offsetAnswer(ctx context.Context, addr string, q client.Queue, req cluster.Request) (int64, error) {
	resp, err := c.call(ctx, addr, req)
	if err != nil {
		return 0, fmt.Errorf("offset of queue %v: %w", q, err)
	}
	var h protocol.GetMaxOffsetResponse // the offset verbs answer alike
	if err := cluster.Bind("broker "+addr, resp, &h); err != nil {
		return 0, fmt.Errorf("offset of queue %v: %w", q, err)
	}
	return h.Offset, nil
}

func (c *Client) writeOffset(ctx context.Context, addr, group string, q client.Queue, offset int64) error {
	_, err := c.call(ctx, addr, cluster.Request{
		Code: protocol.ReqUpdateConsumerOffset,
		Header: &protocol.UpdateConsumerOffsetRequest{
			ConsumerGroup: group, Topic: q.Topic, QueueID: q.ID, CommitOffset: offset, BrokerName: q.Broker,
		},
	})
	if err != nil {
		return fmt.Errorf("offset of group %s in queue %v: %w", group, q, err)
	}
	return nil
}

// QueueReset says where to move a group's offset in one queue of one broker.
type QueueReset struct {
	Group  string
	Topic  string
	Broker string // address
	Queue  int32
	Time   time.Time
	Offset int64 // wins over Time unless negative
}

// ResetQueueOffset moves the offset of a group in one queue and tells running
// consumers.
func (c *Client) ResetQueueOffset(ctx context.Context, r QueueReset) (OffsetChange, error) {
	q := client.Queue{Topic: r.Topic, ID: r.Queue}
	change := OffsetChange{Queue: q, From: -1, To: r.Offset}
	var err error
	if r.Offset < 0 {
		if change.To, err = c.offsetAt(ctx, r.Broker, q, r.Time); err != nil {
			return change, err
		}
	}
	if err := c.writeOffset(ctx, r.Broker, r.Group, q, change.To); err != nil {
		return change, err
	}
	_, err = c.resetRequest(ctx, r.Broker, protocol.ResetOffsetRequest{
		Group: r.Group, Topic: r.Topic, Timestamp: 0, IsForce: true, QueueID: protocol.Some(r.Queue), Offset: protocol.Some(change.To),
	})
	if err != nil && !is(err, protocol.RespConsumerNotOnline) {
		return change, fmt.Errorf("offset of group %s in queue %v: %w", r.Group, q, err)
	}
	return change, nil
}

// CloneOffsets gives one group the offsets that another has in a topic.
func (c *Client) CloneOffsets(ctx context.Context, from, to, topic string) ([]OffsetChange, error) {
	progress, err := c.GroupProgress(ctx, ProgressQuery{Group: from, Topic: topic})
	if err != nil {
		return nil, err
	}
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return nil, err
	}
	changes := []OffsetChange{}
	for _, q := range progress.Queues {
		if q.Topic != topic {
			continue
		}
		addr, ok := route.Replica(q.Broker, cluster.MasterID)
		if !ok {
			return changes, fmt.Errorf("queue %v: the route of topic %s has no broker %s", q.Queue, topic, q.Broker)
		}
		if err := c.writeOffset(ctx, addr, to, q.Queue, q.ConsumerOffset); err != nil {
			return changes, err
		}
		changes = append(changes, OffsetChange{Queue: q.Queue, From: -1, To: q.ConsumerOffset})
	}
	return changes, nil
}
