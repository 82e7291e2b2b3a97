// Package filter decides which messages a subscription wants: by tags, and by
// SQL92 expressions over properties.
//
// An expression is compiled once, to a Program, and then run on the encoded
// properties of records: one pass over the properties picks up those that the
// expression names, numbers are read where they stand, and nothing is allocated.
//
// The language is that of Java's rocketmq-filter, with its oddities, because
// clients depend on what compiles and what matches: a parser that stops at the
// first complete expression, NOT that binds tighter than =, values that are
// always strings and take the type of the other operand, and an error in an
// evaluation that means no match. Errors of Compile have Java's texts, which name
// the place; clients print them. testdata/java/vectors.tsv.gz has what the Java
// classes answered for thousands of expressions.
//
// Invariants:
//
//	F1. A Program is immutable and safe for concurrent use.
//	F2. Compile and Match never panic, whatever they are given.
//	F3. Compile is linear in the expression, which is at most MaxLength long.
//	    Match costs one pass over the properties, and for each of at most
//	    MaxTerms terms at most another one over one of their values.
//
// Start reading at Compile, then parser.go and eval.go. Facts: consumption.md 2
// and 3. Decision: docs/adr/0017-filters.md. Java counterparts: FilterAPI,
// SelectorParser, the classes of filter.expression.
package filter
