package inspect

import (
	"cmp"
	"context"
	"path/filepath"
	"sort"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// checker is one check under way.
type checker struct {
	d      *Dir
	ctx    context.Context
	report *Report
	meta   metadata // config files, read before everything else

	files   *queueFiles
	queues  map[cqueue.Key]*queue
	logP    *Part
	queueP  *Part
	batchP  *Part
	damaged []region // of the log, ascending
	fillers []region // ascending, neighbours joined
	suspect []region // records that units contradict
	hasExt  bool     // consumequeue_ext is there
	before  int64    // store time of the record before the last
	end     int64    // of the log
	last    place    // the last record: phy, and its store time in offset
	indexed int64    // physical offset of the last indexed record
	// dispatched is the last record whose units are known to be on disk: after a
	// crash a start drops those of later ones and builds them again.
	dispatched int64

	repair        bool // collect what a repair needs
	badIndex      bool
	badCheckpoint bool
	badConfig     []string // files that cannot be read
	units         []byte   // buffer of eachUnit
}

// region is a part of the log from which no record can be read, or that a
// filler stands in.
type region struct {
	from, to int64
	time     int64   // store time of the record before it, or behind it when there is none
	cuts     []place // of units that point into it: phy, and size in offset
}

// find returns the region in which phy lies, or nil.
func find(list []region, phy int64) *region {
	i := sort.Search(len(list), func(i int) bool { return list[i].to > phy })
	if i == len(list) || phy < list[i].from {
		return nil
	}
	return &list[i]
}

// Check verifies everything in the directory. Problems are in the report; an
// error means that the check could not be completed.
func (d *Dir) Check(ctx context.Context) (*Report, error) {
	c, err := d.check(ctx, false)
	if err != nil {
		return nil, err
	}
	return c.report, nil
}

func (d *Dir) check(ctx context.Context, repair bool) (*checker, error) {
	size, err := d.queueFileSize()
	if err != nil {
		return nil, err
	}
	c := &checker{
		d: d, ctx: ctx, repair: repair, queues: make(map[cqueue.Key]*queue),
		files:  &queueFiles{d: d, fileSize: size},
		report: &Report{Dir: d.cfg.Dir, LogMin: d.logMin(), Problems: []Problem{}},
		last:   place{phy: -1}, indexed: -1, dispatched: -1,
	}
	c.report.Start.Clean = d.clean
	if _, err := d.cfg.FS.Stat(filepath.Join(d.cfg.Dir, "consumequeue_ext")); err == nil {
		c.hasExt = true
	}
	configP := c.report.part("config")
	if err := c.readMetadata(configP); err != nil {
		return nil, err
	}
	c.logP = c.report.part("commitlog")
	c.queueP, c.batchP = c.report.part("consumequeue"), c.report.part("batchconsumequeue")
	for _, step := range []func() error{
		c.findIndexed,
		func() error { return c.checkLog(c.logP) },
		c.checkQueues,
		func() error { return c.checkIndex(c.report.part("index")) },
		func() error { return c.checkCheckpoint(c.report.part("checkpoint")) },
		func() error { return c.checkOffsets(configP) },
		func() error { return c.checkTimer(c.report.part("timer")) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	c.report.Parts = append(c.report.Parts[1:], configP)
	return c, nil
}

// problem notes a problem of a part.
func (c *checker) problem(p *Part, problem Problem) {
	p.Problems++
	if len(c.report.Problems) < c.d.cfg.MaxProblems {
		c.report.Problems = append(c.report.Problems, problem)
	} else {
		c.report.More++
	}
}

func (c *checker) progress(part string, done, total int64) {
	if c.d.cfg.Progress != nil {
		c.d.cfg.Progress(part, done, total)
	}
}

// checkLog reads the log from its beginning to its end.
func (c *checker) checkLog(p *Part) error {
	for _, problem := range c.d.bad {
		c.problem(p, problem)
	}
	if n := len(c.d.runs); n > 0 { // a start knows of the last run alone
		var err error
		if c.report.Start.From, c.dispatched, err = c.recoveryStart(c.d.runs[n-1]); err != nil {
			return err
		}
	}
	for i, run := range c.d.runs {
		p.Files += int64(run.Files())
		p.Bytes += run.Limit() - run.Min()
		if i > 0 {
			c.damage(c.d.runs[i-1].Limit(), run.Min(), c.last.offset)
		}
		if err := c.checkRun(p, run, i == len(c.d.runs)-1); err != nil {
			return err
		}
	}
	s := &c.report.Start
	s.End, s.Bytes = c.end, max(0, c.end-s.From)
	return nil
}

func (c *checker) recoveryStart(run *commitlog.Log) (from, dispatched int64, err error) {
	if infos, err := c.d.cfg.FS.ReadDir(filepath.Join(c.d.cfg.Dir, "consumequeue")); err != nil || len(infos) == 0 {
		return run.Min(), -1, nil
	}
	return store.RecoveryStart(run, c.d.checkpoint)
}

func (c *checker) damage(from, to, storeTime int64) {
	if n := len(c.damaged); n > 0 && c.damaged[n-1].to == from {
		c.damaged[n-1].to = to
		return
	}
	c.damaged = append(c.damaged, region{from: from, to: to, time: storeTime})
}

// checkRun reads one run of files, passing over damage.
func (c *checker) checkRun(p *Part, run *commitlog.Log, last bool) error {
	for at := run.Min(); ; {
		end, err := run.Scan(at, c.d.record, func(off int64, size int32, m *message.Message) error {
			p.Items++
			if p.Items%4096 == 0 {
				c.progress(p.Name, off-c.d.logMin(), c.d.runs[len(c.d.runs)-1].Limit()-c.d.logMin())
			}
			if err := c.record(p, run, off, size, m); err != nil {
				return err
			}
			return c.ctx.Err()
		})
		if err != nil {
			return err
		}
		if c.end = end; end == run.Limit() {
			return nil
		}
		next, ok, err := run.Next(end+1, run.Limit(), c.newest(), c.d.record)
		if err != nil {
			return err
		}
		if last {
			torn, err := c.tornAt(run, end, ok)
			if torn || err != nil {
				c.report.Start.CutOff = ok
				return err
			}
		}
		to := next.Offset
		if !ok {
			to = run.Limit()
			if last {
				to = end - end%run.FileSize() + run.FileSize()
			}
		}
		c.problem(p, c.explain(run, end, to, ok))
		c.damage(end, to, cmp.Or(c.last.offset, next.StoreTime))
		if !ok {
			return nil
		}
		at = next.Offset
	}
}

// newest is a store time that records behind the last one have reached, even if
// one record's is damaged.
func (c *checker) newest() int64 { return min(c.before, c.last.offset) }

func (c *checker) explain(run *commitlog.Log, end, to int64, more bool) Problem {
	problem := Problem{File: run.Path(end), Offset: end % run.FileSize(), Found: "no record", Expected: "a record, as the checkpoint or a consume queue says"}
	if err := run.Explain(end, c.d.record); err != nil {
		problem.Found = "damage: " + err.Error()
	}
	if more {
		problem.Expected = "a record: the next good one is at offset " + itoa(to) + " of the log"
	}
	return problem
}

// tornAt tells whether the log ends at end in an orderly way: a broker that is
// writing there, a torn tail, or nothing behind at all.
func (c *checker) tornAt(run *commitlog.Log, end int64, more bool) (bool, error) {
	if more && !c.d.clean && run.Explain(end, c.d.record) == nil {
		return true, nil // was being written when it was read
	}
	tail := store.Tail{Log: run, Clean: c.d.clean, Checkpoint: c.d.checkpoint, Record: c.d.record, Reaches: c.files.reaches}
	if c.d.checkpoint.QueueOffset >= run.Limit() { // of another log: the checkpoint is what is wrong
		tail.Checkpoint = store.Checkpoint{}
	}
	err := tail.Judge(end, c.newest())
	if damage := (*store.FileError)(nil); asFileError(err, &damage) {
		return false, nil
	}
	return err == nil, err
}

// record verifies what a record says of its place, and looks its units up.
func (c *checker) record(p *Part, run *commitlog.Log, off int64, size int32, m *message.Message) error {
	if m.StoreTimestamp < c.last.offset {
		c.problem(p, Problem{
			File: run.Path(off), Offset: off % run.FileSize(), Found: "store time " + itoa(m.StoreTimestamp),
			Expected: "at least " + itoa(c.last.offset) + ", that of the record before",
		})
	}
	c.before, c.last = c.last.offset, place{phy: off, offset: m.StoreTimestamp}
	if store.IsFiller(m) {
		c.report.Fillers++
		if n := len(c.fillers); n > 0 && c.fillers[n-1].to == off {
			c.fillers[n-1].to = off + int64(size)
		} else {
			c.fillers = append(c.fillers, region{from: off, to: off + int64(size)})
		}
	}
	if !c.d.clean && off > c.dispatched && off >= c.report.Start.From && off > c.indexed {
		c.report.Start.KeysToBuild += int64(len(hashes(nil, m)))
	}
	if !queued(m) {
		return nil
	}
	for _, w := range unitsOf(m, off, size) {
		if err := c.recordUnit(w, off); err != nil {
			return err
		}
	}
	return nil
}
