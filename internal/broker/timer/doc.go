// Package timer delivers messages at any time that their sender asks for.
//
// The send path stores such a message in queue 0 of the topic rmq_sys_wheel_timer,
// its real topic and queue and the time in properties; see Ask. That queue is the
// truth. What waits is found through an index in three files that a Java broker
// reads and writes too (storage.md 12):
//
//	timerwheel          a slot of 32 bytes for each step of timerPrecisionMs,
//	                    which points at the newest of the slot's entries in
//	timerlog/           52 bytes for each message, each pointing at the one of the
//	                    same slot before it, and
//	config/timercheck   how far messages are indexed and slots are delivered.
//
// The service indexes what arrives in the queue, and delivers a slot when its time
// has passed: it follows the slot's chain, reads the messages and stores copies in
// their real topics. A message further away than the roll window waits in a slot
// on the way and is then stored in the timer's topic anew.
//
// Invariants:
//
//	T1. The read time moves past a slot only after a copy of each of its messages
//	    is stored, or it was recalled, or can never be stored: delivery is at least
//	    once, and a failure is repeated without end.
//	T2. On disk a slot never points at entries that are not: entries are synced
//	    before the page of the wheel that points at them is written.
//	T3. timercheck never claims more than what is durable: entries, then wheel,
//	    then copies in the commit log, then timercheck. Whatever is missing behind
//	    it is read again from the queue, so a power cut loses nothing, and makes at
//	    most those copies again that were made after the last timercheck, and those
//	    of the slot that was being delivered.
//	T4. Entries behind the position in timercheck count only if the commit log has
//	    their message. If the files cannot be what they claim they are made anew
//	    from the queue.
//	T5. Memory is bounded by the wheel's pages with pending slots (19 MB at most, a
//	    few KB when little waits) and one segment of a slot's chain.
//	T6. Recalls (TIMER_DEL_UNIQKEY) in a slot win over its messages, whatever came
//	    first.
//
// Concurrency: one goroutine indexes and delivers, another writes the index to
// disk. Service.mu guards what they share; it is not held during I/O. Arrived and
// the getters may be called from any goroutine.
//
// Java counterpart: TimerMessageStore. Start reading at Service.turn.
package timer
