package filter

import "strings"

// tokenKind is what a token is. The order is that of the lists in Java's errors.
type tokenKind uint8

const (
	eof tokenKind = iota
	kwNot
	kwAnd
	kwOr
	kwBetween
	kwIn
	kwTrue
	kwFalse
	kwNull
	kwIs
	kwContains
	kwStartsWith
	kwEndsWith
	decimal
	floating
	quoted
	identifier
	opEqual
	opNotEqual
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opOpen
	opComma
	opClose
	opPlus
	opMinus
)

var tokenNames = [...]string{
	"<EOF>", `"NOT"`, `"AND"`, `"OR"`, `"BETWEEN"`, `"IN"`, `"TRUE"`, `"FALSE"`, `"NULL"`, `"IS"`,
	`"CONTAINS"`, `"STARTSWITH"`, `"ENDSWITH"`, "<DECIMAL_LITERAL>", "<FLOATING_POINT_LITERAL>", "<STRING_LITERAL>", "<ID>",
	`"="`, `"<>"`, `">"`, `">="`, `"<"`, `"<="`, `"("`, `","`, `")"`, `"+"`, `"-"`,
}

// String is the name of the kind in Java's errors.
func (k tokenKind) String() string { return tokenNames[k] }

var keywords = map[string]tokenKind{
	"NOT": kwNot, "AND": kwAnd, "OR": kwOr, "BETWEEN": kwBetween, "IN": kwIn, "TRUE": kwTrue, "FALSE": kwFalse, "NULL": kwNull,
	"IS": kwIs, "CONTAINS": kwContains, "STARTSWITH": kwStartsWith, "ENDSWITH": kwEndsWith,
}

// longestKeyword is the length of STARTSWITH.
const longestKeyword = 10

// token is a part of the source, in UTF-16 units as Java counts.
type token struct {
	kind       tokenKind
	start, end int
}

// lexer cuts an expression into tokens, each the longest possible.
type lexer struct {
	src []uint16
	at  int
	// lastLineEnd is where the last line ends. Without a line end behind it -- is
	// no comment but two signs.
	lastLineEnd int
}

func newLexer(src []uint16) lexer {
	l := lexer{src: src, lastLineEnd: -1}
	for i, c := range src {
		if c == '\n' || c == '\r' {
			l.lastLineEnd = i
		}
	}
	return l
}

// peek is the character n places ahead, 0 behind the end.
func (l *lexer) peek(n int) uint16 {
	if l.at+n < len(l.src) {
		return l.src[l.at+n]
	}
	return 0
}

func (l *lexer) next() (token, error) {
	for l.at < len(l.src) && l.skip() {
	}
	if l.at == len(l.src) {
		return token{kind: eof, start: l.at, end: l.at}, nil
	}
	start := l.at
	kind, length, err := l.scan()
	if err != nil {
		return token{}, err
	}
	l.at += length
	return token{kind, start, l.at}, nil
}

// skip passes over one blank or comment.
func (l *lexer) skip() bool {
	switch c := l.src[l.at]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
		l.at++
		return true
	case c == '-' && l.peek(1) == '-' && l.lastLineEnd > l.at:
		for l.at += 2; l.src[l.at] != '\n' && l.src[l.at] != '\r'; l.at++ {
		}
		if l.src[l.at] == '\r' && l.peek(1) == '\n' {
			l.at++
		}
		l.at++
		return true
	case c == '/' && l.peek(1) == '*':
		for i := l.at + 2; i+1 < len(l.src); i++ {
			if l.src[i] == '*' && l.src[i+1] == '/' {
				l.at = i + 2
				return true
			}
		}
	}
	return false
}

// scan finds the kind and the length of the token that begins here.
func (l *lexer) scan() (tokenKind, int, error) {
	c := l.src[l.at]
	switch {
	case isDigit(c) || c == '.' && isDigit(l.peek(1)):
		kind, n := l.number()
		return kind, n, nil
	case isLetter(c):
		kind, n := l.word()
		return kind, n, nil
	case c == '\'':
		if n := l.quotedLength(); n > 0 {
			return quoted, n, nil
		}
		return 0, 0, unreadable(l.src, l.at, len(l.src)-l.at)
	}
	switch c {
	case '=':
		return opEqual, 1, nil
	case '<':
		switch l.peek(1) {
		case '>':
			return opNotEqual, 2, nil
		case '=':
			return opLessEqual, 2, nil
		}
		return opLess, 1, nil
	case '>':
		if l.peek(1) == '=' {
			return opGreaterEqual, 2, nil
		}
		return opGreater, 1, nil
	case '(':
		return opOpen, 1, nil
	case ',':
		return opComma, 1, nil
	case ')':
		return opClose, 1, nil
	case '+':
		return opPlus, 1, nil
	case '-':
		return opMinus, 1, nil
	}
	read := 1
	switch {
	case c == '/' && l.peek(1) == '*': // a comment without end
		read = len(l.src) - l.at
	case (c == '/' || c == '.') && l.at+1 < len(l.src):
		read = 2
	}
	return 0, 0, unreadable(l.src, l.at, read)
}

func isDigit(c uint16) bool { return '0' <= c && c <= '9' }

func isLetter(c uint16) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$'
}

// number measures a literal: 0 or digits that do not begin with it, with an l
// behind; or digits with a point or an exponent.
func (l *lexer) number() (tokenKind, int) {
	n := l.digits(0)
	if l.peek(n) == '.' {
		n = l.digits(n + 1)
		return floating, n + l.exponent(n)
	}
	if e := l.exponent(n); e > 0 {
		return floating, n + e
	}
	if l.src[l.at] == '0' {
		return decimal, 1
	}
	if c := l.peek(n); c == 'l' || c == 'L' {
		n++
	}
	return decimal, n
}

// digits is where the digits that begin n places ahead end.
func (l *lexer) digits(n int) int {
	for isDigit(l.peek(n)) {
		n++
	}
	return n
}

// exponent is the length of the exponent n places ahead, 0 if there is none.
func (l *lexer) exponent(n int) int {
	if c := l.peek(n); c != 'e' && c != 'E' {
		return 0
	}
	first := n + 1
	if c := l.peek(first); c == '+' || c == '-' {
		first++
	}
	if end := l.digits(first); end > first {
		return end - n
	}
	return 0
}

func (l *lexer) word() (tokenKind, int) {
	n := 1
	for c := l.peek(n); isLetter(c) || isDigit(c); c = l.peek(n) {
		n++
	}
	if n <= longestKeyword {
		if kind, ok := keywords[strings.ToUpper(decoded(l.src[l.at:l.at+n]))]; ok {
			return kind, n
		}
	}
	return identifier, n
}

// quotedLength is the length of a string with its quotes; two inside stand for
// one. When the end is missing the string ends at the last quote that could be
// it; 0 means that there is none.
func (l *lexer) quotedLength() int {
	end := 0
	for i := l.at + 1; i < len(l.src); i++ {
		if l.src[i] != '\'' {
			continue
		}
		end = i + 1 - l.at
		if i+1 == len(l.src) || l.src[i+1] != '\'' {
			return end
		}
		i++
	}
	return end
}
