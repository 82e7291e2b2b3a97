package filter

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// Error is why an expression does not compile.
type Error struct {
	class string // of Java's exception; empty for a limit of our own
	text  string
}

// Error is the text that Java's broker answers with.
func (e *Error) Error() string {
	if e.class == "" {
		return e.text
	}
	return e.class + ": " + e.text
}

const (
	runtimeException = "java.lang.RuntimeException"
	numberFormat     = "java.lang.NumberFormatException"
	classCast        = "java.lang.ClassCastException"
	parseException   = "org.apache.rocketmq.filter.parser.ParseException"
	lexicalError     = "org.apache.rocketmq.filter.parser.TokenMgrError"
)

func fail(class, format string, args ...any) error {
	return &Error{class: class, text: fmt.Sprintf(format, args...)}
}

// tabWidth is how Java counts columns.
const tabWidth = 8

// place is the line and column of a character, both from 1; the place before the
// first one has neither.
func place(src []uint16, at int) (line, column int) {
	if at < 0 || len(src) == 0 {
		return 0, 0
	}
	line = 1
	var last uint16
	for _, c := range src[:at+1] {
		if last == '\n' || last == '\r' && c != '\n' {
			line++
			column = 0
		}
		column++
		if c == '\t' {
			column--
			column += tabWidth - column%tabWidth
		}
		last = c
	}
	return line, column
}

// unexpected is the error for a token that cannot stand where it does.
func unexpected(src []uint16, t token, expected []tokenKind) error {
	var b strings.Builder
	if t.kind == eof {
		b.WriteString(`Encountered "<EOF>`)
	} else {
		fmt.Fprintf(&b, `Encountered " %s "%s "`, t.kind, escaped(src[t.start:t.end]))
	}
	line, column := place(src, min(t.start, len(src)-1))
	fmt.Fprintf(&b, "\" at line %d, column %d.\n", line, column)
	if len(expected) == 1 {
		b.WriteString("Was expecting:\n    ")
	} else {
		b.WriteString("Was expecting one of:\n    ")
	}
	for _, k := range expected {
		fmt.Fprintf(&b, "%s ...\n    ", k)
	}
	return &Error{parseException, b.String()}
}

// unreadable is the error for text from start on that is no token, after read
// characters of it were looked at.
func unreadable(src []uint16, start, read int) error {
	last := start + read - 1
	line, column := place(src, last)
	encountered, after := "", src[start:start]
	if last+1 < len(src) {
		if read > 1 {
			after = src[start:last]
		}
		encountered = fmt.Sprintf(`"%s" (%d), `, escaped(src[last:last+1]), src[last])
	} else {
		if read > 1 {
			after = src[start : last+1]
		}
		encountered = "<EOF> "
		if c := src[last]; c == '\n' || c == '\r' {
			line, column = line+1, 0
		} else {
			column++
		}
	}
	return fail(lexicalError, `Lexical error at line %d, column %d.  Encountered: %safter : "%s"`, line, column, encountered, escaped(after))
}

// escaped shows text as a Java string literal does.
func escaped(src []uint16) string {
	var b strings.Builder
	for _, c := range src {
		switch {
		case c == 0:
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\f':
			b.WriteString(`\f`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '"' || c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(c))
		case c < 0x20 || c > 0x7e:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(byte(c))
		}
	}
	return b.String()
}

func decoded(src []uint16) string { return string(utf16.Decode(src)) }
