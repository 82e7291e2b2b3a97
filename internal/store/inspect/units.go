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
	differs := false
	for _, fresh := range []bool{false, true} { // it may have been written since it was read
		u, ok, err := c.files.unit(q, w.offset, fresh)
		if err != nil {
			return err
		}
		if ok && c.unitProblemOf(q, w, u) == "" {
			q.matched++
			return nil
		}
		differs = ok
	}
	switch {
	case !c.d.clean && off > c.dispatched && off >= c.report.Start.From:
		q.build++
		c.report.Start.UnitsToBuild++
		return nil
	case differs:
		q.differs++
	default:
		q.missing++
	}
	if q.differs+q.missing == 1 {
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
// deleted, and of others whose units no problem was found with.
func (c *checker) reportMissing(q *queue) {
	if q.missing == 0 && (q.differs == 0 || q.bad) {
		return
	}
	if !c.meta.known(q.key.Topic) {
		c.report.Orphans += q.missing
		return
	}
	q.bad = true
	problem := Problem{
		File: c.d.queueDir(q.key, q.batch), Offset: -1, Found: fmt.Sprintf("no units for %d records", q.missing+q.differs),
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
	ended   bool  // the end of data was seen
	inRange int64 // units of records in the log
	broken  bool
	stop    Problem // the first unit that is none, where a start takes the queue to end
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
	if pass.inRange < q.matched && pass.ended && !pass.broken && c.stillThere(q) { // units were found behind where the queue seems to end
		pass.broken = true
		c.problem(c.queueP, pass.stop)
	}
	q.bad = q.bad || pass.broken
	if pass.inRange == q.matched && q.differs == 0 {
		return nil
	}
	return c.eachUnit(q, func(off int64, u cqueue.Unit, path string) error { return c.compareUnit(q, off, u, path) })
}

// stillThere tells whether the queue's first file has not expired meanwhile.
func (c *checker) stillThere(q *queue) bool {
	_, err := c.d.cfg.FS.Stat(filepath.Join(c.d.queueDir(q.key, false), commitlog.FileName(q.files[0]*cqueue.UnitSize)))
	return err == nil
}

// eachUnit visits all units of the files, also those that are no data.
func (c *checker) eachUnit(q *queue, visit func(off int64, u cqueue.Unit, path string) error) error {
	if c.units == nil {
		c.units = make([]byte, 1024*cqueue.UnitSize)
	}
	buf := c.units
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
		pass.end(path, at, u)
		return
	case !c.d.clean && (!data || pass.ended || u.Phy > c.dispatched && u.Phy <= pass.prev):
		pass.end(path, at, u) // behind the last good unit may be anything after a crash
		c.report.Start.UnitsToDrop++
		return
	case !data:
		c.unitProblem(pass, path, at, u, "a unit, or zeros where none is")
		pass.end(path, at, u)
		return
	case pass.ended:
		c.unitProblem(pass, path, at, u, "zeros: units end before it")
		return
	}
	c.queueP.Items++
	q.end = off + 1
	switch {
	case u.Blank(): // before the first message, or in place of one that is lost
		return
	case u.Phy <= pass.prev:
		c.unitProblem(pass, path, at, u, "a physical offset above "+itoa(pass.prev)+", that of the unit before")
		return
	}
	pass.prev = u.Phy
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

// end notes the first unit that is none.
func (pass *unitPass) end(path string, at int64, u cqueue.Unit) {
	if !pass.ended {
		pass.ended = true
		pass.stop = Problem{File: path, Offset: at, Found: describe(u), Expected: "a unit: others follow that belong to records"}
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
	if wrong, err := c.disowned(q, off, u, rec); wrong || err != nil {
		return err
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
	}
	return c.unitProblemOf(q, list[i], u)
}

// unitProblemOf says what a unit should be when it is not the wanted one.
func (c *checker) unitProblemOf(q *queue, w wanted, u cqueue.Unit) string {
	switch {
	case w.fits(u):
		return ""
	case u.Phy == w.unit.Phy && u.Size == w.unit.Size && extAddress(u.TagsCode) && c.hasExt:
		return c.checkExt(q, u.TagsCode, w.unit.TagsCode)
	}
	return describe(w.unit)
}

// disowned tells whether a record that a unit fits to in place and size names
// another queue or offset, where no unit is: then the record is damaged in its
// fields, for which the format has no checksum, and not the unit.
func (c *checker) disowned(q *queue, off int64, u cqueue.Unit, rec []byte) (bool, error) {
	m, err := message.Parse(rec)
	if err != nil || int(u.Size) != len(rec) {
		return false, nil
	}
	for _, w := range unitsOf(&m, u.Phy, u.Size) {
		if w.key == q.key && w.offset == off {
			return false, nil
		}
		own, err := c.queue(w.key)
		if err != nil {
			return false, err
		}
		if there, ok, err := c.files.unit(own, w.offset, false); err != nil || ok && there.Phy == u.Phy {
			return false, err
		}
	}
	run := c.d.run(u.Phy)
	c.problem(c.logP, Problem{
		File: run.Path(u.Phy), Offset: u.Phy % run.FileSize(), Found: fmt.Sprintf("a record of %s/%d at queue offset %d", m.Topic, m.QueueID, m.QueueOffset),
		Expected: fmt.Sprintf("one of %s/%d at %d, whose unit leads there", q.key.Topic, q.key.ID, off),
	})
	c.suspect = append(c.suspect, region{from: u.Phy, to: u.Phy + int64(u.Size), time: m.StoreTimestamp})
	return true, nil
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
