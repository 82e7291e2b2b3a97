package filter

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/aerobee/aerobee/internal/message"
)

// Limits of an expression. Java has none: a long one costs its broker time with
// every message, and a deeply nested one overflows its stack.
const (
	MaxLength = 64 << 10 // bytes
	MaxDepth  = 1000     // of parentheses, signs, NOTs and comparisons of comparisons
	MaxTerms  = 4096     // comparisons, signs and NOTs; the strings of IN count as one
)

// Program is a compiled SQL92 expression. See Compile.
type Program struct {
	root  *node
	names []string         // of the properties that it looks at; the index is the slot
	index map[string]int32 // of the names, when there are more than fewSlots
	size  int
}

// Size is about how many bytes of memory the program takes.
func (p *Program) Size() int { return p.size }

// fewSlots is how many properties a program can look at without a working memory
// from the pool.
const fewSlots = 8

// Compile compiles an SQL92 expression. What is wrong with one is told by an
// *Error, in the words of Java.
func Compile(expression string) (*Program, error) {
	if len(expression) > MaxLength {
		return nil, &Error{text: fmt.Sprintf("the expression has %d bytes, at most %d are allowed", len(expression), MaxLength)}
	}
	root, err := parse(expression)
	if err != nil {
		return nil, err
	}
	p := &Program{root: root, size: len(expression)}
	slots := make(map[string]int32)
	p.prepare(root, slots)
	if len(p.names) > fewSlots {
		p.index = slots
	}
	return p, nil
}

// prepare gives properties their slots and signed constants their value.
func (p *Program) prepare(n *node, slots map[string]int32) {
	if n == nil {
		return
	}
	p.size += int(unsafe.Sizeof(*n)) + len(n.list)*int(unsafe.Sizeof(""))*(1+len(n.set)/max(len(n.list), 1)*2)
	p.prepare(n.left, slots)
	p.prepare(n.low, slots)
	p.prepare(n.right, slots)
	for _, kid := range n.kids {
		p.prepare(kid, slots)
	}
	switch {
	case n.kind == property:
		slot, known := slots[n.text]
		if !known {
			slot = int32(len(p.names))
			slots[n.text] = slot
			p.names = append(p.names, n.text)
		}
		n.slot = slot
	case n.kind == negation && n.left.kind == constant:
		n.kind, n.value = constant, n.left.value.negated()
	}
}

// MatchTags lets every entry of a queue pass: it does not tell the properties.
func (p *Program) MatchTags(int64) bool { return true }

// MatchRecord tells whether a record is wanted. What is no record is not.
func (p *Program) MatchRecord(rec []byte) bool {
	props, ok := message.RecordProperties(rec)
	return ok && p.MatchProperties(props)
}

// pool has working memory for programs with many properties.
var pool = sync.Pool{New: func() any { return new([]slot) }}

// MatchProperties tells whether a message with these encoded properties is wanted.
func (p *Program) MatchProperties(props string) bool {
	if len(p.names) > fewSlots {
		return p.matchMany(props)
	}
	var few [fewSlots]slot
	return p.matchIn(few[:len(p.names)], props)
}

func (p *Program) matchMany(props string) bool {
	many := pool.Get().(*[]slot)
	defer pool.Put(many)
	if cap(*many) < len(p.names) {
		*many = make([]slot, len(p.names))
	}
	slots := (*many)[:len(p.names)]
	defer clear(slots) // they point into the record
	return p.matchIn(slots, props)
}

func (p *Program) matchIn(slots []slot, props string) bool {
	e := evaluation{slots: slots}
	p.pick(props, slots)
	return e.truth(p.root) == yes
}

// pick puts the values of the properties that the program looks at into slots. Of
// several with one name the last counts, as in a Java map.
func (p *Program) pick(props string, slots []slot) {
	if len(slots) == 0 {
		return
	}
	for name, value := range message.Properties(props) {
		if at := p.find(name); at >= 0 {
			slots[at].text, slots[at].present = value, true
		}
	}
}

func (p *Program) find(name string) int {
	if p.index != nil {
		if at, ok := p.index[name]; ok {
			return int(at)
		}
		return -1
	}
	for i, n := range p.names {
		if n == name {
			return i
		}
	}
	return -1
}
