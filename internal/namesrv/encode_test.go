package namesrv

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

func TestRouteBodiesAreJavasBytes(t *testing.T) {
	table := NewTable()
	r := &Registration{Cluster: "DefaultCluster", Broker: "broker-a", Addr: "127.0.0.1:10911"}
	r.Topics = []TopicEntry{{Topic: "TBW102", Read: 8, Write: 8, Perm: 7}, {Topic: "other"}}
	register(t, table, r)
	route, ok := table.Route("TBW102", false)
	require.True(t, ok)
	const tail = `:"127.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},`
	const queues = `"queueDatas":[{"brokerName":"broker-a","perm":7,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}`
	require.Equal(t, `{"brokerDatas":[{"brokerAddrs":{"0"`+tail+queues, string(route.encode("", true)))
	require.Equal(t, `{"brokerDatas":[{"brokerAddrs":{0`+tail+queues, string(route.encode("", false)))
	require.Equal(t, `{"brokerDatas":[{"brokerAddrs":{"0"`+tail+`"orderTopicConf":"broker-a:8",`+queues, string(route.encode("broker-a:8", true)))
	require.Equal(t, `{"brokerDatas":[],"filterServerTable":{},"queueDatas":[]}`, string(Route{}.encode("", false)))
}

func TestStaticTopicBody(t *testing.T) {
	route := Route{
		Queues:   []protocol.QueueData{{BrokerName: "b"}},
		Groups:   []*Group{{Name: "b", Cluster: "c", Zone: "z", Members: []Member{{Addr: "a", Filters: []string{"f"}}}}},
		Mappings: []protocol.TopicQueueMappingInfo{{Topic: "T", Scope: "__global__", BName: "b", Epoch: 2, TotalQueues: 1, CurrIDMap: map[int32]int32{0: 0}}},
	}
	require.Equal(t, `{"brokerDatas":[{"brokerAddrs":{0:"a"},"brokerName":"b","cluster":"c","enableActingMaster":false,"zoneName":"z"}],`+
		`"filterServerTable":{"a":["f"]},"queueDatas":[{"brokerName":"b","perm":0,"readQueueNums":0,"topicSysFlag":0,"writeQueueNums":0}],`+
		`"topicQueueMappingByBroker":{"b":{"bname":"b","currIdMap":{0:0},"dirty":false,"epoch":2,"scope":"__global__","topic":"T","totalQueues":1}}}`,
		string(route.encode("", false)))
}

func BenchmarkRoute(b *testing.B) {
	table := NewTable()
	for _, name := range []string{"broker-a", "broker-b"} {
		_, _, err := table.Register(start, &Registration{
			Cluster: "DefaultCluster", Broker: name, Addr: name + ":10911",
			Topics: []TopicEntry{{Topic: "t", Read: 8, Write: 8, Perm: 6}, {Topic: "u"}},
		}, roomy)
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		route, _ := table.Route("t", false)
		_ = route.encode("", true)
	}
}

// A full registration that changes nothing, and one that changes everything.
func BenchmarkRegister(b *testing.B) {
	const topics = 100_000
	r := &Registration{Cluster: "c", Broker: "b", Addr: "a:1"}
	for i := range topics {
		r.Topics = append(r.Topics, TopicEntry{Topic: fmt.Sprintf("topic-%d", i), Read: 8, Write: 8, Perm: 6})
	}
	o := Options{MaxTopics: topics, MaxBrokers: 1}
	for _, changing := range []bool{false, true} {
		b.Run(fmt.Sprintf("changing=%t", changing), func(b *testing.B) {
			table := NewTable()
			b.ReportAllocs()
			for n := int64(0); b.Loop(); n++ {
				if changing {
					r.Version.Counter = n
					r.Topics[0].Perm ^= 1
				}
				if _, _, err := table.Register(start, r, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
