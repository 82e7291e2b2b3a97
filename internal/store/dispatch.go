package store

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// Some records say in their properties which queue offsets they have: the record
// of a batch its own, and one that is dispatched to light queues those there. The
// offsets are known only when the record is placed. Add writes such a property as
// the last one with offsets of stampDigits digits, and the leader fills them in.

// stampDigits is the width of an offset in a property: any that Java can read.
const stampDigits = 19

// lmqPrefix begins the name of a light queue, which has the id 0.
const lmqPrefix = "%LMQ%"

// stampText is the value of n offsets that are not known yet.
func stampText(n int) string {
	zeros := strings.Repeat("0", stampDigits)
	return strings.TrimSuffix(strings.Repeat(zeros+",", n), ",")
}

// prepareStamp adds the property to m, if it needs one, and remembers how many
// offsets are in it.
func (p *Put) prepareStamp(m *message.Message) error {
	s := p.store
	if p.Batch {
		if m.SysFlag&message.FlagInnerBatch == 0 {
			return nil
		}
		p.inner = true
		m.Properties = withLast(m.Properties, message.PropInnerBase, stampText(1))
		if n := innerCount(m.Properties); n > cqueue.MaxBatch {
			return refuse(PutMessageIllegal, "batch of %d messages, at most %d are allowed in one record", n, cqueue.MaxBatch)
		}
		return nil
	}
	names := s.lightQueues(m)
	if len(names) == 0 {
		return nil
	}
	m.Properties = withLast(m.Properties, message.PropInnerMultiOffset, stampText(len(names)))
	for _, name := range names {
		q, err := s.pinned(name)
		if err != nil {
			return refuse(PutMessageIllegal, "%v", err)
		}
		p.light = append(p.light, q)
	}
	return nil
}

// pinned is a light queue that is not deleted before the put is released.
func (s *Store) pinned(name string) (*cqueue.Queue, error) {
	for {
		q, err := s.queues.Queue(name, 0)
		if err != nil || q.Pin() {
			return q, err
		}
	}
}

// Idle is a light queue that is to be deleted if it still ends at End.
type Idle struct {
	Queue string
	End   int64
}

// DeleteIdle removes those of some light queues that got no message since they were
// looked at, and that no message is on its way to. It tells which it removed.
func (s *Store) DeleteIdle(queues []Idle) (deleted []bool, err error) {
	deleted = make([]bool, len(queues))
	var errs []error
	for i, idle := range queues {
		deleted[i], err = s.queues.DeleteIdle(idle.Queue, idle.End)
		errs = append(errs, err)
		if deleted[i] {
			errs = append(errs, s.forgetFloors(idle.Queue))
		}
	}
	return deleted, errors.Join(append(errs, s.queues.SyncDir(), s.Checkpoint())...)
}

func withLast(props, name, value string) string {
	return message.WithProperty(message.WithoutProperty(props, name), name, value)
}

// lightQueues are the queues that a message is to be dispatched to. A list with
// other names than those of light queues, or with one twice, counts as none: a Java
// broker never gets past a record with offsets for some of its names only.
func (s *Store) lightQueues(m *message.Message) []string {
	if !s.cfg.MultiDispatch || !dispatchable(m.Topic) {
		return nil
	}
	list, _ := message.Property(m.Properties, message.PropInnerMultiDispatch)
	if strings.TrimSpace(list) == "" {
		return nil
	}
	names := strings.Split(list, ",")
	for i, name := range names {
		if name == m.Topic || slices.Contains(names[:i], name) || !strings.HasPrefix(name, lmqPrefix) || strings.ContainsAny(name, "/\\\x00") {
			return nil
		}
	}
	return names
}

// dispatchable tells whether messages of a topic may go to light queues as well.
func dispatchable(topic string) bool {
	for _, prefix := range []string{"%RETRY%", "%DLQ%", "rmq_sys_", "RMQ_SYS_"} {
		if strings.HasPrefix(topic, prefix) {
			return false
		}
	}
	return topic != ScheduleTopic
}

// stamp fills the offsets in at the end of a record, which is not finished yet.
func (p *Put) stamp(rec []byte) {
	end := len(rec) - 1
	if p.store.record.CRC {
		end -= message.CRCPropertySize
	}
	if p.inner {
		putDecimal(rec[end-stampDigits:end], p.queue.Next)
		return
	}
	at := end - len(p.light)*(stampDigits+1) + 1
	for _, q := range p.light {
		putDecimal(rec[at:at+stampDigits], q.Next)
		q.Next++
		at += stampDigits + 1
	}
}

func (p *Put) stamped() bool { return p.inner || len(p.light) > 0 }

func putDecimal(dst []byte, n int64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
}

// publishLight shows a record to the readers of its light queues.
func (s *Store) publishLight(p *Put, u cqueue.Unit, arrival *func(Arrival)) {
	for _, q := range p.light {
		off := q.Max()
		if err := q.Append(off, u); err != nil {
			s.fence(err)
		}
		if arrival != nil {
			(*arrival)(Arrival{Topic: q.Key().Topic, Offset: off, TagsCode: u.TagsCode, StoreTime: s.group.lastTime})
		}
	}
}

// located are the light queues that a record of the log is dispatched to, with
// the offsets that it has there. What cannot be right gives none.
func (s *Store) located(m *message.Message, visit func(name string, off int64) error) error {
	names := s.lightQueues(m)
	if len(names) == 0 {
		return nil
	}
	list, _ := message.Property(m.Properties, message.PropInnerMultiOffset)
	offsets := strings.Split(list, ",")
	if len(offsets) != len(names) {
		return nil
	}
	for i, name := range names {
		off := decimal(offsets[i])
		if off < 0 {
			continue
		}
		if err := visit(name, off); err != nil {
			return err
		}
	}
	return nil
}

// decimal is the number that s is, -1 if it is none.
func decimal(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
