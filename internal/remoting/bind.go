package remoting

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"

	"github.com/aerobee/aerobee/internal/protocol"
)

// Bind fills header, a pointer to one of protocol's header structs, from ext, where
// fields may have their long or short name. Unknown fields are ignored, of a
// duplicate the last counts, fields that are absent stay as they are. Strings are
// copied. The error is a *protocol.Error with RespSystemError that names the field
// that is required and missing, or whose value is not the number it should be.
func Bind(ext Fields, header any) error { return bind(ext, header, true) }

// BindAlias is Bind without copies: strings alias ext, and so the frame. It is for
// hot paths; what it filled is valid until the handler returns. It does not
// allocate.
func BindAlias(ext Fields, header any) error { return bind(ext, header, false) }

func bind(ext Fields, header any, clone bool) error {
	p, base := planOf(header)
	if p == nil || p.err != nil {
		return notHeader(p)
	}
	seen := uint64(0)
	for i := range ext {
		e := &ext[i]
		n := p.find(e.Key)
		if n < 0 {
			continue
		}
		f := &p.fields[n]
		seen |= 1 << n
		if !f.set(base, e.Value, clone) {
			return unparsable(f, e.Key, e.Value)
		}
	}
	if missing := p.required &^ seen; missing != 0 {
		return missingField(&p.fields[bits.TrailingZeros64(missing)])
	}
	return nil
}

// set parses v into the field of the struct at base.
func (f *headerField) set(base unsafe.Pointer, v string, clone bool) bool {
	to := at(base, f.offset)
	ok := true
	switch f.kind {
	case kindString:
		if clone {
			v = strings.Clone(v)
		}
		*(*string)(to) = v
	case kindInt32:
		var n int64
		n, ok = parseInt(v, 32)
		*(*int32)(to) = int32(n)
	case kindInt64:
		*(*int64)(to), ok = parseInt(v, 64)
	case kindBool:
		*(*bool)(to) = v == "true" || protocol.ParseBool(v)
	}
	if f.opt {
		*(*bool)(at(base, f.setOffset)) = ok
	}
	return ok
}

// parseInt reads a decimal integer with an optional sign, as Java's parseInt and
// parseLong do; ok is false if s is none or does not fit into so many bits.
func parseInt(s string, bitSize uint) (v int64, ok bool) {
	neg := false
	if len(s) > 1 && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	limit := uint64(1) << (bitSize - 1) // absolute value of the smallest
	if !neg {
		limit--
	}
	var u uint64
	for i := range len(s) {
		d := uint64(s[i] - '0')
		if d > 9 || u > (math.MaxUint64-9)/10 {
			return 0, false
		}
		if u = u*10 + d; u > limit {
			return 0, false
		}
	}
	if neg {
		return -int64(u), true
	}
	return int64(u), true
}

func notHeader(p *plan) error {
	if p == nil {
		return protocol.Errorf(protocol.RespSystemError, "nil is no header")
	}
	return protocol.Errorf(protocol.RespSystemError, "%v", p.err)
}

func missingField(f *headerField) error {
	if f.short != f.name {
		return protocol.Errorf(protocol.RespSystemError, "the request lacks the field %s (%s)", f.name, f.short)
	}
	return protocol.Errorf(protocol.RespSystemError, "the request lacks the field %s", f.name)
}

// shownValue limits what an error quotes of a peer's input.
const shownValue = 64

func unparsable(f *headerField, key, value string) error {
	if len(value) > shownValue {
		value = value[:shownValue] + "..."
	}
	name := f.name
	if key != name {
		name += " (" + strings.Clone(key) + ")"
	}
	size := 32
	if f.kind == kindInt64 {
		size = 64
	}
	return protocol.Errorf(protocol.RespSystemError, "the field %s is %q, not an integer of %d bits", name, value, size)
}

// AppendHeader appends the fields of header, a header struct or a pointer to one, to
// dst, under their short names where they have one and short is set. Absent Opts and
// empty strings that are not required are left out. A header that is nil or no
// header struct adds nothing.
func AppendHeader(dst Fields, header any, short bool) Fields {
	p, base := planOf(header)
	if p == nil || p.err != nil {
		return dst
	}
	for i := range p.fields {
		f := &p.fields[i]
		if !f.present(base) {
			continue
		}
		name := f.name
		if short {
			name = f.short
		}
		dst = append(dst, Field{name, f.text(base)})
	}
	return dst
}

// text returns the field's value as it is written.
func (f *headerField) text(base unsafe.Pointer) string {
	from := at(base, f.offset)
	switch f.kind {
	case kindInt32:
		return strconv.FormatInt(int64(*(*int32)(from)), 10)
	case kindInt64:
		return strconv.FormatInt(*(*int64)(from), 10)
	case kindBool:
		return strconv.FormatBool(*(*bool)(from))
	default:
		return *(*string)(from)
	}
}
