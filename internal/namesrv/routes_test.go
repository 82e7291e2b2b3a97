package namesrv

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

var roomy = Options{MaxTopics: 1000, MaxBrokers: 100}

var start = time.Unix(1_800_000_000, 0)

// reg is a registration of group b in cluster c with topics at perm 6.
func reg(id int64, addr string, version int64, topics ...string) *Registration {
	r := &Registration{Cluster: "c", Broker: "b", Addr: addr, HAAddr: "ha-" + addr, ID: id, Version: protocol.DataVersion{Counter: version}, Conn: uint64(len(addr)) + uint64(id)*100}
	for _, topic := range topics {
		r.Topics = append(r.Topics, TopicEntry{Topic: topic, Read: 4, Write: 4, Perm: 6})
	}
	return r
}

func acting(r *Registration) *Registration { r.ActingMaster = true; return r }

func register(t *testing.T, table *Table, r *Registration) Registered {
	t.Helper()
	answer, effects, err := table.Register(start, r, roomy)
	require.NoError(t, err)
	require.Empty(t, effects)
	return answer
}

func perm(t *testing.T, table *Table, topic string) int32 {
	t.Helper()
	route, ok := table.Route(topic, false)
	require.True(t, ok)
	require.Len(t, route.Queues, 1)
	return route.Queues[0].Perm
}

func TestRegistrationMakesRoutes(t *testing.T) {
	table := NewTable()
	require.Zero(t, register(t, table, reg(0, "m", 1, "t1", "t2")))
	require.Equal(t, Registered{MasterAddr: "m", HAAddr: "ha-m"}, register(t, table, reg(1, "s", 1, "t1", "t2", "t3")))

	route, ok := table.Route("t1", false)
	require.True(t, ok)
	require.Equal(t, []protocol.QueueData{{BrokerName: "b", ReadQueueNums: 4, WriteQueueNums: 4, Perm: 6}}, route.Queues)
	require.Equal(t, []Member{{ID: 0, Addr: "m"}, {ID: 1, Addr: "s"}}, route.Groups[0].Members)
	_, ok = table.Route("t3", false)
	require.False(t, ok, "a slave's topics do not count while there is a master")
	require.Equal(t, map[string][]string{"c": {"b"}}, table.Clusters())
	require.Equal(t, Sizes{Topics: 2, Groups: 1, Clusters: 1, Processes: 2}, table.Sizes())

	// An incremental registration adds and changes, and leaves the rest.
	r := reg(0, "m", 2, "t4")
	register(t, table, r)
	require.ElementsMatch(t, []string{"t1", "t2", "t4"}, table.Topics(allTopics))

	// The same version again changes only what is missing.
	r = reg(0, "m", 2, "t1", "t5")
	r.Topics[0].Perm, r.Topics[1].TopicSysFlag = 4, protocol.TopicSysFlagUnitSub
	register(t, table, r)
	require.EqualValues(t, 6, perm(t, table, "t1"))
	require.Equal(t, []string{"t5"}, table.Topics(onlySubTopics))
	require.Equal(t, []string{"t5"}, table.Topics(unitSubTopics))
	require.Empty(t, table.Topics(unitTopics))
	require.Len(t, table.Topics(table.ofCluster("c")), 4)
	require.Empty(t, table.Topics(table.ofCluster("other")))
}

func TestSingleTopicBeforeFullRegistrationIsRefused(t *testing.T) {
	table := NewTable()
	_, _, err := table.Register(start, reg(0, "m", 1, "t"), roomy)
	require.EqualError(t, err, "register broker failed")
	require.Zero(t, table.Sizes(), "nothing stays behind, as it does in Java")
	register(t, table, reg(0, "m", 1))
	register(t, table, reg(0, "m", 2, "t"))
}

func TestSlaveBecomesMasterAtItsAddress(t *testing.T) {
	table := NewTable()
	register(t, table, reg(1, "a", 1, "t", "u"))
	register(t, table, reg(0, "a", 1, "t", "u"))
	require.Equal(t, []Member{{ID: 0, Addr: "a"}}, table.Group("b").Members)
}

func TestGreaterStateVersionKeepsTheID(t *testing.T) {
	table := NewTable()
	r := reg(0, "new", 1, "t", "u")
	r.Version.StateVersion = 5
	register(t, table, r)
	require.Zero(t, register(t, table, reg(0, "old", 9, "t", "u")), "not told")
	require.Equal(t, "new", table.Group("b").Members[0].Addr)
	require.Equal(t, 1, table.Sizes().Processes)
	r = reg(0, "newer", 1, "t", "u")
	r.Version.StateVersion = 5
	register(t, table, r)
	require.Equal(t, "newer", table.Group("b").Members[0].Addr)
}

func TestProcessWithNewNameLeavesItsGroup(t *testing.T) {
	table := NewTable()
	register(t, table, reg(0, "a", 1, "t", "u"))
	r := reg(0, "a", 1, "t")
	r.Topics = append(r.Topics, TopicEntry{Topic: "v", Perm: 6})
	r.Broker = "b2"
	register(t, table, r)
	require.Nil(t, table.Group("b"))
	require.Equal(t, map[string][]string{"c": {"b2"}}, table.Clusters())
	require.ElementsMatch(t, []string{"t", "v"}, table.Topics(allTopics))
}

func TestExpiryAndHeartbeats(t *testing.T) {
	table := NewTable()
	slow, quick := reg(0, "m", 1, "t", "u"), reg(1, "s", 1)
	quick.Timeout = time.Second
	register(t, table, slow)
	register(t, table, quick)
	require.Empty(t, table.Expire(start.Add(time.Second), roomy))
	v, ok := table.Heartbeat(start.Add(time.Second), "c", "s")
	require.True(t, ok)
	require.Equal(t, protocol.DataVersion{Counter: 1}, v)
	_, ok = table.Heartbeat(start, "c", "nobody")
	require.False(t, ok)
	require.Empty(t, table.Expire(start.Add(2*time.Second), roomy))
	require.Equal(t, []Effect{CloseConn{quick.Conn}}, table.Expire(start.Add(2001*time.Millisecond), roomy))
	require.Len(t, table.Group("b").Members, 1)
	require.Empty(t, table.Expire(start.Add(DefaultTimeout), roomy))
	require.Equal(t, []Effect{CloseConn{slow.Conn}}, table.Expire(start.Add(DefaultTimeout+1), roomy))
	require.Zero(t, table.Sizes())
}

func TestClosedConnectionTakesAllItsBrokers(t *testing.T) {
	table := NewTable()
	for i := range 3 {
		r := reg(0, fmt.Sprint("a", i), 1, "t", "u")
		r.Broker, r.Conn = fmt.Sprint("b", i), 7
		register(t, table, r)
	}
	again := reg(0, "a2", 1, "t", "u")
	again.Broker, again.Conn = "b2", 8
	register(t, table, again)
	require.Empty(t, table.ConnClosed(7, roomy))
	require.Equal(t, map[string][]string{"c": {"b2"}}, table.Clusters(), "b2 has a newer connection")
	require.Empty(t, table.ConnClosed(7, roomy))
	require.Empty(t, table.ConnClosed(8, roomy))
	require.Zero(t, table.Sizes())
}

func TestUnregister(t *testing.T) {
	table := NewTable()
	register(t, table, reg(0, "m", 1, "t", "u"))
	register(t, table, reg(1, "s", 1))
	table.Unregister("c", "b", "elsewhere", 0, roomy)
	table.Unregister("c", "nobody", "elsewhere", 0, roomy)
	require.Len(t, table.Group("b").Members, 2)
	table.Unregister("c", "misnamed", "s", 1, roomy)
	require.Len(t, table.Group("b").Members, 1, "found by what it registered")
	table.Unregister("c", "b", "m", 0, roomy)
	require.Zero(t, table.Sizes())
}

func TestActingMaster(t *testing.T) {
	table := NewTable()
	register(t, table, acting(reg(0, "m", 1, "t", "u")))
	register(t, table, acting(reg(2, "s2", 1, "t", "u")))
	o := roomy
	o.NotifyMinBrokerID = true
	_, effects, err := table.Register(start, acting(reg(1, "s1", 1, "t", "u")), o)
	require.NoError(t, err)
	require.Empty(t, effects)

	effects = table.Unregister("c", "b", "m", 0, o)
	require.Equal(t, []Effect{NotifyMinBroker{To: []string{"s1", "s2"}, MinID: 1, MinAddr: "s1", OfflineAddr: "m"}}, effects)
	require.EqualValues(t, 4, perm(t, table, "t"))
	route, _ := table.Route("t", false)
	require.EqualValues(t, 1, route.Groups[0].Members[0].ID)
	route, _ = table.Route("t", true)
	require.Equal(t, []Member{{ID: 0, Addr: "s1"}, {ID: 2, Addr: "s2"}}, route.Groups[0].Members)
	require.EqualValues(t, 1, table.Group("b").Members[0].ID, "the table keeps the true id")

	// The prime slave's registrations keep the topics readable only.
	register(t, table, acting(reg(1, "s1", 2, "t", "u", "v")))
	require.EqualValues(t, 4, perm(t, table, "v"))
	register(t, table, acting(reg(2, "s2", 2, "w", "x")))
	_, ok := table.Route("w", false)
	require.False(t, ok, "not the smallest id")

	// Members see the true ids of their own topic.
	sync := acting(reg(1, "s1", 3, memberSyncTopic+"b", "u"))
	register(t, table, sync)
	route, _ = table.Route(memberSyncTopic+"b", true)
	require.EqualValues(t, 1, route.Groups[0].Members[0].ID)
}

func TestMinBrokerNotifications(t *testing.T) {
	o := roomy
	o.NotifyMinBrokerID = true
	table := NewTable()
	join := func(id int64, addr string) []Effect {
		_, effects, err := table.Register(start, acting(reg(id, addr, 1, "t", "u")), o)
		require.NoError(t, err)
		return effects
	}
	require.Empty(t, join(2, "s2"))
	require.Equal(t, []Effect{NotifyMinBroker{To: []string{"s2"}, MinID: 1, MinAddr: "s1", HAAddr: "ha-s1"}}, join(1, "s1"))
	require.Equal(t, []Effect{NotifyMinBroker{To: []string{"s1", "s2"}, MinID: 0, MinAddr: "m", HAAddr: "ha-m"}}, join(0, "m"))
	require.Empty(t, join(0, "m"))
	require.Empty(t, table.Unregister("c", "b", "s2", 2, o), "not the smallest")
}

func TestWritePermission(t *testing.T) {
	table := NewTable()
	r := reg(0, "m", 1, "t", "u")
	r.Topics[0].Perm = 7
	register(t, table, r)
	require.Equal(t, 2, table.SetWritable("b", false))
	require.EqualValues(t, 5, perm(t, table, "t"))
	register(t, table, r)
	require.EqualValues(t, 5, perm(t, table, "t"), "the same version changes nothing")
	require.Equal(t, 2, table.SetWritable("b", true))
	require.EqualValues(t, 6, perm(t, table, "t"), "the inherit bit is lost, as in Java")
	require.Zero(t, table.SetWritable("nobody", true))
	r.Version.Counter++
	register(t, table, r)
	require.EqualValues(t, 7, perm(t, table, "t"))
}

func TestTopicVerbs(t *testing.T) {
	table := NewTable()
	register(t, table, reg(0, "m", 1, "t", "u"))
	require.NoError(t, table.RegisterTopic("n", []protocol.QueueData{{BrokerName: "b", ReadQueueNums: 1}, {BrokerName: "nobody"}}, roomy))
	_, ok := table.Route("n", false)
	require.False(t, ok, "all or nothing")
	require.NoError(t, table.RegisterTopic("n", []protocol.QueueData{{BrokerName: "b", ReadQueueNums: 1, Perm: 6}}, roomy))
	_, ok = table.Route("n", false)
	require.True(t, ok)
	require.NoError(t, table.RegisterTopic("none", nil, roomy))
	table.DeleteTopic("n", "other")
	require.Len(t, table.Topics(allTopics), 3)
	table.DeleteTopic("n", "c")
	table.DeleteTopic("t", "")
	table.DeleteTopic("t", "")
	require.Equal(t, []string{"u"}, table.Topics(allTopics))
	register(t, table, reg(0, "m", 1, "t", "u"))
	require.Len(t, table.Topics(allTopics), 2, "it comes back")

	o := roomy
	o.DeleteUnregistered = true
	_, _, err := table.Register(start, reg(0, "m", 1, "u"), o)
	require.NoError(t, err)
	require.Equal(t, []string{"u"}, table.Topics(allTopics))
}

func TestStaticTopicsAndFilterServers(t *testing.T) {
	table := NewTable()
	r := reg(0, "m", 1, "t", "u")
	r.Mappings = []protocol.TopicQueueMappingInfo{{Topic: "t", BName: "b", TotalQueues: 4}, {Topic: "absent", BName: "b"}}
	r.Filters = []string{"f"}
	register(t, table, r)
	r.Filters, r.Mappings = nil, []protocol.TopicQueueMappingInfo{{Topic: "t", BName: "b", TotalQueues: 8}}
	register(t, table, r)
	route, _ := table.Route("t", false)
	require.EqualValues(t, 4, route.Mappings[0].TotalQueues, "same version")
	require.Equal(t, []string{"f"}, route.Groups[0].Members[0].Filters)
	r.Version.Counter, r.Filters = 2, []string{}
	register(t, table, r)
	route, _ = table.Route("t", false)
	require.EqualValues(t, 8, route.Mappings[0].TotalQueues)
	require.Empty(t, route.Groups[0].Members[0].Filters)
}

func TestZones(t *testing.T) {
	table := NewTable()
	for i, zone := range []string{"east", "west", "west"} {
		r := reg(int64(i/2), fmt.Sprint("a", i), 1, "t", "u")
		r.Broker, r.Zone = fmt.Sprint("b", i), zone
		register(t, table, r)
	}
	route, _ := table.Route("t", false)
	require.Len(t, route.Queues, 3)
	near := route.InZone("EAST")
	require.Len(t, near.Queues, 2)
	require.Equal(t, "b0", near.Groups[0].Name)
	require.Equal(t, "b2", near.Groups[1].Name, "it has no master")
	require.Len(t, route.Queues, 3)
}

func TestLimits(t *testing.T) {
	table := NewTable()
	small := Options{MaxTopics: 3, MaxBrokers: 2}
	_, _, err := table.Register(start, reg(0, "m", 1, "t", "u", "v", "w"), small)
	require.ErrorContains(t, err, "aerobeeMaxTopics allows 3")
	_, _, err = table.Register(start, reg(0, "m", 1, "t", "u", "v"), small)
	require.NoError(t, err)
	_, _, err = table.Register(start, reg(0, "m", 2, "w"), small)
	require.Error(t, err)
	_, _, err = table.Register(start, reg(0, "m", 3, "t"), small)
	require.NoError(t, err)
	require.Error(t, table.RegisterTopic("w", []protocol.QueueData{{BrokerName: "b"}}, small))
	require.NoError(t, table.RegisterTopic("t", []protocol.QueueData{{BrokerName: "b"}}, small))
	require.Error(t, table.RegisterTopic("", nil, small))
	_, _, err = table.Register(start, reg(1, "s1", 1), small)
	require.NoError(t, err)
	_, _, err = table.Register(start, reg(2, "s2", 1), small)
	require.ErrorContains(t, err, "aerobeeMaxBrokers")
	long := string(make([]byte, maxName+1))
	for _, change := range []func(*Registration){
		func(r *Registration) { r.Cluster = "" },
		func(r *Registration) { r.Broker = long },
		func(r *Registration) { r.Zone = long },
		func(r *Registration) { r.HAAddr = long },
		func(r *Registration) { r.Topics[0].Topic = long },
	} {
		r := reg(0, "m", 1, "t", "u")
		change(r)
		_, _, err := table.Register(start, r, roomy)
		require.Error(t, err)
	}
}

// TestOneChangedTopicIsCheap registers 200,000 topics in requests of 10,000, then
// one topic at a time.
func TestOneChangedTopicIsCheap(t *testing.T) {
	const topics, chunk = 200_000, 10_000
	table := NewTable()
	before := heap()
	r := &Registration{Cluster: "C", Broker: "b", Addr: "10.0.0.1:10911", Conn: 1}
	o := Options{MaxTopics: 1 << 20, MaxBrokers: 10}
	now := time.Now()
	for first := 0; first < topics; first += chunk {
		r.Topics = nil
		for i := range chunk {
			r.Topics = append(r.Topics, TopicEntry{Topic: fmt.Sprintf("topic-of-some-%06d", first+i), Read: 8, Write: 8, Perm: 6})
		}
		r.Version.Counter++
		_, _, err := table.Register(now, r, o)
		require.NoError(t, err)
	}
	r.Topics = nil
	each := (heap() - before) / topics
	t.Log(each, "bytes for a topic")
	require.Less(t, each, int64(350))
	r.Topics = []TopicEntry{{Topic: "topic-of-some-000007", Read: 8, Write: 8, Perm: 6}}
	allocs := testing.AllocsPerRun(100, func() {
		r.Version.Counter++
		r.Topics[0].Read++
		_, _, err := table.Register(now, r, o)
		require.NoError(t, err)
	})
	require.Less(t, allocs, 30.0)
	route, ok := table.Route("topic-of-some-000007", false)
	require.True(t, ok)
	require.Equal(t, r.Topics[0].Read, route.Queues[0].ReadQueueNums)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
