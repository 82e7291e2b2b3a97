// Package javajson reads and writes the JSON dialect of fastjson, in which
// RocketMQ peers exchange bodies and keep configuration files. The standard
// library cannot: fastjson writes maps with integer keys as {0:"a"} and maps
// with object keys as {{"topic":"t"}:5}, and reads much more than JSON allows.
//
// Start with Unmarshal and Marshal. Types are described by struct tags: json as
// in encoding/json, and java for what only fastjson has.
//
//	Topic string            `json:"topic,omitempty"`       // "" is Java's null: left out
//	Table map[string]string `json:"table" java:"always"`   // nil is written as {} (or [])
//	Group string            `json:"c" java:"alt=group"`    // also read under the name group
//	Class string            `json:"class" java:"decodeonly"` // read, never written
//
// Fields without a tag and unexported fields are ignored. Embedded structs
// without a tag contribute their fields.
//
// Invariants:
//
//  1. Unmarshal never panics, whatever the input; nesting deeper than MaxDepth
//     and input that would need far more memory than its own size are errors.
//  2. Unmarshal changes its target only when it succeeds.
//  3. Nothing in the result refers to the input.
//  4. Marshal is deterministic: fields in alphabetical order, map keys sorted.
//  5. What Marshal wrote, Unmarshal reads back to the same value.
//
// A type whose absent fields have other defaults than zero implements
// Defaulter. A type with a text form (an enumeration) implements
// encoding.TextMarshaler and encoding.TextUnmarshaler; empty text stands for
// null.
//
// All functions are safe for concurrent use. The only state of the package is a
// cache of immutable type descriptions.
//
// Format: docs/format/json-dialect.md. Java counterpart: fastjson2 2.0.59 as
// used by RemotingSerializable.
package javajson
