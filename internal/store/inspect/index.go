package inspect

import (
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/aerobee/aerobee/internal/message"
	"github.com/aerobee/aerobee/internal/store/index"
	"github.com/aerobee/aerobee/internal/vfs"
)

// indexFiles lists the index files, oldest first.
func (d *Dir) indexFiles() ([]vfs.Info, error) {
	infos, err := d.list(filepath.Join(d.cfg.Dir, "index"))
	return slices.DeleteFunc(infos, func(info vfs.Info) bool {
		_, err := strconv.ParseInt(info.Name, 10, 64)
		return info.IsDir || err != nil || len(info.Name) != 17
	}), err
}

// findIndexed reads up to which record the index goes, before the log is read.
func (c *checker) findIndexed() error {
	infos, err := c.d.indexFiles()
	if err != nil {
		return err
	}
	for _, info := range infos {
		var b [index.HeaderSize]byte
		n, err := c.d.readAt(filepath.Join(c.d.cfg.Dir, "index", info.Name), b[:], 0)
		if err != nil {
			return err
		}
		if h := index.DecodeHeader(b[:]); n == len(b) && h.Count > 1 {
			c.indexed = max(c.indexed, h.EndPhy)
		}
	}
	return nil
}

// indexPass is the check of one index file.
type indexPass struct {
	c              *checker
	p              *Part
	path           string
	h              index.Header
	slots, entries int64
	trusted        int64   // entries of records from here on may be half written
	newest         []int32 // by slot, the newest entry so far
	prevPhy        int64
	phy            int64 // of the record whose keys are in want
	want           []int32
	storeTime      int64
	lastDiff       int32
	oldest         bool // the first file
	rec            []byte
}

// checkIndex compares all index entries with their records.
func (c *checker) checkIndex(p *Part) error {
	infos, err := c.d.indexFiles()
	if err != nil {
		return err
	}
	for i, info := range infos {
		path := filepath.Join(c.d.cfg.Dir, "index", info.Name)
		slots, entries, ok := c.d.indexSizes(info.Size)
		if !ok {
			c.indexProblem(p, Problem{File: path, Offset: -1, Found: fmt.Sprintf("a length of %d bytes", info.Size), Expected: "40 bytes, 4 for each slot and 20 for each entry"})
			continue
		}
		p.Files++
		p.Bytes += info.Size
		pass := &indexPass{c: c, p: p, path: path, slots: slots, entries: entries, trusted: c.end, prevPhy: -1, phy: -1, oldest: i == 0}
		if !c.d.clean {
			pass.trusted = min(c.end, max(c.dispatched+1, c.report.Start.From)) // a start drops the others
		}
		if err := pass.run(i == len(infos)-1); err != nil {
			return err
		}
		c.progress("index", int64(i+1), int64(len(infos)))
	}
	return nil
}

func (c *checker) indexProblem(p *Part, problem Problem) {
	c.badIndex = true
	c.problem(p, problem)
}

func (x *indexPass) bad(offset int64, found, expected string) {
	x.c.indexProblem(x.p, Problem{File: x.path, Offset: offset, Found: found, Expected: expected})
}

func (x *indexPass) run(newest bool) error {
	var b [index.HeaderSize]byte
	if n, err := x.c.d.readAt(x.path, b[:], 0); err != nil || n < len(b) {
		return err // gone: expired
	}
	x.h = index.DecodeHeader(b[:])
	if int64(x.h.Count) > x.entries {
		x.bad(36, fmt.Sprintf("%d entries", x.h.Count), fmt.Sprintf("at most %d", x.entries))
		x.h.Count = int32(x.entries)
	}
	x.newest = make([]int32, x.slots)
	whole, err := x.readEntries()
	if err != nil {
		return err
	}
	if !whole || newest && !x.c.d.clean {
		return nil // the rest is being written, or was when the broker ended
	}
	x.checkHeader()
	return x.checkSlots()
}

// readEntries reads the entries in order. whole is false when some are not
// trusted.
func (x *indexPass) readEntries() (whole bool, err error) {
	at := index.HeaderSize + x.slots*index.SlotSize
	whole = true
	first := int64(0) // the first entry that is not trusted
	buf := make([]byte, 4096*index.EntrySize)
	for n := int64(1); n < int64(x.h.Count); {
		b := buf[:min(int64(len(buf)), (int64(x.h.Count)-n)*index.EntrySize)]
		got, err := x.c.d.readAt(x.path, b, at+n*index.EntrySize)
		if err != nil {
			return false, err
		}
		for b = b[:got]; len(b) >= index.EntrySize; b = b[index.EntrySize:] {
			e := index.DecodeEntry(b)
			switch {
			case x.c.d.clean || whole && e.Phy < x.trusted:
				x.entry(n, at+n*index.EntrySize, e)
			case e.Phy >= x.c.end:
				x.c.report.Start.KeysToDrop++
				fallthrough
			default:
				if whole {
					whole, first = false, at+n*index.EntrySize
				}
				if e.Phy < x.trusted && x.right(e) {
					x.bad(first, "an entry that leads nowhere", "entries in the order of their records: one of offset "+itoa(e.Phy)+" follows")
					return false, nil
				}
			}
			n++
		}
		if got < index.EntrySize {
			return false, nil
		}
		if err := x.c.ctx.Err(); err != nil {
			return false, err
		}
	}
	return whole, nil
}

// entry compares entry n, at a byte of the file, with its record.
func (x *indexPass) entry(n, at int64, e index.Entry) {
	x.p.Items++
	found := fmt.Sprintf("entry %d with hash %d, offset %d, %d s, previous %d", n, e.Hash, e.Phy, e.TimeDiff, e.Prev)
	if e.Hash < 0 {
		x.bad(at, found, "a hash that is not negative")
		return
	}
	slot := int64(e.Hash) % x.slots
	if e.Prev != x.newest[slot] {
		x.bad(at, found, fmt.Sprintf("previous %d, the last entry of slot %d", x.newest[slot], slot))
	}
	x.newest[slot] = int32(n)
	if e.Phy < x.prevPhy {
		x.bad(at, found, "an offset of at least "+itoa(x.prevPhy)+", that of the entry before")
		return
	}
	x.prevPhy = e.Phy
	if e.Phy < x.c.d.logMin() || find(x.c.fillers, e.Phy) != nil {
		return
	}
	if e.Phy != x.phy {
		if err := x.load(e.Phy); err != nil {
			x.bad(at, found, "the offset of a record")
			return
		}
	}
	if !slices.Contains(x.want, e.Hash) {
		x.bad(at, found, fmt.Sprintf("one of the hashes %d of the record's keys", x.want))
	}
	x.lastDiff = e.TimeDiff
	if n == 1 && (x.h.BeginPhy != e.Phy || x.h.BeginTime != x.storeTime) {
		x.bad(0, fmt.Sprintf("begin time %d and offset %d", x.h.BeginTime, x.h.BeginPhy), fmt.Sprintf("%d and %d, those of the first entry", x.storeTime, e.Phy))
	}
	// The first entry of a later file has the time since the one before it began.
	if diff := max(x.storeTime-x.h.BeginTime, 0) / 1000; (n > 1 || x.oldest) && x.h.BeginTime > 0 && int64(e.TimeDiff) != min(diff, 1<<31-1) {
		x.bad(at, found, fmt.Sprintf("%d s, the time since the file begins", diff))
	}
}

// right tells whether an entry is that of a record.
func (x *indexPass) right(e index.Entry) bool {
	if e.Phy != x.phy && (e.Phy < x.c.d.logMin() || x.load(e.Phy) != nil) {
		return false
	}
	return slices.Contains(x.want, e.Hash)
}

// load reads the keys of a record.
func (x *indexPass) load(phy int64) error {
	if phy >= x.c.end {
		return io.EOF
	}
	var err error
	if x.rec, err = x.c.d.recordAt(phy, x.rec[:0]); err != nil {
		return err
	}
	m, err := message.Parse(x.rec)
	if err != nil {
		return err
	}
	x.phy, x.storeTime = phy, m.StoreTimestamp
	x.want = hashes(x.want[:0], &m)
	return nil
}

// checkHeader compares what the header says of the last entry.
func (x *indexPass) checkHeader() {
	if x.h.Count <= 1 {
		return
	}
	if x.h.EndPhy != x.prevPhy {
		x.bad(24, "end offset "+itoa(x.h.EndPhy), itoa(x.prevPhy)+", that of the last entry")
	}
	if x.phy == x.prevPhy && x.h.EndTime != x.storeTime && x.h.EndTime != x.h.BeginTime+int64(x.lastDiff)*1000 { // the latter after a recovery
		x.bad(8, "end time "+itoa(x.h.EndTime), itoa(x.storeTime)+", that of the last entry's record")
	}
}

// checkSlots compares the slots with the entries.
func (x *indexPass) checkSlots() error {
	buf := make([]byte, 1<<16)
	used := int32(0)
	for slot := int64(0); slot < x.slots; {
		b := buf[:min(int64(len(buf)), (x.slots-slot)*index.SlotSize)]
		got, err := x.c.d.readAt(x.path, b, index.HeaderSize+slot*index.SlotSize)
		if err != nil || got < index.SlotSize {
			return err
		}
		for b = b[:got]; len(b) >= index.SlotSize; b = b[index.SlotSize:] {
			n := int32(binary.BigEndian.Uint32(b))
			if n != x.newest[slot] {
				x.bad(index.HeaderSize+slot*index.SlotSize, fmt.Sprintf("slot %d with entry %d", slot, n), fmt.Sprintf("entry %d", x.newest[slot]))
			}
			if x.newest[slot] != 0 {
				used++
			}
			slot++
		}
	}
	if used != x.h.UsedSlots {
		x.bad(32, fmt.Sprintf("%d used slots", x.h.UsedSlots), fmt.Sprint(used))
	}
	return nil
}
