package admin_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/client/admin"
)

// liveNamesrv names the nameservers of a running installation, aerobee's or
// Apache's. The test makes a topic and two groups there, and deletes them.
const liveNamesrv = "AEROBEE_LIVE_NAMESRV"

// TestLive goes once through what clients and operators do, against real servers.
func TestLive(t *testing.T) {
	if os.Getenv(liveNamesrv) == "" {
		t.Skip(liveNamesrv + " is not set")
	}
	addrs := strings.Split(os.Getenv(liveNamesrv), ";")
	a, err := admin.New(admin.WithNameservers(addrs...))
	require.NoError(t, err)
	defer a.Close()
	brokers, err := a.Brokers(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, brokers)
	l := live{t: t, admin: a, addrs: addrs, topic: fmt.Sprintf("live-%d", time.Now().UnixMilli()), target: admin.Target{Cluster: brokers[0].Cluster}}
	defer func() {
		require.NoError(t, a.DeleteTopic(context.WithoutCancel(t.Context()), l.topic, l.target.Cluster))
	}()
	l.createTopic()
	half := l.sendAndPull()
	l.query()
	l.groups(half)
}

type live struct {
	t      *testing.T
	admin  *admin.Client
	addrs  []string
	topic  string
	target admin.Target
	sent   []client.SendResult
}

func (l *live) createTopic() {
	_, err := l.admin.UpdateTopic(l.t.Context(), l.target, admin.TopicConfig{Topic: l.topic, ReadQueues: 4, WriteQueues: 4, Perm: 6})
	require.NoError(l.t, err)
	route, err := l.admin.TopicRoute(l.t.Context(), l.topic)
	require.NoError(l.t, err)
	require.EqualValues(l.t, 4, route.Queues[0].WriteQueues)
}

// sendAndPull sends in every way, reads all of it back, and returns a time in the
// middle.
func (l *live) sendAndPull() (half time.Time) {
	t := l.t
	p, err := client.NewProducer(t.Context(), "live-producer", client.WithNameservers(l.addrs...))
	require.NoError(t, err)
	defer p.Close()
	message := func(i int) *client.Message {
		return &client.Message{Topic: l.topic, Body: fmt.Appendf(nil, "%d", i), Tag: "even", Keys: []string{fmt.Sprintf("key-%d", i)}}
	}
	for i := range 10 {
		r, err := p.Send(t.Context(), message(i))
		require.NoError(t, err)
		l.sent = append(l.sent, r)
	}
	half = time.Now().Add(2 * time.Millisecond)
	require.Eventually(t, func() bool { return time.Now().After(half) }, time.Second, time.Millisecond)
	results, err := p.SendBatch(t.Context(), []*client.Message{message(10), message(11)})
	require.NoError(t, err)
	l.sent = append(l.sent, results...)
	done := make(chan client.SendResult, 5)
	for i := range 5 {
		p.SendAsync(t.Context(), message(12+i), func(r client.SendResult, err error) {
			require.NoError(t, err)
			done <- r
		})
	}
	for range 5 {
		l.sent = append(l.sent, <-done)
	}
	require.NoError(t, p.SendOneway(t.Context(), message(17)))

	c, err := client.NewPullConsumer(t.Context(), "live-group", client.WithNameservers(l.addrs...), client.WithTags("even || other"), client.WithStart(client.AtBegin()))
	require.NoError(t, err)
	defer c.Close()
	queues, err := c.Queues(t.Context(), l.topic)
	require.NoError(t, err)
	require.NoError(t, c.Assign(t.Context(), queues...))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := map[string]bool{}
	for len(seen) < 18 {
		batch, err := c.Poll(ctx)
		require.NoError(t, err)
		for _, m := range batch {
			seen[string(m.Body)] = true
		}
	}
	require.NoError(t, c.Commit(ctx))
	return half
}

func (l *live) query() {
	t, ctx := l.t, l.t.Context()
	require.Eventually(t, func() bool {
		found, err := l.admin.MessagesByKey(ctx, admin.KeyQuery{Topic: l.topic, Key: "key-3"})
		return err == nil && len(found) == 1 && string(found[0].Body) == "3"
	}, 10*time.Second, 50*time.Millisecond, "the index follows the log")
	found, err := l.admin.MessagesByUniqueKey(ctx, admin.KeyQuery{Topic: l.topic, Key: l.sent[4].ID})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, l.sent[4].OffsetID, found[0].OffsetID())
	m, err := l.admin.MessageByID(ctx, l.topic, l.sent[11].OffsetID)
	require.NoError(t, err)
	require.Equal(t, "11", string(m.Body), "the second of a batch")
	m, err = l.admin.MessageByOffset(ctx, l.sent[5].Queue, l.sent[5].Offset, "")
	require.NoError(t, err)
	require.Equal(t, l.sent[5].ID, m.ID())
	n := 0
	require.NoError(t, l.admin.Messages(ctx, admin.Scan{Topic: l.topic}, func(*client.MessageView) error { n++; return nil }))
	require.Equal(t, 18, n)
	again, err := l.admin.Resend(ctx, m)
	require.NoError(t, err)
	require.NotEqual(t, m.ID(), again.ID)
}

func (l *live) groups(half time.Time) {
	t, ctx := l.t, l.t.Context()
	p, err := l.admin.GroupProgress(ctx, admin.ProgressQuery{Group: "live-group", Topic: l.topic})
	require.NoError(t, err)
	require.EqualValues(t, 1, p.Lag, "the message that was sent again")

	changes, err := l.admin.ResetOffsets(ctx, admin.Reset{Group: "live-group", Topic: l.topic, Time: half, Force: true})
	require.NoError(t, err)
	require.NotEmpty(t, changes)
	p, err = l.admin.GroupProgress(ctx, admin.ProgressQuery{Group: "live-group", Topic: l.topic})
	require.NoError(t, err)
	require.EqualValues(t, 9, p.Lag, "what was stored after the first ten")

	_, err = l.admin.UpdateGroup(ctx, l.target, admin.NewGroupConfig("live-clone"))
	require.NoError(t, err)
	_, err = l.admin.CloneOffsets(ctx, "live-group", "live-clone", l.topic)
	require.NoError(t, err)
	configs, err := l.admin.GroupConfigs(ctx, "live-clone")
	require.NoError(t, err)
	require.NotEmpty(t, configs)
	consumers, err := l.admin.TopicConsumers(ctx, l.topic)
	require.NoError(t, err)
	require.True(t, slices.Contains(consumers, "live-clone"), "%v", consumers)
	for _, group := range []string{"live-group", "live-clone"} {
		_, err = l.admin.DeleteGroup(ctx, l.target, group, true)
		require.NoError(t, err)
	}
}
