// Package allocate decides which queues of a topic a member of a consumer group
// gets. Every member decides for itself, from the same lists, so the strategies
// are pure and agree with those of Java's clients to the last queue
// [AllocateMessageQueueStrategy]: Java and Go members share groups.
//
// Invariants:
//
//	A1. With equal lists at all members, no queue has two owners, and every queue
//	    has one (but for Fixed and Rooms, which leave out what they are told to).
//	A2. A member that is not in the list gets nothing.
package allocate
