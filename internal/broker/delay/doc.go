// Package delay delivers messages with a delay level when their time has come.
//
// The send path stores such a message in the topic SCHEDULE_TOPIC_XXXX, one queue
// for each level, with its real topic and queue in two properties; see Transform.
// Within a level the times are in order, so one cursor per level is all the state
// there is. The service copies each message that is due to its real topic and
// moves the cursor on. The cursors survive in config/delayOffset.json, readable
// and writable by a Java broker (storage.md 11, 14 and 19.5).
//
// Invariants:
//
//	D1. A cursor moves past a message only after the copy is stored: delivery is
//	    at least once.
//	D2. The periodic checkpoint writes a cursor only when the log is flushed
//	    beyond every copy made before it, so that D1 holds across a power cut.
//	D3. A message never waits longer than its level's delay from the moment the
//	    service looks at it, whatever the wall clock did: a time further away
//	    counts as due, and a step forward is noticed within a second.
//	D4. A copy has the properties of the scheduled record, DELAY, REAL_TOPIC and
//	    REAL_QID included, as Java's has. It is not delayed again because only the
//	    send path transforms.
//
// Concurrency: one goroutine owns the cursors and delivers, another writes
// checkpoints. Arrived may be called from any goroutine and costs one load.
// Java counterpart: ScheduleMessageService. Start reading at Service.turn.
package delay
