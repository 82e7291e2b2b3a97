package javajson

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// scalar reads a number or boolean into v: written as such, as the other, or as
// a string. The empty string, "null" and null leave the zero value.
func (d *decoder) scalar(v reflect.Value, c byte) *Error {
	at := d.pos
	var text []byte
	var err *Error
	switch c {
	case '"', '\'':
		if text, err = d.str(); err == nil && len(text) == 0 {
			return nil
		}
	case '{', '[':
		return d.fail("expected " + kindName(v.Kind()))
	default:
		text, err = d.literal()
	}
	if err != nil {
		return err
	}
	if string(text) == "null" {
		return nil
	}
	var problem string
	switch v.Kind() {
	case reflect.Bool:
		problem = setBool(v, string(text))
	case reflect.Float32, reflect.Float64:
		problem = setFloat(v, text)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		problem = setInt(v, text)
	default:
		panic("javajson: unsupported type " + v.Type().String())
	}
	if problem != "" {
		return &Error{Offset: at, Problem: problem}
	}
	return nil
}

// kindName names what a scalar should have been.
func kindName(k reflect.Kind) string {
	if k == reflect.Bool {
		return "true or false"
	}
	return "a number"
}

// setBool sets v; it returns what is wrong.
func setBool(v reflect.Value, text string) string {
	switch {
	case text == "1", strings.EqualFold(text, "true"), text == "Y", text == "T":
		v.SetBool(true)
	case text == "0", strings.EqualFold(text, "false"), text == "N", text == "F", isNumber([]byte(text)):
		v.SetBool(false)
	default:
		return "expected true or false"
	}
	return ""
}

// setFloat sets v; it returns what is wrong.
func setFloat(v reflect.Value, text []byte) string {
	if !isNumber(text) {
		return "expected a number"
	}
	f, err := strconv.ParseFloat(string(text), v.Type().Bits())
	if err != nil {
		return "number out of range"
	}
	v.SetFloat(f)
	return ""
}

// setInt sets v, cutting off a fraction; it returns what is wrong.
func setInt(v reflect.Value, text []byte) string {
	n, problem := integer(text)
	if problem != "" {
		return problem
	}
	if v.CanInt() {
		if v.OverflowInt(n) {
			return "number out of range"
		}
		v.SetInt(n)
		return ""
	}
	if n < 0 || v.OverflowUint(uint64(n)) {
		return "number out of range"
	}
	v.SetUint(uint64(n))
	return ""
}

// integer returns the integer part of a number, or of a boolean.
func integer(text []byte) (int64, string) {
	switch string(text) {
	case "true":
		return 1, ""
	case "false":
		return 0, ""
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err == nil {
		return n, ""
	}
	if !isNumber(text) {
		return 0, "expected a number"
	}
	whole, _, point := strings.Cut(string(text), ".")
	if point && !strings.ContainsAny(string(text), "eE") {
		switch whole {
		case "", "-", "+":
			return 0, ""
		}
		if n, err = strconv.ParseInt(whole, 10, 64); err == nil {
			return n, ""
		}
		return 0, "number out of range"
	}
	f, err := strconv.ParseFloat(string(text), 64)
	// The upper limit is 2^63, the first float64 that does not fit.
	if err != nil || f < math.MinInt64 || f >= math.MaxInt64 {
		return 0, "number out of range"
	}
	return int64(f), ""
}

// base64 reads a string in standard base64, padded or not, into a byte slice.
func (d *decoder) base64(v reflect.Value, c byte) *Error {
	at := d.pos
	if d.null(c) {
		if c != 'n' {
			v.SetBytes([]byte{})
		}
		return nil
	}
	if c != '"' && c != '\'' {
		return d.fail("expected base64")
	}
	text, err := d.str()
	if err != nil {
		return err
	}
	enc := base64.StdEncoding
	if len(text)%4 != 0 {
		enc = base64.RawStdEncoding
	}
	out := make([]byte, enc.DecodedLen(len(text)))
	n, e := enc.Decode(out, text)
	if e != nil {
		return &Error{Offset: at, Problem: "malformed base64"}
	}
	v.SetBytes(out[:n])
	return nil
}
