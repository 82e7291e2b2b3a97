package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/index"
)

// maxPendingBytes bounds the records that wait for a leader. Whoever brings
// more leads, or waits for the leader.
const maxPendingBytes = 8 << 20

// groupsPerLeader is how many groups a borrowed goroutine writes before the
// store's own takes over.
const groupsPerLeader = 4

// maxUnwritten bounds the consume queue units in memory: a leader that finds more
// writes them itself before it goes on.
const maxUnwritten = 4 * checkpointUnits

// lead is the queue of puts and who serves it.
type lead struct {
	sync.Mutex
	below   sync.Cond // signalled when bytes falls below the bound
	pending []*Put
	spare   []*Put // the other half of a double buffer
	bytes   int
	active  bool
}

// group is what the leader works with; it belongs to whoever leads.
type group struct {
	buf       []byte // records of one write
	at        int64  // where buf goes
	end       int64  // of the log with all that was taken into buf
	lastStart int64  // of the last record
	lastTime  int64  // store timestamp
	failed    error  // of this group's writes
	keys      []index.Key
}

// Enqueue puts p into the next group; Commit makes it happen. When too much is
// queued it waits, or leads itself.
func (s *Store) Enqueue(p *Put) {
	q, err := s.queueFor(p)
	if err != nil {
		s.finish(p, refuse(PutMessageIllegal, "%v", err))
		return
	}
	p.queue = q
	s.lead.Lock()
	s.waitForRoom()
	s.lead.pending = append(s.lead.pending, p)
	s.lead.bytes += len(p.buf)
	s.lead.Unlock()
}

// EnqueueAll puts all of puts into one group, next to each other and in this
// order: either all are stored or none is, and nobody reads one of them before all
// are written. After a crash a prefix of them may be left, as of any group. When
// the queue of one cannot be had, all are refused.
func (s *Store) EnqueueAll(puts []*Put) {
	size := 0
	for _, p := range puts {
		q, err := s.queueFor(p)
		if err != nil {
			for _, p := range puts {
				s.finish(p, refuse(PutMessageIllegal, "%v", err))
			}
			return
		}
		p.queue = q
		size += len(p.buf)
	}
	s.lead.Lock()
	s.waitForRoom()
	s.lead.pending = append(s.lead.pending, puts...)
	s.lead.bytes += size
	s.lead.Unlock()
}

// waitForRoom waits, or leads, until not too much is queued. lead must be locked,
// and is afterwards.
func (s *Store) waitForRoom() {
	for s.lead.bytes > maxPendingBytes {
		if !s.lead.active {
			s.lead.Unlock()
			s.Commit()
			s.lead.Lock()
			continue
		}
		s.lead.below.Wait()
	}
}

// Commit completes what is queued, unless somebody is doing that already, who
// then does this too.
func (s *Store) Commit() {
	s.lead.Lock()
	if s.lead.active || len(s.lead.pending) == 0 {
		s.lead.Unlock()
		return
	}
	s.lead.active = true
	s.lead.Unlock()
	if s.serve(groupsPerLeader) {
		s.relief <- struct{}{} // never blocks: there is one leader
	}
}

// serve writes up to n groups, all if n is 0, and tells whether there is more;
// then the caller is still the leader.
func (s *Store) serve(n int) (more bool) {
	for i := 0; n == 0 || i < n; i++ {
		s.lead.Lock()
		puts := s.lead.pending
		if len(puts) == 0 {
			s.lead.active = false
			s.lead.Unlock()
			return false
		}
		s.lead.pending, s.lead.spare = s.lead.spare[:0], nil
		s.lead.bytes = 0
		s.lead.below.Broadcast()
		s.lead.Unlock()

		if s.queues.Unwritten() > maxUnwritten {
			if err := s.queues.Flush(s.tasks.Context(), s.log.Synced()); err != nil {
				s.failed(s.noRoom(s.cfg.path("consumequeue"), err))
			}
		}
		s.write(puts)

		clear(puts)
		s.lead.Lock()
		s.lead.spare = puts[:0]
		s.lead.Unlock()
	}
	return true
}

// write completes one group.
func (s *Store) write(puts []*Put) {
	g := &s.group
	g.begin(s)
	why := s.writable()
	for _, p := range puts {
		if why == nil && g.failed == nil {
			s.place(g, p)
		}
	}
	s.flushBuffer(g)
	if g.failed == nil && s.cfg.Flush == FlushSync && why == nil {
		s.syncGroup(g)
	}
	failed := errors.Join(why, g.failed)
	if failed == nil {
		s.publish(g, puts)
	} else {
		s.takeBack(puts)
	}
	for _, p := range puts {
		s.finish(p, failed)
	}
	if f := s.groupDone.Load(); f != nil {
		(*f)()
	}
}

func (g *group) begin(s *Store) {
	end := s.log.End()
	g.buf, g.at, g.end = g.buf[:0], end, end
	g.failed = nil
	g.lastTime = max(g.lastTime, s.millis())
}

// place gives a put its offsets and copies its records into the group's buffer,
// moving on to the next file when this one has no room for all of it.
func (s *Store) place(g *group, p *Put) {
	size := int64(len(p.buf))
	room := s.log.FileSize() - g.end%s.log.FileSize()
	if size+message.BlankSize > room {
		g.buf = message.AppendBlank(g.buf, int32(room))
		s.flushBuffer(g)
		g.end += room
		g.at = g.end
		if g.failed != nil {
			return
		}
	}
	r := &p.Result
	r.PhysicalOffset, r.QueueOffset, r.StoreTimestamp, r.Count = g.end, p.queue.Next, g.lastTime, len(p.entries)
	r.Offsets = r.Offsets[:0]
	rest := p.buf
	for i := range p.entries {
		e := &p.entries[i]
		off := int64(0)
		if !e.aside {
			if p.stamped() {
				p.stamp(rest[:e.size])
			}
			off = p.queue.Next
			p.queue.Next += int64(max(e.count, 1))
		}
		message.Finish(rest[:e.size], off, g.end, g.lastTime, s.record)
		r.Offsets = append(r.Offsets, g.end)
		g.lastStart = g.end
		g.end += int64(e.size)
		rest = rest[e.size:]
	}
	if r.QueueOffset == p.queue.Next {
		r.QueueOffset = 0 // none has a place in the queue
	}
	g.buf = append(g.buf, p.buf...)
}

// maxGroupBuffer is the buffer, in bytes, that a leader keeps for the next group.
const maxGroupBuffer = 4 << 20

func (s *Store) flushBuffer(g *group) {
	if len(g.buf) == 0 || g.failed != nil {
		return
	}
	if err := s.log.Write(g.buf, g.at); err != nil {
		g.failed = s.writeFailed(err)
	}
	g.at += int64(len(g.buf))
	g.buf = g.buf[:0]
	if cap(g.buf) > maxGroupBuffer {
		g.buf = nil
	}
}

// writeFailed decides what a failed write means: a full disk may get room
// again, anything else is the end of this store's acknowledgements.
func (s *Store) writeFailed(err error) error {
	err = s.noRoom(s.cfg.commitLogDir(), err)
	if cut := s.log.Truncate(s.log.End()); isNoRoom(err) && cut == nil { // nobody was told of what got there
		return err
	}
	s.fence(fmt.Errorf("write of the commit log: %w", err))
	return s.writable()
}

func (s *Store) syncGroup(g *group) {
	if err := s.log.Sync(g.end); err != nil {
		s.fence(fmt.Errorf("sync of the commit log: %w", err))
		g.failed = s.writable()
	}
}

// takeBack undoes the numbering of a group that was not written.
func (s *Store) takeBack(puts []*Put) {
	for _, p := range puts {
		p.queue.Next = p.queue.Max()
		for _, q := range p.light {
			q.Next = q.Max()
		}
	}
}

// publish shows a complete group to readers: queues first, then the log's end.
func (s *Store) publish(g *group, puts []*Put) {
	s.log.SetEnd(g.end)
	g.keys = g.keys[:0]
	arrival := s.arrival.Load()
	for _, p := range puts {
		hashes, off := p.hashes, p.Result.QueueOffset
		for i, e := range p.entries {
			phy := p.Result.Offsets[i]
			for _, h := range hashes[:e.keys] {
				g.keys = append(g.keys, index.Key{Hash: h, Phy: phy, StoreTime: g.lastTime})
			}
			hashes = hashes[e.keys:]
			if e.aside {
				continue
			}
			u := e.unit(phy, g.lastTime)
			if err := p.queue.Append(off, u); err != nil {
				s.fence(err) // a bug: Next and Max went apart
			}
			if arrival != nil {
				key := p.queue.Key()
				(*arrival)(Arrival{Topic: key.Topic, QueueID: key.ID, Offset: off + max(int64(e.count), 1) - 1, TagsCode: u.TagsCode, StoreTime: g.lastTime})
			}
			s.publishLight(p, u, arrival)
			off++
		}
		s.counters.puts.Add(int64(len(p.entries)))
		s.counters.putBytes.Add(int64(len(p.buf)))
	}
	if s.index != nil {
		s.index.Add(g.keys)
	}
	s.lastStart.Store(g.lastStart) // now a checkpoint may claim them
	s.lastTime.Store(g.lastTime)
}

// finish answers a put.
func (s *Store) finish(p *Put, err error) {
	if err != nil {
		p.Result = PutResult{Status: StatusOf(err), Err: err, Offsets: p.Result.Offsets[:0]}
		s.counters.putsFailed.Add(1)
	}
	p.Done(p)
}

// Arrival is a new entry of a consume queue.
type Arrival struct {
	Topic     string
	QueueID   int32
	Offset    int64 // queue offset of the entry
	TagsCode  int64
	StoreTime int64 // ms
}

// SetArrival sets what the leader calls for each new queue entry, after it is
// visible. It must be quick and must not call back into puts.
func (s *Store) SetArrival(f func(Arrival)) { s.arrival.Store(&f) }

// SetGroupDone sets what the leader calls after the last Done of a group.
func (s *Store) SetGroupDone(f func()) { s.groupDone.Store(&f) }

// fence stops acknowledging for good; the first reason counts.
func (s *Store) fence(err error) {
	if s.fenced.CompareAndSwap(nil, &PutError{PutServiceNotAvailable, fmt.Sprintf(
		"service not available now: the store is fenced after: %v; restart the broker when the cause is mended", err)}) {
		s.cfg.Logger.Error("store fenced: nothing more is acknowledged", "error", err)
		s.distrust()
	}
}

// failed fences the store after an error, unless all that is missing is room.
func (s *Store) failed(err error) {
	if !isNoRoom(err) {
		s.fence(err)
	}
}

// writable gives the reason why nothing can be written, or nil.
func (s *Store) writable() error {
	if e := s.fenced.Load(); e != nil {
		return e
	}
	if e := s.closing.Load(); e != nil {
		return e
	}
	if e := s.diskFull.Load(); e != nil {
		return e
	}
	if e := s.noSpace.Load(); e != nil {
		return e
	}
	return nil
}

// Writable gives the reason why the store refuses messages, or nil.
func (s *Store) Writable() error { return s.writable() }
