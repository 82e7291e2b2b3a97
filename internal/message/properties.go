package message

import (
	"iter"
	"strings"
)

// Properties yields the pairs of an encoded properties string in their order.
// As Java's parser it passes over items without a name, without a value or
// without a separator.
func Properties(props string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for len(props) > 0 {
			item := props
			if i := strings.IndexByte(props, propertySeparator); i >= 0 {
				item, props = props[:i], props[i+1:]
			} else {
				props = ""
			}
			i := strings.IndexByte(item, nameSeparator)
			if i <= 0 || i == len(item)-1 {
				continue
			}
			if !yield(item[:i], item[i+1:]) {
				return
			}
		}
	}
}

// Property returns the value of a property. Of several with one name the last
// counts, as in a Java map.
func Property(props, name string) (value string, ok bool) {
	for k, v := range Properties(props) {
		if k == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// AppendProperty appends one encoded pair; an empty value appends nothing,
// because no reader would see it.
func AppendProperty(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, nameSeparator)
	dst = append(dst, value...)
	return append(dst, propertySeparator)
}

// WithProperty returns props with name set to value in place of any earlier one.
func WithProperty(props, name, value string) string {
	dst := make([]byte, 0, len(props)+len(name)+len(value)+2)
	dst = appendOthers(dst, props, name)
	return string(AppendProperty(dst, name, value))
}

// WithoutProperty returns props without name.
func WithoutProperty(props, name string) string {
	if _, ok := Property(props, name); !ok {
		return props
	}
	return string(appendOthers(make([]byte, 0, len(props)), props, name))
}

func appendOthers(dst []byte, props, name string) []byte {
	for k, v := range Properties(props) {
		if k != name {
			dst = AppendProperty(dst, k, v)
		}
	}
	return dst
}

// ValidProperty tells whether a name or value survives the encoding.
func ValidProperty(s string) bool {
	return s != "" && strings.IndexByte(s, nameSeparator) < 0 && strings.IndexByte(s, propertySeparator) < 0
}
