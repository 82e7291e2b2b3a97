package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// queue returns what is known of a queue, looking it up the first time.
func (c *checker) queue(k cqueue.Key) (*queue, error) {
	if q := c.queues[k]; q != nil {
		return q, nil
	}
	p := c.queueP
	q, err := c.files.open(k, func(problem Problem) { c.problem(p, problem) })
	if err != nil {
		return nil, err
	}
	c.queues[q.key] = q
	return q, nil
}

// recordUnit looks the unit of a record up.
func (c *checker) recordUnit(w wanted, off int64) error {
	q, err := c.queue(w.key)
	if err != nil || w.light && !q.there {
		return err
	}
	q.next = w.offset + 1
	if q.first > off { // of a topic of this name that was deleted
		c.report.Orphans++
		return nil
	}
	if q.batch {
		q.records++
		return nil
	}
	for _, fresh := range []bool{false, true} {
		u, ok, err := c.files.unit(q, w.offset, fresh)
		if err != nil {
			return err
		}
		if ok && w.fits(u) {
			q.matched++
			return nil
		}
		if ok && fresh {
			q.differs++
			return nil
		}
	}
	if !c.d.clean && off >= c.report.Start.From {
		q.build++
		c.report.Start.UnitsToBuild++
		return nil
	}
	if q.missing++; q.missing == 1 {
		q.lost = place{off, w.offset}
	}
	return nil
}

// checkQueues reads every queue and compares it with the log.
func (c *checker) checkQueues() error {
	done := int64(0)
	for _, folder := range []string{"consumequeue", "batchconsumequeue"} {
		err := c.d.eachQueueDir(folder, func(k cqueue.Key) error {
			q, err := c.queue(k)
			if err != nil || q.batch != (folder == "batchconsumequeue") {
				return errors.Join(err, c.ctx.Err())
			}
			done++
			c.progress(folder, done, max(done, int64(len(c.queues))))
			if q.batch {
				return errors.Join(c.checkBatchQueue(q), c.ctx.Err())
			}
			return errors.Join(c.checkQueue(q), c.ctx.Err())
		})
		if err != nil {
			return err
		}
	}
	for _, q := range c.queues {
		c.reportMissing(q)
	}
	return nil
}

// reportMissing makes a problem of records without units, unless their topic is
// deleted.
func (c *checker) reportMissing(q *queue) {
	if q.missing == 0 {
		return
	}
	if !c.meta.known(q.key.Topic) {
		c.report.Orphans += q.missing
		q.missing = 0
		return
	}
	q.bad = true
	problem := Problem{
		File: c.d.queueDir(q.key, q.batch), Offset: -1, Found: fmt.Sprintf("no units for %d records", q.missing),
		Expected: fmt.Sprintf("one each, the first at queue offset %d for the record at offset %d of the log", q.lost.offset, q.lost.phy),
	}
	if len(q.files) > 0 && !q.batch {
		start := q.lost.offset - q.lost.offset%c.files.perFile()
		problem.File = filepath.Join(problem.File, commitlog.FileName(start*cqueue.UnitSize))
		problem.Offset = (q.lost.offset - start) * cqueue.UnitSize
	}
	c.problem(c.queueP, problem)
}

// unitPass is one reading of a queue.
type unitPass struct {
	q       *queue
	prev    int64 // physical offset of the unit before
	begun   bool  // a unit that is not blank was seen
	ended   bool  // the end of data was seen
	inRange int64 // units of records in the log
	broken  bool
}

// checkQueue reads a queue's units in order.
func (c *checker) checkQueue(q *queue) error {
	pass := &unitPass{q: q, prev: -1}
	if len(q.files) > 0 {
		q.end = q.files[0]
	}
	err := c.eachUnit(q, func(off int64, u cqueue.Unit, path string) error {
		c.checkUnit(pass, off, u, path)
		return nil
	})
	if err != nil {
		return err
	}
	c.queueP.Files += int64(len(q.files))
	c.queueP.Bytes += int64(len(q.files)) * c.files.fileSize
	q.bad = q.bad || pass.broken
	if pass.inRange == q.matched && q.differs == 0 {
		return nil
	}
	return c.eachUnit(q, func(off int64, u cqueue.Unit, path string) error { return c.compareUnit(q, off, u, path) })
}

// eachUnit visits all units of the files, also those that are no data.
func (c *checker) eachUnit(q *queue, visit func(off int64, u cqueue.Unit, path string) error) error {
	buf := make([]byte, 1024*cqueue.UnitSize)
	for _, start := range q.files {
		path := filepath.Join(c.d.queueDir(q.key, false), commitlog.FileName(start*cqueue.UnitSize))
		for at := int64(0); at < c.files.perFile(); {
			b := buf[:min(int64(len(buf)), (c.files.perFile()-at)*cqueue.UnitSize)]
			n, err := c.d.readAt(path, b, at*cqueue.UnitSize)
			if err != nil {
				return err
			}
			for b = b[:n]; len(b) >= cqueue.UnitSize; b = b[cqueue.UnitSize:] {
				if err := visit(start+at, cqueue.DecodeUnit(b), path); err != nil {
					return err
				}
				at++
			}
			if n < cqueue.UnitSize {
				break
			}
		}
	}
	return nil
}

// checkUnit looks at one unit and its predecessor alone.
func (c *checker) checkUnit(pass *unitPass, off int64, u cqueue.Unit, path string) {
	q := pass.q
	at := off % c.files.perFile() * cqueue.UnitSize
	data := u.Size > 0 && u.Phy >= 0
	switch {
	case !data && u == (cqueue.Unit{}):
		pass.ended = true
		return
	case !c.d.clean && (!data || pass.ended || u.Phy >= c.report.Start.From && u.Phy <= pass.prev):
		pass.ended = true // behind the last good unit may be anything after a crash
		c.report.Start.UnitsToDrop++
		return
	case !data:
		c.unitProblem(pass, path, at, u, "a unit, or zeros where none is")
		pass.ended = true
		return
	case pass.ended:
		c.unitProblem(pass, path, at, u, "zeros: units end before it")
		return
	}
	c.queueP.Items++
	q.end = off + 1
	switch {
	case u.Blank() && !pass.begun:
		return
	case u.Blank() || u.Phy <= pass.prev:
		c.unitProblem(pass, path, at, u, "a physical offset above "+itoa(pass.prev)+", that of the unit before")
		return
	}
	pass.begun, pass.prev = true, u.Phy
	switch {
	case u.Phy < c.d.logMin(): // expired
	case u.Phy < c.end:
		pass.inRange++
	case c.d.clean && find(c.damaged, u.Phy) == nil:
		c.unitProblem(pass, path, at, u, "a physical offset below "+itoa(c.end)+", where the log ends")
	default:
		c.cut(u)
		if !c.d.clean {
			c.report.Start.UnitsToDrop++
		}
	}
}

func (c *checker) unitProblem(pass *unitPass, path string, at int64, u cqueue.Unit, expected string) {
	pass.broken = true
	c.problem(c.queueP, Problem{File: path, Offset: at, Found: describe(u), Expected: expected})
}

func describe(u cqueue.Unit) string {
	return fmt.Sprintf("a unit with offset %d, size %d, tags code %d", u.Phy, u.Size, u.TagsCode)
}

// maxCuts bounds what is remembered of units that point into damage.
const maxCuts = 1 << 20

// cut remembers, for a repair, that a unit points into damage.
func (c *checker) cut(u cqueue.Unit) bool {
	r := find(c.damaged, u.Phy)
	if r != nil && c.repair && len(r.cuts) < maxCuts {
		r.cuts = append(r.cuts, place{u.Phy, int64(u.Size)})
	}
	return r != nil
}

// compareUnit compares a unit with the record that it points to.
func (c *checker) compareUnit(q *queue, off int64, u cqueue.Unit, path string) error {
	if u.Size <= 0 || u.Phy < c.d.logMin() || u.Phy >= c.end || u.Blank() || c.cut(u) || find(c.fillers, u.Phy) != nil {
		return nil
	}
	if !c.d.clean && off >= q.end {
		return nil
	}
	rec, err := c.d.recordAt(u.Phy, nil)
	expected := ""
	switch {
	case errors.Is(err, commitlog.ErrMisaligned), errors.Is(err, commitlog.ErrNotFound):
		expected = "the offset of a record"
	case err != nil:
		return err
	default:
		expected = c.mismatch(q, off, u, rec)
	}
	if expected == "" {
		return nil
	}
	q.bad = true
	c.problem(c.queueP, Problem{File: path, Offset: off % c.files.perFile() * cqueue.UnitSize, Found: describe(u), Expected: expected})
	return nil
}

// mismatch says what a unit should be going by its record, empty when it is that.
func (c *checker) mismatch(q *queue, off int64, u cqueue.Unit, rec []byte) string {
	m, err := message.Parse(rec)
	if err != nil {
		return "the offset of a good record"
	}
	list := unitsOf(&m, u.Phy, int32(len(rec)))
	i := slices.IndexFunc(list, func(w wanted) bool { return w.key == q.key })
	switch {
	case i < 0 || !queued(&m):
		return fmt.Sprintf("a record of this queue, not of %s/%d", m.Topic, m.QueueID)
	case list[i].offset != off:
		return fmt.Sprintf("the record of queue offset %d, not %d", off, list[i].offset)
	case !list[i].fits(u):
		return describe(list[i].unit)
	case extAddress(u.TagsCode):
		return c.checkExt(q, u.TagsCode, list[i].unit.TagsCode)
	}
	return ""
}

// extMinSize is the size of a unit of consumequeue_ext without a bit map.
const extMinSize = 20

// checkExt resolves an address in consumequeue_ext.
func (c *checker) checkExt(q *queue, address, tagsCode int64) string {
	offset := address - (-1 << 63)
	dir := filepath.Join(c.d.cfg.Dir, "consumequeue_ext", q.key.Topic, itoa(int64(q.key.ID)))
	infos, err := c.d.list(dir)
	if err != nil {
		return "a readable folder " + dir
	}
	size := usualSize(infos, 48<<20)
	var b [extMinSize]byte
	path := filepath.Join(dir, commitlog.FileName(offset-offset%size))
	n, err := c.d.readAt(path, b[:], offset%size)
	switch got := int16(binary.BigEndian.Uint16(b[:])); {
	case err != nil && !errors.Is(err, io.EOF), n < len(b), got < extMinSize:
		return fmt.Sprintf("an address in %s: no unit at %d", dir, offset)
	case int64(binary.BigEndian.Uint64(b[2:])) != tagsCode:
		return fmt.Sprintf("a unit with tags code %d at %d of %s", tagsCode, offset, dir)
	}
	return ""
}
