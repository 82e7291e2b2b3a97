package config

import (
	_ "embed"
	"strings"
)

//go:embed accepted_broker.txt
var acceptedBroker string

//go:embed accepted_namesrv.txt
var acceptedNamesrv string

// acceptedKey is a key that is known and does nothing. See the head of
// accepted_broker.txt for the syntax of the table.
type acceptedKey struct {
	name    string
	def     string // Java's default
	unset   bool   // the default is null: not listed until set
	only    bool   // only the default is accepted
	secret  bool
	section *section
}

// section is a set of accepted keys with one reason.
type section struct {
	Later  bool   // the feature is not built yet; otherwise the key never means anything here
	Reason string // half a sentence
	keys   []*acceptedKey
}

type acceptedTable struct {
	sections []*section
	byName   map[string]*acceptedKey
}

// parseAccepted reads a table. The tables are part of the program, so a wrong
// line panics.
func parseAccepted(text string) *acceptedTable {
	t := &acceptedTable{byName: map[string]*acceptedKey{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			when, reason, ok := strings.Cut(strings.Trim(line, "[]"), ": ")
			if !ok || when != "never" && when != "later" {
				panic("config: bad section " + line)
			}
			t.sections = append(t.sections, &section{Later: when == "later", Reason: reason})
		default:
			t.add(line)
		}
	}
	return t
}

func (t *acceptedTable) add(line string) {
	left, def, ok := strings.Cut(line, "=")
	words := strings.Fields(left)
	if !ok || len(words) == 0 || len(t.sections) == 0 || t.byName[words[0]] != nil {
		panic("config: bad line " + line)
	}
	k := &acceptedKey{name: words[0], def: strings.TrimSpace(def), section: t.sections[len(t.sections)-1]}
	for _, flag := range words[1:] {
		switch flag {
		case "!":
			k.only = true
		case "*":
			k.secret = true
		default:
			panic("config: bad flag in " + line)
		}
	}
	if k.def == "-" {
		k.def, k.unset = "", true
	}
	k.section.keys = append(k.section.keys, k)
	t.byName[k.name] = k
}
