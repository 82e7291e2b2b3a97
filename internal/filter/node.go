package filter

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aerobee/aerobee/internal/protocol"
)

// kind is what a node is.
type kind uint8

const (
	constant      kind = iota // a number or a string
	truthConstant             // TRUE, FALSE or NULL
	property
	negation // - left

	// What follows is a boolean expression.
	cast // a property where a condition is wanted
	not
	and // of kids
	or
	equal
	greater
	greaterEqual
	less
	lessEqual
	between // left BETWEEN low AND right
	notBetween
	contains // left CONTAINS text
	notContains
	startsWith
	notStartsWith
	endsWith
	notEndsWith
	in // left IN list
	notIn
)

// node is a part of an expression.
type node struct {
	kind             kind
	left, low, right *node
	kids             []*node
	value            value // of a constant
	text             string
	list             []string
	set              map[string]struct{} // the list, when it is long
	slot             int32               // of a property
	depth            int32
}

func (n *node) isBoolean() bool  { return n.kind == truthConstant || n.kind >= cast }
func (n *node) isConstant() bool { return n.kind == constant || n.kind == truthConstant }

var symbols = map[kind]string{
	negation: "-", not: "NOT", and: "&&", or: "||",
	equal: "==", greater: ">", greaterEqual: ">=", less: "<", lessEqual: "<=",
	contains: "CONTAINS", notContains: "NOT CONTAINS", startsWith: "STARTSWITH", notStartsWith: "NOT STARTSWITH",
	endsWith: "ENDSWITH", notEndsWith: "NOT ENDSWITH", in: "IN", notIn: "NOT IN",
}

// maxShown bounds the text of an expression in an error. It can double with each
// level, because BETWEEN is shown as two comparisons.
const maxShown = 4096

// String is how Java shows an expression in its errors.
func (n *node) String() string {
	var b strings.Builder
	n.show(&b)
	if b.Len() > maxShown {
		return b.String()[:maxShown] + "..."
	}
	return b.String()
}

func (n *node) show(b *strings.Builder) {
	if b.Len() > maxShown {
		return
	}
	switch n.kind {
	case constant, truthConstant:
		b.WriteString(n.value.literal())
	case property:
		b.WriteString(n.text)
	case cast:
		n.left.show(b)
	case and, or:
		b.WriteString(strings.Repeat("(", len(n.kids)-1))
		for i, kid := range n.kids {
			if i > 0 {
				b.WriteString(" " + symbols[n.kind] + " ")
			}
			kid.show(b)
			if i > 0 {
				b.WriteString(")")
			}
		}
	case between:
		pair(b, "&&", &node{kind: greaterEqual, left: n.left, right: n.low}, &node{kind: lessEqual, left: n.left, right: n.right})
	case notBetween:
		pair(b, "||", &node{kind: less, left: n.left, right: n.low}, &node{kind: greater, left: n.left, right: n.right})
	case equal, greater, greaterEqual, less, lessEqual:
		pair(b, symbols[n.kind], n.left, n.right)
	case in, notIn:
		n.left.show(b)
		b.WriteString(" " + symbols[n.kind] + " ( " + strings.Join(n.shownList(), ", ") + " )")
	default:
		b.WriteString("(" + symbols[n.kind] + " ")
		n.left.show(b)
		b.WriteString(")")
	}
}

// shownList is the list in the order in which Java shows it: that of a hash set
// when it is long, by the low bits of the hashes.
func (n *node) shownList() []string {
	if n.set == nil {
		return n.list
	}
	buckets := 16
	for buckets < len(n.list)*4/3+1 {
		buckets *= 2
	}
	bucket := func(s string) uint32 {
		h := uint32(protocol.StringHash(s))
		return (h ^ h>>16) & uint32(buckets-1)
	}
	var list []string
	seen := make(map[string]bool, len(n.list))
	for _, s := range n.list {
		if !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(bucket(a), bucket(b)) })
	return list
}

func pair(b *strings.Builder, symbol string, left, right *node) {
	b.WriteString("(")
	left.show(b)
	b.WriteString(" " + symbol + " ")
	right.show(b)
	b.WriteString(")")
}
