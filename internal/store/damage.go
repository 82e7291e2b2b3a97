package store

import (
	"fmt"
	"time"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
)

// flushedWithin is a time after which a record is on disk in every mode: Java
// syncs everything every ten seconds (flushCommitLogThoroughInterval).
const flushedWithin = 20 * time.Second

// checkEnd decides what it means that the log could be read only up to end,
// where lastTime is the store time of the last good record. A torn tail, which a
// crash leaves, is cut off by the caller. Damage is refused with a *FileError,
// because cutting it off would lose good records behind it, or would hide that
// acknowledged ones are gone.
func (s *Store) checkEnd(end, lastTime int64) error {
	c := s.checkpoint
	if s.log.Files() > 0 && c.QueueTime > 0 && c.QueueOffset >= end {
		return s.damaged(end, fmt.Sprintf("the checkpoint says that records up to %d are on disk", c.QueueOffset))
	}
	if s.recovery.Clean {
		if err := s.log.CheckEnd(end); err != nil {
			return err
		}
	}
	quiet, err := s.log.Quiet(end)
	if quiet || err != nil {
		return err
	}
	if s.recovery.Clean {
		// Stale bytes are no damage: a Java broker leaves them after a crash, but no units.
		reaches, err := s.queuesReach(end)
		if err != nil || !reaches {
			return err
		}
		return s.damaged(end, "the store was closed cleanly, and consume queues have entries for records from there on")
	}
	return s.checkBehind(end, lastTime)
}

// checkBehind tells a torn tail from damage after a crash, when bytes follow.
func (s *Store) checkBehind(end, lastTime int64) error {
	logEnd := s.log.Min() + int64(s.log.Files())*s.log.FileSize()
	next, found, err := s.log.Next(end+1, logEnd, lastTime, s.record)
	if !found || err != nil {
		return err // a tail is torn when nothing good follows
	}
	lost, err := s.log.LostSector(end, next.Offset)
	if err != nil {
		return err
	}
	newest := next.StoreTime
	for at := next; ; {
		behind, err := s.log.Scan(at.Offset, s.record, func(_ int64, _ int32, m *message.Message) error {
			newest = max(newest, m.StoreTimestamp)
			return nil
		})
		if err != nil {
			return err
		}
		more, ok, err := s.log.Next(behind+1, logEnd, newest, s.record)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		at = more
	}
	old := newest-next.StoreTime > flushedWithin.Milliseconds() || next.StoreTime < s.checkpoint.LogTime
	if lost && !old {
		return nil // what was not synced yet at a power cut reached the disk in any order
	}
	return s.damaged(end, fmt.Sprintf("good records follow from offset %d on", next.Offset))
}

func (s *Store) damaged(at int64, why string) error {
	reason := "no record where one must be"
	if at < s.log.Min()+int64(s.log.Files())*s.log.FileSize() {
		if err := s.log.Explain(at, s.record); err != nil {
			reason = err.Error()
		}
	}
	return &commitlog.FileError{Path: s.log.Path(at), Reason: fmt.Sprintf(
		"damaged at byte %d (offset %d of the log): %s; %s; \"aerobee store check\" shows all, and a start with --repair keeps what is intact",
		at%s.log.FileSize(), at, reason, why)}
}

// queuesReach tells whether a queue has an entry at or behind phy.
func (s *Store) queuesReach(phy int64) (bool, error) {
	topics, err := s.queues.Topics()
	if err != nil {
		return false, err
	}
	for _, topic := range topics {
		ids, err := s.queues.IDs(topic)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			q, err := s.queues.Queue(topic, id)
			if err != nil {
				return false, err
			}
			if q.LastPhy() >= phy {
				return true, nil
			}
		}
	}
	return false, nil
}
