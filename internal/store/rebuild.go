package store

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
	"github.com/aerobee/aerobee/internal/store/index"
)

// IsFiller tells whether a record stands for damaged ones, see
// message.AppendFiller.
func IsFiller(m *message.Message) bool {
	return m.SysFlag&message.FlagTransactionMask == message.FlagTransactionUndo && m.Topic == message.FillerTopic
}

// rolledBack tells whether a record is of the kind that no queue has, so that a
// unit that leads to it is one of a damaged message.
func rolledBack(rec []byte) bool {
	return int32(binary.BigEndian.Uint32(rec[36:]))&message.FlagTransactionMask == message.FlagTransactionUndo
}

// unitsPerFlush bounds the units that Rebuild keeps in memory: 20 bytes each.
const unitsPerFlush = 1 << 18

// Rebuild reads a sound log from its beginning and builds the queues that want
// names, which must have no files, and the index when x is not nil. Messages that
// are damaged leave blank units. Nobody else may use the store.
func Rebuild(ctx context.Context, cfg Config, log *commitlog.Log, want func(topic string, id int32) bool, x *index.Index) error {
	s := &Store{cfg: cfg, record: message.Options{CRC: cfg.AppendCRC}}
	set := cqueue.NewSet(cqueue.Config{FS: cfg.FS, Dir: cfg.path("consumequeue"), FileSize: cfg.QueueFileSize, LogMin: log.Min, OpenFiles: cfg.OpenFiles})
	p := Put{store: s}
	var keys []index.Key
	_, err := log.Scan(log.Min(), s.record, func(off int64, size int32, m *message.Message) error {
		e := p.describeStored(size, m)
		if x != nil {
			keys = p.appendKeys(keys[:0], off, m.StoreTimestamp)
			x.Add(keys)
		}
		if e.aside || !want(m.Topic, m.QueueID) {
			return ctx.Err()
		}
		if err := set.Restore(m.Topic, m.QueueID, m.QueueOffset, e.unit(off, m.StoreTimestamp)); err != nil {
			return err
		}
		if set.Unwritten() > unitsPerFlush {
			return set.Flush(ctx, math.MaxInt64)
		}
		return ctx.Err()
	})
	if err == nil {
		err = set.Flush(ctx, math.MaxInt64)
	}
	if err == nil {
		err = set.Sync()
	}
	return errors.Join(err, set.Close())
}
