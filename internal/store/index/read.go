package index

import "encoding/binary"

// Header is the first 40 bytes of a file, for whoever reads one without an Index.
type Header struct {
	BeginTime, EndTime int64 // store times, ms
	BeginPhy, EndPhy   int64
	UsedSlots          int32
	Count              int32 // entries + 1: entry 0 is never used
}

// Entry is one entry of a file.
type Entry struct {
	Hash     int32
	Phy      int64
	TimeDiff int32 // seconds since BeginTime
	Prev     int32 // entry number of the next older one of the slot, 0 for none
}

// Sizes of the parts of a file, in bytes.
const (
	HeaderSize = headerSize
	SlotSize   = slotSize
	EntrySize  = entrySize
)

// FileLen is the length of a file in bytes.
func FileLen(slots, entries int64) int64 { return fileLen(slots, entries) }

// DecodeHeader reads a header off its 40 bytes.
func DecodeHeader(b []byte) Header {
	be := binary.BigEndian
	return Header{
		BeginTime: int64(be.Uint64(b)), EndTime: int64(be.Uint64(b[8:])),
		BeginPhy: int64(be.Uint64(b[16:])), EndPhy: int64(be.Uint64(b[24:])),
		UsedSlots: int32(be.Uint32(b[32:])), Count: int32(be.Uint32(b[36:])),
	}
}

// DecodeEntry reads an entry off its 20 bytes.
func DecodeEntry(b []byte) Entry {
	be := binary.BigEndian
	return Entry{
		Hash: int32(be.Uint32(b)), Phy: int64(be.Uint64(b[4:])),
		TimeDiff: int32(be.Uint32(b[12:])), Prev: int32(be.Uint32(b[16:])),
	}
}
