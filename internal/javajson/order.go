package javajson

import (
	"cmp"
	"reflect"
)

// compareKeys orders map keys: numbers by value, strings by bytes, structs by
// their fields in alphabetical order.
func compareKeys(a, b reflect.Value) int {
	switch {
	case a.Kind() == reflect.String:
		return cmp.Compare(a.String(), b.String())
	case a.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	case a.Kind() == reflect.Struct:
		ti := infoOf(a.Type())
		for i := range ti.fields {
			f := &ti.fields[i]
			if c := compareKeys(f.field(a), f.field(b)); c != 0 {
				return c
			}
		}
	case a.Kind() == reflect.Bool:
		if a.Bool() != b.Bool() {
			if b.Bool() {
				return -1
			}
			return 1
		}
	}
	return 0
}
