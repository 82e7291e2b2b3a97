package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
	"github.com/aerobee/aerobee/internal/run"
)

func routeAnswer(queues int32) *remoting.Command {
	return fake.JSON(&protocol.TopicRouteData{
		BrokerDatas: []protocol.BrokerData{{BrokerName: "a", BrokerAddrs: map[int64]string{0: "a:0"}}},
		QueueDatas:  []protocol.QueueData{{BrokerName: "a", ReadQueueNums: queues, WriteQueueNums: queues, Perm: 6}},
	})
}

func TestManyCallersOneLookup(t *testing.T) {
	s := fake.NewServer(t)
	entered := make(chan struct{})
	var once sync.Once
	release := make(chan struct{})
	s.Handle(protocol.ReqGetRouteInfoByTopic, func(context.Context, *remoting.Command) *remoting.Command {
		once.Do(func() { close(entered) })
		<-release
		return routeAnswer(4)
	})
	r := NewRoutes(newCluster(t, s.Addr), discard(), 0)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			route, err := r.Topic(t.Context(), "T")
			if err != nil || len(route.Publish) != 4 {
				t.Errorf("route %v, error %v", route, err)
			}
		})
	}
	<-entered
	ctx, cancel := context.WithCancelCause(t.Context())
	gaveUp := errors.New("gave up")
	cancel(gaveUp)
	_, err := r.Topic(ctx, "T")
	require.ErrorIs(t, err, gaveUp, "who waits for another's lookup may leave")
	close(release)
	wg.Wait()
	require.Len(t, s.Seen(protocol.ReqGetRouteInfoByTopic), 1)
	cached, ok := r.Cached("T")
	require.True(t, ok)
	require.Len(t, cached.Publish, 4)
	require.Len(t, r.All(), 1)
}

func TestStaleRoutes(t *testing.T) {
	s := fake.NewServer(t)
	s.Handle(protocol.ReqGetRouteInfoByTopic, fake.Answer(routeAnswer(4)))
	r := NewRoutes(newCluster(t, s.Addr), discard(), 0)
	_, err := r.Topic(t.Context(), "T")
	require.NoError(t, err)

	s.Handle(protocol.ReqGetRouteInfoByTopic, fake.Answer(routeAnswer(6)))
	route, err := r.Topic(t.Context(), "T")
	require.NoError(t, err)
	require.Len(t, route.Publish, 4, "from the cache")
	r.Invalidate("T")
	_, ok := r.Cached("T")
	require.False(t, ok)
	route, err = r.Topic(t.Context(), "T")
	require.NoError(t, err)
	require.Len(t, route.Publish, 6)

	s.Handle(protocol.ReqGetRouteInfoByTopic, fake.Answer(fake.Refuse(protocol.RespSystemError, "not ready")))
	r.Invalidate("T")
	route, err = r.Topic(t.Context(), "T")
	require.NoError(t, err)
	require.Len(t, route.Publish, 6, "brokers outlive nameservers")

	s.Handle(protocol.ReqGetRouteInfoByTopic, fake.Answer(fake.Refuse(protocol.RespTopicNotExist, "gone")))
	r.Invalidate("T")
	_, err = r.Topic(t.Context(), "T")
	require.ErrorIs(t, err, &protocol.Error{Code: protocol.RespTopicNotExist})
	require.Empty(t, r.All())
}

func TestTemplateServesForASecond(t *testing.T) {
	s := fake.NewServer(t)
	known := atomic.Bool{}
	s.Handle(protocol.ReqGetRouteInfoByTopic, func(_ context.Context, req *remoting.Command) *remoting.Command {
		if topic, _ := req.Ext.Get("topic"); topic == "TBW102" || known.Load() {
			return routeAnswer(8)
		}
		return fake.Refuse(protocol.RespTopicNotExist, "no")
	})
	r := NewRoutes(newCluster(t, s.Addr), discard(), 0)
	now := time.Unix(0, 0)
	r.now = func() time.Time { return now }
	route, err := r.TopicForSend(t.Context(), "T")
	require.NoError(t, err)
	require.True(t, route.Template)
	require.Len(t, route.Publish, 4)
	_, err = r.Topic(t.Context(), "T")
	require.ErrorIs(t, err, &protocol.Error{Code: protocol.RespTopicNotExist}, "there is nothing to read yet")

	route, err = r.TopicForSend(t.Context(), "T")
	require.NoError(t, err)
	require.True(t, route.Template)

	known.Store(true)
	cached, err := r.TopicForSend(t.Context(), "T")
	require.NoError(t, err)
	require.Same(t, route, cached, "for a second it is good enough")
	now = now.Add(2 * time.Second)
	route, err = r.TopicForSend(t.Context(), "T")
	require.NoError(t, err)
	require.False(t, route.Template)
	require.Len(t, route.Publish, 8)
}

func TestRefreshAndForget(t *testing.T) {
	s := fake.NewServer(t)
	s.Handle(protocol.ReqGetRouteInfoByTopic, fake.Answer(routeAnswer(4)))
	r := NewRoutes(newCluster(t, s.Addr), discard(), time.Millisecond)
	_, err := r.Topic(t.Context(), "T")
	require.NoError(t, err)
	s.Handle(protocol.ReqGetRouteInfoByTopic, fake.Answer(routeAnswer(6)))
	rounds := atomic.Int32{}
	g := run.NewGroup(t.Context())
	g.Go("routes", func(ctx context.Context) error {
		return r.Run(ctx, func(context.Context) { rounds.Add(1) })
	})
	require.Eventually(t, func() bool {
		all := r.All()
		return len(all) == 1 && len(all[0].Publish) == 6
	}, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return len(r.All()) == 0 }, 5*time.Second, time.Millisecond, "nobody asked for it any more")
	require.Greater(t, rounds.Load(), int32(unusedRounds-2))
	g.Cancel()
	require.NoError(t, g.Wait())
}

func TestAnswersEndTheSearch(t *testing.T) {
	first, second := fake.NewServer(t), fake.NewServer(t)
	first.Handle(protocol.ReqGetKVConfig, fake.Answer(fake.Refuse(protocol.RespQueryNotFound, "no\nlink")))
	c := newCluster(t, first.Addr, second.Addr)
	_, err := c.CallNamesrv(t.Context(), Request{Code: protocol.ReqGetKVConfig})
	require.EqualError(t, err, "nameserver "+first.Addr+": QUERY_NOT_FOUND: no")
	require.Empty(t, second.Seen(protocol.ReqGetKVConfig))

	second.Handle(protocol.ReqPutKVConfig, fake.Answer(fake.OK(nil, nil)))
	answers, err := c.CallEveryNamesrv(t.Context(), Request{Code: protocol.ReqPutKVConfig})
	require.ErrorContains(t, err, first.Addr)
	require.Nil(t, answers[0])
	require.NotNil(t, answers[1], "a change is tried at all of them")
}
