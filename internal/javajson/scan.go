package javajson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is the deepest nesting of objects and arrays that is read.
const MaxDepth = 64

// Memory that a value may take: memoryPerByte for each byte of input, and
// memoryFree in any case. The densest RocketMQ tables need 6 per byte.
const (
	memoryPerByte = 16
	memoryFree    = 64 << 10
)

// decoder reads one input. It moves pos forward only.
type decoder struct {
	data   []byte
	pos    int
	depth  int
	memory int // what may still be allocated
}

// fail returns an error at the current position.
func (d *decoder) fail(problem string) *Error { return &Error{Offset: d.pos, Problem: problem} }

// space skips white space and returns the next byte, 0 at the end.
func (d *decoder) space() byte {
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; c {
		case ' ', '\t', '\n', '\r', '\f', '\b':
			d.pos++
		default:
			return c
		}
	}
	return 0
}

// enter counts an object or array and skips its opening bracket.
func (d *decoder) enter() *Error {
	if d.depth++; d.depth > MaxDepth {
		return d.fail("nesting is too deep")
	}
	d.pos++
	return nil
}

// charge takes n bytes from what may be allocated.
func (d *decoder) charge(n int) *Error {
	if d.memory -= n; d.memory < 0 {
		return d.fail("value needs too much memory for its size")
	}
	return nil
}

// next handles what follows a member or element: it returns true when there is
// another one and false after the closing bracket, which it skips. Before the
// closing bracket one comma may be left over.
func (d *decoder) next(closing byte) (bool, *Error) {
	switch d.space() {
	case ',':
		d.pos++
		if d.space() != closing {
			return true, nil
		}
	case closing:
	default:
		return false, d.fail("expected a comma or " + string(closing))
	}
	d.pos++
	d.depth--
	return false, nil
}

// first handles what follows an opening bracket, like next.
func (d *decoder) first(closing byte) bool {
	if d.space() != closing {
		return true
	}
	d.pos++
	d.depth--
	return false
}

// str reads a quoted string, with either quote. The result aliases the input
// when it has no escapes and is valid UTF-8.
func (d *decoder) str() ([]byte, *Error) {
	quote := d.data[d.pos]
	start := d.pos + 1
	rest := d.data[start:]
	end := bytes.IndexByte(rest, quote)
	if end < 0 {
		return nil, d.fail("string does not end")
	}
	if bytes.IndexByte(rest[:end], '\\') < 0 {
		d.pos = start + end + 1
		if !utf8.Valid(rest[:end]) {
			return bytes.ToValidUTF8(rest[:end], []byte("\ufffd")), nil
		}
		return rest[:end], nil
	}
	return d.escaped(start, quote)
}

// escaped reads a string with escapes whose content begins at start.
func (d *decoder) escaped(start int, quote byte) ([]byte, *Error) {
	out := make([]byte, 0, 64)
	for i := start; i < len(d.data); {
		switch c := d.data[i]; {
		case c == quote:
			d.pos = i + 1
			if !utf8.Valid(out) {
				out = bytes.ToValidUTF8(out, []byte("\ufffd"))
			}
			return out, nil
		case c == '\\':
			var ok bool
			if out, i, ok = d.escape(out, i); !ok {
				d.pos = min(i, len(d.data))
				return nil, d.fail("unknown escape")
			}
		default:
			out = append(out, c)
			i++
		}
	}
	return nil, d.fail("string does not end")
}

// simpleEscapes are those of one letter.
var simpleEscapes = [256]byte{
	'b': '\b', 't': '\t', 'n': '\n', 'f': '\f', 'r': '\r', 'v': '\v',
	'"': '"', '\'': '\'', '\\': '\\', '/': '/',
}

// escape appends the character of the escape at i, which is a backslash, and
// returns the position after it.
func (d *decoder) escape(out []byte, i int) ([]byte, int, bool) {
	if i+1 >= len(d.data) {
		return out, i, false
	}
	switch c := d.data[i+1]; c {
	case 'u':
		r, ok := hex(d.data, i+2, 4)
		if !ok {
			return out, i, false
		}
		i += 6
		if utf16.IsSurrogate(r) {
			var low rune
			if i+1 < len(d.data) && d.data[i] == '\\' && d.data[i+1] == 'u' {
				low, _ = hex(d.data, i+2, 4)
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		return utf8.AppendRune(out, r), i, true
	case 'x':
		r, ok := hex(d.data, i+2, 2)
		return utf8.AppendRune(out, r), i + 4, ok
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return append(out, c-'0'), i + 2, true
	default:
		if e := simpleEscapes[c]; e != 0 {
			return append(out, e), i + 2, true
		}
		return out, i, false
	}
}

// hex reads n hexadecimal digits at i.
func hex(data []byte, i, n int) (rune, bool) {
	if i+n > len(data) {
		return 0, false
	}
	var r rune
	for _, c := range data[i : i+n] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// literal reads a number, true, false or null and returns its text.
func (d *decoder) literal() ([]byte, *Error) {
	start := d.pos
	for d.pos < len(d.data) && isLiteral(d.data[d.pos]) {
		d.pos++
	}
	text := d.data[start:d.pos]
	switch string(text) {
	case "true", "false", "null":
		return text, nil
	}
	if !isNumber(text) {
		d.pos = start
		if start == len(d.data) {
			return nil, d.fail("input ends early")
		}
		return nil, d.fail("expected a value")
	}
	return text, nil
}

// isLiteral reports whether c can be part of a number or of a word.
func isLiteral(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '+' || c == '-' || c == '.'
}

// isNumber reports whether text is a decimal number: a sign, digits with at
// most one point among or around them, and an exponent.
func isNumber(text []byte) bool {
	i, digits := 0, 0
	skip := func() {
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
			digits++
		}
	}
	sign := func() {
		if i < len(text) && (text[i] == '-' || text[i] == '+') {
			i++
		}
	}
	sign()
	skip()
	if i < len(text) && text[i] == '.' {
		i++
		skip()
	}
	if digits == 0 {
		return false
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		sign()
		digits = 0
		skip()
		if digits == 0 {
			return false
		}
	}
	return i == len(text)
}

// skip passes over one value of any kind.
func (d *decoder) skip() *Error {
	switch d.space() {
	case '"', '\'':
		_, err := d.str()
		return err
	case '{':
		return d.skipObject()
	case '[':
		if err := d.enter(); err != nil {
			return err
		}
		for more := d.first(']'); more; {
			err := d.skip()
			if err == nil {
				more, err = d.next(']')
			}
			if err != nil {
				return err
			}
		}
		return nil
	default:
		_, err := d.literal()
		return err
	}
}

// skipObject passes over an object.
func (d *decoder) skipObject() *Error {
	if err := d.enter(); err != nil {
		return err
	}
	for more := d.first('}'); more; {
		if err := d.skip(); err != nil { // the key
			return err
		}
		err := d.colon()
		if err == nil {
			err = d.skip()
		}
		if err == nil {
			more, err = d.next('}')
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// colon skips the colon between key and value.
func (d *decoder) colon() *Error {
	if d.space() != ':' {
		return d.fail("expected a colon")
	}
	d.pos++
	return nil
}
