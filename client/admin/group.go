package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
)

// GroupConfig is what a consumer group is to be.
type GroupConfig struct {
	Group             string `json:"groupName"`
	ConsumeEnable     bool   `json:"consumeEnable"`
	FromMin           bool   `json:"consumeFromMinEnable"`
	Broadcast         bool   `json:"consumeBroadcastEnable"`
	Orderly           bool   `json:"consumeMessageOrderly"`
	RetryQueues       int32  `json:"retryQueueNums"`
	RetryMaxTimes     int32  `json:"retryMaxTimes"`
	BrokerID          int64  `json:"brokerId"`                     // replica that serves it
	SlowBrokerID      int64  `json:"whichBrokerWhenConsumeSlowly"` // replica that serves it when it is far behind
	NotifyIDsChanged  bool   `json:"notifyConsumerIdsChangedEnable"`
	RetryPolicy       string `json:"groupRetryPolicy,omitempty"` // JSON, as mqadmin takes it; empty: the default
	Attributes        string `json:"attributes,omitempty"`       // changes: "+key=value,-key"
	ConsumeTimeoutMin int32  `json:"consumeTimeoutMinute"`
}

// NewGroupConfig returns a group as mqadmin's updateSubGroup has it when no flag
// is given.
func NewGroupConfig(group string) GroupConfig {
	return GroupConfig{
		Group: group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 16, SlowBrokerID: 1, NotifyIDsChanged: true,
		ConsumeTimeoutMin: 15,
	}
}

// UpdateGroup creates or changes a consumer group and returns the brokers where
// it is done.
func (c *Client) UpdateGroup(ctx context.Context, target Target, group GroupConfig) ([]string, error) {
	body := protocol.NewSubscriptionGroupConfig(group.Group)
	body.ConsumeEnable, body.ConsumeFromMinEnable, body.ConsumeBroadcastEnable = group.ConsumeEnable, group.FromMin, group.Broadcast
	body.ConsumeMessageOrderly, body.RetryQueueNums, body.RetryMaxTimes = group.Orderly, group.RetryQueues, group.RetryMaxTimes
	body.BrokerID, body.WhichBrokerWhenConsumeSlowly = group.BrokerID, group.SlowBrokerID
	body.NotifyConsumerIDsChangedEnable, body.ConsumeTimeoutMinute = group.NotifyIDsChanged, group.ConsumeTimeoutMin
	if group.RetryPolicy != "" {
		if err := javajson.Unmarshal([]byte(group.RetryPolicy), body.GroupRetryPolicy); err != nil {
			return nil, fmt.Errorf("retry policy of group %s: %w", group.Group, err)
		}
	}
	attributes, err := parseAttributes(group.Attributes)
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", group.Group, err)
	}
	body.Attributes = attributes
	return c.onEach(ctx, target, func(addr string) error {
		_, err := c.call(ctx, addr, cluster.Request{Code: protocol.ReqUpdateAndCreateSubscriptionGroup, Body: jsonBody(&body)})
		if err != nil {
			return fmt.Errorf("update group %s: %w", group.Group, err)
		}
		return nil
	})
}

// DeleteGroup deletes a consumer group, with its offsets if cleanOffset. From a
// cluster its retry and dead letter topics go too. It returns the brokers where
// it is done.
func (c *Client) DeleteGroup(ctx context.Context, target Target, group string, cleanOffset bool) ([]string, error) {
	done, err := c.onEach(ctx, target, func(addr string) error {
		_, err := c.call(ctx, addr, cluster.Request{
			Code:   protocol.ReqDeleteSubscriptionGroup,
			Header: &protocol.DeleteSubscriptionGroupRequest{GroupName: group, CleanOffset: cleanOffset},
		})
		if err != nil {
			return fmt.Errorf("delete group %s: %w", group, err)
		}
		return nil
	})
	if target.Broker != "" || len(done) == 0 {
		return done, err
	}
	return done, cluster.Join(err,
		c.DeleteTopic(ctx, protocol.RetryTopic(group), target.Cluster),
		c.DeleteTopic(ctx, protocol.DLQTopic(group), target.Cluster))
}

// GroupAt is a group's configuration at one broker, by Java's field names.
type GroupAt struct {
	Cluster string                           `json:"cluster"`
	Broker  string                           `json:"broker"`
	Config  protocol.SubscriptionGroupConfig `json:"config"`
}

// maxGroupPages bounds the pages of a group table: at 2,000 groups a page, four
// million groups.
const maxGroupPages = 2000

// GroupConfigs returns a group's configuration at every broker that has one.
func (c *Client) GroupConfigs(ctx context.Context, group string) ([]GroupAt, error) {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	found := []GroupAt{}
	for _, b := range onePerName(brokers) {
		table, err := c.groupTable(ctx, b.Addr)
		if err != nil {
			return found, fmt.Errorf("configuration of group %s: %w", group, err)
		}
		if config, ok := table[group]; ok {
			found = append(found, GroupAt{Cluster: b.Cluster, Broker: b.Name, Config: config})
		}
	}
	return found, nil
}

// onePerName keeps of each broker name the first, which is the master if there
// is one.
func onePerName(brokers []Broker) []Broker {
	return slices.CompactFunc(slices.Clone(brokers), func(a, b Broker) bool { return a.Cluster == b.Cluster && a.Name == b.Name })
}

// groupTable reads all groups of a broker, page by page. A table that changes
// meanwhile is read anew.
func (c *Client) groupTable(ctx context.Context, addr string) (map[string]protocol.SubscriptionGroupConfig, error) {
	table := make(map[string]protocol.SubscriptionGroupConfig)
	version := ""
	var seq int32
	for range maxGroupPages {
		resp, err := c.call(ctx, addr, cluster.Request{
			Code: protocol.ReqGetAllSubscriptionGroupConfig,
			Header: &protocol.GetAllSubscriptionGroupRequest{
				GroupSeq: protocol.Some(seq), DataVersion: version, MaxGroupNum: protocol.Some[int32](2000),
			},
		})
		if err != nil {
			return nil, err
		}
		var page protocol.SubscriptionGroupWrapper
		if err := cluster.DecodeBody("broker "+addr, resp, &page); err != nil {
			return nil, err
		}
		var h protocol.GetAllSubscriptionGroupResponse
		if err := cluster.Bind("broker "+addr, resp, &h); err != nil {
			return nil, err
		}
		if v := string(jsonBody(&page.DataVersion)); v != version {
			clear(table) // the broker has started over: this is the first page
			seq, version = 0, v
		}
		for name, config := range page.SubscriptionGroupTable {
			table[name] = config
		}
		seq += int32(len(page.SubscriptionGroupTable))
		if !h.TotalGroupNum.Set || seq >= h.TotalGroupNum.Value || len(page.SubscriptionGroupTable) == 0 {
			return table, nil
		}
	}
	return nil, fmt.Errorf("broker %s: its group table changes faster than it can be read", addr)
}

// Connection is a client's connection to a broker.
type Connection struct {
	ClientID string `json:"clientId"`
	Addr     string `json:"clientAddr"`
	Language string `json:"language"`
	Version  string `json:"version"`
}

func connectionsOf(set []protocol.Connection) []Connection {
	list := make([]Connection, 0, len(set))
	for _, c := range set {
		list = append(list, Connection{ClientID: c.ClientID, Addr: c.ClientAddr, Language: c.Language.String(), Version: VersionName(c.Version)})
	}
	slices.SortFunc(list, func(a, b Connection) int { return cmp.Compare(a.ClientID, b.ClientID) })
	return list
}

// Consumers is a consumer group with its members, as one broker sees it.
type Consumers struct {
	Group         string         `json:"group"`
	ConsumeType   string         `json:"consumeType"`
	MessageModel  string         `json:"messageModel"`
	FromWhere     string         `json:"consumeFromWhere"`
	Connections   []Connection   `json:"connections"`
	Subscriptions []Subscription `json:"subscriptions"`
	// Mismatch says what the members differ in, and what they missed by that. Only
	// aerobee's brokers tell.
	Mismatch []string `json:"mismatch,omitempty"`
}

// Subscription is what a group wants of a topic.
type Subscription struct {
	Topic      string    `json:"topic"`
	Expression string    `json:"expression"`
	Type       string    `json:"expressionType"`
	Version    time.Time `json:"version,omitzero"`
}

// ConsumerConnections returns the members of a consumer group. Without a broker
// address it asks one that has the group's retry topic. A group without members
// is an error with client.CodeConsumerNotOnline.
func (c *Client) ConsumerConnections(ctx context.Context, group, broker string) (Consumers, error) {
	conn, err := c.consumerConnection(ctx, group, broker)
	if err != nil {
		return Consumers{}, err
	}
	consumers := Consumers{
		Group: group, ConsumeType: conn.ConsumeType.String(), MessageModel: conn.MessageModel.String(),
		FromWhere: conn.ConsumeFromWhere.String(), Connections: connectionsOf(conn.ConnectionSet), Subscriptions: []Subscription{},
		Mismatch: conn.SubscriptionMismatch,
	}
	for _, s := range conn.SubscriptionTable {
		consumers.Subscriptions = append(consumers.Subscriptions, Subscription{
			Topic: s.Topic, Expression: s.SubString, Type: s.ExpressionType, Version: millis(s.SubVersion),
		})
	}
	slices.SortFunc(consumers.Subscriptions, func(a, b Subscription) int { return cmp.Compare(a.Topic, b.Topic) })
	return consumers, nil
}

func (c *Client) consumerConnection(ctx context.Context, group, broker string) (protocol.ConsumerConnection, error) {
	var none protocol.ConsumerConnection
	addr, err := c.brokerOr(ctx, broker, protocol.RetryTopic(group))
	if err != nil {
		return none, fmt.Errorf("members of group %s: %w", group, err)
	}
	conn, err := ask[protocol.ConsumerConnection](ctx, c, addr, cluster.Request{
		Code: protocol.ReqGetConsumerConnectionList, Header: &protocol.GetConsumerConnectionListRequest{ConsumerGroup: group},
	})
	if err == nil && len(conn.ConnectionSet) == 0 {
		err = protocol.Errorf(protocol.RespConsumerNotOnline, "no member is connected to %s", addr)
	}
	if err != nil {
		return none, fmt.Errorf("members of group %s: %w", group, err)
	}
	return conn, nil
}

// brokerOr gives the broker address, or one from the route of a topic.
func (c *Client) brokerOr(ctx context.Context, broker, topic string) (string, error) {
	if broker != "" {
		return broker, nil
	}
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return "", err
	}
	addrs := addrsOf(route)
	if len(addrs) == 0 {
		return "", fmt.Errorf("the route of topic %s has no broker", topic)
	}
	return addrs[0], nil
}

// ProducerConnections returns the members of a producer group at the brokers of
// a topic.
func (c *Client) ProducerConnections(ctx context.Context, group, topic string) ([]Connection, error) {
	addr, err := c.brokerOr(ctx, "", topic)
	if err != nil {
		return nil, fmt.Errorf("members of producer group %s: %w", group, err)
	}
	conn, err := ask[protocol.ProducerConnection](ctx, c, addr, cluster.Request{
		Code: protocol.ReqGetProducerConnectionList, Header: &protocol.GetProducerConnectionListRequest{ProducerGroup: group},
	})
	if err != nil {
		return nil, fmt.Errorf("members of producer group %s: %w", group, err)
	}
	return connectionsOf(conn.ConnectionSet), nil
}
