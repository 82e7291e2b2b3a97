package stats

import (
	"strconv"
	"strings"
)

// Names of the items that request 315 can ask for (admin.md 4).
const (
	TopicPutNums    = "TOPIC_PUT_NUMS"    // key topic
	TopicPutSize    = "TOPIC_PUT_SIZE"    // key topic
	TopicPutLatency = "TOPIC_PUT_LATENCY" // key queue@topic
	GroupGetNums    = "GROUP_GET_NUMS"    // key topic@group
	GroupGetSize    = "GROUP_GET_SIZE"    // key topic@group
	GroupGetLatency = "GROUP_GET_LATENCY" // key queue@topic@group
	SendBackPutNums = "SNDBCK_PUT_NUMS"   // key topic@group
	DLQPutNums      = "DLQ_PUT_NUMS"      // key topic@group
	BrokerPutNums   = "BROKER_PUT_NUMS"   // key cluster
	BrokerGetNums   = "BROKER_GET_NUMS"   // key cluster
	// The same without system topics.
	BrokerPutNumsUser = "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC"
	BrokerGetNumsUser = "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC"
)

// Lookup gives the windows of an item. There is none before the first event.
func (s *Stats) Lookup(name, key string) (Windows, bool) {
	i := s.find(name, key)
	if i == nil || !i.used() {
		return Windows{}, false
	}
	value := sample.value
	if name == TopicPutSize || name == GroupGetSize {
		value = sample.second
	}
	return i.windows(&s.clock, value), true
}

func (s *Stats) find(name, key string) *Item {
	switch name {
	case TopicPutNums, TopicPutSize, TopicPutLatency:
		return s.findTopic(name, key)
	case GroupGetNums, GroupGetSize, GroupGetLatency, SendBackPutNums, DLQPutNums:
		return s.findPair(name, key)
	}
	if key != s.cfg.Cluster {
		return nil
	}
	switch name {
	case BrokerPutNums:
		return &s.brokerPut
	case BrokerGetNums:
		return &s.brokerGet
	case BrokerPutNumsUser:
		return &s.brokerPutUser
	case BrokerGetNumsUser:
		return &s.brokerGetUser
	}
	return nil
}

func (s *Stats) findTopic(name, key string) *Item {
	queue, rest := 0, key
	if name == TopicPutLatency {
		queue, rest = splitQueue(key)
	}
	v, ok := s.topics.Load(rest)
	if !ok {
		return nil
	}
	t := v.(*Topic)
	if name == TopicPutLatency {
		return t.putLatency.find(queue)
	}
	return &t.put
}

func (s *Stats) findPair(name, key string) *Item {
	queue, rest := 0, key
	if name == GroupGetLatency {
		queue, rest = splitQueue(key)
	}
	topic, group, _ := strings.Cut(rest, "@")
	v, ok := s.pairs.Load(pairKey{topic, group})
	if !ok {
		return nil
	}
	p := v.(*Pair)
	switch name {
	case SendBackPutNums:
		return &p.sendBack
	case DLQPutNums:
		return &p.deadLetter
	case GroupGetLatency:
		return p.getLatency.find(queue)
	}
	return &p.get
}

// splitQueue takes the leading "queue@" off a key; -1 when there is none.
func splitQueue(key string) (int, string) {
	head, rest, ok := strings.Cut(key, "@")
	queue, err := strconv.Atoi(head)
	if !ok || err != nil {
		return -1, key
	}
	return queue, rest
}

// TopicPutTPS is the rate of a topic's messages over the last minute.
func (s *Stats) TopicPutTPS(topic string) float64 { return s.minuteTPS(TopicPutNums, topic) }

// GroupGetTPS is the rate at which a group got a topic's messages over the last minute.
func (s *Stats) GroupGetTPS(topic, group string) float64 {
	return s.minuteTPS(GroupGetNums, topic+"@"+group)
}

func (s *Stats) minuteTPS(name, key string) float64 {
	w, _ := s.Lookup(name, key)
	return w.Minute.TPS
}
