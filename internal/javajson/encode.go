package javajson

import (
	"encoding"
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
)

// style is what differs between the three ways to write.
type style struct {
	quoteKeys bool // integer keys in quotes
	pretty    bool // line breaks and tabs
}

// Marshal returns v as fastjson writes it: compact, integer map keys without
// quotes. Struct fields are in alphabetical order, map entries sorted by key;
// nil pointers, maps and slices, and text forms that are empty, are left out of
// objects (see the tag options in the package comment).
//
// It panics if v contains a type that has no JSON form or nests deeper than
// MaxDepth, which is an error of the program.
func Marshal(v any) []byte { return style{}.marshal(v) }

// MarshalStandard is Marshal with integer map keys in quotes, so that every JSON
// parser can read it, except where a map has objects as keys.
func MarshalStandard(v any) []byte { return style{quoteKeys: true}.marshal(v) }

// MarshalPretty is MarshalStandard with one line per member and tabs, as
// configuration files have it. It does not end with a line break.
func MarshalPretty(v any) []byte { return style{quoteKeys: true, pretty: true}.marshal(v) }

// AppendMarshal appends what Marshal returns to dst.
func AppendMarshal(dst []byte, v any) []byte {
	e := encoder{out: dst}
	e.value(reflect.ValueOf(v))
	return e.out
}

func (s style) marshal(v any) []byte {
	e := encoder{style: s, out: make([]byte, 0, 256)}
	e.value(reflect.ValueOf(v))
	return e.out
}

// encoder writes one value.
type encoder struct {
	style
	out   []byte
	depth int
}

// open writes an opening bracket.
func (e *encoder) open(c byte) {
	if e.depth++; e.depth > MaxDepth {
		panic("javajson: value nests too deep")
	}
	e.out = append(e.out, c)
}

// separate goes to the next member; first says whether it is the first one.
func (e *encoder) separate(first bool) {
	if !first {
		e.out = append(e.out, ',')
	}
	if e.pretty {
		e.newline()
	}
}

// newline begins a line at the current depth.
func (e *encoder) newline() {
	e.out = append(e.out, '\n')
	for range e.depth {
		e.out = append(e.out, '\t')
	}
}

// close writes a closing bracket; empty says whether there were no members.
func (e *encoder) close(c byte, empty bool) {
	e.depth--
	if e.pretty && !empty {
		e.newline()
	}
	e.out = append(e.out, c)
}

// value writes v, null if there is nothing to write.
func (e *encoder) value(v reflect.Value) {
	if !v.IsValid() {
		e.null()
		return
	}
	ti := infoOf(v.Type())
	if ti.textMarshal {
		if text := textOf(v); len(text) > 0 {
			e.out = appendString(e.out, string(text))
		} else {
			e.null()
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			e.null()
			return
		}
		e.value(v.Elem())
	case reflect.Struct:
		e.object(v, ti)
	case reflect.Map:
		e.mapValue(v)
	case reflect.Slice, reflect.Array:
		e.slice(v)
	default:
		e.scalar(v)
	}
}

func (e *encoder) null() { e.out = append(e.out, "null"...) }

// textOf returns the text form of v, empty for null.
func textOf(v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return nil
	}
	return text
}

// scalar writes a string, number or boolean.
func (e *encoder) scalar(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		e.out = appendString(e.out, v.String())
	case reflect.Bool:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case reflect.Float32, reflect.Float64:
		e.out = appendFloat(e.out, v.Float(), v.Type().Bits())
	default:
		e.integer(v)
	}
}

// number writes a plain integer, in quotes if it has to be.
func (e *encoder) number(n int64, quoted bool) {
	if quoted {
		e.out = append(e.out, '"')
	}
	e.out = strconv.AppendInt(e.out, n, 10)
	if quoted {
		e.out = append(e.out, '"')
	}
}

// integer writes an integer.
func (e *encoder) integer(v reflect.Value) {
	switch {
	case v.CanInt():
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	case v.CanUint():
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	default:
		panic("javajson: unsupported type " + v.Type().String())
	}
}

// object writes struct v.
func (e *encoder) object(v reflect.Value, ti *typeInfo) {
	e.open('{')
	first := true
	for i := range ti.fields {
		f := &ti.fields[i]
		fv := f.field(v)
		if f.omitted(fv) {
			continue
		}
		e.separate(first)
		first = false
		e.out = append(e.out, f.quoted...)
		if f.always && isNil(fv) {
			e.empty(fv.Kind())
			continue
		}
		e.value(fv)
	}
	e.close('}', first)
}

// empty writes an empty container for a nil one.
func (e *encoder) empty(k reflect.Kind) {
	if k == reflect.Slice {
		e.out = append(e.out, "[]"...)
		return
	}
	e.out = append(e.out, "{}"...)
}

// omitted reports whether a field is left out.
func (f *fieldInfo) omitted(v reflect.Value) bool {
	switch {
	case f.decodeOnly:
		return true
	case f.omitEmpty:
		return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 || v.Kind() == reflect.Map && v.Len() == 0
	case f.always:
		return false
	}
	return isNil(v) || infoOf(v.Type()).textMarshal && len(textOf(v)) == 0
}

// isNil reports whether v is a nil pointer, interface, map or slice.
func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return v.IsNil()
	default:
		return false
	}
}

// slice writes an array; bytes become base64.
func (e *encoder) slice(v reflect.Value) {
	if v.Kind() == reflect.Slice {
		if v.IsNil() {
			e.null()
			return
		}
		if v.Type().Elem() == byteType {
			e.out = append(e.out, '"')
			e.out = base64.StdEncoding.AppendEncode(e.out, v.Bytes())
			e.out = append(e.out, '"')
			return
		}
	}
	e.open('[')
	for i := range v.Len() {
		e.separate(i == 0)
		e.value(v.Index(i))
	}
	e.close(']', v.Len() == 0)
}

// mapValue writes a map, sorted by key. Entries whose value is nil are left
// out, as fastjson does.
func (e *encoder) mapValue(v reflect.Value) {
	if v.IsNil() {
		e.null()
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, compareKeys)
	e.open('{')
	first := true
	for _, k := range keys {
		elem := v.MapIndex(k)
		if isNil(elem) {
			continue
		}
		e.separate(first)
		first = false
		e.key(k)
		e.out = append(e.out, ':')
		e.value(elem)
	}
	e.close('}', first)
}

// key writes a map key: a string, an object or an integer.
func (e *encoder) key(k reflect.Value) {
	switch k.Kind() {
	case reflect.String, reflect.Struct:
		e.value(k)
		return
	}
	if e.quoteKeys {
		e.out = append(e.out, '"')
	}
	e.integer(k)
	if e.quoteKeys {
		e.out = append(e.out, '"')
	}
}
