package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// MasterID is the broker id of a master.
const MasterID = 0

// Queue is one queue of a topic.
type Queue struct {
	Topic  string
	Broker string // broker name
	ID     int32
}

// Route says where the queues of a topic are. It is immutable.
type Route struct {
	Topic     string
	Data      protocol.TopicRouteData
	Publish   []Queue // writable, on brokers that have a master
	Subscribe []Queue // readable
	Template  bool    // the topic does not exist yet: this is what it will get
	brokers   map[string]map[int64]string
}

// NewRoute computes what clients need from a nameserver's answer.
func NewRoute(topic string, data protocol.TopicRouteData) *Route {
	r := &Route{Topic: topic, Data: data, brokers: make(map[string]map[int64]string)}
	for _, b := range data.BrokerDatas {
		r.brokers[b.BrokerName] = b.BrokerAddrs
	}
	queues := slices.Clone(data.QueueDatas)
	slices.SortFunc(queues, func(a, b protocol.QueueData) int { return cmp.Compare(a.BrokerName, b.BrokerName) })
	for _, q := range queues {
		if q.Perm&protocol.PermRead != 0 {
			r.Subscribe = appendQueues(r.Subscribe, topic, q.BrokerName, q.ReadQueueNums)
		}
		if _, hasMaster := r.brokers[q.BrokerName][MasterID]; hasMaster && q.Perm&protocol.PermWrite != 0 {
			r.Publish = appendQueues(r.Publish, topic, q.BrokerName, q.WriteQueueNums)
		}
	}
	if data.OrderTopicConf != "" {
		r.Publish = orderedQueues(topic, data.OrderTopicConf)
	}
	return r
}

// maxQueues bounds what a route may make a client allocate for one broker.
const maxQueues = 1 << 20

func appendQueues(queues []Queue, topic, broker string, n int32) []Queue {
	for id := range min(n, maxQueues) {
		queues = append(queues, Queue{Topic: topic, Broker: broker, ID: id})
	}
	return queues
}

// orderedQueues are those of an order configuration, "broker-a:4;broker-b:4".
func orderedQueues(topic, conf string) []Queue {
	var queues []Queue
	for part := range strings.SplitSeq(conf, ";") {
		name, count, found := strings.Cut(part, ":")
		n, err := strconv.ParseInt(count, 10, 32)
		if found && err == nil {
			queues = appendQueues(queues, topic, name, int32(n))
		}
	}
	return queues
}

// asTemplateFor is the route a new topic is going to have: the brokers of the
// template topic, with at most queues queues each.
func (r *Route) asTemplateFor(topic string, queues int32) *Route {
	data := r.Data
	data.QueueDatas = slices.Clone(data.QueueDatas)
	for i := range data.QueueDatas {
		n := min(queues, data.QueueDatas[i].ReadQueueNums)
		data.QueueDatas[i].ReadQueueNums, data.QueueDatas[i].WriteQueueNums = n, n
	}
	t := NewRoute(topic, data)
	t.Template = true
	return t
}

// Master returns the address of a broker's master.
func (r *Route) Master(broker string) (addr string, ok bool) {
	addr, ok = r.brokers[broker][MasterID]
	return addr, ok
}

// Replica returns the address of a broker's replica with the given id, or else
// of its master, or else of the one with the smallest id.
func (r *Route) Replica(broker string, id int64) (addr string, ok bool) {
	addrs := r.brokers[broker]
	for _, want := range []int64{id, MasterID} {
		if addr, ok = addrs[want]; ok {
			return addr, true
		}
	}
	smallest := int64(-1)
	for have, a := range addrs {
		if smallest < 0 || have < smallest {
			smallest, addr = have, a
		}
	}
	return addr, smallest >= 0
}

// Brokers returns the names of the brokers, sorted.
func (r *Route) Brokers() []string {
	names := make([]string, 0, len(r.brokers))
	for name := range r.brokers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Addrs returns the addresses of all brokers and replicas, sorted.
func (r *Route) Addrs() []string {
	var addrs []string
	for _, replicas := range r.brokers {
		for _, addr := range replicas {
			addrs = append(addrs, addr)
		}
	}
	slices.Sort(addrs)
	return addrs
}

// LookupRoute asks a nameserver for the route of a topic, without any cache. A
// topic that does not exist is a *protocol.Error with RespTopicNotExist.
func (c *Cluster) LookupRoute(ctx context.Context, topic string) (*Route, error) {
	resp, err := c.CallNamesrv(ctx, Request{
		Code:   protocol.ReqGetRouteInfoByTopic,
		Header: &protocol.GetRouteInfoRequest{Topic: topic},
	})
	if err != nil {
		return nil, fmt.Errorf("route of topic %s: %w", topic, err)
	}
	var data protocol.TopicRouteData
	if err := DecodeBody("nameserver", resp, &data); err != nil {
		return nil, fmt.Errorf("route of topic %s: %w", topic, err)
	}
	return NewRoute(topic, data), nil
}
