package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

func TestRouteQueues(t *testing.T) {
	data := protocol.TopicRouteData{
		BrokerDatas: []protocol.BrokerData{
			{BrokerName: "b", BrokerAddrs: map[int64]string{0: "b:0", 1: "b:1"}},
			{BrokerName: "a", BrokerAddrs: map[int64]string{0: "a:0"}},
			{BrokerName: "replica-only", BrokerAddrs: map[int64]string{2: "r:2", 1: "r:1"}},
			{BrokerName: "read-only", BrokerAddrs: map[int64]string{0: "ro:0"}},
		},
		QueueDatas: []protocol.QueueData{
			{BrokerName: "b", ReadQueueNums: 2, WriteQueueNums: 1, Perm: 6},
			{BrokerName: "a", ReadQueueNums: 1, WriteQueueNums: 2, Perm: 6},
			{BrokerName: "replica-only", ReadQueueNums: 1, WriteQueueNums: 1, Perm: 6},
			{BrokerName: "read-only", ReadQueueNums: 1, WriteQueueNums: 1, Perm: 4},
			{BrokerName: "unknown", ReadQueueNums: 1, WriteQueueNums: -5, Perm: 6},
		},
	}
	r := NewRoute("T", data)
	q := func(broker string, id int32) Queue { return Queue{Topic: "T", Broker: broker, ID: id} }
	require.Equal(t, []Queue{q("a", 0), q("a", 1), q("b", 0)}, r.Publish)
	require.Equal(t, []Queue{q("a", 0), q("b", 0), q("b", 1), q("read-only", 0), q("replica-only", 0), q("unknown", 0)}, r.Subscribe)
	require.Equal(t, []string{"a", "b", "read-only", "replica-only"}, r.Brokers())

	for _, c := range []struct {
		broker string
		id     int64
		want   string
	}{{"b", 1, "b:1"}, {"b", 7, "b:0"}, {"replica-only", 0, "r:1"}, {"replica-only", 2, "r:2"}} {
		addr, ok := r.Replica(c.broker, c.id)
		require.True(t, ok)
		require.Equal(t, c.want, addr)
	}
	_, ok := r.Replica("unknown", 0)
	require.False(t, ok)
	_, ok = r.Master("replica-only")
	require.False(t, ok)
}

func TestOrderedTopicsHaveFixedQueues(t *testing.T) {
	r := NewRoute("T", protocol.TopicRouteData{
		OrderTopicConf: "a:2;b:1;broken;c:x",
		BrokerDatas:    []protocol.BrokerData{{BrokerName: "a", BrokerAddrs: map[int64]string{0: "a:0"}}},
		QueueDatas:     []protocol.QueueData{{BrokerName: "a", ReadQueueNums: 8, WriteQueueNums: 8, Perm: 6}},
	})
	require.Equal(t, []Queue{{"T", "a", 0}, {"T", "a", 1}, {"T", "b", 0}}, r.Publish)
	require.Len(t, r.Subscribe, 8)
}

func TestTemplate(t *testing.T) {
	template := NewRoute("TBW102", protocol.TopicRouteData{
		BrokerDatas: []protocol.BrokerData{{BrokerName: "a", BrokerAddrs: map[int64]string{0: "a:0"}}, {BrokerName: "b", BrokerAddrs: map[int64]string{0: "b:0"}}},
		QueueDatas:  []protocol.QueueData{{BrokerName: "a", ReadQueueNums: 8, WriteQueueNums: 8, Perm: 7}, {BrokerName: "b", ReadQueueNums: 2, WriteQueueNums: 8, Perm: 7}},
	})
	r := template.asTemplateFor("T", 4)
	require.True(t, r.Template)
	require.Len(t, r.Publish, 6, "four at a, two at b")
	require.Equal(t, "T", r.Publish[0].Topic)
	require.Len(t, template.Publish, 16, "the template is as it was")
}

func TestNewRefusesAddresses(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "no nameserver")
	_, err = New(Config{Nameservers: []string{"here"}})
	require.ErrorContains(t, err, `"here": must be host:port`)
}
