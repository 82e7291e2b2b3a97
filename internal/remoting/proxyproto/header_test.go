package proxyproto

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sig = "\r\n\r\n\x00\r\nQUIT\n"

func TestParse(t *testing.T) {
	v4 := sig + "\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x04\x05\x06\x04\xd2\x26\x94"
	v6 := sig + "\x21\x21\x00\x24" + strings.Repeat("\x00", 15) + "\x01" + strings.Repeat("\x00", 15) + "\x02\x00\x01\x00\x02"
	tlvs := sig + "\x21\x11\x00\x22\x0a\x01\x02\x03\x0a\x04\x05\x06\x04\xd2\x26\x94" +
		"\x02\x00\x01h" + "\xea\x00\x02\xff\xfe" + "\x20\x00\x0a\x01\x00\x00\x00\x00\x21\x00\x02v1"
	src, dst := netip.MustParseAddrPort("10.1.2.3:1234"), netip.MustParseAddrPort("10.4.5.6:9876")
	cases := map[string]Header{
		"PROXY TCP4 10.1.2.3 10.4.5.6 1234 9876\r\n": {Source: src, Destination: dst},
		"PROXY TCP6 ::1 ::2 1 2\r\n":                 {Source: netip.MustParseAddrPort("[::1]:1"), Destination: netip.MustParseAddrPort("[::2]:2")},
		"PROXY UNKNOWN\r\n":                          {},
		"PROXY UNKNOWN whatever it says\r\n":         {},
		v4:                                           {Source: src, Destination: dst},
		v6:                                           {Source: netip.MustParseAddrPort("[::1]:1"), Destination: netip.MustParseAddrPort("[::2]:2")},
		sig + "\x20\x00\x00\x03abc":                  {},
		sig + "\x21\x00\x00\x00":                     {},
		sig + "\x21\x31\x00\xd8" + strings.Repeat("p", 0xd8): {},
		tlvs: {Source: src, Destination: dst, TLVs: []TLV{{2, "h"}, {0x20, "\x01\x00\x00\x00\x00\x21\x00\x02v1"}, {0x21, "v1"}}},
	}
	for in, want := range cases {
		for n := range len(in) {
			h, consumed, err := Parse([]byte(in[:n]))
			require.NoError(t, err, "%q", in[:n])
			require.Nil(t, h)
			require.Zero(t, consumed)
		}
		h, consumed, err := Parse([]byte(in + "rest"))
		require.NoError(t, err, "%q", in)
		require.Equal(t, len(in), consumed)
		require.Equal(t, want, *h)
	}
}

func TestParseErrors(t *testing.T) {
	for _, in := range []string{
		"GET /", "PROXI", "\r\n\r\x00", "PROXY \r\n", "PROXY TCP4\r\n", "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
		"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 1 -1\r\n",
		"PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n", "PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n",
		"PROXY TCP4 " + strings.Repeat("1", 100), sig + "\x11\x11\x00\x00", sig + "\x22\x11\x00\x00", sig + "\x21\x99\x00\x00",
		sig + "\x21\x11\x00\x04abcd", sig + "\x21\x00\x00\x02ab", sig + "\x21\x00\x00\x04\x01\x00\x05a",
		sig + "\x21\x00\x00\x0a\x20\x00\x07\x00\x00\x00\x00\x00\x21\x00",
	} {
		_, _, err := Parse([]byte(in))
		require.ErrorIs(t, err, ErrInvalid, "%q", in)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 10.1.2.3 10.4.5.6 1234 9876\r\n"))
	f.Add([]byte(sig + "\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x04\x05\x06\x04\xd2\x26\x94"))
	f.Add([]byte(sig + "\x21\x00\x00\x0a\x20\x00\x07\x00\x00\x00\x00\x00\x21\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		require.True(t, n >= 0 && n <= len(b) && n <= MaxHeader)
		require.Equal(t, n > 0, h != nil)
		if err != nil {
			require.Nil(t, h)
		}
	})
}
