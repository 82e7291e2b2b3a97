package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Keys lists the keys of a broker that take effect, in order of declaration.
func (b *Broker) Keys() []*Key { return slices.Clone(brokerSchema().keys) }

// Keys lists the keys of a nameserver that take effect, in order of declaration.
func (n *Namesrv) Keys() []*Key { return slices.Clone(namesrvSchema().keys) }

// Reference is the text of docs/configuration.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	writeRole(&b, "Nameserver", namesrvSchema(), reflect.TypeFor[Namesrv]())
	writeRole(&b, "Broker", brokerSchema(), reflect.TypeFor[Broker]())
	return b.String()
}

const referenceHead = `# Configuration

Generated from internal/config; do not edit. (` + "`go test ./internal/config -run Reference -update`" + `)

` + "`aerobee broker -c broker.conf` and `aerobee namesrv -c namesrv.conf`" + ` read the files of Apache RocketMQ as they are, with its
defaults. The syntax is that of Java properties: ` + "`key=value` or `key:value`, `#` and `!`" + ` start a comment, a backslash at the
end of a line continues it, the last of equal keys wins, text is UTF-8. ` + "`-p`" + ` prints what is in effect.

- A key that is not known is an error, with the nearest known key as a suggestion. So is a value out of its range, which the
  Java processes silently replace by the default. All problems of a file are reported at once.
- Keys of Java's own machinery, and of features that aerobee does not have yet, are accepted and reported once at start.
  Where it would be unsafe to ignore a value (for example ` + "`authenticationEnabled=true`" + `) it is refused.
- Keys marked *live* can be changed in a running process with ` + "`updateBrokerConfig` and `updateNamesrvConfig`" + `. Such a
  change is kept in a state file (for a nameserver ` + "`namesrvRuntime.json` beside `kvConfigPath`" + `), never in your file. When you
  later give the key another value in your file, your file wins.
- ` + "`{host}` is the host name, `{ip}` the machine's first address that others can reach, `{home}` the home directory," + `
  ` + "`{namesrv}` the environment variable `NAMESRV_ADDR`" + `.
`

var groupTitles = map[string]string{
	"Nameservice": "Service and files", "Identity": "Identity and addresses", "Nameserver": "Nameservers",
	"Topics": "Topics and groups", "Store": "Store", "Flush": "Flushing", "Retention": "Retention",
	"Reads": "Reading", "Filters": "Filters", "Delay": "Delay levels", "Clients": "Clients", "Network": "Network",
}

func writeRole(b *strings.Builder, title string, s *schema, t reflect.Type) {
	fmt.Fprintf(b, "\n## %s\n", title)
	group := ""
	for _, k := range s.keys {
		if k.Group != group {
			group = k.Group
			fmt.Fprintf(b, "\n### %s\n\n| key | default | unit, allowed | | |\n|---|---|---|---|---|\n", groupTitles[group])
		}
		live := ""
		if k.Reload {
			live = "live"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", k.Name, code(k.Default), allowedColumn(k, t.FieldByIndex(k.index).Type), live, k.Doc)
	}
	writeAccepted(b, s)
}

func allowedColumn(k *Key, t reflect.Type) string {
	var parts []string
	if k.Unit != "" {
		parts = append(parts, k.Unit)
	}
	switch r := k.Range(); {
	case r != "":
		parts = append(parts, r)
	case t.Kind() == reflect.Bool:
		parts = append(parts, "true, false")
	}
	return strings.Join(parts, "; ")
}

func writeAccepted(b *strings.Builder, s *schema) {
	for _, later := range []bool{true, false} {
		heading := "Accepted, without meaning here"
		if later {
			heading = "Accepted, not effective yet"
		}
		fmt.Fprintf(b, "\n### %s\n", heading)
		for _, sec := range s.accepted.sections {
			if sec.Later != later {
				continue
			}
			fmt.Fprintf(b, "\n%s:\n", strings.ToUpper(sec.Reason[:1])+sec.Reason[1:])
			for i, a := range sec.keys {
				sep := ","
				if i == len(sec.keys)-1 {
					sep = "."
				}
				value := ""
				switch {
				case a.only:
					value = " (only " + code(a.def) + ")"
				case a.def != "":
					value = " (" + code(a.def) + ")"
				}
				fmt.Fprintf(b, "`%s`%s%s\n", a.name, value, sep)
			}
		}
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
