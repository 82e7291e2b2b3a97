package remoting

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Constants to look at eight bytes at a time.
const (
	lowBits   = 0x0101010101010101
	highBits  = 0x8080808080808080
	quotes    = '"' * lowBits
	backslash = '\\' * lowBits
)

// zeroBytes has the high bit set in the first byte of w that is zero, and none in the
// bytes before it.
func zeroBytes(w uint64) uint64 { return (w - lowBits) &^ w & highBits }

// plainText returns the index of the closing quote of a string in double quotes at the
// start of b, -1 if it has escapes, is cut off, or ends so close to b's end that eight
// bytes at a time are too many.
func plainText(b []byte) int {
	if len(b) < 9 || b[0] != '"' {
		return -1
	}
	for i := 1; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		if m := zeroBytes(w^quotes) | zeroBytes(w^backslash); m != 0 {
			if i += bits.TrailingZeros64(m) / 8; b[i] == '"' {
				return i
			}
			return -1
		}
	}
	return -1
}

// quoted reads a string in single or double quotes.
func (s *jsonScanner) quoted() (string, error) {
	if n := plainText(s.data[s.pos:]); n > 0 {
		start := s.pos + 1
		s.pos += n + 1
		return aliasString(s.data[start : s.pos-1]), nil
	}
	return s.longQuoted()
}

// longQuoted reads any string.
func (s *jsonScanner) longQuoted() (string, error) {
	quote := s.peek()
	if quote != '"' && quote != '\'' {
		return "", s.fail("a string expected")
	}
	s.pos++
	start := s.pos
	n := quoteOrBackslash(s.data[start:], quote)
	if n < 0 {
		return "", s.fail("unfinished string")
	}
	s.pos = start + n
	if s.data[s.pos] == quote {
		s.pos++
		return aliasString(s.data[start : start+n]), nil
	}
	return s.escaped(start, quote)
}

// quoteOrBackslash returns the index of the first of both, -1 if there is none.
func quoteOrBackslash(b []byte, quote byte) int {
	q := uint64(quote) * lowBits
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		if m := zeroBytes(w^q) | zeroBytes(w^backslash); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(b); i++ {
		if b[i] == quote || b[i] == '\\' {
			return i
		}
	}
	return -1
}

// plainPrefix returns how many bytes at the start of s, counted in eights, need no
// escape in JSON.
func plainPrefix(s string) int {
	b := aliasBytes(s)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		controls := (w - ' '*lowBits) &^ w & highBits
		if controls|zeroBytes(w^quotes)|zeroBytes(w^backslash) != 0 {
			break
		}
	}
	return i
}

// escaped goes on with a string whose first backslash is at s.pos, and collects it
// in the scratch.
func (s *jsonScanner) escaped(start int, quote byte) (string, error) {
	text := s.scratch.text
	from := len(text)
	text = append(text, s.data[start:s.pos]...)
	for {
		var ok bool
		if text, ok = s.unescape(text); !ok {
			return "", s.fail("bad escape")
		}
		n := quoteOrBackslash(s.data[s.pos:], quote)
		if n < 0 {
			return "", s.fail("unfinished string")
		}
		text = append(text, s.data[s.pos:s.pos+n]...)
		s.pos += n
		if s.data[s.pos] == quote {
			s.pos++
			s.scratch.text = text
			return aliasString(text[from:]), nil
		}
	}
}

// escapes maps the letter after a backslash to its byte plus one.
var escapes = [256]uint16{
	'"': '"' + 1, '\'': '\'' + 1, '\\': '\\' + 1, '/': '/' + 1,
	'b': '\b' + 1, 'f': '\f' + 1, 'n': '\n' + 1, 'r': '\r' + 1, 't': '\t' + 1, 'v': '\v' + 1,
	'0': 0 + 1, '1': 1 + 1, '2': 2 + 1, '3': 3 + 1, '4': 4 + 1, '5': 5 + 1, '6': 6 + 1, '7': 7 + 1,
}

// unescape appends what the escape sequence at s.pos stands for.
func (s *jsonScanner) unescape(text []byte) ([]byte, bool) {
	if s.pos+1 >= len(s.data) {
		return text, false
	}
	letter := s.data[s.pos+1]
	s.pos += 2
	switch letter {
	case 'u':
		u, ok := s.hex(4)
		if !ok {
			return text, false
		}
		if u < 0x80 {
			return append(text, byte(u)), true
		}
		return s.unit(text, u)
	case 'x':
		u, ok := s.hex(2)
		return utf8.AppendRune(text, u), ok
	}
	e := escapes[letter]
	return append(text, byte(e-1)), e != 0
}

// unit appends a UTF-16 unit, together with the second half that follows it. Half a
// pair becomes '?', as when Java turns it into UTF-8.
func (s *jsonScanner) unit(text []byte, u rune) ([]byte, bool) {
	if !utf16.IsSurrogate(u) {
		return utf8.AppendRune(text, u), true
	}
	if s.pos+1 < len(s.data) && s.data[s.pos] == '\\' && s.data[s.pos+1] == 'u' {
		back := s.pos
		s.pos += 2
		low, ok := s.hex(4)
		if !ok {
			return text, false
		}
		if r := utf16.DecodeRune(u, low); r != utf8.RuneError {
			return utf8.AppendRune(text, r), true
		}
		s.pos = back
	}
	return append(text, '?'), true
}

func (s *jsonScanner) hex(n int) (rune, bool) {
	if n > len(s.data)-s.pos {
		return 0, false
	}
	var v rune
	for _, c := range s.data[s.pos : s.pos+n] {
		d := rune(hexDigits[c]) - 1
		if d < 0 {
			return 0, false
		}
		v = v<<4 | d
	}
	s.pos += n
	return v, true
}

// hexDigits maps a digit to its value plus one.
var hexDigits = [256]uint8{
	'0': 1, '1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8, '8': 9, '9': 10,
	'a': 11, 'b': 12, 'c': 13, 'd': 14, 'e': 15, 'f': 16, 'A': 11, 'B': 12, 'C': 13, 'D': 14, 'E': 15, 'F': 16,
}
