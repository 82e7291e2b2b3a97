package pop

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/broker/offsets"
	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	reviveTopic = "rmq_sys_REVIVE_LOG_c"
	group       = "g"
	queues      = 2
)

var host = netip.MustParseAddrPort("127.0.0.1:10911")

// world is a store, its offsets and a service over them, on a disk that can lose
// its power. The clock stands still but for tick.
type world struct {
	t     testing.TB
	r     *rand.Rand
	fs    *vfs.Mem
	clock atomic.Int64 // ms

	store   *store.Store
	offsets *offsets.Table
	s       *Service
	topics  map[string]bool
	woken   []string
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 7)), fs: vfs.NewMem(), topics: map[string]bool{"T": true}}
	w.clock.Store(1_700_000_000_000)
	w.open()
	return w
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Load()) }

func (w *world) open() {
	log := slog.New(slog.DiscardHandler)
	cfg := store.DefaultConfig("/store")
	cfg.FS, cfg.Now, cfg.Logger, cfg.Flush = w.fs, w.now, log, store.FlushSync
	cfg.CommitLogFileSize, cfg.Index, cfg.MaxMessageSize, cfg.StoreHost = 64<<10, false, 16<<10, host
	var err error
	w.store, err = store.Open(context.Background(), cfg)
	require.NoError(w.t, err)
	w.s = nil
	w.offsets, err = offsets.Open(offsets.Config{
		FS: w.fs, Path: "/store/config/consumerOffset.json", Log: log, Now: w.now, Follow: w.store.FlushLog,
		Before: func() {
			if w.s != nil {
				w.s.Persisting()
			}
		},
	})
	require.NoError(w.t, err)
	if !w.store.Recovery().Clean {
		w.offsets.Clamp(w.store.MaxOffset)
	}
	w.s, err = Open(Config{
		Store: w.store, Offsets: w.offsets, Topic: reviveTopic, Queues: 2, Broker: "b", Host: host,
		Redeliver: w.redeliver, Redelivered: func(Target, int64) {},
		Wake: func(topic, group string, queue int32) {
			w.woken = append(w.woken, fmt.Sprint(topic, "/", group, "/", queue))
		},
		Exists:    func(topic, _ string) bool { return w.topics[topic] },
		MaxLeases: func() int { return 1 << 20 }, FS: w.fs, Path: "/store/config/consumerOrderInfo.json", Now: w.now, Log: log,
	})
	require.NoError(w.t, err)
	w.store.SetArrival(func(a store.Arrival) {
		if a.Topic == reviveTopic {
			w.s.Arrived(a)
		}
	})
	w.store.SetGroupDone(w.s.GroupDone)
}

func (w *world) redeliver(topic, group string, _ int32) (t Target, gone bool, err error) {
	if !w.topics[NormalTopic(topic, group)] {
		return t, true, nil
	}
	if Mark(topic) == '0' {
		topic = protocol.PopRetryTopic(topic, group)
	}
	if !w.topics[topic] {
		w.topics[topic] = true
		if _, ok := w.offsets.Query(group, topic, 0); !ok {
			require.NoError(w.t, w.offsets.Commit(group, topic, 0, 0))
		}
	}
	return Target{Topic: topic}, false, nil
}

// stop closes everything in order.
func (w *world) stop() {
	require.NoError(w.t, w.store.FlushLog())
	require.NoError(w.t, w.offsets.Close())
	require.NoError(w.t, w.store.Close(context.Background()))
}

// cutPower goes on with what the disk has.
func (w *world) cutPower() {
	after := w.fs.Crash(w.r)
	w.stop() // nobody sees what this writes
	w.fs = after
	w.open()
}

func (w *world) send(topic string, queue int32, body string) {
	r := w.store.Put(context.Background(), &message.Message{Topic: topic, QueueID: queue, Body: []byte(body), BornHost: host})
	require.Equal(w.t, store.PutOK, r.Status)
}

// held is a message with its receipt.
type held struct {
	message.Message
	topic   string // that it lies in
	receipt Receipt
	until   int64
}

// pop pops one queue, as the broker does.
func (w *world) pop(topic string, queue int32, most int, invisible int64, filter store.Filter) []held {
	c := w.s.Cursor(topic, group, queue)
	require.True(w.t, c.Lock())
	defer c.Unlock()
	start, end, ok := c.Begin()
	if !ok {
		c.Jump(w.store.MinOffset(topic, queue))
		start, end, _ = c.Begin()
	}
	if end >= 0 {
		most = min(most, int(end-start))
	}
	r, body := w.store.Get(store.GetRequest{Topic: topic, QueueID: queue, Offset: start, MaxMsgs: most, Filter: filter}, nil)
	switch r.Status {
	case store.Found:
	case store.NoMatchedMessage:
		c.Skip(start, r.NextOffset)
		return nil
	case store.OffsetTooSmall, store.OffsetOverflowBadly:
		c.Jump(r.NextOffset)
		return nil
	default:
		return nil
	}
	var got []held
	var list []int64
	now := w.clock.Load()
	for len(body) > 0 {
		size, _, _ := message.Size(body)
		m, err := message.Parse(slices.Clone(body[:size]))
		require.NoError(w.t, err)
		body = body[size:]
		list = append(list, m.QueueOffset)
		got = append(got, held{m, topic, Receipt{
			Start: start, PopTime: now, Invisible: invisible, Revive: w.s.ReviveQueue(NormalTopic(topic, group), group), Mark: Mark(topic), Broker: "b", Queue: queue, Offset: m.QueueOffset,
		}, now + invisible})
	}
	var l Loan
	l.Reset(now, invisible)
	require.True(w.t, l.Add(c, start, r.NextOffset, list))
	done := make(chan error, 1)
	l.Done = func(_ *Loan, err error) { done <- err }
	if err := w.s.Lend(&l); err != nil {
		require.ErrorIs(w.t, err, errTaken)
		return nil
	}
	w.store.Commit()
	if err := <-done; err != nil {
		return nil
	}
	return got
}

// ack acknowledges, or renews, and tells how many messages it was good for.
func (w *world) ack(renew int64, h ...held) (int, Receipt) {
	a := &Ack{Topic: h[0].topic, Group: group, Queue: h[0].QueueID, Receipt: h[0].receipt, Renew: renew}
	for _, x := range h {
		a.Offsets = append(a.Offsets, x.QueueOffset)
	}
	done := make(chan error, 1)
	a.Done = func(_ *Ack, err error) { done <- err }
	found, err := w.s.Ack(a)
	require.NoError(w.t, err)
	if found == 0 {
		return 0, Receipt{}
	}
	w.store.Commit()
	if <-done != nil {
		return 0, Receipt{}
	}
	r := h[0].receipt
	if renew > 0 {
		r.Start, r.PopTime, r.Invisible = h[0].QueueOffset, a.PopTime, renew
	}
	return found, r
}

func (w *world) tick(ms int64) { w.clock.Add(ms) }

func (w *world) round() { w.s.round(context.Background()) }

// deleteTopic deletes T and its retry topic, and makes T anew.
func (w *world) deleteTopic() {
	for _, name := range []string{"T", protocol.PopRetryTopic("T", group)} {
		delete(w.topics, name)
		require.NoError(w.t, w.store.DeleteTopic(name))
		w.offsets.RemoveTopic(name)
		w.s.Drop(func(topic, _ string) bool { return topic == name })
	}
	require.NoError(w.t, w.offsets.Persist())
	w.send("U", 0, "-") // a start looks at the last record of the log again, whatever became of its topic
	w.topics["T"] = true
}

// fate is what the model knows of a message.
type fate struct {
	acked bool
	loose bool // it may come again although it is acknowledged: the offset was reset
}

// TestModel plays pops, acknowledgements of one and of several, changes of the
// invisible time with old and new receipts, time, redelivery, power cuts, restarts,
// resets of the offset and deletions of the topic at random. What is acknowledged
// never comes again; what is not comes in the end.
func TestModel(t *testing.T) {
	first, n := uint64(1), uint64(40)
	if v := os.Getenv("AEROBEE_POP_SEED"); v != "" {
		first, _ = strconv.ParseUint(v, 10, 64)
		n = 1
	}
	if v := os.Getenv("AEROBEE_POP_RUNS"); v != "" {
		n, _ = strconv.ParseUint(v, 10, 64)
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			(&model{world: newWorld(t, seed), fates: map[string]*fate{}, seed: seed}).play(150)
		})
	}
}

type model struct {
	*world
	seed  uint64
	fates map[string]*fate // by body; of the present topic
	held  []held
	next  int
	story []string
}

func (m *model) tell(format string, args ...any) {
	m.story = append(m.story, fmt.Sprintf(format, args...))
}

func (m *model) fail(format string, args ...any) {
	m.t.Fatalf("AEROBEE_POP_SEED=%d: %s\n%s", m.seed, fmt.Sprintf(format, args...), strings.Join(m.story, "\n"))
}

func (m *model) play(steps int) {
	for range steps {
		m.step()
	}
	m.drain()
	m.stop()
}

func (m *model) step() {
	switch x := m.r.IntN(100); {
	case x < 20:
		for range 1 + m.r.IntN(8) {
			body := fmt.Sprintf("%d", m.next)
			m.next++
			m.send("T", int32(m.r.IntN(queues)), body)
			m.fates[body] = &fate{}
		}
	case x < 45:
		m.popSome(1+m.r.IntN(10), []int64{500, 2000, 10000}[m.r.IntN(3)])
	case x < 65:
		m.ackSome()
	case x < 72:
		m.renewOne()
	case x < 80:
		m.tick(m.r.Int64N(3000))
	case x < 88:
		m.tell("round")
		m.round()
	case x < 91:
		m.tell("persist")
		require.NoError(m.t, m.offsets.Persist())
	case x < 94:
		m.tell("power cut")
		m.cutPower()
	case x < 96:
		m.tell("restart")
		m.stop()
		m.open()
	case x < 98:
		m.reset()
	case x < 99:
		m.tell("topic deleted")
		m.deleteTopic()
		m.fates, m.held = map[string]*fate{}, nil // receipts of the former topic are tried no more: see TestFormerTopic
	}
}

func (m *model) popSome(most int, invisible int64) bool {
	topic, queue := "T", int32(m.r.IntN(queues))
	if m.r.IntN(3) == 0 {
		topic, queue = protocol.PopRetryTopic("T", group), 0
		if !m.topics[topic] {
			return false
		}
	}
	return m.popOf(topic, queue, most, invisible)
}

func (m *model) popOf(topic string, queue int32, most int, invisible int64) bool {
	m.tick(1)
	got := m.pop(topic, queue, most, invisible, nil)
	for _, h := range got {
		body := string(h.Body)
		m.tell("popped %s of %s/%d at %d", body, topic, queue, h.QueueOffset)
		f := m.fates[body]
		if f == nil {
			m.fail("message %s was never sent to this topic", body)
		}
		if f.acked && !f.loose {
			m.fail("message %s came again after its acknowledgement", body)
		}
	}
	m.held = append(m.held, got...)
	return len(got) > 0
}

// pick takes a held message, and others under the same receipt.
func (m *model) pick(most int) []held {
	if len(m.held) == 0 {
		return nil
	}
	h := m.held[m.r.IntN(len(m.held))]
	var all []held
	for i := 0; i < len(m.held) && len(all) < most; i++ {
		if m.held[i].receipt.Start == h.receipt.Start && m.held[i].receipt.PopTime == h.receipt.PopTime && m.held[i].topic == h.topic && m.held[i].QueueID == h.QueueID {
			all = append(all, m.held[i])
		}
	}
	return all
}

func (m *model) ackSome() {
	some := m.pick(1 + m.r.IntN(5))
	for _, h := range some { // one at a time tells which are good
		found, _ := m.ack(0, h)
		m.tell("ack of %s at %d of %s: %d", h.Body, h.QueueOffset, h.topic, found)
		if found > 0 {
			m.fates[string(h.Body)].acked = true
		} else if m.clock.Load() < h.until && !m.fates[string(h.Body)].loose && !m.fates[string(h.Body)].acked && !m.renewed(h) {
			m.fail("receipt for %s is not good before its time is over", h.Body)
		}
	}
}

// renewed tells whether the invisible time of a message was changed: it may be over
// before that of the receipt.
func (m *model) renewed(h held) bool {
	for _, x := range m.held {
		if x.topic == h.topic && x.QueueID == h.QueueID && x.QueueOffset == h.QueueOffset && x.receipt != h.receipt {
			return true
		}
	}
	return false
}

func (m *model) renewOne() {
	some := m.pick(1)
	if len(some) == 0 {
		return
	}
	h, forMs := some[0], 1+m.r.Int64N(5000)
	found, receipt := m.ack(forMs, h)
	m.tell("renewal of %s at %d of %s: %d", h.Body, h.QueueOffset, h.topic, found)
	if found > 0 {
		h.receipt, h.until = receipt, m.clock.Load()+forMs
		m.held = append(m.held, h) // the old receipt is tried as well
	}
}

func (m *model) reset() {
	queue := int32(m.r.IntN(queues))
	to := m.r.Int64N(m.store.MaxOffset("T", queue) + 1)
	m.tell("reset of queue %d to %d", queue, to)
	at, known := m.offsets.Query(group, "T", queue)
	if !known {
		return
	}
	require.NoError(m.t, m.offsets.Reset(group, "T", queue, to))
	require.NoError(m.t, m.offsets.Persist()) // an administrator who is answered has that much
	m.pop("T", queue, 1, 1, nil)              // takes the reset
	for body, f := range m.fates {
		f.loose = true
		if to > at { // skipped
			_ = body
			f.acked = true
		}
	}
}

// drain lets all leases end and pops what is left.
func (m *model) drain() {
	m.tell("drain")
	for quiet := 0; quiet < 3; {
		m.tick(20_000)
		m.round()
		found := false
		for q := range int32(queues) {
			found = m.popOf("T", q, 32, 60_000) || found
		}
		if topic := protocol.PopRetryTopic("T", group); m.topics[topic] {
			found = m.popOf(topic, 0, 32, 60_000) || found
		}
		for _, h := range m.held {
			if f := m.fates[string(h.Body)]; f != nil {
				if n, _ := m.ack(0, h); n > 0 {
					f.acked = true
				}
			}
		}
		m.held = nil
		if quiet++; found {
			quiet = 0
		}
	}
	if n := m.s.Leases(); n != 0 {
		m.fail("%d leases are left", n)
	}
	for body, f := range m.fates {
		if !f.acked {
			m.fail("message %s never came again", body)
		}
	}
	for _, p := range m.s.pairs.m {
		require.Zero(m.t, p.inflight.Load())
	}
}
