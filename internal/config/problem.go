package config

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key   string // "" when it concerns the file as a whole
	Value string // as written; "" when that does not matter
	Text  string // what is wrong, or what is allowed
}

func (p Problem) String() string {
	switch {
	case p.Key == "":
		return p.Text
	case p.Value == "":
		return p.Key + ": " + p.Text
	}
	return fmt.Sprintf("%s=%s: %s", p.Key, p.Value, p.Text)
}

// Problems is the error of a configuration that cannot be used. It holds
// everything that was found, in order of the keys.
type Problems struct {
	Source string // file name, or what else the configuration came from
	List   []Problem
}

func (e *Problems) Error() string {
	lines := make([]string, 0, len(e.List))
	for _, p := range e.List {
		lines = append(lines, p.String())
	}
	prefix := ""
	if e.Source != "" {
		prefix = e.Source + ": "
	}
	return prefix + strings.Join(lines, "\n"+prefix)
}

// Errors of a change at run time. Both come wrapped with the key's name.
var (
	// ErrBlackListed is wrapped when the key is on the black list (Java answers
	// such a change with code 16).
	ErrBlackListed = errors.New("can not update config in black list")
	// ErrRestart is wrapped when the key takes effect at start only.
	ErrRestart = errors.New("takes effect only at start: change it in the configuration file and restart")
)

// or returns e, or nil when it is empty.
func (e *Problems) or() error {
	if len(e.List) == 0 {
		return nil
	}
	return e
}

func (e *Problems) add(key, value, format string, args ...any) {
	e.List = append(e.List, Problem{Key: key, Value: value, Text: fmt.Sprintf(format, args...)})
}
