package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Progress is how far a consumer group is with the queues it reads.
type Progress struct {
	Group    string          `json:"group"`
	Queues   []QueueProgress `json:"queues"`
	TPS      float64         `json:"consumeTps"`    // messages a second, over the last minute
	Lag      int64           `json:"diffTotal"`     // messages stored and not yet consumed
	Inflight int64           `json:"inflightTotal"` // messages delivered and not yet consumed
}

// QueueProgress is how far a group is in one queue.
type QueueProgress struct {
	client.Queue
	BrokerOffset   int64     `json:"brokerOffset"` // of the next message to be stored
	ConsumerOffset int64     `json:"consumerOffset"`
	PullOffset     int64     `json:"pullOffset"`
	LastConsumed   time.Time `json:"lastConsumed,omitzero"` // store time of the last message consumed
	ClientID       string    `json:"clientId,omitempty"`    // who reads it, if that was asked for
}

// Lag is the number of messages stored and not yet consumed.
func (q QueueProgress) Lag() int64 { return q.BrokerOffset - q.ConsumerOffset }

// Inflight is the number of messages delivered and not yet consumed.
func (q QueueProgress) Inflight() int64 { return q.PullOffset - q.ConsumerOffset }

// ProgressQuery says what of a group's progress is asked.
type ProgressQuery struct {
	Group   string
	Topic   string // only this topic; empty: all
	Cluster string // for light queues, see TopicStatus
	Clients bool   // find out which client reads which queue
}

// GroupProgress returns the progress of a group over all its brokers.
func (c *Client) GroupProgress(ctx context.Context, q ProgressQuery) (Progress, error) {
	p := Progress{Group: q.Group, Queues: []QueueProgress{}}
	route, err := c.groupRoute(ctx, q)
	if err != nil {
		return p, fmt.Errorf("progress of group %s: %w", q.Group, err)
	}
	for _, addr := range addrsOf(route) {
		stats, err := c.consumeStats(ctx, addr, q.Group, q.Topic)
		if err != nil {
			return p, err
		}
		p.TPS += stats.ConsumeTPS
		p.Queues = append(p.Queues, queuesOf(stats)...)
	}
	slices.SortFunc(p.Queues, func(a, b QueueProgress) int { return compareQueues(a.Queue, b.Queue) })
	for _, q := range p.Queues {
		p.Lag += q.Lag()
		p.Inflight += q.Inflight()
	}
	if q.Clients {
		return p, c.addClients(ctx, &p)
	}
	return p, nil
}

// groupRoute finds the brokers of a group: those of its retry topic, which every
// broker that met the group has, or else of the topic, or of its pop retry topic.
func (c *Client) groupRoute(ctx context.Context, q ProgressQuery) (route *cluster.Route, err error) {
	topics := []string{protocol.RetryTopic(q.Group)}
	if q.Topic != "" {
		topics = append(topics, q.Topic, protocol.PopRetryTopic(q.Topic, q.Group))
		if other := routeTopic(q.Topic, q.Cluster); other != q.Topic {
			topics = append(topics, other)
		}
	}
	var first error
	for _, topic := range topics {
		if route, err = c.cluster.LookupRoute(ctx, topic); err == nil {
			return route, nil
		}
		if first == nil {
			first = err
		}
		if !is(err, protocol.RespTopicNotExist) {
			break
		}
	}
	return nil, first
}

func (c *Client) consumeStats(ctx context.Context, addr, group, topic string) (protocol.ConsumeStats, error) {
	stats, err := ask[protocol.ConsumeStats](ctx, c, addr, cluster.Request{
		Code: protocol.ReqGetConsumeStats, Header: &protocol.GetConsumeStatsRequest{ConsumerGroup: group, Topic: topic},
	})
	if err != nil {
		return stats, fmt.Errorf("progress of group %s: %w", group, err)
	}
	return stats, nil
}

func queuesOf(stats protocol.ConsumeStats) []QueueProgress {
	queues := make([]QueueProgress, 0, len(stats.OffsetTable))
	for q, o := range stats.OffsetTable {
		queues = append(queues, QueueProgress{
			Queue: queueOf(q), BrokerOffset: o.BrokerOffset, ConsumerOffset: o.ConsumerOffset,
			PullOffset: max(o.PullOffset, o.ConsumerOffset), LastConsumed: millis(o.LastTimestamp),
		})
	}
	return queues
}

// addClients asks every member which queues it reads.
func (c *Client) addClients(ctx context.Context, p *Progress) error {
	conn, err := c.consumerConnection(ctx, p.Group, "")
	if is(err, protocol.RespConsumerNotOnline) {
		return nil // nobody reads anything
	}
	if err != nil {
		return err
	}
	readers := make(map[client.Queue]string)
	for _, member := range conn.ConnectionSet {
		info, err := c.runningInfo(ctx, p.Group, member.ClientID, "", false)
		if err != nil {
			return err
		}
		for q := range info.MQTable {
			readers[queueOf(q)] = member.ClientID
		}
	}
	for i := range p.Queues {
		p.Queues[i].ClientID = readers[p.Queues[i].Queue]
	}
	return nil
}

// GroupSummary is the state of a consumer group in a few words.
type GroupSummary struct {
	Group   string  `json:"group"`
	Members int     `json:"count"`
	Version string  `json:"version"` // of the oldest member's client; "OFFLINE" without members
	Type    string  `json:"type"`    // PUSH or PULL
	Model   string  `json:"model"`   // CLUSTERING or BROADCASTING, of a push consumer
	TPS     float64 `json:"consumeTps"`
	Lag     int64   `json:"diffTotal"`
	Err     string  `json:"error,omitempty"` // why numbers are missing
}

// Groups summarises every consumer group that has a retry topic.
func (c *Client) Groups(ctx context.Context) ([]GroupSummary, error) {
	topics, err := c.Topics(ctx)
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, topic := range topics {
		if protocol.IsRetryTopic(topic) {
			groups = append(groups, protocol.GroupOfRetryTopic(topic))
		}
	}
	list := make([]GroupSummary, len(groups))
	err = forEach(ctx, groups, func(ctx context.Context, i int, group string) {
		list[i] = c.summary(ctx, group)
	})
	return list, err
}

func (c *Client) summary(ctx context.Context, group string) GroupSummary {
	s := GroupSummary{Group: group, Version: "OFFLINE"}
	progress, err := c.GroupProgress(ctx, ProgressQuery{Group: group})
	if err != nil {
		s.Err = err.Error()
	}
	s.TPS, s.Lag = progress.TPS, progress.Lag
	conn, err := c.consumerConnection(ctx, group, "")
	if err != nil {
		if !is(err, protocol.RespConsumerNotOnline) && s.Err == "" {
			s.Err = err.Error()
		}
		return s
	}
	oldest := slices.MinFunc(conn.ConnectionSet, func(a, b protocol.Connection) int { return cmp.Compare(a.Version, b.Version) })
	s.Members, s.Version = len(conn.ConnectionSet), VersionName(oldest.Version)
	s.Type = "PUSH"
	if conn.ConsumeType == protocol.ConsumeActively {
		s.Type = "PULL"
	}
	if conn.ConsumeType == protocol.ConsumePassively {
		s.Model = conn.MessageModel.String()
	}
	return s
}

// ConsumerState is what one member of a group says about itself.
type ConsumerState struct {
	ClientID string                       `json:"clientId"`
	Version  string                       `json:"version"`
	Info     protocol.ConsumerRunningInfo `json:"info"`
	Err      string                       `json:"error,omitempty"`
}

// GroupState is what all members of a group say, and what follows from it.
type GroupState struct {
	Group   string          `json:"group"`
	Members []ConsumerState `json:"members"`
	// SameSubscription is false if two members want different messages, which
	// makes the group lose some.
	SameSubscription bool `json:"sameSubscription"`
}

// ConsumerStatus asks the members of a group, or only one of them, for their
// state; with threads each also lists its threads. broker is as for
// ConsumerConnections.
func (c *Client) ConsumerStatus(ctx context.Context, group, clientID, broker string, threads bool) (GroupState, error) {
	state := GroupState{Group: group, SameSubscription: true}
	conn, err := c.consumerConnection(ctx, group, broker)
	if err != nil {
		return state, err
	}
	for _, member := range conn.ConnectionSet {
		if clientID != "" && member.ClientID != clientID {
			continue
		}
		s := ConsumerState{ClientID: member.ClientID, Version: VersionName(member.Version)}
		if s.Info, err = c.runningInfo(ctx, group, member.ClientID, broker, threads); err != nil {
			s.Err = err.Error()
		}
		state.Members = append(state.Members, s)
	}
	if len(state.Members) == 0 {
		return state, protocol.Errorf(protocol.RespConsumerNotOnline, "group %s has no member %s", group, clientID)
	}
	slices.SortFunc(state.Members, func(a, b ConsumerState) int { return cmp.Compare(a.ClientID, b.ClientID) })
	state.SameSubscription = sameSubscription(state.Members)
	return state, nil
}

// sameSubscription compares what the members that answered are subscribed to.
func sameSubscription(members []ConsumerState) bool {
	first := ""
	for _, m := range members {
		if m.Err != "" {
			continue
		}
		var parts []string
		for _, s := range m.Info.SubscriptionSet {
			parts = append(parts, s.Topic+"\x00"+s.SubString+"\x00"+s.ExpressionType)
		}
		slices.Sort(parts)
		text := strings.Join(parts, "\x01")
		if first == "" {
			first = text
		}
		if text != first {
			return false
		}
	}
	return true
}

func (c *Client) runningInfo(ctx context.Context, group, clientID, broker string, threads bool) (protocol.ConsumerRunningInfo, error) {
	var info protocol.ConsumerRunningInfo
	addr, err := c.brokerOr(ctx, broker, protocol.RetryTopic(group))
	if err == nil {
		info, err = ask[protocol.ConsumerRunningInfo](ctx, c, addr, cluster.Request{
			Code: protocol.ReqGetConsumerRunningInfo,
			Header: &protocol.GetConsumerRunningInfoRequest{
				ConsumerGroup: group, ClientID: clientID, JstackEnable: threads,
			},
		})
	}
	if err != nil {
		return info, fmt.Errorf("state of consumer %s of group %s: %w", clientID, group, err)
	}
	return info, nil
}
