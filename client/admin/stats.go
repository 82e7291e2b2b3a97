package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// BrokerProgress is the progress of all groups at one broker.
type BrokerProgress struct {
	Addr          string     `json:"addr"`
	Groups        []Progress `json:"groups"`
	TotalLag      int64      `json:"totalDiff"`
	TotalInflight int64      `json:"totalInflightDiff"`
}

// BrokerProgress asks one broker for the progress of all its groups; with
// orderly only of groups that consume in order.
func (c *Client) BrokerProgress(ctx context.Context, addr string, orderly bool) (BrokerProgress, error) {
	p := BrokerProgress{Addr: addr, Groups: []Progress{}}
	list, err := ask[protocol.ConsumeStatsList](ctx, c, addr, cluster.Request{
		Code: protocol.ReqGetBrokerConsumeStats, Header: &protocol.GetConsumeStatsInBrokerRequest{IsOrder: orderly},
	})
	if err != nil {
		return p, fmt.Errorf("consume statistics: %w", err)
	}
	p.TotalLag, p.TotalInflight = list.TotalDiff, list.TotalInflightDiff
	for _, entry := range list.ConsumeStatsList {
		for group, all := range entry {
			p.Groups = append(p.Groups, progressOf(group, all))
		}
	}
	slices.SortFunc(p.Groups, func(a, b Progress) int { return cmp.Compare(a.Group, b.Group) })
	return p, nil
}

func progressOf(group string, all []protocol.ConsumeStats) Progress {
	p := Progress{Group: group, Queues: []QueueProgress{}}
	for _, stats := range all {
		p.TPS += stats.ConsumeTPS
		p.Queues = append(p.Queues, queuesOf(stats)...)
	}
	for _, q := range p.Queues {
		p.Lag += q.Lag()
		p.Inflight += q.Inflight()
	}
	slices.SortFunc(p.Queues, func(a, b QueueProgress) int { return compareQueues(a.Queue, b.Queue) })
	return p
}

// TopicTraffic is what goes into a topic and out of it to one group. Group is
// empty for a topic that nobody consumes.
type TopicTraffic struct {
	Topic  string  `json:"topic"`
	Group  string  `json:"group"`
	Lag    int64   `json:"accumulation"`
	InTPS  float64 `json:"inTps"`
	OutTPS float64 `json:"outTps"`
	InDay  int64   `json:"inMsg24Hour"`
	OutDay int64   `json:"outMsg24Hour"`
	Err    string  `json:"error,omitempty"` // why the lag is missing
}

// Traffic returns the traffic of one topic, or of all but those of retries and
// dead letters if topic is empty. With activeOnly, what had no message within a
// day is left out.
func (c *Client) Traffic(ctx context.Context, topic string, activeOnly bool) ([]TopicTraffic, error) {
	topics := []string{topic}
	if topic == "" {
		all, err := c.Topics(ctx)
		if err != nil {
			return nil, err
		}
		topics = withoutGroupTopics(all)
	}
	perTopic := make([][]TopicTraffic, len(topics))
	errs := make([]error, len(topics))
	err := forEach(ctx, topics, func(ctx context.Context, i int, topic string) {
		perTopic[i], errs[i] = c.topicTraffic(ctx, topic)
	})
	if err != nil {
		return nil, err
	}
	if topic != "" && errs[0] != nil {
		return nil, errs[0]
	}
	list := []TopicTraffic{}
	for i, rows := range perTopic {
		if errs[i] != nil {
			rows = []TopicTraffic{{Topic: topics[i], Err: errs[i].Error()}}
		}
		for _, row := range rows {
			if !activeOnly || row.InDay > 0 || row.OutDay > 0 {
				list = append(list, row)
			}
		}
	}
	return list, nil
}

func (c *Client) topicTraffic(ctx context.Context, topic string) ([]TopicTraffic, error) {
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return nil, err
	}
	groups, err := c.TopicConsumers(ctx, topic)
	if err != nil {
		return nil, err
	}
	in, err := c.statsItem(ctx, route, "TOPIC_PUT_NUMS", topic)
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		return []TopicTraffic{{Topic: topic, InTPS: in.tps, InDay: in.day}}, nil
	}
	var rows []TopicTraffic
	for _, group := range groups {
		out, err := c.statsItem(ctx, route, "GROUP_GET_NUMS", topic+"@"+group)
		if err != nil {
			return nil, err
		}
		row := TopicTraffic{Topic: topic, Group: group, InTPS: in.tps, InDay: in.day, OutTPS: out.tps, OutDay: out.day}
		progress, err := c.GroupProgress(ctx, ProgressQuery{Group: group, Topic: topic})
		if err != nil {
			row.Err = err.Error()
		}
		row.Lag = max(progress.Lag, 0)
		rows = append(rows, row)
	}
	return rows, nil
}

// traffic are the numbers of one statistics item over all masters of a topic.
type traffic struct {
	tps float64
	day int64
}

// statsItem adds up an item. A broker that does not have it answers with a system
// error: nothing has happened there.
func (c *Client) statsItem(ctx context.Context, route *cluster.Route, name, key string) (traffic, error) {
	var t traffic
	for _, broker := range route.Brokers() {
		addr, ok := route.Master(broker)
		if !ok {
			continue
		}
		data, err := ask[protocol.BrokerStatsData](ctx, c, addr, cluster.Request{
			Code: protocol.ReqViewBrokerStatsData, Header: &protocol.ViewBrokerStatsDataRequest{StatsName: name, StatsKey: key},
		})
		if is(err, protocol.RespSystemError) {
			continue
		}
		if err != nil {
			return t, fmt.Errorf("statistics %s %s: %w", name, key, err)
		}
		if data.StatsMinute != nil {
			t.tps += data.StatsMinute.TPS
		}
		t.day += daySum(data)
	}
	return t, nil
}

// daySum is the sum over the longest window that has one: a broker that has run
// for less than a day has only the shorter ones.
func daySum(data protocol.BrokerStatsData) int64 {
	for _, item := range []*protocol.BrokerStatsItem{data.StatsDay, data.StatsHour, data.StatsMinute} {
		if item != nil && item.Sum != 0 {
			return item.Sum
		}
	}
	return 0
}
