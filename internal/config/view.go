package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/magiconair/properties"
)

// MaxText bounds a configuration file and the body of codes 25 and 318, in
// bytes. A full dump of a Java broker's configuration has about 20 KiB.
const MaxText = 1 << 20

// Change is one key with its new value, in the syntax of the file.
type Change struct{ Key, Value string }

// ParseProperties reads Java properties text: comments, the separators = and :,
// escapes and line continuation, the last of equal keys wins. ${...} means
// nothing, as in Java. The changes come in order of the text.
func ParseProperties(text []byte) ([]Change, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%d bytes of configuration, at most %d are read", len(text), MaxText)
	}
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, 0, p.Len())
	for _, key := range p.Keys() {
		value, _ := p.Get(key)
		changes = append(changes, Change{Key: key, Value: strings.TrimSpace(value)})
	}
	return changes, nil
}

// view joins a role's struct with its schema; all that is common to the roles
// is a method of it.
type view struct {
	*schema
	v    reflect.Value      // the addressable struct
	rest *map[string]string // accepted keys that were given
}

// put stores the value of one key of any kind.
func (w view) put(key, value string) error {
	if k := w.byName[key]; k != nil {
		return k.parse(w.v.FieldByIndex(k.index), value)
	}
	a := w.accepted.byName[key]
	if a == nil {
		if near := nearest(key, w.names()); near != "" {
			return fmt.Errorf("unknown key; did you mean %s?", near)
		}
		return fmt.Errorf("unknown key")
	}
	if a.only && !strings.EqualFold(value, a.def) {
		return fmt.Errorf("allowed: %s (%s: not available in this version, and ignoring the key would be unsafe)", a.def, a.section.Reason)
	}
	if strings.ContainsAny(value, "\n\r\x00") {
		return fmt.Errorf("allowed: text of one line")
	}
	next := maps.Clone(*w.rest)
	if next == nil {
		next = map[string]string{}
	}
	next[key] = value
	*w.rest = next
	return nil
}

// get returns the value of a known key; ok is false for a key that is unknown
// or null.
func (w view) get(key string) (value string, ok bool) {
	if k := w.byName[key]; k != nil {
		return k.text(w.v.FieldByIndex(k.index)), true
	}
	if value, ok := (*w.rest)[key]; ok {
		return value, true
	}
	if a := w.accepted.byName[key]; a != nil && !a.unset {
		return a.def, true
	}
	return "", false
}

// apply puts all changes and gathers the problems.
func (w view) apply(changes []Change, into *Problems) {
	for _, c := range changes {
		if err := w.put(c.Key, c.Value); err != nil {
			into.add(c.Key, w.shown(c.Key, c.Value), "%s", err)
		}
	}
}

// shown is value, or stars when the key is a secret (C5).
func (w view) shown(key, value string) string {
	if a := w.accepted.byName[key]; a != nil && a.secret && value != "" {
		return "******"
	}
	return value
}

// properties lists every key that has a value, sorted, as key=value lines.
func (w view) properties() string {
	var b strings.Builder
	for _, name := range w.names() {
		if value, ok := w.get(name); ok {
			b.WriteString(name)
			b.WriteByte('=')
			b.WriteString(w.shown(name, value))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// ignored reports the accepted keys that were given.
func (w view) ignored() []Ignored {
	var list []Ignored
	for _, s := range w.accepted.sections {
		for _, a := range s.keys {
			if value, ok := (*w.rest)[a.name]; ok {
				list = append(list, Ignored{Key: a.name, Value: w.shown(a.name, value), Reason: s.Reason, Later: s.Later})
			}
		}
	}
	return list
}

// allowed says whether a running process may take value for key. A value that
// is the present one is always allowed, so that a whole dump can be sent back.
func (w view) allowed(key, value, blackList string) error {
	if slices.Contains(strings.Split(blackList, ";"), key) || slices.Contains(alwaysBlack, key) {
		return ErrBlackListed
	}
	if now, ok := w.get(key); ok && now == strings.TrimSpace(value) {
		return nil
	}
	if k := w.byName[key]; k != nil && !k.Reload {
		return ErrRestart
	}
	return nil
}

// alwaysBlack are the keys that Java's black lists hold whatever configBlackList says.
var alwaysBlack = []string{"brokerConfigPath", "configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"}

// set puts one key at run time, or leaves everything as it is.
func (w view) set(key, value, blackList string) error {
	if err := w.allowed(key, value, blackList); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if err := w.put(key, strings.TrimSpace(value)); err != nil {
		return &Problems{List: []Problem{{Key: key, Value: w.shown(key, value), Text: err.Error()}}}
	}
	return nil
}
