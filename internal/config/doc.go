// Package config is the one registry of configuration keys.
//
// The keys, their units and their defaults are those of Apache RocketMQ 5.5.0,
// so that a broker.conf or namesrv.conf written for the Java processes is read
// as it is. There is one struct per role, Broker and Namesrv. A key that takes
// effect is a field of it, declared with tags:
//
//	prop     the Java property name
//	default  in the text form of the file; {host}, {ip} and {home} stand for facts of the machine
//	unit     ms, s, min, h for time.Duration fields; bytes, percent and so on only document
//	min, max the range, in the unit; oneof the allowed words
//	reload   "true" if the running process follows a change (codes 25 and 318)
//	doc      one sentence for docs/configuration.md, which is generated
//
// Keys of Java internals, and of features that are not built yet, are listed in
// accepted_broker.txt and accepted_namesrv.txt: they are accepted, shown and
// reported once, and do nothing.
//
// Invariants:
//
//	C1. A file is taken as a whole or not at all, and all its problems are reported at once.
//	C2. A key that is in neither table is an error that names the nearest known key.
//	C3. A value is never silently replaced by a default (Java does that with bad numbers).
//	C4. At run time only fields with the reload tag change; paths, addresses and
//	    identities never do. The user's file is never written.
//	C5. Secrets are never shown.
//
// A *Broker or *Namesrv that is shared is never written: Live applies changes to
// a copy and swaps the pointer. Everything else here is for one goroutine.
//
// Start reading at groups.go (the keys), then schema.go (what the tags do) and
// live.go (run-time changes).
package config
