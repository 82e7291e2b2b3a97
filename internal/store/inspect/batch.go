package inspect

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/commitlog"
	"github.com/aerobee/aerobee/internal/store/cqueue"
)

// batchUnitSize is fixed by the format.
const batchUnitSize = 46

// batchUnit is one entry of a batch consume queue.
type batchUnit struct {
	cqueue.Unit
	storeTime, base int64
	count           int16
	compacted       int32 // always -1
	reserved        int32
}

func decodeBatchUnit(b []byte) batchUnit {
	be := binary.BigEndian
	return batchUnit{
		Unit:      cqueue.DecodeUnit(b),
		storeTime: int64(be.Uint64(b[20:])), base: int64(be.Uint64(b[28:])),
		count: int16(be.Uint16(b[36:])), compacted: int32(be.Uint32(b[38:])), reserved: int32(be.Uint32(b[42:])),
	}
}

func (u batchUnit) data() bool { return u.Phy >= 0 && u.Size > 0 && u.base >= 0 && u.count > 0 }

func (u batchUnit) String() string {
	return fmt.Sprintf("a unit with offset %d, size %d, tags code %d, store time %d, base %d, count %d, compacted %d, reserved %d",
		u.Phy, u.Size, u.TagsCode, u.storeTime, u.base, u.count, u.compacted, u.reserved)
}

// batchUnitOf is the unit that a record of a batch queue must have.
func batchUnitOf(m *message.Message, off int64, size int32) batchUnit {
	u := batchUnit{
		Unit: unitsOf(m, off, size)[0].unit, storeTime: m.StoreTimestamp, base: m.QueueOffset, count: 1, compacted: -1,
	}
	num, hasNum := message.Property(m.Properties, message.PropInnerNum)
	base, hasBase := message.Property(m.Properties, message.PropInnerBase)
	n, nerr := strconv.ParseInt(num, 10, 16)
	b, berr := strconv.ParseInt(base, 10, 64)
	if hasNum && hasBase && nerr == nil && berr == nil {
		u.base, u.count = b, int16(n)
	}
	return u
}

// openBatch finds the first unit.
func (f *queueFiles) openBatch(q *queue) error {
	if len(q.files) == 0 {
		return nil
	}
	var b [batchUnitSize]byte
	path := filepath.Join(f.d.queueDir(q.key, true), commitlog.FileName(q.files[0]))
	n, err := f.d.readAt(path, b[:], 0)
	if u := decodeBatchUnit(b[:]); n == len(b) && u.data() && f.d.isRecord(u.Phy) {
		q.first = u.Phy
	}
	return err
}

// checkBatchQueue compares the units of a batch queue with their records, one by
// one: batch queues are few.
func (c *checker) checkBatchQueue(q *queue) error {
	dir := c.d.queueDir(q.key, true)
	pass := &unitPass{q: q, prev: -1}
	buf := make([]byte, 1024*batchUnitSize)
	for _, start := range q.files {
		path := filepath.Join(dir, commitlog.FileName(start))
		c.batchP.Files++
		for at := int64(0); ; {
			n, err := c.d.readAt(path, buf, at)
			if err != nil {
				return err
			}
			for b := buf[:n]; len(b) >= batchUnitSize; b = b[batchUnitSize:] {
				if err := c.checkBatchUnit(pass, decodeBatchUnit(b), path, at); err != nil {
					return err
				}
				at += batchUnitSize
			}
			if n < len(buf) {
				c.batchP.Bytes += at
				break
			}
		}
	}
	if short := q.records - pass.inRange; short > 0 && !c.d.clean {
		c.report.Start.UnitsToBuild += short
	} else if short > 0 && c.meta.known(q.key.Topic) {
		c.problem(c.batchP, Problem{File: dir, Offset: -1, Found: fmt.Sprintf("units for %d records", pass.inRange), Expected: fmt.Sprintf("units for %d", q.records)})
	}
	return nil
}

func (c *checker) checkBatchUnit(pass *unitPass, u batchUnit, path string, at int64) error {
	bad := func(expected string) {
		c.problem(c.batchP, Problem{File: path, Offset: at, Found: u.String(), Expected: expected})
	}
	switch {
	case u == batchUnit{}:
		pass.ended = true
		return nil
	case !c.d.clean && (pass.ended || !u.data() || u.Phy >= c.end):
		pass.ended = true
		c.report.Start.UnitsToDrop++
		return nil
	case pass.ended:
		bad("zeros: units end before it")
		return nil
	case !u.data():
		bad("a unit, or zeros where none is")
		pass.ended = true
		return nil
	}
	c.batchP.Items++
	pass.q.end = u.base + int64(u.count)
	if u.Phy <= pass.prev {
		bad("a physical offset above " + itoa(pass.prev) + ", that of the unit before")
		return nil
	}
	pass.prev = u.Phy
	if u.Phy < c.d.logMin() || find(c.damaged, u.Phy) != nil || find(c.fillers, u.Phy) != nil {
		return nil
	}
	rec, err := c.d.recordAt(u.Phy, nil)
	if err != nil || u.Phy >= c.end {
		bad("the offset of a record")
		return nil
	}
	m, err := message.Parse(rec)
	if err != nil {
		bad("the offset of a good record")
		return nil
	}
	pass.inRange++
	if want := batchUnitOf(&m, u.Phy, int32(len(rec))); u != want || m.Topic != pass.q.key.Topic || m.QueueID != pass.q.key.ID {
		bad(want.String() + " of " + m.Topic + "/" + itoa(int64(m.QueueID)))
	}
	return nil
}
