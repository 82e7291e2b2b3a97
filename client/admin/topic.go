package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Topics lists every topic, with those of retries, dead letters and the system.
func (c *Client) Topics(ctx context.Context) ([]string, error) {
	list, err := askNamesrv[protocol.TopicList](ctx, c, cluster.Request{Code: protocol.ReqGetAllTopicListFromNameServer})
	if err != nil {
		return nil, fmt.Errorf("topic list: %w", err)
	}
	slices.Sort(list.TopicList)
	return list.TopicList, nil
}

// TopicUse is a topic, the cluster it is in, and the groups that consume it.
type TopicUse struct {
	Cluster string   `json:"cluster"`
	Topic   string   `json:"topic"`
	Groups  []string `json:"groups"`
	Err     string   `json:"error,omitempty"`
}

// TopicUses tells for every topic, except those of retries and dead letters, who
// consumes it.
func (c *Client) TopicUses(ctx context.Context) ([]TopicUse, error) {
	all, err := c.Topics(ctx)
	if err != nil {
		return nil, err
	}
	topics := withoutGroupTopics(all)
	uses := make([]TopicUse, len(topics))
	err = forEach(ctx, topics, func(ctx context.Context, i int, topic string) {
		uses[i] = c.topicUse(ctx, topic)
	})
	return uses, err
}

func withoutGroupTopics(topics []string) []string {
	return slices.DeleteFunc(slices.Clone(topics), func(t string) bool {
		return protocol.IsRetryTopic(t) || protocol.IsDLQTopic(t)
	})
}

func (c *Client) topicUse(ctx context.Context, topic string) TopicUse {
	use := TopicUse{Topic: topic, Groups: []string{}}
	route, err := c.TopicRoute(ctx, topic)
	if err == nil {
		if len(route.Brokers) > 0 {
			use.Cluster = route.Brokers[0].Cluster
		}
		use.Groups, err = c.TopicConsumers(ctx, topic)
	}
	if err != nil {
		use.Err = err.Error()
	}
	return use
}

// TopicConsumers lists the groups that are subscribed to a topic or have offsets
// in it, on any of its brokers.
func (c *Client) TopicConsumers(ctx context.Context, topic string) ([]string, error) {
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return nil, err
	}
	groups := make([]string, 0)
	for _, addr := range addrsOf(route) {
		list, err := ask[protocol.GroupList](ctx, c, addr, cluster.Request{
			Code: protocol.ReqQueryTopicConsumeByWho, Header: &protocol.QueryTopicConsumeByWhoRequest{Topic: topic},
		})
		if err != nil {
			return nil, fmt.Errorf("consumers of topic %s: %w", topic, err)
		}
		groups = append(groups, list.GroupList...)
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// addrsOf lists one address for each broker of a route: the master, or else a
// replica.
func addrsOf(route *cluster.Route) []string {
	var addrs []string
	for _, name := range route.Brokers() {
		if addr, ok := route.Replica(name, cluster.MasterID); ok {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// Route says where a topic is.
type Route struct {
	Topic     string        `json:"topic"`
	Brokers   []RouteBroker `json:"brokers"`
	Queues    []RouteQueues `json:"queues"`
	OrderConf string        `json:"orderConf,omitempty"`
}

// RouteBroker is a broker of a route with the addresses of master (0) and
// replicas.
type RouteBroker struct {
	Cluster      string           `json:"cluster"`
	Name         string           `json:"broker"`
	Addrs        map[int64]string `json:"addrs"`
	ActingMaster bool             `json:"enableActingMaster"`
}

// RouteQueues is what a topic has on one broker. Perm is the sum of 4 for read, 2
// for write and 1 for inherit.
type RouteQueues struct {
	Broker      string `json:"broker"`
	ReadQueues  int32  `json:"readQueueNums"`
	WriteQueues int32  `json:"writeQueueNums"`
	Perm        int32  `json:"perm"`
	SysFlag     int32  `json:"topicSysFlag"`
}

// TopicRoute returns the route of a topic.
func (c *Client) TopicRoute(ctx context.Context, topic string) (Route, error) {
	r, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return Route{}, err
	}
	route := Route{Topic: topic, OrderConf: r.Data.OrderTopicConf, Brokers: []RouteBroker{}, Queues: []RouteQueues{}}
	for _, b := range r.Data.BrokerDatas {
		route.Brokers = append(route.Brokers, RouteBroker{Cluster: b.Cluster, Name: b.BrokerName, Addrs: b.BrokerAddrs, ActingMaster: b.EnableActingMaster})
	}
	for _, q := range r.Data.QueueDatas {
		route.Queues = append(route.Queues, RouteQueues{
			Broker: q.BrokerName, ReadQueues: q.ReadQueueNums, WriteQueues: q.WriteQueueNums, Perm: q.Perm, SysFlag: q.TopicSysFlag,
		})
	}
	slices.SortFunc(route.Brokers, func(a, b RouteBroker) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(route.Queues, func(a, b RouteQueues) int { return cmp.Compare(a.Broker, b.Broker) })
	return route, nil
}

// TopicStatus are the offsets of a topic's queues.
type TopicStatus struct {
	Topic  string        `json:"topic"`
	Queues []QueueStatus `json:"queues"`
	PutTPS float64       `json:"topicPutTps"` // messages a second, over the last minute
}

// QueueStatus are the offsets of one queue. Max is that of the next message.
type QueueStatus struct {
	client.Queue
	Min        int64     `json:"minOffset"`
	Max        int64     `json:"maxOffset"`
	LastUpdate time.Time `json:"lastUpdate,omitzero"` // zero for an empty queue
}

// TopicStatus asks every broker of a topic for its queues. cluster is only for
// light queues, which have no route of their own: the topic whose route leads to
// them; otherwise it is empty.
func (c *Client) TopicStatus(ctx context.Context, topic, cluster string) (TopicStatus, error) {
	status := TopicStatus{Topic: topic, Queues: []QueueStatus{}}
	route, err := c.cluster.LookupRoute(ctx, routeTopic(topic, cluster))
	if err != nil {
		return status, err
	}
	for _, addr := range addrsOf(route) {
		part, err := c.TopicStatusAt(ctx, addr, topic)
		if err != nil {
			return status, err
		}
		status.PutTPS += part.PutTPS
		status.Queues = append(status.Queues, part.Queues...)
	}
	slices.SortFunc(status.Queues, func(a, b QueueStatus) int { return compareQueues(a.Queue, b.Queue) })
	return status, nil
}

// TopicStatusAt asks one broker, by its address, for its queues of a topic.
func (c *Client) TopicStatusAt(ctx context.Context, addr, topic string) (TopicStatus, error) {
	status := TopicStatus{Topic: topic, Queues: []QueueStatus{}}
	stats, err := ask[protocol.TopicStatsTable](ctx, c, addr, cluster.Request{
		Code: protocol.ReqGetTopicStatsInfo, Header: &protocol.GetTopicStatsInfoRequest{Topic: topic},
	})
	if err != nil {
		return status, fmt.Errorf("status of topic %s: %w", topic, err)
	}
	status.PutTPS = stats.TopicPutTPS
	for q, o := range stats.OffsetTable {
		status.Queues = append(status.Queues, QueueStatus{Queue: queueOf(q), Min: o.MinOffset, Max: o.MaxOffset, LastUpdate: millis(o.LastUpdateTimestamp)})
	}
	slices.SortFunc(status.Queues, func(a, b QueueStatus) int { return compareQueues(a.Queue, b.Queue) })
	return status, nil
}

// routeTopic is the topic whose route leads to the brokers of another one: light
// queues and the timer's topic are not registered.
func routeTopic(topic, cluster string) string {
	if cluster != "" && (protocol.IsLMQ(topic) || topic == protocol.TimerTopic) {
		return cluster
	}
	return topic
}

func queueOf(q protocol.MessageQueue) client.Queue {
	return client.Queue{Topic: q.Topic, Broker: q.BrokerName, ID: q.QueueID}
}

func compareQueues(a, b client.Queue) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.ID, b.ID))
}

// millis turns a time of the wire into one of Go; what is not a time is zero.
func millis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// TopicClusters lists the clusters that a topic is in.
func (c *Client) TopicClusters(ctx context.Context, topic string) ([]string, error) {
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return nil, err
	}
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	clusters := make([]string, 0)
	for _, b := range brokers {
		if slices.Contains(route.Brokers(), b.Name) {
			clusters = append(clusters, b.Cluster)
		}
	}
	slices.Sort(clusters)
	return slices.Compact(clusters), nil
}
