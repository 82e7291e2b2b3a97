package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what a load balancer said about the connection it forwards, in
// version 1 or 2 of HAProxy's PROXY protocol.
type Header struct {
	Source      netip.AddrPort // the client; zero if unknown or no TCP or UDP socket
	Destination netip.AddrPort // where the client connected to
	TLVs        []TLV          // of version 2; those with other bytes than ASCII are left out
}

// TLV is an extra value of a PROXY header.
type TLV struct {
	Type  byte
	Value string
}

// ErrInvalid is in the chain of every error of this package.
var ErrInvalid = errors.New("no PROXY protocol header")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

const (
	v1Prefix    = "PROXY "
	v1Max       = 108 // with the line end, as HAProxy and Netty have it
	v2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	v2Fixed     = 16 // signature 12, version and command 1, family 1, length 2

	// MaxHeader is the largest header: its length field has 16 bits.
	MaxHeader = v2Fixed + 1<<16 - 1
)

// Parse reads a PROXY header at the start of b, and returns the number of bytes
// it took: 0 if it is not complete yet. Whatever is no such header is an error.
func Parse(b []byte) (*Header, int, error) {
	if n := min(len(b), len(v1Prefix)); string(b[:n]) == v1Prefix[:n] {
		return parseV1(b)
	}
	if n := min(len(b), len(v2Signature)); string(b[:n]) == v2Signature[:n] {
		return parseV2(b)
	}
	return nil, 0, invalid("bytes %q", b[:min(len(b), len(v2Signature))])
}

func parseV1(b []byte) (*Header, int, error) {
	end := bytes.Index(b[:min(len(b), v1Max)], []byte("\r\n"))
	if end < 0 {
		if len(b) >= v1Max {
			return nil, 0, invalid("line longer than %d bytes", v1Max)
		}
		return nil, 0, nil
	}
	words := strings.Split(string(b[:end]), " ")
	if len(words) > 1 && words[1] == "UNKNOWN" {
		return &Header{}, end + 2, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return nil, 0, invalid("line %q", b[:end])
	}
	h := &Header{}
	var ok1, ok2 bool
	h.Source, ok1 = parseAddr(words[2], words[4], words[1] == "TCP4")
	h.Destination, ok2 = parseAddr(words[3], words[5], words[1] == "TCP4")
	if !ok1 || !ok2 {
		return nil, 0, invalid("addresses in line %q", b[:end])
	}
	return h, end + 2, nil
}

func parseAddr(host, port string, v4 bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(host)
	p, perr := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a, uint16(p)), err == nil && perr == nil && a.Is4() == v4
}

func parseV2(b []byte) (*Header, int, error) {
	if len(b) < v2Fixed {
		return nil, 0, nil
	}
	if b[12]>>4 != 2 || b[12]&15 > 1 {
		return nil, 0, invalid("version and command %#x", b[12])
	}
	total := v2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	if len(b) < total {
		return nil, 0, nil
	}
	h, rest := &Header{}, b[v2Fixed:total]
	if b[12]&15 == 0 { // LOCAL: the balancer's own health check, nothing in it counts
		return h, total, nil
	}
	var addrs int
	switch b[13] {
	case 0x00:
	case 0x11, 0x12:
		addrs = 12
	case 0x21, 0x22:
		addrs = 36
	case 0x31, 0x32:
		addrs = 216
	default:
		return nil, 0, invalid("address family %#x", b[13])
	}
	if len(rest) < addrs {
		return nil, 0, invalid("%d bytes for addresses of family %#x", len(rest), b[13])
	}
	if ip := (addrs - 4) / 2; addrs == 12 || addrs == 36 {
		src, _ := netip.AddrFromSlice(rest[:ip])
		dst, _ := netip.AddrFromSlice(rest[ip : 2*ip])
		h.Source = netip.AddrPortFrom(src, binary.BigEndian.Uint16(rest[2*ip:]))
		h.Destination = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(rest[2*ip+2:]))
	}
	if err := h.readTLVs(rest[addrs:], true); err != nil {
		return nil, 0, err
	}
	return h, total, nil
}

// tlvSSL holds further TLVs behind five bytes of its own.
const tlvSSL, tlvSSLFixed = 0x20, 5

func (h *Header) readTLVs(b []byte, nested bool) error {
	for len(b) > 0 {
		if len(b) < 3 {
			return invalid("%d bytes after the last TLV", len(b))
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if n > len(b)-3 {
			return invalid("TLV of %d bytes, %d left", n, len(b)-3)
		}
		typ, value := b[0], b[3:3+n]
		b = b[3+n:]
		if isASCII(value) {
			h.TLVs = append(h.TLVs, TLV{typ, string(value)})
		}
		if typ == tlvSSL && nested && n >= tlvSSLFixed {
			if err := h.readTLVs(value[tlvSSLFixed:], false); err != nil {
				return err
			}
		}
	}
	return nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
