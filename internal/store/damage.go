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

// Tail is what is known when a log can be read only up to some offset.
type Tail struct {
	Log        *commitlog.Log
	Clean      bool // the store had been closed
	Checkpoint Checkpoint
	Record     message.Options
	// Reaches tells whether a consume queue has an entry at or behind phy.
	Reaches func(phy int64) (bool, error)
}

// Judge decides what it means that the log could be read only up to end; records
// behind it that are older than lastTime are stale. It is nil for a torn tail,
// which a crash leaves and which may be cut off, and a *FileError for damage:
// cutting that off would lose good records behind it, or hide that acknowledged
// ones are gone.
func (t *Tail) Judge(end, lastTime int64) error {
	c := t.Checkpoint
	if t.Log.Files() > 0 && c.QueueTime > 0 && c.QueueOffset >= end {
		return t.damaged(end, fmt.Sprintf("the checkpoint says that records up to %d are on disk", c.QueueOffset))
	}
	if t.Clean {
		if err := t.Log.CheckEnd(end); err != nil {
			return err
		}
	}
	quiet, err := t.Log.Quiet(end)
	if quiet || err != nil {
		return err
	}
	if t.Clean {
		// Stale bytes are no damage: a Java broker leaves them after a crash, but no units.
		reaches, err := t.Reaches(end)
		if err != nil || !reaches {
			return err
		}
		return t.damaged(end, "the store was closed cleanly, and consume queues have entries for records from there on")
	}
	return t.judgeBehind(end, lastTime)
}

// judgeBehind tells a torn tail from damage after a crash, when bytes follow.
func (t *Tail) judgeBehind(end, lastTime int64) error {
	logEnd := t.Log.Limit()
	next, found, err := t.Log.Next(end+1, logEnd, lastTime, t.Record)
	if !found || err != nil {
		return err // a tail is torn when nothing good follows
	}
	lost, err := t.Log.LostSector(end, next.Offset)
	if err != nil {
		return err
	}
	newest := next.StoreTime
	for at, more := next, true; more; {
		behind, err := t.Log.Scan(at.Offset, t.Record, func(_ int64, _ int32, m *message.Message) error {
			newest = max(newest, m.StoreTimestamp)
			return nil
		})
		if err != nil {
			return err
		}
		if at, more, err = t.Log.Next(behind+1, logEnd, newest, t.Record); err != nil {
			return err
		}
	}
	old := newest-next.StoreTime > flushedWithin.Milliseconds() || next.StoreTime < t.Checkpoint.LogTime
	if lost && !old {
		return nil // what was not synced yet at a power cut reached the disk in any order
	}
	return t.damaged(end, fmt.Sprintf("good records follow from offset %d on", next.Offset))
}

func (t *Tail) damaged(at int64, why string) error {
	reason := "no record where one must be"
	if at < t.Log.Limit() {
		if err := t.Log.Explain(at, t.Record); err != nil {
			reason = err.Error()
		}
	}
	return &commitlog.FileError{Path: t.Log.Path(at), Reason: fmt.Sprintf(
		"damaged at byte %d (offset %d of the log): %s; %s; \"aerobee store check\" shows all, and a start with --repair keeps what is intact",
		at%t.Log.FileSize(), at, reason, why)}
}
