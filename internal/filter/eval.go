package filter

import "strings"

// truth is what a condition is: Java's Boolean, null, or an exception.
type truth uint8

const (
	no truth = iota
	yes
	unknown
	failed
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// evaluation is a run of a program on one message.
type evaluation struct {
	slots []slot
}

// truth evaluates a boolean expression.
func (e *evaluation) truth(n *node) truth {
	switch n.kind {
	case truthConstant:
		if n.value.kind == null {
			return unknown
		}
		return truth(n.value.number)
	case cast: // a property is a string, which is not true
		if !e.slots[n.left.slot].present {
			return unknown
		}
		return no
	case not:
		return e.truth(n.left).inverse()
	case and:
		return e.all(n.kids)
	case or:
		return e.any(n.kids)
	case equal:
		return e.equal(n)
	case greater, greaterEqual, less, lessEqual:
		return e.ordered(n)
	case between, notBetween:
		return e.ranged(n)
	case in, notIn:
		return e.member(n)
	default:
		return e.search(n)
	}
}

func (t truth) inverse() truth {
	switch t {
	case no:
		return yes
	case yes:
		return no
	}
	return t
}

// all is AND: the first that is false or fails decides.
func (e *evaluation) all(kids []*node) truth {
	result := yes
	for _, kid := range kids {
		switch t := e.truth(kid); t {
		case no, failed:
			return t
		case unknown:
			result = unknown
		}
	}
	return result
}

// any is OR: the first that is true or fails decides.
func (e *evaluation) any(kids []*node) truth {
	result := no
	for _, kid := range kids {
		switch t := e.truth(kid); t {
		case yes, failed:
			return t
		case unknown:
			result = unknown
		}
	}
	return result
}

// value evaluates an operand into v; false is a failure.
func (e *evaluation) value(n *node, v *value) bool {
	switch n.kind {
	case constant:
		*v = n.value
	case property:
		s := &e.slots[n.slot]
		*v = value{}
		if s.present {
			v.kind, v.text, v.slot = text, s.text, n.slot+1
		}
	case negation:
		if !e.value(n.left, v) {
			return false
		}
		*v = v.negated()
	default:
		switch t := e.truth(n); t {
		case failed:
			return false
		case unknown:
			*v = value{}
		default:
			*v = boolValue(t == yes)
		}
	}
	return true
}

func (e *evaluation) equal(n *node) truth {
	if n.left.kind == property && n.right.kind == constant && n.right.value.kind == text {
		s := &e.slots[n.left.slot]
		if !s.present {
			return unknown
		}
		return truthOf(s.text == n.right.value.text)
	}
	var left, right value
	if !e.value(n.left, &left) || !e.value(n.right, &right) {
		return failed
	}
	switch {
	case left.kind == null && right.kind == null:
		return yes
	case left.kind == null:
		return unknown
	case right.kind == null:
		return no
	case left.equals(right):
		return yes
	}
	order, ok := compare(left, right, e.slots)
	if !ok {
		return failed
	}
	return truthOf(order == 0)
}

func (e *evaluation) ordered(n *node) truth {
	var left value
	if !e.value(n.left, &left) {
		return failed
	}
	return e.order(n.kind, &left, n.right)
}

// order compares a value with an operand, which is evaluated only if the value is
// not null. Strings on both sides are compared as numbers.
func (e *evaluation) order(k kind, left *value, operand *node) truth {
	if left.kind == null {
		return unknown
	}
	var right value
	if !e.value(operand, &right) {
		return failed
	}
	if right.kind == null {
		return unknown
	}
	l := *left
	if l.kind == text && right.kind == text {
		var ok bool
		if l, ok = l.as(double, e.slots); !ok {
			return failed
		}
	}
	order, ok := compare(l, right, e.slots)
	if !ok {
		return failed
	}
	switch k {
	case greater:
		return truthOf(order > 0)
	case greaterEqual:
		return truthOf(order >= 0)
	case less:
		return truthOf(order < 0)
	}
	return truthOf(order <= 0)
}

// ranged is BETWEEN, which is two comparisons with AND, or with OR if negated.
func (e *evaluation) ranged(n *node) truth {
	first, second, decides := greaterEqual, lessEqual, no
	if n.kind == notBetween {
		first, second, decides = less, greater, yes
	}
	var left value
	if !e.value(n.left, &left) {
		return failed
	}
	a := e.order(first, &left, n.low)
	if a == decides || a == failed {
		return a
	}
	b := e.order(second, &left, n.right)
	if b == decides || b == failed || a != unknown {
		return b
	}
	return unknown
}

func (e *evaluation) member(n *node) truth {
	s := &e.slots[n.left.slot]
	if !s.present {
		return unknown
	}
	found := false
	if n.set != nil {
		_, found = n.set[s.text]
	} else {
		for _, text := range n.list {
			found = found || text == s.text
		}
	}
	return truthOf(found == (n.kind == in))
}

// search is CONTAINS and its kin. Without a text to look for or to look in they
// are false, negated or not.
func (e *evaluation) search(n *node) truth {
	if n.text == "" {
		return no
	}
	var in value
	if !e.value(n.left, &in) {
		return failed
	}
	if in.kind != text {
		return no
	}
	switch n.kind {
	case contains:
		return truthOf(strings.Contains(in.text, n.text))
	case notContains:
		return truthOf(!strings.Contains(in.text, n.text))
	case startsWith:
		return truthOf(strings.HasPrefix(in.text, n.text))
	case notStartsWith:
		return truthOf(!strings.HasPrefix(in.text, n.text))
	case endsWith:
		return truthOf(strings.HasSuffix(in.text, n.text))
	}
	return truthOf(!strings.HasSuffix(in.text, n.text))
}
