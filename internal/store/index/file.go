package index

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Sizes of the format, in bytes.
const (
	headerSize = 40
	slotSize   = 4
	entrySize  = 20
)

// header is the first 40 bytes of a file.
type header struct {
	beginTime, endTime int64 // store times, ms
	beginPhy, endPhy   int64
	usedSlots          int32
	count              int32 // entries + 1: entry 0 is never used
}

// file is a mapped index file.
type file struct {
	path    string
	slots   int64
	max     int64 // entry numbers are below
	f       vfs.File
	m       vfs.Mapping
	b       []byte
	h       header
	touched bool // since the last sync
}

func fileLen(slots, entries int64) int64 { return headerSize + slots*slotSize + entries*entrySize }

func openFile(fs vfs.FS, path string, slots, entries int64) (*file, error) {
	f, err := fs.Create(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err == nil && size < fileLen(slots, entries) {
		err = f.Truncate(fileLen(slots, entries))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	m, err := f.Map(fileLen(slots, entries))
	if err != nil {
		f.Close()
		return nil, err
	}
	x := &file{path: path, slots: slots, max: entries, f: f, m: m, b: m.Bytes()}
	x.readHeader()
	return x, nil
}

func (x *file) close() error {
	err := x.m.Close()
	if cerr := x.f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("index %s: %w", x.path, err)
	}
	return nil
}

func (x *file) readHeader() {
	h := DecodeHeader(x.b)
	x.h = header{h.BeginTime, h.EndTime, h.BeginPhy, h.EndPhy, h.UsedSlots, h.Count}
	x.h.count = int32(min(max(int64(x.h.count), 1), x.max))
}

func (x *file) writeHeader() {
	be := binary.BigEndian
	be.PutUint64(x.b, uint64(x.h.beginTime))
	be.PutUint64(x.b[8:], uint64(x.h.endTime))
	be.PutUint64(x.b[16:], uint64(x.h.beginPhy))
	be.PutUint64(x.b[24:], uint64(x.h.endPhy))
	be.PutUint32(x.b[32:], uint32(x.h.usedSlots))
	be.PutUint32(x.b[36:], uint32(x.h.count))
	x.touched = true
}

func (x *file) full() bool { return int64(x.h.count) >= x.max }

func (x *file) slotAt(slot int64) []byte { return x.b[headerSize+slot*slotSize:] }

func (x *file) entryAt(n int32) []byte {
	return x.b[headerSize+x.slots*slotSize+int64(n)*entrySize:]
}

type entry struct {
	hash     int32
	phy      int64
	timeDiff int32 // seconds since beginTime
	prev     int32 // entry number of the next older one of the slot, 0 for none
}

func (x *file) entry(n int32) entry {
	e := DecodeEntry(x.entryAt(n))
	return entry{e.Hash, e.Phy, e.TimeDiff, e.Prev}
}

// put adds an entry; the file must not be full.
func (x *file) put(hash int32, phy, storeTime int64) {
	be := binary.BigEndian
	slot := x.slotAt(int64(hash) % x.slots)
	prev := int32(be.Uint32(slot))
	if prev < 0 || prev >= x.h.count {
		prev = 0
	}
	if x.h.count <= 1 {
		x.h.beginPhy, x.h.beginTime = phy, storeTime
	}
	var diff int64
	if x.h.beginTime > 0 {
		diff = min(max((storeTime-x.h.beginTime)/1000, 0), math.MaxInt32)
	}
	b := x.entryAt(x.h.count)
	be.PutUint32(b, uint32(hash))
	be.PutUint64(b[4:], uint64(phy))
	be.PutUint32(b[12:], uint32(diff))
	be.PutUint32(b[16:], uint32(prev))
	be.PutUint32(slot, uint32(x.h.count))
	if prev == 0 {
		x.h.usedSlots++
	}
	x.h.count++
	x.h.endPhy, x.h.endTime = phy, storeTime
	x.writeHeader()
}

// query appends the offsets of entries with this hash and a store time in
// [begin, end], newest first, until dst has limit of them.
func (x *file) query(dst []int64, hash int32, limit int, begin, end int64) []int64 {
	n := int32(binary.BigEndian.Uint32(x.slotAt(int64(hash) % x.slots)))
	for n > 0 && n < x.h.count && len(dst) < limit {
		e := x.entry(n)
		t := x.h.beginTime + int64(e.timeDiff)*1000
		if e.timeDiff < 0 || t < begin-999 { // times are kept in whole seconds
			break
		}
		if e.hash == hash && t <= end {
			dst = append(dst, e.phy)
		}
		if e.prev >= n {
			break // chains lead back only
		}
		n = e.prev
	}
	return dst
}

// undo takes back the entries of records at or behind phy, newest first, in a file
// that is as it was left: the work does not depend on what stays.
func (x *file) undo(phy int64) {
	if int64(x.h.count) < x.max {
		x.unlink(x.h.count) // it may have got its slot and not been counted
	}
	for x.h.count > 1 {
		last := x.entry(x.h.count - 1)
		if last.phy < phy {
			x.h.endPhy, x.h.endTime = last.phy, x.h.beginTime+int64(last.timeDiff)*1000
			break
		}
		x.h.count--
		if x.unlink(x.h.count) && last.prev == 0 {
			x.h.usedSlots--
		}
	}
	x.writeHeader()
}

// unlink lets the slot of entry n show the one before it, and clears the entry.
func (x *file) unlink(n int32) bool {
	e := x.entry(n)
	if e.hash < 0 || e.prev < 0 || e.prev >= n {
		return false
	}
	slot := x.slotAt(int64(e.hash) % x.slots)
	if int32(binary.BigEndian.Uint32(slot)) != n {
		return false
	}
	binary.BigEndian.PutUint32(slot, uint32(e.prev))
	clear(x.entryAt(n)[:entrySize])
	return true
}

// cut drops the entries of records at or behind phy and builds the slots anew
// from the others.
func (x *file) cut(phy int64) {
	keep := int32(1)
	for keep < x.h.count {
		e := x.entry(keep)
		if e.hash < 0 || e.phy < 0 || e.phy >= phy || keep > 1 && e.phy < x.entry(keep-1).phy {
			break
		}
		keep++
	}
	tail := x.b[headerSize+x.slots*slotSize+int64(keep)*entrySize:]
	clear(tail[:int64(x.h.count-keep)*entrySize])
	clear(x.b[headerSize : headerSize+x.slots*slotSize])
	x.h.usedSlots, x.h.count = 0, keep
	be := binary.BigEndian
	for n := int32(1); n < keep; n++ {
		e := x.entry(n)
		slot := x.slotAt(int64(e.hash) % x.slots)
		prev := be.Uint32(slot)
		be.PutUint32(x.entryAt(n)[16:], prev)
		be.PutUint32(slot, uint32(n))
		if prev == 0 {
			x.h.usedSlots++
		}
	}
	if keep > 1 {
		last := x.entry(keep - 1)
		x.h.endPhy = last.phy
		x.h.endTime = x.h.beginTime + int64(last.timeDiff)*1000
	}
	x.writeHeader()
}

// sound tells whether all entries have hashes that can be in the format; a file
// of other settings would not.
func (x *file) sound() bool {
	for n := int32(1); n < x.h.count; n++ {
		if e := x.entry(n); e.hash < 0 || e.phy < 0 || e.prev < 0 || e.prev >= n {
			return false
		}
	}
	return true
}
