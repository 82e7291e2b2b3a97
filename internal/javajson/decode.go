package javajson

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
)

// Unmarshal reads data into *v, which it replaces as a whole: absent fields
// become zero, or what the type's Defaulter says. On error, which is an *Error,
// *v is unchanged. It panics if v is not a non-nil pointer or points to a type
// that JSON cannot fill (a channel, say); those are errors of the program.
//
// Numbers, booleans and strings stand in for each other where that makes sense,
// object members without a field and null members are accepted, and the last
// one of duplicate keys wins. Null leaves the zero value: a nil pointer, map or
// slice.
func Unmarshal(data []byte, v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		panic("javajson: Unmarshal needs a non-nil pointer")
	}
	d := decoder{data: data, memory: memoryFree + memoryPerByte*len(data)}
	fresh := reflect.New(p.Type().Elem())
	if err := d.value(fresh.Elem()); err != nil {
		return err
	}
	if d.space(); d.pos < len(data) {
		return d.fail("unexpected text after the value")
	}
	p.Elem().Set(fresh.Elem())
	return nil
}

// value reads one value into v, which is zero.
func (d *decoder) value(v reflect.Value) *Error {
	c := d.space()
	ti := infoOf(v.Type())
	if ti.textUnmarshal {
		return d.text(v, c)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if (c == 'n' || v.Type().Elem().Kind() != reflect.String) && d.null(c) {
			return nil
		}
		p := reflect.New(v.Type().Elem())
		if err := d.charge(int(v.Type().Elem().Size())); err != nil {
			return err
		}
		v.Set(p)
		return d.value(p.Elem())
	case reflect.Interface:
		return d.anyValue(v, c)
	case reflect.Struct:
		return d.object(v, ti, c)
	case reflect.Map:
		return d.mapValue(v, c)
	case reflect.Slice:
		if v.Type().Elem() == byteType && c != '[' {
			return d.base64(v, c)
		}
		return d.slice(v, c)
	case reflect.String:
		s, err := d.stringText(c)
		v.SetString(s)
		return err
	default:
		return d.scalar(v, c)
	}
}

// null skips null, and the empty string, which fastjson takes for null where
// no string is expected.
func (d *decoder) null(c byte) bool {
	rest := d.data[d.pos:]
	switch {
	case c == 'n' && len(rest) >= 4 && string(rest[:4]) == "null":
		d.pos += 4
		return true
	case (c == '"' || c == '\'') && len(rest) >= 2 && rest[1] == c:
		d.pos += 2
		return true
	}
	return false
}

// object reads an object into struct v.
func (d *decoder) object(v reflect.Value, ti *typeInfo, c byte) *Error {
	if c != '{' {
		if d.null(c) {
			return nil
		}
		return d.fail("expected an object")
	}
	if err := d.enter(); err != nil {
		return err
	}
	setDefaults(v, ti)
	for more := d.first('}'); more; {
		name, err := d.name()
		if err != nil {
			return err
		}
		if i, ok := ti.byName[string(name)]; ok {
			f := &ti.fields[i]
			fv := f.field(v)
			fv.SetZero()
			if err = d.value(fv); err != nil {
				return err.inField(f.name)
			}
		} else if err = d.skip(); err != nil {
			return err.inField(string(name))
		}
		if more, err = d.next('}'); err != nil {
			return err
		}
	}
	return nil
}

// setDefaults gives struct v what absent fields mean.
func setDefaults(v reflect.Value, ti *typeInfo) {
	if ti.defaults {
		v.Addr().Interface().(Defaulter).SetJSONDefaults()
	}
}

// name reads the key of a struct's member and the colon. Keys that are no
// strings cannot name a field; they give a name no field has.
func (d *decoder) name() ([]byte, *Error) {
	var name []byte
	var err *Error
	switch d.space() {
	case '"', '\'':
		name, err = d.str()
	case '{', '[':
		err = d.skip()
	default:
		if name, err = d.literal(); err != nil {
			err.Problem = "expected a quoted name"
		}
	}
	if err == nil {
		err = d.colon()
	}
	return name, err
}

// mapEntryOverhead is charged for each map entry besides its key and value.
const mapEntryOverhead = 16

// mapValue reads an object into map v.
func (d *decoder) mapValue(v reflect.Value, c byte) *Error {
	if c != '{' {
		if d.null(c) {
			return nil
		}
		return d.fail("expected an object")
	}
	if err := d.enter(); err != nil {
		return err
	}
	t := v.Type()
	m := reflect.MakeMap(t)
	v.Set(m)
	cost := int(t.Key().Size()+t.Elem().Size()) + mapEntryOverhead
	key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
	for more := d.first('}'); more; {
		at := d.pos
		key.SetZero()
		err := d.key(key)
		if err == nil {
			err = d.colon()
		}
		if err == nil {
			err = d.charge(cost)
		}
		if err != nil {
			return err
		}
		keyEnd := d.pos - 1
		elem.SetZero()
		if err = d.value(elem); err != nil {
			return err.inField(strings.Trim(string(d.data[at:keyEnd]), "\"' \t\r\n"))
		}
		m.SetMapIndex(key, elem)
		if more, err = d.next('}'); err != nil {
			return err
		}
	}
	return nil
}

// key reads a map key into v. Names without quotes are refused, as fastjson
// does; numbers need none.
func (d *decoder) key(v reflect.Value) *Error {
	c := d.space()
	if c != '"' && c != '\'' && c != '{' && c != '-' && (c < '0' || c > '9') {
		return d.fail("expected a key")
	}
	switch v.Kind() {
	case reflect.String, reflect.Struct, reflect.Interface,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	default:
		panic("javajson: unsupported map key type " + v.Type().String())
	}
	if v.Kind() == reflect.Struct && c != '{' {
		return d.fail("expected an object as key")
	}
	if v.Kind() != reflect.Struct && v.Kind() != reflect.String && c == '{' {
		return d.fail("expected a number as key")
	}
	return d.value(v)
}

// slice reads an array into slice v.
func (d *decoder) slice(v reflect.Value, c byte) *Error {
	if c != '[' {
		if d.null(c) {
			return nil
		}
		return d.fail("expected an array")
	}
	if err := d.enter(); err != nil {
		return err
	}
	t := v.Type()
	v.Set(reflect.MakeSlice(t, 0, 0))
	cost := int(t.Elem().Size())
	n := 0
	for more := d.first(']'); more; n++ {
		err := d.charge(cost)
		if err != nil {
			return err
		}
		if n == v.Cap() {
			v.Grow(max(4, n))
		}
		v.SetLen(n + 1)
		if err = d.value(v.Index(n)); err != nil {
			return err.inElement(n)
		}
		if more, err = d.next(']'); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string, number or word into a type with a text form.
func (d *decoder) text(v reflect.Value, c byte) *Error {
	at := d.pos
	var text []byte
	var err *Error
	switch c {
	case '"', '\'':
		text, err = d.str()
	case '{', '[':
		return d.fail("expected a name")
	default:
		text, err = d.literal()
		if string(text) == "null" {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if e := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(text); e != nil {
		return &Error{Offset: at, Problem: e.Error()}
	}
	return nil
}

// stringText reads a value as a string: null is the empty string, anything that
// is no string is taken as it is written.
func (d *decoder) stringText(c byte) (string, *Error) {
	var text []byte
	var err *Error
	switch c {
	case '"', '\'':
		text, err = d.str()
	case '{', '[':
		start := d.pos
		if err = d.skip(); err == nil {
			text = d.data[start:d.pos]
		}
	default:
		if text, err = d.literal(); string(text) == "null" {
			return "", nil
		}
	}
	if err == nil {
		err = d.charge(len(text))
	}
	if err != nil {
		return "", err
	}
	return strings.ToValidUTF8(string(text), "\ufffd"), nil
}

// anyValue reads a value into an empty interface: map[string]any, []any,
// string, bool, int64 or float64. Keys that are no strings become their text.
func (d *decoder) anyValue(v reflect.Value, c byte) *Error {
	if v.NumMethod() != 0 {
		panic("javajson: unsupported type " + v.Type().String())
	}
	var out any
	var err *Error
	switch c {
	case '{':
		m := map[string]any(nil)
		err = d.value(reflect.ValueOf(&m).Elem())
		out = m
	case '[':
		s := []any(nil)
		err = d.value(reflect.ValueOf(&s).Elem())
		out = s
	case '"', '\'':
		out, err = d.stringText(c)
	default:
		out, err = d.anyLiteral()
	}
	if err != nil {
		return err
	}
	if err = d.charge(anyOverhead); err == nil && out != nil {
		v.Set(reflect.ValueOf(out))
	}
	return err
}

// anyOverhead is charged for each value behind an interface.
const anyOverhead = 16

// anyLiteral reads a number or a word.
func (d *decoder) anyLiteral() (any, *Error) {
	at := d.pos
	text, err := d.literal()
	if err != nil {
		return nil, err
	}
	switch string(text) {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	if n, e := strconv.ParseInt(string(text), 10, 64); e == nil {
		return n, nil
	}
	f, e := strconv.ParseFloat(string(text), 64)
	if e != nil {
		return nil, &Error{Offset: at, Problem: "number out of range"}
	}
	return f, nil
}
