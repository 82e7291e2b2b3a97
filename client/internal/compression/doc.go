// Package compression undoes what producers do to large bodies.
//
// A producer may compress a body and says so in the message's system flag; the
// broker stores and delivers it as it came. So every reader needs this: the
// consumers and the message queries. Formats: zlib streams (RFC 1950, also for
// the flag of clients from before 4.9), LZ4 frames, Zstandard frames.
//
// Invariant: a body never grows beyond MaxBody, whatever it claims.
package compression
