package protocol

import (
	"strconv"
	"strings"
)

// Opt is a header field whose absence means something else than its zero value,
// as Java's boxed null does. The zero Opt is absent; an absent field is not
// written.
type Opt[T ~string | ~int32 | ~int64 | ~bool] struct {
	Value T
	Set   bool
}

// Some returns a present field.
func Some[T ~string | ~int32 | ~int64 | ~bool](v T) Opt[T] { return Opt[T]{Value: v, Set: true} }

// Or returns the value, or def when the field is absent.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.Value
	}
	return def
}

// String returns the text form of the value, or "<absent>".
func (o Opt[T]) String() string {
	if !o.Set {
		return "<absent>"
	}
	switch v := any(o.Value).(type) {
	case string:
		return v
	case int32:
		return strconv.FormatInt(int64(v), 10)
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}

// ParseBool reads a header flag as Java does: "true" in any case is true,
// everything else is false.
func ParseBool(s string) bool { return strings.EqualFold(s, "true") }
