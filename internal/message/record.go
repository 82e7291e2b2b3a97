package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Magic numbers of a record, its second field.
const (
	MagicV1    int32 = -626843481 // topic length in one byte
	MagicV2    int32 = -626843477 // topic length in two bytes
	MagicBlank int32 = -875286124 // the rest of a file is unused
)

// BlankSize is the room that a record must leave in a file for the record that
// closes the file: its size and MagicBlank.
const BlankSize = 8

// Offsets of fields that do not depend on the addresses' lengths.
const (
	atMagic          = 4
	atBodyCRC        = 8
	atQueueID        = 12
	atQueueOffset    = 20
	atPhysicalOffset = 28
	atSysFlag        = 36
	atBornHost       = 48
)

// MinRecordSize is the size of a version 1 record with nothing in it.
const MinRecordSize = 91

// CRCPropertySize is what the checksum property takes: name, separator, ten
// digits, separator.
const CRCPropertySize = len(PropCRC) + 1 + 10 + 1

// Errors of AppendRecord and Parse. ErrCorrupt is wrapped with what is wrong.
var (
	ErrCorrupt            = errors.New("corrupt record")
	ErrPropertiesTooLarge = errors.New("properties are longer than 32767 bytes")
	ErrTopicTooLong       = errors.New("topic is longer than 255 bytes")
	ErrAddress            = errors.New("message has no born or store host")
)

// Options are choices of the store about its records.
type Options struct {
	// CRC reserves the checksum property (enabledAppendPropCRC).
	CRC bool
	// CheckCRC makes Verify look at the checksum property where a record has one.
	CheckCRC bool
}

func hostLen(a netip.Addr) int {
	if a.Is4() || a.Is4In6() {
		return 8
	}
	return 20
}

// AppendRecord appends m as a record. QueueOffset, PhysicalOffset and
// StoreTimestamp may still be unknown; Finish sets them. The address bits of
// SysFlag are taken from the hosts. It fails, appending nothing, with
// ErrPropertiesTooLarge, ErrTopicTooLong or ErrAddress.
func AppendRecord(dst []byte, m *Message, o Options) ([]byte, error) {
	if !m.BornHost.IsValid() || !m.StoreHost.IsValid() {
		return dst, ErrAddress
	}
	if len(m.Topic) > MaxTopicLengthV2 {
		return dst, ErrTopicTooLong
	}
	props, reserve, separator := m.Properties, 0, false
	if o.CRC {
		props = WithoutProperty(props, PropCRC)
		separator = props != "" && props[len(props)-1] != propertySeparator
		reserve = CRCPropertySize
		if separator {
			reserve++
		}
	}
	propsLen := len(props) + reserve
	if propsLen > MaxPropertiesLength {
		return dst, ErrPropertiesTooLarge
	}
	magic, topicLenSize := MagicV1, 1
	if len(m.Topic) > MaxTopicLengthV1 && utf16Len(m.Topic) > MaxTopicLengthV1 {
		magic, topicLenSize = MagicV2, 2
	} else if len(m.Topic) > MaxTopicLengthV1 {
		return dst, ErrTopicTooLong // does not fit the signed byte of version 1
	}
	bornLen, storeLen := hostLen(m.BornHost.Addr()), hostLen(m.StoreHost.Addr())
	sysFlag := m.SysFlag &^ (FlagBornHostV6 | FlagStoreHostV6)
	if bornLen == 20 {
		sysFlag |= FlagBornHostV6
	}
	if storeLen == 20 {
		sysFlag |= FlagStoreHostV6
	}
	size := MinRecordSize - 16 - 1 + bornLen + storeLen + topicLenSize + len(m.Body) + len(m.Topic) + propsLen

	be := binary.BigEndian
	dst = be.AppendUint32(dst, uint32(size))
	dst = be.AppendUint32(dst, uint32(magic))
	dst = be.AppendUint32(dst, BodyCRC(m.Body))
	dst = be.AppendUint32(dst, uint32(m.QueueID))
	dst = be.AppendUint32(dst, uint32(m.Flag))
	dst = be.AppendUint64(dst, uint64(m.QueueOffset))
	dst = be.AppendUint64(dst, uint64(m.PhysicalOffset))
	dst = be.AppendUint32(dst, uint32(sysFlag))
	dst = be.AppendUint64(dst, uint64(m.BornTimestamp))
	dst = appendHost(dst, m.BornHost)
	dst = be.AppendUint64(dst, uint64(m.StoreTimestamp))
	dst = appendHost(dst, m.StoreHost)
	dst = be.AppendUint32(dst, uint32(m.ReconsumeTimes))
	dst = be.AppendUint64(dst, uint64(m.PreparedTransactionOffset))
	dst = be.AppendUint32(dst, uint32(len(m.Body)))
	dst = append(dst, m.Body...)
	if topicLenSize == 1 {
		dst = append(dst, byte(len(m.Topic)))
	} else {
		dst = be.AppendUint16(dst, uint16(len(m.Topic)))
	}
	dst = append(dst, m.Topic...)
	dst = be.AppendUint16(dst, uint16(propsLen))
	dst = append(dst, props...)
	if o.CRC {
		if separator {
			dst = append(dst, propertySeparator)
		}
		dst = append(dst, PropCRC...)
		dst = append(dst, nameSeparator)
		dst = append(dst, "0000000000"...)
		dst = append(dst, propertySeparator)
	}
	return dst, nil
}

// utf16Len is String.length() of Java: what its version choice counts.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

func appendHost(dst []byte, h netip.AddrPort) []byte {
	if a := h.Addr(); hostLen(a) == 8 {
		b := a.As4()
		dst = append(dst, b[:]...)
	} else {
		b := a.As16()
		dst = append(dst, b[:]...)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(h.Port()))
}

// BodyCRC is the checksum of a body in a record: CRC-32 (IEEE) without the sign
// bit; an absent body has 0.
func BodyCRC(body []byte) uint32 { return crc32.ChecksumIEEE(body) & 0x7FFFFFFF }

// Finish fills in the fields of a record made by AppendRecord that only the log
// knows, and then the checksum property when the options say so. rec must be
// exactly one record.
func Finish(rec []byte, queueOffset, physicalOffset, storeTimestamp int64, o Options) {
	be := binary.BigEndian
	be.PutUint64(rec[atQueueOffset:], uint64(queueOffset))
	be.PutUint64(rec[atPhysicalOffset:], uint64(physicalOffset))
	at := atBornHost + 8
	if be.Uint32(rec[atSysFlag:])&FlagBornHostV6 != 0 {
		at = atBornHost + 20
	}
	be.PutUint64(rec[at:], uint64(storeTimestamp))
	if !o.CRC {
		return
	}
	sum := crc32.ChecksumIEEE(rec[:len(rec)-CRCPropertySize]) & 0x7FFFFFFF
	digits := rec[len(rec)-11 : len(rec)-1]
	for i := range digits { // least significant digit first
		digits[i] = '0' + byte(sum%10)
		sum /= 10
	}
}

// Size returns the total size and magic of the record that starts at b, without
// looking further. ok is false when b is too short to tell.
func Size(b []byte) (size, magic int32, ok bool) {
	if len(b) < 8 {
		return 0, 0, false
	}
	return int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[atMagic:])), true
}

// reader takes fields off a record and remembers when it ran dry.
type reader struct {
	b   []byte
	at  int
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b)-r.at {
		r.bad = true
		return nil
	}
	b := r.b[r.at : r.at+n]
	r.at += n
	return b
}

func (r *reader) u8() int {
	if b := r.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (r *reader) u16() int {
	if b := r.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) i32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) i64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) host(v6 bool) netip.AddrPort {
	n := 4
	if v6 {
		n = 16
	}
	addr, _ := netip.AddrFromSlice(r.take(n))
	return netip.AddrPortFrom(addr, uint16(r.i32()))
}

func (r *reader) text(n int) string { return aliasString(r.take(n)) }

func aliasString(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

// Parse decodes the record at the start of rec. Topic, Properties and Body
// alias rec. The body's checksum is not looked at; see Verify. It fails with
// ErrCorrupt for anything that is not a whole, consistent record.
func Parse(rec []byte) (Message, error) {
	m, _, err := parse(rec)
	return m, err
}

func parse(rec []byte) (m Message, bodyCRC uint32, err error) {
	size, magic, ok := Size(rec)
	if !ok || int(size) > len(rec) || size < MinRecordSize {
		return m, 0, fmt.Errorf("%w: size %d of %d bytes", ErrCorrupt, size, len(rec))
	}
	if magic != MagicV1 && magic != MagicV2 {
		return m, 0, fmt.Errorf("%w: magic %#x", ErrCorrupt, uint32(magic))
	}
	r := reader{b: rec[:size], at: atBodyCRC}
	bodyCRC = uint32(r.i32())
	m.QueueID = r.i32()
	m.Flag = r.i32()
	m.QueueOffset = r.i64()
	m.PhysicalOffset = r.i64()
	m.SysFlag = r.i32()
	m.BornTimestamp = r.i64()
	m.BornHost = r.host(m.SysFlag&FlagBornHostV6 != 0)
	m.StoreTimestamp = r.i64()
	m.StoreHost = r.host(m.SysFlag&FlagStoreHostV6 != 0)
	m.ReconsumeTimes = r.i32()
	m.PreparedTransactionOffset = r.i64()
	m.Body = r.take(int(r.i32()))
	if magic == MagicV1 {
		m.Topic = r.text(r.u8())
	} else {
		m.Topic = r.text(r.u16())
	}
	m.Properties = r.text(r.u16())
	if r.bad || r.at != len(r.b) {
		return Message{}, 0, fmt.Errorf("%w: fields of %d bytes in a record of %d", ErrCorrupt, r.at, size)
	}
	return m, bodyCRC, nil
}

// RecordProperties is the encoded properties of the record at the start of rec,
// aliasing it, without a look at anything else. ok is false when rec is no record.
func RecordProperties(rec []byte) (props string, ok bool) {
	size, magic, ok := Size(rec)
	if !ok || int(size) > len(rec) || size < MinRecordSize || magic != MagicV1 && magic != MagicV2 {
		return "", false
	}
	at := atBornHost + 8 + 8 + 8 + 4 + 8 // two times, two hosts of version 4, two numbers
	flags := binary.BigEndian.Uint32(rec[atSysFlag:])
	if flags&FlagBornHostV6 != 0 {
		at += 12
	}
	if flags&FlagStoreHostV6 != 0 {
		at += 12
	}
	r := reader{b: rec[:size], at: at}
	r.take(int(r.i32()))
	if magic == MagicV1 {
		r.take(r.u8())
	} else {
		r.take(r.u16())
	}
	props = r.text(r.u16())
	return props, !r.bad
}

// Verify is Parse with the checksums: that of the body, and with Options.CRC
// the one over the record, which then must be there.
func Verify(rec []byte, o Options) (Message, error) {
	m, want, err := parse(rec)
	if err != nil {
		return m, err
	}
	if got := BodyCRC(m.Body); len(m.Body) > 0 && got != want {
		return m, fmt.Errorf("%w: body checksum %#x, expected %#x", ErrCorrupt, got, want)
	}
	if !utf8.ValidString(m.Topic) || m.Topic == "" {
		return m, fmt.Errorf("%w: topic %q", ErrCorrupt, m.Topic)
	}
	size, _, _ := Size(rec)
	tail := rec[:size]
	if !o.CRC && !(o.CheckCRC && hasCRC(tail)) {
		return m, nil
	}
	if len(m.Properties) < CRCPropertySize {
		return m, fmt.Errorf("%w: no checksum property", ErrCorrupt)
	}
	sum := crc32.ChecksumIEEE(tail[:len(tail)-CRCPropertySize]) & 0x7FFFFFFF
	for _, d := range tail[len(tail)-11 : len(tail)-1] {
		if d != '0'+byte(sum%10) {
			return m, fmt.Errorf("%w: checksum property %q", ErrCorrupt, tail[len(tail)-11:len(tail)-1])
		}
		sum /= 10
	}
	return m, nil
}

// hasCRC tells whether a record ends with a checksum property.
func hasCRC(rec []byte) bool {
	tail := rec[len(rec)-CRCPropertySize:]
	return string(tail[:len(PropCRC)]) == PropCRC && tail[len(PropCRC)] == nameSeparator && tail[len(tail)-1] == propertySeparator
}

// AppendFiller appends a record of exactly size bytes that stands for damaged
// ones. No broker puts it into a queue or the index: its transaction is rolled
// back. Its body is zero; at and storeTimestamp are those of its place. It fails
// with ErrCorrupt when size is too small for a record, see MinFillerSize.
func AppendFiller(dst []byte, size int, at, storeTimestamp int64, o Options) ([]byte, error) {
	host := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	m := Message{Topic: FillerTopic, SysFlag: FlagTransactionUndo, BornHost: host, StoreHost: host, BornTimestamp: storeTimestamp}
	if size < MinFillerSize(o) {
		return dst, fmt.Errorf("%w: a filler of %d bytes, at least %d are needed", ErrCorrupt, size, MinFillerSize(o))
	}
	m.Body = make([]byte, size-MinFillerSize(o))
	start := len(dst)
	dst, err := AppendRecord(dst, &m, Options{CRC: o.CRC})
	if err != nil {
		return dst, err
	}
	Finish(dst[start:], 0, at, storeTimestamp, Options{CRC: o.CRC})
	return dst, nil
}

// FillerTopic is the topic of fillers.
const FillerTopic = "-"

// MinFillerSize is the size of the smallest filler in bytes, which is that of
// the smallest record of a message.
func MinFillerSize(o Options) int {
	n := MinRecordSize + len(FillerTopic)
	if o.CRC {
		n += CRCPropertySize
	}
	return n
}

// AppendBlank appends the record that closes a file with remaining bytes left.
func AppendBlank(dst []byte, remaining int32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(remaining))
	magic := MagicBlank
	return binary.BigEndian.AppendUint32(dst, uint32(magic))
}

// StoreTimestampOf reads the store time off a record without parsing the rest.
// rec must begin with at least 76 bytes of a valid record.
func StoreTimestampOf(rec []byte) int64 {
	at := atBornHost + 8
	if binary.BigEndian.Uint32(rec[atSysFlag:])&FlagBornHostV6 != 0 {
		at = atBornHost + 20
	}
	return int64(binary.BigEndian.Uint64(rec[at:]))
}

// StoreTimestampPrefix is how many bytes of a record StoreTimestampOf needs.
const StoreTimestampPrefix = atBornHost + 20 + 8
