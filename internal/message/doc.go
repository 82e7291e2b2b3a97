// Package message knows what a message is: its fields, its properties string,
// its ids, the record in which commit log and wire carry it, and the batch
// encoding in which clients send several at once.
//
// The record is built once, by AppendRecord in the goroutine that received the
// message. Three fields stay open until the log knows its place; Finish fills
// them in. Everything that reads (Parse, Property, BatchItems) aliases its input
// and allocates nothing: copy what must outlive the buffer.
//
// Invariants:
//
//	M1. Parse never reads outside the slice it was given, whatever is in it.
//	M2. AppendRecord followed by Parse gives the same message.
//
// All functions are pure and safe for concurrent use. Format:
// docs/format/commitlog.md. Java counterparts: MessageDecoder, MessageExtEncoder.
package message
