package remoting

import (
	"fmt"
	"math/bits"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/aerobee/aerobee/internal/protocol"
)

// kind is the type of a header field.
type kind uint8

const (
	kindString kind = iota
	kindInt32
	kindInt64
	kindBool
)

// headerField is one field of a header struct, as the codecs need it.
type headerField struct {
	name, short string
	json        [2]string // `"name":"` for the long and the short name
	offset      uintptr   // of the value in the struct
	setOffset   uintptr   // of an Opt's Set flag
	kind        kind
	opt         bool // an Opt: may be absent
	required    bool
}

// plan is a header struct's type, compiled: its fields in order of declaration and
// a hash table from name to field. Plans are immutable.
type plan struct {
	typ      string
	fields   []headerField
	required uint64 // bit i: fields[i] is required

	seed  uint64
	shift uint8
	slots []slot
	err   error // the type is no header
}

// slot is an entry of the open hash table; index -1 is free.
type slot struct {
	name  string
	index int8
}

// planMaxFields is what the bit sets of Bind can count; Java's largest header has
// fewer than 30.
const planMaxFields = 64

// iface is how Go lays out an interface without methods. The type word is a uintptr
// here so that looking at it does not make the data escape to the heap; types neither
// move nor go away.
type iface struct {
	typ  uintptr
	data unsafe.Pointer
}

// plans caches compiled types. Readers take no lock; the map is replaced as a whole
// when a type is seen for the first time.
var plans struct {
	mu  sync.Mutex
	all atomic.Pointer[map[uintptr]*plan]
}

// planOf returns the plan for the type of header, a struct or a pointer to one, and
// the address of the struct; nil for a nil header.
func planOf(header any) (*plan, unsafe.Pointer) {
	h := (*iface)(unsafe.Pointer(&header))
	if h.data == nil {
		return nil, nil
	}
	if all := plans.all.Load(); all != nil {
		if p := (*all)[h.typ]; p != nil {
			return p, h.data
		}
	}
	return compilePlan(h.typ, typeOf(h.typ)), h.data
}

// typeOf returns the type for an interface's type word.
func typeOf(word uintptr) reflect.Type {
	var empty any
	(*iface)(unsafe.Pointer(&empty)).typ = word
	return reflect.TypeOf(empty)
}

func compilePlan(key uintptr, t reflect.Type) *plan {
	plans.mu.Lock()
	defer plans.mu.Unlock()
	next := map[uintptr]*plan{}
	if all := plans.all.Load(); all != nil {
		if p := (*all)[key]; p != nil {
			return p
		}
		for k, v := range *all {
			next[k] = v
		}
	}
	p := newPlan(t)
	next[key] = p
	plans.all.Store(&next)
	return p
}

// newPlan compiles a type. A type that cannot be a header gives a plan whose err
// says why.
func newPlan(t reflect.Type) *plan {
	p := &plan{typ: t.String()}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() > planMaxFields {
		p.err = fmt.Errorf("header %s: not a struct of at most %d fields", p.typ, planMaxFields)
		return p
	}
	for i := range t.NumField() {
		f, ok, err := newField(t.Field(i))
		if err != nil {
			p.err = fmt.Errorf("header %s: %w", p.typ, err)
			return p
		}
		if !ok {
			continue
		}
		if f.required {
			p.required |= 1 << len(p.fields)
		}
		p.fields = append(p.fields, f)
	}
	p.err = p.index()
	return p
}

// newField compiles a struct field; ok is false for one without tag.
func newField(sf reflect.StructField) (f headerField, ok bool, err error) {
	tag, ok := sf.Tag.Lookup("rmq")
	if !ok {
		return f, false, nil
	}
	parts := strings.Split(tag, ",")
	f = headerField{name: parts[0], short: parts[0], offset: sf.Offset}
	for _, opt := range parts[1:] {
		short, isShort := strings.CutPrefix(opt, "short=")
		switch {
		case isShort:
			f.short = short
		case opt == "required":
			f.required = true
		default:
			return f, false, fmt.Errorf("field %s: unknown tag option %q", sf.Name, opt)
		}
	}
	if f.name == "" || f.short == "" {
		return f, false, fmt.Errorf("field %s: no name", sf.Name)
	}
	f.json = [2]string{string(appendQuoted(nil, f.name)) + `:"`, string(appendQuoted(nil, f.short)) + `:"`}
	t := sf.Type
	if t.Kind() == reflect.Struct && t.NumField() == 2 && t.PkgPath() == optPkg && strings.HasPrefix(t.Name(), "Opt[") {
		f.opt = true
		f.setOffset = sf.Offset + t.Field(1).Offset
		t = t.Field(0).Type
	}
	switch t.Kind() {
	case reflect.String:
		f.kind = kindString
	case reflect.Int32:
		f.kind = kindInt32
	case reflect.Int64:
		f.kind = kindInt64
	case reflect.Bool:
		f.kind = kindBool
	default:
		return f, false, fmt.Errorf("field %s: a %s cannot be a header field", sf.Name, sf.Type)
	}
	return f, true, nil
}

var optPkg = reflect.TypeFor[protocol.Opt[int32]]().PkgPath()

// index builds the hash table over the long and short names. Of some multipliers it
// takes the one with the fewest collisions, nearly always none.
func (p *plan) index() error {
	names := map[string]int8{}
	for i, f := range p.fields {
		for _, n := range []string{f.name, f.short} {
			if j, dup := names[n]; dup && j != int8(i) {
				return fmt.Errorf("header %s: two fields named %q", p.typ, n)
			}
			names[n] = int8(i)
		}
	}
	size := 4 << bits.Len(uint(len(names)))
	p.shift = uint8(64 - bits.TrailingZeros(uint(size)))
	best := len(names) + 1
	for try := range uint64(64) {
		seed := 0x9e3779b97f4a7c15*(2*try+1) | 1
		used := make(map[uint64]bool, len(names))
		collisions := 0
		for n := range names {
			h := nameHash(n, seed) >> p.shift
			if used[h] {
				collisions++
			}
			used[h] = true
		}
		if collisions < best {
			best, p.seed = collisions, seed
		}
	}
	p.slots = make([]slot, size)
	for i := range p.slots {
		p.slots[i].index = -1
	}
	for n, i := range names {
		h := int(nameHash(n, p.seed) >> p.shift)
		for p.slots[h].index >= 0 {
			h = (h + 1) & (size - 1)
		}
		p.slots[h] = slot{n, i}
	}
	return nil
}

// nameHash mixes the length and six bytes of a name that tell field names apart.
func nameHash(s string, seed uint64) uint64 {
	n := len(s)
	if n == 0 {
		return 0
	}
	x := uint64(n) | uint64(s[0])<<8 | uint64(s[n/2])<<16 | uint64(s[n-1])<<24
	if n > 2 {
		x |= uint64(s[1])<<32 | uint64(s[n/3])<<40 | uint64(s[n-2])<<48
	}
	x *= seed
	return x ^ x<<29
}

// find returns the index of the field with the long or short name, -1 if the header
// has none. It costs a hash and a comparison, whatever the order of fields is.
func (p *plan) find(name string) int {
	h := int(nameHash(name, p.seed) >> p.shift)
	for {
		s := &p.slots[h]
		if s.index < 0 || s.name == name {
			return int(s.index)
		}
		h = (h + 1) & (len(p.slots) - 1)
	}
}

// at returns the address of a field of the struct at base.
func at(base unsafe.Pointer, offset uintptr) unsafe.Pointer { return unsafe.Add(base, offset) }

// present reports whether the field is written: an Opt that is set, any number or
// flag, a string that is not empty or required.
func (f *headerField) present(base unsafe.Pointer) bool {
	if f.opt {
		return *(*bool)(at(base, f.setOffset))
	}
	return f.kind != kindString || f.required || *(*string)(at(base, f.offset)) != ""
}
