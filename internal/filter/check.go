package filter

import "strings"

// The methods here make nodes of operands, and refuse those that cannot be
// compared. While only the syntax is checked everything goes.

// longList is from how many strings on IN looks them up in a map.
const longList = 5

// made takes a new node in: it counts it, and gives it its depth.
func (p *parser) made(n *node) (*node, error) {
	if p.terms++; p.terms > MaxTerms {
		line, column := place(p.lexer.src, p.lexer.at-1)
		return nil, fail("", "the expression has more than %d comparisons, signs and NOTs, the limit, at line %d, column %d", MaxTerms, line, column)
	}
	for _, kid := range [...]*node{n.left, n.low, n.right} {
		if kid != nil {
			n.depth = max(n.depth, kid.depth+1)
		}
	}
	for _, kid := range n.kids {
		n.depth = max(n.depth, kid.depth+1)
	}
	if n.depth > MaxDepth {
		return nil, p.tooDeep()
	}
	return n, nil
}

// condition is a node where a condition is wanted.
func (p *parser) condition(n *node) (*node, error) {
	switch {
	case n.isBoolean() || p.scanning:
		return n, nil
	case n.kind == property:
		return p.made(&node{kind: cast, left: n})
	}
	return nil, fail(parseException, "Expression will not result in a boolean value: %s", n)
}

// join makes left AND right, or left OR right. A chain of them is one node.
func (p *parser) join(k kind, left, right *node) (*node, error) {
	left, err := p.condition(left)
	if err != nil {
		return nil, err
	}
	if right, err = p.condition(right); err != nil {
		return nil, err
	}
	if left.kind != k {
		return p.made(&node{kind: k, kids: []*node{left, right}})
	}
	left.kids = append(left.kids, right)
	if left.depth = max(left.depth, right.depth+1); left.depth > MaxDepth {
		return nil, p.tooDeep()
	}
	return left, nil
}

func (p *parser) equal(left, right *node, negated bool) (*node, error) {
	if !p.scanning {
		for _, n := range [...]*node{left, right} {
			if n.isConstant() && n.value.kind == null {
				return nil, fail(runtimeException, "'%s' cannot be compared.", n)
			}
		}
		if left.kind == truthConstant && right.kind == constant {
			return nil, fail(runtimeException, "'%s' cannot be compared with '%s'", left, right)
		}
	}
	n, err := p.made(&node{kind: equal, left: left, right: right})
	if err != nil || !negated {
		return n, err
	}
	return p.made(&node{kind: not, left: n})
}

func (p *parser) ordered(k kind, left, right *node) (*node, error) {
	if err := p.comparable(left, right); err != nil {
		return nil, err
	}
	return p.made(&node{kind: k, left: left, right: right})
}

// comparable tells whether nodes can have an order: properties and numbers can.
func (p *parser) comparable(nodes ...*node) error {
	for _, n := range nodes {
		number := n.kind == constant && n.value.isNumber()
		if (n.isConstant() && !number || n.isBoolean()) && !p.scanning {
			return fail(runtimeException, "Value '%s' cannot be compared.", n)
		}
	}
	return nil
}

func (p *parser) ranged(left, low, high *node, negated bool) (*node, error) {
	n := &node{kind: between, left: left, low: low, right: high}
	if negated {
		n.kind = notBetween
	} else if err := p.checkRange(low, high); err != nil {
		return nil, err
	}
	if err := p.comparable(left, low, left, high); err != nil {
		return nil, err
	}
	return p.made(n)
}

// checkRange compares the ends of a range that are both constants.
func (p *parser) checkRange(low, high *node) error {
	if p.scanning || !low.isConstant() || !high.isConstant() {
		return nil
	}
	if low.value.kind == null || high.value.kind == null {
		return fail(runtimeException, "Illegal values of between, values can not be null!")
	}
	order, err := high.value.orderConstants(low.value)
	if err == nil && order < 0 {
		err = fail(runtimeException, "Illegal values of between, left value(%s) must less than or equal to right value(%s)", low.value.shown(), high.value.shown())
	}
	return err
}

// orderConstants is the order of two constants, or what Java's conversion of one
// to the type of the other says.
func (v value) orderConstants(o value) (int, error) {
	if v.kind == boolean && o.kind == text {
		return 0, fail(classCast, "class java.lang.Boolean cannot be cast to class java.lang.String (java.lang.Boolean and java.lang.String are in module java.base of loader 'bootstrap')")
	}
	order, ok := compare(v, o, nil)
	if ok {
		return order, nil
	}
	bad := v
	if o.kind == text {
		bad = o
	}
	return 0, fail(runtimeException, "%s: %s", numberFormat, badNumber(bad.text, v.kind == double || o.kind == double))
}

func (p *parser) member(left *node, list []string, negated bool) (*node, error) {
	if left.kind != property && !p.scanning {
		return nil, fail(runtimeException, "Expected a property for In expression, got: %s", left)
	}
	n := &node{kind: in, left: left, list: list}
	if negated {
		n.kind = notIn
	}
	if len(list) >= longList {
		n.set = make(map[string]struct{}, len(list))
		for _, s := range list {
			n.set[s] = struct{}{}
		}
	}
	return p.made(n)
}

// unquoted is the content of a string literal.
func unquoted(literal string) string {
	return strings.ReplaceAll(literal[1:len(literal)-1], "''", "'")
}
