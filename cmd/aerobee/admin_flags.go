package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// flagKind says what a flag takes.
type flagKind uint8

const (
	takesText   flagKind = iota
	takesNumber          // a whole number
	takesBool            // true or false, as mqadmin wants it written
	takesTime            // see parseTime
	takesNothing
)

// flag is a flag of a verb, with the letter and the name it has in mqadmin.
type flag struct {
	short    string
	long     string
	kind     flagKind
	required bool
	def      string // default
	usage    string
}

// Constructors keep the tables of verbs readable.
func text(short, long, usage string) flag { return flag{short: short, long: long, usage: usage} }

func number(short, long, def, usage string) flag {
	return flag{short: short, long: long, kind: takesNumber, def: def, usage: usage}
}

func boolean(short, long, def, usage string) flag {
	return flag{short: short, long: long, kind: takesBool, def: def, usage: usage + " (true or false)"}
}

func moment(short, long, usage string) flag {
	return flag{short: short, long: long, kind: takesTime, usage: usage}
}

func toggle(short, long, usage string) flag {
	return flag{short: short, long: long, kind: takesNothing, usage: usage}
}

// must marks a flag as required.
func must(f flag) flag {
	f.required = true
	return f
}

// Flags that many verbs share.
func onBroker() flag  { return text("b", "brokerAddr", "broker address, host:port") }
func onCluster() flag { return text("c", "clusterName", "cluster name") }
func routedBy() flag {
	return text("c", "cluster", "for a light queue: topic or cluster whose route leads to it")
}

func (f flag) define(set *pflag.FlagSet) {
	if f.kind == takesNothing {
		set.BoolP(f.long, f.short, false, f.usage)
		return
	}
	usage := f.usage
	if f.required {
		usage += " (required)"
	}
	set.StringP(f.long, f.short, f.def, usage)
}

func (f flag) name() string {
	if f.short == "" {
		return "--" + f.long
	}
	return "-" + f.short + " (--" + f.long + ")"
}

// valid checks the form of a value.
func (f flag) valid(in input) error {
	value := in.text(f.long)
	if value == "" && f.kind != takesNothing {
		return nil
	}
	switch f.kind {
	case takesNumber:
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return fmt.Errorf("%s is %q, must be a whole number", f.name(), value)
		}
	case takesBool:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return fmt.Errorf("%s is %q, must be true or false", f.name(), value)
		}
	case takesTime:
		if _, err := parseTime(value, time.Now()); err != nil {
			return fmt.Errorf("%s: %w", f.name(), err)
		}
	case takesText, takesNothing:
	}
	return nil
}

// input are the flags of a verb as given, already checked.
type input struct{ flags *pflag.FlagSet }

func (in input) given(long string) bool { return in.flags.Changed(long) && in.text(long) != "" }

func (in input) text(long string) string {
	f := in.flags.Lookup(long)
	if f == nil {
		return ""
	}
	return strings.TrimSpace(f.Value.String())
}

func (in input) number(long string) int64 {
	n, _ := strconv.ParseInt(in.text(long), 10, 64) // checked by flag.valid
	return n
}

func (in input) on(long string) bool { return strings.EqualFold(in.text(long), "true") }

func (in input) time(long string) time.Time {
	t, _ := parseTime(in.text(long), time.Now()) // checked by flag.valid
	return t
}

// timeForms are the ways to write a time besides milliseconds and "now". The
// first is mqadmin's.
var timeForms = []string{
	"2006-01-02#15:04:05.000", "2006-01-02 15:04:05.000", "2006-01-02T15:04:05.000",
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", time.RFC3339Nano, time.RFC3339, "2006-01-02",
}

// parseTime reads a time: now, milliseconds since 1970, one of timeForms in local
// time, or a duration before now such as 1h30m. Empty text is the zero time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if text == "now" || text == "currentTimeMillis" {
		return now, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
		return time.UnixMilli(ms), nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	dotted := text
	if i := strings.LastIndexByte(text, ':'); strings.Count(text, ":") == 3 && strings.Contains(text, "#") {
		dotted = text[:i] + "." + text[i+1:] // mqadmin separates the milliseconds with a colon
	}
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, dotted, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time: use now, milliseconds, 2006-01-02#15:04:05:000, 2006-01-02T15:04:05 or a duration ago like 90m", text)
}
