package compaction

import "encoding/binary"

// UnitSize is the size of a unit in bytes.
const UnitSize = 46

// unit is an entry of a segment's queue file.
type unit struct {
	phy    int64 // position of the record
	size   int32
	tags   int64
	time   int64 // ms, store time
	offset int64 // queue offset
}

// terminator is the unit that closes a file.
var terminator = unit{phy: -1}

func (u unit) append(dst []byte) []byte {
	be := binary.BigEndian
	count := uint16(1)
	if u.phy < 0 {
		count = 0
	}
	dst = be.AppendUint64(dst, uint64(u.phy))
	dst = be.AppendUint32(dst, uint32(u.size))
	dst = be.AppendUint64(dst, uint64(u.tags))
	dst = be.AppendUint64(dst, uint64(u.time))
	dst = be.AppendUint64(dst, uint64(u.offset))
	dst = be.AppendUint16(dst, count)
	dst = be.AppendUint32(dst, 0xFFFFFFFF) // compacted offset: none
	return be.AppendUint32(dst, 0)
}

// parseUnit reads a unit; ok is false for a terminator, for zeros and for anything
// else that is none.
func parseUnit(b []byte) (u unit, ok bool) {
	be := binary.BigEndian
	u = unit{
		phy: int64(be.Uint64(b)), size: int32(be.Uint32(b[8:])), tags: int64(be.Uint64(b[12:])),
		time: int64(be.Uint64(b[20:])), offset: int64(be.Uint64(b[28:])),
	}
	return u, u.phy >= 0 && u.size > 0 && u.offset >= 0 && int16(be.Uint16(b[36:])) > 0
}
