package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a condition on dead letters.
const (
	maxWhereBytes = 4096
	maxWhereTerms = 32
)

// Where is a condition on dead letters. The zero value holds for all of them.
//
// Its text is a list of comparisons joined by the word and:
//
//	tag='paid' and attempts>=3 and prop.region!=eu
//
// A comparison is a name, an operator and a value, which stands in single quotes
// (two of them for one inside) if it has blanks or operators. The names are tag,
// key (any of the message's keys), id (the producer's, or the offset id), origin
// (the topic it was sent to), reason, attempts, body, and prop.NAME for a property.
// The operators are = and !=, ~ for "contains", and < <= > >=, which compare numbers
// and never hold for what is none.
type Where struct{ terms []term }

type term struct {
	name, op, value string
	number          float64
}

// whereOps are the operators, a longer one before its beginning.
var whereOps = []string{"!=", "<=", ">=", "=", "<", ">", "~"}

var whereNames = []string{"tag", "key", "id", "origin", "reason", "attempts", "body"}

const propertyName = "prop."

// ParseWhere reads a condition. Empty text is the condition that always holds.
func ParseWhere(text string) (Where, error) {
	if len(text) > maxWhereBytes {
		return Where{}, fmt.Errorf("the condition has %d bytes, limit %d", len(text), maxWhereBytes)
	}
	var w Where
	rest := strings.TrimSpace(text)
	for rest != "" {
		if len(w.terms) == maxWhereTerms {
			return Where{}, fmt.Errorf("the condition has more than %d comparisons", maxWhereTerms)
		}
		t, after, err := parseTerm(rest)
		if err != nil {
			return Where{}, fmt.Errorf("at byte %d of the condition: %w", strings.LastIndex(text, rest)+1, err)
		}
		w.terms = append(w.terms, t)
		rest = strings.TrimSpace(after)
		if rest == "" {
			break
		}
		word, next, _ := strings.Cut(rest, " ")
		next = strings.TrimSpace(next)
		if !strings.EqualFold(word, "and") || next == "" {
			return Where{}, fmt.Errorf("at byte %d of the condition: %q, where \"and\" and another comparison may follow", strings.LastIndex(text, rest)+1, rest)
		}
		rest = next
	}
	return w, nil
}

// parseTerm reads the comparison that text begins with.
func parseTerm(text string) (t term, rest string, err error) {
	end := strings.IndexAny(text, "!=<>~ '")
	if end <= 0 {
		return t, "", fmt.Errorf("%q must be a name, an operator and a value, such as tag=paid", text)
	}
	t.name, rest = text[:end], strings.TrimLeft(text[end:], " ")
	if prop, ok := strings.CutPrefix(t.name, propertyName); !slices.Contains(whereNames, t.name) && (!ok || prop == "") {
		return t, "", fmt.Errorf("there is no name %q; there are %s and prop.NAME", t.name, strings.Join(whereNames, ", "))
	}
	for _, op := range whereOps {
		if strings.HasPrefix(rest, op) {
			t.op = op
			break
		}
	}
	if t.op == "" {
		return t, "", fmt.Errorf("after %s an operator must follow, one of %s", t.name, strings.Join(whereOps, " "))
	}
	if t.value, rest, err = parseValue(strings.TrimLeft(rest[len(t.op):], " ")); err != nil {
		return t, "", fmt.Errorf("%s%s: %w", t.name, t.op, err)
	}
	if t.ordered() {
		if t.number, err = strconv.ParseFloat(t.value, 64); err != nil {
			return t, "", fmt.Errorf("%s%s compares numbers, and %q is none", t.name, t.op, t.value)
		}
	}
	return t, rest, nil
}

func parseValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, "'") {
		end := strings.IndexByte(text, ' ')
		if end < 0 {
			end = len(text)
		}
		if strings.ContainsRune(text[:end], '\'') {
			return "", "", fmt.Errorf("value %q has a quote in the middle", text[:end])
		}
		return text[:end], text[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), text[i+1:], nil
	}
	return "", "", fmt.Errorf("the quote of value %s is not closed", text)
}

func (t term) ordered() bool { return t.op[0] == '<' || t.op[0] == '>' }

// Holds tells whether the condition is true of a dead letter.
func (w Where) Holds(d *DeadLetter) bool {
	for _, t := range w.terms {
		if !t.holds(d) {
			return false
		}
	}
	return true
}

func (t term) holds(d *DeadLetter) bool {
	values := t.values(d)
	is := func(v string) bool { return v == t.value }
	switch t.op {
	case "=":
		return slices.ContainsFunc(values, is)
	case "!=":
		return !slices.ContainsFunc(values, is)
	case "~":
		return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, t.value) })
	}
	return slices.ContainsFunc(values, func(v string) bool {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || n != n || t.number != t.number {
			return false
		}
		order := cmp.Compare(n, t.number)
		return order < 0 && t.op[0] == '<' || order > 0 && t.op[0] == '>' || order == 0 && len(t.op) == 2
	})
}

// values are what a name stands for: none, one or several.
func (t term) values(d *DeadLetter) []string {
	switch t.name {
	case "tag":
		return []string{d.Tag()}
	case "key":
		return d.Keys()
	case "id":
		return []string{d.ID(), d.OffsetID()}
	case "origin":
		return []string{d.Origin}
	case "reason":
		return []string{d.Reason}
	case "attempts":
		return []string{strconv.Itoa(int(d.ReconsumeTimes))}
	case "body":
		return []string{string(d.Body)}
	}
	return []string{d.Properties[strings.TrimPrefix(t.name, propertyName)]}
}
