package filter

import (
	"math"
	"strconv"
	"strings"
)

// valueKind is a type of Java's evaluation.
type valueKind uint8

const (
	null valueKind = iota
	boolean
	integer // 32 bits
	long    // 64 bits
	double
	text
)

// value is what a node evaluates to.
type value struct {
	kind   valueKind
	number int64 // of integer and long; 1 is true
	double float64
	text   string
	slot   int32 // of a property, plus one
}

func stringValue(s string) value { return value{kind: text, text: s} }

func boolValue(b bool) value {
	if b {
		return value{kind: boolean, number: 1}
	}
	return value{kind: boolean}
}

func (v value) isNumber() bool { return v.kind == integer || v.kind == long || v.kind == double }

// literalValue is the number that a literal stands for.
func literalValue(literal string, isDouble bool) (value, error) {
	if isDouble {
		f, _ := parseDouble(literal)
		if math.IsInf(f, 1) {
			return value{}, fail(runtimeException, "%s is greater than 1.7976931348623157E308", literal)
		}
		if f < math.SmallestNonzeroFloat64 {
			return value{}, fail(runtimeException, "%s is less than 4.9E-324", literal)
		}
		return value{kind: double, double: f}, nil
	}
	digits := strings.TrimRight(literal, "lL")
	n, ok := parseLong(digits)
	if !ok {
		return value{}, fail(numberFormat, "%s", badNumber(digits, false))
	}
	if n <= math.MaxInt32 {
		return value{kind: integer, number: n}, nil
	}
	return value{kind: long, number: n}, nil
}

// negated is the value with the other sign; what is no number becomes null.
func (v value) negated() value {
	switch v.kind {
	case integer:
		v.number = int64(int32(-v.number))
	case long:
		v.number = -v.number
	case double:
		v.double = -v.double
	default:
		v = value{}
	}
	return v
}

// literal is the value as Java shows a constant.
func (v value) literal() string {
	switch v.kind {
	case null:
		return "NULL"
	case boolean:
		return strings.ToUpper(v.shown())
	case text:
		return "'" + strings.ReplaceAll(v.text, "'", "''") + "'"
	}
	return v.shown()
}

// shown is Java's toString of the value.
func (v value) shown() string {
	switch v.kind {
	case boolean:
		return strconv.FormatBool(v.number == 1)
	case double:
		return showDouble(v.double)
	case text:
		return v.text
	}
	return strconv.FormatInt(v.number, 10)
}

// equals tells whether two values are the same in type and content.
func (v value) equals(o value) bool {
	if v.kind != o.kind {
		return false
	}
	switch v.kind {
	case text:
		return v.text == o.text
	case double:
		return orderDoubles(v.double, o.double) == 0
	}
	return v.number == o.number
}

// compare is the order of two values that are not null. Of different types, a
// string takes that of the other value and a number the wider one; other pairs
// have no order, which Java calls less. ok is false when a string is no number of
// the other's type, and for a boolean on the left of a string, which Java cannot
// convert. slots may have the numbers that properties stand for; it can be nil.
func compare(v, o value, slots []slot) (order int, ok bool) {
	switch {
	case v.kind == o.kind:
	case v.kind == boolean:
		return -1, o.kind != text
	case v.kind == text:
		if v, ok = v.as(o.kind, slots); !ok {
			return 0, false
		}
	case o.kind == text:
		if o, ok = o.as(v.kind, slots); !ok {
			return 0, false
		}
	case o.kind == boolean:
		return -1, true
	case v.kind == double:
		o.double = float64(o.number)
	case o.kind == double:
		v.double = float64(v.number)
		v.kind = double
	}
	switch v.kind {
	case text:
		return strings.Compare(v.text, o.text), true
	case double:
		return orderDoubles(v.double, o.double), true
	}
	switch {
	case v.number < o.number:
		return -1, true
	case v.number > o.number:
		return 1, true
	}
	return 0, true
}

// as is a string read as another type.
func (v value) as(kind valueKind, slots []slot) (value, bool) {
	if kind == boolean {
		return boolValue(strings.EqualFold(v.text, "true")), true
	}
	var own slot
	s := &own
	if v.slot > 0 {
		s = &slots[v.slot-1]
	}
	r := value{kind: kind}
	if kind == double {
		if s.double == unread {
			s.readDouble(v.text)
		}
		r.double = s.doubleValue
		return r, s.double == good
	}
	if s.long == unread {
		s.readLong(v.text)
	}
	r.number = s.longValue
	return r, s.long == good && (kind == long || r.number == int64(int32(r.number)))
}

// orderDoubles is Java's Double.compare: minus zero is less than zero, and NaN is
// greater than everything and equal to itself.
func orderDoubles(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b && a != 0:
		return 0
	}
	x, y := doubleBits(a), doubleBits(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func doubleBits(f float64) int64 {
	if f != f {
		return 0x7ff8000000000000
	}
	return int64(math.Float64bits(f))
}
