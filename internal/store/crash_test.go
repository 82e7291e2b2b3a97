package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// crashRuns is how many seeds TestPowerCuts tries; AEROBEE_CRASH_RUNS sets more
// and AEROBEE_CRASH_SEED one to begin with.
func crashRuns(t *testing.T) (first, n uint64) {
	first, n = 1, 150
	for name, p := range map[string]*uint64{"AEROBEE_CRASH_SEED": &first, "AEROBEE_CRASH_RUNS": &n} {
		if v := os.Getenv(name); v != "" {
			u, err := strconv.ParseUint(v, 10, 64)
			require.NoError(t, err)
			*p = u
		}
	}
	return first, n
}

// model is what must be true of a store with power cuts and failing calls: per
// queue the bodies by offset that were acknowledged as durable, and those that
// may be there besides.
type model struct {
	t       *testing.T
	r       *rand.Rand
	cfg     Config
	mem     *vfs.Mem
	s       *Store
	queues  [3][]acked
	serial  int
	failing error  // what chosen calls fail with
	failOps vfs.Op // which
}

type acked struct {
	body    string
	durable bool
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 42)), mem: vfs.NewMem()}
	m.cfg = small(nil)
	m.cfg.AppendCRC = m.r.IntN(2) == 0
	m.cfg.Flush = FlushMode(m.r.IntN(2))
	m.mount()
	return m
}

func (m *model) mount() {
	m.failing = nil
	m.cfg.FS = vfs.WithFaults(m.mem, func(op vfs.Op, _ string, n int) (int, error) {
		if m.failing == nil || op != m.failOps {
			return 0, nil
		}
		return m.r.IntN(n + 1), m.failing
	})
	s, err := Open(context.Background(), m.cfg)
	require.NoError(m.t, err)
	m.s = s
}

func (m *model) put() {
	q := m.r.IntN(len(m.queues))
	n := 1 + m.r.IntN(3)
	p := m.s.AcquirePut()
	p.Topic, p.QueueID = "T", int32(q)
	var sent []string
	for range n {
		m.serial++
		body := strings.Repeat("b", m.r.IntN(600)) + strconv.Itoa(m.serial)
		require.NoError(m.t, p.Add(msg("T", int32(q), body, "KEYS", "k"+strconv.Itoa(m.serial))))
		sent = append(sent, body)
	}
	var result PutResult
	p.Done = func(p *Put) { result = p.Result }
	m.s.Enqueue(p)
	m.s.Commit()     // nobody else leads: done when it returns
	m.s.index.Last() // and so is the index's goroutine: one thing at a time, the seed decides all
	if result.Status != PutOK {
		return
	}
	require.EqualValues(m.t, len(m.queues[q]), result.QueueOffset, "queue offsets are dense")
	for _, body := range sent {
		m.queues[q] = append(m.queues[q], acked{body, m.cfg.Flush == FlushSync})
	}
}

func (m *model) allDurable() {
	for q := range m.queues {
		for i := range m.queues[q] {
			m.queues[q][i].durable = true
		}
	}
}

// check compares what can be read with the model. After a crash, records that
// were not durable may be missing, from some point on in each queue, and ones
// that were written but never acknowledged may be there.
func (m *model) check(crashed bool) {
	for q := range m.queues {
		var got []string
		if m.s.MaxOffset("T", int32(q)) > 0 {
			got = bodiesWith(m.t, m.s, int32(q), message.Options{CRC: m.cfg.AppendCRC})
		}
		want := m.queues[q]
		for i, a := range want {
			if i >= len(got) {
				require.False(m.t, a.durable, "queue %d lost offset %d of %d", q, i, len(want))
				require.True(m.t, crashed, "queue %d lost offset %d of %d without a crash", q, i, len(want))
				continue
			}
			require.Equal(m.t, a.body, got[i], "queue %d offset %d", q, i)
		}
		require.True(m.t, crashed || len(got) == len(want), "queue %d has %d messages, acknowledged were %d", q, len(got), len(want))
		m.queues[q] = nil
		for _, body := range got {
			m.queues[q] = append(m.queues[q], acked{body, crashed}) // recovery syncs what it finds
		}
	}
	m.checkIndex()
}

func (m *model) checkIndex() {
	if m.s.index.Off() { // after an injected failure; the next start completes it
		return
	}
	for q := range m.queues {
		for off, a := range m.queues[q] {
			if m.r.IntN(10) > 0 {
				continue
			}
			serial := strings.TrimLeft(a.body, "b")
			found := false
			for _, phy := range m.s.QueryIndex("T", "k"+serial, 64, 0, 1<<60) {
				rec, err := m.s.Record(phy, nil)
				require.NoError(m.t, err)
				rm, err := message.Parse(rec)
				require.NoError(m.t, err)
				found = found || rm.QueueOffset == int64(off) && int(rm.QueueID) == q
			}
			require.True(m.t, found, "queue %d offset %d is not in the index", q, off)
		}
	}
}

func (m *model) step() {
	switch n := m.r.IntN(100); {
	case n < 70:
		m.put()
	case n < 78:
		if m.s.FlushLog() == nil && m.s.Writable() == nil {
			m.allDurable()
		}
	case n < 84:
		_ = m.s.queues.Flush(context.Background(), m.s.Flushed()) // an error is tried again by the next flush
	case n < 88:
		if err := m.s.Checkpoint(); err == nil && m.s.Writable() == nil {
			m.allDurable()
		} else if err != nil {
			m.s.fence(err)
		}
	case n < 91:
		m.failing, m.failOps = syscall.ENOSPC, vfs.OpWrite
	case n < 94:
		m.failing, m.failOps = errors.New("input/output error"), []vfs.Op{vfs.OpWrite, vfs.OpSync, vfs.OpCreate, vfs.OpTruncate}[m.r.IntN(4)]
	case n < 97:
		m.failing = nil
	case n < 98: // clean restart
		m.failing = nil
		fenced := m.s.Writable() != nil
		err := m.s.Close(context.Background())
		require.True(m.t, fenced || err == nil, "%v", err)
		m.mount()
		m.check(fenced)
	default: // power cut
		old := m.s
		m.mem = m.mem.Crash(m.r)
		m.mount()
		kill(m.t, old)
		m.check(true)
		m.allDurable()
	}
}

// TestPowerCuts runs random operations with failing calls, power cuts and
// restarts against the model.
func TestPowerCuts(t *testing.T) {
	first, n := crashRuns(t)
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			m := newModel(t, seed)
			for range 250 {
				m.step()
			}
			m.failing = nil
			fenced := m.s.Writable() != nil
			if !fenced {
				m.check(false)
			}
			kill(t, m.s)
		})
	}
}

// TestFailedSyncFences says why nothing is acknowledged any more.
func TestFailedSyncFences(t *testing.T) {
	mem := vfs.NewMem()
	fail := false
	c := small(vfs.WithFaults(mem, func(op vfs.Op, _ string, _ int) (int, error) {
		if fail && op == vfs.OpSync {
			return 0, errors.New("input/output error")
		}
		return 0, nil
	}))
	c.Flush = FlushSync
	s := open(t, c)
	put(t, s, msg("T", 0, "good"))
	fail = true
	r := s.Put(context.Background(), msg("T", 0, "bad"))
	require.Equal(t, PutServiceNotAvailable, r.Status)
	require.ErrorContains(t, r.Err, "input/output error")
	fail = false
	r = s.Put(context.Background(), msg("T", 0, "after"))
	require.ErrorContains(t, r.Err, "fenced", "a later sync that succeeds proves nothing")
	require.Equal(t, []string{"good"}, bodies(t, s, "T", 0), "reads go on")
	kill(t, s)
}

// TestFullDiskRecovers refuses while there is no room and goes on afterwards.
func TestFullDiskRecovers(t *testing.T) {
	mem := vfs.NewMem()
	full := false
	c := small(vfs.WithFaults(mem, func(op vfs.Op, _ string, n int) (int, error) {
		if full && op == vfs.OpWrite {
			return n / 2, syscall.ENOSPC
		}
		return 0, nil
	}))
	s := open(t, c)
	put(t, s, msg("T", 0, "one"))
	full = true
	r := s.Put(context.Background(), msg("T", 0, "lost"))
	require.Equal(t, PutServiceNotAvailable, r.Status)
	require.ErrorContains(t, r.Err, "no space left")
	require.EqualError(t, s.Writable(), r.Err.Error())
	require.Error(t, s.Checkpoint(), "the unit of the first message has no room either")
	require.Error(t, s.Writable())
	full = false
	require.NoError(t, s.Checkpoint())
	require.EqualValues(t, 1, put(t, s, msg("T", 0, "two")).QueueOffset)
	require.Equal(t, []string{"one", "two"}, bodies(t, s, "T", 0))
	closeStore(t, s)
}

func bodiesWith(t testing.TB, s *Store, queue int32, o message.Options) []string {
	t.Helper()
	var got []string
	for off := s.MinOffset("T", queue); off < s.MaxOffset("T", queue); {
		r, data := s.Get(GetRequest{Topic: "T", QueueID: queue, Offset: off, MaxMsgs: 32}, nil)
		require.Equal(t, Found, r.Status, "queue %d offset %d max %d", queue, off, r.MaxOffset)
		for len(data) > 0 {
			m, err := message.Verify(data, o)
			require.NoError(t, err)
			require.Equal(t, off, m.QueueOffset)
			got = append(got, string(m.Body))
			n, _, _ := message.Size(data)
			data = data[n:]
			off++
		}
	}
	return got
}
