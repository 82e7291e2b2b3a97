package goclient

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// This client sends single messages with request code 10 and its long field names.
func TestSyncSend(t *testing.T) {
	ctx := server(t)
	p := newProducer(t, producer.WithQueueSelector(producer.NewManualQueueSelector()))
	topic := name(t, "t")
	seed := newProducer(t)
	send(ctx, t, seed, primitive.NewMessage(topic, []byte("first")))
	for i := range 5 {
		m := primitive.NewMessage(topic, []byte(fmt.Sprint(i)))
		m.Queue = &primitive.MessageQueue{Topic: topic, BrokerName: "broker-a", QueueId: 3}
		r := send(ctx, t, p, m)
		if r.MessageQueue.QueueId != 3 {
			t.Fatalf("queue %v", r.MessageQueue)
		}
		if len(r.OffsetMsgID) != 32 || r.MsgID == "" {
			t.Fatalf("ids %q %q", r.OffsetMsgID, r.MsgID)
		}
	}
}

// Batches go with request code 320 and short field names.
func TestBatchSend(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	var batch []*primitive.Message
	for _, s := range numbers(20) {
		batch = append(batch, primitive.NewMessage(topic, []byte(s)).WithTag("batch").WithKeys([]string{"k" + s}))
	}
	r := send(ctx, t, p, batch...)
	if n := len(strings.Split(r.OffsetMsgID, ",")); n != 20 {
		t.Errorf("%d offset ids", n)
	}
	var b inbox
	push(t, name(t, "g"), topic, "batch", b.accept)
	if got := sorted(b.await(t, 20)); !slices.Equal(got, sorted(numbers(20))) {
		t.Fatalf("got %q", got)
	}
	if k := b.all()[3].GetKeys(); k != "k"+string(b.all()[3].Body) {
		t.Errorf("keys %q", k)
	}
}

func TestOnewayAndAsyncSend(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	results := make(chan error, 20)
	for i := range 20 {
		if err := p.SendOneWay(ctx, primitive.NewMessage(topic, fmt.Appendf(nil, "oneway%d", i)).WithTag("x")); err != nil {
			t.Fatal(err)
		}
		err := p.SendAsync(ctx, func(_ context.Context, r *primitive.SendResult, err error) {
			if err == nil && r.Status != primitive.SendOK {
				err = fmt.Errorf("%v", r)
			}
			results <- err
		}, primitive.NewMessage(topic, fmt.Appendf(nil, "async%d", i)).WithTag("x"))
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		select {
		case err := <-results:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(limit):
			t.Fatal("no callback")
		}
	}
	var b inbox
	push(t, name(t, "g"), topic, "x", b.accept)
	b.await(t, 40)
}

func TestCompressedBody(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	topic := newTopic(ctx, t, p)
	body := strings.Repeat("aerobee ", 5000)
	send(ctx, t, p, primitive.NewMessage(topic, []byte(body)).WithTag("big"))
	var b inbox
	push(t, name(t, "g"), topic, "big", b.accept)
	if got := b.await(t, 1); got[0] != body {
		t.Fatalf("body of %d bytes", len(got[0]))
	}
}

func TestIllegalSends(t *testing.T) {
	ctx := server(t)
	p := newProducer(t)
	for _, topic := range []string{"", "no/slash", strings.Repeat("x", 300)} {
		if _, err := p.SendSync(ctx, primitive.NewMessage(topic, []byte("x"))); err == nil {
			t.Errorf("topic %q: no error", topic)
		}
	}
}
