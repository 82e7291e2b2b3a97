package timer

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/aerobee/aerobee/internal/vfs"
)

// Dimensions of the wheel, fixed in Java whatever the precision is.
const (
	slotsAhead = 7 * 86400      // slots that may be pending at a time
	wheelSlots = 2 * slotsAhead // slots in the file
	slotSize   = 32             // bytes
	wheelSize  = wheelSlots * slotSize
	pageSlots  = 128 // slots of a page: 4 KiB
	pageSize   = pageSlots * slotSize
	wheelPages = wheelSlots / pageSlots
	blankSlots = 60 // of slotsAhead that are kept free
)

// none is the position of no entry.
const none int64 = -1

// slot is the state of one step of time. It counts only if unit is the one asked
// for: what a lap ago was delivered is not cleared.
type slot struct {
	unit  int64 // time in ms divided by the precision
	first int64 // position in the timer log
	last  int64
	num   int32 // messages; recalls are not counted
	magic int32
}

// page is a part of the wheel in memory.
type page struct {
	slots [pageSlots]slot
	dirty bool
}

// wheel is the slots. Only pages with pending or unwritten slots are in memory:
// the others hold nothing that anybody reads again. The service's lock guards it.
type wheel struct {
	pages [wheelPages]*page
	dirty []int32 // pages to write, each once
	total int64   // of num, pending
}

func index(unit int64) (pg, at int64) {
	i := unit % wheelSlots
	return i / pageSlots, i % pageSlots
}

// get returns the slot of a unit; without one num is 0 and the positions are none.
func (w *wheel) get(unit int64) slot {
	pg, at := index(unit)
	if p := w.pages[pg]; p != nil && p.slots[at].unit == unit {
		return p.slots[at]
	}
	return slot{unit: unit, first: none, last: none}
}

// put sets a slot.
func (w *wheel) put(s slot) {
	pg, at := index(s.unit)
	p := w.pages[pg]
	if p == nil {
		p = new(page)
		w.pages[pg] = p
	}
	if p.slots[at].unit == s.unit {
		w.total -= int64(max(p.slots[at].num, 0))
	}
	w.total += int64(max(s.num, 0))
	p.slots[at] = s
	if !p.dirty {
		p.dirty = true
		w.dirty = append(w.dirty, int32(pg))
	}
}

// next finds the first pending unit in [from, end); ok is false without one.
func (w *wheel) next(from, end int64) (unit int64, ok bool) {
	end = min(end, from+wheelSlots)
	for unit = from; unit < end; {
		pg, at := index(unit)
		p := w.pages[pg]
		if p == nil {
			unit += pageSlots - at
			continue
		}
		for ; at < pageSlots && unit < end; at, unit = at+1, unit+1 {
			if s := &p.slots[at]; s.unit == unit && s.last != none {
				return unit, true
			}
		}
	}
	return 0, false
}

// delivered takes a slot out of the pending ones: before moves past it.
func (w *wheel) delivered(unit int64) { w.total -= int64(max(w.get(unit).num, 0)) }

// count adds up the messages of [from, end).
func (w *wheel) count(from, end int64) (n int64) {
	for unit, ok := w.next(from, end); ok; unit, ok = w.next(unit+1, end) {
		n += int64(max(w.get(unit).num, 0))
	}
	return n
}

// takeDirty encodes up to n pages that are to be written.
func (w *wheel) takeDirty(n int) (list []int32, data []byte) {
	list = slices.Clone(w.dirty[:min(n, len(w.dirty))])
	w.dirty = w.dirty[len(list):]
	data = make([]byte, 0, len(list)*pageSize)
	for _, pg := range list {
		w.pages[pg].dirty = false
		data = w.pages[pg].append(data)
	}
	return list, data
}

// giveBack marks pages that could not be written.
func (w *wheel) giveBack(list []int32) {
	for _, pg := range list {
		if p := w.pages[pg]; !p.dirty {
			p.dirty = true
			w.dirty = append(w.dirty, pg)
		}
	}
}

// evict forgets pages that hold nothing from a unit on and are written.
func (w *wheel) evict(from int64) {
	for pg, p := range w.pages {
		if p == nil || p.dirty {
			continue
		}
		if !slices.ContainsFunc(p.slots[:], func(s slot) bool { return s.unit >= from }) {
			w.pages[pg] = nil
		}
	}
}

func (p *page) append(b []byte) []byte {
	for i := range p.slots {
		s := &p.slots[i]
		b = binary.BigEndian.AppendUint64(b, uint64(s.unit))
		b = binary.BigEndian.AppendUint64(b, uint64(s.first))
		b = binary.BigEndian.AppendUint64(b, uint64(s.last))
		b = binary.BigEndian.AppendUint32(b, uint32(s.num))
		b = binary.BigEndian.AppendUint32(b, uint32(s.magic))
	}
	return b
}

func (p *page) decode(b []byte) {
	for i := range p.slots {
		s := b[i*slotSize:]
		p.slots[i] = slot{
			unit: int64(binary.BigEndian.Uint64(s)), first: int64(binary.BigEndian.Uint64(s[8:])), last: int64(binary.BigEndian.Uint64(s[16:])),
			num: int32(binary.BigEndian.Uint32(s[24:])), magic: int32(binary.BigEndian.Uint32(s[28:])),
		}
	}
}

// readChunk is how much of the wheel is read at a time.
const readChunk = 64 * pageSize

// load reads the pages that have pending slots: those of the units from on.
func (w *wheel) load(f vfs.File, from int64) error {
	buf := make([]byte, readChunk)
	for off := int64(0); off < wheelSize; off += readChunk {
		part := buf[:min(readChunk, wheelSize-off)]
		if n, err := f.ReadAt(part, off); n < len(part) {
			return err
		}
		for i := 0; i < len(part); i += pageSize {
			w.loadPage((off+int64(i))/pageSize, part[i:i+pageSize], from)
		}
	}
	return nil
}

func (w *wheel) loadPage(pg int64, data []byte, from int64) {
	var keep bool
	for i := int64(0); i < pageSlots && !keep; i++ {
		unit := int64(binary.BigEndian.Uint64(data[i*slotSize:]))
		keep = unit >= from && unit < math.MaxInt64/2 && unit%wheelSlots == pg*pageSlots+i
	}
	if !keep {
		return
	}
	p := new(page)
	p.decode(data)
	for i := range p.slots {
		s := &p.slots[i]
		if s.unit < from || s.unit >= from+wheelSlots || s.unit%wheelSlots != pg*pageSlots+int64(i) {
			*s = slot{} // delivered a lap ago, or never a slot
			continue
		}
		w.total += int64(max(s.num, 0))
	}
	w.pages[pg] = p
}
