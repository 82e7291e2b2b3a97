package timer

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record is a message of the fake commit log.
type record struct {
	phy  int64
	data []byte
	msg  message.Message
}

// world is a clock, a commit log with the timer's queue, and a disk.
type world struct {
	*Service
	t   require.TestingT
	cfg Config

	mu      sync.Mutex
	clock   time.Time
	mem     *vfs.Mem
	fault   vfs.Fault
	records []record
	byPhy   map[int64]int
	units   []store.Unit
	min     int64
	end     int64
	flushed int64
	async   bool // what is delivered is not flushed at once
	refuse  func(m *message.Message) Outcome
	late    []time.Duration
}

var host = netip.MustParseAddrPort("127.0.0.1:10911")

func newWorld(t require.TestingT) *world {
	w := &world{t: t, clock: time.UnixMilli(1_800_000_000_000), mem: vfs.NewMem(), byPhy: map[int64]int{}}
	w.cfg = Config{
		Store: w, Dir: "store", Precision: time.Second, RollWindow: 20, LogFileSize: 20*entrySize + 30,
		Settings: func() Settings { return Settings{FlushInterval: time.Second} },
		Deliver:  w.deliverAll, Now: w.now, Log: slog.New(slog.DiscardHandler),
		Late: func(_ string, by time.Duration) { w.late = append(w.late, by) },
	}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) ms() int64 { return w.now().UnixMilli() }

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// open starts a service on what is on the disk.
func (w *world) open() {
	w.cfg.FS = vfs.FS(w.mem)
	if w.fault != nil {
		w.cfg.FS = vfs.WithFaults(w.mem, w.fault)
	}
	s, err := Open(w.cfg)
	require.NoError(w.t, err)
	w.Service = s
}

// append stores a message.
func (w *world) append(m message.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.BornHost, m.StoreHost = host, host
	rec, err := message.AppendRecord(nil, &m, message.Options{})
	if err != nil {
		panic(err)
	}
	message.Finish(rec, int64(len(w.units)), w.end, w.clock.UnixMilli(), message.Options{})
	m, err = message.Parse(rec)
	if err != nil {
		panic(err)
	}
	w.byPhy[w.end] = len(w.records)
	w.records = append(w.records, record{w.end, rec, m})
	if m.Topic == Topic {
		w.units = append(w.units, store.Unit{Phy: w.end, Size: int32(len(rec))})
	}
	w.end += int64(len(rec))
	if !w.async {
		w.flushed = w.end
	}
}

// send stores a message to be delivered at a time.
func (w *world) send(id string, deliver int64, more ...string) (out int64) {
	out = Out(deliver, w.cfg.Precision.Milliseconds())
	props := message.AppendProperty(nil, message.PropUniqKey, id)
	for i := 0; i < len(more); i += 2 {
		props = message.AppendProperty(props, more[i], more[i+1])
	}
	props = message.AppendProperty(props, message.PropTimerOutMs, strconv.FormatInt(out, 10))
	props = message.AppendProperty(props, message.PropRealTopic, "T")
	props = message.AppendProperty(props, message.PropRealQueueID, "3")
	w.append(message.Message{Topic: Topic, Body: []byte("b"), Properties: string(props)})
	return out
}

func (w *world) recall(id string, deliver int64) {
	w.send(id, deliver, message.PropTimerDelUniqKey, id)
}

func (w *world) deliverAll(_ context.Context, copies []message.Message, outcomes []Outcome) {
	for i := range copies {
		outcomes[i] = Stored
		if w.refuse != nil {
			outcomes[i] = w.refuse(&copies[i])
		}
		if outcomes[i] == Stored {
			w.append(copies[i])
		}
	}
}

// settled runs the service until it has nothing to do now.
func (w *world) settled() {
	for i := 0; ; i++ {
		if wait := w.turn(context.Background()); wait > 0 && w.retryAt.Before(w.now()) {
			return
		} else if wait > 0 {
			w.advance(wait)
		}
		require.Less(w.t, i, 100_000, "never done")
	}
}

// pass lets time go by in steps.
func (w *world) pass(d, step time.Duration) {
	for end := w.now().Add(d); w.now().Before(end); {
		w.advance(step)
		w.settled()
	}
}

// delivered lists the ids in the order of delivery, with their times.
func (w *world) delivered() (ids []string, at map[string]int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at = map[string]int64{}
	for _, r := range w.records {
		if r.msg.Topic != Topic {
			id, _ := message.Property(r.msg.Properties, message.PropUniqKey)
			ids = append(ids, id)
			at[id] = r.msg.StoreTimestamp
		}
	}
	return ids, at
}

// crash is a power cut: of what was not synced anything may be gone.
func (w *world) crash(r *rand.Rand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.records)
	for n > 0 && w.records[n-1].phy >= w.flushed && r.IntN(4) > 0 {
		n--
	}
	if n < len(w.records) {
		w.end = w.records[n].phy
		for _, rec := range w.records[n:] {
			delete(w.byPhy, rec.phy)
		}
		w.records = w.records[:n]
		for len(w.units) > 0 && w.units[len(w.units)-1].Phy >= w.end {
			w.units = w.units[:len(w.units)-1]
		}
	}
	w.flushed = w.end
	w.mem = w.mem.Crash(r)
}

func (w *world) MinOffset(string, int32) int64 { return w.min }

func (w *world) MaxOffset(string, int32) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.units))
}

func (w *world) Units(_ string, _ int32, from int64, n int) []store.Unit {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from < w.min || from >= int64(len(w.units)) {
		return nil
	}
	return w.units[from:min(from+int64(n), int64(len(w.units)))]
}

func (w *world) Record(phy int64, dst []byte) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := w.byPhy[phy]
	if !ok {
		return dst, store.ErrNotFound
	}
	return append(dst, w.records[i].data...), nil
}

func (w *world) LogMin() int64 { return 0 }

func (w *world) LogMax() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

func (w *world) Flushed() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushed
}

func ids(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s%d", prefix, i))
	}
	return list
}
