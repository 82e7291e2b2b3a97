package filter

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// reading says whether a string has been read as a number.
type reading uint8

const (
	unread reading = iota
	good
	bad
)

// slot is a property in an evaluation: its text, and the numbers it stands for
// once they are needed.
type slot struct {
	text         string
	present      bool
	long, double reading
	longValue    int64
	doubleValue  float64
}

func readingOf(ok bool) reading {
	if ok {
		return good
	}
	return bad
}

func (s *slot) readLong(text string) {
	n, ok := parseLong(text)
	s.longValue, s.long = n, readingOf(ok)
}

func (s *slot) readDouble(text string) {
	f, ok := parseDouble(text)
	s.doubleValue, s.double = f, readingOf(ok)
}

// parseLong is Long.parseLong: a sign, then digits of any script of the basic
// plane, and nothing else. Integer.parseInt is the same with a smaller range.
func parseLong(s string) (int64, bool) {
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	var n uint64
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	for i := 0; i < len(s); {
		digit := uint64(s[i] - '0')
		width := 1
		if s[i] >= utf8.RuneSelf {
			digit, width = digitAt(s[i:])
		}
		if digit > 9 || n > (limit-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
		i += width
	}
	if negative {
		return -int64(n), true
	}
	return int64(n), true
}

// digitAt is the value of the decimal digit that s begins with, 10 if there is none.
func digitAt(s string) (digit uint64, width int) {
	r, width := utf8.DecodeRuneInString(s)
	if r > math.MaxUint16 || !unicode.Is(unicode.Nd, r) {
		return 10, width
	}
	for _, block := range unicode.Nd.R16 { // each has whole sets of ten, from 0 to 9
		if uint16(r) <= block.Hi {
			return uint64(uint16(r)-block.Lo) % 10, width
		}
	}
	return 10, width
}

// parseDouble is Double.parseDouble: blanks around it do not count, and a number
// may end in one of fFdD.
func parseDouble(s string) (float64, bool) {
	s = trim(s)
	unsigned := s
	if unsigned != "" && (unsigned[0] == '-' || unsigned[0] == '+') {
		unsigned = unsigned[1:]
	}
	switch unsigned {
	case "":
		return 0, false
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		if s[0] == '-' {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	}
	switch s[len(s)-1] {
	case 'f', 'F', 'd', 'D':
		s = s[:len(s)-1]
		if len(unsigned) == 1 {
			return 0, false
		}
		unsigned = unsigned[:len(unsigned)-1]
	}
	exponent, ok := shape(unsigned)
	if !ok {
		return 0, false
	}
	if len(exponent) > maxExponentDigits && longExponent(exponent) {
		mantissa := unsigned[:len(unsigned)-len(exponent)-1]
		return extreme(mantissa, s[0] == '-', exponent[0] == '-'), true
	}
	f, _ := strconv.ParseFloat(s, 64) // the shape is right: an error says out of range
	return f, true
}

// trim is String.trim: everything up to the blank goes.
func trim(s string) string {
	for s != "" && s[0] <= ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// shape tells whether s is digits with at most one point and maybe an exponent,
// or the same in hexadecimal where the exponent, of two, must be. It gives the
// exponent with its sign.
func shape(s string) (exponent string, ok bool) {
	digit, marks, hex := isDecimal, "eE", false
	if len(s) > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		digit, marks, hex = isHex, "pP", true
		s = s[2:]
	}
	digits, point, i := 0, false, 0
	for ; i < len(s); i++ {
		if s[i] == '.' && !point {
			point = true
			continue
		}
		if !digit(s[i]) {
			break
		}
		digits++
	}
	if digits == 0 {
		return "", false
	}
	if i == len(s) {
		return "", !hex
	}
	if s[i] != marks[0] && s[i] != marks[1] {
		return "", false
	}
	exponent = s[i+1:]
	unsigned := exponent
	if unsigned != "" && (unsigned[0] == '-' || unsigned[0] == '+') {
		unsigned = unsigned[1:]
	}
	for j := range len(unsigned) {
		if !isDecimal(unsigned[j]) {
			return "", false
		}
	}
	return exponent, unsigned != ""
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDecimal(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// maxExponentDigits is how long an exponent can be that strconv counts exactly.
// No number of digits in a property makes up for a larger one.
const maxExponentDigits = 5

func longExponent(exponent string) bool {
	return len(strings.TrimLeft(exponent, "+-0")) > maxExponentDigits
}

// extreme is a number with an exponent out of all proportion.
func extreme(mantissa string, negative, small bool) float64 {
	f := math.Inf(1)
	if small || strings.Trim(mantissa, "0.xX") == "" {
		f = 0
	}
	if negative {
		f = -f
	}
	return f
}

// badNumber is the text of Java's NumberFormatException.
func badNumber(s string, isDouble bool) string {
	if isDouble {
		if s = trim(s); s == "" {
			return "empty String"
		}
	}
	return `For input string: "` + s + `"`
}

// Between these Double.toString writes no exponent.
const (
	plainFrom = 1e-3
	plainTo   = 1e7
)

// showDouble is Double.toString of a literal's value: above zero and finite, or
// the negative of one.
func showDouble(f float64) string {
	if a := math.Abs(f); plainFrom <= a && a < plainTo {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(f, 'E', -1, 64)
	if !strings.Contains(s, ".") {
		s = strconv.FormatFloat(f, 'E', 1, 64) // at least two digits
	}
	digits, exponent, _ := strings.Cut(s, "E")
	n, _ := strconv.Atoi(exponent)
	return digits + "E" + strconv.Itoa(n)
}
