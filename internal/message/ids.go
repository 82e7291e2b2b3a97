package message

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

const upperHex = "0123456789ABCDEF"

func appendUpperHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, upperHex[c>>4], upperHex[c&15])
	}
	return dst
}

// OffsetID is the offset message id: store host and physical offset in upper
// case hex, 32 characters, or 56 for an IPv6 host.
func OffsetID(host netip.AddrPort, physicalOffset int64) string {
	return string(AppendOffsetID(make([]byte, 0, 56), host, physicalOffset))
}

// AppendOffsetID appends OffsetID to dst.
func AppendOffsetID(dst []byte, host netip.AddrPort, physicalOffset int64) []byte {
	var raw [28]byte
	b := appendHost(raw[:0], host)
	b = binary.BigEndian.AppendUint64(b, uint64(physicalOffset))
	return appendUpperHex(dst, b)
}

// ParseOffsetID reads an offset message id of either length and any case.
func ParseOffsetID(id string) (host netip.AddrPort, physicalOffset int64, err error) {
	if len(id) != 32 && len(id) != 56 {
		return host, 0, fmt.Errorf("message id %q: %d characters, must be 32 or 56", id, len(id))
	}
	b, err := hex.DecodeString(id)
	if err != nil {
		return host, 0, fmt.Errorf("message id %q: %w", id, err)
	}
	addr, _ := netip.AddrFromSlice(b[:len(b)-12])
	port := binary.BigEndian.Uint32(b[len(b)-12:])
	return netip.AddrPortFrom(addr, uint16(port)), int64(binary.BigEndian.Uint64(b[len(b)-8:])), nil
}

// UniqIDs makes values for the UNIQ_KEY property in the shape of Java's
// clients: address, process, a constant of this generator, milliseconds since
// the start of the month, a counter. Safe for concurrent use.
type UniqIDs struct {
	prefix  [10]byte
	counter atomic.Uint32
}

// NewUniqIDs returns a generator for a process on host. An address that is not
// IPv4 contributes its last four bytes.
func NewUniqIDs(host netip.Addr) *UniqIDs {
	g := &UniqIDs{}
	b := host.Unmap().AsSlice()
	if len(b) >= 4 {
		copy(g.prefix[:4], b[len(b)-4:])
	}
	binary.BigEndian.PutUint16(g.prefix[4:], uint16(os.Getpid()))
	binary.BigEndian.PutUint32(g.prefix[6:], rand.Uint32())
	return g
}

// Append appends a new id, 32 characters.
func (g *UniqIDs) Append(dst []byte, now time.Time) []byte {
	var raw [16]byte
	copy(raw[:], g.prefix[:])
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	binary.BigEndian.PutUint32(raw[10:], uint32(now.Sub(month).Milliseconds()))
	binary.BigEndian.PutUint16(raw[14:], uint16(g.counter.Add(1)))
	return appendUpperHex(dst, raw[:])
}

// Next returns a new id.
func (g *UniqIDs) Next(now time.Time) string {
	return string(g.Append(make([]byte, 0, 32), now))
}
