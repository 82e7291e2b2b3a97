package transaction

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

// bench is a service over a log in memory, driven by hand.
type bench struct {
	*Service
	t       *testing.T
	fs      vfs.FS
	now     time.Time
	set     Settings
	log     [][]byte // a record's position is its index
	queues  map[string][]store.Unit
	offsets map[string]int64
	flushed int64
	full    bool // the store takes nothing
	live    bool // there is a producer
	asked   []Check
	puts    int
}

var host = netip.MustParseAddrPort("127.0.0.1:10911")

func newBench(t *testing.T) *bench {
	b := &bench{
		t: t, fs: vfs.NewMem(), now: time.UnixMilli(1_700_000_000_000), queues: map[string][]store.Unit{}, offsets: map[string]int64{}, live: true,
		set: Settings{
			Timeout: 6 * time.Second, CheckMax: 3, CheckInterval: 30 * time.Second, OpMaxSize: 4096, OpInterval: 3 * time.Second,
			MetricFlush: 10 * time.Second, Reserve: 72 * time.Hour,
		},
	}
	b.open()
	return b
}

// open starts the service anew, as after a crash.
func (b *bench) open() {
	s, err := Open(Config{
		Store: b, Offsets: b, Settings: func() Settings { return b.set }, FS: b.fs, Path: "config/transactionMetrics",
		Put: b.put, Host: func() message.Message { return message.Message{BornHost: host, StoreHost: host} },
		Ask: func(c Check) bool {
			if b.live {
				c.Header.TransactionID = strings.Clone(c.Header.TransactionID)
				b.asked = append(b.asked, c)
			}
			return b.live
		},
		Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler), Block: "broker-a",
	})
	require.NoError(b.t, err)
	b.Service = s
}

func (b *bench) MinOffset(string, int32) int64         { return 0 }
func (b *bench) MaxOffset(topic string, _ int32) int64 { return int64(len(b.queues[topic])) }
func (b *bench) LogMax() int64                         { return int64(len(b.log)) }
func (b *bench) Flushed() int64                        { return b.flushed }
func (b *bench) Query(_, topic string, _ int32) (int64, bool) {
	o, ok := b.offsets[topic]
	return o, ok
}

func (b *bench) Commit(_, topic string, _ int32, o int64) error {
	b.offsets[topic] = o
	return nil
}

func (b *bench) Units(topic string, _ int32, from int64, n int) []store.Unit {
	q := b.queues[topic]
	if from < 0 || from >= int64(len(q)) {
		return nil
	}
	return q[from:min(from+int64(n), int64(len(q)))]
}

func (b *bench) Record(phy int64, dst []byte) ([]byte, error) {
	if phy < 0 || phy >= int64(len(b.log)) {
		return dst, store.ErrNotFound
	}
	return append(dst, b.log[phy]...), nil
}

func (b *bench) put(messages []message.Message, results []store.PutResult) {
	for i := range messages {
		if b.full {
			results[i] = store.PutResult{Status: store.PutServiceNotAvailable, Err: errors.New("full")}
			continue
		}
		b.puts++
		at, phy := b.append(&messages[i])
		results[i] = store.PutResult{QueueOffset: at, PhysicalOffset: phy}
	}
}

func (b *bench) append(m *message.Message) (at, phy int64) {
	rec, err := message.AppendRecord(nil, m, message.Options{})
	require.NoError(b.t, err)
	at, phy = int64(len(b.queues[m.Topic])), int64(len(b.log))
	message.Finish(rec, at, phy, b.now.UnixMilli(), message.Options{})
	b.log = append(b.log, rec)
	b.queues[m.Topic] = append(b.queues[m.Topic], store.Unit{Phy: phy, Size: int32(len(rec))})
	if m.Topic == protocol.HalfTopic && b.Service != nil {
		b.Arrived(at)
	}
	return at, phy
}

// half stores a half message and returns its position.
func (b *bench) half(id string, props ...string) int64 {
	var p []byte
	p = message.AppendProperty(p, message.PropUniqKey, id)
	p = message.AppendProperty(p, message.PropProducerGroup, "pg")
	for i := 0; i < len(props); i += 2 {
		p = message.AppendProperty(p, props[i], props[i+1])
	}
	p = HalfProps(p, "t", 2, id)
	at, _ := b.append(&message.Message{
		Topic: protocol.HalfTopic, Body: []byte(id), BornTimestamp: b.now.UnixMilli(), BornHost: host, StoreHost: host, Properties: string(p),
	})
	return at
}

func (b *bench) request(offset int64, commit bool) protocol.EndTransactionRequest {
	h := protocol.EndTransactionRequest{
		ProducerGroup: "pg", TranStateTableOffset: offset, CommitLogOffset: b.queues[protocol.HalfTopic][offset].Phy,
		CommitOrRollback: protocol.TransactionRollback,
	}
	if commit {
		h.CommitOrRollback = protocol.TransactionCommit
	}
	return h
}

// finish ends a transaction as a handler does.
func (b *bench) finish(offset int64, commit bool) error {
	h := b.request(offset, commit)
	var e Ending
	if err := b.Read(&e, &h, false); err != nil {
		return err
	}
	if err := b.Begin(e.Offset); err != nil {
		return err
	}
	if commit {
		b.Service.Commit(&e)
		b.append(&e.Real)
	}
	b.Finish(e.Offset, "t", true)
	return nil
}

func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.writeOps(false)
	b.round(context.Background(), false)
}

func (b *bench) questions() (ids []string) {
	for _, c := range b.asked {
		ids = append(ids, c.Header.TransactionID)
	}
	b.asked = nil
	return ids
}

func TestCheckedUntilGivenUp(t *testing.T) {
	b := newBench(t)
	b.half("a")
	b.pass(5 * time.Second)
	require.Empty(t, b.questions(), "too young")
	for i := range 3 {
		b.pass(30 * time.Second)
		require.Len(t, b.asked, 1)
		m, err := message.Parse(b.asked[0].Body)
		require.NoError(t, err)
		n, _ := message.Property(m.Properties, message.PropTransactionChecks)
		require.Equal(t, strconv.Itoa(i+1), n)
		require.Equal(t, "t", m.Topic)
		require.EqualValues(t, 2, m.QueueID)
		require.Equal(t, []string{"a"}, b.questions())
	}
	require.Empty(t, b.queues[protocol.TransCheckMaxTopic])
	require.Len(t, b.queues[protocol.HalfTopic], 1, "waiting rewrites nothing")
	b.pass(30 * time.Second)
	require.Len(t, b.queues[protocol.TransCheckMaxTopic], 1)
	n, _ := b.Open()
	require.Zero(t, n)
	require.NoError(t, b.finish(0, true), "a late commit is stored, not lost")
	require.Len(t, b.queues["t"], 1)
	require.ErrorIs(t, b.finish(0, true), ErrAlready)
}

// Without a producer nothing is counted, and nothing is given up before the log
// drops it (rmq#8311).
func TestNobodyThere(t *testing.T) {
	b := newBench(t)
	b.half("a")
	b.live = false
	for range 100 {
		b.pass(30 * time.Second)
	}
	require.Empty(t, b.queues[protocol.TransCheckMaxTopic])
	require.Zero(t, b.puts)
	b.live = true
	b.pass(30 * time.Second)
	require.Equal(t, []string{"a"}, b.questions())
}

func TestAfterALongPauseItIsAskedBeforeItIsGivenUp(t *testing.T) {
	b := newBench(t)
	b.half("a")
	b.open()
	b.pass(100 * time.Hour)
	require.Equal(t, []string{"a"}, b.questions())
	b.pass(30 * time.Second)
	require.Len(t, b.queues[protocol.TransCheckMaxTopic], 1)
}

func TestChecksSurviveACrash(t *testing.T) {
	b := newBench(t)
	b.half("a")
	b.pass(10 * time.Second)
	b.pass(30 * time.Second)
	b.questions()
	b.open()
	b.pass(30 * time.Second)
	require.Len(t, b.questions(), 1)
	b.open()
	b.pass(30 * time.Second)
	require.Empty(t, b.questions())
	require.Len(t, b.queues[protocol.TransCheckMaxTopic], 1)
	b.writeOps(true)
	b.open()
	require.NoError(t, b.finish(0, true), "given up, so a late commit still counts after a restart")
}

func TestWhatEndedIsNotAskedAboutNorReadNorEndedTwice(t *testing.T) {
	b := newBench(t)
	for i := range 100 {
		at := b.half(strconv.Itoa(i))
		require.NoError(t, b.finish(at, i%2 == 0))
		require.ErrorIs(t, b.finish(at, true), ErrAlready)
	}
	last := b.half("open")
	b.pass(10 * time.Second)
	require.Equal(t, []string{"open"}, b.questions())
	require.Len(t, b.queues["t"], 50)
	b.open() // op messages are stored
	require.ErrorIs(t, b.finish(7, true), ErrAlready)
	require.NoError(t, b.finish(last, true))
	n, _ := b.Open()
	require.Zero(t, n)
}

// The offsets move when the log is flushed, and a restart reads from them.
func TestOffsetsFollowTheFlush(t *testing.T) {
	b := newBench(t)
	for i := range 10 {
		require.NoError(t, b.finish(b.half(strconv.Itoa(i)), true))
	}
	open := b.half("open")
	b.writeOps(true)
	b.moveOffsets()
	b.moveOffsets()
	require.Empty(t, b.offsets, "not flushed")
	b.flushed = b.LogMax()
	b.moveOffsets()
	require.Equal(t, map[string]int64{protocol.HalfTopic: open, protocol.OpHalfTopic: 1}, b.offsets)
	b.open()
	b.pass(10 * time.Second)
	require.Equal(t, []string{"open"}, b.questions())
}

// rmq#9500: a store that fails keeps nothing else from going on.
func TestStoreThatTakesNothing(t *testing.T) {
	b := newBench(t)
	b.half("a")
	b.half("b")
	b.set.CheckMax = 1
	b.full = true
	b.pass(10 * time.Second)
	require.Equal(t, []string{"a", "b"}, b.questions())
	b.pass(30 * time.Second)
	n, _ := b.Open()
	require.EqualValues(t, 2, n, "not given up")
	b.full = false
	b.pass(30 * time.Second)
	require.Len(t, b.queues[protocol.TransCheckMaxTopic], 2)
}

func TestImmunity(t *testing.T) {
	b := newBench(t)
	slow := b.half("slow", message.PropTransactionImmunity, "60")
	b.half("fast")
	b.pass(10 * time.Second)
	require.Equal(t, []string{"fast"}, b.questions(), "one that waits longer holds up nobody")
	b.pass(55 * time.Second)
	require.Equal(t, []string{"slow", "fast"}, b.questions())
	err := b.finish(slow, true)
	var e *protocol.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, protocol.RespIllegalOperation, e.Code)
	h := b.request(slow, true)
	h.FromTransactionCheck = true
	require.NoError(t, b.Read(new(Ending), &h, false))
}

func TestBrokenHalfMessagesHoldUpNobody(t *testing.T) {
	b := newBench(t)
	b.append(&message.Message{Topic: protocol.HalfTopic, Body: []byte("x"), BornHost: host, StoreHost: host, BornTimestamp: b.now.UnixMilli()})
	b.half("good")
	b.pass(10 * time.Second)
	require.Equal(t, []string{"good"}, b.questions())
	list, next, err := b.List(0, 10, "", "")
	require.NoError(t, err)
	require.EqualValues(t, -1, next)
	require.Len(t, list, 1)
	require.Equal(t, "good", list[0].TransactionID)
	require.EqualValues(t, 1, list[0].Checks)
}

// One open transaction before very many done ones is stored again, once, and the
// half offset moves.
func TestOldOneIsCarried(t *testing.T) {
	b := newBench(t)
	old := b.half("old")
	for range carrySpan {
		b.queues[protocol.HalfTopic] = append(b.queues[protocol.HalfTopic], store.Unit{})
	}
	table := b.lock()
	table.extend(carrySpan + 1)
	for i := int64(1); i <= carrySpan; i++ {
		table.set(i, answered)
	}
	b.mu.Unlock()
	b.end.Store(carrySpan + 1)
	b.pass(10 * time.Second)
	require.Equal(t, []string{"old"}, b.questions())
	n, _ := b.Open()
	require.EqualValues(t, 1, n)
	require.EqualValues(t, carrySpan+1, b.lock().first)
	b.mu.Unlock()
	b.pass(30 * time.Second)
	require.Equal(t, []string{"old"}, b.questions())
	require.EqualValues(t, 1, b.stats.Carried.Load())
	require.NoError(t, b.finish(old, true), "its producer knows only the first record")
	n, _ = b.Open()
	require.Zero(t, n)
	require.Len(t, b.queues["t"], 1)
}

func TestResumed(t *testing.T) {
	b := newBench(t)
	b.half("a")
	rec, err := b.Record(0, nil)
	require.NoError(t, err)
	m, err := Resumed(rec)
	require.NoError(t, err)
	n, _ := message.Property(m.Properties, message.PropTransactionChecks)
	require.Equal(t, "0", n)
	_, err = Resumed([]byte("nonsense"))
	require.Error(t, err)
}

func TestCountsFile(t *testing.T) {
	b := newBench(t)
	b.Stored("t")
	b.Stored("t")
	require.NoError(t, b.finish(b.half("a"), true))
	b.saveCounts()
	b.open()
	require.EqualValues(t, 1, b.Counts()["t"].Count)
	b.Forget("t")
	require.Empty(t, b.Counts())
}

func FuzzParse(f *testing.F) {
	f.Add("REAL_TOPIC\x01t\x02REAL_QID\x010\x02TRANSACTION_CHECK_TIMES\x01-5\x02CHECK_IMMUNITY_TIME_IN_SECONDS\x0199999999999\x02")
	f.Fuzz(func(t *testing.T, props string) {
		rec, err := message.AppendRecord(nil, &message.Message{Topic: protocol.HalfTopic, BornHost: host, StoreHost: host, Properties: props}, message.Options{})
		if err != nil {
			return
		}
		r, err := parse(rec)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, r.checks, int32(0))
		require.GreaterOrEqual(t, r.immunity, time.Duration(0))
		_, _ = r.question(1)
		_, _ = r.real(nil, 1)
	})
}
