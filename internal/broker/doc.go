// Package broker serves the requests of a broker: it connects the remoting
// server, the store, and the tables of topics, groups, clients and offsets.
//
// A request comes in on a connection's reader goroutine and finds its handler in
// the one table of verbs.go. Handlers of the hot paths (send, pull, offsets,
// heartbeats) run right there and never block: a send joins the store's pending
// group, and AfterBatch lets this goroutine lead the group when all requests of
// one read are in. Handlers that may block (disk far away, other hosts, big
// answers) are marked slow and run on remoting's bounded workers.
//
// Invariants:
//
//	B1. Nothing is answered with success before it is as durable as the
//	    configuration says: messages when their group completed, topics, groups
//	    and configuration when their file is replaced.
//	B2. Start returns when requests are served; nothing of Start waits for a
//	    nameserver. A nameserver that does not answer delays nobody but itself.
//	B3. Stop takes the steps of Broker.Stop in order, each with a deadline, and
//	    returns when all goroutines are gone.
//	B4. The configuration is immutable and replaced as a whole; who needs two
//	    values that belong together takes config() once.
//
// Concurrency: the tables are safe for concurrent use and have their own locks;
// this package holds none while it calls them. Every goroutine belongs to
// Broker.group.
//
// Packages below: meta (topics, groups), registry (clients), offsets, hold (long
// polling), delay, locks, stats. Java counterparts: BrokerController, the
// processors. Facts: the specification's pages remoting, consumption and admin.
// Start reading at verbs.go, then broker.go.
package broker
