package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// dead stores a dead letter of group g at a broker; its topic was T.
func dead(f *fake.Cluster, broker, id string, more ...string) {
	props := message.AppendProperty(nil, message.PropUniqKey, id)
	props = message.AppendProperty(props, message.PropRetryTopic, "T")
	props = message.AppendProperty(props, message.PropOriginMessageID, "7F00000100002A9F0000000000000000")
	props = message.AppendProperty(props, message.PropDelay, "0")
	for i := 0; i < len(more); i += 2 {
		props = message.AppendProperty(props, more[i], more[i+1])
	}
	f.Broker(broker).Put(message.Message{Topic: "%DLQ%g", Body: []byte(id), Flag: 3, ReconsumeTimes: 1, Properties: string(props)})
}

func deadCluster(t *testing.T) (*fake.Cluster, *Client) {
	f, c := setup(t)
	f.CreateTopic("%DLQ%g", 1)
	for i := range 5 {
		dead(f, "broker-a", fmt.Sprintf("a%d", i), message.PropTags, fmt.Sprintf("t%d", i%2))
		dead(f, "broker-b", fmt.Sprintf("b%d", i), message.PropTags, fmt.Sprintf("t%d", i%2))
	}
	return f, c
}

// sentTo reads what a topic holds now, by body.
func sentTo(t *testing.T, c *Client, topic string) map[string]*client.MessageView {
	t.Helper()
	found := make(map[string]*client.MessageView)
	require.NoError(t, c.Messages(t.Context(), Scan{Topic: topic}, func(m *client.MessageView) error {
		require.NotContains(t, found, string(m.Body), "sent twice")
		found[string(m.Body)] = m
		return nil
	}))
	return found
}

func TestDeadLetterReasons(t *testing.T) {
	view := func(attempts int32, props ...string) *client.MessageView {
		m := &client.MessageView{Properties: make(map[string]string), ReconsumeTimes: attempts}
		for i := 0; i < len(props); i += 2 {
			m.Properties[props[i]] = props[i+1]
		}
		return m
	}
	reason := func(m *client.MessageView) string { return deadLetterOf("g", m, 16).Reason }
	require.Equal(t, ReasonMaxAttempts, reason(view(17, message.PropRetryTopic, "T", message.PropDelay, "0")))
	require.Equal(t, ReasonEarly, reason(view(16, message.PropRetryTopic, "T", message.PropDelay, "0")))
	require.Equal(t, ReasonOrdered, reason(view(3, message.PropRetryTopic, "T", message.PropDelay, "-1")))
	require.Equal(t, ReasonDirect, reason(view(0)))
	require.Equal(t, ReasonRejected, reason(view(1, message.PropRetryTopic, "T", message.PropDeadReason, message.DeadRejected)))
}

func TestOriginOfPoppedMessages(t *testing.T) {
	require.Equal(t, "T", originOf("g", "T"))
	require.Equal(t, "T_x", originOf("g", protocol.PopRetryTopic("T_x", "g")))
	require.Equal(t, "T", originOf("g", protocol.PopRetryTopicV2("T", "g")))
	require.Empty(t, originOf("g", "%RETRY%other_T"))
	require.Empty(t, originOf("g", "%RETRY%g"))
}

func TestRedriveSendsOnce(t *testing.T) {
	f, c := deadCluster(t)
	dead(f, "broker-a", "full", message.PropTags, "t0", message.PropKeys, "k1 k2", "own", "v", message.PropTimerDelaySec, "9",
		message.PropReconsumeTime, "3", message.PropMaxReconsumeTimes, "3", message.PropDeadReason, message.DeadRejected, message.PropShardingKey, "s")
	r, err := c.RedriveDeadLetters(t.Context(), Redrive{Group: "g", Where: must(ParseWhere("tag=t0")), DryRun: true})
	require.NoError(t, err)
	require.EqualValues(t, 7, r.Sent)
	require.Empty(t, sentTo(t, c, "T"))

	r, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g", Where: must(ParseWhere("tag=t0")), Mark: true})
	require.NoError(t, err)
	require.EqualValues(t, 7, r.Sent)
	require.EqualValues(t, 4, r.Passed)
	require.Equal(t, []OffsetChange{
		{Queue: client.Queue{Topic: "%DLQ%g", Broker: "broker-a"}, From: 0, To: 6},
		{Queue: client.Queue{Topic: "%DLQ%g", Broker: "broker-b"}, From: 0, To: 5},
	}, r.Queues)
	full := sentTo(t, c, "T")["full"]
	require.EqualValues(t, 3, full.Flag)
	props := maps.Clone(full.Properties)
	require.NotEqual(t, "full", props[message.PropUniqKey], "an id of its own")
	delete(props, message.PropUniqKey)
	require.Equal(t, map[string]string{
		"TAGS": "t0", "KEYS": "k1 k2", "own": "v", "WAIT": "true", "AEROBEE_REDRIVEN": "full", "__SHARDINGKEY": "s",
	}, props)

	r, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g"})
	require.NoError(t, err)
	require.Zero(t, r.Sent+r.Passed, "the progress is at the end")
	r, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g", Job: "second", To: "Other", Limit: 2})
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Sent, "a job with its own progress")
	require.Len(t, sentTo(t, c, "Other"), 2)
	r, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g", Job: "second", To: "Other"})
	require.NoError(t, err)
	require.EqualValues(t, 9, r.Sent)
	require.Len(t, sentTo(t, c, "Other"), 11)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRedriveStopsAndGoesOn(t *testing.T) {
	f, c := deadCluster(t)
	stop := errors.New("stop")
	n := 0
	job := Redrive{Group: "g", Sent: func(*DeadLetter, string, *client.SendResult) error {
		if n++; n > 3 {
			return stop
		}
		return nil
	}}
	r, err := c.RedriveDeadLetters(t.Context(), job)
	require.ErrorIs(t, err, stop)
	require.EqualValues(t, 4, r.Sent)
	require.EqualValues(t, 4, r.Queues[0].To, "what was sent counts")
	ctx, cancel := context.WithCancel(t.Context())
	job.Sent = func(*DeadLetter, string, *client.SendResult) error { cancel(); return nil }
	r, err = c.RedriveDeadLetters(ctx, job)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1, r.Sent)
	queues, err := c.DeadLetterQueues(t.Context(), "g")
	require.NoError(t, err)
	require.EqualValues(t, 5, queues[0].Redriven, "an interruption saves the progress")
	require.EqualValues(t, 5, queues[0].Size())
	f.Broker("broker-a").Expire("%DLQ%g", 0, 5)
	job.Sent = nil
	r, err = c.RedriveDeadLetters(t.Context(), job)
	require.NoError(t, err)
	require.EqualValues(t, 5, r.Sent, "the other broker's")
	require.Equal(t, int64(5), r.Queues[0].To)
}

func TestOneRedriveAtATime(t *testing.T) {
	_, c := deadCluster(t)
	inner := errors.New("not run")
	job := Redrive{Group: "g", Sent: func(*DeadLetter, string, *client.SendResult) error {
		if errors.Is(inner, ErrJobRuns) {
			return nil
		}
		_, inner = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g"})
		return nil
	}}
	_, err := c.RedriveDeadLetters(t.Context(), job)
	require.NoError(t, err)
	require.ErrorIs(t, inner, ErrJobRuns)
	require.Len(t, sentTo(t, c, "T"), 10)
	_, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g"})
	require.NoError(t, err, "the lock is given back")
}

// TestRedriveWithUnknownGroup is a broker that keeps offsets only of groups that it
// knows, as Java's does.
func TestRedriveWithUnknownGroup(t *testing.T) {
	f, c := deadCluster(t)
	for _, name := range []string{"broker-a", "broker-b"} {
		b := f.Broker(name)
		var known atomic.Bool
		b.Handle(protocol.ReqUpdateAndCreateSubscriptionGroup, func(context.Context, *remoting.Command) *remoting.Command {
			known.Store(true)
			return fake.OK(nil, nil)
		})
		b.Handle(protocol.ReqUpdateConsumerOffset, func(context.Context, *remoting.Command) *remoting.Command {
			if !known.Load() {
				return fake.Refuse(protocol.RespSubscriptionGroupNotExist, "Group not exist!")
			}
			return fake.OK(nil, nil)
		})
	}
	_, err := c.RedriveDeadLetters(t.Context(), Redrive{Group: "g"})
	require.NoError(t, err)
	require.Len(t, f.Broker("broker-a").Seen(protocol.ReqUpdateAndCreateSubscriptionGroup), 1)
}

func TestRedriveRefusals(t *testing.T) {
	f, c := deadCluster(t)
	_, err := c.RedriveDeadLetters(t.Context(), Redrive{Group: "none"})
	require.ErrorContains(t, err, "redrive of group none: group none has no dead letters")
	_, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g", Rate: -1})
	require.ErrorContains(t, err, "rate is -1")
	_, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "g", Job: "no blanks"})
	require.Error(t, err)
	f.CreateTopic("%DLQ%direct", 1)
	f.Broker("broker-a").Put(message.Message{Topic: "%DLQ%direct", Body: []byte("x")})
	_, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "direct"})
	require.ErrorContains(t, err, "nobody knows the topic")
	_, err = c.RedriveDeadLetters(t.Context(), Redrive{Group: "direct", To: "T"})
	require.NoError(t, err)
	_, err = c.PurgeDeadLetters(t.Context(), "g")
	require.ErrorContains(t, err, "only aerobee's brokers can purge")
}

func TestDeadLettersCountedAndFound(t *testing.T) {
	_, c := deadCluster(t)
	counts, err := c.CountDeadLetters(t.Context(), DeadLetterScan{Group: "g"})
	require.NoError(t, err)
	require.Equal(t, []DeadLetterCount{{"T", "t0", ReasonEarly, 6}, {"T", "t1", ReasonEarly, 4}}, counts)
	d, err := c.DeadLetterByID(t.Context(), "g", "b3")
	require.NoError(t, err)
	require.Equal(t, "broker-b", d.Queue.Broker)
	again, err := c.DeadLetterByID(t.Context(), "g", d.OffsetID())
	require.NoError(t, err)
	require.Equal(t, "b3", again.ID())
	_, err = c.DeadLetterByID(t.Context(), "g", strings.Repeat("0", 32))
	require.ErrorIs(t, err, ErrNoMessage)
	n := 0
	require.NoError(t, c.DeadLetters(t.Context(), DeadLetterScan{Group: "g", Limit: 3}, func(*DeadLetter) error { n++; return nil }))
	require.Equal(t, 3, n)
}
