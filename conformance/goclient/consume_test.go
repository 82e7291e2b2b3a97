package goclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func TestPushConsumersShareATopic(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	group := name(t, "g")
	var a, b inbox
	push(t, group, topic, "*", a.accept)
	push(t, group, topic, "*", b.accept)
	for i := range 100 {
		send(ctx, t, p, primitive.NewMessage(topic, []byte(fmt.Sprint(i))))
	}
	all := append(numbers(100), "first")
	eventually(t, "all messages", func() bool {
		got := append(a.bodies(), b.bodies()...)
		return !slices.ContainsFunc(all, func(s string) bool { return !slices.Contains(got, s) })
	})
}

func TestTags(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	for i, tag := range []string{"A", "B", "C", "Aa", "BB"} {
		send(ctx, t, p, primitive.NewMessage(topic, []byte(fmt.Sprint(i))).WithTag(tag))
	}
	var ac, hash inbox
	push(t, name(t, "g"), topic, "A || C", ac.accept)
	push(t, name(t, "g"), topic, "BB", hash.accept)
	if got := sorted(ac.await(t, 2)); !slices.Equal(got, []string{"0", "2"}) {
		t.Errorf("A || C got %q", got)
	}
	if got := hash.await(t, 1); got[0] != "4" {
		t.Errorf("BB got %q", got)
	}
}

func TestOrderlyConsumption(t *testing.T) {
	ctx := server(t)
	p := newProducer(t, producer.WithQueueSelector(producer.NewHashQueueSelector()))
	topic := newTopic(ctx, t, p)
	for _, s := range numbers(50) {
		send(ctx, t, p, primitive.NewMessage(topic, []byte(s)).WithTag("ordered").WithShardingKey("one key"))
	}
	var b inbox
	var refusals atomic.Int32
	push(t, name(t, "g"), topic, "ordered", func(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		if string(msgs[0].Body) == "25" && refusals.Add(1) < 3 {
			return consumer.SuspendCurrentQueueAMoment, nil
		}
		b.add(msgs...)
		return consumer.ConsumeSuccess, nil
	}, consumer.WithConsumerOrder(true), consumer.WithSuspendCurrentQueueTimeMillis(100*time.Millisecond))
	if got := b.await(t, 50); !slices.Equal(got, numbers(50)) {
		t.Fatalf("order %q", got)
	}
}

func TestBroadcasting(t *testing.T) {
	ctx := server(t)
	t.Setenv("HOME", t.TempDir()) // this client keeps broadcast offsets there
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	group := name(t, "g")
	var a, b inbox
	push(t, group, topic, "x", a.accept, consumer.WithConsumerModel(consumer.BroadCasting))
	push(t, group, topic, "x", b.accept, consumer.WithConsumerModel(consumer.BroadCasting))
	for _, s := range numbers(10) {
		send(ctx, t, p, primitive.NewMessage(topic, []byte(s)).WithTag("x"))
	}
	a.await(t, 10)
	b.await(t, 10)
}

func TestDelayAndRetry(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	var b inbox
	push(t, name(t, "g"), topic, "delay || retry", func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		b.add(msgs...)
		if string(msgs[0].Body) == "retry" && msgs[0].ReconsumeTimes < 2 {
			if c, ok := primitive.GetConcurrentlyCtx(ctx); ok {
				c.DelayLevelWhenNextConsume = 1
			}
			return consumer.ConsumeRetryLater, nil
		}
		return consumer.ConsumeSuccess, nil
	})
	start := time.Now()
	send(ctx, t, p, primitive.NewMessage(topic, []byte("delay")).WithTag("delay").WithDelayTimeLevel(1))
	send(ctx, t, p, primitive.NewMessage(topic, []byte("retry")).WithTag("retry"))
	b.await(t, 4)
	var times []int32
	for _, m := range b.all() {
		if string(m.Body) == "retry" {
			times = append(times, m.ReconsumeTimes)
		} else if d := time.UnixMilli(m.StoreTimestamp).Sub(start); d < 950*time.Millisecond {
			t.Errorf("delayed message stored after %v", d)
		}
	}
	if !slices.Equal(times, []int32{0, 1, 2}) {
		t.Errorf("reconsume times %v", times)
	}
}

func TestPullConsumer(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	for _, s := range numbers(30) {
		send(ctx, t, p, primitive.NewMessage(topic, []byte(s)).WithTag("pull"))
	}
	c, err := rocketmq.NewPullConsumer(
		consumer.WithNameServer(primitive.NamesrvAddr{namesrv}),
		consumer.WithGroupName(name(t, "g")),
		consumer.WithInstance(name(t, "i")),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "pull"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Shutdown() })
	var got []string
	deadline := time.Now().Add(limit)
	for len(got) < 30 {
		if time.Now().After(deadline) {
			t.Fatalf("%d messages within %v", len(got), limit)
		}
		cr, err := c.Poll(ctx, 500*time.Millisecond)
		if errors.Is(err, consumer.ErrNoNewMsg) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range cr.GetMsgList() {
			got = append(got, string(m.Body))
		}
		c.ACK(ctx, cr, consumer.ConsumeSuccess)
	}
	if !slices.Equal(sorted(got), sorted(numbers(30))) {
		t.Fatalf("got %q", got)
	}
}
