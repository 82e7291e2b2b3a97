package javajson

import (
	"strconv"
	"strings"
)

// Error says what is wrong with the input and where.
type Error struct {
	Offset  int    // byte position in the input
	Field   string // path of the field, like consumerDataSet[0].groupName; empty at the top
	Problem string
}

// Error returns the position, the field and the problem.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("json: byte ")
	b.WriteString(strconv.Itoa(e.Offset))
	if e.Field != "" {
		b.WriteString(", field ")
		b.WriteString(e.Field)
	}
	b.WriteString(": ")
	b.WriteString(e.Problem)
	return b.String()
}

// maxPath bounds the path in an Error; the innermost part is kept.
const maxPath = 256

// inField prepends a field or key to the path of the error.
func (e *Error) inField(name string) *Error {
	if len(e.Field) >= maxPath {
		return e
	}
	if len(name) > maxPath {
		name = name[:maxPath]
	}
	name = strings.ToValidUTF8(name, "\ufffd")
	if e.Field == "" || e.Field[0] == '[' {
		e.Field = name + e.Field
	} else {
		e.Field = name + "." + e.Field
	}
	return e
}

// inElement prepends an index to the path of the error.
func (e *Error) inElement(i int) *Error { return e.inField("[" + strconv.Itoa(i) + "]") }
