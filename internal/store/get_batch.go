package store

import (
	"errors"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// scanBatch is scan for a batch queue: whole records, from the one with the
// message of the offset asked for on. Each counts as the messages in it.
func (g *getter) scanBatch(s *Store, q *cqueue.Queue, req *GetRequest, r *GetResult, dst []byte) ([]byte, error) {
	r.Status, r.NextOffset = NoMatchedMessage, req.Offset
	logEnd, logMin := s.log.End(), s.log.Min()
	base := len(dst)
	for looked := 0; looked < minScanUnits && r.NextOffset < r.MaxOffset; {
		n, err := q.Read(g.units[:], r.NextOffset)
		if err != nil || n == 0 {
			return dst, err
		}
		looked += n
		for _, u := range g.units[:n] {
			next := max(u.End(r.NextOffset), r.NextOffset+1)
			cold := logEnd-u.Phy > ColdDistance
			switch {
			case u.Phy < logMin || !s.plausible(u, logEnd):
				if r.Status == NoMatchedMessage {
					r.Status = MessageWasRemoving
				}
			case req.Filter != nil && !req.Filter.MatchTags(u.TagsCode):
			case r.Count > 0 && (r.Count+int(u.Count) > req.MaxMsgs || isFull(req, r.Count, r.Bytes+int(u.Size), cold)):
				return dst, nil
			default:
				r.Cold = r.Cold || cold
				if dst, err = s.readBatch(u, req, r, dst); err != nil {
					return dst, err
				}
				r.Bytes = len(dst) - base
			}
			r.NextOffset = next
		}
	}
	return dst, nil
}

// readBatch appends the record of a unit, if the filter accepts it.
func (s *Store) readBatch(u cqueue.Unit, req *GetRequest, r *GetResult, dst []byte) ([]byte, error) {
	at := len(dst)
	dst = grow(dst, int(u.Size))
	err := s.log.ReadAt(dst[at:], u.Phy)
	if errors.Is(err, commitlog.ErrNotFound) && u.Phy < s.log.Min() {
		if r.Status == NoMatchedMessage {
			r.Status = MessageWasRemoving
		}
		return dst[:at], nil
	}
	if err != nil {
		return dst[:at], err
	}
	n, magic, _ := message.Size(dst[at:])
	if n != u.Size || magic != message.MagicV1 && magic != message.MagicV2 {
		s.cfg.Logger.Error("damaged record is passed over", "topic", req.Topic, "queue", req.QueueID, "offset", u.Base, "physical", u.Phy)
		return dst[:at], nil
	}
	if req.Filter != nil && !req.Filter.MatchRecord(dst[at:]) {
		return dst[:at], nil
	}
	r.Status = Found
	r.Count += int(u.Count)
	return dst, nil
}
