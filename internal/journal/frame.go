package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// Layout, see docs/format/journal.md. All numbers are little-endian.
const (
	magic       = "abjrnl01"
	headerSize  = 24 // magic, size and checksum of the file, checksum of the header
	frameHeader = 8  // length and checksum
)

// castagnoli is the polynomial that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity tells a generation of the state file from others. The zero value is no
// file.
type identity struct {
	size int64
	crc  uint32
}

func identify(data []byte) identity {
	return identity{int64(len(data)), crc32.Checksum(data, castagnoli)}
}

// add takes in the next bytes of a file.
func (i *identity) add(p []byte) {
	i.size += int64(len(p))
	i.crc = crc32.Update(i.crc, castagnoli, p)
}

// header begins the journal that belongs to the file.
func (i identity) header() []byte {
	h := append(make([]byte, 0, headerSize), magic...)
	h = binary.LittleEndian.AppendUint64(h, uint64(i.size))
	h = binary.LittleEndian.AppendUint32(h, i.crc)
	return binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// parseHeader reads the beginning of a journal.
func parseHeader(data []byte) (identity, bool) {
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return identity{}, false
	}
	base := identity{int64(binary.LittleEndian.Uint64(data[8:])), binary.LittleEndian.Uint32(data[16:])}
	return base, string(base.header()) == string(data[:headerSize])
}

// appendFrame adds a record without its checksum, see seal.
func appendFrame(dst, record []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, record...)
}

// seal sets the checksums of records that go into the journal of base. They
// depend on it, so that records of an earlier journal, which may lie behind the
// end of a file that was used again, are not taken for this one's.
func seal(frames []byte, base identity) {
	for len(frames) > 0 {
		n := frameHeader + int(binary.LittleEndian.Uint32(frames))
		binary.LittleEndian.PutUint32(frames[4:], base.checksum(frames[:n]))
		frames = frames[n:]
	}
}

// checksum covers the journal's file, the length and the record.
func (i identity) checksum(frame []byte) uint32 {
	sum := crc32.Update(i.crc^uint32(i.size), castagnoli, frame[:4])
	return crc32.Update(sum, castagnoli, frame[frameHeader:])
}

// records gives the whole records at the beginning of data, the part of a
// journal after its header, and the bytes that they take.
func records(data []byte, base identity) (list [][]byte, size int64) {
	for len(data) > frameHeader {
		n := uint64(binary.LittleEndian.Uint32(data)) + frameHeader
		if n == frameHeader || n > uint64(len(data)) {
			break
		}
		frame := data[:n]
		if binary.LittleEndian.Uint32(frame[4:]) != base.checksum(frame) {
			break
		}
		list = append(list, frame[frameHeader:])
		data = data[n:]
		size += int64(n)
	}
	return list, size
}
