// Package load drives a RocketMQ server as hard as one cheap process can, and
// measures it honestly: it is the generator behind "aerobee bench" and behind
// the side-by-side benchmark in the folder above.
//
// It shares two cores with the server that it measures, so it must cost next to
// nothing: a request is a copy of one prebuilt frame with a few digits stamped
// into it (template.go), requests and responses travel in large reads and
// writes on sockets of its own, and of a response it looks only at correlation
// id and code (scan.go). No maps, no formatting and no allocation per message.
//
// Invariants:
//
//	L1. A connection never has more requests unanswered than Inflight.
//	L2. With a rate, a latency counts from the moment the schedule wanted the
//	    request sent, not from when it could be sent: a stalled server is charged
//	    for everything that it held up (no coordinated omission).
//	L3. Nothing before the end of the warm-up is counted, nor sent after it.
//
// Each connection belongs to one goroutine (two when it keeps a rate), which
// owns its histogram; results are merged when all have ended. Start reading at
// Produce, Consume, Latency and Idle.
package load
