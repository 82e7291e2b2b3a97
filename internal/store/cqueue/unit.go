package cqueue

import "encoding/binary"

// UnitSize is fixed by the format: 8 bytes offset, 4 size, 8 tags code.
const UnitSize = 20

// blankSize marks a unit before the first one of a queue that does not begin at
// 0 (Java's pre-blank): such units have offset 0, this size and tags code 0.
const blankSize = 0x7FFFFFFF

// Unit is one entry of a consume queue.
type Unit struct {
	Phy       int64 // offset of the record in the commit log
	Size      int32 // of the record, in bytes
	Count     int32 // messages that it stands for; batch queues only
	TagsCode  int64 // hash of the tag, or the time of delivery in the schedule topic
	Base      int64 // queue offset of the first message; batch queues only
	StoreTime int64 // of the record, in ms; batch queues only
}

// Blank tells whether a unit only fills the place before the first one.
func (u Unit) Blank() bool { return u.blank() }

func (u Unit) blank() bool { return u.Phy == 0 && u.Size == blankSize }

// DecodeUnit reads a unit off its 20 bytes.
func DecodeUnit(b []byte) Unit { return decodeUnit(b) }

func decodeUnit(b []byte) Unit {
	return Unit{
		Phy:      int64(binary.BigEndian.Uint64(b)),
		Size:     int32(binary.BigEndian.Uint32(b[8:])),
		TagsCode: int64(binary.BigEndian.Uint64(b[12:])),
	}
}

func appendUnit(b []byte, u Unit) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(u.Phy))
	b = binary.BigEndian.AppendUint32(b, uint32(u.Size))
	return binary.BigEndian.AppendUint64(b, uint64(u.TagsCode))
}
