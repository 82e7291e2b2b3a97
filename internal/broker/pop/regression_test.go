package pop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/protocol"
)

// The tests of this file are the bugs of Java's POP that its users reported, by the
// number of the issue.

func (w *world) takeAll(topic string, queue int32) []held { return w.pop(topic, queue, 32, 1000, nil) }

// TestRedeliveredOnce: rmq#3787, rmq#8835, rmq#9105 (duplicates): what was redelivered
// is not redelivered again after a crash, when the redelivery was acknowledged.
func TestRedeliveredOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.send("T", 0, "a")
	require.Len(t, w.takeAll("T", 0), 1)
	w.tick(1000)
	w.round()
	require.Equal(t, []string{"T/g/-1"}, w.woken)
	retry := protocol.PopRetryTopic("T", group)
	again := w.takeAll(retry, 0)
	require.Len(t, again, 1)
	require.EqualValues(t, 1, again[0].ReconsumeTimes)
	found, _ := w.ack(0, again[0])
	require.Equal(t, 1, found)
	w.cutPower()
	w.tick(100_000)
	w.round()
	require.Empty(t, w.takeAll(retry, 0))
	require.Empty(t, w.takeAll("T", 0))
	require.Zero(t, w.s.Leases())
	w.stop()
}

// TestNotLost: rmq#7914: unacknowledged messages come back after a crash, whenever it
// is.
func TestNotLost(t *testing.T) {
	w := newWorld(t, 1)
	for _, body := range []string{"a", "b", "c"} {
		w.send("T", 0, body)
	}
	got := w.takeAll("T", 0)
	w.ack(0, got[1])
	require.NoError(t, w.offsets.Persist())
	w.cutPower()
	w.tick(1000)
	w.round()
	w.cutPower()
	again := w.takeAll(protocol.PopRetryTopic("T", group), 0)
	require.Len(t, again, 2)
	require.Equal(t, "a", string(again[0].Body)) // rmq#7724: the right ones
	require.Equal(t, "c", string(again[1].Body))
	w.stop()
}

// TestFormerTopic: rmq#8479: check points and receipts of a topic that was deleted do
// nothing to one of the same name.
func TestFormerTopic(t *testing.T) {
	w := newWorld(t, 1)
	w.send("T", 0, "old")
	old := w.takeAll("T", 0)
	w.deleteTopic()
	w.tick(1)
	w.send("T", 0, "new")
	w.cutPower() // the old check point is read again
	got := w.takeAll("T", 0)
	require.Len(t, got, 1)
	require.Equal(t, "new", string(got[0].Body))
	w.ack(0, old...)
	w.tick(1000)
	w.round()
	again := w.takeAll(protocol.PopRetryTopic("T", group), 0)
	require.Len(t, again, 1, "the new message once, the old one never")
	require.Equal(t, "new", string(again[0].Body))
	w.stop()
}

// TestOldReceiptAfterChange: rmq#9583, rmq#10278: the receipt from before a change of
// the invisible time still acknowledges, also after a crash; that of another
// delivery does not.
func TestOldReceiptAfterChange(t *testing.T) {
	w := newWorld(t, 1)
	w.send("T", 0, "a")
	got := w.takeAll("T", 0)
	found, renewed := w.ack(5000, got[0]) // in the millisecond of the pop
	require.Equal(t, 1, found)
	require.Greater(t, renewed.PopTime, got[0].receipt.PopTime)
	w.cutPower()
	w.tick(2000)
	w.round()
	require.EqualValues(t, 1, w.s.Leases(), "it stays invisible")
	earlier := got[0]
	earlier.receipt.PopTime--
	found, _ = w.ack(0, earlier)
	require.Zero(t, found)
	found, _ = w.ack(0, got[0])
	require.Equal(t, 1, found)
	require.Zero(t, w.s.Leases())
	w.stop()
}

// TestDamagedRecord: rmq#9956: a record that cannot be read does not stop redelivery.
func TestDamagedRecord(t *testing.T) {
	w := newWorld(t, 1)
	w.send("T", 0, "a")
	require.Len(t, w.takeAll("T", 0), 1)
	w.send(reviveTopic, w.s.ReviveQueue("T", group), "{")
	w.round()
	w.cutPower()
	w.tick(1000)
	w.round()
	require.Len(t, w.takeAll(protocol.PopRetryTopic("T", group), 0), 1)
	w.stop()
}

// TestOffsetBehindAcks: a crash before the offsets are written does not bring back
// what was popped and acknowledged (traps 1 and 2 of consumption.md 13).
func TestOffsetBehindAcks(t *testing.T) {
	w := newWorld(t, 1)
	for range 4 {
		w.send("T", 0, "x")
	}
	first := w.pop("T", 0, 2, 1000, nil)
	found, _ := w.ack(0, first...)
	require.Equal(t, 2, found)
	w.cutPower()
	at, ok := w.offsets.Query(group, "T", 0)
	require.True(t, ok)
	require.EqualValues(t, 2, at)
	require.EqualValues(t, 2, w.takeAll("T", 0)[0].QueueOffset)
	w.stop()
}

// TestOrderSurvives: what a group holds in order is known after a crash.
func TestOrderSurvives(t *testing.T) {
	w := newWorld(t, 1)
	for range 3 {
		w.send("T", 0, "x")
	}
	c := w.s.Cursor("T", group, 0)
	c.Jump(0)
	done := make(chan error, 1)
	o := &Order{Done: func(_ *Order, err error) { done <- err }}
	counts, err := c.LendInOrder(o, 0, "", w.clock.Load(), 1000, []int64{0, 1}, nil)
	require.NoError(t, err)
	require.Equal(t, "0 0 0", string(counts))
	w.store.Commit()
	require.NoError(t, <-done)
	popTime := w.clock.Load()
	found, free, err := c.AckInOrder(o, 0, popTime, 1000)
	require.NoError(t, err)
	require.True(t, found)
	require.False(t, free)
	w.store.Commit()
	require.NoError(t, <-done)
	w.cutPower()
	c = w.s.Cursor("T", group, 0)
	require.True(t, c.Blocked("", 1000))
	at, _ := w.offsets.Query(group, "T", 0)
	require.EqualValues(t, 1, at)
	_, free, err = c.AckInOrder(o, 1, popTime, 1000)
	require.NoError(t, err)
	require.True(t, free)
	w.store.Commit()
	require.NoError(t, <-done)
	require.False(t, c.Blocked("", 1000))
	require.NoError(t, w.offsets.Persist())
	w.cutPower()
	at, _ = w.offsets.Query(group, "T", 0)
	require.EqualValues(t, 2, at)
	w.stop()
}

// TestRevivedFloor: the revive topic's offset follows the oldest live lease, and a
// start reads from there.
func TestRevivedFloor(t *testing.T) {
	w := newWorld(t, 1)
	for range 10 {
		w.send("T", 0, "x")
	}
	q := w.s.ReviveQueue("T", group)
	for i := range 10 {
		got := w.pop("T", 0, 1, 60_000, nil)
		if i != 6 {
			w.ack(0, got...)
		}
		w.tick(1)
	}
	require.NoError(t, w.offsets.Persist())
	at, ok := w.offsets.Query(protocol.ReviveGroup, reviveTopic, q)
	require.True(t, ok)
	require.EqualValues(t, 11, at, "before the check point of the seventh")
	w.cutPower()
	require.EqualValues(t, 1, w.s.Leases())
	w.stop()
}
