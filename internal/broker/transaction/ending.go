package transaction

import (
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Ending is a half message that a request wants to end. It keeps its memory for
// the next one.
type Ending struct {
	Offset int64  // of the record in the half queue
	Topic  string // real; aliases the record
	Real   message.Message

	r     record
	rec   []byte
	props []byte
}

// Release forgets the request, and memory that is too large to be kept.
func (e *Ending) Release() {
	const most = 64 << 10
	rec, props := e.rec[:0], e.props[:0]
	if cap(rec) > most {
		rec = nil
	}
	if cap(props) > most {
		props = nil
	}
	*e = Ending{rec: rec, props: props}
}

// Read reads the half message that a request names, and makes the checks of
// Java's EndTransactionProcessor. byAdmin leaves out the group and the age.
func (s *Service) Read(e *Ending, h *protocol.EndTransactionRequest, byAdmin bool) error {
	notFound := protocol.Errorf(protocol.RespSystemError, "Find prepared transaction message failed")
	var err error
	if e.rec, err = s.cfg.Store.Record(h.CommitLogOffset, e.rec[:0]); err != nil {
		return notFound
	}
	if e.r, err = parse(e.rec); err != nil || e.r.Message.Topic != protocol.HalfTopic {
		return notFound
	}
	e.Offset, e.Topic = e.r.QueueOffset, e.r.topic
	if !byAdmin && s.tooLate(e, h) {
		return protocol.Errorf(protocol.RespIllegalOperation, "")
	}
	switch {
	case !byAdmin && e.r.group != h.ProducerGroup:
		return protocol.Errorf(protocol.RespSystemError, "The producer group wrong")
	case e.r.QueueOffset != h.TranStateTableOffset:
		return protocol.Errorf(protocol.RespSystemError, "The transaction state table offset wrong")
	case e.r.PhysicalOffset != h.CommitLogOffset:
		return protocol.Errorf(protocol.RespSystemError, "The commit log offset wrong")
	}
	return nil
}

// tooLate tells whether a message with a time of its own before the first check
// is past it; then only the answer to a check counts.
func (s *Service) tooLate(e *Ending, h *protocol.EndTransactionRequest) bool {
	if h.FromTransactionCheck {
		return false
	}
	if v, ok := message.Property(e.r.Properties, message.PropTransactionImmunity); !ok || v == "" {
		return false
	}
	limit := max(e.r.immunity, s.cfg.Settings().Timeout)
	return s.cfg.Now().Sub(time.UnixMilli(e.r.BornTimestamp)) > limit
}

// Commit makes the message that is to be stored, Real.
func (s *Service) Commit(e *Ending) {
	e.Real, e.props = e.r.real(e.props[:0], s.Checks(e.Offset))
	e.Real.Properties = aliasOf(e.props)
}

// Resumed makes the half message that stands for a record that was given up, as
// RESUME_CHECK_HALF_MESSAGE wants it: checked anew.
func Resumed(rec []byte) (message.Message, error) {
	r, err := parse(rec)
	if err != nil {
		return message.Message{}, err
	}
	m := r.again(0, -1)
	m.Properties = message.WithProperty(m.Properties, message.PropTransactionChecks, "0")
	return m, nil
}

// Ended counts a transaction that ended.
func (s *Service) Ended(committed bool) {
	if committed {
		s.stats.Commits.Add(1)
	} else {
		s.stats.Rollbacks.Add(1)
	}
}
