// Package assign divides the queues of a topic among the clients of a consumer
// group, for clients that leave that to the broker (QUERY_ASSIGNMENT), and keeps
// who pulls and who pops (SET_MESSAGE_REQUEST_MODE).
//
// Divide is a pure function. Modes is a table with the file
// config/messageRequestMode.json, which a Java broker reads and writes, and a
// journal of changes beside it.
//
// Invariants:
//
//	A1. Clients that know the same members and queues get parts that are disjoint
//	    and together all queues; only shares of POP overlap, on purpose.
//	A2. Set and Sync without error mean that the mode survives a power cut.
//	A3. The table holds at most MaxModes entries; the one too many is refused.
//
// Concurrency: all methods may be called from any goroutine. Facts:
// consumption.md 8.9. Java counterparts: QueryAssignmentProcessor,
// MessageRequestModeManager. Start reading at Divide and Modes.Set.
package assign
