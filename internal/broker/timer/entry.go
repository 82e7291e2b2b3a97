package timer

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// entrySize is the size of an entry of the timer log, in bytes.
const entrySize = 52

// Bits of an entry's magic.
const (
	magicDefault = 1
	magicRoll    = 2 // a slot on the way
	magicDelete  = 4 // a recall
	magicMost    = 0xF
)

// entry is a message in the timer log.
type entry struct {
	prev  int64 // position of the one before in the same slot, or none
	magic int32
	wrote int64 // ms: when it was indexed
	delay int32 // ms from then to the slot
	phy   int64 // of the message in the commit log
	size  int32
	hash  int32 // Java's of the real topic
}

// due is the time of the slot, in ms.
func (e *entry) due() int64 { return e.wrote + int64(e.delay) }

func (e *entry) rolls() bool   { return e.magic&magicRoll != 0 }
func (e *entry) recalls() bool { return e.magic&magicDelete != 0 && !e.rolls() }

func (e *entry) append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(b, entrySize)
	b = be.AppendUint64(b, uint64(e.prev))
	b = be.AppendUint32(b, uint32(e.magic))
	b = be.AppendUint64(b, uint64(e.wrote))
	b = be.AppendUint32(b, uint32(e.delay))
	b = be.AppendUint64(b, uint64(e.phy))
	b = be.AppendUint32(b, uint32(e.size))
	b = be.AppendUint32(b, uint32(e.hash))
	return be.AppendUint64(b, 0)
}

var errNoEntry = errors.New("no entry")

// decodeEntry reads the entry at a position. The error says what is wrong, or is
// errNoEntry for bytes that were never written.
func decodeEntry(b []byte, pos int64) (e entry, err error) {
	be := binary.BigEndian
	size := int32(be.Uint32(b))
	e = entry{
		prev: int64(be.Uint64(b[4:])), magic: int32(be.Uint32(b[12:])), wrote: int64(be.Uint64(b[16:])), delay: int32(be.Uint32(b[24:])),
		phy: int64(be.Uint64(b[28:])), size: int32(be.Uint32(b[36:])), hash: int32(be.Uint32(b[40:])),
	}
	switch {
	case size == 0 && e.magic == 0:
		return e, errNoEntry
	case size != entrySize || e.magic|magicMost != magicMost:
		return e, fmt.Errorf("size %d and magic %#x, expected %d and 0 to %#x", size, uint32(e.magic), entrySize, magicMost)
	case e.prev < none || e.prev >= pos:
		return e, fmt.Errorf("the entry before is at %d, not before %d", e.prev, pos)
	case e.phy < 0 || e.size <= 0 || e.wrote < 0:
		return e, fmt.Errorf("message of %d bytes at %d, indexed at %d", e.size, e.phy, e.wrote)
	}
	return e, nil
}

// hashOf is Java's String.hashCode.
func hashOf(text string) int32 {
	var h int32
	for _, r := range text {
		if r >= 0x10000 {
			r -= 0x10000
			h = 31*h + 0xD800 + r>>10
			r = 0xDC00 + r&0x3FF
		}
		h = 31*h + r
	}
	return h
}

// blankSize is the least room that is left at the end of a file, for a blank.
const blankSize = 4 + 8 + 4

const blankMagic = 0xCBD43194

// appendBlank ends a file of which rest bytes are unused.
func appendBlank(b []byte, rest int64) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(rest))
	b = binary.BigEndian.AppendUint64(b, 0)
	return binary.BigEndian.AppendUint32(b, blankMagic)
}
