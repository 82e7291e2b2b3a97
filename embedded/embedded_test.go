package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/client"
	"github.com/aerobee/aerobee/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually bounds every wait; a quick machine needs a hundredth of it.
const eventually = 60 * time.Second

func start(t *testing.T, opts ...embedded.Option) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), append(opts, embedded.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func producer(t *testing.T, s *embedded.Server) *client.Producer {
	t.Helper()
	p, err := client.NewProducer(t.Context(), "producers", client.WithNameservers(s.Nameserver()), client.WithSendTimeout(eventually))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func send(t *testing.T, p *client.Producer, topic string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		_, err := p.Send(t.Context(), &client.Message{Topic: topic, Tag: fmt.Sprint("tag", i%2), Body: fmt.Append(nil, i)})
		require.NoError(t, err)
	}
}

// inbox counts what arrives.
type inbox struct {
	mu   sync.Mutex
	seen map[string]int
	list []string
}

func (b *inbox) add(m *client.MessageView) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = make(map[string]int)
	}
	b.seen[string(m.Body)]++
	b.list = append(b.list, string(m.Body))
}

func (b *inbox) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen)
}

func (b *inbox) await(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return b.len() >= n }, eventually, time.Millisecond, "%d of %d", b.len(), n)
}

func (b *inbox) handle(_ context.Context, m *client.MessageView) error {
	b.add(m)
	return nil
}

func consumer(t *testing.T, s *embedded.Server, group string, h client.Handler, opts ...client.PushConsumerOption) *client.PushConsumer {
	t.Helper()
	base := []client.PushConsumerOption{
		client.WithNameservers(s.Nameserver()), client.WithStart(client.AtBegin()), client.WithRebalanceInterval(200 * time.Millisecond),
		client.WithPullWait(time.Second), client.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))),
	}
	c, err := client.NewPushConsumer(t.Context(), group, h, append(base, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestPush(t *testing.T) {
	s := start(t, embedded.WithTopic("T", 4))
	send(t, producer(t, s), "T", 0, 100)
	var all, odd inbox
	c := consumer(t, s, "all", all.handle, client.WithTopic("T", client.Filter{}))
	consumer(t, s, "odd", odd.handle, client.WithTopic("T", client.Tags("tag1")))
	all.await(t, 100)
	odd.await(t, 50)
	require.Eventually(t, func() bool { return len(c.Assigned()) == 5 }, eventually, time.Millisecond, "four queues, and that of what comes back")
	require.NoError(t, c.Close())

	send(t, producer(t, s), "T", 100, 110)
	var rest inbox
	consumer(t, s, "all", rest.handle, client.WithTopic("T", client.Filter{}))
	rest.await(t, 10)
	require.Len(t, rest.list, 10, "closing commits")
}

func TestFailedMessagesComeBack(t *testing.T) {
	s := start(t, embedded.WithTopic("T", 1), embedded.WithConfig("messageDelayLevel", "1s 1s 1s 1s 1s 1s 1s"))
	send(t, producer(t, s), "T", 0, 3)
	var good, dead inbox
	attempts := make(chan int32, 100)
	handle := func(_ context.Context, m *client.MessageView) error {
		switch string(m.Body) {
		case "0":
			return client.Reject(errors.New("never"))
		case "1":
			attempts <- m.ReconsumeTimes
			if m.Topic() != "T" {
				return client.Reject(errors.New("the topic is not the one of the sender"))
			}
			if m.ReconsumeTimes < 2 {
				panic("not yet")
			}
		}
		good.add(m)
		return nil
	}
	consumer(t, s, "g", handle, client.WithTopic("T", client.Filter{}))
	good.await(t, 2)
	for i := range int32(3) {
		require.Equal(t, i, <-attempts)
	}
	consumer(t, s, "undertaker", dead.handle, client.WithTopic("%DLQ%g", client.Filter{}))
	dead.await(t, 1)
	require.Equal(t, []string{"0"}, dead.list)
}

func TestOrder(t *testing.T) {
	s := start(t, embedded.WithTopic("T", 2))
	p := producer(t, s)
	const n = 50
	for i := range n {
		for id := range int32(2) {
			q := client.Queue{Topic: "T", Broker: embedded.BrokerName, ID: id}
			_, err := p.Send(t.Context(), &client.Message{Topic: "T", Body: fmt.Appendf(nil, "%d-%d", id, i), To: &q})
			require.NoError(t, err)
		}
	}
	var got inbox
	var failed sync.Map
	handle := func(_ context.Context, m *client.MessageView) error {
		if _, again := failed.LoadOrStore(string(m.Body), true); !again && m.Offset%7 == 0 {
			return errors.New("once more")
		}
		got.add(m)
		return nil
	}
	order := []client.PushConsumerOption{client.WithTopic("T", client.Filter{}), client.WithOrder(), client.WithSuspend(10 * time.Millisecond)}
	first := consumer(t, s, "g", handle, order...)
	got.await(t, 10)
	consumer(t, s, "g", handle, order...) // takes over a queue in the middle
	require.Eventually(t, func() bool { return len(first.Assigned()) == 2 }, eventually, time.Millisecond, "one queue, and the retry topic or not")
	got.await(t, 2*n)
	next := map[byte]int{}
	for _, body := range got.list {
		require.Equal(t, fmt.Sprint(next[body[0]]), body[2:], "queue %c: %v", body[0], got.list)
		next[body[0]]++
	}
}

func TestBroadcast(t *testing.T) {
	s := start(t, embedded.WithTopic("T", 2))
	send(t, producer(t, s), "T", 0, 10)
	dir := t.TempDir()
	var a, b, again inbox
	opts := []client.PushConsumerOption{client.WithTopic("T", client.Filter{}), client.WithBroadcast(dir)}
	one := consumer(t, s, "g", a.handle, append(opts, client.WithInstance("a"))...)
	consumer(t, s, "g", b.handle, append(opts, client.WithInstance("b"))...)
	a.await(t, 10)
	b.await(t, 10)
	require.NoError(t, one.Close())
	send(t, producer(t, s), "T", 10, 15)
	consumer(t, s, "g", again.handle, append(opts, client.WithInstance("a"))...)
	again.await(t, 5)
	require.Len(t, again.list, 5)
}

func TestBrokerGoesAndComesBack(t *testing.T) {
	s := start(t, embedded.WithTopic("T", 4))
	p := producer(t, s)
	send(t, p, "T", 0, 20)
	var got inbox
	consumer(t, s, "g", got.handle, client.WithTopic("T", client.Filter{}))
	got.await(t, 20)
	require.NoError(t, s.StopBroker(t.Context()))
	require.NoError(t, s.StartBroker(t.Context()))
	require.ErrorIs(t, s.StartBroker(t.Context()), embedded.ErrRunning)
	sendOnceUp(t, p, "T", 20, 30)
	got.await(t, 30)
	require.NoError(t, s.Crash(t.Context(), 1))
	require.NoError(t, s.StartBroker(t.Context()))
	sendOnceUp(t, p, "T", 30, 40)
	got.await(t, 40)
	stored, err := s.Messages(t.Context(), "T", 0)
	require.NoError(t, err)
	require.Len(t, stored, 40, "acknowledged is on disk, if there is one")
}

// sendOnceUp sends when the route has the broker again.
func sendOnceUp(t *testing.T, p *client.Producer, topic string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		require.Eventually(t, func() bool {
			_, err := p.Send(t.Context(), &client.Message{Topic: topic, Body: fmt.Append(nil, i)})
			return err == nil
		}, eventually, 10*time.Millisecond)
	}
}

func TestFaults(t *testing.T) {
	var mu sync.Mutex
	faults := make(map[string]embedded.Fault)
	s := start(t, embedded.WithTopic("T", 1), embedded.WithFaults(func(r embedded.Request) embedded.Fault {
		mu.Lock()
		defer mu.Unlock()
		f := faults[r.Verb]
		if r.Topic == "T" {
			delete(faults, r.Verb)
		}
		return f
	}))
	fail := func(verb string, f embedded.Fault) {
		mu.Lock()
		defer mu.Unlock()
		faults[verb] = f
	}
	p, err := client.NewProducer(t.Context(), "producers", client.WithNameservers(s.Nameserver()), client.WithAttemptTimeout(time.Second), client.WithSendTimeout(eventually))
	require.NoError(t, err)
	defer p.Close()
	send(t, p, "T", 0, 1)
	fail("SEND_MESSAGE_V2", embedded.Fault{Silent: true})
	send(t, p, "T", 1, 2)
	stored, err := s.Messages(t.Context(), "T", 0)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(stored), 3, "the lost answer makes the producer send again")
	ids := make(map[string]bool)
	for _, m := range stored {
		ids[m.ID()] = true
	}
	require.Len(t, ids, 2, "a retry keeps the id")
	fail("SEND_MESSAGE_V2", embedded.Fault{Code: 2, Remark: "busy with something else"})
	send(t, p, "T", 2, 3)
	fail("SEND_MESSAGE_V2", embedded.Fault{Drop: true})
	send(t, p, "T", 3, 4)
	fail("SEND_MESSAGE_V2", embedded.Fault{Delay: 10 * time.Millisecond})
	send(t, p, "T", 4, 5)
	stored, err = s.Messages(t.Context(), "T", 5)
	require.NoError(t, err)
	require.Len(t, stored, 5)
}

func TestOnDisk(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Start(t.Context(), embedded.WithDir(dir), embedded.WithTopic("T", 1))
	require.NoError(t, err)
	send(t, producer(t, s), "T", 0, 3)
	require.Error(t, s.Crash(t.Context(), 1))
	require.NoError(t, s.Close())
	s = start(t, embedded.WithDir(dir))
	stored, err := s.Messages(t.Context(), "T", 2)
	require.NoError(t, err)
	require.Len(t, stored, 2)
}

func ExampleStart() {
	ctx := context.Background()
	s, err := embedded.Start(ctx, embedded.WithTopic("greetings", 1))
	if err != nil {
		panic(err)
	}
	defer s.Close()
	p, err := client.NewProducer(ctx, "greeters", client.WithNameservers(s.Nameserver()))
	if err != nil {
		panic(err)
	}
	defer p.Close()
	if _, err := p.Send(ctx, &client.Message{Topic: "greetings", Body: []byte("hello")}); err != nil {
		panic(err)
	}
	done := make(chan struct{})
	c, err := client.NewPushConsumer(ctx, "greeted", func(_ context.Context, m *client.MessageView) error {
		fmt.Printf("%s\n", m.Body)
		close(done)
		return nil
	}, client.WithNameservers(s.Nameserver()), client.WithTopic("greetings", client.Filter{}), client.WithStart(client.AtBegin()))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	<-done
	// Output: hello
}
