package client

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// fill stores n messages 0…n-1 in queue 0 of topic T, tagged even or odd, one a
// millisecond from time 1000 on.
func fill(b *fake.Broker, n int) {
	for i := range n {
		tag := "even"
		if i%2 == 1 {
			tag = "odd"
		}
		b.Put(message.Message{
			Topic: "T", Body: fmt.Appendf(nil, "%d", i), StoreTimestamp: int64(1000 + i),
			Properties: string(message.AppendProperty(nil, message.PropTags, tag)),
		})
	}
}

// poll takes n messages.
func poll(t *testing.T, c *PullConsumer, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually)
	defer cancel()
	var bodies []string
	for len(bodies) < n {
		messages, err := c.Poll(ctx)
		require.NoError(t, err)
		for _, m := range messages {
			bodies = append(bodies, string(m.Body))
		}
	}
	return bodies
}

func numbers(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

var q0 = Queue{Topic: "T", Broker: "broker-a"}

func TestPullInOrderAndCommit(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	fill(c.Broker("broker-a"), 100)
	p := newConsumer(t, c, WithStart(AtBegin()), WithPullBatch(7))
	queues, err := p.Queues(t.Context(), "T")
	require.NoError(t, err)
	require.Equal(t, []Queue{q0}, queues)
	require.NoError(t, p.Assign(t.Context(), queues...))
	require.Equal(t, numbers(0, 21), poll(t, p, 21))
	require.Equal(t, map[Queue]int64{q0: 21}, p.Positions(), "what was polled, not what was pulled ahead")
	require.NoError(t, p.Commit(t.Context()))
	require.NoError(t, p.Close())

	p = newConsumer(t, c, WithStart(AtEnd()))
	require.NoError(t, p.Assign(t.Context(), q0))
	require.Equal(t, numbers(21, 100), poll(t, p, 79), "the next one goes on at the committed offset")
	offset, found, err := p.Committed(t.Context(), q0)
	require.NoError(t, err)
	require.True(t, found)
	require.EqualValues(t, 21, offset)
}

func TestPullWaitsForMessages(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	fill(c.Broker("broker-a"), 3)
	p := newConsumer(t, c)
	require.NoError(t, p.Assign(t.Context(), q0))
	require.Eventually(t, func() bool { return len(c.Broker("broker-a").Seen(protocol.ReqPullMessage)) > 0 }, eventually, time.Millisecond)
	c.Broker("broker-a").Put(message.Message{Topic: "T", Body: []byte("new")})
	require.Equal(t, []string{"new"}, poll(t, p, 1))

	var h protocol.PullMessageRequest
	require.NoError(t, remoting.Bind(c.Broker("broker-a").Seen(protocol.ReqPullMessage)[0].Ext, &h))
	require.Equal(t, protocol.PullMessageRequest{
		ConsumerGroup: "cg", Topic: "T", QueueOffset: 3, MaxMsgNums: 32, SysFlag: protocol.PullSubscription | protocol.PullSuspend,
		SuspendTimeoutMillis: 15000, Subscription: "*", ExpressionType: "TAG", BrokerName: "broker-a",
	}, h)
}

// TestTagsAreCheckedAgain: a broker filters by a hash of the tag, the fake one not
// at all.
func TestTagsAreCheckedAgain(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	fill(c.Broker("broker-a"), 10)
	p := newConsumer(t, c, WithStart(AtBegin()), WithTags("odd || rare"))
	require.NoError(t, p.Assign(t.Context(), q0))
	require.Equal(t, []string{"1", "3", "5", "7", "9"}, poll(t, p, 5))
}

func TestSeek(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	fill(c.Broker("broker-a"), 100)
	p := newConsumer(t, c, WithStart(AtBegin()), WithPullBatch(10), WithBufferedBatches(2))
	require.NoError(t, p.Assign(t.Context(), q0))
	require.Equal(t, numbers(0, 10), poll(t, p, 10))
	for _, seek := range []struct {
		to    Position
		first int
	}{
		{AtOffset(50), 50}, {AtBegin(), 0}, {AtTime(time.UnixMilli(1042)), 42}, {AtOffset(5), 5}, {AtOffset(-3), 0},
	} {
		require.NoError(t, p.Seek(t.Context(), q0, seek.to))
		require.Equal(t, map[Queue]int64{q0: int64(seek.first)}, p.Positions(), "%v", seek.to)
		require.Equal(t, numbers(seek.first, seek.first+10), poll(t, p, 10), "%v", seek.to)
	}
	require.NoError(t, p.Seek(t.Context(), q0, AtEnd()))
	c.Broker("broker-a").Put(message.Message{Topic: "T", Body: []byte("new")})
	require.Equal(t, []string{"new"}, poll(t, p, 1))
	require.ErrorContains(t, p.Seek(t.Context(), Queue{Topic: "T", ID: 9}, AtEnd()), "not assigned")
}

func TestOffsetsThatAreGone(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	fill(c.Broker("broker-a"), 10)
	c.Broker("broker-a").Expire("T", 0, 6)
	p := newConsumer(t, c)
	require.NoError(t, p.Add(t.Context(), AtOffset(2), q0))
	require.Equal(t, numbers(6, 10), poll(t, p, 4))
}

func TestAssignReplaces(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 2)
	b := c.Broker("broker-a")
	fill(b, 4)
	b.Put(message.Message{Topic: "T", QueueID: 1, Body: []byte("other")})
	p := newConsumer(t, c, WithStart(AtBegin()))
	require.NoError(t, p.Assign(t.Context(), q0))
	poll(t, p, 4)
	q1 := Queue{Topic: "T", Broker: "broker-a", ID: 1}
	require.NoError(t, p.Assign(t.Context(), q1))
	require.Equal(t, []Queue{q1}, p.Assigned())
	require.Equal(t, []string{"other"}, poll(t, p, 1))
	require.NoError(t, p.Add(t.Context(), AtBegin(), q0, q1))
	require.Equal(t, numbers(0, 4), poll(t, p, 4), "q1 stays where it is")
}

func TestRefusalsReachPoll(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	b := c.Broker("broker-a")
	b.Handle(protocol.ReqPullMessage, fake.Answer(fake.Refuse(protocol.RespNoPermission, "the group may not consume")))
	p := newConsumer(t, c)
	require.NoError(t, p.Add(t.Context(), AtBegin(), q0))
	_, err := p.Poll(t.Context())
	code, _ := CodeOf(err)
	require.Equal(t, CodeNoPermission, code)
	require.ErrorContains(t, err, "queue T@broker-a/0")

	bad := fake.OK(&protocol.PullMessageResponse{NextBeginOffset: 1}, []byte("no record"))
	b.Handle(protocol.ReqPullMessage, fake.Answer(bad))
	require.Eventually(t, func() bool {
		_, err = p.Poll(t.Context())
		return err != nil && code != codeOrZero(err)
	}, eventually, time.Millisecond)
	require.ErrorContains(t, err, "unusable answer")
}

// codeOrZero is CodeOf without the second result.
func codeOrZero(err error) Code {
	code, _ := CodeOf(err)
	return code
}

func TestPollEnds(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	p := newConsumer(t, c)
	require.NoError(t, p.Assign(t.Context(), q0))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := p.Poll(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ended := make(chan error, 1)
	go func() {
		_, err := p.Poll(t.Context())
		ended <- err
	}()
	require.NoError(t, p.Close())
	require.ErrorIs(t, <-ended, ErrClosed)
	_, err = p.Poll(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, p.Add(t.Context(), AtOffset(0), Queue{Topic: "T", Broker: "broker-a", ID: 1}), ErrClosed)
}

func TestUnknownTopic(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	p := newConsumer(t, c)
	_, err := p.Queues(t.Context(), "Nope")
	require.Equal(t, CodeTopicNotExist, codeOrZero(err))
	require.ErrorContains(t, err, "topic Nope")
}
