package meta

import (
	"github.com/aerobee/aerobee/internal/config"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Queues of built-in topics that have more than one.
const (
	benchmarkQueues = 1024
	scheduleQueues  = 18
	clusterQueues   = 16 // Java's default of a topic without a number
)

const (
	permRW        = protocol.PermRead | protocol.PermWrite
	permRWInherit = permRW | protocol.PermInherit
)

// builtInTopics are the topics of remoting.md 7.2 for a broker's configuration.
func builtInTopics(c *config.Broker) []*protocol.TopicConfig {
	templatePerm := func(enabled bool) int32 {
		if enabled {
			return permRWInherit
		}
		return protocol.PermInherit
	}
	list := []*protocol.TopicConfig{
		newTopic(protocol.BenchmarkTopic, benchmarkQueues, permRW),
		newTopic(c.BrokerClusterName, clusterQueues, templatePerm(c.ClusterTopicEnable)),
		newTopic(c.BrokerName, 1, templatePerm(c.BrokerTopicEnable)),
		newTopic(protocol.ReplyTopic(c.BrokerClusterName), 1, permRW),
		newTopic(protocol.ReviveTopic(c.BrokerClusterName), int32(c.ReviveQueueNum), permRW),
		newTopic(protocol.SyncBrokerMemberTopic(c.BrokerName), 1, protocol.PermInherit),
		newTopic(protocol.ScheduleTopic, scheduleQueues, permRW),
	}
	for _, name := range []string{
		protocol.SelfTestTopic, protocol.OffsetMovedTopic, protocol.HalfTopic, protocol.OpHalfTopic,
		protocol.RocksDBHalfTopic, protocol.RocksDBOpHalfTopic,
	} {
		list = append(list, newTopic(name, 1, permRW))
	}
	if c.AutoCreateTopic {
		list = append(list, newTopic(protocol.AutoCreateTopicKey, int32(c.DefaultTopicQueues), permRWInherit))
	}
	if c.TraceTopicEnable {
		list = append(list, newTopic(c.MsgTraceTopicName, 1, permRW))
	}
	if c.TimerEnable {
		list = append(list, newTopic(protocol.TimerTopic, 1, permRW))
	}
	return list
}

// systemNames are the names of request 305.
func systemNames(c *config.Broker) []string {
	names := append(protocol.BuiltinTopics(),
		protocol.ReviveTopic(c.BrokerClusterName), protocol.TimerTopic, protocol.SyncBrokerMemberTopic(c.BrokerName),
		protocol.ReplyTopic(c.BrokerClusterName), c.BrokerClusterName, c.BrokerName)
	if c.TraceTopicEnable && c.MsgTraceTopicName != protocol.TraceTopic {
		names = append(names, c.MsgTraceTopicName)
	}
	return names
}

func newTopic(name string, queues, perm int32) *protocol.TopicConfig {
	return &protocol.TopicConfig{
		TopicName: name, ReadQueueNums: queues, WriteQueueNums: queues, Perm: perm,
		TopicFilterType: protocol.SingleTag, Attributes: map[string]string{},
	}
}

// IsSystem tells whether a topic is one of the broker's own. Whether clients may
// send to it is protocol.IsClosedTopic's to say.
func (t *Topics) IsSystem(topic string) bool {
	_, ok := t.system[topic]
	return ok || protocol.IsSystemTopic(topic)
}

// SystemNames lists the broker's own topics (request 305).
func (t *Topics) SystemNames() []string { return systemNames(t.cfg.Config()) }
