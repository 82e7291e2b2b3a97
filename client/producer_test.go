package client

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/fake"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

func sendHeaders(t *testing.T, b *fake.Broker, code protocol.RequestCode) []protocol.SendMessageRequest {
	t.Helper()
	var all []protocol.SendMessageRequest
	for _, req := range b.Seen(code) {
		var h protocol.SendMessageRequest
		require.NoError(t, remoting.Bind(req.Ext, &h))
		all = append(all, h)
	}
	return all
}

func TestSendCreatesATopicAfterTheTemplate(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	p := newProducer(t, c)
	queues, err := p.Queues(t.Context(), "New")
	require.NoError(t, err)
	require.Len(t, queues, 4, "as many as a client asks for, though the template has 8")

	before := time.Now().UnixMilli()
	r, err := p.Send(t.Context(), &Message{
		Topic: "New", Body: []byte("hello"), Tag: "a", Keys: []string{"k1", "k2"}, Properties: map[string]string{"x": "y"}, Flag: 7, DelayLevel: 3,
	})
	require.NoError(t, err)
	require.Equal(t, SendOK, r.Status)
	require.Equal(t, "broker-a", r.Queue.Broker)
	require.Len(t, r.ID, 32)
	require.Len(t, r.OffsetID, 32)

	h := sendHeaders(t, c.Broker("broker-a"), protocol.ReqSendMessageV2)[0]
	require.GreaterOrEqual(t, h.BornTimestamp, before)
	props := map[string]string{}
	for k, v := range message.Properties(h.Properties) {
		props[k] = v
	}
	require.Equal(t, map[string]string{"x": "y", "TAGS": "a", "KEYS": "k1 k2", "DELAY": "3", "UNIQ_KEY": r.ID, "WAIT": "true"}, props)
	h.BornTimestamp, h.Properties = 0, ""
	require.Equal(t, protocol.SendMessageRequest{
		ProducerGroup: "pg", Topic: "New", DefaultTopic: "TBW102", DefaultTopicQueueNums: 4, QueueID: r.Queue.ID, Flag: 7, BrokerName: "broker-a",
	}, h)
}

func TestSendGoesRoundAllQueues(t *testing.T) {
	c := fake.NewCluster(t, "broker-a", "broker-b")
	c.CreateTopic("T", 3)
	p := newProducer(t, c)
	seen := map[Queue]int{}
	for range 12 {
		r, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
		require.NoError(t, err)
		seen[r.Queue]++
	}
	require.Len(t, seen, 6)
	for q, n := range seen {
		require.Equal(t, 2, n, "%v", q)
	}
}

func TestRetryOnAnotherBroker(t *testing.T) {
	retried := []protocol.ResponseCode{1, 2, 14, 16, 17, 204, 205}
	final := []protocol.ResponseCode{13, 26, 29, 604}
	for _, code := range append(retried, final...) {
		t.Run(code.String(), func(t *testing.T) {
			c := fake.NewCluster(t, "broker-a", "broker-b")
			c.CreateTopic("T", 1)
			a := c.Broker("broker-a")
			a.Handle(protocol.ReqSendMessageV2, fake.Answer(fake.Refuse(code, "no\nand a link")))
			p := newProducer(t, c)
			for range 4 {
				r, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
				if err == nil {
					require.Equal(t, "broker-b", r.Queue.Broker)
					continue
				}
				require.NotContains(t, retried, code)
				got, ok := CodeOf(err)
				require.True(t, ok)
				require.EqualValues(t, code, got)
				require.ErrorContains(t, err, "send to topic T: "+a.Addr+": "+code.String()+": no")
				require.NotContains(t, err.Error(), "link")
			}
			require.NotEmpty(t, a.Seen(protocol.ReqSendMessageV2))
		})
	}
}

func TestUnreachableBroker(t *testing.T) {
	c := fake.NewCluster(t, "broker-a", "broker-b")
	c.CreateTopic("T", 1)
	c.Broker("broker-a").Close()
	p := newProducer(t, c)
	for range 4 {
		r, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
		require.NoError(t, err)
		require.Equal(t, "broker-b", r.Queue.Broker)
	}
	_, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x"), To: &Queue{Topic: "T", Broker: "broker-a"}})
	require.Error(t, err, "one queue: no retry elsewhere")
	_, err = p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x"), To: &Queue{Topic: "T", Broker: "broker-z"}})
	require.ErrorIs(t, err, ErrNoQueue)

	c.Broker("broker-b").Close()
	_, err = p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
	require.ErrorContains(t, err, "(attempt 3)")
	_, answered := CodeOf(err)
	require.False(t, answered)
}

func TestSilentBroker(t *testing.T) {
	c := fake.NewCluster(t, "broker-a", "broker-b")
	c.CreateTopic("T", 1)
	c.Broker("broker-a").Handle(protocol.ReqSendMessageV2, fake.Never)
	p := newProducer(t, c, WithSendTimeout(2*time.Second), WithAttemptTimeout(50*time.Millisecond))
	for range 2 {
		r, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
		require.NoError(t, err)
		require.Equal(t, "broker-b", r.Queue.Broker)
	}
	c.Broker("broker-b").Handle(protocol.ReqSendMessageV2, fake.Never)
	p = newProducer(t, c, WithSendTimeout(50*time.Millisecond))
	_, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestStatusesAreResults(t *testing.T) {
	for code, status := range map[protocol.ResponseCode]SendStatus{
		protocol.RespFlushDiskTimeout: SendFlushDiskTimeout, protocol.RespFlushSlaveTimeout: SendFlushReplicaTimeout, protocol.RespSlaveNotAvailable: SendReplicaNotAvailable,
	} {
		c := fake.NewCluster(t, "broker-a")
		c.CreateTopic("T", 1)
		answer := fake.OK(&protocol.SendMessageResponse{MsgID: "X", QueueID: 0, QueueOffset: 5}, nil)
		answer.Code = int32(code)
		c.Broker("broker-a").Handle(protocol.ReqSendMessageV2, fake.Answer(answer))
		r, err := newProducer(t, c).Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
		require.NoError(t, err)
		require.Equal(t, status, r.Status)
		require.EqualValues(t, 5, r.Offset)
	}
}

func TestSendBatch(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 2)
	p := newProducer(t, c)
	batch := []*Message{{Topic: "T", Body: []byte("1"), Tag: "a"}, {Topic: "T", Body: []byte("2")}, {Topic: "T", Body: []byte("3")}}
	results, err := p.SendBatch(t.Context(), batch)
	require.NoError(t, err)
	require.Len(t, results, 3)
	for i, r := range results {
		require.EqualValues(t, i, r.Offset)
		require.Equal(t, results[0].Queue, r.Queue)
		require.Len(t, r.OffsetID, 32)
	}
	require.NotEqual(t, results[0].ID, results[1].ID)
	require.True(t, sendHeaders(t, c.Broker("broker-a"), protocol.ReqSendBatchMessage)[0].Batch)

	for name, bad := range map[string][]*Message{
		"empty":       {},
		"two topics":  {{Topic: "T", Body: []byte("1")}, {Topic: "U", Body: []byte("1")}},
		"delayed":     {{Topic: "T", Body: []byte("1"), DelayLevel: 1}},
		"two queues":  {{Topic: "T", Body: []byte("1"), To: &Queue{Topic: "T"}}, {Topic: "T", Body: []byte("1")}},
		"bad message": {{Topic: "T"}},
	} {
		_, err := p.SendBatch(t.Context(), bad)
		require.ErrorIs(t, err, ErrInvalidMessage, name)
	}
}

func TestInvalidMessages(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	p := newProducer(t, c, WithMaxMessageSize(100))
	ok := func() *Message { return &Message{Topic: "T", Body: []byte("x")} }
	for text, spoil := range map[string]func(m *Message){
		"topic is blank":         func(m *Message) { m.Topic = "" },
		"illegal characters":     func(m *Message) { m.Topic = "a b" },
		"body is empty":          func(m *Message) { m.Body = nil },
		"101 bytes, limit 100":   func(m *Message) { m.Body = make([]byte, 101) },
		"delay level is -1":      func(m *Message) { m.DelayLevel = -1 },
		"tag":                    func(m *Message) { m.Tag = "a\x01" },
		"key \"a b\"":            func(m *Message) { m.Keys = []string{"a b"} },
		"key \"\"":               func(m *Message) { m.Keys = []string{""} },
		"property \"x\"=\"\"":    func(m *Message) { m.Properties = map[string]string{"x": ""} },
		"property name UNIQ_KEY": func(m *Message) { m.Properties = map[string]string{"UNIQ_KEY": "x"} },
		"properties take":        func(m *Message) { m.Properties = map[string]string{"x": strings.Repeat("y", 40000)} },
		"one of another topic":   func(m *Message) { m.To = &Queue{Topic: "U"} },
	} {
		m := ok()
		spoil(m)
		_, err := p.Send(t.Context(), m)
		require.ErrorIs(t, err, ErrInvalidMessage, text)
		require.ErrorContains(t, err, text)
		require.ErrorIs(t, p.SendOneway(t.Context(), m), ErrInvalidMessage)
		p.SendAsync(t.Context(), m, func(_ SendResult, err error) { require.ErrorIs(t, err, ErrInvalidMessage) })
	}
}

func TestSendOneway(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	p := newProducer(t, c)
	require.NoError(t, p.SendOneway(t.Context(), &Message{Topic: "T", Body: []byte("x")}))
	require.Eventually(t, func() bool { return len(c.Broker("broker-a").Seen(protocol.ReqSendMessageV2)) == 1 }, eventually, time.Millisecond)
	require.True(t, c.Broker("broker-a").Seen(protocol.ReqSendMessageV2)[0].IsOneway())
}

// sendAsync makes asynchronous sends and waits for them.
func sendAsync(t *testing.T, p *Producer, n int) (ok, failed int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		p.SendAsync(t.Context(), &Message{Topic: "T", Body: []byte("x")}, func(_ SendResult, err error) {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				ok++
			} else {
				failed++
			}
		})
	}
	wg.Wait()
	return ok, failed
}

func TestSendAsync(t *testing.T) {
	c := fake.NewCluster(t, "broker-a", "broker-b")
	c.CreateTopic("T", 2)
	p := newProducer(t, c, WithMaxInFlight(10))
	ok, failed := sendAsync(t, p, 100)
	require.Equal(t, 100, ok)
	require.Zero(t, failed)

	c.Broker("broker-a").Handle(protocol.ReqSendMessageV2, fake.Answer(fake.Refuse(protocol.RespSystemBusy, "")))
	ok, failed = sendAsync(t, p, 12)
	require.Equal(t, 6, ok, "an answer is final")
	require.Equal(t, 6, failed)

	c.Broker("broker-a").Close()
	ok, _ = sendAsync(t, p, 10)
	require.Equal(t, 10, ok, "a broker that cannot be reached is not an answer")
}

func TestInFlightIsBounded(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	release := make(chan struct{})
	c.Broker("broker-a").Handle(protocol.ReqSendMessageV2, func(ctx context.Context, _ *remoting.Command) *remoting.Command {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return fake.OK(&protocol.SendMessageResponse{}, nil)
	})
	p := newProducer(t, c, WithMaxInFlight(1))
	done := make(chan error, 1)
	p.SendAsync(t.Context(), &Message{Topic: "T", Body: []byte("x")}, func(_ SendResult, err error) { done <- err })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := p.Send(ctx, &Message{Topic: "T", Body: []byte("x")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(release)
	require.NoError(t, <-done)
}

func TestCloseWaitsForWhatIsBeingSent(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	p := newProducer(t, c)
	finished := 0
	for range 50 {
		p.SendAsync(t.Context(), &Message{Topic: "T", Body: []byte("x")}, func(SendResult, error) { finished++ })
	}
	require.NoError(t, p.Close())
	require.Equal(t, 50, finished)
	require.NoError(t, p.Close())
	_, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, p.SendOneway(t.Context(), &Message{Topic: "T", Body: []byte("x")}), ErrClosed)
	p.SendAsync(t.Context(), &Message{Topic: "T", Body: []byte("x")}, func(_ SendResult, err error) { require.ErrorIs(t, err, ErrClosed) })

	seen := c.Broker("broker-a").Seen(protocol.ReqUnregisterClient)
	require.Len(t, seen, 1)
	var h protocol.UnregisterClientRequest
	require.NoError(t, remoting.Bind(seen[0].Ext, &h))
	require.Equal(t, protocol.UnregisterClientRequest{ClientID: p.ClientID(), ProducerGroup: "pg"}, h)
}

func TestHeartbeat(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	p := newProducer(t, c, WithRouteRefresh(100*time.Millisecond))
	_, err := p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
	require.NoError(t, err)
	b := c.Broker("broker-a")
	require.Eventually(t, func() bool { return len(b.Seen(protocol.ReqHeartBeat)) > 0 }, eventually, time.Millisecond)
	var data protocol.HeartbeatData
	require.NoError(t, javajson.Unmarshal(b.Seen(protocol.ReqHeartBeat)[0].Body, &data))
	require.Equal(t, p.ClientID(), data.ClientID)
	require.Equal(t, []protocol.ProducerData{{GroupName: "pg"}}, data.ProducerDataSet)
}

func TestSecondNameserverServes(t *testing.T) {
	c := fake.NewCluster(t, "broker-a")
	c.CreateTopic("T", 1)
	dead := fake.NewServer(t)
	dead.Close()
	silent := fake.NewServer(t)
	silent.Handle(protocol.ReqGetRouteInfoByTopic, fake.Never)
	p, err := NewProducer(t.Context(), "pg", WithNameservers(dead.Addr, silent.Addr, c.Namesrv.Addr), WithRequestTimeout(50*time.Millisecond))
	require.NoError(t, err)
	defer p.Close()
	_, err = p.Send(t.Context(), &Message{Topic: "T", Body: []byte("x")})
	require.NoError(t, err)
}

func TestOptionsOutOfRange(t *testing.T) {
	_, err := NewProducer(t.Context(), "bad group!", WithNameservers(), WithLogger(nil), WithRequestTimeout(0), WithRouteRefresh(1),
		WithSendTimeout(0), WithAttemptTimeout(-1), WithRetries(99), WithMaxInFlight(0), WithMaxMessageSize(0))
	for _, part := range []string{"illegal characters", "WithNameservers", "WithLogger", "WithRequestTimeout", "WithRouteRefresh", "WithSendTimeout", "WithAttemptTimeout", "WithRetries", "WithMaxInFlight", "WithMaxMessageSize"} {
		require.ErrorContains(t, err, part)
	}
	_, err = NewPullConsumer(t.Context(), "g", WithNameservers("x:1"), WithTags(""), WithPullBatch(0), WithBufferedBatches(0), WithPullWait(-1))
	for _, part := range []string{"WithTags", "WithPullBatch", "WithBufferedBatches", "WithPullWait"} {
		require.ErrorContains(t, err, part)
	}
	_, err = NewProducer(t.Context(), "g", WithNameservers("nohost"))
	require.ErrorContains(t, err, "host:port")
}
