package inspect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/vfs"
)

// maxFiller bounds a filler, in bytes: no larger than messages are.
const maxFiller = 4 << 20

// mendLog closes the damaged regions of the log with fillers, so that what lies
// behind them can be read.
func (r *repairer) mendLog(ctx context.Context) error {
	size := r.cfg.CommitLogFileSize
	for _, reg := range append(r.c.suspect, r.c.damaged...) {
		for from := reg.from; from < reg.to; {
			to := min(reg.to, from-from%size+size)
			if err := errors.Join(r.mendPart(&reg, from, to), ctx.Err()); err != nil {
				return err
			}
			from = to
		}
	}
	return nil
}

// mendPart closes a damaged part of one file, which is made when it is missing.
func (r *repairer) mendPart(reg *region, from, to int64) error {
	size := r.cfg.CommitLogFileSize
	path := filepath.Join(r.d.cfg.CommitLogDir, commitlog.FileName(from-from%size))
	if r.d.run(from) != nil {
		if err := r.copyAside(path, from%size, from%size+to-from, fmt.Sprintf(".from-%d", from%size)); err != nil {
			return err
		}
	}
	f, err := r.cfg.FS.Create(path)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	last := reg.to == to && r.d.runs[len(r.d.runs)-1].Limit() == to
	smallest := int64(message.MinFillerSize(r.d.record))
	rest := smallest
	if to%size == 0 {
		rest = message.BlankSize
	}
	pieces := cutUp(reg.cuts, from, to, smallest, rest)
	fillers := int64(0)
	for i, at := range pieces {
		end := to
		if i+1 < len(pieces) {
			end = pieces[i+1]
		}
		switch {
		case err != nil:
		case i+1 < len(pieces) || to%size != 0:
			fillers++
			err = r.writeFiller(f, at, end, reg.time)
		case last: // the log ends here
			err = errors.Join(f.Truncate(at%size), f.Truncate(size))
		default:
			_, err = f.WriteAt(message.AppendBlank(nil, int32(end-at)), at%size)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	r.done("%s: bytes %d to %d were damaged or missing; %d fillers stand in for the messages there, which are lost", path, from%size, from%size+to-from, fillers)
	return errors.Join(err, f.Close(), r.cfg.FS.SyncDir(filepath.Dir(path)))
}

func (r *repairer) writeFiller(f vfs.File, at, end, storeTime int64) error {
	rec, err := message.AppendFiller(nil, int(end-at), at, storeTime, r.d.record)
	if err != nil {
		return fmt.Errorf("damage of the log at %d to %d: %w", at, end, err)
	}
	_, err = f.WriteAt(rec, at%r.cfg.CommitLogFileSize)
	return err
}

// cutUp divides a damaged part where consume queue units say that records were,
// so that each of these units leads to a filler of its own. It returns where the
// pieces begin. Each has at least smallest bytes, the last one rest.
func cutUp(cuts []place, from, to, smallest, rest int64) []int64 {
	points := make([]int64, 0, 2*len(cuts))
	for _, c := range cuts {
		if c.phy >= from && c.phy < to {
			points = append(points, c.phy, c.phy+c.offset)
		}
	}
	for at := from + maxFiller; at < to; at += maxFiller {
		points = append(points, at)
	}
	slices.Sort(points)
	starts := []int64{from}
	for _, p := range points {
		if p-starts[len(starts)-1] >= smallest && to-p >= rest {
			starts = append(starts, p)
		}
	}
	return starts
}
