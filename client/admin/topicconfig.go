package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// TopicConfig is what a topic is to be.
type TopicConfig struct {
	Topic       string `json:"topic"`
	ReadQueues  int32  `json:"readQueueNums"`
	WriteQueues int32  `json:"writeQueueNums"`
	Perm        int32  `json:"perm"` // sum of 4 for read, 2 for write
	Order       bool   `json:"order"`
	Unit        bool   `json:"unit"`
	HasUnitSub  bool   `json:"hasUnitSub"`
	// Attributes are changes in the protocol's notation: "+key=value,-key".
	Attributes string `json:"attributes,omitempty"`
}

func (t TopicConfig) sysFlag() (flag int32) {
	if t.Unit {
		flag |= protocol.TopicSysFlagUnit
	}
	if t.HasUnitSub {
		flag |= protocol.TopicSysFlagUnitSub
	}
	return flag
}

// UpdateTopic creates or changes a topic and returns the brokers where it is
// done. An ordered topic's queues are also written to the nameservers' order
// configuration.
func (c *Client) UpdateTopic(ctx context.Context, target Target, topic TopicConfig) ([]string, error) {
	done, err := c.onEach(ctx, target, func(addr string) error { return c.updateTopicAt(ctx, addr, topic) })
	if err != nil || !topic.Order {
		return done, err
	}
	return done, c.orderNewTopic(ctx, target, topic)
}

func (c *Client) updateTopicAt(ctx context.Context, addr string, topic TopicConfig) error {
	_, err := c.call(ctx, addr, cluster.Request{
		Code: protocol.ReqUpdateAndCreateTopic,
		Header: &protocol.CreateTopicRequest{
			Topic: topic.Topic, DefaultTopic: protocol.AutoCreateTopicKey, ReadQueueNums: topic.ReadQueues,
			WriteQueueNums: topic.WriteQueues, Perm: topic.Perm, TopicFilterType: "SINGLE_TAG",
			TopicSysFlag: topic.sysFlag(), Order: topic.Order, Attributes: topic.Attributes,
		},
	})
	if err != nil {
		return fmt.Errorf("update topic %s: %w", topic.Topic, err)
	}
	return nil
}

// orderNewTopic writes the order configuration of a topic just created: for a
// cluster all of it, for one broker its part.
func (c *Client) orderNewTopic(ctx context.Context, target Target, topic TopicConfig) error {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return err
	}
	conf := make(map[string]string)
	if target.Broker != "" {
		old, err := c.OrderConf(ctx, topic.Topic)
		if err != nil && !is(err, protocol.RespQueryNotFound) {
			return err
		}
		for part := range strings.SplitSeq(old, ";") {
			if name, queues, found := strings.Cut(part, ":"); found {
				conf[name] = queues
			}
		}
	}
	for _, b := range brokers {
		if b.Addr == target.Broker || (target.Broker == "" && b.Cluster == target.Cluster && b.Master()) {
			conf[b.Name] = fmt.Sprint(topic.WriteQueues)
		}
	}
	var parts []string
	for name, queues := range conf {
		parts = append(parts, name+":"+queues)
	}
	slices.Sort(parts)
	return c.PutOrderConf(ctx, topic.Topic, strings.Join(parts, ";"))
}

// PermChange is the change of a topic's permission on one broker.
type PermChange struct {
	Addr string `json:"addr"`
	From int32  `json:"from"`
	To   int32  `json:"to"`
}

// UpdateTopicPerm changes the permission of a topic and leaves the rest as the
// broker has it.
func (c *Client) UpdateTopicPerm(ctx context.Context, target Target, topic string, perm int32) ([]PermChange, error) {
	changes := []PermChange{}
	_, err := c.onEach(ctx, target, func(addr string) error {
		old, err := c.topicConfig(ctx, addr, topic)
		if err != nil {
			return fmt.Errorf("update permission: %w", err)
		}
		if old.Perm != perm {
			next := TopicConfig{
				Topic: topic, ReadQueues: old.ReadQueueNums, WriteQueues: old.WriteQueueNums, Perm: perm, Order: old.Order,
				Unit: old.TopicSysFlag&protocol.TopicSysFlagUnit != 0, HasUnitSub: old.TopicSysFlag&protocol.TopicSysFlagUnitSub != 0,
			}
			if err := c.updateTopicAt(ctx, addr, next); err != nil {
				return err
			}
		}
		changes = append(changes, PermChange{Addr: addr, From: old.Perm, To: perm})
		return nil
	})
	return changes, err
}

// PurgedQueue is a queue whose messages up to now are gone: those from Min up to
// but not including Max, where the queue begins now.
type PurgedQueue struct {
	Addr string `json:"addr"`
	ID   int32  `json:"queueId"`
	Min  int64  `json:"minOffset"`
	Max  int64  `json:"maxOffset"`
}

// AllQueues stands for every queue of a topic.
const AllQueues int32 = -1

// PurgeTopic makes the messages that a queue of a topic holds, or AllQueues, unseen
// for every consumer and query, for good. Their numbers are not used again, and
// consumers that are behind go on where the queue begins then. Only aerobee's brokers
// can do it.
func (c *Client) PurgeTopic(ctx context.Context, target Target, topic string, queue int32) ([]PurgedQueue, error) {
	purged := []PurgedQueue{}
	header := protocol.PurgeTopicRequest{Topic: topic}
	if queue != AllQueues {
		header.QueueID = protocol.Some(queue)
	}
	_, err := c.onEach(ctx, target, func(addr string) error {
		body, err := ask[protocol.PurgeTopicResponseBody](ctx, c, addr, cluster.Request{Code: protocol.ReqPurgeTopic, Header: &header})
		if err != nil {
			return fmt.Errorf("purge topic %s: %w", topic, err)
		}
		for _, q := range body.Queues {
			purged = append(purged, PurgedQueue{Addr: addr, ID: q.QueueID, Min: q.MinOffset, Max: q.MaxOffset})
		}
		return nil
	})
	return purged, err
}

// topicConfig asks a broker how it has a topic. Brokers from before 5.0 cannot
// say; then the route tells as much as it knows.
func (c *Client) topicConfig(ctx context.Context, addr, topic string) (protocol.TopicConfig, error) {
	config, err := ask[protocol.TopicConfig](ctx, c, addr, cluster.Request{
		Code: protocol.ReqGetTopicConfig, Header: &protocol.GetTopicConfigRequest{Topic: topic},
	})
	if !is(err, protocol.RespRequestCodeNotSupported) {
		if err != nil {
			err = fmt.Errorf("topic %s: %w", topic, err)
		}
		return config, err
	}
	route, err := c.cluster.LookupRoute(ctx, topic)
	if err != nil {
		return config, err
	}
	for _, q := range route.Data.QueueDatas {
		if master, _ := route.Master(q.BrokerName); master == addr {
			return protocol.TopicConfig{
				TopicName: topic, ReadQueueNums: q.ReadQueueNums, WriteQueueNums: q.WriteQueueNums, Perm: q.Perm,
				TopicSysFlag: q.TopicSysFlag, Order: route.Data.OrderTopicConf != "",
			}, nil
		}
	}
	return config, fmt.Errorf("topic %s: broker %s is no master of it", topic, addr)
}

// DeleteTopic deletes a topic from the masters of a cluster and its route from
// every nameserver. A topic that does not exist is not an error.
func (c *Client) DeleteTopic(ctx context.Context, topic, clusterName string) error {
	_, brokerErr := c.onEach(ctx, Target{Cluster: clusterName}, func(addr string) error {
		_, err := c.call(ctx, addr, cluster.Request{
			Code: protocol.ReqDeleteTopicInBroker, Header: &protocol.DeleteTopicRequest{Topic: topic},
		})
		return err
	})
	if errors.Is(brokerErr, ErrNoCluster) {
		return brokerErr
	}
	_, namesrvErr := c.cluster.CallEveryNamesrv(ctx, cluster.Request{
		Code:   protocol.ReqDeleteTopicInNamesrv,
		Header: &protocol.DeleteTopicFromNamesrvRequest{Topic: topic, ClusterName: clusterName},
	})
	if err := cluster.Join(brokerErr, namesrvErr); err != nil {
		return fmt.Errorf("delete topic %s: %w", topic, err)
	}
	return nil
}

// OrderConf returns which queues of an ordered topic are fixed to which brokers:
// "broker-a:4;broker-b:4".
func (c *Client) OrderConf(ctx context.Context, topic string) (string, error) {
	return c.KVConfig(ctx, protocol.OrderTopicNamespace, topic)
}

// PutOrderConf replaces the order configuration of a topic.
func (c *Client) PutOrderConf(ctx context.Context, topic, conf string) error {
	return c.PutKVConfig(ctx, protocol.OrderTopicNamespace, topic, conf)
}

// DeleteOrderConf removes the order configuration of a topic.
func (c *Client) DeleteOrderConf(ctx context.Context, topic string) error {
	return c.DeleteKVConfig(ctx, protocol.OrderTopicNamespace, topic)
}
