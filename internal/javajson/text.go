package javajson

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// short holds the escapes of one letter.
var short = [256]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r', '"': '"', '\\': '\\'}

const hexDigits = "0123456789abcdef"

// appendString appends s in double quotes. Only the quote, the backslash and
// characters below space are escaped; invalid UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				start = i + n
			}
			i += n
		case c >= ' ' && c != '"' && c != '\\':
			i++
		default:
			dst = append(dst, s[start:i]...)
			if e := short[c]; e != 0 {
				dst = append(dst, '\\', e)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendFloat appends f as Java's Double.toString has it: the shortest digits
// that mean f, always with a decimal point, with an exponent below 0.001 and
// from ten million on. Infinities and NaN are null.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	abs := math.Abs(f)
	if abs == 0 || abs >= 1e-3 && abs < 1e7 {
		at := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		return withPoint(dst, at)
	}
	var buf [32]byte
	s := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	for i, c := range s {
		if c != 'e' {
			continue
		}
		at := len(dst)
		dst = withPoint(append(dst, s[:i]...), at)
		dst = append(dst, 'E')
		exp := s[i+1:]
		if exp[0] == '-' {
			dst = append(dst, '-')
		}
		exp = exp[1:]
		if exp[0] == '0' && len(exp) == 2 {
			exp = exp[1:]
		}
		return append(dst, exp...)
	}
	return dst
}

// withPoint appends ".0" when the number that starts at has no point.
func withPoint(dst []byte, at int) []byte {
	for _, c := range dst[at:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}
