package goclient

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const limit = 60 * time.Second

var counter atomic.Int64

// name returns a name that no other test and no other run uses.
func name(t *testing.T, kind string) string {
	t.Helper()
	return fmt.Sprintf("%s-go-%s-%d-%d", kind, strings.ReplaceAll(t.Name(), "/", "-"), os.Getpid(), counter.Add(1))
}

func newProducer(t *testing.T, opts ...producer.Option) rocketmq.Producer {
	t.Helper()
	opts = append([]producer.Option{
		producer.WithNameServer(primitive.NamesrvAddr{namesrv}),
		producer.WithGroupName(name(t, "p")),
		producer.WithInstanceName(name(t, "i")),
		producer.WithSendMsgTimeout(10 * time.Second),
		producer.WithRetry(2),
	}, opts...)
	p, err := rocketmq.NewProducer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown() })
	return p
}

// newTopic creates a topic as this client's users do: with the first message, whose body is "first".
func newTopic(ctx context.Context, t *testing.T, p rocketmq.Producer) string {
	t.Helper()
	topic := name(t, "t")
	send(ctx, t, p, primitive.NewMessage(topic, []byte("first")).WithTag("first"))
	awaitRoute(ctx, t, topic)
	return topic
}

// awaitRoute waits until the nameserver knows a topic that a message created.
func awaitRoute(ctx context.Context, t *testing.T, topic string) {
	t.Helper()
	a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{namesrv})))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if queues, err := a.FetchPublishMessageQueues(ctx, topic); err == nil && len(queues) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no route of topic %s: %v", topic, ctx.Err())
		}
	}
}

func send(ctx context.Context, t *testing.T, p rocketmq.Producer, m ...*primitive.Message) *primitive.SendResult {
	t.Helper()
	r, err := p.SendSync(ctx, m...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != primitive.SendOK {
		t.Fatalf("send: %v", r)
	}
	return r
}

// inbox collects what a listener gets.
type inbox struct {
	mu   sync.Mutex
	msgs []*primitive.MessageExt
}

func (b *inbox) add(msgs ...*primitive.MessageExt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.msgs = append(b.msgs, msgs...)
}

func (b *inbox) bodies() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s []string
	for _, m := range b.msgs {
		s = append(s, string(m.Body))
	}
	return s
}

func (b *inbox) all() []*primitive.MessageExt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.msgs)
}

// await waits until n messages came and fails if more come.
func (b *inbox) await(t *testing.T, n int) []string {
	t.Helper()
	eventually(t, fmt.Sprintf("%d messages", n), func() bool { return len(b.bodies()) >= n })
	got := b.bodies()
	if len(got) != n {
		t.Fatalf("got %d messages, want %d: %q", len(got), n, got)
	}
	return got
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

type listener = func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error)

func (b *inbox) accept(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	b.add(msgs...)
	return consumer.ConsumeSuccess, nil
}

func push(t *testing.T, group, topic, tags string, f listener, opts ...consumer.Option) rocketmq.PushConsumer {
	t.Helper()
	opts = append([]consumer.Option{
		consumer.WithNameServer(primitive.NamesrvAddr{namesrv}),
		consumer.WithGroupName(group),
		consumer.WithInstance(name(t, "i")),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, opts...)
	c, err := rocketmq.NewPushConsumer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}, f); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Shutdown() })
	return c
}

func numbers(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint(i)
	}
	return s
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
