package filter

import (
	"math/bits"
	"unicode/utf16"
)

// parser reads an expression by recursive descent:
//
//	selector   := or                        what follows is not looked at
//	or         := and ( OR and )*
//	and        := equality ( AND equality )*
//	equality   := comparison ( = comparison | <> comparison | IS [NOT] NULL )*
//	comparison := unary ( (> | >= | < | <=) unary
//	              | [NOT] (CONTAINS | STARTSWITH | ENDSWITH) string
//	              | [NOT] BETWEEN unary AND unary | [NOT] IN ( string, … ) )*
//	unary      := + unary | - unary | NOT unary | primary
//	primary    := literal | property | ( or )
//
// It asks for tokens as late as it can, and judges operands as soon as it has
// them, so that of several errors the one is reported that Java reports.
type parser struct {
	lexer lexer
	ahead []token // read, and not before pos used
	pos   int
	// expected are the kinds that were looked for since the last token was used.
	expected uint64
	depth    int
	terms    int

	// scanning is set while only the syntax is checked: Java looks at all of an
	// operand with a plus sign before it takes any of it. What stands before
	// scanned has been checked.
	scanning bool
	scanned  int
}

func parse(expression string) (*node, error) {
	p := parser{lexer: newLexer(utf16.Encode([]rune(expression)))}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	return p.condition(n)
}

func kinds(list ...tokenKind) (set uint64) {
	for _, k := range list {
		set |= 1 << k
	}
	return set
}

var (
	equalities  = kinds(kwIs, opEqual, opNotEqual)
	afterNot    = kinds(kwBetween, kwIn, kwContains, kwStartsWith, kwEndsWith)
	comparisons = afterNot | kinds(kwNot, opGreater, opGreaterEqual, opLess, opLessEqual)
	unaries     = kinds(kwNot, kwTrue, kwFalse, kwNull, decimal, floating, quoted, identifier, opOpen, opMinus)
)

// look is the token n places ahead.
func (p *parser) look(n int) (token, error) {
	for len(p.ahead) <= p.pos+n {
		t, err := p.lexer.next()
		if err != nil {
			return token{}, err
		}
		p.ahead = append(p.ahead, t)
	}
	return p.ahead[p.pos+n], nil
}

// choose tells the kind of the next token, and whether it is one of set.
func (p *parser) choose(set uint64) (tokenKind, bool, error) {
	t, err := p.look(0)
	if err != nil {
		return 0, false, err
	}
	if set&(1<<t.kind) != 0 {
		return t.kind, true, nil
	}
	p.expected |= set
	return t.kind, false, nil
}

// use takes a token that is known to be there.
func (p *parser) use() token {
	p.pos++
	p.expected = 0
	return p.ahead[p.pos-1]
}

// take takes the next token, which must be of a kind. also are kinds that the
// error names as well.
func (p *parser) take(kind tokenKind, also ...tokenKind) (token, error) {
	_, ok, err := p.choose(kinds(kind))
	if err != nil {
		return token{}, err
	}
	if !ok {
		return token{}, p.unexpected(also...)
	}
	return p.use(), nil
}

func (p *parser) unexpected(also ...tokenKind) error {
	var list []tokenKind
	for set := p.expected; set != 0; set &= set - 1 {
		list = append(list, tokenKind(bits.TrailingZeros64(set)))
	}
	return unexpected(p.lexer.src, p.ahead[p.pos], append(list, also...))
}

func (p *parser) text(t token) string { return decoded(p.lexer.src[t.start:t.end]) }

// enter goes one level deeper.
func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return p.tooDeep()
	}
	return nil
}

func (p *parser) tooDeep() error {
	line, column := place(p.lexer.src, p.lexer.at-1)
	return fail("", "the expression is nested more than %d levels deep, the limit, at line %d, column %d", MaxDepth, line, column)
}

func (p *parser) or() (*node, error)  { return p.chain(kwOr, or, p.and) }
func (p *parser) and() (*node, error) { return p.chain(kwAnd, and, p.equality) }

// chain reads operands with a word between them.
func (p *parser) chain(word tokenKind, k kind, operand func() (*node, error)) (*node, error) {
	left, err := operand()
	for err == nil {
		var more bool
		if _, more, err = p.choose(kinds(word)); err != nil || !more {
			break
		}
		p.use()
		var right *node
		if right, err = operand(); err == nil {
			left, err = p.join(k, left, right)
		}
	}
	return left, err
}

func (p *parser) equality() (*node, error) {
	left, err := p.comparison()
	for err == nil {
		var op tokenKind
		var more bool
		if op, more, err = p.choose(equalities); err != nil || !more {
			break
		}
		p.use()
		if op == kwIs {
			left, err = p.isNull(left)
			continue
		}
		var right *node
		if right, err = p.comparison(); err == nil {
			left, err = p.equal(left, right, op == opNotEqual)
		}
	}
	return left, err
}

// isNull reads what follows IS.
func (p *parser) isNull(left *node) (*node, error) {
	t, err := p.look(0)
	if err != nil {
		return nil, err
	}
	negated := t.kind != kwNull
	if negated {
		if _, err := p.take(kwNot, kwNull); err != nil {
			return nil, err
		}
	}
	if _, err := p.take(kwNull); err != nil {
		return nil, err
	}
	n, err := p.made(&node{kind: equal, left: left, right: &node{kind: truthConstant}})
	if err != nil || !negated {
		return n, err
	}
	return p.made(&node{kind: not, left: n})
}

func (p *parser) comparison() (*node, error) {
	left, err := p.unary()
	for err == nil {
		var op tokenKind
		var more bool
		if op, more, err = p.choose(comparisons); err != nil || !more {
			break
		}
		left, err = p.compared(left, op)
	}
	return left, err
}

// compared reads a comparison whose left side is known.
func (p *parser) compared(left *node, op tokenKind) (*node, error) {
	negated := op == kwNot
	if negated {
		t, err := p.look(1)
		if err != nil {
			return nil, err
		}
		if afterNot&(1<<t.kind) == 0 {
			p.expected |= comparisons &^ kinds(kwNot)
			return nil, p.unexpected()
		}
		p.use()
		op = t.kind
	}
	p.use()
	switch op {
	case kwContains, kwStartsWith, kwEndsWith:
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		k := map[tokenKind]kind{kwContains: contains, kwStartsWith: startsWith, kwEndsWith: endsWith}[op]
		if negated {
			k++
		}
		return p.made(&node{kind: k, left: left, text: text})
	case kwBetween:
		return p.between(left, negated)
	case kwIn:
		return p.in(left, negated)
	}
	right, err := p.unary()
	if err != nil {
		return nil, err
	}
	return p.ordered(map[tokenKind]kind{opGreater: greater, opGreaterEqual: greaterEqual, opLess: less, opLessEqual: lessEqual}[op], left, right)
}

func (p *parser) between(left *node, negated bool) (*node, error) {
	low, err := p.unary()
	if err != nil {
		return nil, err
	}
	if _, err := p.take(kwAnd); err != nil {
		return nil, err
	}
	high, err := p.unary()
	if err != nil {
		return nil, err
	}
	return p.ranged(left, low, high, negated)
}

func (p *parser) in(left *node, negated bool) (*node, error) {
	if _, err := p.take(opOpen); err != nil {
		return nil, err
	}
	var list []string
	for {
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		list = append(list, text)
		_, more, err := p.choose(kinds(opComma))
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		p.use()
	}
	if _, err := p.take(opClose); err != nil {
		return nil, err
	}
	return p.member(left, list, negated)
}

func (p *parser) unary() (*node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	t, err := p.look(0)
	if err != nil {
		return nil, err
	}
	if t.kind == opPlus {
		return p.plus()
	}
	kind, ok, err := p.choose(unaries)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, p.unexpected(opPlus)
	}
	if kind != opMinus && kind != kwNot {
		return p.primary(kind)
	}
	p.use()
	n, err := p.unary()
	if err != nil {
		return nil, err
	}
	if kind == opMinus {
		return p.made(&node{kind: negation, left: n})
	}
	if n, err = p.condition(n); err != nil {
		return nil, err
	}
	return p.made(&node{kind: not, left: n})
}

// plus reads an operand with a plus sign, which says nothing. If anything is
// wrong with its syntax then the sign is what Java did not expect.
func (p *parser) plus() (*node, error) {
	if !p.scanning && p.pos >= p.scanned {
		start, terms, expected := p.pos, p.terms, p.expected
		p.scanning = true
		p.use()
		_, err := p.unary()
		p.scanned = p.pos
		p.scanning, p.pos, p.terms, p.expected = false, start, terms, expected
		if e, ok := err.(*Error); ok && e.class == parseException {
			p.expected |= unaries
			return nil, p.unexpected()
		}
		if err != nil {
			return nil, err
		}
	}
	p.use()
	return p.unary()
}

func (p *parser) primary(kind tokenKind) (*node, error) {
	t := p.use()
	switch kind {
	case opOpen:
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		_, err = p.take(opClose)
		return n, err
	case identifier:
		return &node{kind: property, text: p.text(t)}, nil
	case quoted:
		return &node{kind: constant, value: stringValue(unquoted(p.text(t)))}, nil
	case kwTrue, kwFalse:
		return &node{kind: truthConstant, value: boolValue(kind == kwTrue)}, nil
	case kwNull:
		return &node{kind: truthConstant}, nil
	}
	if p.scanning {
		return &node{kind: constant}, nil
	}
	v, err := literalValue(p.text(t), kind == floating)
	return &node{kind: constant, value: v}, err
}

// quoted takes a string.
func (p *parser) quoted() (string, error) {
	t, err := p.take(quoted)
	if err != nil {
		return "", err
	}
	return unquoted(p.text(t)), nil
}
