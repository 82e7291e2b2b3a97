package pop

import (
	"errors"
	"strconv"
	"unsafe"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
)

// Loan is a pop on its way: what it read of one or more queues. It may be reused
// after Done was called.
type Loan struct {
	PopTime, Invisible int64 // ms
	// Done is called once, by the leader, after Lend: the messages may be given
	// out, or nothing of them is lent.
	Done  func(*Loan, error)
	Owner any

	items []loanItem
}

// loanItem is what was read of one queue.
type loanItem struct {
	cursor *Cursor
	span   span
	n      int
	diffs  []int32
	epoch  uint32
	jump   bool // the group had been moved to the span's start
}

// Reset makes a loan empty.
func (l *Loan) Reset(popTime, invisible int64) {
	l.PopTime, l.Invisible = popTime, invisible
	clear(l.items)
	l.items = l.items[:0]
}

// Empty tells whether nothing was added.
func (l *Loan) Empty() bool { return len(l.items) == 0 }

// Add adds messages that were read of a queue from start to before next, at most 32.
// It answers false when they cannot be lent now. The cursor must be locked.
func (l *Loan) Add(c *Cursor, start, next int64, offsets []int64) bool {
	if len(offsets) == 0 || len(offsets) > maxLease {
		return false
	}
	if cap(l.items) == 0 {
		l.items = make([]loanItem, 0, 16)
	}
	i := loanItem{cursor: c, span: span{start, next}, n: len(offsets)}
	for k, offset := range offsets {
		if offset != start+int64(k) {
			i.diffs = make([]int32, len(offsets))
			for k, offset := range offsets {
				i.diffs[k] = int32(offset - start)
			}
			break
		}
	}
	l.items = append(l.items, i)
	return true
}

// reserve takes the spans of all items, or none.
func (l *Loan) reserve() error {
	for i := range l.items {
		if !l.items[i].cursor.reserve(&l.items[i], l.PopTime) {
			l.giveBack(i)
			return errTaken
		}
	}
	return nil
}

// giveBack takes the reservation of the first n items back.
func (l *Loan) giveBack(n int) {
	for i := range l.items[:n] {
		l.items[i].cursor.settle(&l.items[i], false)
	}
}

// errTaken is why a loan fails when somebody else moved the group meanwhile.
var errTaken = errors.New("the group's offset was moved while it popped")

// recordPut is the memory of a put into the revive topic.
type recordPut struct {
	s     *Service
	shard *shard
	body  []byte
	props []byte
	lease lease // to encode from

	loan *Loan
	ack  *Ack
	info *Order
	done func(*recordPut, *store.Put)
}

func (s *Service) recordPut(h *shard) *recordPut {
	r, _ := s.puts.Get().(*recordPut)
	if r == nil {
		r = &recordPut{s: s}
	}
	r.shard = h
	return r
}

func (s *Service) releaseRecordPut(r *recordPut) {
	*r = recordPut{s: s, body: r.body[:0], props: r.props[:0]}
	s.puts.Put(r)
}

// begin gives an empty put for records of the shard.
func (r *recordPut) begin() *store.Put {
	p := r.s.cfg.Store.AcquirePut()
	p.Topic, p.QueueID = r.s.cfg.Topic, r.shard.id
	p.Owner, p.Done = r, recordPutDone
	return p
}

func recordPutDone(p *store.Put) {
	r := p.Owner.(*recordPut)
	s := r.s
	r.done(r, p)
	s.cfg.Store.ReleasePut(p)
	s.releaseRecordPut(r)
}

// add encodes what body and props hold as the next record.
func (r *recordPut) add(p *store.Put, now int64) error {
	m := message.Message{
		Topic: p.Topic, QueueID: p.QueueID, BornTimestamp: now, BornHost: r.s.cfg.Host, StoreHost: r.s.cfg.Host,
		Properties: alias(r.props), Body: r.body,
	}
	return p.Add(&m)
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Lend puts the check points of a loan into the next group of the store. On an
// error Done is not called.
func (s *Service) Lend(l *Loan) error {
	if err := l.reserve(); err != nil {
		return err
	}
	now := s.nowMs()
	r := s.recordPut(l.items[0].cursor.pair.shard)
	r.loan, r.done = l, loanDone
	p := r.begin()
	for i := range l.items {
		item := &l.items[i]
		r.lease = lease{key: item.key(l), invisible: l.Invisible, n: item.n, diffs: item.diffs}
		r.body = appendCheckPoint(r.body[:0], &r.lease, s.cfg.Broker)
		r.props = appendProps(r.props[:0], tagCK, now)
		r.props = append(r.props, propNext...)
		r.props = append(r.props, 1)
		if item.jump {
			r.props = append(r.props, '!')
		}
		r.props = append(strconv.AppendInt(r.props, item.span.next, 10), 2)
		if err := r.add(p, now); err != nil {
			l.giveBack(len(l.items))
			s.cfg.Store.ReleasePut(p)
			s.releaseRecordPut(r)
			return err
		}
	}
	s.cfg.Store.Enqueue(p)
	return nil
}

func (i *loanItem) key(l *Loan) leaseKey {
	return leaseKey{i.cursor.pair, i.cursor.queue, i.span.start, l.PopTime}
}

// loanDone is called by the leader.
func loanDone(r *recordPut, p *store.Put) {
	s, l, h := r.s, r.loan, r.shard
	ok := p.Result.Status == store.PutOK
	if ok {
		due := l.PopTime + l.Invisible
		h.mu.Lock()
		for i := range l.items {
			item := &l.items[i]
			h.mu.ledger.lend(&lease{
				key: item.key(l), invisible: l.Invisible, due: due, n: item.n, diffs: item.diffs,
				at: p.Result.QueueOffset + int64(i), fence: p.Result.Offsets[i], first: l.PopTime, heapIndex: -1,
			})
		}
		s.passLocked(h, p.Result.QueueOffset, len(l.items))
		h.mu.Unlock()
		s.dueAt(due)
	}
	for i := range l.items {
		l.items[i].cursor.settle(&l.items[i], ok)
	}
	l.Done(l, p.Result.Err)
}

// Ack is an acknowledgement on its way, or a change of the invisible time.
type Ack struct {
	Topic, Group string
	Queue        int32
	Receipt      Receipt
	Offsets      []int64
	// Renew makes one message invisible for this many ms more, from Now on, instead
	// of ending its lease.
	Renew   int64
	Suspend bool // its redelivery does not count as an attempt
	// PopTime is the pop time of the new receipt, set by Ack.
	PopTime int64
	// Done is called once, by the leader.
	Done  func(*Ack, error)
	Owner any

	hits []hit
}

// hit is a lease and those of its messages that are acknowledged.
type hit struct {
	l    *lease
	mask uint32
}

// Ack puts what the acknowledgement says into the next group of the store. found is
// the number of messages that it is good for; with none there is nothing to do and
// Done is not called, neither is it on an error.
func (s *Service) Ack(a *Ack) (found int, err error) {
	h := s.shard(a.Receipt.Revive)
	if h == nil {
		return 0, nil
	}
	pair := s.lookup(a.Topic, a.Group)
	if pair == nil {
		return 0, nil
	}
	now := s.nowMs()
	a.hits = a.hits[:0]
	k := leaseKey{pair, a.Queue, a.Receipt.Start, a.Receipt.PopTime}
	h.mu.Lock()
	for _, offset := range a.Offsets {
		l, i := h.mu.ledger.find(k, offset)
		if l == nil || a.Renew > 0 && l.busy {
			continue
		}
		found++
		h.mu.ledger.acking(l, 1<<i)
		if last := len(a.hits) - 1; last >= 0 && a.hits[last].l == l {
			a.hits[last].mask |= 1 << i
		} else {
			a.hits = append(a.hits, hit{l, 1 << i})
		}
	}
	h.mu.Unlock()
	if found == 0 {
		return 0, nil
	}
	r := s.recordPut(h)
	r.ack, r.done = a, ackDone
	p := r.begin()
	if err = r.addAck(p, a, now); err != nil {
		h.mu.Lock()
		for _, x := range a.hits {
			h.mu.ledger.failed(x.l, x.mask)
		}
		h.mu.Unlock()
		s.cfg.Store.ReleasePut(p)
		s.releaseRecordPut(r)
		return 0, err
	}
	s.cfg.Store.Enqueue(p)
	return found, nil
}

// addAck encodes the records: a new check point before the ACK of the old one, if
// the lease is renewed.
func (r *recordPut) addAck(p *store.Put, a *Ack, now int64) error {
	if a.Renew > 0 {
		old := a.hits[0].l
		a.PopTime = max(now, old.key.popTime+1) // two leases must not have one name
		r.lease = lease{
			key:       leaseKey{old.key.pair, old.key.queue, a.Offsets[0], a.PopTime},
			invisible: a.Renew, n: 1, suspend: a.Suspend,
		}
		r.body = appendCheckPoint(r.body[:0], &r.lease, r.s.cfg.Broker)
		r.props = appendProps(r.props[:0], tagCK, now)
		r.props = appendNumber(r.props, propFence, old.fence)
		r.props = appendNumber(r.props, propFirst, old.first)
		if err := r.add(p, now); err != nil {
			return err
		}
	}
	for _, x := range a.hits {
		r.body = appendAck(r.body[:0], x.l, x.mask, r.s.cfg.Broker)
		r.props = appendProps(r.props[:0], ackTag(x.mask), now)
		if err := r.add(p, now); err != nil {
			return err
		}
	}
	return nil
}

// ackDone is called by the leader.
func ackDone(r *recordPut, p *store.Put) {
	s, a, h := r.s, r.ack, r.shard
	ok := p.Result.Status == store.PutOK
	h.mu.Lock()
	g := h.mu.ledger
	if ok && a.Renew > 0 {
		old := a.hits[0].l
		if g.leases[old.key] == old { // not dropped meanwhile
			g.lend(&lease{
				key: leaseKey{old.key.pair, old.key.queue, a.Offsets[0], a.PopTime}, invisible: a.Renew, due: a.PopTime + a.Renew, n: 1,
				suspend: a.Suspend, at: p.Result.QueueOffset, fence: old.fence, first: old.first, renewed: true, heapIndex: -1,
			})
		}
	}
	for _, x := range a.hits {
		if ok {
			g.settle(x.l, x.mask)
		} else {
			g.failed(x.l, x.mask)
		}
	}
	if ok {
		s.passLocked(h, p.Result.QueueOffset, p.Result.Count)
	}
	h.mu.Unlock()
	if ok && a.Renew > 0 {
		s.dueAt(a.PopTime + a.Renew)
	}
	a.Done(a, p.Result.Err)
}
