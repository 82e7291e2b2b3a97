package transaction

import (
	"fmt"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/store"
)

// listReads is how many half messages List reads at most.
const listReads = 4096

// List describes up to n open half messages from an offset on, those that are
// too young to be asked about too, of a topic and a group if they are not empty.
// next is where to go on, -1 at the end.
func (s *Service) List(from int64, n int, topic, group string) (list []protocol.OpenTransaction, next int64, err error) {
	for reads := 0; ; reads++ {
		offset, ok := s.nextOpen(from)
		if !ok {
			return list, -1, nil
		}
		if len(list) >= n || reads >= listReads {
			return list, offset, nil
		}
		from = offset + 1
		r, err := s.Half(offset)
		if err != nil || topic != "" && r.Topic != topic || group != "" && r.ProducerGroup != group {
			continue // gone since, or of no interest
		}
		list = append(list, r.OpenTransaction)
	}
}

func (s *Service) nextOpen(from int64) (int64, bool) {
	t := s.lock()
	defer s.mu.Unlock()
	for from = max(from, t.first); from < t.end; from++ {
		if t.state(from) == open {
			return from, true
		}
	}
	return from, false
}

// Described is a half message for administrators.
type Described struct {
	protocol.OpenTransaction
	Physical int64
}

// Half describes the half message at a position.
func (s *Service) Half(offset int64) (d Described, err error) {
	units := s.cfg.Store.Units(protocol.HalfTopic, 0, offset, 1)
	if len(units) == 0 {
		return d, fmt.Errorf("there is no half message at offset %d: %w", offset, store.ErrNotFound)
	}
	rec, err := s.cfg.Store.Record(units[0].Phy, nil)
	if err != nil {
		return d, err
	}
	r, err := parse(rec)
	if err != nil {
		return d, err
	}
	d.Physical = units[0].Phy
	d.OpenTransaction = protocol.OpenTransaction{
		Offset: offset, Topic: r.topic, QueueID: r.queue, ProducerGroup: r.group, TransactionID: r.id,
		OffsetMsgID: message.OffsetID(r.StoreHost, d.Physical), BornTimestamp: r.BornTimestamp, StoreTimestamp: r.StoreTimestamp,
		Checks: max(s.Checks(offset), r.checks),
	}
	return d, nil
}
