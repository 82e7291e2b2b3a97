// Package hold keeps the pulls that wait for a message.
//
// A pull that finds nothing is parked under its queue, until an entry arrives
// that its filter wants, its hold time is over, or its connection closes. The
// owner is then called back with whole batches of requests to run again.
//
// The table is split into shards by queue. A shard has one mutex and one
// goroutine, which sleeps until a request of the shard is ready or due; a
// request costs no goroutine and no timer of its own, and parking and waking
// allocate nothing in the steady state.
//
// Invariants:
//
//	H1. A parked request is handed out exactly once: to Resume after an arrival,
//	    at its deadline or on WakeAll, or to Dropped when its connection or the
//	    table closes. Before that nobody but the table touches it.
//	H2. An arrival never passes a request by: whoever parks must look at the end
//	    of the queue after Park has returned, and call Wake if it has moved.
//	H3. A request leaves at its deadline, not before and not at the next scan.
//	H4. At most Config.Max requests are parked, and at most Config.MaxPerConn of
//	    one connection in each shard.
//
// Concurrency: all methods may be called from any goroutine. Filters are called
// with a shard's mutex held and must be pure; Resume and Dropped are called
// without it. Facts: consumption.md 5. Java counterpart: PullRequestHoldService.
// Start reading at Table.Park, Table.Arrive and shard.run.
package hold
