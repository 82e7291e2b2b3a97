// Package meta holds what a broker knows of its topics and subscription groups:
// the tables, their validation, what is created by itself, and the files
// config/topics.json and config/subscriptionGroup.json.
//
// Invariants:
//
//	M1. A config handed out never changes; an update puts a new one in its place.
//	    So lookups are lock-free and allocate nothing.
//	M2. Every change makes the table's data version greater.
//	M3. Sync returns without error only when every change made before it is on
//	    disk: in the file or in the journal beside it.
//	M4. Built-in topics and groups always exist. They reach the files with the
//	    first change, as in Java; what a file says of them wins.
//	M5. A name enters a table only if it is valid (no path separators among
//	    others), except derived names that the broker makes itself.
//	M6. Tables are bounded by MaxTopics and MaxGroups.
//
// Concurrency: all methods may be called from any goroutine. A table's mutex
// serialises changes and is not held while the disk is waited for or the OnChange
// callback runs.
//
// Format: storage.md 14, docs/format/journal.md. Facts: remoting.md 7, admin.md 1.2, 3.1, 3.2. Java
// counterparts: TopicConfigManager, SubscriptionGroupManager. Start reading at
// OpenTopics and package journal.
package meta
