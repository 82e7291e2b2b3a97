package admin

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setup is an installation of two brokers with topic T of two queues.
func setup(t *testing.T) (*fake.Cluster, *Client) {
	t.Helper()
	f := fake.NewCluster(t, "broker-a", "broker-b")
	f.CreateTopic("T", 2)
	c, err := New(WithNameservers(f.Namesrv.Addr))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return f, c
}

// raw answers with a body as Java writes it.
func raw(body string) fake.Handler { return fake.Answer(fake.OK(nil, []byte(body))) }

func code(err error) client.Code {
	code, _ := client.CodeOf(err)
	return code
}

func bindTo[T any](t *testing.T, req *remoting.Command) T {
	t.Helper()
	var h T
	require.NoError(t, remoting.Bind(req.Ext, &h))
	return h
}

func TestBrokersAndTargets(t *testing.T) {
	f, c := setup(t)
	a, b := f.Broker("broker-a").Addr, f.Broker("broker-b").Addr
	brokers, err := c.Brokers(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Broker{{"DefaultCluster", "broker-a", 0, a}, {"DefaultCluster", "broker-b", 0, b}}, brokers)

	addrs, err := c.Resolve(t.Context(), Target{Cluster: "DefaultCluster"})
	require.NoError(t, err)
	require.Equal(t, []string{a, b}, addrs)
	addrs, err = c.Resolve(t.Context(), Target{Broker: "x:1", Cluster: "ignored"})
	require.NoError(t, err)
	require.Equal(t, []string{"x:1"}, addrs)
	_, err = c.Resolve(t.Context(), Target{Cluster: "Nope"})
	require.ErrorIs(t, err, ErrNoCluster)
	require.ErrorContains(t, err, "cluster Nope: no such cluster; the nameserver knows: DefaultCluster")
	_, err = c.Resolve(t.Context(), Target{})
	require.ErrorIs(t, err, ErrNoTarget)
}

func TestReplicasOfATarget(t *testing.T) {
	f, c := setup(t)
	f.Namesrv.Handle(protocol.ReqGetBrokerClusterInfo, raw(`{"brokerAddrTable":{"m":{"brokerAddrs":{0:"m:0",1:"m:1"},"brokerName":"m","cluster":"C"},"r":{"brokerAddrs":{2:"r:2"},"brokerName":"r","cluster":"D"}},"clusterAddrTable":{"C":["m"],"D":["r"]}}`))
	addrs, err := c.Resolve(t.Context(), Target{Cluster: "C"})
	require.NoError(t, err)
	require.Equal(t, []string{"m:0"}, addrs)
	addrs, err = c.Resolve(t.Context(), Target{Cluster: "C", Replicas: true})
	require.NoError(t, err)
	require.Equal(t, []string{"m:0", "m:1"}, addrs)
	_, err = c.Resolve(t.Context(), Target{Cluster: "D"})
	require.ErrorContains(t, err, "no broker has a master")
}

func TestClusterStatus(t *testing.T) {
	f, c := setup(t)
	f.Broker("broker-a").Handle(protocol.ReqGetBrokerRuntimeInfo, raw(fmt.Sprintf(`{"table":{"brokerVersionDesc":"V5_5_0","brokerActive":"true","putTps":"12.5 3.0 1.0","getTransferredTps":"  ","sendThreadPoolQueueSize":"3","sendThreadPoolQueueHeadWaitTimeMills":"7","msgPutTotalTodayMorning":"100","msgPutTotalYesterdayMorning":"40","msgPutTotalTodayNow":"130","commitLogDiskRatio":"0.25","timerCongestNum":"9","timerEnqueueTps":"1.5","earliestMessageTimeStamp":"%d"}}`, time.Now().Add(-2*time.Hour).UnixMilli())))
	list, err := c.ClusterStatus(t.Context(), "")
	require.NoError(t, err)
	s := list[0]
	require.Equal(t, "V5_5_0", s.Version)
	require.True(t, s.Active)
	require.Equal(t, 12.5, s.InTPS)
	require.Zero(t, s.OutTPS)
	require.Equal(t, RequestQueue{3, 7}, s.SendQueue)
	require.Equal(t, MessageTotals{InYesterday: 60, InToday: 30}, s.Totals)
	require.Equal(t, TimerProgress{Congested: 9, EnqueueTPS: 1.5}, s.Timer)
	require.InDelta(t, 2, s.OldestHours, 0.1)
	require.Contains(t, list[1].Err, "REQUEST_CODE_NOT_SUPPORTED", "a broker that does not answer is listed")

	list, err = c.ClusterStatus(t.Context(), "DefaultCluster")
	require.NoError(t, err)
	require.Len(t, list, 2)
}

func TestTopicLife(t *testing.T) {
	f, c := setup(t)
	ctx := t.Context()
	done, err := c.UpdateTopic(ctx, Target{Cluster: "DefaultCluster"}, TopicConfig{Topic: "New", ReadQueues: 3, WriteQueues: 3, Perm: 6, Unit: true, Attributes: "+a=b"})
	require.NoError(t, err)
	require.Len(t, done, 2)
	require.Equal(t, protocol.CreateTopicRequest{
		Topic: "New", DefaultTopic: "TBW102", ReadQueueNums: 3, WriteQueueNums: 3, Perm: 6, TopicFilterType: "SINGLE_TAG", TopicSysFlag: 1, Attributes: "+a=b",
	}, bindTo[protocol.CreateTopicRequest](t, f.Broker("broker-a").Seen(protocol.ReqUpdateAndCreateTopic)[0]))

	topics, err := c.Topics(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"New", "T", "TBW102"}, topics)
	route, err := c.TopicRoute(ctx, "New")
	require.NoError(t, err)
	require.Equal(t, []RouteQueues{{"broker-a", 3, 3, 6, 0}, {"broker-b", 3, 3, 6, 0}}, route.Queues)
	require.Equal(t, "broker-a", route.Brokers[0].Name)
	clusters, err := c.TopicClusters(ctx, "New")
	require.NoError(t, err)
	require.Equal(t, []string{"DefaultCluster"}, clusters)

	f.Broker("broker-b").Put(message.Message{Topic: "New", QueueID: 2, Body: []byte("x"), StoreTimestamp: 5000})
	status, err := c.TopicStatus(ctx, "New", "")
	require.NoError(t, err)
	require.Len(t, status.Queues, 6)
	last := status.Queues[5]
	require.Equal(t, QueueStatus{Queue: client.Queue{Topic: "New", Broker: "broker-b", ID: 2}, Max: 1, LastUpdate: time.UnixMilli(5000)}, last)
	require.True(t, status.Queues[0].LastUpdate.IsZero())

	changes, err := c.UpdateTopicPerm(ctx, Target{Broker: f.Broker("broker-a").Addr}, "New", 4)
	require.NoError(t, err)
	require.Equal(t, []PermChange{{f.Broker("broker-a").Addr, 6, 4}}, changes)
	seen := f.Broker("broker-a").Seen(protocol.ReqUpdateAndCreateTopic)
	require.EqualValues(t, 4, bindTo[protocol.CreateTopicRequest](t, seen[len(seen)-1]).Perm)
	require.EqualValues(t, 3, bindTo[protocol.CreateTopicRequest](t, seen[len(seen)-1]).ReadQueueNums)

	require.NoError(t, c.DeleteTopic(ctx, "New", "DefaultCluster"))
	_, err = c.TopicRoute(ctx, "New")
	require.Equal(t, client.CodeTopicNotExist, code(err))
	require.ErrorIs(t, c.DeleteTopic(ctx, "New", "Nope"), ErrNoCluster)
}

// TestPermOfOldBrokers: before 5.0 a broker cannot be asked for one topic.
func TestPermOfOldBrokers(t *testing.T) {
	f, c := setup(t)
	b := f.Broker("broker-a")
	b.Handle(protocol.ReqGetTopicConfig, fake.Answer(fake.Refuse(protocol.RespRequestCodeNotSupported, "")))
	changes, err := c.UpdateTopicPerm(t.Context(), Target{Broker: b.Addr}, "T", 2)
	require.NoError(t, err)
	require.Equal(t, []PermChange{{b.Addr, 6, 2}}, changes)
	h := bindTo[protocol.CreateTopicRequest](t, b.Seen(protocol.ReqUpdateAndCreateTopic)[0])
	require.EqualValues(t, 2, h.ReadQueueNums)
	other := fake.NewServer(t)
	_, err = c.UpdateTopicPerm(t.Context(), Target{Broker: other.Addr}, "T", 2)
	require.ErrorContains(t, err, "no master")
}

func TestOrderedTopics(t *testing.T) {
	f, c := setup(t)
	ctx := t.Context()
	_, err := c.UpdateTopic(ctx, Target{Cluster: "DefaultCluster"}, TopicConfig{Topic: "O", ReadQueues: 4, WriteQueues: 4, Perm: 6, Order: true})
	require.NoError(t, err)
	conf, err := c.OrderConf(ctx, "O")
	require.NoError(t, err)
	require.Equal(t, "broker-a:4;broker-b:4", conf)
	_, err = c.UpdateTopic(ctx, Target{Broker: f.Broker("broker-b").Addr}, TopicConfig{Topic: "O", ReadQueues: 9, WriteQueues: 9, Perm: 6, Order: true})
	require.NoError(t, err)
	conf, err = c.OrderConf(ctx, "O")
	require.NoError(t, err)
	require.Equal(t, "broker-a:4;broker-b:9", conf, "the other broker keeps its part")
	require.NoError(t, c.DeleteOrderConf(ctx, "O"))
	_, err = c.OrderConf(ctx, "O")
	require.Equal(t, client.CodeQueryNotFound, code(err))
}

func TestChangesReportPartialFailure(t *testing.T) {
	f, c := setup(t)
	f.Broker("broker-a").Handle(protocol.ReqUpdateAndCreateTopic, fake.Answer(fake.Refuse(protocol.RespSystemError, "disk full")))
	done, err := c.UpdateTopic(t.Context(), Target{Cluster: "DefaultCluster"}, TopicConfig{Topic: "New", ReadQueues: 1, WriteQueues: 1, Perm: 6})
	require.Equal(t, []string{f.Broker("broker-b").Addr}, done)
	require.ErrorContains(t, err, "broker "+f.Broker("broker-a").Addr+": SYSTEM_ERROR: disk full")
}

func TestTopicUses(t *testing.T) {
	f, c := setup(t)
	f.CreateTopic("%RETRY%g", 1)
	for _, b := range []string{"broker-a", "broker-b"} {
		f.Broker(b).Handle(protocol.ReqQueryTopicConsumeByWho, raw(`{"groupList":["g2","g1"]}`))
	}
	uses, err := c.TopicUses(t.Context())
	require.NoError(t, err)
	require.Equal(t, []TopicUse{
		{Cluster: "DefaultCluster", Topic: "T", Groups: []string{"g1", "g2"}},
		{Cluster: "DefaultCluster", Topic: "TBW102", Groups: []string{"g1", "g2"}},
	}, uses)
}

func TestMessages(t *testing.T) {
	f, c := setup(t)
	ctx := t.Context()
	props := func(tag, keys, id string) string {
		b := message.AppendProperty(nil, "TAGS", tag)
		b = message.AppendProperty(b, "KEYS", keys)
		return string(message.AppendProperty(b, "UNIQ_KEY", id))
	}
	a, b := f.Broker("broker-a"), f.Broker("broker-b")
	a.Put(message.Message{Topic: "T", Body: []byte("1"), StoreTimestamp: 3000, Properties: props("x", "k1 k2", "ID1")})
	a.Put(message.Message{Topic: "T", QueueID: 1, Body: []byte("2"), StoreTimestamp: 2000, Properties: props("y", "k2", "ID2")})
	b.Put(message.Message{Topic: "T", Body: []byte("3"), StoreTimestamp: 1000, Properties: props("x", "k2", "ID1")})
	bodies := func(list []*client.MessageView) (s string) {
		for _, m := range list {
			s += string(m.Body)
		}
		return s
	}

	found, err := c.MessagesByKey(ctx, KeyQuery{Topic: "T", Key: "k2"})
	require.NoError(t, err)
	require.Equal(t, "321", bodies(found), "oldest first")
	require.Equal(t, "broker-b", found[0].Queue.Broker)
	found, err = c.MessagesByKey(ctx, KeyQuery{Topic: "T", Key: "k1", Begin: time.UnixMilli(500), End: time.UnixMilli(9000)})
	require.NoError(t, err)
	require.Equal(t, "1", bodies(found), "an index finds by hash, the key decides")
	found, err = c.MessagesByKey(ctx, KeyQuery{Topic: "T", Key: "x", Type: "T"})
	require.NoError(t, err)
	require.Equal(t, "31", bodies(found))
	found, err = c.MessagesByUniqueKey(ctx, KeyQuery{Topic: "T", Key: "ID1"})
	require.NoError(t, err)
	require.Equal(t, "31", bodies(found))
	found, err = c.MessagesByKey(ctx, KeyQuery{Topic: "T", Key: "k1", Begin: time.UnixMilli(1 << 40)})
	require.NoError(t, err)
	require.Empty(t, found)
	req := a.Seen(protocol.ReqQueryMessage)
	unique, _ := req[3].Ext.Get("_UNIQUE_KEY_QUERY")
	require.Equal(t, "true", unique)
	require.Equal(t, "U", bindTo[protocol.QueryMessageRequest](t, req[3]).IndexType)

	m, err := c.MessageByID(ctx, "T", found2(t, c).OffsetID())
	require.NoError(t, err)
	require.Equal(t, "2", string(m.Body))
	_, err = c.MessageByID(ctx, "T", "xyz")
	require.ErrorContains(t, err, "must be 32 or 56")

	q := client.Queue{Topic: "T", Broker: "broker-a", ID: 1}
	m, err = c.MessageByOffset(ctx, q, 0, "")
	require.NoError(t, err)
	require.Equal(t, "2", string(m.Body))
	_, err = c.MessageByOffset(ctx, q, 1, "")
	require.ErrorIs(t, err, ErrNoMessage)
	_, err = c.MessageByOffset(ctx, client.Queue{Topic: "T", Broker: "zzz"}, 0, "")
	require.ErrorContains(t, err, "has no broker zzz; it has [broker-a broker-b]")

	var scanned string
	collect := func(m *client.MessageView) error { scanned += string(m.Body); return nil }
	require.NoError(t, c.Messages(ctx, Scan{Topic: "T"}, collect))
	require.Equal(t, "123", scanned)
	scanned = ""
	require.NoError(t, c.Messages(ctx, Scan{Topic: "T", Begin: time.UnixMilli(1500), End: time.UnixMilli(2500)}, collect))
	require.Equal(t, "2", scanned)
	stop := fmt.Errorf("enough")
	require.ErrorIs(t, c.Messages(ctx, Scan{Topic: "T"}, func(*client.MessageView) error { return stop }), stop)

	again, err := c.Resend(ctx, m)
	require.NoError(t, err)
	require.NotEqual(t, m.ID(), again.ID)
	found, err = c.MessagesByUniqueKey(ctx, KeyQuery{Topic: "T", Key: again.ID})
	require.NoError(t, err)
	require.Equal(t, "y", found[0].Tag())
	require.Equal(t, []string{"k2"}, found[0].Keys())
}

func found2(t *testing.T, c *Client) *client.MessageView {
	m, err := c.MessageByOffset(context.WithoutCancel(t.Context()), client.Queue{Topic: "T", Broker: "broker-a", ID: 1}, 0, "")
	require.NoError(t, err)
	return m
}

func TestParseAttributes(t *testing.T) {
	got, err := parseAttributes("+a=b, -c,+d=e=f")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"+a": "b", "-c": "", "+d": "e=f"}, got)
	got, err = parseAttributes(" ")
	require.NoError(t, err)
	require.Empty(t, got)
	for _, bad := range []string{"a=b", "+a", "+a=", "-a=b", "+", "+a=b,+a=c", ","} {
		_, err := parseAttributes(bad)
		require.ErrorContains(t, err, "attribute change", bad)
	}
}

func TestVersionName(t *testing.T) {
	for v, name := range map[int32]string{513: "V5_5_0", 413: "V5_0_0", 412: "V5_0_0_SNAPSHOT", 401: "V4_9_4", 317: "V4_5_2", 213: "V4_0_0", 232: "V4_1_0_SNAPSHOT", 121: "3.x (121)", 700: "HIGHER_VERSION"} {
		require.Equal(t, name, VersionName(v))
	}
}

func TestProperties(t *testing.T) {
	b, err := formatProperty("key", `a \ b: ü=${x}`)
	require.NoError(t, err)
	values, err := parseProperties(append([]byte("other=${key}\n# comment\n"), b...))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"key": `a \ b: ü=${x}`, "other": "${key}"}, values)
	for _, bad := range []string{"", "a b", "a=b", "a\nb"} {
		_, err := formatProperty(bad, "v")
		require.Error(t, err)
	}
}

func TestOptions(t *testing.T) {
	_, err := New()
	require.ErrorContains(t, err, "no nameserver")
	_, err = New(WithNameservers("x:1"), WithTimeout(0))
	require.ErrorContains(t, err, "WithTimeout")
}
