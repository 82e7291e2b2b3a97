package store

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/vfs"
)

// model runs a store with failing calls, power cuts and restarts, one operation at
// a time, and knows what must be true of it. Everything follows from the seed.
type model struct {
	t     *testing.T
	r     *rand.Rand
	cfg   Config
	now   time.Time
	trace hash.Hash64 // of all calls, to compare two runs of a seed
	story []string    // what was done, printed when the run fails

	disk    *device // of the running store
	s       *Store
	queues  map[queueKey]*ledger
	tried   map[string]*sent // by body: all that was ever put
	serials []*sent          // the same in order
	logMin  int64
	logTime int64 // greatest store time that was acknowledged
	group   []*Put
	loose   map[string]bool // topics of which a power cut may bring back what was deleted
	mix     mix
}

type queueKey struct {
	topic string
	id    int32
}

// ledger is what is known of a queue: the messages by offset that were acknowledged
// or found. Those below floor are gone from the log.
type ledger struct {
	at          map[int64]*sent
	floor, next int64
}

// sent is a message that was put.
type sent struct {
	key     queueKey
	body    string
	tag     string
	delay   int64 // ms
	kind    int32 // bits of the transaction type
	offset  int64 // in the queue
	phy     int64
	time    int64
	durable bool // acknowledged as on disk, or found at a start
	deleted fate // with its topic
}

// fate tells whether something happened.
type fate int

const (
	no fate = iota
	perhaps
	yes
)

func (s *sent) queued() bool { return queued(s.kind) }

// mix is how often each operation comes, of a seed.
type mix struct {
	weights []int
	total   int
}

// operations of a run. A run's weights vary around these.
var operations = [...]struct {
	name   string
	weight int
	run    func(*model)
}{
	{"put", 600, (*model).put},
	{"flushLog", 40, (*model).flushLog},
	{"flushQueues", 50, (*model).flushQueues},
	{"checkpoint", 40, (*model).checkpoint},
	{"clean", 25, (*model).clean},
	{"deleteTopic", 12, (*model).deleteTopic},
	{"arm", 25, (*model).arm},
	{"armCut", 15, (*model).armCut},
	{"disarm", 20, (*model).disarm},
	{"tick", 30, (*model).tick},
	{"look", 10, (*model).look},
	{"closeAndOpen", 10, (*model).closeAndOpen},
	{"kill", 10, (*model).kill},
	{"cutPower", 15, (*model).cutPower},
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		t: t, r: rand.New(rand.NewPCG(seed, 42)), now: time.UnixMilli(1_700_000_000_000),
		queues: make(map[queueKey]*ledger), tried: make(map[string]*sent), loose: make(map[string]bool), trace: fnv.New64a(),
	}
	c := small(nil)
	c.Now = func() time.Time { return m.now }
	c.AppendCRC, c.Index = m.r.IntN(2) == 0, m.r.IntN(4) > 0
	c.Flush = FlushMode(m.r.IntN(2))
	c.CommitLogFileSize = 4096 + 512*m.r.Int64N(20) + m.r.Int64N(2)*m.r.Int64N(512)
	c.QueueFileSize = 20 * (3 + m.r.Int64N(70))
	c.IndexSlots, c.IndexEntries = 3+m.r.Int64N(60), 10+m.r.Int64N(300)
	c.OpenFiles = 2 + m.r.IntN(20)
	c.CleanInterval = time.Hour
	c.Retention = func() Retention {
		return Retention{Age: time.Hour, MaxUsed: 0.75, Clean: 0.85, Refuse: 0.95, Forcibly: true, BatchSize: 1 + m.r.IntN(2)}
	}
	m.cfg = c
	for _, op := range operations {
		m.mix.weights = append(m.mix.weights, 1+m.r.IntN(2*op.weight))
		m.mix.total += m.mix.weights[len(m.mix.weights)-1]
	}
	t.Cleanup(m.tellEnd)
	m.mount(vfs.NewMem(), false)
	return m
}

func (m *model) step() {
	n := m.r.IntN(m.mix.total)
	for i, w := range m.mix.weights {
		if n -= w; n < 0 {
			m.tell("%s", operations[i].name)
			operations[i].run(m)
			break
		}
	}
	m.settle()
}

// settle goes on after what an operation met: without power the machine starts
// again; a fenced store refuses everything, and is killed some time.
func (m *model) settle() {
	if m.disk.off {
		m.restart(m.disk.after)
		return
	}
	if why := m.s.Writable(); why != nil && m.s.fenced.Load() != nil {
		m.quietly(func() {
			r := m.s.Put(context.Background(), msg("T0", 0, "refused"))
			require.Equal(m.t, PutServiceNotAvailable, r.Status)
			require.ErrorIs(m.t, r.Err, why, "the reason stays")
		})
		switch m.r.IntN(4) {
		case 0:
			m.cutPower()
		case 1, 2:
			m.kill()
		}
	}
}

// tell notes what is done.
func (m *model) tell(format string, args ...any) {
	m.story = append(m.story, fmt.Sprintf(format, args...))
}

// tellEnd prints the end of the story of a run that failed.
func (m *model) tellEnd() {
	if m.t.Failed() {
		m.t.Log("what happened last:\n" + strings.Join(m.story[max(0, len(m.story)-storyEnd):], "\n"))
	}
}

const storyEnd = 60

var modelTopics = []string{"T0", "T1", "T2", "T3", ScheduleTopic}

// compose makes a message that was not sent before.
func (m *model) compose(key queueKey) (*sent, *message.Message) {
	serial := strconv.Itoa(len(m.serials))
	x := &sent{key: key, body: strings.Repeat("b", m.r.IntN(600)) + serial}
	props := []string{"KEYS", "k" + serial}
	if m.r.IntN(2) == 0 {
		x.tag = "t" + strconv.Itoa(m.r.IntN(3))
		props = append(props, "TAGS", x.tag)
	}
	if key.topic == ScheduleTopic {
		level := 1 + m.r.IntN(18)
		x.delay = m.cfg.DelayLevels[level-1].Milliseconds()
		props = append(props, message.PropDelay, strconv.Itoa(level))
	}
	g := msg(key.topic, key.id, x.body, props...)
	if m.r.IntN(8) == 0 {
		x.kind = []int32{message.FlagTransactionHalf, message.FlagTransactionDone, message.FlagTransactionUndo}[m.r.IntN(3)]
		g.SysFlag |= x.kind
	}
	m.tried[x.body], m.serials = x, append(m.serials, x)
	return x, g
}

// put stores a group of batches.
func (m *model) put() {
	var puts []*Put
	done := 0
	for range 1 + m.r.IntN(3) {
		key := queueKey{modelTopics[m.r.IntN(len(modelTopics))], int32(m.r.IntN(2))}
		p := m.s.AcquirePut()
		p.Topic, p.QueueID = key.topic, key.id
		var batch []*sent
		for range 1 + m.r.IntN(3) {
			x, g := m.compose(key)
			if err := p.Add(g); err != nil {
				require.NotEmpty(m.t, batch, "%v", err) // a batch too large for a file
				break
			}
			batch = append(batch, x)
		}
		p.Owner = batch
		p.Done = func(*Put) { done++ }
		puts = append(puts, p)
	}
	for _, p := range puts {
		m.s.Enqueue(p)
	}
	m.group = puts
	m.s.Commit() // nobody else leads: done when it returns
	m.group = nil
	m.s.IndexLast() // and so is the index's goroutine: one thing at a time, the seed decides all
	require.Len(m.t, puts, done, "Done is called once")
	for _, p := range puts {
		if p.Result.Status == PutOK {
			m.acknowledged(&p.Result, p.Owner.([]*sent))
		} else {
			m.tell("  refused: %v", p.Result.Err)
			require.Error(m.t, p.Result.Err)
		}
	}
}

// acknowledged notes a batch that was stored.
func (m *model) acknowledged(r *PutResult, batch []*sent) {
	m.tell("  acknowledged %v %d at %d, %d messages, durable %v", batch[0].key, r.QueueOffset, r.PhysicalOffset, len(batch), m.cfg.Flush == FlushSync)
	require.Len(m.t, r.Offsets, len(batch))
	require.GreaterOrEqual(m.t, r.StoreTimestamp, m.logTime, "store time")
	m.logTime = r.StoreTimestamp
	l := m.ledger(batch[0].key)
	first := true
	for i, x := range batch {
		x.phy, x.time, x.durable = r.Offsets[i], r.StoreTimestamp, m.cfg.Flush == FlushSync
		if x.durable {
			require.Greater(m.t, m.s.Flushed(), x.phy, "acknowledged before it is durable")
		}
		if !x.queued() {
			continue
		}
		if first {
			require.Equal(m.t, l.next, r.QueueOffset, "%v: offsets are dense", x.key)
			first = false
		}
		x.offset = l.next
		l.at[l.next] = x
		l.next++
	}
}

func (m *model) ledger(k queueKey) *ledger {
	l := m.queues[k]
	if l == nil {
		l = &ledger{at: make(map[int64]*sent)}
		m.queues[k] = l
	}
	return l
}

func (m *model) flushLog() { m.flushed(m.s.FlushLog()) }

func (m *model) checkpoint() { m.flushed(m.s.Checkpoint()) }

// flushed notes what a flush made durable. One that failed has fenced the store.
func (m *model) flushed(err error) {
	if err != nil {
		require.Error(m.t, m.s.Writable())
	}
	for _, x := range m.tried {
		if x.time > 0 && x.phy < m.s.Flushed() {
			x.durable = true
		}
	}
}

func (m *model) flushQueues() {
	if err := m.s.queues.Flush(context.Background(), m.s.Flushed()); err != nil {
		m.s.failed(m.s.noRoom(m.cfg.path("consumequeue"), err))
	}
}

// clean deletes the oldest files, as on a disk that is nearly full.
func (m *model) clean() {
	m.disk.mem.SetUsage(vfs.Usage{Used: 90, Free: 10})
	_ = m.s.Clean(context.Background()) // is logged and tried again
	m.disk.mem.SetUsage(vfs.Usage{Used: 50, Free: 50})
	require.GreaterOrEqual(m.t, m.s.LogMin(), m.logMin)
	m.logMin = m.s.LogMin()
	m.flushed(nil)
}

// deleteTopic deletes a topic; when it is not certain that it is gone, the store
// ends there and what is found at the next start counts.
func (m *model) deleteTopic() {
	topic := modelTopics[m.r.IntN(3)]
	end := m.s.LogMax()
	err := m.s.DeleteTopic(topic)
	m.flushed(nil)
	sure := err == nil && m.s.fenced.Load() == nil && !m.disk.off && (m.s.index == nil || !m.s.index.Off())
	for id := range int32(2) {
		delete(m.queues, queueKey{topic, id})
	}
	fate := perhaps
	if sure {
		fate = yes
	}
	for _, x := range m.tried {
		if x.key.topic == topic && x.phy < end && x.deleted != yes {
			x.deleted = fate
		}
	}
	m.loose[topic] = !sure
	if topics, err := m.s.Topics(); err == nil && len(topics) == 0 {
		m.allPerhaps() // without any queue, a start builds all of them again
		sure = false
	}
	m.tell("  topic %s is gone: %v %v", topic, sure, err)
	if !sure && !m.disk.off {
		m.kill()
	}
}

func (m *model) allPerhaps() {
	for _, x := range m.tried {
		if x.deleted == yes {
			x.deleted = perhaps
			m.loose[x.key.topic] = true
		}
	}
}

func (m *model) tick() {
	m.now = m.now.Add(time.Duration(m.r.IntN(5000)-500) * time.Millisecond)
}

// closeAndOpen restarts in order.
func (m *model) closeAndOpen() {
	err := m.s.Close(context.Background())
	m.flushed(nil)
	if m.disk.off {
		return
	}
	clean := err == nil && m.s.fenced.Load() == nil && !m.disk.failed
	m.disk.dead = true
	m.mount(m.disk.mem, !clean)
}

// kill ends the process: the files are as it left them, in the kernel's memory.
func (m *model) kill() { m.restart(m.disk.mem) }

// cutPower ends the machine.
func (m *model) cutPower() { m.restart(m.disk.mem.Crash(m.r)) }

// restart goes on with what is left of the files.
func (m *model) restart(mem *vfs.Mem) {
	m.disk.dead = true
	kill(m.t, m.s)
	m.mount(mem, true)
}

// mount opens the store, which may fail or lose its power too, and compares.
func (m *model) mount(mem *vfs.Mem, crashed bool) {
	mem.SetClock(m.cfg.Now)
	mem.SetUsage(vfs.Usage{Used: 50, Free: 50})
	for tries := 3; ; tries-- {
		d := &device{m: m, mem: mem}
		m.disk = d
		if tries > 0 && m.r.IntN(4) == 0 {
			d.fault = m.anyFault()
			d.fault.cut = m.r.IntN(2) == 0
		}
		m.cfg.FS = vfs.WithFaults(mem, d.call)
		s, err := Open(context.Background(), m.cfg)
		if err == nil {
			s.IndexLast() // the index's goroutine has nothing left to do
		}
		d.fault = nil
		crashed = crashed || d.failed || d.off
		m.tell("  open: %v, power cut %v", err, d.off)
		if err == nil {
			m.tell("  log from %d to %d, read from %d, checkpoint at %d", s.LogMin(), s.LogMax(), s.Recovery().From, s.Stats().CheckpointAt)
		}

		if err == nil && !d.off {
			m.s = s
			break
		}
		require.True(m.t, d.failed || d.off, "start: %v", err)
		d.dead = true
		if err == nil {
			kill(m.t, s)
		}
		if d.off {
			mem = d.after
		}
	}
	m.compare(crashed, true)
}

// errDisk and errPower are what calls fail with.
var (
	errDisk  = errors.New("input/output error")
	errPower = errors.New("no power")
)

// fault makes calls fail.
type fault struct {
	op    vfs.Op // empty: any
	after int    // calls that still work
	times int    // calls that fail then
	err   error
	cut   bool // it is the power that fails
}

func (m *model) anyFault() *fault {
	ops := []vfs.Op{
		"", "", vfs.OpOpen, vfs.OpCreate, vfs.OpRemove, vfs.OpRename, vfs.OpSyncDir, vfs.OpSyncFS, vfs.OpRead, vfs.OpWrite, vfs.OpWrite,
		vfs.OpTruncate, vfs.OpSync, vfs.OpSync, vfs.OpMap, vfs.OpMkdir, vfs.OpReadDir, vfs.OpStat,
	}
	f := &fault{op: ops[m.r.IntN(len(ops))], err: errDisk, times: 1 + m.r.IntN(3)*m.r.IntN(20)}
	if m.r.IntN(2) == 0 {
		f.err = syscall.ENOSPC
	}
	f.after = m.r.IntN(4)
	if f.op == "" {
		f.after = m.r.IntN(60)
	}
	return f
}

func (m *model) arm() { m.disk.fault = m.anyFault() }

func (m *model) armCut() {
	m.disk.fault = &fault{after: m.r.IntN(60), cut: true}
}

func (m *model) disarm() { m.disk.fault = nil }

// device is the file system under one run of the store.
type device struct {
	m      *model
	mem    *vfs.Mem
	fault  *fault
	failed bool     // a call was made to fail
	off    bool     // the power is gone
	after  *vfs.Mem // what the power left
	dead   bool     // the store is gone
}

// call decides about every call of the store.
func (d *device) call(op vfs.Op, path string, n int) (keep int, err error) {
	m := d.m
	if d.dead || d.off {
		return 0, errPower
	}
	fmt.Fprintln(m.trace, op, path)
	if m.group != nil && strings.Contains(path, "/commitlog") {
		m.peek()
	}
	f := d.fault
	if f == nil || f.op != "" && f.op != op {
		return 0, nil
	}
	if f.after--; f.after >= 0 {
		return 0, nil
	}
	if f.cut {
		m.tell("  power cut at %s %s", op, path)
		d.off, d.after = true, d.mem.Crash(m.r)
		return 0, errPower
	}
	if note := strings.HasSuffix(path, "/abort") && (op == vfs.OpCreate || op == vfs.OpWrite); note {
		return 0, nil // the note that a sync failed is written in place and need not reach the disk
	}
	if f.times--; f.times < 0 {
		return 0, nil
	}
	d.failed = true
	m.tell("  %s %s fails: %v", op, path, f.err)
	if op == vfs.OpSync {
		d.mem.FailSync(path, m.r)
	}
	return int(m.r.Float64() * float64(n+1)), f.err // n may depend on the process id
}
