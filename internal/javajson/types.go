package javajson

import (
	"cmp"
	"encoding"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Defaulter is implemented, with a pointer receiver, by types whose absent
// fields mean something else than zero. Unmarshal calls it on the zero value
// before it reads an object of the type.
type Defaulter interface {
	SetJSONDefaults()
}

var (
	byteType            = reflect.TypeFor[byte]()
	defaulterType       = reflect.TypeFor[Defaulter]()
	textMarshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// typeInfo is what reading and writing need to know about a type. It is
// immutable once it is in the cache.
type typeInfo struct {
	defaults      bool // *T is a Defaulter
	textMarshal   bool // T is an encoding.TextMarshaler
	textUnmarshal bool // *T is an encoding.TextUnmarshaler
	fields        []fieldInfo
	byName        map[string]int // names and alternative names to index in fields
}

// fieldInfo describes one field of a struct, possibly inside embedded structs.
type fieldInfo struct {
	name       string
	quoted     []byte // "name":
	index      []int
	omitEmpty  bool
	always     bool
	decodeOnly bool
}

// types caches descriptions; entries are only added. The number of types in a
// program bounds it.
var types sync.Map // reflect.Type -> *typeInfo

// infoOf returns the description of t.
func infoOf(t reflect.Type) *typeInfo {
	if i, ok := types.Load(t); ok {
		return i.(*typeInfo)
	}
	ti := &typeInfo{
		defaults:      reflect.PointerTo(t).Implements(defaulterType),
		textMarshal:   t.Implements(textMarshalerType),
		textUnmarshal: reflect.PointerTo(t).Implements(textUnmarshalerType),
	}
	if t.Kind() == reflect.Struct {
		ti.byName = make(map[string]int)
		var alts [][2]string
		ti.collect(t, nil, &alts)
		slices.SortStableFunc(ti.fields, func(a, b fieldInfo) int { return cmp.Compare(a.name, b.name) })
		for i, f := range ti.fields {
			ti.byName[f.name] = i
		}
		for _, a := range alts {
			if _, taken := ti.byName[a[1]]; !taken {
				ti.byName[a[1]] = ti.byName[a[0]]
			}
		}
	}
	i, _ := types.LoadOrStore(t, ti)
	return i.(*typeInfo)
}

// collect adds the fields of struct type t, reached by index, and notes their
// alternative names. Outer fields win over embedded ones of the same name.
func (ti *typeInfo) collect(t reflect.Type, index []int, alts *[][2]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		tag, tagged := f.Tag.Lookup("json")
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct {
			ti.collect(f.Type, at, alts)
			continue
		}
		if !f.IsExported() || !tagged || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		fi := fieldInfo{name: name, quoted: append(appendString(nil, name), ':'), index: at}
		fi.omitEmpty = options == "omitempty"
		for o := range strings.SplitSeq(f.Tag.Get("java"), ",") {
			switch {
			case o == "always":
				fi.always = true
			case o == "decodeonly":
				fi.decodeOnly = true
			case strings.HasPrefix(o, "alt="):
				*alts = append(*alts, [2]string{name, o[len("alt="):]})
			}
		}
		ti.add(fi)
	}
}

// add adds a field unless one of the same name lies less deep.
func (ti *typeInfo) add(fi fieldInfo) {
	for i := range ti.fields {
		if ti.fields[i].name == fi.name {
			if len(fi.index) < len(ti.fields[i].index) {
				ti.fields[i] = fi
			}
			return
		}
	}
	ti.fields = append(ti.fields, fi)
}

// field returns the field of struct v that f describes.
func (f *fieldInfo) field(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	for _, i := range f.index {
		v = v.Field(i)
	}
	return v
}
