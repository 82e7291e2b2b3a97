package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key describes one key that takes effect.
type Key struct {
	Name    string   // Java property name
	Group   string   // name of the embedded struct that holds it
	Default string   // as declared, with {host}, {ip}, {home} and {namesrv} unresolved
	Unit    string   // "" when the value has none
	OneOf   []string // the allowed words, nil for any
	Reload  bool     // a running process follows a change
	Doc     string

	min, max int64 // inclusive, in Unit
	bounded  bool
	index    []int // of the field
}

// Range describes the allowed values, or is "" when every value is.
func (k *Key) Range() string {
	switch {
	case k.OneOf != nil:
		return strings.Join(k.OneOf, ", ")
	case !k.bounded:
		return ""
	case k.max == math.MaxInt64:
		return fmt.Sprintf("at least %d", k.min)
	}
	return fmt.Sprintf("%d to %d", k.min, k.max)
}

// schema is what the tags of one role's struct say, plus its accepted keys.
// It is built once and then read only.
type schema struct {
	role     string
	keys     []*Key // in order of declaration
	byName   map[string]*Key
	accepted *acceptedTable
}

var units = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour,
}

// newSchema reads the tags of t, a struct of embedded groups. A wrong tag is a
// programming error and panics.
func newSchema(role string, t reflect.Type, accepted string) *schema {
	s := &schema{role: role, byName: map[string]*Key{}}
	for _, group := range reflect.VisibleFields(t) {
		if len(group.Index) != 1 || !group.Anonymous {
			continue
		}
		for f := range group.Type.Fields() {
			k := newKey(group, f)
			if s.byName[k.Name] != nil {
				panic("config: key declared twice: " + k.Name)
			}
			s.keys = append(s.keys, k)
			s.byName[k.Name] = k
		}
	}
	s.accepted = parseAccepted(accepted)
	for name := range s.accepted.byName {
		if s.byName[name] != nil {
			panic("config: key takes effect and is ignored: " + name)
		}
	}
	return s
}

func newKey(group, f reflect.StructField) *Key {
	k := &Key{
		Name:    f.Tag.Get("prop"),
		Group:   group.Name,
		Default: f.Tag.Get("default"),
		Unit:    f.Tag.Get("unit"),
		Reload:  f.Tag.Get("reload") == "true",
		Doc:     f.Tag.Get("doc"),
		min:     math.MinInt64,
		max:     math.MaxInt64,
		index:   append(slices.Clone(group.Index), f.Index...),
	}
	if words := f.Tag.Get("oneof"); words != "" {
		k.OneOf = strings.Split(words, "|")
	}
	bound := func(tag string, into *int64) {
		text, ok := f.Tag.Lookup(tag)
		if !ok {
			return
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			panic("config: " + k.Name + ": bad " + tag)
		}
		*into, k.bounded = n, true
	}
	bound("min", &k.min)
	bound("max", &k.max)
	if _, ok := units[k.Unit]; k.Name == "" || k.Doc == "" || ok != (f.Type == durationType) {
		panic("config: bad tags of " + f.Name)
	}
	return k
}

var durationType = reflect.TypeFor[time.Duration]()

// parse stores text, a value in the syntax of the file, in the field v. The
// error says what is allowed.
func (k *Key) parse(v reflect.Value, text string) error {
	text = strings.TrimSpace(text)
	switch {
	case v.Kind() == reflect.Bool:
		switch strings.ToLower(text) {
		case "true":
			v.SetBool(true)
		case "false":
			v.SetBool(false)
		default:
			return fmt.Errorf("allowed: true, false")
		}
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, 64)
		unit := int64(1)
		if v.Type() == durationType {
			unit = int64(units[k.Unit])
		}
		if err != nil || n < k.min || n > k.max || n > math.MaxInt64/unit || n < math.MinInt64/unit || v.OverflowInt(n*unit) {
			return fmt.Errorf("allowed: %s", k.allowedNumber())
		}
		v.SetInt(n * unit)
	default:
		if k.OneOf != nil && !slices.Contains(k.OneOf, text) {
			return fmt.Errorf("allowed: %s", k.Range())
		}
		if strings.ContainsAny(text, "\n\r\x00") {
			return fmt.Errorf("allowed: text of one line")
		}
		v.SetString(text)
	}
	return nil
}

func (k *Key) allowedNumber() string {
	text := "a whole number"
	if r := k.Range(); r != "" {
		text += ", " + r
	}
	if k.Unit != "" {
		text += ", in " + k.Unit
	}
	return text
}

// text is the inverse of parse.
func (k *Key) text(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanInt():
		n := v.Int()
		if v.Type() == durationType {
			n /= int64(units[k.Unit])
		}
		return strconv.FormatInt(n, 10)
	}
	return v.String()
}

// setDefaults gives every field of v its default on this host.
func (s *schema) setDefaults(v reflect.Value, h Host) {
	resolve := strings.NewReplacer("{host}", h.Name, "{ip}", h.IP, "{home}", h.Home, "{namesrv}", h.NamesrvAddr)
	for _, k := range s.keys {
		if err := k.parse(v.FieldByIndex(k.index), resolve.Replace(k.Default)); err != nil {
			panic("config: default of " + k.Name + ": " + err.Error())
		}
	}
}

// names of all keys, effective and accepted.
func (s *schema) names() []string {
	names := make([]string, 0, len(s.keys)+len(s.accepted.byName))
	for _, k := range s.keys {
		names = append(names, k.Name)
	}
	for name := range s.accepted.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
