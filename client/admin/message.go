package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// ErrNoMessage means that no broker has the message asked for.
var ErrNoMessage = errors.New("no such message")

// MessageByID returns the message of an offset id. The id holds the address of
// the broker and the place in its log, so it needs no nameserver; for an id of
// the other kind, one made by a producer, see MessagesByUniqueKey.
func (c *Client) MessageByID(ctx context.Context, topic, id string) (*client.MessageView, error) {
	host, offset, err := message.ParseOffsetID(id)
	if err != nil {
		return nil, err
	}
	addr := host.String()
	resp, err := c.call(ctx, addr, cluster.Request{
		Code: protocol.ReqViewMessageByID, Header: &protocol.ViewMessageRequest{Topic: topic, Offset: offset},
	})
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", id, err)
	}
	views, err := client.DecodeMessages(resp.Body, "")
	if err != nil {
		return nil, fmt.Errorf("message %s: broker %s: %w", id, addr, err)
	}
	if len(views) == 0 {
		return nil, fmt.Errorf("message %s: %w at broker %s", id, ErrNoMessage, addr)
	}
	return views[0], nil
}

// KeyQuery says which messages to look for in the brokers' indexes.
type KeyQuery struct {
	Topic   string
	Key     string
	Type    string    // K: keys (default), T: tags, where brokers index them
	Begin   time.Time // store time; zero: from the beginning
	End     time.Time // zero: until now and beyond
	Max     int       // for each broker; default 64, which is also Java's limit
	LastKey string    // where the last page ended, for brokers with a RocksDB index
	Cluster string    // for light queues, see TopicStatus
}

// MessagesByKey returns the messages that have a key, oldest first. The indexes
// of brokers are made of hashes; what only has the same hash is left out.
func (c *Client) MessagesByKey(ctx context.Context, q KeyQuery) ([]*client.MessageView, error) {
	found, err := c.query(ctx, q, false)
	if err != nil {
		return nil, fmt.Errorf("messages with key %s of topic %s: %w", q.Key, q.Topic, err)
	}
	return slices.DeleteFunc(found, func(m *client.MessageView) bool {
		if q.Type == "T" {
			return m.Tag() != q.Key
		}
		return !slices.Contains(m.Keys(), q.Key) && m.Properties[message.PropUniqKey] != q.Key
	}), nil
}

// MessagesByUniqueKey returns the messages with an id made by a producer, oldest
// first: more than one if a send was retried.
func (c *Client) MessagesByUniqueKey(ctx context.Context, q KeyQuery) ([]*client.MessageView, error) {
	found, err := c.query(ctx, q, true)
	if err != nil {
		return nil, fmt.Errorf("message %s of topic %s: %w", q.Key, q.Topic, err)
	}
	return slices.DeleteFunc(found, func(m *client.MessageView) bool { return m.Properties[message.PropUniqKey] != q.Key }), nil
}

func (c *Client) query(ctx context.Context, q KeyQuery, unique bool) ([]*client.MessageView, error) {
	route, err := c.cluster.LookupRoute(ctx, routeTopic(q.Topic, q.Cluster))
	if err != nil {
		return nil, err
	}
	req := q.request(unique)
	found := []*client.MessageView{}
	for _, name := range route.Brokers() {
		addr, ok := route.Replica(name, cluster.MasterID)
		if !ok {
			continue
		}
		resp, err := c.call(ctx, addr, req)
		if err != nil {
			return nil, err
		}
		if resp.Code != int32(protocol.RespSuccess) {
			continue
		}
		views, err := client.DecodeMessages(resp.Body, name)
		if err != nil {
			return nil, fmt.Errorf("broker %s: %w", addr, err)
		}
		found = append(found, views...)
	}
	slices.SortStableFunc(found, func(a, b *client.MessageView) int { return a.StoredAt.Compare(b.StoredAt) })
	return found, nil
}

func (q KeyQuery) request(unique bool) cluster.Request {
	h := &protocol.QueryMessageRequest{
		Topic: q.Topic, Key: q.Key, MaxNum: int32(cmp.Or(q.Max, protocol.MaxQueryMessages)),
		EndTimestamp: 1<<63 - 1, IndexType: cmp.Or(q.Type, "K"), LastKey: q.LastKey,
	}
	if !q.Begin.IsZero() {
		h.BeginTimestamp = q.Begin.UnixMilli()
	}
	if !q.End.IsZero() {
		h.EndTimestamp = q.End.UnixMilli()
	}
	req := cluster.Request{
		Code: protocol.ReqQueryMessage, Header: h, Accept: []protocol.ResponseCode{protocol.RespQueryNotFound},
		Ext: remoting.Fields{{Key: protocol.ExtUniqueKeyQuery, Value: strconv.FormatBool(unique)}},
	}
	if unique {
		h.IndexType = "U"
	}
	return req
}

// MessageByOffset returns the message at an offset of a queue. routed is the
// topic whose route leads to the broker, if not the topic itself.
func (c *Client) MessageByOffset(ctx context.Context, q client.Queue, offset int64, routed string) (*client.MessageView, error) {
	route, err := c.cluster.LookupRoute(ctx, cmp.Or(routed, q.Topic))
	if err != nil {
		return nil, err
	}
	addr, ok := route.Replica(q.Broker, cluster.MasterID)
	if !ok {
		return nil, fmt.Errorf("topic %s has no broker %s; it has %v", q.Topic, q.Broker, route.Brokers())
	}
	from, err := c.minOffset(ctx, addr, q)
	if err != nil {
		return nil, err
	}
	to, err := c.offsetAt(ctx, addr, q, time.Time{})
	if err != nil {
		return nil, err
	}
	if offset < from || offset >= to {
		return nil, fmt.Errorf("queue %v: %w at offset %d: it has %d up to but not including %d", q, ErrNoMessage, offset, from, to)
	}
	views, _, err := c.pull(ctx, addr, q, "*", offset, 1)
	if err != nil {
		return nil, err
	}
	if len(views) == 0 {
		return nil, fmt.Errorf("queue %v: %w at offset %d", q, ErrNoMessage, offset)
	}
	return views[0], nil
}

// pull reads messages of a queue from an offset, without waiting. next is where
// to go on; it is offset itself at the end of the queue.
func (c *Client) pull(ctx context.Context, addr string, q client.Queue, filter string, offset int64, n int) (views []*client.MessageView, next int64, err error) {
	resp, err := c.call(ctx, addr, cluster.Request{
		Code: protocol.ReqPullMessage,
		Header: &protocol.PullMessageRequest{
			ConsumerGroup: protocol.ToolsGroup, Topic: q.Topic, QueueID: q.ID, QueueOffset: offset, MaxMsgNums: int32(n),
			SysFlag: protocol.PullSubscription, Subscription: filter, ExpressionType: protocol.ExpressionTag, BrokerName: q.Broker,
		},
		Accept: []protocol.ResponseCode{protocol.RespPullNotFound, protocol.RespPullRetryImmediately, protocol.RespPullOffsetMoved},
	})
	if err != nil {
		return nil, offset, fmt.Errorf("queue %v at offset %d: %w", q, offset, err)
	}
	var h protocol.PullMessageResponse
	if err := cluster.Bind("broker "+addr, resp, &h); err != nil {
		return nil, offset, fmt.Errorf("queue %v at offset %d: %w", q, offset, err)
	}
	if resp.Code == int32(protocol.RespSuccess) {
		if views, err = client.DecodeMessages(resp.Body, q.Broker); err != nil {
			return nil, offset, fmt.Errorf("queue %v at offset %d: %w", q, offset, err)
		}
	}
	return views, h.NextBeginOffset, nil
}

// Scan says which messages to read for Messages.
type Scan struct {
	Topic  string
	Filter string    // tag expression; empty or "*": all
	Begin  time.Time // store time; zero: the oldest message
	End    time.Time // zero: the newest message
	Routed string    // topic whose route leads to the queues, if not Topic
}

// Messages calls f for the stored messages of a topic, queue by queue in order of
// their offsets. It ends with f's first error, which it returns.
func (c *Client) Messages(ctx context.Context, s Scan, f func(*client.MessageView) error) error {
	route, err := c.cluster.LookupRoute(ctx, cmp.Or(s.Routed, s.Topic))
	if err != nil {
		return err
	}
	for _, q := range route.Subscribe {
		addr, ok := route.Replica(q.Broker, cluster.MasterID)
		if !ok {
			continue
		}
		if err := c.scanQueue(ctx, addr, client.Queue{Topic: s.Topic, Broker: q.Broker, ID: q.ID}, s, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) scanQueue(ctx context.Context, addr string, q client.Queue, s Scan, f func(*client.MessageView) error) error {
	from, err := c.minOffset(ctx, addr, q)
	if err == nil && !s.Begin.IsZero() {
		from, err = c.offsetAt(ctx, addr, q, s.Begin)
	}
	if err != nil {
		return err
	}
	to, err := c.offsetAt(ctx, addr, q, s.End)
	if err != nil {
		return err
	}
	for from < to {
		views, next, err := c.pull(ctx, addr, q, cmp.Or(s.Filter, "*"), from, 32)
		if err != nil {
			return err
		}
		for _, v := range views {
			if v.Offset >= to {
				break
			}
			if err := f(v); err != nil {
				return err
			}
		}
		if next <= from {
			return nil // the queue has shrunk meanwhile
		}
		from = next
	}
	return nil
}

// Delivery is what became of a message at one consumer group.
type Delivery struct {
	Group  string `json:"group"`
	Status string `json:"status"` // one of the Delivered constants
	Err    string `json:"error,omitempty"`
}

// Statuses of a Delivery, with the names of Java's TrackType.
const (
	DeliveredConsumed  = "CONSUMED"
	DeliveredFiltered  = "CONSUMED_BUT_FILTERED" // the group does not want its tag
	DeliveredPull      = "PULL"                  // a pull consumer: only it knows
	DeliveredNotYet    = "NOT_CONSUME_YET"
	DeliveredOffline   = "NOT_ONLINE"
	DeliveredBroadcast = "CONSUME_BROADCASTING" // every member has its own offset
	DeliveredUnknown   = "UNKNOWN"
)

// Deliveries tells for every group that consumes a message's topic how far it is
// with the message.
func (c *Client) Deliveries(ctx context.Context, m *client.MessageView) ([]Delivery, error) {
	groups, err := c.TopicConsumers(ctx, m.Topic())
	if err != nil {
		return nil, err
	}
	list := make([]Delivery, 0, len(groups))
	for _, group := range groups {
		d := Delivery{Group: group, Status: DeliveredUnknown}
		if d.Status, err = c.delivery(ctx, group, m); err != nil {
			d.Err = err.Error()
		}
		list = append(list, d)
	}
	return list, nil
}

func (c *Client) delivery(ctx context.Context, group string, m *client.MessageView) (string, error) {
	conn, err := c.consumerConnection(ctx, group, "")
	if is(err, protocol.RespConsumerNotOnline) || is(err, protocol.RespTopicNotExist) {
		return DeliveredOffline, nil
	}
	if err != nil {
		return DeliveredUnknown, err
	}
	switch {
	case conn.ConsumeType == protocol.ConsumeActively:
		return DeliveredPull, nil
	case conn.MessageModel == protocol.Broadcasting:
		return DeliveredBroadcast, nil
	}
	progress, err := c.GroupProgress(ctx, ProgressQuery{Group: group, Topic: m.Topic()})
	if err != nil {
		return DeliveredUnknown, err
	}
	for _, q := range progress.Queues {
		if q.Topic != m.Topic() || q.ID != m.Queue.ID || (m.Queue.Broker != "" && q.Broker != m.Queue.Broker) {
			continue
		}
		switch {
		case q.ConsumerOffset <= m.Offset:
			return DeliveredNotYet, nil
		case !wantsTag(conn.SubscriptionTable[m.Topic()], m.Tag()):
			return DeliveredFiltered, nil
		}
		return DeliveredConsumed, nil
	}
	return DeliveredUnknown, nil
}

func wantsTag(s protocol.SubscriptionData, tag string) bool {
	return len(s.TagsSet) == 0 || slices.Contains(s.TagsSet, tag) || slices.Contains(s.TagsSet, "*")
}

// ConsumeDirectly has a member of a push consumer group consume one message now,
// and returns what its listener said.
func (c *Client) ConsumeDirectly(ctx context.Context, group, clientID string, m *client.MessageView) (protocol.ConsumeMessageDirectlyResult, error) {
	result, err := ask[protocol.ConsumeMessageDirectlyResult](ctx, c, m.StoreHost.String(), cluster.Request{
		Code: protocol.ReqConsumeMessageDirectly,
		Header: &protocol.ConsumeMessageDirectlyRequest{
			ConsumerGroup: group, ClientID: clientID, MsgID: m.OffsetID(), Topic: m.Topic(),
		},
	})
	if err != nil {
		return result, fmt.Errorf("consume message %s at %s: %w", m.ID(), clientID, err)
	}
	return result, nil
}
