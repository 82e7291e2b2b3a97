package store

import (
	"context"
	"errors"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/index"
)

// reindexRoom is how many bytes must be free before an index that lacked room is
// completed: mapped files take it page by page, and a second failure would follow.
const reindexRoom = 256 << 20

// reindex completes the index after a full disk had turned it off, from the last
// checkpoint on, as a start would. The index reports it when that fails.
func (s *Store) reindex(ctx context.Context, disks []disk) {
	if s.index == nil || s.writable() != nil || !s.index.Lacking() {
		return
	}
	for _, d := range disks {
		if d.usage.Free < reindexRoom {
			return
		}
	}
	c, _ := s.claimed()
	from, indexed := c.QueueOffset, c.QueueOffset
	if c.QueueTime <= 0 || from < s.log.Min() {
		from, indexed = s.log.Min(), s.log.Min()-1
	}
	err := s.index.Complete(indexed+1, func(put func([]index.Key) error) (int64, error) {
		end := s.log.End()
		return end, s.scanKeys(ctx, from, end, func(phy int64, keys []index.Key) error {
			if phy <= indexed {
				return nil
			}
			return put(keys)
		})
	})
	if err == nil {
		s.cfg.Logger.Info("message index is on again", "from", from)
	}
}

// scanKeys gives the index keys of each record in [from, end).
func (s *Store) scanKeys(ctx context.Context, from, end int64, give func(phy int64, keys []index.Key) error) error {
	p := Put{store: s}
	var keys []index.Key
	errDone := errors.New("read")
	_, err := s.log.Scan(from, s.record, func(off int64, size int32, m *message.Message) error {
		if off >= end {
			return errDone
		}
		p.describeStored(size, m)
		keys = p.appendKeys(keys[:0], off, m.StoreTimestamp)
		return errors.Join(ctx.Err(), give(off, keys))
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}
